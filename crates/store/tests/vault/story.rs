//! What the store does for the story: founding, filing, releasing, reading one's own log.

use std::str::FromStr as _;
use std::time::Duration;

use obhut_format::Cbor;
use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::entry::{ClosePayload, LeafType, Outcome};
use obhut_format::reading::AccessLogAnswer;
use obhut_format::session::{LOGIN_LABEL, Login};
use obhut_format::statement::Role;
use obhut_log::entry::{open_as_dpo, open_as_subject};
use obhut_log::replay::Replayer;
use obhut_log::{Chain, Core, DayKey, Label, Leaf, Recs, TlogProof};
use obhut_model::Refusal;
use obhut_sql::testing::TestDb;
use obhut_store::StoreError;
use obhut_suite::XwingSeed;

use crate::acts::Asked;
use crate::filing::{CARD, INFO, PERSON_ENTRY, REGISTER, sorted};
use crate::on_both_engines;
use crate::people::TestPerson;
use crate::world::{BOOTSTRAP, SECOND, World};

on_both_engines!(
    a_vault_is_founded_once_and_answers_a_repeat,
    documents_are_filed_listed_and_opened_with_receipts,
    a_citizen_reads_what_was_granted_and_their_own_log,
    a_caseworker_of_another_unit_is_refused_and_the_refusal_is_logged,
    sessions_begin_with_a_signed_challenge_and_end_with_the_device,
    the_records_replay_page_by_page_with_the_sealed_parts_one_may_have,
);

async fn a_vault_is_founded_once_and_answers_a_repeat(test: &TestDb) {
    let mut world = World::unfounded(test.db.clone(), 1).await;
    assert!(!world.vault.is_founded());
    let wrong = world.vault.check_bootstrap(b"another secret").await;
    assert!(matches!(wrong, Err(StoreError::Unauthenticated)));
    let registrar = std::sync::Arc::clone(&world.registrar);
    world.deposit_lambda(&registrar, &registrar).await;
    let bytes = world.founding().to_bytes();
    let first = world.found_with(&bytes).await.unwrap();
    assert_eq!((first.first_record, first.records), (0, 6));
    world.confirmed().await;
    let row = world.store.load_vault(world.vault.id()).await.unwrap();
    assert!(row.bootstrap_hash.is_none() && row.founded_us.is_some());
    let used = world.vault.check_bootstrap(BOOTSTRAP).await;
    assert!(matches!(used, Err(StoreError::Unauthenticated)));
    let proposal = world.vault.propose(&bytes).await.unwrap();
    assert_eq!(proposal.repeated(), Some(&first));
    let second = world.founding().to_bytes();
    let second = world.vault.propose(&second).await;
    assert!(matches!(second, Err(StoreError::Rejected { .. })));
}

async fn documents_are_filed_listed_and_opened_with_receipts(test: &TestDb) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let subject = world.activated(true).await;
    let unit = world.unit_with(&caseworker).await;
    let case = world.create_case(&caseworker, unit, &[subject.id]).await;
    let documents = world.file(&caseworker, unit, case, 3).await;
    world.confirmed().await;

    let tag = obhut_format::context::sha256(&[b"tag", &case.0]);
    let found = world.look_up(&caseworker, unit, &[tag]).await;
    assert_eq!(found.unwrap(), vec![case]);
    let find = Asked {
        case: Some(case),
        objects: vec![ObjectRef {
            case,
            document: None,
            revision: 0,
        }],
        ..Asked::new(ActKind::FindCase, Role::CaseWorker, Some(unit))
    };
    let (logged, _) = world.log_release(&caseworker, find).await.unwrap();
    let answer = world.vault.release(&logged).await.unwrap();
    logged.complete(Outcome::Done);
    assert_eq!(answer.release.shares.len(), 1);
    assert_eq!(answer.cases[0].register.as_ref().unwrap().0, REGISTER);
    assert_eq!(answer.cases[0].keys.len(), 1);

    for kind in [ActKind::ListDocuments, ActKind::OpenDocument] {
        let asked = Asked {
            case: Some(case),
            objects: sorted(&documents),
            ..Asked::new(kind, Role::CaseWorker, Some(unit))
        };
        let (logged, _) = world.log_release(&caseworker, asked).await.unwrap();
        let answer = world.vault.release(&logged).await.unwrap();
        logged.complete(Outcome::Done);
        assert_eq!(answer.documents.len(), 3);
        for document in &answer.documents {
            assert_eq!(
                (document.card.0.as_slice(), document.info.0.as_slice()),
                (CARD, INFO)
            );
        }
        let directory = world.vault.directory();
        let quorum = directory.access_quorum(&world.shard()).unwrap();
        for (leaf, proof) in answer.leaves.iter().zip(&answer.proofs) {
            let core = Core::parse(&leaf.core.0).unwrap();
            let recs = Recs::from_records(&leaf.labels).unwrap();
            let proof = TlogProof::from_str(proof).unwrap();
            drop(
                proof
                    .verify(&Leaf::new(core, &recs).hash(), &quorum)
                    .unwrap(),
            );
        }
    }
    tickets_follow_the_release(&mut world, &caseworker, &documents).await;
}

async fn tickets_follow_the_release(
    world: &mut World,
    caseworker: &TestPerson,
    documents: &[crate::filing::TestDocument],
) {
    let object = documents[0].object;
    let caller = world.caller(caseworker).unwrap();
    let stored = world
        .vault
        .find_ticketed_object(&caller, object)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.content_root, documents[0].manifest.content_root);
    let other = std::sync::Arc::clone(&world.registrar);
    let other = world.caller(&other).unwrap();
    let none = world
        .vault
        .find_ticketed_object(&other, object)
        .await
        .unwrap();
    assert_eq!(none, None, "nobody else may fetch it");
    world.advance(3_601 * SECOND);
    let over = world
        .vault
        .find_ticketed_object(&caller, object)
        .await
        .unwrap();
    assert_eq!(over, None, "the hour is over");
}

async fn a_citizen_reads_what_was_granted_and_their_own_log(test: &TestDb) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let citizen = world.activated(true).await;
    let unit = world.unit_with(&caseworker).await;
    let case = world.create_case(&caseworker, unit, &[citizen.id]).await;
    let documents = world.file(&caseworker, unit, case, 2).await;
    world
        .grant(&caseworker, unit, &documents[0], &citizen)
        .await
        .unwrap();
    world.confirmed().await;

    let ask = |n: usize| Asked {
        case: Some(case),
        objects: vec![documents[n].object_ref()],
        ..Asked::new(ActKind::OpenDocument, Role::Citizen, None)
    };
    let (logged, _) = world.log_release(&citizen, ask(0)).await.unwrap();
    let answer = world.vault.release(&logged).await.unwrap();
    logged.complete(Outcome::Done);
    assert!(answer.documents[0].grant.is_some() && answer.cases.is_empty());
    let refused = world.log_release(&citizen, ask(1)).await.err();
    assert!(matches!(
        refused,
        Some(StoreError::Refused(Refusal::NoLiveGrant))
    ));

    let caller = world.caller(&citizen).unwrap();
    let keys = world.vault.own_keys(&caller).await.unwrap();
    assert_eq!(keys.grants.len(), 1);
    let logged = world
        .log_reading(&citizen, Role::Citizen, citizen.id)
        .await
        .unwrap();
    let answers = world.vault.own_log(&logged).await.unwrap();
    logged.complete(Outcome::Done);
    let label = Label::of_subject(&world.shard(), &citizen.lambda);
    check_own_log(&answers, label, &citizen.keys.xwing, citizen.id);
    let somebody = world
        .log_reading(&caseworker, Role::CaseWorker, citizen.id)
        .await;
    assert!(matches!(
        somebody.err(),
        Some(StoreError::Refused(Refusal::NoAppointment))
    ));
}

/// The chain folds without a gap, and every entry since the activation opens.
fn check_own_log(
    answers: &[AccessLogAnswer],
    label: Label,
    seed: &XwingSeed,
    me: obhut_format::PersonId,
) {
    let answer = &answers[0];
    assert_eq!(answer.label, *label.as_bytes());
    let keys: Vec<DayKey> = answer
        .log_keys
        .iter()
        .filter_map(|key| DayKey::open(key, seed).ok())
        .collect();
    let mut chain = Chain::start(&answer.origin, label);
    let (mut opened, mut closed, mut sealed_before) = (Vec::new(), 0, 0);
    for entry in &answer.entries {
        let core = Core::parse(&entry.core.0).unwrap();
        let recs = Recs::from_records(&entry.labels).unwrap();
        chain.append(&Leaf::new(core, &recs), &recs).unwrap();
        if u64::from(core.kind) == LeafType::Close.code() {
            ClosePayload::from_bytes(&entry.payload.0).unwrap();
            closed += 1;
            continue;
        }
        for wrap in &entry.wraps {
            // The enrolment is sealed to the invitation's bundle.
            let Some(key) = keys.iter().find(|key| key.id() == wrap.log_key) else {
                sealed_before += 1;
                continue;
            };
            let view = open_as_subject(&core, &entry.payload.0, wrap, key).unwrap();
            assert_eq!((view.subject, view.reason), (me, crate::acts::reason()));
            opened.push(view.a1.kind);
        }
    }
    for kind in [
        ActKind::CreateCase,
        ActKind::FileDocuments,
        ActKind::Grant,
        ActKind::OpenDocument,
        ActKind::ReadLog,
    ] {
        assert!(opened.contains(&kind), "{kind} is missing from {opened:?}");
    }
    assert!(closed > 2);
    assert_eq!(sealed_before, 1);
}

async fn a_caseworker_of_another_unit_is_refused_and_the_refusal_is_logged(test: &TestDb) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let stranger = world.activated(false).await;
    let officer = world.activated(false).await;
    world.appoint(&officer, Role::Dpo, None).await;
    let subject = world.activated(true).await;
    let unit = world.unit_with(&caseworker).await;
    let elsewhere = world.unit_with(&stranger).await;
    let case = world.create_case(&caseworker, unit, &[subject.id]).await;
    let documents = world.file(&caseworker, unit, case, 1).await;
    let asked = Asked {
        case: Some(case),
        objects: sorted(&documents),
        ..Asked::new(ActKind::OpenDocument, Role::CaseWorker, Some(elsewhere))
    };
    let refused = world.log_release(&stranger, asked).await.err();
    assert!(matches!(
        refused,
        Some(StoreError::Refused(Refusal::NotYourUnit))
    ));

    let logged = world
        .log_reading(&officer, Role::Dpo, subject.id)
        .await
        .unwrap();
    let answers = world.vault.own_log(&logged).await.unwrap();
    logged.complete(Outcome::Done);
    let keys: Vec<DayKey> = answers[0]
        .log_keys
        .iter()
        .filter(|key| key.recipient == officer.kid())
        .map(|key| DayKey::open(key, &officer.keys.xwing).unwrap())
        .collect();
    let mut refusals = Vec::new();
    for entry in &answers[0].entries {
        let core = Core::parse(&entry.core.0).unwrap();
        for wrap in &entry.wraps {
            let key = keys.iter().find(|key| key.id() == wrap.log_key);
            let Some(key) = key else { continue };
            let view = open_as_dpo(&core, &entry.payload.0, wrap, key).unwrap();
            if let Some(refusal) = view.r.refusal {
                refusals.push((view.a2.person, refusal));
            }
        }
    }
    assert_eq!(refusals, vec![(stranger.id, "not-your-unit".to_owned())]);
}

async fn sessions_begin_with_a_signed_challenge_and_end_with_the_device(test: &TestDb) {
    let mut world = World::new(test).await;
    let person = world.activated(false).await;
    let challenge = world
        .vault
        .new_challenge(person.id, person.device_kid())
        .await
        .unwrap();
    let login = |origin: &str| Login {
        vault: world.vault.id(),
        origin: origin.to_owned(),
        challenge: challenge.challenge,
        expires_us: challenge.expires_us,
        person: person.id,
        device: person.device_kid(),
    };
    let sign = |login: &Login| {
        let label = obhut_suite::Label::new(LOGIN_LABEL);
        *person
            .device()
            .sign(label, login.message().as_bytes())
            .as_bytes()
    };
    // F20: signed for another vault's origin.
    let relayed = login("vault.example/other");
    let refused = world.vault.log_in(&relayed, &sign(&relayed)).await;
    assert!(matches!(refused, Err(StoreError::BadLogin)));
    let login = login(world.vault.origin());
    let session = world.vault.log_in(&login, &sign(&login)).await.unwrap();
    let again = world.vault.log_in(&login, &sign(&login)).await;
    assert!(
        matches!(again, Err(StoreError::BadLogin)),
        "a challenge is used once"
    );
    let caller = world.vault.authenticate(&session.token).await.unwrap();
    assert_eq!(caller.person(), person.id);
    revoke_device(&mut world, &person).await;
    let gone = world.vault.authenticate(&session.token).await;
    assert!(matches!(
        gone,
        Err(StoreError::Refused(Refusal::DeviceRevoked))
    ));
    world.vault.log_out(&session.token).await.unwrap();
    let out = world.vault.authenticate(&session.token).await;
    assert!(matches!(out, Err(StoreError::Unauthenticated)));
}

pub(crate) async fn revoke_device(world: &mut World, person: &TestPerson) {
    use obhut_format::mutation::Mutation;
    use obhut_format::statement::{DeviceRevoked, Event, RevocationReason};
    let registrar = std::sync::Arc::clone(&world.registrar);
    let event = DeviceRevoked {
        person: person.id,
        device: person.device_kid(),
        reason: RevocationReason::Lost,
    };
    let record = world.state_as(&registrar, Event::DeviceRevoked(event));
    let mutation = Mutation::of(vec![record]);
    world
        .commit_as_registrar(ActKind::ManageIdentity, &mutation)
        .await
        .unwrap();
}

async fn the_records_replay_page_by_page_with_the_sealed_parts_one_may_have(test: &TestDb) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let unit = world.unit_with(&caseworker).await;
    let case = world.create_case(&caseworker, unit, &[]).await;
    world.file(&caseworker, unit, case, 5).await;
    world.confirmed().await;
    let row = world.store.load_vault(world.vault.id()).await.unwrap();
    let mut sealed = Vec::new();
    for reader in [None, Some(&caseworker), Some(&*world.registrar)] {
        let caller = reader.map(|reader| world.caller(reader).unwrap());
        let page = world.vault.records_page(0, caller.as_ref()).await.unwrap();
        let mut replayer = Replayer::new(row.vault, row.records_origin(), row.records_key);
        let feed = obhut_format::release::Feed {
            vault: row.vault,
            origin: row.records_origin(),
            first: page.first,
            entries: page.entries,
            checkpoint: page.checkpoint,
        };
        replayer.apply_feed(&feed, |_| None).unwrap();
        assert_eq!(replayer.size(), world.vault.directory().size());
        sealed.push(page.sealed);
    }
    let has = |reader: usize, text: &[u8]| sealed[reader].iter().any(|blob| blob.0 == text);
    assert!(
        sealed[0].iter().all(|blob| blob.0.is_empty()),
        "strangers get no sealed part"
    );
    assert!(
        has(1, REGISTER) && !has(1, PERSON_ENTRY),
        "names of staff are the agency unit's"
    );
    assert!(has(2, PERSON_ENTRY));
    let last = world.vault.directory().size();
    let beyond = world.vault.records_page(last, None).await.unwrap();
    assert!(beyond.entries.is_empty());
    let receipt = world.vault.wait_receipt(last, Duration::ZERO).await;
    assert!(matches!(receipt, Err(StoreError::NotFound)));
}
