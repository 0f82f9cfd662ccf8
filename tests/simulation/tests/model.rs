//! Random operations beside a model. `OBHUT_SIMULATION_SEED` repeats a run, `OBHUT_SIMULATION_STEPS` changes its length.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use obhut_e2e::Border;
use obhut_simulation::{Fault, Operation, generate, play, seed, shrink};

const STEPS: usize = 50;
/// How often a list that failed is played again to make it shorter.
const TRIES: usize = 25;

fn random_operations(seed: u64, steps: usize) {
    println!("OBHUT_SIMULATION_SEED={seed}");
    let operations = generate(seed, steps);
    let Some(Err(said)) = play(seed, &operations) else {
        return;
    };
    println!("{said}; looking for a shorter list");
    let least = shrink(&operations, TRIES, |some| {
        matches!(play(seed, some), Some(Err(_)))
    });
    panic!("OBHUT_SIMULATION_SEED={seed}: {said}\nThis is enough: {least:#?}");
}

#[test]
fn random_operations_do_what_the_model_says() {
    random_operations(seed(), STEPS);
}

/// The epoch of the unit that the first try made is in the log, but no quorum stands behind it.
#[test]
fn a_member_added_while_the_gatekeeper_cannot_confirm_it_is_one_afterwards() {
    let list = [
        Operation::Remove(0),
        Operation::FaultOn(Border::Gate, Fault::Truncate(400)),
        Operation::Add(0),
    ];
    if let Some(played) = play(seed(), &list) {
        played.unwrap();
    }
}

#[test]
#[ignore = "minutes: for `cargo xtask soak`"]
fn soak_random_operations_do_what_the_model_says() {
    let steps = std::env::var("OBHUT_SIMULATION_STEPS");
    random_operations(seed(), steps.map_or(400, |text| text.parse().unwrap()));
}

#[test]
fn a_list_that_fails_is_shrunk_to_what_makes_it_fail() {
    let operations = generate(3, 200);
    let blamed = [Operation::Close, Operation::KillServer];
    let fails = |some: &[Operation]| {
        let close = some.iter().position(|one| *one == blamed[0]);
        close.is_some_and(|at| some[at..].contains(&blamed[1]))
    };
    assert!(fails(&operations));
    assert_eq!(shrink(&operations, 1_000, fails), blamed);
}
