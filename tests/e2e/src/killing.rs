//! Blows at random moments: client, server or gatekeeper is killed while a command runs.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::{Run, Stack};

/// Kills in all tests of a stack together.
const KILLS: u64 = 200;

/// How many kills a test makes that takes `percent` of them; `OBHUT_KILLS` changes how many there are.
pub fn kills(percent: u64) -> u64 {
    let all = std::env::var("OBHUT_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    (all * percent).div_ceil(100)
}

/// The randomness of a test; the seed is printed, so that a failure can be repeated as far as timing allows.
pub fn seeded(test: &str) -> ChaCha20Rng {
    let seed = std::env::var("OBHUT_SEED").map_or_else(
        |_| {
            u64::from(std::process::id()) << 32 | u64::from(Instant::now().elapsed().subsec_nanos())
        },
        |text| text.parse().unwrap(),
    );
    eprintln!("{test}: OBHUT_SEED={seed}");
    ChaCha20Rng::seed_from_u64(seed)
}

/// What became of a command in whose course something was killed.
pub struct Struck {
    /// How it ended.
    pub run: Run,
    /// The victim was alive and the command was running when the blow fell.
    pub hit: bool,
}

/// Kills somebody at random moments within the time a command takes.
pub struct Killer {
    /// Where all chance comes from.
    pub rng: ChaCha20Rng,
    /// How long the command takes undisturbed.
    pub usual: Duration,
    /// Clients, servers and gatekeepers killed so far.
    victims: [u64; 3],
}

impl Killer {
    /// A killer who has not struck yet.
    pub fn new(test: &str, usual: Duration) -> Self {
        Self {
            rng: seeded(test),
            usual,
            victims: [0; 3],
        }
    }

    /// How often it struck.
    pub fn kills(&self) -> u64 {
        self.victims.iter().sum()
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let [clients, servers, gatekeepers] = self.victims;
        format!("{clients} clients, {servers} servers and {gatekeepers} gatekeepers killed")
    }

    /// Runs a command and strikes once: client or server, or the gatekeeper where it is a process.
    pub fn strike(&mut self, stack: &mut Stack, mut command: Command) -> Struck {
        let micros = self.usual.as_micros() as u64;
        let moment = Duration::from_micros(self.rng.next_u64() % micros.max(1));
        let among = 2 + u32::from(stack.gatekeeper.is_some());
        let victim = (self.rng.next_u32() % among) as usize;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(moment);
        let hit = child.try_wait().unwrap().is_none();
        if hit {
            match victim {
                0 => child.kill().unwrap(),
                1 => stack.kill_and_restart(),
                _ => stack.gatekeeper.as_mut().unwrap().restart(),
            }
            self.victims[victim] += 1;
        }
        Struck {
            run: Run::of(child),
            hit,
        }
    }
}

impl Run {
    /// Waits for a command whose output is piped.
    pub fn of(child: Child) -> Self {
        Self::from_output(&child.wait_with_output().unwrap())
    }
}

/// The only ends a command may come to when something is killed meanwhile: done, killed, the server gone. What is
/// damaged (6) or refused (4) would be a fault of ours.
pub fn is_honest_end(run: &Run) {
    assert!(
        matches!(run.code, 0 | 1 | 5 | 7 | 137),
        "exit {}\n{}\n{}",
        run.code,
        run.stdout,
        run.stderr
    );
}
