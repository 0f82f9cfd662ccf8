//! Hostile input for every parser: libFuzzer where a nightly toolchain and `cargo-fuzz` are, else random mutations.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{Result, cargo, must, root};

/// Mutations of each parser in one go without libFuzzer.
const ROUNDS: &str = "50000";

/// What to fuzz, and how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this parser; `tests/fuzz/src/lib.rs` lists them. Needs libFuzzer.
    parser: Option<String>,
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !has_libfuzzer() {
        if arguments.parser.is_some() {
            return Err(
                "one parser alone needs a nightly toolchain and cargo-fuzz; leave the name out to mutate for all of them"
                    .to_owned(),
            );
        }
        println!("No nightly toolchain with cargo-fuzz: random mutations instead.");
        return mutate(Duration::from_secs(arguments.seconds));
    }
    let mut fuzz = Command::new("cargo");
    fuzz.current_dir(root())
        .args(["+nightly", "fuzz", "run"])
        .args(["--fuzz-dir", "tests/fuzz/libfuzzer", "parsers", "--"])
        .arg(format!("-max_total_time={}", arguments.seconds))
        .arg("-max_len=16384");
    if let Some(parser) = &arguments.parser {
        fuzz.env("OBHUT_FUZZ_TARGET", parser);
    }
    must(&mut fuzz)
}

fn has_libfuzzer() -> bool {
    let asked = Command::new("cargo")
        .args(["+nightly", "fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// With new seeds until the time is over.
fn mutate(time: Duration) -> Result<()> {
    let begun = Instant::now();
    let mut seed = u64::from(std::process::id()) << 20;
    while begun.elapsed() < time {
        println!("OBHUT_FUZZ_SEED={seed}");
        let mut test = cargo();
        test.args(["test", "--quiet", "--release", "--package", "obhut-fuzz"])
            .env("OBHUT_FUZZ_SEED", seed.to_string())
            .env("OBHUT_FUZZ_ROUNDS", ROUNDS);
        must(&mut test)?;
        // Each parser takes the next seed after the one before it.
        seed += 1_000;
    }
    Ok(())
}
