//! Deputies: who may make one, from when until when they stand in.

use obhut_format::statement::{DeputyAppointed, DeputyEnded, Event, Role};

use super::world::{Actor, CASE, DAY_US, OTHER_UNIT, UNIT, World, appointment};
use crate::replay::{ReplayError, Replayer};

/// A unit with caseworker 20 and a case; caseworker 21 of another unit.
fn world() -> World {
    let mut world = World::with_case();
    let (registrar, other) = (Actor::new(10), Actor::new(21));
    world.join(&other);
    let unit = world.unit_epoch(OTHER_UNIT, 1, vec![registrar.kid(), other.kid()]);
    world.by(&registrar, unit).unwrap();
    let appointed = appointment(other.person, Role::CaseWorker, Some(OTHER_UNIT));
    world.by(&registrar, appointed).unwrap();
    world
}

fn deputy(world: &World) -> DeputyAppointed {
    DeputyAppointed {
        deputy: Actor::new(21).person,
        on_behalf_of: Actor::new(20).person,
        unit: UNIT,
        from_us: world.now_us + DAY_US,
        until_us: world.now_us + 5 * DAY_US,
    }
}

fn stands_in(world: &World, at_us: u64) -> bool {
    let (deputy, represented) = (Actor::new(21).person, Actor::new(20).person);
    world.directory.stands_in(deputy, represented, UNIT, at_us)
}

#[test]
fn a_deputy_stands_in_from_the_start_until_the_end_and_not_a_moment_longer() {
    let mut world = world();
    let event = deputy(&world);
    let (from, until) = (event.from_us, event.until_us);
    world
        .by(&Actor::new(20), Event::DeputyAppointed(event))
        .unwrap();
    assert!(!stands_in(&world, from - 1));
    assert!(stands_in(&world, from) && stands_in(&world, until - 1));
    assert!(!stands_in(&world, until));
    let at = world
        .directory
        .is_deputy(Actor::new(21).person, Some(OTHER_UNIT), from);
    assert!(!at, "another unit than the one stood in for");
}

#[test]
fn a_deputy_files_while_standing_in_and_is_refused_afterwards() {
    let mut world = world();
    let other = Actor::new(21);
    assert_eq!(
        world.register(&other, &[1]),
        Err(ReplayError::NotAuthorised)
    );
    let event = deputy(&world);
    let until = event.until_us;
    world
        .by(&Actor::new(10), Event::DeputyAppointed(event))
        .unwrap();
    assert_eq!(
        world.register(&other, &[1]),
        Err(ReplayError::NotAuthorised),
        "before the start"
    );
    world.now_us += 2 * DAY_US;
    world.register(&other, &[1]).unwrap();
    world.now_us = until;
    assert_eq!(
        world.register(&other, &[2]),
        Err(ReplayError::NotAuthorised),
        "after the end"
    );
    assert!(world.directory.case(CASE).is_some());
}

#[test]
fn only_staff_stand_in_for_a_caseworker_of_the_unit_with_a_sensible_end() {
    let mut world = world();
    let registrar = Actor::new(10);
    let good = deputy(&world);
    let year = 366 * DAY_US;
    let cases = [
        (
            DeputyAppointed {
                deputy: good.on_behalf_of,
                ..good.clone()
            },
            ReplayError::NotSensible,
        ),
        (
            DeputyAppointed {
                until_us: good.from_us,
                ..good.clone()
            },
            ReplayError::NotSensible,
        ),
        (
            DeputyAppointed {
                until_us: good.from_us + year,
                ..good.clone()
            },
            ReplayError::NotSensible,
        ),
        (
            DeputyAppointed {
                unit: OTHER_UNIT,
                ..good.clone()
            },
            ReplayError::AppointmentUnknown,
        ),
        (
            DeputyAppointed {
                deputy: Actor::new(30).person,
                ..good.clone()
            },
            ReplayError::PersonNotActivated,
        ),
    ];
    for (event, refusal) in cases {
        let refused = world.by(&registrar, Event::DeputyAppointed(event));
        assert_eq!(refused, Err(refusal));
    }
    let unemployed = Actor::new(22);
    world.join(&unemployed);
    let event = DeputyAppointed {
        deputy: unemployed.person,
        ..good.clone()
    };
    let refused = world.by(&registrar, Event::DeputyAppointed(event));
    assert_eq!(refused, Err(ReplayError::MemberRefused));
    let refused = world.by(&Actor::new(21), Event::DeputyAppointed(good));
    assert_eq!(refused, Err(ReplayError::NotAuthorised));
}

#[test]
fn a_deputy_ended_early_stands_in_no_longer_and_is_kept_out_of_the_next_key() {
    let mut world = world();
    let (registrar, other) = (Actor::new(10), Actor::new(21));
    let event = deputy(&world);
    world
        .by(&registrar, Event::DeputyAppointed(event.clone()))
        .unwrap();
    let members = vec![registrar.kid(), Actor::new(20).kid(), other.kid()];
    let unit = world.unit_epoch(UNIT, 2, members.clone());
    world.by(&registrar, unit).unwrap();
    world.now_us += 2 * DAY_US;
    assert!(stands_in(&world, world.now_us));
    let ended = Event::DeputyEnded(DeputyEnded {
        deputy: event.deputy,
        on_behalf_of: event.on_behalf_of,
        unit: UNIT,
    });
    world.by(&other, ended.clone()).unwrap();
    assert!(!stands_in(&world, world.now_us));
    assert_eq!(
        world.by(&registrar, ended),
        Err(ReplayError::AppointmentUnknown)
    );
    let again = world.unit_epoch(UNIT, 3, members);
    assert_eq!(world.by(&registrar, again), Err(ReplayError::MemberRefused));
    let mut replayer = World::replayer();
    replayer
        .apply_feed(&world.feed(0), super::world::person_label)
        .unwrap();
    let kept = Replayer::from_bytes(&replayer.to_bytes()).unwrap();
    assert_eq!(kept.directory().deputies(), world.directory.deputies());
}
