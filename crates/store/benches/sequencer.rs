//! How many entries the sequencer makes durable in a second, how long it takes until a quorum stands behind one, and
//! what an access weighs: the limits of the access log's design, beside a gatekeeper in the same process.
//!
//! `cargo xtask bench log`, or `cargo bench -p obhut-store` (PostgreSQL as well when `OBHUT_TEST_POSTGRES` is set; it must
//! wait for the disk). SQLite and the gatekeeper's folder lie in the folder for temporary files, which must be on a disk. Each act is signed, verified,
//! decided, logged under four labels (who reads, and three data subjects drawn by Zipf's law) and closed, all in this
//! process. `OBHUT_BENCH_SUBJECTS` and `OBHUT_BENCH_SECONDS` change how many data subjects there are and how long the
//! flood lasts.

#![allow(
    dead_code,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark"
)]

#[path = "../tests/vault/acts.rs"]
mod acts;
#[path = "../tests/vault/filing.rs"]
mod filing;
#[path = "../tests/vault/people.rs"]
mod people;
#[path = "../tests/vault/world.rs"]
mod world;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use obhut_format::PersonId;
use obhut_format::act::ActKind;
use obhut_format::entry::Outcome;
use obhut_format::mutation::Mutation;
use obhut_format::statement::{Event, Role};
use obhut_log::SignedCheckpoint;
use obhut_sql::testing::TestDb;
use obhut_sql::{Db, Engine, Options, sql};
use obhut_store::Vault;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use tokio::task::JoinSet;

use acts::{Asked, Place, sign_act};
use filing::{PERSON_ENTRY, lambda_item};
use people::{TestPerson, enrolment};
use world::{World, with_sealed};

/// Readers of the flood, each with one act under way.
const READERS: u64 = 512;
/// Acts a second of the steady load.
const STEADY: u64 = 1_000;
/// Persons enrolled at a time.
const ENROLLED: u64 = 512;

fn main() {
    // `cargo test --benches` runs it too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let subjects = setting("OBHUT_BENCH_SUBJECTS", 100_000);
    let seconds = setting("OBHUT_BENCH_SECONDS", 60);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let lasting = Duration::from_secs(seconds);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("vault.sqlite");
        let sqlite = Db::open_sqlite(&path, &Options::default()).await.unwrap();
        measure("SQLite", &sqlite, subjects, lasting).await;
        sqlite.close().await;
        if let Some(test) = TestDb::postgres().await.unwrap() {
            measure("PostgreSQL", &test.db, subjects, lasting).await;
            test.finish().await.unwrap();
        }
    });
}

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

async fn measure(engine: &str, db: &Db, subjects: u64, lasting: Duration) {
    let mut world = World::unfounded(db.clone(), 1).await;
    world.found().await.unwrap();
    let officer = world.activated(false).await;
    world.appoint(&officer, Role::Dpo, None).await;
    let begun = Instant::now();
    let subjects = enrol(&mut world, subjects).await;
    world.confirmed().await;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{engine}: {} data subjects enrolled in {took:.0} s",
        subjects.len()
    );
    let ticking = tick(Arc::clone(&world.clock));
    let reader = Reader {
        vault: world.vault.clone(),
        clock: Arc::clone(&world.clock),
        officer: Arc::new(officer),
        subjects: Arc::new(Zipf::new(subjects)),
    };
    // What the enrolments left in memory is gone: a cold start.
    world.restart(world.vault.id().0[0]).await;
    let reader = Reader {
        vault: world.vault.clone(),
        ..reader
    };
    flood(engine, db, &world, &reader, lasting).await;
    steady(engine, &reader, lasting.min(Duration::from_secs(30))).await;
    drop(ticking);
    world.vault.shut_down().await;
    world.gate.close().await;
}

/// As many acts as go, for so long.
async fn flood(engine: &str, db: &Db, world: &World, reader: &Reader, lasting: Duration) {
    let before = Stored::measure(db, world.folder.path()).await;
    let (leaves, processor) = (access_leaves(db).await, processor_seconds());
    let begun = Instant::now();
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let reader = reader.clone();
        readers.spawn(async move {
            let mut dice = ChaCha20Rng::seed_from_u64(number);
            let mut acts = 0_u64;
            while begun.elapsed() < lasting {
                reader.read(&mut dice).await;
                acts += 1;
            }
            acts
        });
    }
    let acts: u64 = readers.join_all().await.iter().sum();
    let elapsed = begun.elapsed().as_secs_f64();
    let closed = access_leaves(db).await - leaves - acts;
    let cores = (processor_seconds() - processor) / elapsed;
    // A closing leaf counts half.
    let rate = (acts as f64 + closed as f64 / 2.0) / elapsed;
    println!(
        "{engine}: {acts} entries and {closed} closing leaves in {elapsed:.1} s, {cores:.1} cores busy here"
    );
    bar(
        &format!("{engine}: durable entries a second, four labels each"),
        rate,
        5_000.0,
        "/s",
        rate >= 5_000.0,
    );
    let published = Instant::now();
    while published_size(&reader.vault) < access_leaves(db).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!(
        "{engine}: the gatekeeper had confirmed the last one {:.1} s later",
        published.elapsed().as_secs_f64()
    );
    let after = Stored::measure(db, world.folder.path()).await;
    let each = |after: u64, before: u64| (after - before) as f64 / acts as f64;
    let (database, gatekeeper, tiles) = (
        each(after.database, before.database),
        each(after.gatekeeper, before.gatekeeper),
        each(after.tiles, before.tiles),
    );
    println!(
        "{engine}: an access in the gatekeeper's folder {gatekeeper:.0} B, in tiles {tiles:.0} B"
    );
    bar(
        &format!("{engine}: storage an access, database"),
        database,
        2_048.0,
        " B",
        database <= 2_048.0,
    );
}

/// A steady load, and how long each act takes until its entry is in a confirmed head.
async fn steady(engine: &str, reader: &Reader, lasting: Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let (watched, stopping) = (reader.vault.clone(), Arc::clone(&stop));
    let watching = tokio::spawn(async move {
        let mut seen = Vec::new();
        while !stopping.load(Ordering::Relaxed) {
            let size = published_size(&watched);
            if seen.last().is_none_or(|(last, _)| *last < size) {
                seen.push((size, Instant::now()));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        seen
    });
    let mut acts = JoinSet::new();
    let mut beat = tokio::time::interval(Duration::from_micros(1_000_000 / STEADY));
    let count = STEADY * lasting.as_secs();
    for number in 0..count {
        beat.tick().await;
        let reader = reader.clone();
        acts.spawn(async move {
            let begun = Instant::now();
            let mut dice = ChaCha20Rng::seed_from_u64(1_000_000 + number);
            (begun, reader.read(&mut dice).await)
        });
    }
    let acts = acts.join_all().await;
    let last = acts.iter().map(|(_, index)| *index).max().unwrap();
    while published_size(&reader.vault) <= last {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    stop.store(true, Ordering::Relaxed);
    let seen = watching.await.unwrap();
    let mut waits: Vec<f64> = acts
        .iter()
        .map(|(begun, index)| {
            let position = seen.partition_point(|(size, _)| size <= index);
            seen[position].1.duration_since(*begun).as_secs_f64() * 1_000.0
        })
        .collect();
    waits.sort_by(f64::total_cmp);
    for (name, share, limit) in [("p50", 50, 250.0), ("p99", 99, 750.0)] {
        let wait = waits[waits.len() * share / 100];
        bar(
            &format!("{engine}: act to confirmed entry at {STEADY}/s, {name}"),
            wait,
            limit,
            " ms",
            wait <= limit,
        );
    }
}

fn bar(what: &str, measured: f64, limit: f64, unit: &str, met: bool) {
    let met = if met { "met" } else { "MISSED" };
    println!("{what}\t{measured:.0}{unit}\t{limit:.0}{unit}\t{met}");
}

/// Reads what is logged about three data subjects, again and again.
#[derive(Clone)]
struct Reader {
    vault: Vault,
    clock: Arc<AtomicU64>,
    officer: Arc<TestPerson>,
    subjects: Arc<Zipf>,
}

impl Reader {
    /// One act, up to its committed entry, whose index it gives; the closing leaf follows by itself.
    async fn read(&self, dice: &mut ChaCha20Rng) -> u64 {
        let asked = Asked {
            persons: self.subjects.draw_three(dice),
            ..Asked::new(ActKind::ReadLog, Role::Dpo, None)
        };
        let place = Place {
            vault: self.vault.id(),
            shard: self.vault.current_shard().unwrap(),
            now_us: self.clock.load(Ordering::Relaxed),
        };
        let (request, _) = sign_act(place, &self.officer, asked, dice);
        let caller = self
            .vault
            .caller(self.officer.id, self.officer.device_kid());
        let caller = caller.unwrap();
        let act = self.vault.verify_act(&caller, request).unwrap();
        let grant = self.vault.authorise_reading(&caller, &act).unwrap();
        let logged = self.vault.log_reading(grant, act).await.unwrap();
        let index = logged.indices()[0];
        logged.complete(Outcome::Done);
        index
    }
}

/// Draws by Zipf's law with exponent 1.
struct Zipf {
    persons: Vec<PersonId>,
    /// Sums of the weights 1, 1/2, 1/3 and so on.
    sums: Vec<f64>,
}

impl Zipf {
    fn new(persons: Vec<PersonId>) -> Self {
        let weights = (1..=persons.len()).map(|rank| 1.0 / rank as f64);
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self {
            sums: sums.collect(),
            persons,
        }
    }

    fn draw_three(&self, dice: &mut ChaCha20Rng) -> Vec<PersonId> {
        let mut drawn = Vec::with_capacity(3);
        while drawn.len() < 3 {
            let at = dice.next_u64() as f64 / 2_f64.powi(64) * self.sums[self.sums.len() - 1];
            let rank = self.sums.partition_point(|sum| *sum < at);
            let person = self.persons[rank.min(self.persons.len() - 1)];
            if !drawn.contains(&person) {
                drawn.push(person);
            }
        }
        drawn
    }
}

/// Data subjects without keys, whose label secrets lie with the gatekeeper.
async fn enrol(world: &mut World, count: u64) -> Vec<PersonId> {
    let registrar = Arc::clone(&world.registrar);
    let vault = world.vault.id();
    let mut all = Vec::new();
    while (all.len() as u64) < count {
        let wanted = ENROLLED.min(count - all.len() as u64);
        let people: Vec<(PersonId, [u8; 32])> = (0..wanted)
            .map(|_| {
                let mut lambda = [0; 32];
                world.rng.fill_bytes(&mut lambda);
                (PersonId(world.id()), lambda)
            })
            .collect();
        let items = people
            .iter()
            .map(|(person, lambda)| lambda_item(vault, *person, lambda, registrar.kid()));
        let items: Vec<_> = items.collect();
        world.deposit(&registrar, &items).await;
        let records = people.iter().map(|(person, lambda)| {
            let event = Event::PersonEnrolled(enrolment(vault, *person, lambda, true));
            with_sealed(world.state_as(&registrar, event), PERSON_ENTRY)
        });
        let mutation = Mutation::of(records.collect());
        let committed = world.commit_as_registrar(ActKind::EnrolPerson, &mutation);
        committed.await.unwrap();
        all.extend(people.iter().map(|(person, _)| *person));
    }
    all
}

/// Lets the vault's clock go on while the answer is kept.
fn tick(clock: Arc<AtomicU64>) -> impl Drop {
    struct Ticking(tokio::task::JoinHandle<()>);
    impl Drop for Ticking {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let (begun, from) = (Instant::now(), clock.load(Ordering::Relaxed));
    Ticking(tokio::spawn(async move {
        loop {
            let gone = u64::try_from(begun.elapsed().as_micros()).unwrap();
            clock.store(from + gone, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }))
}

fn published_size(vault: &Vault) -> u64 {
    let note = vault.access_checkpoint();
    note.map_or(0, |note| {
        note.parse::<SignedCheckpoint>().unwrap().unverified().size
    })
}

async fn access_leaves(db: &Db) -> u64 {
    let statement = sql("SELECT CAST(SUM(size) AS BIGINT) AS n FROM logs WHERE kind <> 'records'");
    number(db, statement).await
}

async fn number(db: &Db, statement: obhut_sql::Statement) -> u64 {
    let row = db.fetch_optional("number", statement).await.unwrap();
    u64::try_from(row.unwrap().column::<i64>("n").unwrap()).unwrap()
}

/// What lies on the disk, bytes.
struct Stored {
    database: u64,
    gatekeeper: u64,
    tiles: u64,
}

impl Stored {
    async fn measure(db: &Db, folder: &Path) -> Self {
        let size = match db.engine() {
            Engine::Postgres => "SELECT pg_database_size(current_database()) AS n",
            Engine::Sqlite => {
                "SELECT page_count * page_size AS n FROM pragma_page_count(), pragma_page_size()"
            }
        };
        Self {
            database: number(db, sql(size)).await,
            gatekeeper: folder_bytes(&folder.join("data")),
            tiles: folder_bytes(&folder.join("tiles")),
        }
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => folder_bytes(&entry.path()),
            Ok(found) => found.len(),
            // Replaced meanwhile.
            Err(_) => 0,
        })
        .sum()
}

/// This process, all threads.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
