//! Members with a modified client, and what the vault makes of them.

use obhut_format::Cbor;
use obhut_format::act::{ActKind, Reason};
use obhut_format::card::VaultCard;
use obhut_format::context::sha256;
use obhut_format::mutation::Mutation;
use obhut_format::statement::{Event, Role, ShardOpened};
use obhut_log::Label;
use obhut_model::Refusal;
use obhut_sql::sql;
use obhut_sql::testing::TestDb;
use obhut_store::{ActError, StoreError, Vault};

use crate::acts::{Asked, reason};
use crate::filing::PERSON_ENTRY;
use crate::on_both_engines;
use crate::people::TestPerson;
use crate::sequencing::toggling;
use crate::world::{World, with_sealed};

on_both_engines!(
    an_enrolment_with_another_label_secret_than_the_deposited_one_is_not_committed,
    a_founding_with_another_origin_or_other_keys_is_refused,
    f15_a_founding_opens_no_shard_outside_its_own_folder,
    an_act_without_a_reason_that_says_something_is_not_accepted,
    f01_a_change_stands_under_the_labels_of_what_it_changes_whatever_its_act_names,
    f01_an_enrolment_and_a_refused_change_stand_under_their_subjects,
    f02_filing_stands_under_every_document_it_registers,
    a_search_leaves_an_entry_also_without_a_hit,
);

async fn an_act_without_a_reason_that_says_something_is_not_accepted(test: &TestDb) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let unit = world.unit_with(&caseworker).await;
    let caller = world.caller(&caseworker).unwrap();
    let said = reason();
    for (purpose, legal_basis, accepted) in [
        (said.purpose.as_str(), said.legal_basis.as_str(), true),
        ("", said.legal_basis.as_str(), false),
        (said.purpose.as_str(), " \t\n", false),
    ] {
        let asked = Asked {
            reason: Reason {
                purpose: purpose.to_owned(),
                legal_basis: legal_basis.to_owned(),
                justification: None,
            },
            ..Asked::new(ActKind::ListCases, Role::CaseWorker, Some(unit))
        };
        let (request, _) = world.act(&caseworker, asked);
        let verified = world.vault.verify_act(&caller, request);
        let expected = (!accepted).then_some(ActError::Reason);
        assert_eq!(verified.err(), expected, "{purpose:?} {legal_basis:?}");
    }
}

async fn an_enrolment_with_another_label_secret_than_the_deposited_one_is_not_committed(
    test: &TestDb,
) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let unit = world.unit_with(&caseworker).await;
    let honest = TestPerson::generate(&mut world.rng);
    world.deposit_lambda(&caseworker, &honest).await;
    let size = world.vault.directory().size();
    let other = TestPerson::generate(&mut world.rng);
    let mut foreign_hash = honest.enrolment(world.vault.id(), true);
    foreign_hash.lambda_hash = other.enrolment(world.vault.id(), true).lambda_hash;
    let mut foreign_share = honest.enrolment(world.vault.id(), true);
    foreign_share.share_id = other.share_id(world.vault.id());
    for forged in [foreign_hash, foreign_share] {
        let record = world.state_as(&caseworker, Event::PersonEnrolled(forged));
        let mutation = Mutation::of(vec![with_sealed(record, PERSON_ENTRY)]);
        let asked = Asked::new(ActKind::EnrolPerson, Role::CaseWorker, Some(unit));
        let refused = world.commit(&caseworker, asked, &mutation).await;
        assert_eq!(code(refused.err()), "person-share-differs");
    }
    assert_eq!(world.vault.directory().size(), size);
    let event = honest.enrolment(world.vault.id(), true);
    let record = world.state_as(&caseworker, Event::PersonEnrolled(event));
    let mutation = Mutation::of(vec![with_sealed(record, PERSON_ENTRY)]);
    let asked = Asked::new(ActKind::EnrolPerson, Role::CaseWorker, Some(unit));
    world.commit(&caseworker, asked, &mutation).await.unwrap();
    world.confirmed().await;
}

type Change<'a> = &'a dyn Fn(&mut VaultCard, &mut ShardOpened);

async fn a_founding_with_another_origin_or_other_keys_is_refused(test: &TestDb) {
    let mut first = World::numbered(test, 1).await;
    let mut second = World::unfounded(test.db.clone(), 2).await;
    let registrar = std::sync::Arc::clone(&second.registrar);
    second.deposit_lambda(&registrar, &registrar).await;
    let theirs = first.vault.origin().to_owned();
    let changes: [Change<'_>; 3] = [
        &|card, shard| {
            card.origin.clone_from(&theirs);
            shard.origin = card.access_origin("std", 2027, 1);
        },
        &|card, shard| {
            card.access_key = card.records_key;
            shard.key = card.records_key;
        },
        &|card, _| card.gate_key = card.records_key,
    ];
    for change in changes {
        let bytes = second.founding_with(change).to_bytes();
        let refused = second.found_with(&bytes).await;
        assert_eq!(code(refused.err()), "card-mismatch");
    }
    assert!(!second.vault.is_founded());
    let bytes = second.founding().to_bytes();
    second.found_with(&bytes).await.unwrap();
    second.confirmed().await;
    first.activated(true).await;
    first.confirmed().await;
}

async fn f15_a_founding_opens_no_shard_outside_its_own_folder(test: &TestDb) {
    let mut world = World::unfounded(test.db.clone(), 1).await;
    let registrar = std::sync::Arc::clone(&world.registrar);
    world.deposit_lambda(&registrar, &registrar).await;
    let own = format!("{}/access", world.vault.origin());
    for (class, rest) in [
        ("std", "std/../../../escaped"),
        ("std", "std/2027q1/../../x"),
        ("std", "std/2027q5"),
        ("std", "std/20271"),
        ("..", "../2027q1"),
        ("a/b", "a/b/2027q1"),
        ("", "/2027q1"),
    ] {
        let founding = world.founding_with(|_, shard| {
            class.clone_into(&mut shard.class);
            shard.origin = format!("{own}/{rest}");
        });
        let refused = world.vault.propose(&founding.to_bytes()).await;
        assert_eq!(code(refused.err()), "shard-refused", "{rest}");
    }
    assert!(!is_begun(&world.vault));
}

/// Entries under a label, by the rows of its chain.
async fn entries_under(test: &TestDb, label: &Label) -> u64 {
    let statement = sql("SELECT COUNT(*) AS n FROM label_rows WHERE label = $1");
    let statement = statement.bind(label.as_bytes().as_slice());
    let row = test.db.fetch_optional("count", statement).await.unwrap();
    row.unwrap().column("n").unwrap()
}

fn subject_label(world: &World, person: &TestPerson) -> Label {
    Label::of_subject(&world.shard(), &person.lambda)
}

async fn f01_a_change_stands_under_the_labels_of_what_it_changes_whatever_its_act_names(
    test: &TestDb,
) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let (subject, other) = (world.activated(true).await, world.activated(true).await);
    let unit = world.unit_with(&caseworker).await;
    let case = world.create_case(&caseworker, unit, &[subject.id]).await;
    let elsewhere = world.create_case(&caseworker, unit, &[other.id]).await;
    let mine = subject_label(&world, &subject);
    let before = entries_under(test, &mine).await;
    let closing = toggling(&mut world, &caseworker, case, false);
    let asked = Asked {
        case: Some(elsewhere),
        ..Asked::new(ActKind::ChangeCase, Role::CaseWorker, Some(unit))
    };
    let lied = world.commit(&caseworker, asked, &closing).await;
    assert!(matches!(
        lied,
        Err(StoreError::Refused(Refusal::ChangeNotOfThisAct))
    ));
    let asked = Asked::new(ActKind::ChangeCase, Role::CaseWorker, Some(unit));
    world.commit(&caseworker, asked, &closing).await.unwrap();
    // The entry and its CLOSE.
    assert_eq!(entries_under(test, &mine).await, before + 2);
    let of_case = Label::of_case(&world.shard(), &case.0);
    let before = entries_under(test, &of_case).await;
    let reopening = toggling(&mut world, &caseworker, case, true);
    let asked = Asked {
        case: Some(case),
        persons: vec![subject.id],
        ..Asked::new(ActKind::ChangeCase, Role::CaseWorker, Some(unit))
    };
    world.commit(&caseworker, asked, &reopening).await.unwrap();
    assert_eq!(entries_under(test, &of_case).await, before + 2);
    world.confirmed().await;
}

async fn f01_an_enrolment_and_a_refused_change_stand_under_their_subjects(test: &TestDb) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let stranger = world.activated(false).await;
    let unit = world.unit_with(&caseworker).await;
    let subject = world.invited(true).await;
    let mine = subject_label(&world, &subject);
    let enrolled = entries_under(test, &mine).await;
    assert_eq!(enrolled, 2, "the act named nobody");
    let case = world.create_case(&caseworker, unit, &[subject.id]).await;
    let before = entries_under(test, &mine).await;
    let elsewhere = world.unit_with(&stranger).await;
    let bytes = toggling(&mut world, &caseworker, case, false).to_bytes();
    let kind = ActKind::ChangeCase;
    let (role, unit) = (Role::CaseWorker, Some(elsewhere));
    let request = world.mutation_act(&stranger, role, unit, kind, &bytes);
    let caller = world.caller(&stranger).unwrap();
    let act = world.vault.verify_act(&caller, request).unwrap();
    let proposal = world.vault.propose(&bytes).await.unwrap();
    let refusal = world.vault.authorise_mutation(&caller, &act, &proposal);
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal, Refusal::NotYourUnit);
    let logged = world.vault.log_refused_change(act, refusal, &proposal);
    logged.await.unwrap();
    assert_eq!(entries_under(test, &mine).await, before + 1);
}

async fn f02_filing_stands_under_every_document_it_registers(test: &TestDb) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let subject = world.activated(true).await;
    let unit = world.unit_with(&caseworker).await;
    let case = world.create_case(&caseworker, unit, &[subject.id]).await;
    let (documents, mutation) = world.document_mutation(&caseworker, case, 3).await;
    let before = entries_under(test, &subject_label(&world, &subject)).await;
    let asked = Asked::new(ActKind::FileDocuments, Role::CaseWorker, Some(unit));
    world.commit(&caseworker, asked, &mutation).await.unwrap();
    let after = entries_under(test, &subject_label(&world, &subject)).await;
    assert_eq!(after, before + 2);
    for document in documents {
        let id = document.manifest.document;
        let label = Label::of_document(&world.shard(), &id.0);
        assert_eq!(entries_under(test, &label).await, 2);
    }
}

async fn a_search_leaves_an_entry_also_without_a_hit(test: &TestDb) {
    let mut world = World::new(test).await;
    let caseworker = world.activated(false).await;
    let subject = world.activated(true).await;
    let unit = world.unit_with(&caseworker).await;
    let case = world.create_case(&caseworker, unit, &[subject.id]).await;
    let searched = Label::of_actor(&world.shard(), &caseworker.lambda);
    let found = subject_label(&world, &subject);
    let before = (
        entries_under(test, &searched).await,
        entries_under(test, &found).await,
    );
    let absent = world.look_up(&caseworker, unit, &[[9; 32]]).await;
    assert_eq!(absent.unwrap(), vec![]);
    assert!(entries_under(test, &searched).await > before.0);
    assert_eq!(entries_under(test, &found).await, before.1);
    let tag = sha256(&[b"tag", &case.0]);
    let hit = world.look_up(&caseworker, unit, &[tag]).await;
    assert_eq!(hit.unwrap(), vec![case]);
    assert!(entries_under(test, &found).await > before.1);
    // Tags that the act does not name are not looked up.
    let asked = Asked {
        tags: Some(&[[9; 32]]),
        ..Asked::new(ActKind::FindCase, Role::CaseWorker, Some(unit))
    };
    let (request, _) = world.act(&caseworker, asked);
    let caller = world.caller(&caseworker).unwrap();
    let act = world.vault.verify_act(&caller, request).unwrap();
    let other = world.vault.authorise_lookup(&caller, &act, &[tag]);
    assert_eq!(other.err(), Some(Refusal::ObjectsUnfit));
}

fn is_begun(vault: &Vault) -> bool {
    vault.directory().size() > 0
}

fn code(error: Option<StoreError>) -> &'static str {
    match error {
        Some(StoreError::Rejected { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}
