//! Random kills: a child process works through the sequencer on SQLite and is killed at any moment.
//! Whatever it was told is committed must be there afterwards, in one log that never forks.
//!
//! `OBHUT_SEED` repeats a run, `OBHUT_KILLS` changes the number of kills.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::context::sha256;
use obhut_format::entry::Outcome;
use obhut_format::statement::Role;
use obhut_format::tree::TreeBuilder;
use obhut_format::{CaseId, Hash, UnitId, VaultId};
use obhut_log::{Core, Leaf, Recs, SignedCheckpoint};
use obhut_sql::{Db, Options, sql};
use obhut_suite::{DeviceKey, IdentityMaster};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::acts::Asked;
use crate::people::TestPerson;
use crate::sequencing::{check_tiles, toggling};
use crate::world::{World, open_gate, parts, reopen_sqlite};

const FOLDER: &str = "OBHUT_KILL_CHILD_FOLDER";
const START_US: u64 = 1_800_000_000 * 1_000_000;

/// The same person in parent and child.
fn worker() -> TestPerson {
    TestPerson::generate(&mut ChaCha20Rng::from_seed([42; 32]))
}

macro_rules! kills {
    ($($name:ident),+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            nothing_promised_is_lost_and_nothing_forks(stringify!($name)).await;
        }
    )+};
}
// 200 kills in four logs side by side.
kills!(
    survives_50_kills_a,
    survives_50_kills_b,
    survives_50_kills_c,
    survives_50_kills_d
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: for `cargo xtask soak`"]
async fn soak_survives_500_kills() {
    for log in 0..10 {
        nothing_promised_is_lost_and_nothing_forks(&format!("soak, log {log}")).await;
    }
}

async fn nothing_promised_is_lost_and_nothing_forks(name: &str) {
    let seed = std::env::var("OBHUT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| {
        #[expect(clippy::disallowed_methods, reason = "a seed that is printed")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(since.as_nanos() & 0xffff_ffff).unwrap()
    });
    let kills = std::env::var("OBHUT_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok());
    let kills: usize = kills.unwrap_or(50);
    eprintln!("{name}: OBHUT_SEED={seed} OBHUT_KILLS={kills}");
    let mut dice = ChaCha20Rng::from_seed(sha256(&[&seed.to_be_bytes(), name.as_bytes()]));
    let folder = tempfile::tempdir_in(shared_memory()).unwrap();
    prepare(folder.path()).await;
    let mut heads = Vec::new();
    for round in 0..kills {
        kill_once(folder.path(), &mut dice);
        heads.extend(published_heads(folder.path()));
        if round % 10 == 9 || round + 1 == kills {
            check(folder.path(), &mut heads).await;
        }
    }
    finish(folder.path()).await;
}

fn shared_memory() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() {
        shm
    } else {
        std::env::temp_dir()
    }
}

/// A founded vault on disk with a unit, a caseworker and a case.
async fn prepare(folder: &Path) {
    let db = Db::open_sqlite(&folder.join("vault.sqlite"), &Options::default())
        .await
        .unwrap();
    let mut world = World::unfounded_in(db, 1, folder).await;
    world.found().await.unwrap();
    let person = worker();
    world.activate_as(&person).await;
    let unit = world.unit_with(&person).await;
    let case = world.create_case(&person, unit, &[]).await;
    let ids = [unit.0, case.0].concat();
    std::fs::write(folder.join("ids"), ids).unwrap();
    world.confirmed().await;
    world.vault.shut_down().await;
    world.gate.close().await;
}

fn kill_once(folder: &Path, dice: &mut ChaCha20Rng) {
    let promised = folder.join("promised");
    let before = promised.metadata().map_or(0, |meta| meta.len());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Some kills hit the start, the others the work.
    let at_work = !dice.next_u32().is_multiple_of(8);
    for _ in 0..3_000 {
        let grown = promised.metadata().map_or(0, |meta| meta.len()) > before;
        if !at_work || grown {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "the child gave up");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_micros(u64::from(dice.next_u32() % 60_000)));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Heads that were out in the world when the child died, cosigned by the gatekeeper.
fn published_heads(folder: &Path) -> Vec<SignedCheckpoint> {
    let origin = folder.join("tiles/vault.example/test1");
    let names = ["records", "access/std/2027q1"];
    names
        .iter()
        .filter_map(|name| {
            let text = std::fs::read_to_string(origin.join(name).join("checkpoint")).ok()?;
            Some(text.parse().unwrap())
        })
        .collect()
}

/// Every head ever published lies on the one log in the database, and every promise is in it.
async fn check(folder: &Path, heads: &mut Vec<SignedCheckpoint>) {
    let db = Db::open_sqlite(&folder.join("vault.sqlite"), &Options::default())
        .await
        .unwrap();
    let logs = db
        .fetch_all("logs", sql("SELECT log, origin, size, root FROM logs"))
        .await
        .unwrap();
    let mut cores: BTreeMap<(String, u64), Hash> = BTreeMap::new();
    for row in logs {
        let (log, origin): (i64, String) =
            (row.column("log").unwrap(), row.column("origin").unwrap());
        let leaves = sql("SELECT core, recs FROM leaves WHERE log = $1 ORDER BY idx").bind(log);
        let mut tree = TreeBuilder::new();
        let mut labels = 0;
        let mut roots = BTreeMap::from([(0, tree.root())]);
        for leaf in db.fetch_all("leaves", leaves).await.unwrap() {
            let core = Core::parse(&leaf.column::<Vec<u8>>("core").unwrap()).unwrap();
            let recs = Recs::parse(&leaf.column::<Vec<u8>>("recs").unwrap()).unwrap();
            cores.insert((origin.clone(), tree.size()), core.digest());
            labels += recs.as_slice().len() as u64;
            tree.append(Leaf::new(core, &recs).hash());
            roots.insert(tree.size(), tree.root());
        }
        assert_eq!(tree.size(), row.column::<u64>("size").unwrap());
        assert_eq!(tree.root(), row.column::<Hash>("root").unwrap());
        // No leaf without its payload and its place in every chain, none of them twice.
        let payloads = if origin.ends_with("/records") {
            count(&db, sql(RECORDS)).await
        } else {
            count(&db, sql(ENTRIES).bind(log)).await
        };
        assert_eq!(payloads, tree.size(), "{origin}");
        assert_eq!(count(&db, sql(LABELS).bind(log)).await, labels, "{origin}");
        for head in heads
            .iter()
            .map(SignedCheckpoint::unverified)
            .filter(|head| head.origin == origin)
        {
            assert_eq!(
                roots.get(&head.size),
                Some(&head.root),
                "{origin} forked at {}",
                head.size
            );
        }
    }
    heads.clear();
    let acts = sql(
        "SELECT g.origin, e.idx, e.act FROM entries e JOIN logs g ON g.log = e.log WHERE e.act IS NOT NULL",
    );
    let mut entries: BTreeMap<Hash, u64> = BTreeMap::new();
    for row in db.fetch_all("acts", acts).await.unwrap() {
        entries.insert(row.column("act").unwrap(), row.column("idx").unwrap());
    }
    let ids = sql("SELECT id, first_record FROM mutations");
    let mut records: BTreeMap<[u8; 16], u64> = BTreeMap::new();
    for row in db.fetch_all("mutations", ids).await.unwrap() {
        records.insert(
            row.column("id").unwrap(),
            row.column("first_record").unwrap(),
        );
    }
    let text = std::fs::read_to_string(folder.join("promised")).unwrap();
    let mut promises = 0;
    for line in text.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let &[kind, index, id, "."] = parts.as_slice() else {
            continue; // the child died while it wrote the line
        };
        let id = obhut_format::id::parse_base32(id).unwrap();
        let index: u64 = index.parse().unwrap();
        let found = match kind {
            "entry" => entries.get(id.as_slice()).copied(),
            _ => records.get(id.as_slice()).copied(),
        };
        assert_eq!(found, Some(index), "a promised {kind} is lost");
        promises += 1;
    }
    eprintln!("{promises} promises kept, {} leaves", cores.len());
    assert!(promises > 0);
    db.close().await;
}

const RECORDS: &str = "SELECT COUNT(*) AS n FROM records";
const ENTRIES: &str = "SELECT COUNT(*) AS n FROM entries WHERE log = $1";
const LABELS: &str = "SELECT COUNT(*) AS n FROM label_rows WHERE log = $1";

async fn count(db: &Db, statement: obhut_sql::Statement) -> u64 {
    let row = db
        .fetch_optional("count", statement)
        .await
        .unwrap()
        .unwrap();
    row.column("n").unwrap()
}

/// The vault starts once more, everything gets its quorum, and the tiles are the leaves.
async fn finish(folder: &Path) {
    let clock = Arc::new(AtomicU64::new(now_us(folder)));
    let gate = open_gate(folder, &clock).await;
    let store = reopen_sqlite(&folder.join("vault.sqlite")).await;
    let parts = parts(folder, &gate, &clock, 1);
    let vault = store.open_vault(VaultId([1; 16]), parts).await.unwrap();
    let last = vault.directory().size() - 1;
    let receipt = vault
        .wait_receipt(last, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(receipt.is_some());
    vault.shut_down().await;
    check_tiles(&vault, folder).await;
}

/// Time that goes on from child to child.
fn now_us(folder: &Path) -> u64 {
    let started = std::fs::metadata(folder.join("ids"))
        .unwrap()
        .modified()
        .unwrap();
    START_US + 60_000_000 + u64::try_from(started.elapsed().unwrap().as_micros()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the test above"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let ids = std::fs::read(folder.join("ids")).unwrap();
    let unit = UnitId::try_from(&ids[..16]).unwrap();
    let case = CaseId::try_from(&ids[16..]).unwrap();
    let mut promised = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("promised"))
        .unwrap();
    let mut world = World::reopened(&folder, now_us(&folder)).await;
    let person = worker();
    loop {
        let now = now_us(&folder);
        world.clock.store(now, std::sync::atomic::Ordering::Relaxed);
        mutate(&mut world, &person, unit, case, &mut promised).await;
        for _ in 0..3 {
            log(&mut world, &person, unit, case, &mut promised).await;
        }
    }
}

async fn mutate(
    world: &mut World,
    person: &TestPerson,
    unit: UnitId,
    case: CaseId,
    out: &mut File,
) {
    let closed = world.vault.directory().case(case).unwrap().is_closed();
    let mutation = toggling(world, person, case, closed);
    let id = nonce_of(&mutation);
    let asked = Asked {
        case: Some(case),
        ..Asked::new(ActKind::ChangeCase, Role::CaseWorker, Some(unit))
    };
    let committed = world.commit(person, asked, &mutation).await.unwrap();
    let id = obhut_format::id::base32(&id);
    writeln!(out, "record {} {id} .", committed.first_record).unwrap();
}

async fn log(world: &mut World, person: &TestPerson, unit: UnitId, case: CaseId, out: &mut File) {
    let asked = Asked {
        case: Some(case),
        objects: vec![ObjectRef {
            case,
            document: None,
            revision: 0,
        }],
        ..Asked::new(ActKind::FindCase, Role::CaseWorker, Some(unit))
    };
    let (logged, _) = world.log_release(person, asked).await.unwrap();
    let id = obhut_format::id::base32(&logged.act().hash());
    writeln!(out, "entry {} {id} .", logged.indices()[0]).unwrap();
    logged.complete(Outcome::Done);
}

fn nonce_of(mutation: &obhut_format::mutation::Mutation) -> [u8; 16] {
    use obhut_format::Cbor as _;
    use obhut_format::batch::RecordPayload;
    use obhut_format::statement::Statement;
    let RecordPayload::Statement(signed) = &mutation.records[0].payload else {
        panic!("not a statement");
    };
    Statement::from_bytes(&signed.statement.0).unwrap().nonce
}

impl World {
    /// The vault of an earlier process.
    async fn reopened(folder: &Path, now_us: u64) -> Self {
        let clock = Arc::new(AtomicU64::new(now_us));
        let gate = open_gate(folder, &clock).await;
        let store = reopen_sqlite(&folder.join("vault.sqlite")).await;
        let parts = parts(folder, &gate, &clock, 1);
        let vault = store.open_vault(VaultId([1; 16]), parts).await.unwrap();
        let mut seed = [9; 32];
        seed[..4].copy_from_slice(&std::process::id().to_be_bytes());
        seed[4..12].copy_from_slice(&now_us.to_be_bytes());
        let mut rng = ChaCha20Rng::from_seed(seed);
        Self {
            folder: tempfile::tempdir().unwrap(),
            registrar: Arc::new(TestPerson::generate(&mut rng)),
            root: Arc::new(IdentityMaster::generate(&mut rng).derive_keys()),
            store,
            gate,
            vault,
            clock,
            rng,
        }
    }
}

#[test]
fn parent_and_child_mean_the_same_person() {
    let (one, two) = (worker(), worker());
    assert_eq!(
        (one.id, one.kid(), one.device_kid()),
        (two.id, two.kid(), two.device_kid())
    );
    let _: DeviceKey = one.device();
}
