//! Cases, batches, documents, grants.

use obhut_format::batch::{BatchKind, RecordPayload};
use obhut_format::context::sha256;
use obhut_format::manifest::Manifest;
use obhut_format::statement::{
    CardAmended, CaseClosed, CaseCreated, CaseKey, CaseKind, CaseRekeyed, CaseReopened, Event,
    GrantRevoked, Role, SubjectAdded,
};
use obhut_format::tree::{Tree, leaf_hash};
use obhut_format::{CaseId, Cbor, DocumentId, Hash, PersonId, ShareId};

use super::world::{
    Actor, CASE, DAY_US, OTHER_UNIT, UNIT, VAULT, World, appointment, document_grant, identity,
    rotation, sign_batch,
};
use crate::replay::ReplayError;
use crate::state::{DocumentState, DocumentStatus};

type Change = fn(&mut CaseCreated);

const OWN: CaseId = CaseId([0xc9; 16]);

fn log_all(world: &mut World, payloads: &[RecordPayload]) -> Result<(), ReplayError> {
    payloads.iter().try_for_each(|payload| world.log(payload))
}

/// A registration of one changed manifest: what its item brings.
fn changed(change: impl FnOnce(&mut Manifest)) -> Result<(), ReplayError> {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    world.register(&worker, &[1]).unwrap();
    let mut manifest = world.manifest(&worker, 2);
    change(&mut manifest);
    let payloads = world.documents(&worker, &[manifest]);
    log_all(&mut world, &payloads)
}

fn rekeyed(epoch: u32, unit_epoch: u32) -> Event {
    Event::CaseRekeyed(CaseRekeyed {
        case: CASE,
        key: CaseKey {
            epoch,
            unit_epoch,
            ck_id: [5; 32],
            grant_hash: [6; 32],
            link_hash: Some([7; 32]),
        },
    })
}

#[test]
fn registers_revisions_and_the_state_root_follows() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    world.register(&worker, &[1, 2, 3]).unwrap();
    let mut second = world.manifest(&worker, 2);
    second.share_id = ShareId([0x99; 32]);
    let payloads = world.documents(&worker, &[second]);
    log_all(&mut world, &payloads).unwrap();
    let directory = &world.directory;
    assert_eq!(directory.documents_of_case(CASE).count(), 3);
    let document = directory.document(DocumentId([2; 16])).unwrap();
    assert_eq!(document.latest().unwrap().revision, 2);
    assert_eq!(document.find_revision(0), document.find_revision(2));
    assert_eq!(
        document.find_revision(1).unwrap().share_id,
        ShareId([2; 32])
    );
    let root = directory.case_state_root(CASE).unwrap();
    let parts = directory.case_state_parts(CASE).unwrap();
    let proof = directory.prove_document(CASE, DocumentId([2; 16])).unwrap();
    let mut state = DocumentState {
        document: DocumentId([2; 16]),
        revision: 2,
        manifest_hash: second.hash(),
        card_hash: [0x0c; 32],
        class: second.class,
        status: DocumentStatus::Living,
    };
    assert_eq!(parts.verify_document(&root, &state, &proof), Ok(()));
    state.revision = 1;
    assert!(parts.verify_document(&root, &state, &proof).is_err());
}

#[test]
fn e02_refuses_documents_of_somebody_outside_the_unit() {
    let mut world = World::with_case();
    let registrar = Actor::new(10);
    assert_eq!(
        world.register(&registrar, &[1]),
        Err(ReplayError::NotAuthorised)
    );
    let stranger = Actor::new(50);
    assert_eq!(
        world.register(&stranger, &[1]),
        Err(ReplayError::KidSuperseded)
    );
    let colleague = Actor::new(40);
    world.join(&colleague);
    let unit = world.unit_epoch(OTHER_UNIT, 1, vec![registrar.kid(), colleague.kid()]);
    world.by(&registrar, unit).unwrap();
    let role = appointment(colleague.person, Role::CaseWorker, Some(OTHER_UNIT));
    world.by(&registrar, role).unwrap();
    assert_eq!(
        world.register(&colleague, &[1]),
        Err(ReplayError::NotAuthorised)
    );
}

#[test]
fn b14_refuses_a_batch_signed_in_anothers_name_or_kid() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let registrar = Actor::new(10);
    let manifest = world.manifest(&worker, 1);
    let tree = Tree::new(vec![leaf_hash(b"item")]);
    let mut header = world.header(BatchKind::Documents, &worker, CASE, 1, &tree);
    let forged = RecordPayload::Batch(sign_batch(&header, &registrar.keys.signer));
    assert_eq!(world.log(&forged), Err(ReplayError::SignatureInvalid));
    header.signer = registrar.person;
    let renamed = RecordPayload::Batch(sign_batch(&header, &worker.keys.signer));
    assert_eq!(world.log(&renamed), Err(ReplayError::KidSuperseded));
    // Signed by the worker, but the manifest names another author.
    let foreign = Manifest {
        author: registrar.kid(),
        ..manifest
    };
    let payloads = world.documents(&worker, &[foreign]);
    assert_eq!(
        log_all(&mut world, &payloads),
        Err(ReplayError::NotAuthorised)
    );
}

#[test]
fn f18_a_superseded_bundle_signs_no_batch() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let fresh = rotation(worker.person, &worker.keys, &identity(21));
    world.by(&worker, fresh).unwrap();
    assert_eq!(
        world.register(&worker, &[1]),
        Err(ReplayError::KidSuperseded)
    );
}

#[test]
fn e01_refuses_a_document_moved_to_another_case_or_vault() {
    let moved = changed(|manifest| manifest.document = DocumentId([1; 16]));
    assert_eq!(moved, Err(ReplayError::RevisionMismatch));
    let vault = changed(|manifest| manifest.vault = obhut_format::VaultId([1; 16]));
    assert_eq!(vault, Err(ReplayError::VaultMismatch));
    let mut world = World::with_case();
    let worker = Actor::new(20);
    world.register(&worker, &[1]).unwrap();
    let other = CaseId([0xc2; 16]);
    let case = world.case(other, Vec::new());
    world.by(&worker, Event::CaseCreated(case)).unwrap();
    let mut manifest = world.manifest(&worker, 1);
    manifest.case = other;
    manifest.share_id = ShareId([0x77; 32]);
    let payloads = world.documents(&worker, &[manifest]);
    assert_eq!(
        log_all(&mut world, &payloads),
        Err(ReplayError::RevisionMismatch)
    );
    let smuggled = changed(|manifest| manifest.case = CaseId([0xc2; 16]));
    assert_eq!(smuggled, Err(ReplayError::CaseUnknown));
    let mut world = World::with_case();
    let case = world.case(other, Vec::new());
    world.by(&worker, Event::CaseCreated(case)).unwrap();
    let mut smuggled = world.manifest(&worker, 3);
    smuggled.case = other;
    let tail = world.manifest(&worker, 2);
    let payloads = world.documents(&worker, &[tail, smuggled]);
    assert_eq!(
        log_all(&mut world, &payloads),
        Err(ReplayError::VaultMismatch)
    );
}

#[test]
fn e04_refuses_another_retention_class() {
    let class = changed(|manifest| manifest.class = "ALG-30".parse().unwrap());
    assert_eq!(class, Err(ReplayError::ClassMismatch));
}

#[test]
fn a08_refuses_a_revision_that_does_not_follow() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    world.register(&worker, &[1]).unwrap();
    let good = world.manifest(&worker, 1);
    let cases = [
        Manifest {
            revision: 3,
            share_id: ShareId([0x91; 32]),
            ..good
        },
        Manifest {
            previous: [1; 32],
            share_id: ShareId([0x92; 32]),
            ..good
        },
        Manifest {
            revision: 1,
            previous: [0; 32],
            share_id: ShareId([0x93; 32]),
            ..good
        },
    ];
    for manifest in cases {
        let mut world = World::with_case();
        world.register(&worker, &[1]).unwrap();
        let payloads = world.documents(&worker, &[manifest]);
        assert_eq!(
            log_all(&mut world, &payloads),
            Err(ReplayError::RevisionMismatch)
        );
    }
}

#[test]
fn f25_refuses_a_share_registered_before() {
    let share = changed(|manifest| manifest.share_id = ShareId([1; 32]));
    assert_eq!(share, Err(ReplayError::ShareExists));
    let lambda = changed(|manifest| manifest.share_id = ShareId([30; 32]));
    assert_eq!(lambda, Err(ReplayError::ShareExists));
}

#[test]
fn f28_refuses_a_registration_after_its_term() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let manifest = world.manifest(&worker, 1);
    let until = world.now_us + 1_000_000;
    let payloads = world.documents_until(&worker, &[manifest], until);
    assert_eq!(
        log_all(&mut world, &payloads),
        Err(ReplayError::RegisteredTooLate)
    );
}

#[test]
fn b05_refuses_an_old_case_epoch_and_one_whose_unit_key_has_moved_on() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let registrar = Actor::new(10);
    let stale = world.manifest(&worker, 1);
    let unit = world.unit_epoch(UNIT, 2, vec![registrar.kid(), worker.kid()]);
    world.by(&registrar, unit).unwrap();
    assert_eq!(world.register(&worker, &[1]), Err(ReplayError::EpochStale));
    assert_eq!(
        world.by(&worker, rekeyed(2, 1)),
        Err(ReplayError::EpochStale)
    );
    assert_eq!(
        world.by(&worker, rekeyed(3, 2)),
        Err(ReplayError::EpochStale)
    );
    assert_eq!(world.by(&worker, rekeyed(2, 2)), Ok(()));
    let payloads = world.documents(&worker, &[stale]);
    assert_eq!(log_all(&mut world, &payloads), Err(ReplayError::EpochStale));
    assert_eq!(world.register(&worker, &[1]), Ok(()));
    let mixed = Manifest {
        case_epoch: 1,
        ..world.manifest(&worker, 2)
    };
    let first = world.manifest(&worker, 3);
    let payloads = world.documents(&worker, &[first, mixed]);
    assert_eq!(log_all(&mut world, &payloads), Err(ReplayError::EpochStale));
}

#[test]
fn b20_refuses_items_outside_the_signed_batch_or_out_of_order() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let manifests: Vec<Manifest> = [1, 2, 3].map(|n| world.manifest(&worker, n)).to_vec();
    let payloads = world.documents(&worker, &manifests);
    world.log(&payloads[0]).unwrap();
    assert_eq!(
        world.log(&payloads[2]),
        Err(ReplayError::BatchItemUnexpected)
    );
    let RecordPayload::Document(mut item) = payloads[1].clone() else {
        unreachable!()
    };
    let RecordPayload::Document(other) = payloads[2].clone() else {
        unreachable!()
    };
    item.item = other.item;
    let swapped = RecordPayload::Document(item);
    assert_eq!(world.log(&swapped), Err(ReplayError::PathMismatch));
    world.log(&payloads[1]).unwrap();
    let between = Event::SubjectAdded(SubjectAdded {
        case: CASE,
        person: worker.person,
    });
    assert_eq!(
        world.by(&worker, between),
        Err(ReplayError::BatchIncomplete)
    );
    world.log(&payloads[2]).unwrap();
    world.log(&payloads[3]).unwrap();
    assert!(!world.directory.is_within_batch());
    assert_eq!(
        world.log(&payloads[3]),
        Err(ReplayError::BatchItemUnexpected)
    );
    assert_eq!(world.log(&payloads[0]), Err(ReplayError::BatchRepeated));
}

#[test]
fn refuses_a_second_batch_under_the_same_id() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let tree = Tree::new(vec![[1; 32]]);
    let header = world.header(BatchKind::Grants, &worker, CASE, 0, &tree);
    let first = RecordPayload::Batch(sign_batch(&header, &worker.keys.signer));
    world.log(&first).unwrap();
    assert!(world.directory.find_batch_id(header.batch).is_some());
    let mut second = header;
    second.root = [2; 32];
    let second = RecordPayload::Batch(sign_batch(&second, &worker.keys.signer));
    assert_eq!(world.log(&second), Err(ReplayError::BatchRepeated));
}

#[test]
fn refuses_batches_of_no_or_too_many_items() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    for count in [0, 1_025] {
        let tree = Tree::new(vec![[1; 32]]);
        let mut header = world.header(BatchKind::Documents, &worker, CASE, 1, &tree);
        header.count = count;
        let payload = RecordPayload::Batch(sign_batch(&header, &worker.keys.signer));
        assert_eq!(world.log(&payload), Err(ReplayError::BatchSize));
    }
}

#[test]
fn b02_refuses_a_case_whose_key_is_not_granted_to_the_unit_in_force() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let with = |world: &World, change: fn(&mut CaseCreated)| {
        let mut case = world.case(CaseId([0xc2; 16]), Vec::new());
        change(&mut case);
        Event::CaseCreated(case)
    };
    let refused: [(Change, ReplayError); 8] = [
        (
            |case| case.key.as_mut().unwrap().unit_epoch = 2,
            ReplayError::EpochStale,
        ),
        (
            |case| case.key.as_mut().unwrap().epoch = 2,
            ReplayError::EpochStale,
        ),
        (|case| case.key = None, ReplayError::NotSensible),
        (
            |case| case.owner = Some(PersonId([30; 16])),
            ReplayError::NotSensible,
        ),
        (
            |case| case.share_id = Some(ShareId([0xc1; 32])),
            ReplayError::ShareExists,
        ),
        (|case| case.case = CASE, ReplayError::CaseExists),
        (
            |case| case.subjects = vec![PersonId([99; 16])],
            ReplayError::PersonUnknown,
        ),
        (|case| case.unit = OTHER_UNIT, ReplayError::NotAuthorised),
    ];
    for (change, error) in refused {
        let event = with(&world, change);
        assert_eq!(world.by(&worker, event), Err(error));
    }
    let event = with(&world, |_| {});
    assert_eq!(
        world.by(&Actor::new(10), event.clone()),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(world.by(&worker, event), Ok(()));
}

#[test]
fn f22_subjects_are_added_and_move_the_state_root() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    world.enrol_citizen(31);
    let root = world.directory.case_state_root(CASE);
    let added = Event::SubjectAdded(SubjectAdded {
        case: CASE,
        person: PersonId([31; 16]),
    });
    assert_eq!(
        world.by(&Actor::new(10), added.clone()),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(world.by(&worker, added.clone()), Ok(()));
    assert_eq!(world.by(&worker, added), Err(ReplayError::SubjectExists));
    assert_ne!(world.directory.case_state_root(CASE), root);
    assert_eq!(world.directory.case(CASE).unwrap().subjects.len(), 2);
}

#[test]
fn a_case_takes_no_more_subjects_than_an_entry_has_room_for() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let known = world.directory.case(CASE).unwrap().subjects.len();
    let mut results = Vec::new();
    for number in 100..=160 {
        world.enrol_citizen(number);
        let added = Event::SubjectAdded(SubjectAdded {
            case: CASE,
            person: PersonId([number; 16]),
        });
        results.push(world.by(&worker, added));
    }
    let taken = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(known + taken, 60);
    assert_eq!(results.last(), Some(&Err(ReplayError::NotSensible)));
}

#[test]
fn a_closed_case_takes_nothing_until_it_is_reopened() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let closed = |on: &str| {
        Event::CaseClosed(CaseClosed {
            case: CASE,
            on: on.to_owned(),
        })
    };
    for bad in [
        "2026-13-01",
        "2026-1-01",
        "26-11-23",
        "2026-11-23Z",
        "+026-11-23",
        "",
    ] {
        assert_eq!(
            world.by(&worker, closed(bad)),
            Err(ReplayError::NotSensible),
            "{bad}"
        );
    }
    let reopened = Event::CaseReopened(CaseReopened { case: CASE });
    assert_eq!(
        world.by(&worker, reopened.clone()),
        Err(ReplayError::CaseOpen)
    );
    assert_eq!(world.by(&worker, closed("2026-11-23")), Ok(()));
    assert_eq!(world.register(&worker, &[1]), Err(ReplayError::CaseClosed));
    assert_eq!(
        world.by(&worker, rekeyed(2, 1)),
        Err(ReplayError::CaseClosed)
    );
    assert_eq!(
        world.by(&worker, closed("2026-11-23")),
        Err(ReplayError::CaseClosed)
    );
    assert_eq!(world.by(&worker, reopened), Ok(()));
    assert_eq!(world.register(&worker, &[1]), Ok(()));
}

#[test]
fn cards_are_amended_one_number_after_the_other() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    world.register(&worker, &[1]).unwrap();
    let root = world.directory.case_state_root(CASE);
    let card = |document: u8, card_no| {
        Event::CardAmended(CardAmended {
            case: CASE,
            document: DocumentId([document; 16]),
            revision: 1,
            card_no,
            card_hash: [0x0d; 32],
        })
    };
    assert_eq!(
        world.by(&worker, card(1, 3)),
        Err(ReplayError::CardNumberSkipped)
    );
    assert_eq!(
        world.by(&worker, card(2, 2)),
        Err(ReplayError::DocumentUnknown)
    );
    assert_eq!(
        world.by(&Actor::new(10), card(1, 2)),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(world.by(&worker, card(1, 2)), Ok(()));
    assert_ne!(world.directory.case_state_root(CASE), root);
    let document = world.directory.document(DocumentId([1; 16])).unwrap();
    assert_eq!(document.latest().unwrap().card_hash, [0x0d; 32]);
}

/// A citizen's own case with a document issued to them.
fn issued() -> (World, Actor, Actor) {
    let mut world = World::with_case();
    let (worker, citizen) = (Actor::new(20), Actor::new(40));
    world.join(&citizen);
    let case = CaseCreated {
        kind: CaseKind::Own,
        owner: Some(citizen.person),
        subjects: vec![citizen.person],
        key: None,
        share_id: None,
        register_hash: None,
        ..world.case(OWN, Vec::new())
    };
    world.by(&worker, Event::CaseCreated(case)).unwrap();
    let manifest = Manifest {
        case: OWN,
        case_epoch: 0,
        ..world.manifest(&worker, 9)
    };
    let payloads = world.documents(&worker, &[manifest]);
    log_all(&mut world, &payloads).unwrap();
    (world, worker, citizen)
}

#[test]
fn b04_a_direct_grant_is_void_once_it_was_revoked_or_has_ended() {
    let (mut world, worker, citizen) = issued();
    let mut grant = document_grant(&worker, 9, citizen.kid());
    grant.case = OWN;
    grant.not_after_us = Some(world.now_us + 5 * DAY_US);
    let (payload, proof) = world.grant(&worker, grant.clone());
    assert_eq!(
        world.directory.verify_grant(&proof, world.now_us),
        Err(ReplayError::GrantVoid)
    );
    world.log(&payload).unwrap();
    let now = world.now_us;
    assert_eq!(
        world.directory.verify_grant(&proof, now),
        Ok(citizen.person)
    );
    let late = world.directory.verify_grant(&proof, now + 5 * DAY_US);
    assert_eq!(late, Err(ReplayError::GrantVoid));

    let grant_hash: Hash = sha256(&[&grant.to_bytes()]);
    let revoked = Event::GrantRevoked(GrantRevoked {
        case: OWN,
        grant_hash,
    });
    let root = world.directory.case_state_root(OWN);
    let mut without = World::replayer();
    without.apply_feed(&world.feed(0), |_| None).unwrap();
    assert_eq!(
        world.by(&Actor::new(10), revoked.clone()),
        Err(ReplayError::NotAuthorised)
    );
    let refused = world.by(&worker, revoked.clone());
    assert_eq!(refused, Err(ReplayError::NotAuthorised), "the owner's only");
    // A caseworker who has the grant's bytes names a case of their own.
    let elsewhere = Event::GrantRevoked(GrantRevoked {
        case: CASE,
        grant_hash,
    });
    assert_eq!(world.by(&worker, elsewhere), Ok(()));
    let still = world.directory.verify_grant(&proof, now);
    assert_eq!(still, Ok(citizen.person));
    assert_eq!(world.by(&citizen, revoked.clone()), Ok(()));
    assert_eq!(world.by(&citizen, revoked), Err(ReplayError::GrantVoid));
    assert_ne!(world.directory.case_state_root(OWN), root);
    assert_eq!(
        world.directory.verify_grant(&proof, now),
        Err(ReplayError::GrantVoid)
    );
    assert!(without.directory().verify_grant(&proof, now).is_ok());
}

#[test]
fn f18_a_grant_to_a_superseded_bundle_is_void() {
    let (mut world, worker, citizen) = issued();
    let grant = obhut_format::key::Grant {
        case: OWN,
        ..document_grant(&worker, 9, citizen.kid())
    };
    let (payload, proof) = world.grant(&worker, grant);
    world.log(&payload).unwrap();
    let fresh = rotation(citizen.person, &citizen.keys, &identity(41));
    world.by(&citizen, fresh).unwrap();
    let refused = world.directory.verify_grant(&proof, world.now_us);
    assert_eq!(refused, Err(ReplayError::KidSuperseded));
}

#[test]
fn b19_refuses_grants_without_authority_or_to_somebody_else() {
    let (mut world, worker, citizen) = issued();
    let registrar = Actor::new(10);
    let own = |kid| obhut_format::key::Grant {
        case: OWN,
        ..document_grant(&worker, 9, kid)
    };
    let (payload, _) = world.grant(&registrar, own(registrar.kid()));
    assert_eq!(world.log(&payload), Err(ReplayError::NotAuthorised));
    // In a citizen's own case a grant to anybody but the owner is void.
    let (payload, proof) = world.grant(&worker, own(registrar.kid()));
    world.log(&payload).unwrap();
    let now = world.now_us;
    assert_eq!(
        world.directory.verify_grant(&proof, now),
        Err(ReplayError::GrantVoid)
    );
    let (payload, proof) = world.grant(&worker, own(citizen.kid()));
    world.log(&payload).unwrap();
    assert!(world.directory.verify_grant(&proof, now).is_ok());
    let mut changed = proof.clone();
    changed.grant.role = Role::Registrar;
    assert_eq!(
        world.directory.verify_grant(&changed, now),
        Err(ReplayError::PathMismatch)
    );
    let mut elsewhere = proof.clone();
    elsewhere.grant.case = CASE;
    assert_eq!(
        world.directory.verify_grant(&elsewhere, now),
        Err(ReplayError::GrantVoid)
    );
    let mut granter = proof;
    granter.grant.granter = registrar.kid();
    assert_eq!(
        world.directory.verify_grant(&granter, now),
        Err(ReplayError::GrantVoid)
    );
    // Agency documents are granted by the unit only.
    let (payload, _) = world.grant(&citizen, document_grant(&citizen, 1, citizen.kid()));
    assert_eq!(world.log(&payload), Err(ReplayError::NotAuthorised));
    let (payload, _) = world.grant(&citizen, own(citizen.kid()));
    assert_eq!(
        world.log(&payload),
        Ok(()),
        "owners re-grant to their own keys"
    );
}

#[test]
fn a_grant_of_a_document_that_is_not_in_the_case_is_void() {
    let (mut world, worker, citizen) = issued();
    let grant = obhut_format::key::Grant {
        case: OWN,
        number: 2,
        ..document_grant(&worker, 9, citizen.kid())
    };
    let (payload, proof) = world.grant(&worker, grant);
    world.log(&payload).unwrap();
    let refused = world.directory.verify_grant(&proof, world.now_us);
    assert_eq!(refused, Err(ReplayError::DocumentUnknown));
}

#[test]
fn an_own_case_has_one_subject_its_owner_and_no_agency_changes() {
    let (mut world, worker, citizen) = issued();
    let with = |world: &World, subjects: Vec<PersonId>| CaseCreated {
        kind: CaseKind::Own,
        owner: Some(PersonId([40; 16])),
        subjects,
        key: None,
        share_id: None,
        register_hash: None,
        ..world.case(CaseId([0xca; 16]), Vec::new())
    };
    let empty = Event::CaseCreated(with(&world, Vec::new()));
    assert_eq!(world.by(&worker, empty), Err(ReplayError::NotSensible));
    let other = Event::CaseCreated(with(&world, vec![PersonId([30; 16])]));
    assert_eq!(world.by(&worker, other), Err(ReplayError::NotSensible));
    let fine = Event::CaseCreated(with(&world, vec![citizen.person]));
    assert_eq!(world.by(&citizen, fine), Err(ReplayError::NotAuthorised));
    let subject = Event::SubjectAdded(SubjectAdded {
        case: OWN,
        person: worker.person,
    });
    assert_eq!(world.by(&worker, subject), Err(ReplayError::NotAuthorised));
    assert_eq!(world.directory.cases_of_unit(UNIT).count(), 1);
    assert_eq!(world.directory.vault(), VAULT);
}
