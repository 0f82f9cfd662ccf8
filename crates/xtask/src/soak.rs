//! `cargo xtask soak`

use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::postgres::{self, Server};
use crate::run::{Result, cargo, must, root};
use crate::seaweed::{self, Store};
use crate::tools::test_runner;

/// How long, and from which seed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For how long new rounds are begun.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// The first seed; each round derives the next. Drawn from the time unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// How often client, server and gatekeeper are killed on the full stack, once, before the rounds; 0 leaves it out.
    #[arg(long, default_value_t = 10_000)]
    kills: u64,
    /// How long each round keeps constant load on the full stack, in minutes.
    #[arg(long, default_value_t = 20)]
    load_minutes: u64,
}

/// What the tests read their seed from.
const VARIABLE: &str = "OBHUT_SEED";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    must(cargo().args(["build", "--quiet", "--workspace", "--bins"]))?;
    let environment = unit_environment()?;
    let server = Server::start()?;
    let store = Store::start()?;
    let mut seed = arguments.seed.unwrap_or_else(seed_from_time);
    if arguments.kills > 0 {
        println!("{} kills, seed {seed}", arguments.kills);
        let mut kills = test_runner();
        kills
            .args(["-p", "obhut-e2e", "-E", "test(on_the_full_stack::kills_)"])
            .env("OBHUT_KILLS", arguments.kills.to_string())
            .env(VARIABLE, seed.to_string())
            .env(postgres::VARIABLE, server.url())
            .env(seaweed::VARIABLE, store.url());
        must(&mut kills)?;
    }
    let started = Instant::now();
    let mut rounds = 0;
    while started.elapsed() < Duration::from_secs(arguments.minutes * 60) || rounds == 0 {
        println!("round {}, seed {seed}", rounds + 1);
        let mut tests = test_runner();
        tests
            .args([
                "--workspace",
                "--run-ignored=all",
                "-E",
                "test(/(^|::)soak_/)",
            ])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env(VARIABLE, seed.to_string())
            .env("OBHUT_SIMULATION_SEED", seed.to_string())
            .env(
                "OBHUT_SIMULATION_MINUTES",
                arguments.load_minutes.to_string(),
            )
            .env(postgres::VARIABLE, server.url())
            .env(seaweed::VARIABLE, store.url());
        must(&mut tests)
            .map_err(|error| format!("{error}; again with `cargo xtask soak --seed {seed}`"))?;
        seed = ChaCha20Rng::seed_from_u64(seed).next_u64();
        rounds += 1;
    }
    println!("{rounds} rounds passed");
    Ok(())
}

/// What the unit file sets for the server: the programs under load are started as an operator starts them.
fn unit_environment() -> Result<Vec<(String, String)>> {
    let path = root().join("deploy/systemd/obhut-server.service");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    let words = lines.flat_map(str::split_whitespace);
    let pairs = words.filter_map(|word| word.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge: a new seed for every run"
)]
fn seed_from_time() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
