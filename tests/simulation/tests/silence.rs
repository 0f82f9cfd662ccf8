//! Connections to PostgreSQL on which nothing is heard any more, and nobody says so: a firewall forgot them, the machine
//! behind the address is another one, the network swallows everything for longer than anybody waits.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::time::{Duration, Instant};

use obhut_e2e::Border;
use obhut_simulation::{Direction, Fault, Make, World, seed};

const HONEST: [i32; 4] = [0, 1, 5, 7];
/// Longer than an answer is waited for.
const LONG: Duration = Duration::from_secs(20);
/// Within this time everything is done once new connections are well: an answer is given up after 16 s.
const DONE: Duration = Duration::from_secs(40);
/// Within this time a command under it must have ended, while nothing gets better.
const ENDS: Duration = Duration::from_secs(90);

fn open() -> Option<World> {
    World::open(Make {
        seed: seed(),
        ..Make::default()
    })
}

fn connections_are_forgotten(border: Border) {
    let Some(mut world) = open() else { return };
    for after in [0, 150, 400, 800] {
        println!("forgotten at {border:?} after {after} ms");
        let jobs = world.jobs();
        let begun = Instant::now();
        world.run(jobs, &HONEST, |world| {
            std::thread::sleep(Duration::from_millis(after));
            world.at(border).strand();
        });
        let took = begun.elapsed();
        println!("all done after {:.1} s", took.as_secs_f64());
        assert!(took < DONE, "{took:?}");
    }
    world.check();
}

fn nothing_comes_through(border: Border) {
    let Some(mut world) = open() else { return };
    for direction in [Direction::Down, Direction::Up] {
        println!("nothing {direction:?} at {border:?}");
        let jobs = world.jobs();
        world.run(jobs, &HONEST, |world| {
            world.at(border).set(direction, Fault::Stall);
            std::thread::sleep(LONG);
            world.at(border).lift();
        });
    }
    let job = world.put(1_000);
    world.at(border).set(Direction::Both, Fault::Stall);
    let begun = Instant::now();
    let run = world.attempt(&job);
    println!(
        "it ended with {} after {:.1} s: {}",
        run.code,
        begun.elapsed().as_secs_f64(),
        run.stderr.trim()
    );
    assert!(begun.elapsed() < ENDS, "it hangs");
    assert!([1, 5, 7].contains(&run.code), "{}", run.stderr);
    assert!(!run.stderr.contains("\"internal\""), "{}", run.stderr);
    world.at(border).lift();
    world.run(vec![job], &HONEST, |_| {});
    world.check();
}

#[test]
fn a_server_whose_connections_to_its_database_were_forgotten_goes_on() {
    connections_are_forgotten(Border::Database);
}

#[test]
fn a_gatekeeper_whose_connections_to_its_store_were_forgotten_goes_on() {
    connections_are_forgotten(Border::GateDatabase);
}

#[test]
fn a_server_that_hears_nothing_of_its_database_says_so_and_goes_on_afterwards() {
    nothing_comes_through(Border::Database);
}

#[test]
fn a_gatekeeper_that_hears_nothing_of_its_store_says_so_and_goes_on_afterwards() {
    nothing_comes_through(Border::GateDatabase);
}
