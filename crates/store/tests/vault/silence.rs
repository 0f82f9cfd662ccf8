//! A network to PostgreSQL that swallows a commit, or its answer: the sequencer finds out what is so.

use std::time::Duration;

use obhut_format::act::ActKind;
use obhut_format::mutation::Mutation;
use obhut_format::statement::{Appointed, Event, Role};
use obhut_sql::testing::{Silencer, Swallow, TestDb};
use obhut_sql::{Db, Options};
use obhut_store::StoreError;

use crate::world::World;

/// Longer than PostgreSQL keeps the rows of a transaction that stands still, less what was waited before.
const ANSWER: Duration = Duration::from_secs(6);

async fn silenced() -> Option<(TestDb, Silencer, World)> {
    let test = TestDb::postgres().await.unwrap()?;
    let silencer = Silencer::start(&test.target).await.unwrap();
    let options = Options {
        answer_within: ANSWER,
        ..Options::default()
    };
    let db = Db::open_with(silencer.target(), &options).await.unwrap();
    let mut world = World::unfounded(db, 1).await;
    world.found().await.unwrap();
    world.confirmed().await;
    // The upkeep after the founding is through.
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.confirmed().await;
    Some((test, silencer, world))
}

fn appointment(world: &mut World) -> Mutation {
    let registrar = std::sync::Arc::clone(&world.registrar);
    let event = Appointed {
        person: registrar.id,
        role: Role::Dpo,
        unit: None,
        until_us: None,
    };
    Mutation::of(vec![world.state_as(&registrar, Event::Appointed(event))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_commit_was_not_answered_is_found_and_answered() {
    let Some((test, silencer, mut world)) = silenced().await else {
        return;
    };
    let before = world.vault.directory().size();
    let mutation = appointment(&mut world);
    silencer.swallow("SERIALIZABLE", "COMMIT", Swallow::Answer);
    let committed = world.commit_as_registrar(ActKind::Appoint, &mutation).await;
    assert_eq!(committed.unwrap().first_record, before);
    assert_eq!(silencer.caught(), 1);
    world.confirmed().await;
    let next = appointment(&mut world);
    let next = world.commit_as_registrar(ActKind::Appoint, &next).await;
    assert_eq!(next.unwrap().first_record, before + 1);
    world.confirmed().await;
    world.vault.shut_down().await;
    test.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_commit_never_arrived_is_told_and_can_be_repeated() {
    let Some((test, silencer, mut world)) = silenced().await else {
        return;
    };
    let before = world.vault.directory().size();
    let mutation = appointment(&mut world);
    silencer.swallow("SERIALIZABLE", "COMMIT", Swallow::Statement);
    let lost = world.commit_as_registrar(ActKind::Appoint, &mutation).await;
    assert!(matches!(lost, Err(StoreError::NotCommitted)), "{lost:?}");
    assert_eq!(silencer.caught(), 1);
    assert_eq!(world.vault.directory().size(), before);
    let again = world.commit_as_registrar(ActKind::Appoint, &mutation).await;
    assert_eq!(again.unwrap().first_record, before);
    world.confirmed().await;
    world.vault.shut_down().await;
    test.finish().await.unwrap();
}
