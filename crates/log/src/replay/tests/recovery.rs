//! Agency recovery: who may set it up, ask, answer and finish, and what the bundle must be given.

use obhut_format::recovery::{
    RECOVERY_REQUEST_US, RecoveryApproved, RecoveryDrilled, RecoveryFinished, RecoveryPolicy,
    RecoveryRequested, RecoveryTrustee, RecoveryWithdrawn,
};
use obhut_format::statement::{Event, Role};
use obhut_format::{Blob, Kid, UnitId};
use obhut_suite::{Secret, XwingSeed};

use super::world::{Actor, UNIT, VAULT, World, appointment, bundle, identity};
use crate::replay::{ReplayError, Replayer};

const SET: [u8; 16] = [0x5e; 16];
const REQUEST: [u8; 16] = [0x4e; 16];

/// Two registrars (10, 11), three trustees (20, 21, 22), a unit of registrar 10 and trustee 20.
fn custody() -> World {
    let mut world = World::founded();
    for number in [11, 20, 21, 22] {
        world.join(&Actor::new(number));
    }
    let registrar = Actor::new(10);
    let unit = world.unit_epoch(UNIT, 1, vec![registrar.kid(), Actor::new(20).kid()]);
    world.by(&registrar, unit).unwrap();
    world
}

fn with_second_registrar() -> World {
    let mut world = custody();
    let second = appointment(Actor::new(11).person, Role::Registrar, None);
    world.by(&Actor::new(10), second).unwrap();
    world
}

fn recovery_kid(number: u64) -> Kid {
    bundle(&identity(200 + number as u8)).kid()
}

fn policy(number: u64) -> RecoveryPolicy {
    let trustee = |share: u64, actor: &Actor| RecoveryTrustee {
        person: actor.person,
        kid: actor.kid(),
        number: share,
        share_hash: [number as u8 * 16 + share as u8; 32],
        sealed: Blob(vec![0; 1_168]),
    };
    RecoveryPolicy {
        set: if number == 1 { SET } else { [number as u8; 16] },
        number,
        threshold: 2,
        bundle: bundle(&identity(200 + number as u8)),
        trustees: vec![
            trustee(1, &Actor::new(20)),
            trustee(2, &Actor::new(21)),
            trustee(3, &Actor::new(22)),
        ],
    }
}

fn stated(policy: RecoveryPolicy) -> Event {
    Event::RecoveryPolicy(Box::new(policy))
}

fn request(world: &World) -> RecoveryRequested {
    RecoveryRequested {
        request: REQUEST,
        set: SET,
        session: Blob(
            XwingSeed::from_secret(Secret::new([9; 32]))
                .public()
                .as_bytes()
                .to_vec(),
        ),
        units: vec![UNIT],
        notes: vec![Blob(vec![0; 600]); 3],
        expires_us: world.now_us + RECOVERY_REQUEST_US,
    }
}

fn approval(world: &World, number: u64) -> Event {
    let known = world.directory.find_recovery_request(&REQUEST).unwrap();
    Event::RecoveryApproved(RecoveryApproved {
        request: REQUEST,
        request_hash: known.hash,
        number,
        sealed: Blob(vec![0; 1_168]),
    })
}

/// Policy in force, every unit under it, one request of registrar 11.
fn asked() -> World {
    let mut world = with_second_registrar();
    let registrar = Actor::new(10);
    world.by(&registrar, stated(policy(1))).unwrap();
    let agency = world.unit_epoch(UnitId(VAULT.0), 2, vec![registrar.kid(), recovery_kid(1)]);
    world.by(&registrar, agency).unwrap();
    let unit = world.unit_epoch(
        UNIT,
        2,
        vec![registrar.kid(), Actor::new(20).kid(), recovery_kid(1)],
    );
    world.by(&registrar, unit).unwrap();
    let request = request(&world);
    let second = Actor::new(11);
    world
        .by(&second, Event::RecoveryRequested(request))
        .unwrap();
    world
}

fn granted() -> World {
    let mut world = asked();
    for (actor, number) in [(20, 1), (22, 3)] {
        let approval = approval(&world, number);
        world.by(&Actor::new(actor), approval).unwrap();
    }
    world
}

#[test]
fn recovery_needs_two_registrars_and_a_registrars_signature() {
    let mut world = custody();
    let refused = world.by(&Actor::new(10), stated(policy(1)));
    assert_eq!(refused, Err(ReplayError::RecoveryOff));
    let mut world = with_second_registrar();
    let refused = world.by(&Actor::new(20), stated(policy(1)));
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
    world.by(&Actor::new(11), stated(policy(1))).unwrap();
    let known = world.directory.recovery_policy().unwrap();
    assert_eq!(known.by, Some(Actor::new(11).person));
}

#[test]
fn d06_refuses_threshold_one_number_zero_and_a_number_or_trustee_twice() {
    type Change = fn(&mut RecoveryPolicy);
    let changes: [(Change, ReplayError); 8] = [
        (|p| p.threshold = 1, ReplayError::RecoveryThreshold),
        (|p| p.threshold = 0, ReplayError::RecoveryThreshold),
        (|p| p.threshold = 4, ReplayError::RecoveryThreshold),
        (|p| p.trustees[0].number = 0, ReplayError::NotSensible),
        (|p| p.trustees[0].number = 256, ReplayError::NotSensible),
        (|p| p.trustees[0].number = 2, ReplayError::NotSensible),
        (
            |p| {
                p.trustees[1] = RecoveryTrustee {
                    number: 2,
                    share_hash: [77; 32],
                    ..p.trustees[0].clone()
                }
            },
            ReplayError::NotSensible,
        ),
        (
            |p| p.trustees[1].share_hash = p.trustees[0].share_hash,
            ReplayError::NotSensible,
        ),
    ];
    let mut world = with_second_registrar();
    for (change, refusal) in changes {
        let mut changed = policy(1);
        change(&mut changed);
        let refused = world.by(&Actor::new(10), stated(changed));
        assert_eq!(refused, Err(refusal));
    }
    let mut swapped = policy(1);
    swapped.trustees[0].person = Actor::new(22).person;
    let refused = world.by(&Actor::new(10), stated(swapped));
    assert_eq!(refused, Err(ReplayError::MemberRefused));
    world.by(&Actor::new(10), stated(policy(1))).unwrap();
}

#[test]
fn d04_refuses_a_unit_key_without_the_recovery_bundle_in_force_or_with_another() {
    let mut world = asked();
    let registrar = Actor::new(10);
    let members = vec![registrar.kid(), Actor::new(20).kid()];
    let without = world.unit_epoch(UNIT, 3, members.clone());
    assert_eq!(
        world.by(&registrar, without),
        Err(ReplayError::RecoveryMissing)
    );
    let mut swapped = members.clone();
    swapped.push(recovery_kid(7));
    let swapped = world.unit_epoch(UNIT, 3, swapped);
    assert_eq!(
        world.by(&registrar, swapped),
        Err(ReplayError::RecoveryMissing)
    );
    let mut both = members.clone();
    both.extend([recovery_kid(1), recovery_kid(7)]);
    let both = world.unit_epoch(UNIT, 3, both);
    assert_eq!(world.by(&registrar, both), Err(ReplayError::KidSuperseded));
    // After a new policy the earlier bundle is another one, too.
    world.by(&registrar, stated(policy(2))).unwrap();
    let mut earlier = members;
    earlier.push(recovery_kid(1));
    let earlier = world.unit_epoch(UNIT, 3, earlier);
    assert_eq!(
        world.by(&registrar, earlier),
        Err(ReplayError::RecoveryMissing)
    );
}

#[test]
fn refuses_a_policy_that_does_not_follow_the_one_in_force_or_reuses_its_bundle() {
    let mut world = asked();
    let registrar = Actor::new(10);
    for number in [1, 3] {
        let refused = world.by(&registrar, stated(policy(number)));
        assert_eq!(refused, Err(ReplayError::RecoverySetStale));
    }
    let mut reused = policy(2);
    reused.bundle = policy(1).bundle;
    let refused = world.by(&registrar, stated(reused));
    assert_eq!(refused, Err(ReplayError::KidExists));
    let mut persons = policy(2);
    persons.bundle = Actor::new(21).bundle();
    let refused = world.by(&registrar, stated(persons));
    assert_eq!(refused, Err(ReplayError::KidExists));
}

#[test]
fn only_trustees_answer_once_each_and_never_to_their_own_request() {
    let mut world = asked();
    let first = approval(&world, 1);
    for stranger in [10, 11, 21] {
        let refused = world.by(&Actor::new(stranger), first.clone());
        assert_eq!(refused, Err(ReplayError::NotAuthorised), "{stranger}");
    }
    world.by(&Actor::new(20), first.clone()).unwrap();
    assert_eq!(world.by(&Actor::new(20), first), Err(ReplayError::Repeated));
    let second = appointment(Actor::new(21).person, Role::Registrar, None);
    world.by(&Actor::new(10), second).unwrap();
    let own = RecoveryRequested {
        request: [1; 16],
        ..request(&world)
    };
    world
        .by(&Actor::new(21), Event::RecoveryRequested(own))
        .unwrap();
    let known = world.directory.find_recovery_request(&[1; 16]).unwrap();
    let own = RecoveryApproved {
        request: [1; 16],
        request_hash: known.hash,
        number: 2,
        sealed: Blob(vec![0; 1_168]),
    };
    let refused = world.by(&Actor::new(21), Event::RecoveryApproved(own));
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
}

#[test]
fn d08_refuses_an_approval_of_another_request_than_the_one_logged() {
    let mut world = asked();
    let Event::RecoveryApproved(mut other) = approval(&world, 1) else {
        panic!()
    };
    other.request_hash[0] ^= 1;
    let refused = world.by(&Actor::new(20), Event::RecoveryApproved(other));
    assert_eq!(refused, Err(ReplayError::NotSensible));
}

#[test]
fn a_request_is_answered_in_time_and_not_after_it_was_withdrawn() {
    let mut world = asked();
    let late = approval(&world, 1);
    world.now_us += RECOVERY_REQUEST_US;
    let refused = world.by(&Actor::new(20), late);
    assert_eq!(refused, Err(ReplayError::RecoveryUnknown));
    let mut world = asked();
    let withdrawn = Event::RecoveryWithdrawn(RecoveryWithdrawn { request: REQUEST });
    let refused = world.by(&Actor::new(21), withdrawn.clone());
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
    world.by(&Actor::new(10), withdrawn).unwrap();
    let late = approval(&world, 1);
    let refused = world.by(&Actor::new(20), late);
    assert_eq!(refused, Err(ReplayError::RecoveryUnknown));
}

#[test]
fn a_used_bundle_is_spent_and_finishing_demands_that_it_opens_nothing_any_more() {
    let mut world = granted();
    let (first, second) = (Actor::new(10), Actor::new(11));
    assert!(world.directory.is_recovery_spent());
    assert!(
        world
            .directory
            .find_granted_recovery(second.person)
            .is_some()
    );
    assert!(
        world
            .directory
            .find_granted_recovery(first.person)
            .is_none()
    );
    let members = vec![second.kid(), recovery_kid(1)];
    let again = world.unit_epoch(UNIT, 3, members);
    assert_eq!(world.by(&second, again), Err(ReplayError::RecoverySpent));
    let finished = Event::RecoveryFinished(RecoveryFinished { request: REQUEST });
    let refused = world.by(&second, finished.clone());
    assert_eq!(
        refused,
        Err(ReplayError::RecoverySpent),
        "no new bundle yet"
    );
    world.by(&second, stated(policy(2))).unwrap();
    let unit = world.unit_epoch(UNIT, 3, vec![second.kid(), recovery_kid(2)]);
    world.by(&second, unit).unwrap();
    let refused = world.by(&second, finished.clone());
    assert_eq!(
        refused,
        Err(ReplayError::RecoverySpent),
        "the agency's key is still open to the old bundle"
    );
    let agency = world.unit_epoch(UnitId(VAULT.0), 3, vec![first.kid(), recovery_kid(2)]);
    world.by(&second, agency).unwrap();
    let refused = world.by(&first, finished.clone());
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
    world.by(&second, finished).unwrap();
    assert!(!world.directory.is_recovery_spent());
    assert!(
        world
            .directory
            .find_granted_recovery(second.person)
            .is_none()
    );
    let late = approval(&world, 2);
    let refused = world.by(&Actor::new(21), late);
    assert_eq!(refused, Err(ReplayError::RecoveryUnknown));
}

#[test]
fn a_drill_counts_for_the_trustee_whose_share_it_is() {
    let mut world = asked();
    let drill = Event::RecoveryDrilled(RecoveryDrilled {
        set: SET,
        number: 2,
    });
    let refused = world.by(&Actor::new(20), drill.clone());
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
    world.by(&Actor::new(21), drill.clone()).unwrap();
    world.by(&Actor::new(21), drill).unwrap();
    let drills = &world.directory.recovery_policy().unwrap().drills;
    assert_eq!(drills.len(), 1);
    assert_eq!(drills[0].number, 2);
}

#[test]
fn a_replay_that_was_kept_knows_policies_and_requests() {
    let world = granted();
    let mut replayer = World::replayer();
    replayer
        .apply_feed(&world.feed(0), super::world::person_label)
        .unwrap();
    let kept = Replayer::from_bytes(&replayer.to_bytes()).unwrap();
    assert!(kept.directory().is_recovery_spent());
    assert_eq!(
        kept.directory().recovery_policy(),
        world.directory.recovery_policy()
    );
    assert_eq!(
        kept.directory().recovery_requests(),
        world.directory.recovery_requests()
    );
}
