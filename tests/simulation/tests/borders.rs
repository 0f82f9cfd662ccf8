//! Each fault at each border while documents are filed, read, issued and imported: every command ends honestly, the same
//! command succeeds once the fault is gone, and nothing that must hold is broken.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::time::Duration;

use obhut_e2e::Border;
use obhut_simulation::{Direction, Fault, Make, World, seed};

/// How long each fault lasts.
const LASTS: Duration = Duration::from_millis(2_500);
/// Done, failed, in part, unreachable.
const HONEST: [i32; 4] = [0, 1, 5, 7];

/// Faults under which bytes arrive late, in part or not at all.
const FAULTS: [(Direction, Fault); 8] = [
    (Direction::Both, Fault::Latency(Duration::from_millis(80))),
    (Direction::Down, Fault::Bandwidth(40_000)),
    (Direction::Both, Fault::Cut),
    (Direction::Both, Fault::Reset),
    (Direction::Up, Fault::Truncate(700)),
    (Direction::Down, Fault::Truncate(300)),
    (Direction::Up, Fault::Stall),
    (Direction::Down, Fault::Stall),
];

/// Faults under which other bytes arrive, one bit in about so many bytes.
fn wrong(every: u32) -> [(Direction, Fault); 2] {
    [Direction::Up, Direction::Down].map(|direction| (direction, Fault::Flip(every)))
}

fn faults_at(border: Border, faults: &[(Direction, Fault)], make: Make, honest: &[i32]) {
    let Some(mut world) = World::open(make) else {
        return;
    };
    let mut met = 0;
    for (direction, fault) in faults {
        println!("{fault:?} {direction:?} at {border:?}");
        let before = world.at(border).struck();
        world.at(border).set(*direction, *fault);
        let jobs = world.jobs();
        world.run(jobs, honest, |world| {
            std::thread::sleep(LASTS);
            world.at(border).lift();
        });
        met += usize::from(world.at(border).struck() > before);
    }
    // A fault nobody met proves nothing.
    assert_eq!(met, faults.len(), "not every fault was met");
    world.check();
}

fn make() -> Make {
    Make {
        seed: seed(),
        ..Make::default()
    }
}

#[test]
fn faults_between_client_and_server() {
    faults_at(Border::Client, &FAULTS, make(), &HONEST);
}

#[test]
fn faults_between_server_and_postgresql() {
    faults_at(Border::Database, &FAULTS, make(), &HONEST);
}

#[test]
fn faults_between_server_and_s3() {
    faults_at(Border::Objects, &FAULTS, make(), &HONEST);
}

#[test]
fn faults_between_server_and_gatekeeper() {
    faults_at(Border::Gate, &FAULTS, make(), &HONEST);
}

#[test]
fn faults_between_server_and_witness() {
    faults_at(Border::Witness, &FAULTS, make(), &HONEST);
}

#[test]
fn faults_between_gatekeeper_and_its_database() {
    faults_at(Border::GateDatabase, &FAULTS, make(), &HONEST);
}

/// Somebody who is told other bytes may say so in any of these ways.
const NOTICED: [i32; 7] = [0, 1, 3, 4, 5, 6, 7];

#[test]
fn wrong_bytes_at_every_border_are_noticed() {
    // A witness is sent little and answers with less.
    for (border, every) in [
        (Border::Client, 3_000),
        (Border::Objects, 3_000),
        (Border::Gate, 3_000),
        (Border::Witness, 150),
    ] {
        faults_at(border, &wrong(every), make(), &NOTICED);
    }
}

#[test]
fn wrong_bytes_between_server_and_postgresql_are_noticed_under_tls() {
    let make = Make {
        own_postgres: true,
        tls: true,
        ..make()
    };
    faults_at(Border::Database, &wrong(3_000), make, &NOTICED);
}
