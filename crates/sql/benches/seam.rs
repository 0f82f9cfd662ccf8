//! What the seam costs beside plain sqlx: a batch of 1,024 rows of 6 columns and reads of one row.
//!
//! `cargo bench -p obhut-sql`; PostgreSQL when `OBHUT_TEST_POSTGRES` is set. Seam and plain run in
//! turn, round by round, each on a database of its own. The table shows lower quartiles, which other
//! work on the machine disturbs least: of the time on the clock and of this process's time on the
//! processors (all threads; not the PostgreSQL server's).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

use std::time::{Duration, Instant};

use obhut_sql::testing::TestDb;
use obhut_sql::{Batch, Db, Engine, Kind, Migration, Schema, SqlError, Value, sql};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, PgPool, Postgres, QueryBuilder, Row as _, Sqlite, SqlitePool};

const ROWS: i64 = 1024;
const BATCHES: i64 = 101;
const READS: i64 = 4001;

const TABLES: Schema = Schema {
    postgres: &[Migration {
        version: 1,
        name: "rows",
        oldest: 1,
        sql: "CREATE TABLE rows (id BYTEA PRIMARY KEY, at BIGINT NOT NULL, size BIGINT NOT NULL,
              state TEXT NOT NULL, digest BYTEA NOT NULL, note TEXT)",
    }],
    sqlite: &[Migration {
        version: 1,
        name: "rows",
        oldest: 1,
        sql: "CREATE TABLE rows (id BLOB NOT NULL PRIMARY KEY, at INTEGER NOT NULL,
              size INTEGER NOT NULL, state TEXT NOT NULL, digest BLOB NOT NULL, note TEXT) STRICT",
    }],
};

const INSERT: Batch<6> = Batch::insert(
    "rows",
    [
        ("id", Kind::Blob),
        ("at", Kind::Int),
        ("size", Kind::Int),
        ("state", Kind::Text),
        ("digest", Kind::Blob),
        ("note", Kind::Text),
    ],
);

const FIND: &str = "SELECT at, size, state, digest, note FROM rows WHERE id = $1";

#[derive(Clone)]
struct Record {
    id: [u8; 16],
    at: i64,
    size: i64,
    state: String,
    digest: [u8; 32],
    note: Option<String>,
}

fn records(batch: i64) -> Vec<Record> {
    (batch * ROWS..(batch + 1) * ROWS)
        .map(|number| Record {
            id: id(number),
            at: 1_700_000_000_000_000 + number,
            size: number % 100_000,
            state: "registered".to_owned(),
            digest: [number.to_be_bytes()[7]; 32],
            note: (number % 2 == 0).then(|| format!("row {number}")),
        })
        .collect()
}

/// Ids in no order, as real ones are; the same in every run.
fn id(number: i64) -> [u8; 16] {
    let spread = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    u128::from(number.unsigned_abs() + 1)
        .wrapping_mul(spread)
        .to_be_bytes()
}

async fn seam_batch(db: &Db, records: &[Record]) {
    db.write("batch", async |mut tx| {
        let rows = records.iter().map(|record| -> [Value; 6] {
            [
                record.id.into(),
                record.at.into(),
                record.size.into(),
                record.state.as_str().into(),
                record.digest.into(),
                record.note.as_deref().into(),
            ]
        });
        INSERT.execute(&mut tx, rows).await
    })
    .await
    .unwrap();
}

async fn seam_find(db: &Db, id: [u8; 16]) -> i64 {
    let row = db
        .fetch_optional("find", sql(FIND).bind(id))
        .await
        .unwrap()
        .unwrap();
    let _: (String, [u8; 32]) = (row.column("state").unwrap(), row.column("digest").unwrap());
    let _: Option<String> = row.column("note").unwrap();
    row.column::<i64>("at").unwrap() + row.column::<i64>("size").unwrap()
}

async fn seam_read(db: &Db, id: [u8; 16]) -> i64 {
    db.read("find_in_snapshot", async |mut tx| {
        let row = sql(FIND).bind(id).fetch_one(&mut tx).await?;
        row.column("at")
    })
    .await
    .unwrap_or_else(|error: SqlError| panic!("{error}"))
}

/// The same work in plain sqlx, in the fastest form found.
enum Plain {
    Postgres(PgPool),
    Sqlite {
        reader: SqlitePool,
        writer: SqlitePool,
    },
}

macro_rules! push_rows {
    ($database:ty, $connection:expr, $records:expr) => {
        let mut query =
            QueryBuilder::<$database>::new("INSERT INTO rows (id, at, size, state, digest, note) ");
        query.push_values($records, |mut row, record| {
            row.push_bind(record.id.to_vec())
                .push_bind(record.at)
                .push_bind(record.size)
                .push_bind(record.state.clone())
                .push_bind(record.digest.to_vec())
                .push_bind(record.note.clone());
        });
        query.build().execute($connection).await.unwrap();
    };
}

macro_rules! read_row {
    ($row:expr) => {{
        let row = $row;
        let _: (String, Vec<u8>) = (
            row.try_get("state").unwrap(),
            row.try_get("digest").unwrap(),
        );
        let _: Option<String> = row.try_get("note").unwrap();
        row.try_get::<i64, _>("at").unwrap() + row.try_get::<i64, _>("size").unwrap()
    }};
}

impl Plain {
    async fn open(test: &TestDb) -> Self {
        match test.db.engine() {
            Engine::Postgres => {
                let options: PgConnectOptions = test.target.parse().unwrap();
                let options = options.disable_statement_logging();
                Self::Postgres(
                    PgPoolOptions::new()
                        .max_connections(4)
                        .test_before_acquire(false)
                        .connect_with(options)
                        .await
                        .unwrap(),
                )
            }
            Engine::Sqlite => {
                use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
                let options = SqliteConnectOptions::new()
                    .filename(&test.target)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .pragma("secure_delete", "ON")
                    .disable_statement_logging();
                let pool = |options: &SqliteConnectOptions| {
                    SqlitePoolOptions::new()
                        .max_connections(1)
                        .test_before_acquire(false)
                        .connect_lazy_with(options.clone())
                };
                Self::Sqlite {
                    reader: pool(&options),
                    writer: pool(&options),
                }
            }
        }
    }

    /// All rows as one VALUES list.
    async fn batch_values(&self, records: &[Record]) {
        match self {
            Self::Postgres(pool) => {
                let mut tx = pool
                    .begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE")
                    .await
                    .unwrap();
                push_rows!(Postgres, &mut *tx, records);
                tx.commit().await.unwrap();
            }
            Self::Sqlite { writer, .. } => {
                let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
                push_rows!(Sqlite, &mut *tx, records);
                tx.commit().await.unwrap();
            }
        }
    }

    /// PostgreSQL: an array a column. SQLite: four VALUES lists of 256 rows.
    async fn batch_other(&self, records: &[Record]) {
        match self {
            Self::Postgres(pool) => {
                let mut tx = pool
                    .begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE")
                    .await
                    .unwrap();
                sqlx::query(
                    "INSERT INTO rows (id, at, size, state, digest, note) \
                     SELECT * FROM UNNEST($1::BYTEA[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BYTEA[], $6::TEXT[])",
                )
                .bind(records.iter().map(|r| r.id.to_vec()).collect::<Vec<_>>())
                .bind(records.iter().map(|r| r.at).collect::<Vec<_>>())
                .bind(records.iter().map(|r| r.size).collect::<Vec<_>>())
                .bind(records.iter().map(|r| r.state.clone()).collect::<Vec<_>>())
                .bind(records.iter().map(|r| r.digest.to_vec()).collect::<Vec<_>>())
                .bind(records.iter().map(|r| r.note.clone()).collect::<Vec<_>>())
                .execute(&mut *tx)
                .await
                .unwrap();
                tx.commit().await.unwrap();
            }
            Self::Sqlite { writer, .. } => {
                let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
                for chunk in records.chunks(256) {
                    push_rows!(Sqlite, &mut *tx, chunk);
                }
                tx.commit().await.unwrap();
            }
        }
    }

    async fn find(&self, id: [u8; 16]) -> i64 {
        match self {
            Self::Postgres(pool) => {
                read_row!(
                    sqlx::query(FIND)
                        .bind(id.to_vec())
                        .fetch_one(pool)
                        .await
                        .unwrap()
                )
            }
            Self::Sqlite { reader, .. } => {
                read_row!(
                    sqlx::query(FIND)
                        .bind(id.to_vec())
                        .fetch_one(reader)
                        .await
                        .unwrap()
                )
            }
        }
    }

    async fn read(&self, id: [u8; 16]) -> i64 {
        match self {
            Self::Postgres(pool) => {
                let mut tx = pool
                    .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .await
                    .unwrap();
                let row = sqlx::query(FIND)
                    .bind(id.to_vec())
                    .fetch_one(&mut *tx)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                row.try_get("at").unwrap()
            }
            Self::Sqlite { reader, .. } => {
                let mut tx = reader.begin().await.unwrap();
                let row = sqlx::query(FIND)
                    .bind(id.to_vec())
                    .fetch_one(&mut *tx)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                row.try_get("at").unwrap()
            }
        }
    }
}

/// What one way of doing the work took, round by round.
#[derive(Default)]
struct Times {
    clock: Vec<Duration>,
    processor: Vec<Duration>,
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

macro_rules! timed {
    ($times:expr, $work:expr) => {{
        let (started, used) = (Instant::now(), processor_time());
        std::hint::black_box($work.await);
        $times.clock.push(started.elapsed());
        $times.processor.push(processor_time() - used);
    }};
}

fn lower_quartile(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 4].as_secs_f64() * 1e6
}

fn line(what: &str, plain: &mut Times, seam: &mut Times) {
    let columns = [
        (&mut plain.clock, &mut seam.clock),
        (&mut plain.processor, &mut seam.processor),
    ]
    .map(|(plain, seam)| {
        let (plain, seam) = (lower_quartile(plain), lower_quartile(seam));
        let cost = (seam / plain - 1.0) * 100.0;
        format!("{plain:.0} | {seam:.0} | {cost:+.1} %")
    });
    println!("| {what} | {} |", columns.join(" | "));
}

async fn open(engine: Engine) -> Option<TestDb> {
    let test = match engine {
        Engine::Postgres => TestDb::postgres().await.unwrap()?,
        Engine::Sqlite => TestDb::sqlite().await.unwrap(),
    };
    test.db.migrate(&TABLES).await.unwrap();
    Some(test)
}

async fn measure(engine: Engine, form: &str) -> Option<()> {
    let (ours, theirs, others) = (
        open(engine).await?,
        open(engine).await?,
        open(engine).await?,
    );
    let (plain, other) = (Plain::open(&theirs).await, Plain::open(&others).await);
    let (mut values, mut arrays, mut seam) = (Times::default(), Times::default(), Times::default());
    for round in 0..BATCHES {
        let records = records(round);
        for turn in 0..3 {
            match (turn + round) % 3 {
                0 => timed!(seam, seam_batch(&ours.db, &records)),
                1 => timed!(arrays, other.batch_other(&records)),
                _ => timed!(values, plain.batch_values(&records)),
            }
        }
    }
    line(
        &format!("{engine:?}: batch, plain as {form}"),
        &mut arrays,
        &mut seam,
    );
    line(
        &format!("{engine:?}: batch, plain as one VALUES list"),
        &mut values,
        &mut seam,
    );
    let (mut one_plain, mut one) = (Times::default(), Times::default());
    let (mut snapshot_plain, mut snapshot) = (Times::default(), Times::default());
    for round in 0..READS {
        let wanted = id(round % ROWS);
        if round % 2 == 0 {
            timed!(one, seam_find(&ours.db, wanted));
            timed!(one_plain, plain.find(wanted));
            timed!(snapshot, seam_read(&ours.db, wanted));
            timed!(snapshot_plain, plain.read(wanted));
        } else {
            timed!(one_plain, plain.find(wanted));
            timed!(one, seam_find(&ours.db, wanted));
            timed!(snapshot_plain, plain.read(wanted));
            timed!(snapshot, seam_read(&ours.db, wanted));
        }
    }
    line(
        &format!("{engine:?}: one row, one statement"),
        &mut one_plain,
        &mut one,
    );
    line(
        &format!("{engine:?}: one row in a snapshot"),
        &mut snapshot_plain,
        &mut snapshot,
    );
    for test in [ours, theirs, others] {
        test.finish().await.unwrap();
    }
    Some(())
}

fn main() {
    // `cargo test --benches` only wants to know that this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "| {BATCHES} batches of {ROWS} × 6, {READS} reads; µs | clock: plain | seam | cost | processor: plain | seam | cost |"
    );
    println!("|---|---|---|---|---|---|---|");
    runtime.block_on(measure(Engine::Sqlite, "four VALUES lists"));
    runtime.block_on(measure(Engine::Postgres, "UNNEST"));
}
