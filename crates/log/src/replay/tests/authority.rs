//! Who may state what: people, keys, devices, roles, units.

use obhut_format::person::device_kid;
use obhut_format::statement::{
    AppointmentEnded, DeviceAdded, DeviceRevoked, Event, GateHead, PersonInvited, RevocationReason,
    Role,
};
use obhut_format::{PersonId, UnitId, VaultId};
use obhut_suite::{DeviceKey, Label as SignLabel, Secret};

use super::world::{
    Actor, CASE, DAY_US, OTHER_UNIT, START_US, UNIT, VAULT, World, appointment, bundle,
    device_added, enrolment, identity, rotation, rotation_in, shard,
};
use crate::replay::ReplayError;

fn ended(actor: &Actor) -> Event {
    Event::AppointmentEnded(AppointmentEnded {
        person: actor.person,
        role: Role::CaseWorker,
        unit: Some(UNIT),
    })
}

#[test]
fn founding_gives_a_registrar_a_unit_and_a_shard() {
    let world = World::founded();
    let registrar = world.directory.person(world.registrar.person).unwrap();
    assert_eq!(registrar.epoch(), Some(1));
    assert!(
        world
            .directory
            .holds_role(registrar.person, Role::Registrar, None, world.now_us)
    );
    assert_eq!(world.directory.unit(UnitId(VAULT.0)).unwrap().epoch(), 1);
    assert_eq!(world.directory.shards().count(), 1);
    assert!(world.directory.records_quorum().is_ok());
    assert!(world.directory.access_quorum(&shard().origin).is_ok());
    assert_eq!(world.directory.size(), 6);
}

#[test]
fn f30_refuses_a_card_of_another_vault_key_or_signer() {
    let mut world = World::empty();
    assert_eq!(
        world.by_root(device_added(&Actor::new(1))),
        Err(ReplayError::NotFounded)
    );
    let good = world.card();
    let mut other_key = good.clone();
    other_key.records_key = [7; 32];
    let refused = world.by_root(Event::Card(Box::new(other_key)));
    assert_eq!(refused, Err(ReplayError::CardMismatch));
    let mut other_root = good.clone();
    other_root.root = bundle(&identity(1));
    let refused = world.by_root(Event::Card(Box::new(other_root)));
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
    let mut endless = good.clone();
    endless.origin = "a".repeat(201);
    let refused = world.by_root(Event::Card(Box::new(endless)));
    assert_eq!(refused, Err(ReplayError::NotSensible));
    let mut later = good.clone();
    later.version = 2;
    assert_eq!(
        world.by_root(Event::Card(Box::new(later))),
        Err(ReplayError::CardMismatch)
    );
    assert_eq!(world.by_root(Event::Card(Box::new(good.clone()))), Ok(()));
    let mut moved = good.clone();
    moved.version = 2;
    moved.root = bundle(&identity(1));
    assert_eq!(
        world.by_root(Event::Card(Box::new(moved))),
        Err(ReplayError::CardMismatch)
    );
    let successor = obhut_format::card::VaultCard { version: 2, ..good };
    assert_eq!(world.by_root(Event::Card(Box::new(successor))), Ok(()));
}

#[test]
fn refuses_a_statement_with_a_broken_signature_another_vault_or_a_repeat() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let event = Event::CaseCreated(world.case(obhut_format::CaseId([0xc2; 16]), Vec::new()));
    let signer = obhut_format::statement::Signer::Person(obhut_format::statement::PersonSigner {
        person: worker.person,
        kid: worker.kid(),
    });
    let payload = world.sign(signer.clone(), &worker.keys.signer, event.clone());
    let obhut_format::batch::RecordPayload::Statement(mut broken) = payload.clone() else {
        unreachable!()
    };
    *broken.signature.0.last_mut().unwrap() ^= 1;
    let broken = obhut_format::batch::RecordPayload::Statement(broken);
    assert_eq!(world.log(&broken), Err(ReplayError::SignatureInvalid));
    let forged = world.sign(signer, &identity(99).signer, event);
    assert_eq!(world.log(&forged), Err(ReplayError::SignatureInvalid));
    let before = world.directory.size();
    assert_eq!(world.log(&payload), Ok(()));
    assert_eq!(world.log(&payload), Err(ReplayError::Repeated));
    assert_eq!(world.directory.size(), before + 1);
}

#[test]
fn c11_refuses_a_statement_signed_a_day_off() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let signer = obhut_format::statement::Signer::Person(obhut_format::statement::PersonSigner {
        person: worker.person,
        kid: worker.kid(),
    });
    let event = Event::CaseCreated(world.case(obhut_format::CaseId([0xc2; 16]), Vec::new()));
    let payload = world.sign(signer, &worker.keys.signer, event);
    world.now_us += DAY_US;
    assert_eq!(world.log(&payload), Err(ReplayError::ClockSkew));
    world.now_us -= 2 * DAY_US;
    assert_eq!(world.log(&payload), Err(ReplayError::TimeBackwards));
}

#[test]
fn only_registrars_and_the_root_enrol_staff_and_caseworkers_only_citizens() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let mut staff = enrolment(&Actor::new(40), false);
    staff.invited_until_us = Some(world.now_us + DAY_US);
    let refused = world.by(&worker, Event::PersonEnrolled(staff.clone()));
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
    let mut citizen = staff.clone();
    citizen.citizen = true;
    assert_eq!(
        world.by(&worker, Event::PersonEnrolled(citizen.clone())),
        Ok(())
    );
    let refused = world.by(&worker, Event::PersonEnrolled(citizen));
    assert_eq!(refused, Err(ReplayError::PersonExists));
    let mut again = enrolment(&Actor::new(41), true);
    again.share_id = staff.share_id;
    let refused = world.by(&worker, Event::PersonEnrolled(again));
    assert_eq!(refused, Err(ReplayError::ShareExists));
}

#[test]
fn an_enrolment_with_final_keys_is_the_roots_alone_and_invitations_end() {
    let mut world = World::founded();
    let registrar = Actor::new(10);
    let mut event = enrolment(&Actor::new(40), false);
    event.invited_until_us = None;
    let refused = world.by(&registrar, Event::PersonEnrolled(event.clone()));
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
    event.invited_until_us = Some(world.now_us + 16 * DAY_US);
    let refused = world.by(&registrar, Event::PersonEnrolled(event.clone()));
    assert_eq!(refused, Err(ReplayError::InvitationExpired));
    event.invited_until_us = Some(world.now_us + DAY_US);
    assert_eq!(world.by(&registrar, Event::PersonEnrolled(event)), Ok(()));
    let actor = Actor::new(40);
    world.now_us += DAY_US + 601 * 1_000_000;
    let activation = rotation(actor.person, &actor.keys, &identity(41));
    let refused = world.by(&actor, activation);
    assert_eq!(refused, Err(ReplayError::InvitationExpired));
}

#[test]
fn b16_refuses_keys_whose_consent_was_given_in_another_vault() {
    let mut world = World::founded();
    let actor = Actor::new(40);
    world.join(&actor);
    let new = identity(77);
    let moved = rotation_in(VaultId([8; 16]), actor.person, &actor.keys, &new);
    let refused = world.by(&actor, moved);
    assert_eq!(refused, Err(ReplayError::SignatureInvalid));
    let own = rotation(actor.person, &actor.keys, &new);
    assert_eq!(world.by(&actor, own), Ok(()));
}

#[test]
fn f18_the_first_activation_is_final_and_the_superseded_bundle_void() {
    let mut world = World::founded();
    let registrar = Actor::new(10);
    let actor = Actor::new(40);
    world.join(&actor);
    let invited = identity(140);
    // Whoever found the letter afterwards, or copied it before, is too late.
    let late = rotation(actor.person, &invited, &identity(77));
    let refused = world.by_identity(actor.person, &invited, late);
    assert_eq!(refused, Err(ReplayError::KidSuperseded));
    let thief = Event::DeviceAdded(DeviceAdded {
        person: actor.person,
        public: *DeviceKey::from_seed(&Secret::new([77; 32]))
            .public()
            .as_bytes(),
    });
    let refused = world.by_identity(actor.person, &invited, thief);
    assert_eq!(refused, Err(ReplayError::KidSuperseded));
    let again = Event::PersonInvited(PersonInvited {
        person: actor.person,
        bundle: bundle(&identity(78)),
        invited_until_us: world.now_us + DAY_US,
    });
    assert_eq!(
        world.by(&registrar, again),
        Err(ReplayError::PersonActivated)
    );
    assert!(
        world
            .directory
            .current_holder(bundle(&invited).kid())
            .is_none()
    );
    assert!(world.directory.person_of(bundle(&invited).kid()).is_some());
}

#[test]
fn f18_only_the_enrolling_unit_and_registrars_invite_again() {
    let mut world = World::with_case();
    let (worker, stranger, registrar) = (Actor::new(20), Actor::new(21), Actor::new(10));
    world.join(&stranger);
    let other = world.unit_epoch(OTHER_UNIT, 1, vec![registrar.kid(), stranger.kid()]);
    world.by(&registrar, other).unwrap();
    let appointed = appointment(stranger.person, Role::CaseWorker, Some(OTHER_UNIT));
    world.by(&registrar, appointed).unwrap();
    let mut enrolled = enrolment(&Actor::new(50), true);
    enrolled.invited_until_us = Some(world.now_us + DAY_US);
    let person = enrolled.person;
    world.by(&worker, Event::PersonEnrolled(enrolled)).unwrap();
    let invite = |world: &World, number| {
        Event::PersonInvited(PersonInvited {
            person,
            bundle: bundle(&identity(number)),
            invited_until_us: world.now_us + DAY_US,
        })
    };
    let stolen = invite(&world, 150);
    assert_eq!(world.by(&stranger, stolen), Err(ReplayError::NotAuthorised));
    let again = invite(&world, 151);
    assert_eq!(world.by(&worker, again), Ok(()));
    let again = invite(&world, 152);
    assert_eq!(world.by(&registrar, again), Ok(()));
}

#[test]
fn refuses_a_second_person_with_the_label_secret_of_the_first() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let mut twin = enrolment(&Actor::new(50), true);
    twin.lambda_hash = enrolment(&Actor::new(30), true).lambda_hash;
    twin.invited_until_us = Some(world.now_us + DAY_US);
    assert_eq!(
        world.by(&worker, Event::PersonEnrolled(twin)),
        Err(ReplayError::LabelSecretExists)
    );
}

#[test]
fn f15_a_shard_takes_entries_until_the_next_has_begun() {
    let mut world = World::founded();
    let minute = 60 * 1_000_000;
    let (old, mut next, mut sealed) = (shard(), shard(), shard());
    next.origin = "vault.example/access/std/2027q1".to_owned();
    (next.from_us, next.to_us) = (old.to_us, old.to_us + 90 * DAY_US);
    sealed.origin = "vault.example/access/sealed/2026q4".to_owned();
    sealed.class = "sealed".to_owned();
    world.by_vault(Event::ShardOpened(next.clone())).unwrap();
    world.by_vault(Event::ShardOpened(sealed.clone())).unwrap();
    let takes = |origin: &str, at_us| world.directory.takes_entries(origin, at_us);
    assert!(takes(&old.origin, old.from_us) && takes(&old.origin, old.to_us + 4 * minute));
    assert!(!takes(&old.origin, old.to_us + 5 * minute));
    assert!(!takes(&old.origin, old.from_us - 6 * minute));
    assert!(!takes(&next.origin, next.from_us - 6 * minute));
    assert!(takes(&next.origin, next.from_us - 5 * minute));
    assert!(
        takes(&next.origin, next.to_us + DAY_US),
        "it has no successor"
    );
    assert!(!takes(&sealed.origin, sealed.from_us + DAY_US));
    assert!(!takes("vault.example/access/std/2030q1", old.from_us));
}

#[test]
fn c09_refuses_a_new_bundle_without_the_old_key_or_without_its_own() {
    let mut world = World::founded();
    let registrar = Actor::new(10);
    let actor = Actor::new(40);
    world.join(&actor);
    let reset = rotation(actor.person, &actor.keys, &identity(77));
    assert_eq!(
        world.by(&registrar, reset.clone()),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(
        world.by_root(reset.clone()),
        Err(ReplayError::NotAuthorised)
    );
    let Event::BundleRotated(mut unproven) = reset else {
        unreachable!()
    };
    unproven.bundle = bundle(&identity(78));
    let refused = world.by(&actor, Event::BundleRotated(unproven.clone()));
    assert_eq!(refused, Err(ReplayError::SignatureInvalid));
    unproven.bundle = registrar.bundle();
    let refused = world.by(&actor, Event::BundleRotated(unproven));
    assert_eq!(refused, Err(ReplayError::KidExists));
}

#[test]
fn an_invitations_bundle_can_only_be_replaced() {
    let mut world = World::founded();
    let registrar = Actor::new(10);
    let actor = Actor::new(40);
    let mut event = enrolment(&actor, false);
    event.invited_until_us = Some(world.now_us + DAY_US);
    world.by(&registrar, Event::PersonEnrolled(event)).unwrap();
    assert_eq!(
        world.by(&actor, device_added(&actor)),
        Err(ReplayError::PersonNotActivated)
    );
    let role = appointment(actor.person, Role::CaseWorker, Some(UnitId(VAULT.0)));
    assert_eq!(
        world.by(&registrar, role),
        Err(ReplayError::PersonNotActivated)
    );
    let member = world.unit_epoch(UNIT, 1, vec![actor.kid()]);
    assert_eq!(
        world.by(&registrar, member),
        Err(ReplayError::PersonNotActivated)
    );
}

#[test]
fn b10_refuses_bundles_with_bad_keys() {
    let mut world = World::founded();
    let registrar = Actor::new(10);
    let mut bytes = Actor::new(40).bundle().as_bytes().to_vec();
    bytes[1_184..1_216].fill(0);
    let mut event = enrolment(&Actor::new(40), false);
    event.bundle = Some(obhut_format::person::KeyBundle::new(&bytes).unwrap());
    let refused = world.by(&registrar, Event::PersonEnrolled(event));
    assert_eq!(refused, Err(ReplayError::KeyRefused));
}

#[test]
fn c08_refuses_a_device_that_the_identity_did_not_sign() {
    let mut world = World::with_case();
    let registrar = Actor::new(10);
    let worker = Actor::new(20);
    let public = *DeviceKey::from_seed(&Secret::new([77; 32]))
        .public()
        .as_bytes();
    let planted = Event::DeviceAdded(DeviceAdded {
        person: worker.person,
        public,
    });
    assert_eq!(
        world.by(&registrar, planted.clone()),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(
        world.by_root(planted.clone()),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(
        world.by_vault(planted.clone()),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(world.by(&worker, planted.clone()), Ok(()));
    assert_eq!(world.by(&worker, planted), Err(ReplayError::DeviceExists));
    let taken = Event::DeviceAdded(DeviceAdded {
        person: registrar.person,
        public,
    });
    assert_eq!(world.by(&registrar, taken), Err(ReplayError::DeviceExists));
}

/// A thief who had the keys stated a device; with the keys it ends.
#[test]
fn c08_devices_that_new_keys_do_not_state_again_are_void() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let planted = DeviceKey::from_seed(&Secret::new([77; 32]));
    let public = *planted.public().as_bytes();
    let person = worker.person;
    let thief = Event::DeviceAdded(DeviceAdded { person, public });
    assert_eq!(world.by(&worker, thief.clone()), Ok(()));
    let (own, planted) = (worker.device_kid(), device_kid(&public));
    let is_active = |world: &World, device| {
        let found = world.directory.find_active_device(device, person);
        found.is_some()
    };
    assert!(is_active(&world, own) && is_active(&world, planted));

    let renewed = Actor {
        keys: Actor::new(21).keys,
        ..Actor::new(20)
    };
    let rotation = rotation(person, &worker.keys, &renewed.keys);
    assert_eq!(world.by(&worker, rotation), Ok(()));
    assert!(!is_active(&world, own) && !is_active(&world, planted));
    // The old keys state nothing any more, the new ones what they want to keep.
    assert!(world.by(&worker, thief).is_err());
    assert_eq!(world.by(&renewed, device_added(&renewed)), Ok(()));
    assert!(is_active(&world, own) && !is_active(&world, planted));
    let revoked = |device| {
        Event::DeviceRevoked(DeviceRevoked {
            person,
            device,
            reason: RevocationReason::Lost,
        })
    };
    assert_eq!(world.by(&renewed, revoked(planted)), Ok(()));
    let again = Event::DeviceAdded(DeviceAdded { person, public });
    assert_eq!(world.by(&renewed, again), Err(ReplayError::DeviceExists));
}

#[test]
fn c07_refuses_a_device_key_of_small_order() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let mut public = [0; 32];
    public[0] = 1;
    let event = Event::DeviceAdded(DeviceAdded {
        person: worker.person,
        public,
    });
    assert_eq!(world.by(&worker, event), Err(ReplayError::KeyRefused));
}

#[test]
fn c02_f05_a_revoked_device_and_an_ended_appointment_count_no_more() {
    let mut world = World::with_case();
    let registrar = Actor::new(10);
    let worker = Actor::new(20);
    let device = worker.device_kid();
    assert!(
        world
            .directory
            .find_active_device(device, worker.person)
            .is_some()
    );
    assert!(
        world
            .directory
            .find_active_device(device, registrar.person)
            .is_none()
    );
    let revoked = |device| {
        Event::DeviceRevoked(DeviceRevoked {
            person: PersonId([20; 16]),
            device,
            reason: RevocationReason::Lost,
        })
    };
    let refused = world.by(&registrar, revoked(registrar.device_kid()));
    assert_eq!(refused, Err(ReplayError::DeviceUnknown));
    assert_eq!(world.by(&registrar, revoked(device)), Ok(()));
    assert!(
        world
            .directory
            .find_active_device(device, worker.person)
            .is_none()
    );
    assert_eq!(
        world.by(&registrar, revoked(device)),
        Err(ReplayError::DeviceUnknown)
    );
    let again = device_added(&worker);
    assert_eq!(world.by(&worker, again), Err(ReplayError::DeviceExists));

    assert_eq!(
        world.by(&worker, ended(&worker)),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(world.by(&registrar, ended(&worker)), Ok(()));
    assert_eq!(
        world.by(&registrar, ended(&worker)),
        Err(ReplayError::AppointmentUnknown)
    );
    let now = world.now_us;
    assert!(
        !world
            .directory
            .holds_role(worker.person, Role::CaseWorker, Some(UNIT), now)
    );
    assert_eq!(
        world.register(&worker, &[1]),
        Err(ReplayError::NotAuthorised)
    );
}

#[test]
fn a_worker_cannot_revoke_a_colleagues_device() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let registrar = Actor::new(10);
    let event = Event::DeviceRevoked(DeviceRevoked {
        person: registrar.person,
        device: registrar.device_kid(),
        reason: RevocationReason::Retired,
    });
    assert_eq!(world.by(&worker, event), Err(ReplayError::NotAuthorised));
}

#[test]
fn only_registrars_and_the_root_appoint_and_nobody_appoints_citizens() {
    let mut world = World::with_case();
    let registrar = Actor::new(10);
    let worker = Actor::new(20);
    let citizen = PersonId([30; 16]);
    let promote = appointment(worker.person, Role::Registrar, None);
    assert_eq!(
        world.by(&worker, promote.clone()),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(
        world.by_vault(promote.clone()),
        Err(ReplayError::NotAuthorised)
    );
    assert_eq!(world.by(&registrar, promote), Ok(()));
    let refused = [
        (
            appointment(citizen, Role::Dpo, None),
            ReplayError::NotSensible,
        ),
        (
            appointment(worker.person, Role::Root, None),
            ReplayError::NotSensible,
        ),
        (
            appointment(worker.person, Role::CaseWorker, None),
            ReplayError::NotSensible,
        ),
        (
            appointment(worker.person, Role::Dpo, Some(UNIT)),
            ReplayError::NotSensible,
        ),
        (
            appointment(worker.person, Role::CaseWorker, Some(OTHER_UNIT)),
            ReplayError::UnitUnknown,
        ),
        (
            appointment(PersonId([99; 16]), Role::Dpo, None),
            ReplayError::PersonUnknown,
        ),
    ];
    for (event, error) in refused {
        assert_eq!(world.by(&registrar, event), Err(error));
    }
}

#[test]
fn an_appointment_ends_by_itself() {
    let mut world = World::with_case();
    let registrar = Actor::new(10);
    let worker = Actor::new(20);
    let until_us = world.now_us + 10 * 1_000_000;
    let event = Event::Appointed(obhut_format::statement::Appointed {
        person: worker.person,
        role: Role::CaseWorker,
        unit: Some(UNIT),
        until_us: Some(until_us),
    });
    world.by(&registrar, event).unwrap();
    let holds = |at| {
        world
            .directory
            .holds_role(worker.person, Role::CaseWorker, Some(UNIT), at)
    };
    assert!(holds(until_us - 1));
    assert!(!holds(until_us));
    world.now_us = until_us;
    assert_eq!(
        world.register(&worker, &[1]),
        Err(ReplayError::NotAuthorised)
    );
}

#[test]
fn b06_refuses_members_that_no_registrar_named_and_who_were_removed() {
    let mut world = World::with_case();
    let registrar = Actor::new(10);
    let worker = Actor::new(20);
    let ghost = Actor::new(66);
    let both = world.unit_epoch(UNIT, 2, vec![registrar.kid(), worker.kid()]);
    assert_eq!(world.by(&worker, both), Err(ReplayError::NotAuthorised));
    let unknown = world.unit_epoch(UNIT, 2, vec![registrar.kid(), ghost.kid()]);
    assert_eq!(
        world.by(&registrar, unknown),
        Err(ReplayError::KidSuperseded)
    );
    let void = world.unit_epoch(UNIT, 2, vec![bundle(&identity(120)).kid()]);
    assert_eq!(world.by(&registrar, void), Err(ReplayError::KidSuperseded));
    world.by(&registrar, ended(&worker)).unwrap();
    let kept = world.unit_epoch(UNIT, 2, vec![registrar.kid(), worker.kid()]);
    assert_eq!(
        world.by(&registrar, kept.clone()),
        Err(ReplayError::MemberRefused)
    );
    let back = appointment(worker.person, Role::CaseWorker, Some(UNIT));
    world.by(&registrar, back).unwrap();
    assert_eq!(world.by(&registrar, kept), Ok(()));
}

#[test]
fn b05_refuses_a_unit_epoch_that_is_not_the_next() {
    let mut world = World::with_case();
    let registrar = Actor::new(10);
    for epoch in [1, 3] {
        let event = world.unit_epoch(UNIT, epoch, vec![registrar.kid()]);
        assert_eq!(world.by(&registrar, event), Err(ReplayError::EpochStale));
    }
    let twice = world.unit_epoch(UNIT, 2, vec![registrar.kid(), registrar.kid()]);
    assert_eq!(world.by(&registrar, twice), Err(ReplayError::NotSensible));
}

#[test]
fn b05_names_members_whose_key_or_appointment_has_ended() {
    let mut world = World::with_case();
    let (registrar, worker) = (Actor::new(10), Actor::new(20));
    let former = |world: &World, at_us| world.directory.former_members(UNIT, at_us);
    assert_eq!(former(&world, world.now_us), []);

    let until_us = world.now_us + 10 * 1_000_000;
    let limited = Event::Appointed(obhut_format::statement::Appointed {
        person: worker.person,
        role: Role::CaseWorker,
        unit: Some(UNIT),
        until_us: Some(until_us),
    });
    world.by(&registrar, limited).unwrap();
    assert_eq!(former(&world, until_us - 1), []);
    assert_eq!(former(&world, until_us), [worker.kid()]);

    let again = appointment(worker.person, Role::CaseWorker, Some(UNIT));
    world.by(&registrar, again).unwrap();
    let new = identity(77);
    let rotation = rotation(worker.person, &worker.keys, &new);
    world.by(&worker, rotation).unwrap();
    assert_eq!(former(&world, world.now_us), [worker.kid()]);
    let kids = vec![registrar.kid(), bundle(&new).kid()];
    let epoch = world.unit_epoch(UNIT, 2, kids);
    world.by(&registrar, epoch).unwrap();
    assert_eq!(former(&world, world.now_us), []);

    let ended = Event::AppointmentEnded(AppointmentEnded {
        person: worker.person,
        role: Role::CaseWorker,
        unit: Some(UNIT),
    });
    world.by(&registrar, ended).unwrap();
    assert_eq!(former(&world, world.now_us), [bundle(&new).kid()]);
}

#[test]
fn shards_and_gatekeeper_heads_are_the_vaults_and_checked() {
    let mut world = World::founded();
    let registrar = Actor::new(10);
    let mut next = shard();
    next.origin = "vault.example/access/std/2027q1".to_owned();
    let refused = world.by(&registrar, Event::ShardOpened(next.clone()));
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
    assert_eq!(world.by_vault(Event::ShardOpened(next.clone())), Ok(()));
    assert_eq!(
        world.by_vault(Event::ShardOpened(next.clone())),
        Err(ReplayError::ShardRefused)
    );
    next.origin = "other.example/access/std/2027q2".to_owned();
    assert_eq!(
        world.by_vault(Event::ShardOpened(next)),
        Err(ReplayError::ShardRefused)
    );

    let head = |world: &World, seq, value: u8| {
        let mut head = GateHead {
            seq,
            head: [value; 32],
            time_us: START_US,
            signature: [0; 64],
        };
        let label = SignLabel::new(obhut_format::statement::GATE_HEAD_LABEL);
        let message = head.signed_message(VAULT);
        head.signature = *world.gate.sign(label, message.as_bytes()).as_bytes();
        head
    };
    let good = head(&world, 5, 1);
    let mut forged = good.clone();
    forged.seq = 6;
    assert_eq!(
        world.by_vault(Event::GateHead(forged)),
        Err(ReplayError::SignatureInvalid)
    );
    assert_eq!(world.by_vault(Event::GateHead(good)), Ok(()));
    let older = head(&world, 4, 1);
    assert_eq!(
        world.by_vault(Event::GateHead(older)),
        Err(ReplayError::GateHeadStale)
    );
    let fork = head(&world, 5, 2);
    assert_eq!(
        world.by_vault(Event::GateHead(fork)),
        Err(ReplayError::GateHeadStale)
    );
}

#[test]
fn a_refusal_changes_nothing() {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    let state = world.directory.case_state_root(CASE);
    let before = world.directory.size();
    let mut planted = world.manifest(&worker, 1);
    planted.class = "ALG-30".parse().unwrap();
    let payloads = world.documents(&worker, &[planted]);
    world.log(&payloads[0]).unwrap();
    assert_eq!(world.log(&payloads[1]), Err(ReplayError::ClassMismatch));
    assert_eq!(world.directory.case_state_root(CASE), state);
    assert_eq!(world.directory.size(), before + 1);
    assert!(world.directory.is_within_batch());
}

#[test]
fn c09_refuses_new_keys_for_somebody_that_their_old_keys_did_not_sign() {
    let mut world = World::with_case();
    let (worker, registrar) = (Actor::new(20), Actor::new(10));
    let (stranger, second) = (identity(77), identity(78));
    // Neither the vault's operator nor a registrar resets an account.
    let forged = rotation(worker.person, &stranger, &second);
    assert!(world.by_identity(worker.person, &stranger, forged).is_err());
    let reset = rotation(worker.person, &worker.keys, &stranger);
    assert_eq!(
        world.by(&registrar, reset.clone()),
        Err(ReplayError::NotAuthorised)
    );
    let invited = Event::PersonInvited(PersonInvited {
        person: worker.person,
        bundle: bundle(&stranger),
        invited_until_us: world.now_us + DAY_US,
    });
    assert_eq!(
        world.by(&registrar, invited),
        Err(ReplayError::PersonActivated)
    );
    // The old keys do, and are void at once.
    world.by(&worker, reset).unwrap();
    let again = rotation(worker.person, &worker.keys, &second);
    assert_eq!(world.by(&worker, again), Err(ReplayError::KidSuperseded));
}
