//! Parts of the full stack that are gone, in trouble or at another time: every command ends honestly, works afterwards,
//! and nothing that must hold is broken.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use obhut_e2e::Border;
use obhut_simulation::{Answerer, Make, World, seed};

const HONEST: [i32; 4] = [0, 1, 5, 7];
/// How long the trouble lasts.
const LASTS: Duration = Duration::from_millis(2_500);

#[test]
fn postgresql_is_killed_and_started_again_under_load() {
    let make = Make {
        seed: seed(),
        own_postgres: true,
        ..Make::default()
    };
    let Some(mut world) = World::open(make) else {
        return;
    };
    for round in 0..6 {
        let jobs = world.jobs();
        world.run(jobs, &HONEST, |world| {
            std::thread::sleep(Duration::from_millis(150 * round));
            world.postgres().kill().unwrap();
            std::thread::sleep(Duration::from_millis(500));
            world.postgres().restart().unwrap();
        });
    }
    world.check();
}

#[test]
fn an_object_store_in_trouble_is_named_and_survived() {
    let make = Make {
        seed: seed(),
        ..Make::default()
    };
    let Some(mut world) = World::open(make) else {
        return;
    };
    let store = world.upstream(Border::Objects);
    let slow = Duration::from_secs(3);
    for (status, after) in [
        ("500 InternalError", Duration::ZERO),
        ("503 SlowDown", Duration::ZERO),
        ("507 InsufficientStorage", Duration::ZERO),
        ("503 SlowDown", slow),
    ] {
        println!("{status} after {after:?}");
        let answerer = Answerer::start(status, after);
        let jobs = world.jobs();
        world.at(Border::Objects).redirect(answerer.address());
        world.run(jobs, &HONEST, |world| {
            std::thread::sleep(LASTS);
            world.at(Border::Objects).redirect(&store);
        });
        assert!(answerer.asked() > 0, "nobody met {status}");
    }
    world.check();
}

#[test]
fn gatekeeper_and_witness_are_gone_and_come_back() {
    let make = Make {
        seed: seed(),
        ..Make::default()
    };
    let Some(mut world) = World::open(make) else {
        return;
    };
    for gate in [true, false, true, false] {
        let jobs = world.jobs();
        world.run(jobs, &HONEST, |world| {
            let stack = &mut world.agency.stack;
            if gate {
                stack.gatekeeper.as_mut().unwrap().kill();
            } else {
                stack.witness.as_mut().unwrap().kill();
            }
            std::thread::sleep(LASTS);
            if gate {
                stack.gatekeeper.as_mut().unwrap().restart();
            } else {
                stack.witness.as_mut().unwrap().restart();
            }
        });
    }
    world.check();
}
