//! One suite, run on both engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::time::{Duration, Instant};

use obhut_sql::testing::{Silencer, Swallow, TestDb, describe};
use obhut_sql::{Batch, Db, Engine, Kind, Migration, Options, Schema, SqlError, Value, sql};

const POSTGRES: &[Migration] = &[Migration {
    version: 1,
    name: "tables",
    oldest: 1,
    sql: "
        CREATE TABLE owners (id BIGINT PRIMARY KEY);
        CREATE TABLE items (
            id BYTEA PRIMARY KEY,
            owner BIGINT REFERENCES owners (id),
            number BIGINT NOT NULL,
            label TEXT,
            state TEXT NOT NULL DEFAULT 'new' CONSTRAINT items_state CHECK (state IN ('new', 'old')),
            CONSTRAINT items_owner_number_key UNIQUE (owner, number)
        );
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'append_only'; END $$;
        CREATE TABLE entries (id BIGINT PRIMARY KEY);
        CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON entries
            FOR EACH ROW EXECUTE FUNCTION refuse_change();",
}];

const SQLITE: &[Migration] = &[Migration {
    version: 1,
    name: "tables",
    oldest: 1,
    sql: "
        CREATE TABLE owners (id INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE items (
            id BLOB NOT NULL PRIMARY KEY,
            owner INTEGER REFERENCES owners (id),
            number INTEGER NOT NULL,
            label TEXT,
            state TEXT NOT NULL DEFAULT 'new' CONSTRAINT items_state CHECK (state IN ('new', 'old')),
            CONSTRAINT items_owner_number_key UNIQUE (owner, number)
        ) STRICT;
        CREATE TABLE entries (id INTEGER PRIMARY KEY) STRICT;
        CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries
            BEGIN SELECT RAISE(ABORT, 'append_only'); END;",
}];

const TABLES: Schema = Schema {
    postgres: POSTGRES,
    sqlite: SQLITE,
};

const INSERT: &str = "INSERT INTO items (id, owner, number, label) VALUES ($1, $2, $3, $4)";
const FIND: &str = "SELECT owner, number, label FROM items WHERE id = $1";
const COUNT: &str = "SELECT COUNT(*) AS n FROM items";

const INSERT_ITEMS: Batch<4> = Batch::insert(
    "items",
    [
        ("id", Kind::Blob),
        ("owner", Kind::Int),
        ("number", Kind::Int),
        ("label", Kind::Text),
    ],
);

fn id(number: i64) -> [u8; 16] {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

fn item(number: i64) -> [Value; 4] {
    let label = (number % 3 != 0).then(|| format!("Label {number} äöü"));
    [id(number).into(), Value::Null, number.into(), label.into()]
}

async fn insert(db: &Db, number: i64) -> Result<u64, SqlError> {
    db.write("insert", async |mut tx| {
        sql(INSERT)
            .bind(id(number))
            .bind(None::<i64>)
            .bind(number)
            .bind("one")
            .execute(&mut tx)
            .await
    })
    .await
}

async fn count(db: &Db) -> i64 {
    let row = db.fetch_optional("count", sql(COUNT)).await.unwrap();
    row.unwrap().column("n").unwrap()
}

async fn run(db: &Db, text: &'static str) -> Result<u64, SqlError> {
    db.write("run", async |mut tx| sql(text).execute(&mut tx).await)
        .await
}

fn constraint<T: std::fmt::Debug>(result: Result<T, SqlError>) -> String {
    match result {
        Err(SqlError::Constraint { name }) => name,
        other => format!("{other:?}"),
    }
}

async fn reads_back_what_was_written(test: &TestDb) {
    let db = &test.db;
    run(db, "INSERT INTO owners (id) VALUES (5)").await.unwrap();
    db.write("insert", async |mut tx| {
        sql(INSERT)
            .bind(id(1))
            .bind(Some(5_i64))
            .bind(i64::MIN)
            .bind(None::<String>)
            .execute(&mut tx)
            .await
    })
    .await
    .unwrap();
    let row = db
        .fetch_optional("find", sql(FIND).bind(id(1)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.column::<Option<u32>>("owner").unwrap(), Some(5));
    assert_eq!(row.column::<i64>("number").unwrap(), i64::MIN);
    assert_eq!(row.column::<Option<String>>("label").unwrap(), None);
    let absent = db.fetch_optional("find", sql(FIND).bind(id(2))).await;
    assert!(absent.unwrap().is_none());
}

async fn refuses_a_column_that_is_absent_or_of_another_kind(test: &TestDb) {
    insert(&test.db, -4).await.unwrap();
    let row = test.db.fetch_optional("find", sql(FIND).bind(id(-4))).await;
    let row = row.unwrap().unwrap();
    let wrong = [
        row.column::<i64>("nothing").err(),
        row.column::<String>("number").err(),
        row.column::<u64>("number").err(),
        row.column::<i64>("owner").err(),
        row.column::<[u8; 16]>("label").err(),
    ];
    for error in wrong {
        assert!(matches!(error, Some(SqlError::Column { .. })), "{error:?}");
    }
}

async fn inserts_batches_of_every_size(test: &TestDb) {
    let db = &test.db;
    let mut total = 0;
    for size in [0, 1, 7, 8, 9, 31, 127, 128, 129, 1024, 1023] {
        let rows: Vec<_> = (total..total + size).map(item).collect();
        let changed = db
            .write("batch", async |mut tx| {
                INSERT_ITEMS.execute(&mut tx, rows.clone()).await
            })
            .await;
        assert_eq!(changed.unwrap(), u64::try_from(size).unwrap());
        total += size;
    }
    assert_eq!(count(db).await, total);
    let rows = db
        .fetch_all(
            "all",
            sql("SELECT id, owner, number, label FROM items ORDER BY number"),
        )
        .await
        .unwrap();
    for (row, number) in rows.iter().zip(0..) {
        let read: [Value; 4] = [
            row.column::<[u8; 16]>("id").unwrap().into(),
            row.column::<Option<i64>>("owner").unwrap().into(),
            row.column::<i64>("number").unwrap().into(),
            row.column::<Option<String>>("label").unwrap().into(),
        ];
        assert_eq!(read, item(number));
    }
}

async fn batches_upsert_return_and_join(test: &TestDb) {
    const UPSERT: Batch<4> = INSERT_ITEMS.tail("ON CONFLICT (id) DO NOTHING RETURNING number");
    const LOOKUP: Batch<1> = Batch::with(
        [("wanted", Kind::Blob)],
        "SELECT items.number FROM batch JOIN items ON items.id = batch.wanted",
    );
    const RELABEL: Batch<2> = Batch::with(
        [("wanted", Kind::Blob), ("label", Kind::Text)],
        "UPDATE items SET label = batch.label FROM batch WHERE items.id = batch.wanted",
    );
    let db = &test.db;
    insert(db, 3).await.unwrap();
    let inserted = db
        .write("upsert", async |mut tx| {
            UPSERT.prepare(&mut tx).await?;
            LOOKUP.prepare(&mut tx).await?;
            UPSERT.fetch_all(&mut tx, (0..300).map(item)).await
        })
        .await
        .unwrap();
    let mut numbers: Vec<i64> = inserted
        .iter()
        .map(|row| row.column("number").unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..300).filter(|n| *n != 3).collect::<Vec<_>>());

    let wanted: Vec<[Value; 1]> = (200..400).map(|n| [id(n).into()]).collect();
    let found = db
        .read("lookup", async |mut tx| {
            LOOKUP.fetch_all(&mut tx, wanted.clone()).await
        })
        .await
        .unwrap();
    assert_eq!(found.len(), 100);

    let labels: Vec<[Value; 2]> = (0..150).map(|n| [id(n).into(), "new".into()]).collect();
    let changed = db
        .write("relabel", async |mut tx| {
            RELABEL.execute(&mut tx, labels.clone()).await
        })
        .await;
    assert_eq!(changed.unwrap(), 150);
}

async fn refuses_a_batch_with_a_value_of_another_kind(test: &TestDb) {
    let result = test
        .db
        .write("batch", async |mut tx| {
            let mut row = item(1);
            row[2] = "text".into();
            INSERT_ITEMS.execute(&mut tx, vec![item(0), row]).await
        })
        .await;
    assert!(matches!(result, Err(SqlError::Column { name: "number" })));
    assert_eq!(count(&test.db).await, 0);
}

async fn names_constraints_alike(test: &TestDb) {
    let db = &test.db;
    run(db, "INSERT INTO owners (id) VALUES (1)").await.unwrap();
    run(db, "INSERT INTO entries (id) VALUES (1)")
        .await
        .unwrap();
    insert(db, 1).await.unwrap();
    let cases = [
        ("INSERT INTO owners (id) VALUES (1)", "owners_pkey"),
        (
            "INSERT INTO items (id, number) SELECT id, 9 FROM items",
            "items_pkey",
        ),
        (
            "WITH n (b) AS (SELECT id FROM items) INSERT INTO items (id, owner, number) SELECT b, 77, 1 FROM n \
             WHERE 1 = 0 UNION ALL SELECT CAST('x' AS BYTEA), 77, 5",
            "foreign_key",
        ),
        ("UPDATE items SET owner = 77", "foreign_key"),
        ("UPDATE items SET state = 'lost'", "items_state"),
        ("UPDATE items SET number = NULL", "items_number_not_null"),
        ("DELETE FROM entries", "append_only"),
    ];
    for (text, name) in cases {
        if text.contains("BYTEA") && db.engine() == Engine::Sqlite {
            continue;
        }
        assert_eq!(constraint(run(db, text).await), name, "{text}");
    }
    db.write("two", async |mut tx| {
        for number in [10, 11] {
            let mut row = item(number);
            row[1] = 1.into();
            row[2] = number.into();
            INSERT_ITEMS.execute(&mut tx, vec![row]).await?;
        }
        Ok::<_, SqlError>(())
    })
    .await
    .unwrap();
    let twice = run(db, "UPDATE items SET number = 5 WHERE owner = 1").await;
    assert_eq!(constraint(twice), "items_owner_number_key");
}

async fn rolls_back_when_the_closure_fails(test: &TestDb) {
    let result: Result<(), SqlError> = test
        .db
        .write("fails", async |mut tx| {
            INSERT_ITEMS.execute(&mut tx, vec![item(1)]).await?;
            Err(SqlError::NoRow)
        })
        .await;
    assert!(matches!(result, Err(SqlError::NoRow)));
    assert_eq!(count(&test.db).await, 0);
}

async fn does_not_commit_after_a_swallowed_failure(test: &TestDb) {
    insert(&test.db, 1).await.unwrap();
    let result = test
        .db
        .write("swallows", async |mut tx| {
            INSERT_ITEMS.execute(&mut tx, vec![item(2)]).await?;
            let _ = INSERT_ITEMS.execute(&mut tx, vec![item(1)]).await;
            Ok::<_, SqlError>(())
        })
        .await;
    assert!(matches!(result, Err(SqlError::Aborted)), "{result:?}");
    assert_eq!(count(&test.db).await, 1);
}

async fn a_cancelled_write_leaves_nothing_behind(test: &TestDb) {
    let db = &test.db;
    let stuck = db.write("cancelled", async |mut tx| {
        INSERT_ITEMS.execute(&mut tx, vec![item(1)]).await?;
        std::future::pending::<Result<(), SqlError>>().await
    });
    let limit = Duration::from_millis(300);
    assert!(tokio::time::timeout(limit, stuck).await.is_err());
    for number in 1..40 {
        insert(db, number).await.unwrap();
    }
    assert_eq!(count(db).await, 39);
}

async fn a_transaction_that_is_kept_is_not_committed(test: &TestDb) {
    let result = test
        .db
        .write("kept", async |mut tx| {
            INSERT_ITEMS.execute(&mut tx, vec![item(1)]).await?;
            Ok::<_, SqlError>(tx)
        })
        .await;
    assert!(matches!(result.map(drop), Err(SqlError::Aborted)));
    assert_eq!(count(&test.db).await, 0);
    insert(&test.db, 1).await.unwrap();
}

async fn refuses_to_write_in_a_read(test: &TestDb) {
    let result = test
        .db
        .read("sneaks", async |mut tx| {
            INSERT_ITEMS.execute(&mut tx, vec![item(1)]).await
        })
        .await;
    assert!(matches!(result, Err(SqlError::ReadOnly(_))), "{result:?}");
    assert_eq!(count(&test.db).await, 0);
}

async fn a_read_sees_one_snapshot(test: &TestDb) {
    let db = &test.db;
    let seen = db
        .read("twice", async |mut tx| {
            let first: i64 = sql(COUNT).fetch_one(&mut tx).await?.column("n")?;
            insert(db, first + 1).await?;
            let second: i64 = sql(COUNT).fetch_one(&mut tx).await?.column("n")?;
            Ok::<_, SqlError>((first, second))
        })
        .await;
    assert_eq!(seen.unwrap(), (0, 0));
    assert_eq!(count(db).await, 1);
}

async fn concurrent_increments_are_all_counted(test: &TestDb) {
    let db = &test.db;
    insert(db, 0).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    db.write("increment", async |mut tx| {
                        let row = sql("SELECT number FROM items").fetch_one(&mut tx).await?;
                        let number: i64 = row.column("number")?;
                        sql("UPDATE items SET number = $1")
                            .bind(number + 1)
                            .execute(&mut tx)
                            .await
                    })
                    .await?;
                }
                Ok::<_, SqlError>(())
            })
        })
        .collect();
    let mut counted = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => counted += 10,
            Err(error) => panic!("{error:?}"),
        }
    }
    let row = db
        .fetch_optional("number", sql("SELECT number FROM items"))
        .await;
    assert_eq!(
        row.unwrap().unwrap().column::<i64>("number").unwrap(),
        counted
    );
    let counters = db.counters();
    assert_eq!(counters["increment"].calls, 80);
    if db.engine() == Engine::Postgres {
        assert!(counters["increment"].retries > 0, "nothing was contended");
    }
}

async fn counts_calls_and_failures_by_name(test: &TestDb) {
    insert(&test.db, 1).await.unwrap();
    insert(&test.db, 1).await.unwrap_err();
    let counters = test.db.counters()["insert"];
    assert_eq!((counters.calls, counters.failures), (2, 1));
    assert!(counters.total_us >= counters.max_us && counters.max_us > 0);
}

async fn migrates_once(test: &TestDb) {
    assert_eq!(test.db.migrate(&TABLES).await.unwrap(), 0);
    let again = Db::open(&test.target).await.unwrap();
    assert_eq!(again.migrate(&TABLES).await.unwrap(), 0);
    again.close().await;
}

async fn refuses_a_newer_schema(test: &TestDb) {
    let result = test
        .db
        .migrate(&Schema {
            postgres: &[],
            sqlite: &[],
        })
        .await;
    assert!(matches!(
        result,
        Err(SqlError::NewerSchema { found: 1, known: 0 })
    ));
}

async fn goes_along_with_a_newer_schema_that_says_so(test: &TestDb) {
    const ADDED: Migration = Migration {
        version: 2,
        name: "added",
        oldest: 1,
        sql: "CREATE TABLE added (id INTEGER PRIMARY KEY)",
    };
    const BROKEN: Migration = Migration {
        version: 3,
        name: "broken",
        oldest: 2,
        sql: "CREATE TABLE further (id INTEGER PRIMARY KEY)",
    };
    let with = |more: &[Migration]| Schema {
        postgres: [POSTGRES, more].concat().leak(),
        sqlite: [SQLITE, more].concat().leak(),
    };
    let db = &test.db;
    let newer = with(&[ADDED]);
    assert_eq!(db.pending_migrations(&newer).await.unwrap(), 1);
    assert_eq!(db.migrate(&newer).await.unwrap(), 1);
    assert_eq!(db.pending_migrations(&newer).await.unwrap(), 0);
    // The version before goes on, and does not apply anything.
    assert_eq!(db.migrate(&TABLES).await.unwrap(), 0);
    assert_eq!(db.pending_migrations(&TABLES).await.unwrap(), 0);
    assert_eq!(db.migrate(&with(&[ADDED, BROKEN])).await.unwrap(), 1);
    for refused in [
        db.migrate(&TABLES).await,
        db.pending_migrations(&TABLES).await,
    ] {
        assert!(
            matches!(refused, Err(SqlError::NewerSchema { known: 1, .. })),
            "{refused:?}"
        );
    }
    // The one in between still does.
    assert_eq!(db.migrate(&newer).await.unwrap(), 0);
}

async fn refuses_a_changed_migration(test: &TestDb) {
    const CHANGED: &[Migration] = &[Migration {
        version: 1,
        name: "tables",
        oldest: 1,
        sql: "SELECT 1",
    }];
    let result = test
        .db
        .migrate(&Schema {
            postgres: CHANGED,
            sqlite: CHANGED,
        })
        .await;
    assert!(matches!(
        result,
        Err(SqlError::MigrationChanged { version: 1 })
    ));
}

async fn refuses_lists_that_differ(test: &TestDb) {
    let result = test
        .db
        .migrate(&Schema {
            postgres: POSTGRES,
            sqlite: &[],
        })
        .await;
    assert!(matches!(
        result,
        Err(SqlError::MigrationOrder { version: 1 })
    ));
}

async fn a_failing_migration_changes_nothing(test: &TestDb) {
    const BROKEN: Migration = Migration {
        version: 2,
        name: "broken",
        oldest: 2,
        sql: "CREATE TABLE fresh (id BIGINT PRIMARY KEY); INSERT INTO missing VALUES (1);",
    };
    let postgres: &'static [Migration] = vec![POSTGRES[0], BROKEN].leak();
    let sqlite: &'static [Migration] = vec![SQLITE[0], BROKEN].leak();
    let result = test.db.migrate(&Schema { postgres, sqlite }).await;
    assert!(matches!(result, Err(SqlError::Database(_))), "{result:?}");
    assert!(
        test.db
            .fetch_all("fresh", sql("SELECT id FROM fresh"))
            .await
            .is_err()
    );
    assert_eq!(test.db.migrate(&TABLES).await.unwrap(), 0);
}

async fn servers_that_start_at_once_migrate_once(test: &TestDb) {
    const SECOND: Migration = Migration {
        version: 2,
        name: "fresh",
        oldest: 2,
        sql: "CREATE TABLE fresh (id INTEGER PRIMARY KEY)",
    };
    let postgres: &'static [Migration] = vec![POSTGRES[0], SECOND].leak();
    let sqlite: &'static [Migration] = vec![SQLITE[0], SECOND].leak();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let target = test.target.clone();
            tokio::spawn(async move {
                let db = Db::open(&target).await?;
                let applied = db.migrate(&Schema { postgres, sqlite }).await;
                db.close().await;
                applied
            })
        })
        .collect();
    let mut applied = 0;
    for task in tasks {
        applied += task.await.unwrap().unwrap();
    }
    assert_eq!(applied, 1);
}

async fn a_lock_has_one_holder(test: &TestDb) {
    let mut held = test.db.try_lock(4).await.unwrap().unwrap();
    assert!(held.is_held().await);
    let other = Db::open(&test.target).await.unwrap();
    assert!(other.try_lock(4).await.unwrap().is_none());
    assert!(other.try_lock(5).await.unwrap().is_some());
    drop(held);
    let mut taken = None;
    for _ in 0..100 {
        taken = other.try_lock(4).await.unwrap();
        if taken.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(taken.is_some());
    drop(taken);
    other.close().await;
}

async fn open(engine: Engine) -> Option<TestDb> {
    let test = match engine {
        Engine::Postgres => TestDb::postgres().await.unwrap()?,
        Engine::Sqlite => TestDb::sqlite().await.unwrap(),
    };
    test.db.migrate(&TABLES).await.unwrap();
    Some(test)
}

macro_rules! suite {
    ($module:ident, $engine:expr; $($test:ident)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if let Some(test) = super::open($engine).await {
                        super::$test(&test).await;
                        test.finish().await.unwrap();
                    }
                }
            )+
        }
    };
}

macro_rules! both {
    ($($test:ident)+) => {
        suite!(sqlite, obhut_sql::Engine::Sqlite; $($test)+);
        suite!(postgres, obhut_sql::Engine::Postgres; $($test)+);
    };
}

both! {
    reads_back_what_was_written
    refuses_a_column_that_is_absent_or_of_another_kind
    inserts_batches_of_every_size
    batches_upsert_return_and_join
    refuses_a_batch_with_a_value_of_another_kind
    names_constraints_alike
    rolls_back_when_the_closure_fails
    does_not_commit_after_a_swallowed_failure
    a_cancelled_write_leaves_nothing_behind
    a_transaction_that_is_kept_is_not_committed
    refuses_to_write_in_a_read
    a_read_sees_one_snapshot
    concurrent_increments_are_all_counted
    counts_calls_and_failures_by_name
    migrates_once
    goes_along_with_a_newer_schema_that_says_so
    refuses_a_newer_schema
    refuses_a_changed_migration
    refuses_lists_that_differ
    a_failing_migration_changes_nothing
    servers_that_start_at_once_migrate_once
    a_lock_has_one_holder
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let options = Options {
        acquire_timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let result = Db::open_with("postgres://nobody@127.0.0.1:9/none", &options).await;
    assert!(matches!(result.map(drop), Err(SqlError::Unavailable(_))));
    let result = Db::open("/nowhere/at/all.sqlite").await;
    assert!(matches!(result.map(drop), Err(SqlError::Unavailable(_))));
}

/// SQLite rolls a transaction back by itself when the disk is full; the connection must survive.
#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    let test = open(Engine::Sqlite).await.unwrap();
    let result = test
        .db
        .write("fill", async |mut tx| {
            sql("PRAGMA max_page_count = 1").fetch_all(&mut tx).await?;
            for number in 0..100_000 {
                INSERT_ITEMS.execute(&mut tx, vec![item(number)]).await?;
            }
            Ok::<_, SqlError>(())
        })
        .await;
    assert!(matches!(result, Err(SqlError::DiskFull(_))), "{result:?}");
    assert_eq!(count(&test.db).await, 0);
    run(&test.db, "INSERT INTO owners (id) VALUES (1)")
        .await
        .unwrap();
    test.finish().await.unwrap();
}

#[tokio::test]
async fn the_files_of_sqlite_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let test = open(Engine::Sqlite).await.unwrap();
    insert(&test.db, 1).await.unwrap();
    let folder = std::path::Path::new(&test.target).parent().unwrap();
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        seen += 1;
    }
    assert_eq!(seen, 3, "database, write-ahead log, shared memory");
    test.finish().await.unwrap();
}

#[tokio::test]
async fn sqlite_is_durable_and_keeps_foreign_keys() {
    let test = open(Engine::Sqlite).await.unwrap();
    let pragmas = test
        .db
        .write("pragmas", async |mut tx| {
            let mode = sql("PRAGMA journal_mode").fetch_one(&mut tx).await?;
            let sync = sql("PRAGMA synchronous").fetch_one(&mut tx).await?;
            let keys = sql("PRAGMA foreign_keys").fetch_one(&mut tx).await?;
            Ok::<_, SqlError>((
                mode.column::<String>("journal_mode")?,
                sync.column::<i64>("synchronous")?,
                keys.column::<bool>("foreign_keys")?,
            ))
        })
        .await;
    assert_eq!(pragmas.unwrap(), ("wal".to_owned(), 2, true));
    test.finish().await.unwrap();
}

/// Where futures must be `Send`: a trait's method that borrows, a boxed future, a spawned task.
#[tokio::test]
async fn futures_are_send_wherever_they_are_used() {
    trait Extract {
        fn extract(&self, wanted: &str) -> impl Future<Output = i64> + Send;
    }
    struct State {
        db: Db,
        rows: Vec<i64>,
    }
    impl Extract for State {
        async fn extract(&self, wanted: &str) -> i64 {
            let extra = String::from("label");
            let insert = self.db.write("insert", async |mut tx| {
                INSERT_ITEMS
                    .execute(&mut tx, self.rows.iter().map(|n| item(*n)))
                    .await?;
                sql("UPDATE items SET label = $1")
                    .bind(wanted)
                    .execute(&mut tx)
                    .await?;
                sql("UPDATE items SET label = $1")
                    .bind(extra.as_str())
                    .execute(&mut tx)
                    .await
            });
            insert
                .await
                .unwrap_or_else(|error: SqlError| panic!("{error}"));
            count(&self.db).await
        }
    }
    let test = open(Engine::Sqlite).await.unwrap();
    let state = State {
        db: test.db.clone(),
        rows: vec![1, 2],
    };
    let counted = tokio::spawn(async move {
        let boxed: std::pin::Pin<Box<dyn Future<Output = i64> + Send + '_>> =
            Box::pin(state.extract("x"));
        boxed.await
    });
    assert_eq!(counted.await.unwrap(), 2);
    test.finish().await.unwrap();
}

/// A server that was restarted, or an administrator: the connections are gone, the pool is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_unavailable_and_replaced() {
    const END_OTHERS: &str = "SELECT COUNT(pg_terminate_backend(pid)) AS n FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let Some(test) = open(Engine::Postgres).await else {
        return;
    };
    let other = Db::open(&test.target).await.unwrap();
    let result = test
        .db
        .write("loses", async |mut tx| {
            INSERT_ITEMS.execute(&mut tx, [item(1)]).await?;
            other.fetch_all("end", sql(END_OTHERS)).await?;
            INSERT_ITEMS.execute(&mut tx, [item(2)]).await
        })
        .await;
    assert!(
        matches!(result, Err(SqlError::Unavailable(_))),
        "{result:?}"
    );
    assert_eq!(count(&test.db).await, 0);
    let lost = std::sync::atomic::AtomicBool::new(false);
    let again = test.db.write("loses_once", async |mut tx| {
        INSERT_ITEMS.execute(&mut tx, [item(1)]).await?;
        if !lost.swap(true, std::sync::atomic::Ordering::Relaxed) {
            other.fetch_all("end", sql(END_OTHERS)).await?;
        }
        INSERT_ITEMS.execute(&mut tx, [item(2)]).await
    });
    assert_eq!(
        again
            .await
            .unwrap_or_else(|error: SqlError| panic!("{error:?}")),
        1
    );
    assert!(test.db.counters()["loses_once"].retries >= 1);
    assert_eq!(count(&test.db).await, 2);
    other.close().await;
    test.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_schemas_are_described_alike() {
    let sqlite = open(Engine::Sqlite).await.unwrap();
    let ours = describe(&sqlite.db).await.unwrap();
    assert!(ours.contains("items.id blob NOT NULL KEY"), "{ours:?}");
    assert!(ours.contains("items UNIQUE owner, number"), "{ours:?}");
    run(&sqlite.db, "CREATE TABLE loose (id ANYTHING)")
        .await
        .unwrap();
    let changed = describe(&sqlite.db).await.unwrap();
    assert!(changed.contains("loose is not STRICT"), "{changed:?}");
    sqlite.finish().await.unwrap();
    if let Some(postgres) = open(Engine::Postgres).await {
        assert_eq!(describe(&postgres.db).await.unwrap(), ours);
        postgres.finish().await.unwrap();
    }
}

/// Longest that a statement may take in these tests, and what they let it take at most.
const ANSWER: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(9);

/// A database, and the same through a network that can fall silent.
async fn silenced(connections: u32) -> Option<(TestDb, Silencer, Db)> {
    let test = open(Engine::Postgres).await?;
    let silencer = Silencer::start(&test.target).await.unwrap();
    let options = Options {
        postgres_connections: connections,
        answer_within: ANSWER,
        ..Options::default()
    };
    let db = Db::open_with(silencer.target(), &options).await.unwrap();
    Some((test, silencer, db))
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(SOON, what).await;
    done.expect("it waits for an answer that does not come")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_whose_answer_is_swallowed_ends_and_its_connection_with_it() {
    let Some((test, silencer, db)) = silenced(1).await else {
        return;
    };
    for (swallow, text) in [
        (Swallow::Answer, "UPDATE items SET number = 1"),
        (Swallow::Statement, "UPDATE items SET number = 2"),
    ] {
        silencer.swallow("BEGIN", text, swallow);
        let result = soon(run(&db, text)).await;
        // The one connection was replaced, and its place in the pool is free.
        assert_eq!(result.map_err(|error| error.to_string()), Ok(0));
    }
    silencer.swallow("SELECT", "COUNT", Swallow::Answer);
    let began = Instant::now();
    let reading = db.fetch_all("count", sql(COUNT));
    assert!(soon(reading).await.is_ok());
    assert!(began.elapsed() >= ANSWER);
    assert_eq!(silencer.caught(), 3);
    soon(db.close()).await;
    test.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stranded_connections_are_replaced_before_anybody_notices() {
    let Some((test, silencer, db)) = silenced(2).await else {
        return;
    };
    let (one, other) = tokio::join!(insert(&db, 1), insert(&db, 2));
    assert_eq!((one.unwrap(), other.unwrap()), (1, 1));
    silencer.strand();
    assert_eq!(soon(insert(&db, 3)).await.unwrap(), 1);
    // Rested for so long, they are tried before they are used.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    silencer.strand();
    let both = Box::pin(async { tokio::join!(insert(&db, 4), insert(&db, 5)) });
    let (one, other) = soon(both).await;
    assert_eq!((one.unwrap(), other.unwrap()), (1, 1));
    soon(db.close()).await;
    test.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_went_away_does_not_keep_a_silent_connection() {
    let Some((test, silencer, db)) = silenced(1).await else {
        return;
    };
    silencer.swallow("BEGIN", "UPDATE items", Swallow::Answer);
    let writing = run(&db, "UPDATE items SET number = 1");
    let gone = tokio::time::timeout(Duration::from_millis(300), writing).await;
    assert!(gone.is_err());
    let waited = tokio::time::timeout(Duration::from_secs(25), async {
        while insert(&db, 1).await.is_err() {}
    });
    waited.await.expect("its place is free again");
    soon(db.close()).await;
    test.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_not_answered_is_undecided_and_not_repeated() {
    let Some((test, silencer, db)) = silenced(2).await else {
        return;
    };
    let cases = [(Swallow::Answer, 1), (Swallow::Statement, 1)];
    for (number, (swallow, there)) in (1..).zip(cases) {
        silencer.swallow("SERIALIZABLE", "COMMIT", swallow);
        let result = soon(insert(&db, number)).await;
        assert!(matches!(result, Err(SqlError::Undecided(_))), "{result:?}");
        assert_eq!(count(&test.db).await, there);
        assert_eq!(db.counters()["insert"].retries, 0);
    }
    soon(db.close()).await;
    test.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_ends_a_statement_that_takes_too_long() {
    let Some((test, _silencer, db)) = silenced(1).await else {
        return;
    };
    let began = Instant::now();
    let slow = soon(db.fetch_all("slow", sql("SELECT CAST(pg_sleep(60) AS TEXT) AS x"))).await;
    let Err(SqlError::Unavailable(error)) = slow.map(drop) else {
        panic!("it was not ended");
    };
    assert!(error.to_string().contains("statement timeout"), "{error}");
    assert!(began.elapsed() < 5 * ANSWER);
    let unhurried = db.unhurried();
    let three = sql("SELECT CAST(pg_sleep(3.5) AS TEXT) AS x");
    unhurried.fetch_all("slow", three.clone()).await.unwrap();
    let written = unhurried.write("slow", async |mut tx| {
        three.clone().fetch_all(&mut tx).await
    });
    written.await.unwrap();
    assert!(db.fetch_all("slow", three).await.is_err());
    db.close().await;
    test.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_whose_connection_fell_silent_is_lost_and_taken_again() {
    let Some((test, silencer, db)) = silenced(2).await else {
        return;
    };
    let mut held = db.try_lock(7).await.unwrap().unwrap();
    assert!(held.is_held().await);
    silencer.strand();
    let asked = tokio::time::timeout(2 * obhut_sql::Lock::PATIENCE, held.is_held());
    assert_eq!(asked.await, Ok(false));
    drop(held);
    // The server lets go of a holder that says nothing, even of one that never heard of its luck.
    silencer.swallow(
        "pg_try_advisory_lock",
        "pg_try_advisory_lock",
        Swallow::Answer,
    );
    let never_heard = soon(db.try_lock(8)).await;
    assert!(never_heard.is_err());
    assert_eq!(silencer.caught(), 1);
    for key in [7, 8] {
        let began = Instant::now();
        while test.db.try_lock(key).await.unwrap().is_none() {
            assert!(began.elapsed() < 2 * obhut_sql::Lock::PATIENCE, "{key}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    db.close().await;
    test.finish().await.unwrap();
}
