//! Storage keys that rotate, backups, and what a restored gatekeeper may do.

use std::path::PathBuf;

use obhut_format::act::ActKind;
use obhut_format::{CaseId, UnitId};
use obhut_gate::Edge;
use obhut_gate::backup::{Backup, BackupError, Cut};
use obhut_log::SignedCheckpoint;
use obhut_sql::testing::TestDb;

use crate::deposits::rows;
use crate::filing::TestDocument;
use crate::people::TestPerson;
use crate::requests::{latest, released};
use crate::world::{DAY, SECOND, World, refused};

const SHARES: &str = "SELECT COUNT(*) AS n FROM shares";
const OLD_SHARES: &str = "SELECT COUNT(*) AS n FROM shares WHERE key_number = 1";

/// A clerk with documents in a case.
struct Office {
    clerk: TestPerson,
    unit: UnitId,
    case: CaseId,
    documents: Vec<TestDocument>,
}

impl Office {
    async fn open(world: &mut World) -> Self {
        let unit = world.create_unit();
        let clerk = world.activated(false).await;
        world.appoint(&clerk, unit, None);
        world.publish().await;
        let (case, _) = world.create_case(&clerk, unit, &[clerk.id]).await;
        let documents = world.file(&clerk, case, 2).await;
        Self {
            clerk,
            unit,
            case,
            documents,
        }
    }

    /// What the clerk gets of a document.
    async fn open_document(&self, world: &mut World, number: usize) -> usize {
        let objects = vec![latest(&self.documents[number])];
        let attempt = world.attempt(&self.clerk, self.unit, ActKind::OpenDocument, objects);
        let release = released(world.release(&attempt).await);
        attempt.open(&release).len()
    }
}

fn edge(world: &World) -> Edge {
    let now_us = world.now();
    Edge::new(move || now_us, || [0x33; 32])
}

async fn back_up(world: &World, name: &str) -> PathBuf {
    let folder = world.folder.path().join(name);
    Backup::make(&world.config, &folder, world.now())
        .await
        .unwrap();
    folder
}

fn storage_key(world: &World, number: u32) -> bool {
    let file = format!("storage-{number}.key");
    world.config.key_folder.join(file).exists()
}

/// Shows the gatekeeper the head of a log, with what the witness says of it if it is asked.
async fn cosign(world: &World, records: bool, witnessed: bool) -> Result<(), String> {
    let log = if records {
        &world.records
    } else {
        &world.access
    };
    let mut head = log.checkpoint().to_string();
    if witnessed {
        head = world.witnessed(&head);
    }
    let head: SignedCheckpoint = head.parse().unwrap();
    match world.try_cosign(&head).await {
        obhut_format::release::GateResponse::Cosigned(_) => Ok(()),
        other => Err(refused(other)),
    }
}

#[tokio::test]
async fn f08_a_storage_key_goes_once_a_backup_under_the_next_was_restored_in_test() {
    let mut world = World::new().await;
    let office = Office::open(&mut world).await;
    let old = back_up(&world, "old-backup").await;
    assert_eq!(world.gate.rotate_storage_key().await.unwrap(), 2);
    assert_eq!(rows(&world, OLD_SHARES).await, 0);
    assert_eq!(office.open_document(&mut world, 0).await, 1);
    world.gate.sweep().await.unwrap();
    assert!(
        storage_key(&world, 1),
        "no backup under the new key was proved"
    );
    let new = back_up(&world, "new-backup").await;
    world.gate.sweep().await.unwrap();
    assert!(storage_key(&world, 1), "made is not proved");
    let shares = rows(&world, SHARES).await;
    let proved = Backup::read(&new).unwrap();
    assert_eq!(
        proved.prove(&world.config, &edge(&world)).await.unwrap(),
        shares
    );
    world.gate.sweep().await.unwrap();
    assert!(!storage_key(&world, 1) && storage_key(&world, 2));
    // The older backup is dead, the gatekeeper is not.
    let dead = Backup::read(&old).unwrap();
    let refused = dead.prove(&world.config, &edge(&world)).await.unwrap_err();
    assert!(matches!(refused, BackupError::Gate(_)), "{refused}");
    world.restart().await;
    world.publish().await;
    assert_eq!(office.open_document(&mut world, 1).await, 1);
}

#[tokio::test]
async fn a_storage_key_rotates_by_itself_when_its_time_has_come() {
    let mut world = World::new().await;
    world.config.storage_key_days = 7;
    world.restart().await;
    let office = Office::open(&mut world).await;
    world.gate.sweep().await.unwrap();
    assert!(!storage_key(&world, 2));
    world.advance(8 * DAY);
    world.publish().await;
    world.gate.sweep().await.unwrap();
    assert!(storage_key(&world, 2));
    world.gate.sweep().await.unwrap();
    assert!(!storage_key(&world, 3));
    assert_eq!(rows(&world, OLD_SHARES).await, 0);
    assert_eq!(office.open_document(&mut world, 0).await, 1);
}

/// Both stores are lost; what is left is a backup from three days ago, the keys and the journal.
#[tokio::test]
async fn f11_a_restored_gatekeeper_compares_before_it_serves_and_forgets_no_destruction() {
    let mut world = World::new().await;
    let mut office = Office::open(&mut world).await;
    let unused = world.case_item(&office.clerk, CaseId([9; 16]));
    let unused = world.prepare_deposit(&office.clerk, &[unused]).await;
    world.send_deposit(&unused).await;
    let backup = back_up(&world, "backup").await;
    world.advance(31 * DAY);
    world.publish().await;
    assert_eq!(world.gate.sweep().await.unwrap(), 1);
    let (clerk, case) = (office.clerk.duplicate(), office.case);
    office.documents.extend(world.file(&clerk, case, 1).await);
    world.gate.close().await;
    let gate = world.folder.path().join("data/gate");
    for file in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        let _ = std::fs::remove_file(gate.join(file));
    }
    std::fs::remove_dir_all(gate.join("mirror")).unwrap();
    let read = Backup::read(&backup).unwrap();
    read.restore(&world.config, world.now()).await.unwrap();
    world.restart().await;

    // The vault feeds what the backup had not seen, and may then not choose how far that is.
    for log in [&mut world.records, &mut world.access] {
        log.fed = 0;
    }
    world.try_feed(true).await;
    world.try_feed(false).await;
    assert_eq!(
        cosign(&world, true, false).await,
        Err("restored".to_owned())
    );
    let objects = vec![latest(&office.documents[0])];
    let attempt = world.attempt(&clerk, office.unit, ActKind::OpenDocument, objects);
    let drafts = world.drafts(&attempt, 64);
    let logged = world.log(&drafts);
    world.try_feed(false).await;
    let order = world.order(&attempt, &logged);
    let answer = world
        .ask(obhut_format::release::GateRequest::Release(order))
        .await;
    assert_eq!(refused(answer), "restored");

    // A witness's word of six minutes ago is not enough.
    let stale = world.witnessed(&world.records.checkpoint().to_string());
    world.advance(360 * SECOND);
    let stale: SignedCheckpoint = stale.parse().unwrap();
    assert_eq!(refused(world.try_cosign(&stale).await), "restored");

    cosign(&world, true, true).await.unwrap();
    cosign(&world, false, true).await.unwrap();
    world.publish().await;
    assert_eq!(office.open_document(&mut world, 0).await, 1);
    // What was destroyed after the backup stays so, and what no backup had is missed by name.
    assert_eq!(
        refused(world.send_deposit(&unused).await),
        "share-destroyed"
    );
    let missing = "SELECT COUNT(*) AS n FROM missing_shares";
    assert_eq!(rows(&world, missing).await, 1);
    // After the next start it is still so.
    world.restart().await;
    world.publish().await;
    assert_eq!(office.open_document(&mut world, 1).await, 1);
}

/// A vault's own backup is cut between the two halves: what it registered until then has its share, and it is nowhere ahead.
#[tokio::test]
async fn f12_a_backup_in_two_halves_ends_with_what_was_deposited_and_begins_with_the_logs() {
    let mut world = World::new().await;
    let office = Office::open(&mut world).await;
    let unused = world.case_item(&office.clerk, CaseId([9; 16]));
    let unused = world.prepare_deposit(&office.clerk, &[unused]).await;
    world.send_deposit(&unused).await;
    world.advance(31 * DAY);
    world.publish().await;
    let sizes = "SELECT SUM(size) AS n FROM logs";
    let replayed = rows(&world, sizes).await;
    let folder = world.folder.path().join("backup");
    let cut = Cut::begin(&world.config, &folder, world.now()).await;
    let unfinished = Backup::read(&folder).err().unwrap();
    assert!(matches!(unfinished, BackupError::File { .. }));
    let (clerk, case) = (office.clerk.duplicate(), office.case);
    let _ = world.file(&clerk, case, 1).await;
    world.publish().await;
    assert_eq!(world.gate.sweep().await.unwrap(), 1);
    let made = cut.unwrap().finish().await.unwrap();
    let shares = rows(&world, SHARES).await;
    assert_eq!(made.shares(), shares);
    assert!(rows(&world, sizes).await > replayed);
    world.gate.close().await;
    std::fs::remove_dir_all(world.folder.path().join("data/gate/mirror")).unwrap();
    for file in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        let _ = std::fs::remove_file(world.folder.path().join("data/gate").join(file));
    }
    made.restore(&world.config, world.now()).await.unwrap();
    assert_eq!(rows(&world, sizes).await, replayed);
    assert_eq!(rows(&world, SHARES).await, shares);
    let tombstones = "SELECT COUNT(*) AS n FROM tombstones";
    assert_eq!(rows(&world, tombstones).await, 1);
}

#[tokio::test]
async fn f11_a_surviving_second_store_brings_back_what_the_backup_had_not() {
    let mut world = World::new().await;
    let mut office = Office::open(&mut world).await;
    let backup = back_up(&world, "backup").await;
    let (clerk, case) = (office.clerk.duplicate(), office.case);
    office.documents.extend(world.file(&clerk, case, 1).await);
    let before = rows(&world, SHARES).await;
    world.gate.close().await;
    let gate = world.folder.path().join("data/gate");
    for file in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        let _ = std::fs::remove_file(gate.join(file));
    }
    let read = Backup::read(&backup).unwrap();
    assert!(read.shares() < before);
    read.restore(&world.config, world.now()).await.unwrap();
    assert_eq!(rows(&world, SHARES).await, before);
}

#[tokio::test]
async fn a_backup_is_refused_when_it_is_damaged_another_gatekeepers_or_in_the_way() {
    let world = World::new().await;
    let folder = back_up(&world, "backup").await;
    let again = Backup::make(&world.config, &folder, 0).await;
    assert!(matches!(again.err().unwrap(), BackupError::Occupied(_)));
    let backup = Backup::read(&folder).unwrap();
    let busy = backup.restore(&world.config, 0).await.unwrap_err();
    assert!(matches!(busy, BackupError::StoreInUse), "{busy}");
    let other = World::new().await;
    let stranger = backup
        .prove(&other.config, &edge(&other))
        .await
        .unwrap_err();
    assert!(
        matches!(stranger, BackupError::OtherGatekeeper(_)),
        "{stranger}"
    );
    let path = folder.join("gate.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let damaged = Backup::read(&folder).err().unwrap();
    assert!(matches!(damaged, BackupError::Damaged(..)), "{damaged}");
}

#[tokio::test]
async fn a_backup_of_postgresql_restores_on_postgresql() {
    let Some(first) = TestDb::postgres().await.unwrap() else {
        return;
    };
    let second = TestDb::postgres().await.unwrap().unwrap();
    let mut world = World::over(&first.target, &second.target).await;
    let office = Office::open(&mut world).await;
    assert_eq!(world.gate.rotate_storage_key().await.unwrap(), 2);
    let folder = back_up(&world, "backup").await;
    let backup = Backup::read(&folder).unwrap();
    let shares = backup.prove(&world.config, &edge(&world)).await.unwrap();
    assert_eq!(shares, backup.shares());
    world.gate.close().await;
    let (third, fourth) = (
        TestDb::postgres().await.unwrap().unwrap(),
        TestDb::postgres().await.unwrap().unwrap(),
    );
    world.config.database = Some(third.target.clone());
    world.config.mirror = Some(fourth.target.clone());
    backup.restore(&world.config, world.now()).await.unwrap();
    world.restart().await;
    world.try_feed(true).await;
    world.try_feed(false).await;
    cosign(&world, true, true).await.unwrap();
    cosign(&world, false, true).await.unwrap();
    world.publish().await;
    assert_eq!(office.open_document(&mut world, 0).await, 1);
    world.gate.close().await;
    for test in [first, second, third, fourth] {
        test.finish().await.unwrap();
    }
}
