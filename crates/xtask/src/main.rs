//! Chores: `cargo xtask demo | test | bench | soak | fuzz | lie | bless`. No product code.

#![allow(clippy::print_stdout, reason = "a command for people")]

mod bench;
mod bless;
mod demo;
mod fuzz;
mod lie;
mod soak;
mod stack;
mod test;

use std::process::ExitCode;

use xtask::{postgres, run, seaweed, tools};

use clap::{Parser, Subcommand};

/// Chores of the Obhut workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Measure speed and memory, beside peers and beside what the machine can do.
    Bench(bench::Arguments),
    /// Write the generated files again: documents, snapshots.
    Bless(bless::Arguments),
    /// Play the life of a document with the real programs.
    Demo(demo::Arguments),
    /// Feed every parser with hostile input.
    Fuzz(fuzz::Arguments),
    /// Tell one lie of the catalogue in front of a running vault or store.
    Lie(lie::Arguments),
    /// Run the random tests (`soak_…`) again and again with new seeds.
    Soak(soak::Arguments),
    /// Run all tests, with the services they need.
    Test(test::Arguments),
}

fn main() -> ExitCode {
    // `cargo xtask demo -- --once` reads like cargo's own commands: a bare `--` changes nothing.
    let words = std::env::args_os().filter(|word| word != "--");
    let result = match Arguments::parse_from(words).chore {
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Bless(arguments) => bless::run(&arguments),
        Chore::Demo(arguments) => demo::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Lie(arguments) => lie::run(&arguments),
        Chore::Soak(arguments) => soak::run(&arguments),
        Chore::Test(arguments) => test::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
