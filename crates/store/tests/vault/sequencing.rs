//! The sequencer: batches, repeats, restarts, a second writer, a clock that runs backwards.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use obhut_format::act::{ActKind, ActRequest};
use obhut_format::context::sha256;
use obhut_format::entry::{ClosePayload, Outcome};
use obhut_format::mutation::Mutation;
use obhut_format::release::{GateRequest, GateResponse, VaultOnly};
use obhut_format::statement::{CaseClosed, CaseReopened, Event, Role};
use obhut_format::{CaseId, Cbor, Hash, UnitId};
use obhut_log::tile::verify_log;
use obhut_log::{Checkpoint, SignedCheckpoint};
use obhut_model::Refusal;
use obhut_model::action::Release;
use obhut_sql::sql;
use obhut_sql::testing::TestDb;
use obhut_store::{Logged, NewVault, Notary, Store, StoreError, Tiles, Vault, VaultRow};

use crate::acts::Asked;
use crate::filing::{TestDocument, sorted};
use crate::on_both_engines;
use crate::people::TestPerson;
use crate::world::{BOOTSTRAP, DAY, SECOND, World, parts};

on_both_engines!(
    f05_a_device_revoked_between_decision_and_commit_reads_and_writes_nothing,
    an_act_is_logged_once,
    an_act_whose_answer_was_lost_gets_the_same_answer_without_a_second_entry,
    a_mutation_that_comes_twice_at_once_is_committed_once,
    a_repeated_mutation_is_answered_without_a_second_record,
    rows_must_be_those_of_the_records,
    a_restart_goes_on_where_the_last_process_stopped,
    a_second_writer_is_fenced_off,
    a_writer_that_was_overtaken_does_not_begin_a_shard,
    many_at_once_are_committed_in_order,
    a_clock_that_runs_backwards_stops_the_log,
    f23_the_next_shard_is_opened_ahead_and_acts_go_on_when_the_quarter_turns,
    a_database_that_lost_what_was_published_does_not_open,
    f11_the_gatekeepers_head_is_anchored,
);

/// A caseworker's unit with a case of so many documents.
async fn filed(
    test: &TestDb,
    count: usize,
) -> (World, TestPerson, UnitId, CaseId, Vec<TestDocument>) {
    let mut world = World::new(test).await;
    let person = world.activated(false).await;
    let unit = world.unit_with(&person).await;
    let case = world.create_case(&person, unit, &[]).await;
    let documents = world.file(&person, unit, case, count).await;
    (world, person, unit, case, documents)
}

/// The act of opening these documents.
fn opening(unit: UnitId, documents: &[TestDocument]) -> Asked<'static> {
    Asked {
        objects: sorted(documents),
        ..Asked::new(ActKind::OpenDocument, Role::CaseWorker, Some(unit))
    }
}

async fn f05_a_device_revoked_between_decision_and_commit_reads_and_writes_nothing(test: &TestDb) {
    let (mut world, person, unit, case, documents) = filed(test, 1).await;
    let asked = opening(unit, &documents);
    let (request, _) = world.act(&person, asked);
    let caller = world.caller(&person).unwrap();
    let reading = world.vault.verify_act(&caller, request).unwrap();
    let may_read = world
        .vault
        .authorise_release(&caller, &reading)
        .await
        .unwrap();
    let bytes = toggling(&mut world, &person, case, false).to_bytes();
    let request = world.mutation_act(
        &person,
        Role::CaseWorker,
        Some(unit),
        ActKind::ChangeCase,
        &bytes,
    );
    let writing = world.vault.verify_act(&caller, request).unwrap();
    let proposal = world.vault.propose(&bytes).await.unwrap();
    let may_write = world
        .vault
        .authorise_mutation(&caller, &writing, &proposal)
        .unwrap();
    crate::story::revoke_device(&mut world, &person).await;
    let size = world.vault.directory().size();
    let read = world.vault.log_release(may_read, reading).await.err();
    assert!(matches!(
        read,
        Some(StoreError::Refused(Refusal::DeviceRevoked))
    ));
    let written = world.vault.commit(may_write, writing, proposal).await;
    assert!(matches!(
        written,
        Err(StoreError::Refused(Refusal::DeviceRevoked))
    ));
    assert_eq!(world.vault.directory().size(), size);
}

async fn an_act_is_logged_once(test: &TestDb) {
    let (mut world, person, unit, _, documents) = filed(test, 1).await;
    let (request, _) = world.act(&person, opening(unit, &documents));
    let caller = world.caller(&person).unwrap();
    let act = world.vault.verify_act(&caller, request).unwrap();
    let once = world.vault.authorise_release(&caller, &act).await.unwrap();
    let (other, _) = world.act(&person, opening(unit, &documents));
    let other = world.vault.verify_act(&caller, other).unwrap();
    let swapped = world.vault.log_release(once, other).await;
    assert!(matches!(swapped.err(), Some(StoreError::OtherAct)));
    // A refused act that comes again is refused again, and never taken for an allowed one.
    let refused = || world.vault.log_refusal(act.clone(), Refusal::NotYourUnit);
    refused().await.unwrap();
    refused().await.unwrap();
    let grant = world.vault.authorise_release(&caller, &act).await.unwrap();
    let allowed = world.vault.log_release(grant, act.clone()).await;
    assert!(matches!(allowed.err(), Some(StoreError::ActSeen)));
    assert_eq!(entries_of(test, &act.hash()).await, 1);
}

/// Sends a signed act as a client does, once or once more.
async fn send(
    world: &World,
    person: &TestPerson,
    request: &ActRequest,
) -> Result<Logged<Release>, StoreError> {
    let caller = world.caller(person).unwrap();
    let act = world.vault.verify_act(&caller, request.clone()).unwrap();
    let grant = world.vault.authorise_release(&caller, &act).await.unwrap();
    world.vault.log_release(grant, act).await
}

/// How many entries an act has, outcomes not counted.
async fn entries_of(test: &TestDb, act: &Hash) -> usize {
    let statement = sql("SELECT idx FROM entries WHERE act = $1").bind(*act);
    test.db.fetch_all("entries", statement).await.unwrap().len()
}

async fn an_act_whose_answer_was_lost_gets_the_same_answer_without_a_second_entry(test: &TestDb) {
    let (mut world, person, unit, _, documents) = filed(test, 2).await;
    let (request, _) = world.act(&person, opening(unit, &documents));
    let hash = request.signed.hash();
    let (one, two) = tokio::join!(
        send(&world, &person, &request),
        send(&world, &person, &request)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.indices(), two.indices());
    // The server ends between the entry and the answer; afterwards the entry counts as aborted.
    drop((one, two));
    world.restart(1).await;
    let third = send(&world, &person, &request).await.unwrap();
    let answer = world.vault.release(&third).await.unwrap();
    third.complete(Outcome::Done);
    let fourth = send(&world, &person, &request).await.unwrap();
    let again = world.vault.release(&fourth).await.unwrap();
    drop(fourth);
    assert_eq!(again.release, answer.release);
    assert_eq!(again.leaves[0].r, answer.leaves[0].r);
    assert_eq!(again.documents, answer.documents);
    assert_eq!(entries_of(test, &hash).await, 1);
    assert_eq!(last_outcome(test).await, Outcome::Done);

    let kept = || async {
        let rows = test
            .db
            .fetch_all("kept", sql("SELECT sealed FROM kept_entries"));
        let rows = rows.await.unwrap().into_iter();
        rows.map(|row| row.column::<Vec<u8>>("sealed").unwrap())
            .collect::<Vec<_>>()
    };
    let sealed = kept().await;
    assert_eq!(sealed.len(), 1);
    let opening = &answer.leaves[0].a2.body.0;
    assert!(
        !sealed[0]
            .windows(opening.len())
            .any(|bytes| bytes == opening)
    );
    // Ten minutes later nothing of it is left.
    world.advance(601 * SECOND);
    world.restart(1).await;
    for _ in 0..500 {
        if kept().await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the entry is still kept");
}

/// What the newest CLOSE says.
async fn last_outcome(test: &TestDb) -> Outcome {
    let statement = sql("SELECT payload FROM entries WHERE act IS NULL ORDER BY idx DESC LIMIT 1");
    for _ in 0..500 {
        let row = test
            .db
            .fetch_optional("closes", statement.clone())
            .await
            .unwrap();
        let payload: Option<Vec<u8>> = row.map(|row| row.column("payload").unwrap());
        let close = payload.map(|bytes| ClosePayload::from_bytes(&bytes).unwrap());
        match close.map(|close| close.outcome) {
            Some(outcome) if outcome != Outcome::Aborted => return outcome,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("no outcome");
}

async fn a_mutation_that_comes_twice_at_once_is_committed_once(test: &TestDb) {
    let mut world = World::new(test).await;
    let person = world.activated(false).await;
    let unit = world.unit_with(&person).await;
    let case = world.create_case(&person, unit, &[]).await;
    let bytes = toggling(&mut world, &person, case, false).to_bytes();
    let unit = Some(unit);
    let request = world.mutation_act(&person, Role::CaseWorker, unit, ActKind::ChangeCase, &bytes);
    let caller = world.caller(&person).unwrap();
    let send = async || {
        let act = world.vault.verify_act(&caller, request.clone()).unwrap();
        let proposal = world.vault.propose(&bytes).await.unwrap();
        let grant = world.vault.authorise_mutation(&caller, &act, &proposal);
        world
            .vault
            .commit(grant.unwrap(), act, proposal)
            .await
            .unwrap()
    };
    let (one, two) = tokio::join!(send(), send());
    assert_eq!(one, two);
    assert_eq!(entries_of(test, &request.signed.hash()).await, 1);
}

async fn a_repeated_mutation_is_answered_without_a_second_record(test: &TestDb) {
    let mut world = World::new(test).await;
    let person = world.activated(false).await;
    let unit = world.unit_with(&person).await;
    let case = world.create_case(&person, unit, &[]).await;
    let (_, mutation) = world.document_mutation(&person, case, 4).await;
    let asked = || Asked {
        case: Some(case),
        ..Asked::new(ActKind::FileDocuments, Role::CaseWorker, Some(unit))
    };
    let first = world.commit(&person, asked(), &mutation).await.unwrap();
    let size = world.vault.directory().size();
    let again = world.commit(&person, asked(), &mutation).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(world.vault.directory().size(), size);
    assert_eq!((first.records, first.records_size), (5, size));
}

async fn rows_must_be_those_of_the_records(test: &TestDb) {
    let mut world = World::new(test).await;
    let person = world.activated(false).await;
    let unit = world.unit_with(&person).await;
    let case = world.create_case(&person, unit, &[]).await;
    let (_, honest) = world.document_mutation(&person, case, 2).await;
    let mut swapped = honest.clone();
    swapped.documents.swap(0, 1);
    let mut short = honest.clone();
    short.documents.pop();
    let mut card = honest.clone();
    card.documents[0].card.0[0] ^= 1;
    let mut unwrapped = honest.clone();
    unwrapped.documents[0].wrap = None;
    let mut foreign = honest.clone();
    foreign.documents[0].object = foreign.documents[1].object;
    let mut partial = honest.clone();
    partial.records.pop();
    partial.documents.pop();
    for bad in [swapped, short, card, unwrapped, foreign, partial] {
        let proposed = world.vault.propose(&bad.to_bytes()).await;
        assert!(matches!(proposed.err(), Some(StoreError::Rejected { .. })));
    }
    let (_, mut grants) = world.case_mutation(&person, unit, &[]).await;
    grants.case_grants[0].sealed.0[0] ^= 1;
    let proposed = world.vault.propose(&grants.to_bytes()).await;
    assert!(matches!(proposed.err(), Some(StoreError::Rejected { .. })));
    assert!(world.vault.propose(&honest.to_bytes()).await.is_ok());
}

async fn a_restart_goes_on_where_the_last_process_stopped(test: &TestDb) {
    let (mut world, person, unit, case, documents) = filed(test, 3).await;
    let left_open = opening(unit, &documents);
    let (logged, _) = world.log_release(&person, left_open).await.unwrap();
    let size = world.vault.directory().size();
    let root = world.vault.directory().case_state_root(case);
    std::mem::forget(logged);
    world.restart(1).await;
    assert_eq!(world.vault.directory().size(), size);
    assert_eq!(world.vault.directory().case_state_root(case), root);
    world.file(&person, unit, case, 2).await;
    world.confirmed().await;
    check_tiles(&world.vault, world.folder.path()).await;
    let open = test
        .db
        .fetch_all("open", sql("SELECT idx FROM open_entries"))
        .await
        .unwrap();
    assert!(
        open.is_empty(),
        "what a crash left open is closed as aborted"
    );
}

/// The published tiles are the leaves, and lead to the published head.
pub(crate) async fn check_tiles(vault: &Vault, folder: &Path) {
    for checkpoint in [Vault::records_checkpoint, Vault::access_checkpoint] {
        let (folder, head) = saved_head(folder, || checkpoint(vault)).await;
        let read =
            |tile: obhut_log::tile::TilePath| std::fs::read(folder.join(tile.to_string())).ok();
        let seen = |_, _: &[u8]| Ok::<(), obhut_log::LogError>(());
        verify_log(head.size, &head.root, read, seen).unwrap();
    }
}

/// The newest head and its log's folder, as soon as the folder shows it: a log is saved when it has been quiet for a
/// moment.
async fn saved_head(
    folder: &Path,
    newest: impl Fn() -> Option<String>,
) -> (std::path::PathBuf, Checkpoint) {
    loop {
        let signed: SignedCheckpoint = newest().unwrap().parse().unwrap();
        let head = signed.unverified().clone();
        let folder = folder.join("tiles").join(&head.origin);
        let saved = std::fs::read_to_string(folder.join("checkpoint")).unwrap_or_default();
        if saved.contains(&format!("\n{}\n", head.size)) {
            return (folder, head);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_second_writer_is_fenced_off(test: &TestDb) {
    let mut world = World::new(test).await;
    let person = world.activated(false).await;
    let unit = world.unit_with(&person).await;
    let case = world.create_case(&person, unit, &[]).await;
    let parts = parts(world.folder.path(), &world.gate, &world.clock, 1);
    let second = world
        .store
        .open_vault(world.vault.id(), parts)
        .await
        .unwrap();
    let (_, mutation) = world.document_mutation(&person, case, 1).await;
    let (_, late) = world.document_mutation(&person, case, 1).await;
    let first = std::mem::replace(&mut world.vault, second);
    let asked = || Asked {
        case: Some(case),
        ..Asked::new(ActKind::FileDocuments, Role::CaseWorker, Some(unit))
    };
    world.commit(&person, asked(), &mutation).await.unwrap();
    let second = std::mem::replace(&mut world.vault, first);
    let fenced = world.commit(&person, asked(), &late).await;
    assert!(matches!(fenced, Err(StoreError::Stopped)));
    let stopped = world.commit(&person, asked(), &late).await;
    assert!(
        matches!(stopped, Err(StoreError::Stopped)),
        "it takes no more work"
    );
    world.vault = second;
    world.commit(&person, asked(), &late).await.unwrap();
}

async fn a_writer_that_was_overtaken_does_not_begin_a_shard(test: &TestDb) {
    let (mut world, person, unit, _, documents) = filed(test, 1).await;
    world.advance(65 * DAY);
    world.restart(1).await;
    while world.vault.directory().shards().count() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.advance(20 * DAY);
    let parts = parts(world.folder.path(), &world.gate, &world.clock, 1);
    let second = world.store.open_vault(world.vault.id(), parts);
    let second = second.await.unwrap();
    let first = std::mem::replace(&mut world.vault, second);
    let second = std::mem::replace(&mut world.vault, first);
    assert!(world.vault.current_shard().unwrap().ends_with("2027q2"));
    let late = world.log_release(&person, opening(unit, &documents)).await;
    assert!(matches!(late.map(drop), Err(StoreError::Stopped)));
    world.vault = second;
    world.confirmed().await;
    let (logged, _) = world
        .log_release(&person, opening(unit, &documents))
        .await
        .unwrap();
    logged.complete(Outcome::Done);
}

async fn many_at_once_are_committed_in_order(test: &TestDb) {
    let (mut world, person, unit, _, documents) = filed(test, 1).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let asked = opening(unit, &documents);
        let (request, _) = world.act(&person, asked);
        let caller = world.caller(&person).unwrap();
        let act = world.vault.verify_act(&caller, request).unwrap();
        let grant = world.vault.authorise_release(&caller, &act).await.unwrap();
        let vault = world.vault.clone();
        waiting.spawn(async move { vault.log_release(grant, act).await });
    }
    let mut indices = Vec::new();
    for logged in waiting.join_all().await {
        let logged = logged.unwrap();
        indices.extend(logged.indices());
        logged.complete(Outcome::Failed);
    }
    indices.sort_unstable();
    indices.dedup();
    assert_eq!(indices.len(), 200);
    world.vault.shut_down().await;
    let batches = test.db.counters()["commit_batch"].calls;
    assert!(batches < 300, "{batches} transactions for 400 leaves");
}

async fn a_clock_that_runs_backwards_stops_the_log(test: &TestDb) {
    let mut world = World::new(test).await;
    let person = world.activated(false).await;
    let unit = world.unit_with(&person).await;
    world.create_case(&person, unit, &[]).await;
    world.clock.fetch_sub(60 * SECOND, Ordering::Relaxed);
    let (_, mutation) = world.case_mutation(&person, unit, &[]).await;
    let asked = || Asked::new(ActKind::CreateCase, Role::CaseWorker, Some(unit));
    let early = world.commit(&person, asked(), &mutation).await;
    assert!(
        matches!(early, Err(StoreError::ClockBackwards)),
        "{early:?}"
    );
    world.advance(60 * SECOND);
    world.commit(&person, asked(), &mutation).await.unwrap();
}

async fn f23_the_next_shard_is_opened_ahead_and_acts_go_on_when_the_quarter_turns(test: &TestDb) {
    let (mut world, person, unit, _, documents) = filed(test, 1).await;
    let before = world.vault.directory().shards().count();
    assert_eq!(before, 1);
    world.advance(65 * DAY);
    world.restart(1).await;
    for _ in 0..200 {
        if world.vault.directory().shards().count() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let directory = world.vault.directory();
    let origins: Vec<&str> = directory
        .shards()
        .map(|shard| shard.origin.as_str())
        .collect();
    assert_eq!(origins.len(), 2);
    assert!(origins[1].ends_with("/access/std/2027q2"), "{origins:?}");
    for (days, quarter) in [(0, "2027q1"), (20, "2027q2")] {
        world.advance(days * DAY);
        // Asks for fresh cosignatures at once.
        world.restart(1).await;
        world.confirmed().await;
        assert!(world.vault.current_shard().unwrap().ends_with(quarter));
        let asked = opening(unit, &documents);
        let (logged, _) = world.log_release(&person, asked).await.unwrap();
        let answer = world.vault.release(&logged).await.unwrap();
        logged.complete(Outcome::Done);
        assert_eq!(answer.release.shares.len(), 1, "{quarter}");
    }
}

async fn a_database_that_lost_what_was_published_does_not_open(test: &TestDb) {
    let world = World::new(test).await;
    world.confirmed().await;
    world.vault.shut_down().await;
    // The gatekeeper and the tiles know a longer log than this database does.
    let row = world.store.load_vault(world.vault.id()).await.unwrap();
    let empty = TestDb::sqlite().await.unwrap();
    let short = Store::open(empty.db.clone()).await.unwrap();
    short.create_vault(as_new(row)).await.unwrap();
    let parts = parts(world.folder.path(), &world.gate, &world.clock, 1);
    let refused = short.open_vault(world.vault.id(), parts).await.err();
    assert!(
        refused.as_ref().is_some_and(StoreError::is_fork),
        "{refused:?}"
    );
}

async fn f11_the_gatekeepers_head_is_anchored(test: &TestDb) {
    let (mut world, person, unit, _, documents) = filed(test, 1).await;
    let asked = opening(unit, &documents);
    let (logged, _) = world.log_release(&person, asked).await.unwrap();
    drop(world.vault.release(&logged).await.unwrap());
    logged.complete(Outcome::Done);
    world.restart(1).await;
    let anchored = async || {
        let directory = world.vault.directory();
        directory.gate_head().map(|head| (head.seq, head.head))
    };
    for _ in 0..500 {
        if anchored().await.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let only = VaultOnly {
        vault: world.vault.id(),
    };
    let GateResponse::Status(status) = world.ask(GateRequest::Status(only)).await else {
        panic!("no status");
    };
    assert_eq!(anchored().await, Some((1, status.head.head)));
    world.confirmed().await;
}

/// The same vault, before its founding.
fn as_new(row: VaultRow) -> NewVault {
    NewVault {
        vault: row.vault,
        name: row.name,
        origin: row.origin,
        records_key: row.records_key,
        access_key: row.access_key,
        gate_key: row.gate_key,
        bootstrap_hash: sha256(&[BOOTSTRAP]),
        created_us: row.created_us,
    }
}

/// Closes or reopens a case.
pub(crate) fn toggling(
    world: &mut World,
    person: &TestPerson,
    case: CaseId,
    closed: bool,
) -> Mutation {
    let event = if closed {
        Event::CaseReopened(CaseReopened { case })
    } else {
        let on = "2027-01-15".to_owned();
        Event::CaseClosed(CaseClosed { case, on })
    };
    Mutation::of(vec![world.state_as(person, event)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_record_is_a_refused_entry() {
    let test = TestDb::sqlite().await.unwrap();
    let mut world = World::new(&test).await;
    let person = world.activated(false).await;
    let registrar = Arc::clone(&world.registrar);
    let device = obhut_format::statement::DeviceAdded {
        person: person.id,
        public: *registrar.device().public().as_bytes(),
    };
    let record = world.state_as(&person, Event::DeviceAdded(device));
    let asked = Asked::new(ActKind::ManageIdentity, Role::Citizen, None);
    let rejected = world
        .commit(&person, asked, &Mutation::of(vec![record]))
        .await;
    let Err(StoreError::Rejected { code, .. }) = rejected else {
        panic!("{rejected:?}");
    };
    assert_eq!(code, "device-exists");
    let asked = Asked::new(ActKind::ManageIdentity, Role::Citizen, None);
    let (request, _) = world.act(&person, asked);
    let caller = world.caller(&person).unwrap();
    let act = world.vault.verify_act(&caller, request).unwrap();
    world
        .vault
        .log_refusal(act, Refusal::RecordRefused)
        .await
        .unwrap();
    test.finish().await.unwrap();
}

/// The vault's database is put back to yesterday and grows past what was published meanwhile, while
/// the gatekeeper cannot be reached: other records stand where the published ones stood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_a_database_restored_from_a_backup_does_not_open_when_it_has_grown_past_it() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, backup) = (folder.path().join("kept"), folder.path().join("backup"));
    let options = obhut_sql::Options::default();
    let db = obhut_sql::Db::open_sqlite(&kept, &options).await.unwrap();
    let mut world = World::unfounded(db, 1).await;
    world.found().await.unwrap();
    world.confirmed().await;
    world.vault.shut_down().await;
    for end in ["", "-wal"] {
        let of = |path: &Path| std::path::PathBuf::from(format!("{}{end}", path.display()));
        if of(&kept).exists() {
            std::fs::copy(of(&kept), of(&backup)).unwrap();
        }
    }
    world.restart(1).await;
    drop(world.activated(false).await);
    world.confirmed().await;
    let published = world.vault.directory().size();
    world.vault.shut_down().await;

    world.store = crate::world::reopen_sqlite(&backup).await;
    let mut lonely = parts(world.folder.path(), &world.gate, &world.clock, 1);
    lonely.tiles = Tiles::new(folder.path().join("tiles"));
    lonely.notary = only_labels(&world);
    let id = world.vault.id();
    world.vault = world.store.open_vault(id, lonely).await.unwrap();
    let registrar = Arc::clone(&world.registrar);
    while world.vault.directory().size() <= published {
        world.appoint(&registrar, Role::Dpo, None).await;
    }
    world.vault.shut_down().await;
    let parts = parts(world.folder.path(), &world.gate, &world.clock, 1);
    let refused = world.store.open_vault(id, parts).await.err();
    assert!(matches!(refused, Some(error) if error.is_fork()));
}

/// A way to the gatekeeper on which nothing but labels comes through.
fn only_labels(world: &World) -> Notary {
    let gate = Arc::clone(&world.gate);
    Notary::new(move |request| {
        let gate = Arc::clone(&gate);
        async move {
            match GateRequest::from_bytes(&request) {
                Ok(GateRequest::Labels(_)) => Some(gate.handle(&request).await),
                _ => None,
            }
        }
    })
}
