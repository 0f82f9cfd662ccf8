//! Random operations on the full stack beside a model of what must be visible to whom, and their shrinking.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;
use std::time::{Duration, Instant};

use obhut_e2e::{Border, REASON, Run, random_bytes};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::{Direction, Fault, Make, World};

/// One step. Numbers are taken modulo what there is, so that any part of a list is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A caseworker files a document.
    Put(usize),
    /// A caseworker reads a document.
    Get(usize, usize),
    /// The first caseworker issues a document to the citizen.
    Issue(usize),
    /// The first caseworker closes the case.
    Close,
    /// The first caseworker opens it again.
    Reopen,
    /// The registrar appoints the second or third caseworker.
    Add(usize),
    /// The registrar ends that appointment.
    Remove(usize),
    /// The citizen reads their own log.
    LogMine,
    /// The server is killed and started again.
    KillServer,
    /// The gatekeeper is killed and started again.
    KillGate,
    /// From now on something goes wrong at a border.
    FaultOn(Border, Fault),
    /// Nothing goes wrong any more.
    FaultOff,
}

/// So many operations from a seed.
pub fn generate(seed: u64, count: usize) -> Vec<Operation> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    (0..count).map(|_| draw(&mut rng)).collect()
}

fn draw(rng: &mut ChaCha20Rng) -> Operation {
    let (one, two) = (rng.next_u32() as usize, rng.next_u32() as usize);
    match rng.next_u32() % 24 {
        0..=4 => Operation::Put(one),
        5..=10 => Operation::Get(one, two),
        11 => Operation::Issue(one),
        12 => Operation::Close,
        13 | 14 => Operation::Reopen,
        15 => Operation::Add(one),
        16 => Operation::Remove(one),
        17 => Operation::LogMine,
        18 => Operation::KillServer,
        19 => Operation::KillGate,
        20 | 21 => {
            let faults = [
                Fault::Latency(Duration::from_millis(40)),
                Fault::Cut,
                Fault::Reset,
                Fault::Truncate(400),
            ];
            Operation::FaultOn(Border::ALL[one % 6], faults[two % 4])
        }
        _ => Operation::FaultOff,
    }
}

/// What must be so.
struct Model {
    /// Whether each of the caseworkers is in the unit.
    members: [bool; 3],
    open: bool,
    documents: Vec<(String, Vec<u8>)>,
    purposes: Vec<String>,
    faulty: bool,
    /// Operations since something began to go wrong.
    borne: usize,
    steps: usize,
}

/// A fault is lifted after so many operations, and a command under it is killed after so long: a run stays short.
const BORNE: usize = 2;
const GIVEN_UP: Duration = Duration::from_secs(10);
/// Of a command that was killed.
const KILLED: i32 = 137;

const CASEWORKERS: [&str; 3] = ["cw1", "cw2", "cw3"];
/// Not found, or refused.
const REFUSED: i32 = 4;

/// Plays the operations on a new world; what went otherwise than the model says. `None` without services.
pub fn play(seed: u64, operations: &[Operation]) -> Option<Result<(), String>> {
    let make = Make {
        seed,
        ..Make::default()
    };
    let mut world = World::open(make)?;
    let mut model = Model {
        members: [true; 3],
        open: true,
        documents: Vec::new(),
        purposes: Vec::new(),
        faulty: false,
        borne: 0,
        steps: 0,
    };
    let played = catch_unwind(AssertUnwindSafe(|| {
        for operation in operations {
            model.step(&mut world, *operation)?;
        }
        model.finish(&mut world)
    }));
    Some(played.unwrap_or_else(|_| Err("it panicked; see above".to_owned())))
}

/// A shorter list that still fails, by leaving out ever smaller stretches; at most `budget` tries.
pub fn shrink(
    operations: &[Operation],
    budget: usize,
    mut fails: impl FnMut(&[Operation]) -> bool,
) -> Vec<Operation> {
    let (mut least, mut tries) = (operations.to_vec(), 0);
    let mut stretch = least.len().div_ceil(2);
    while stretch > 0 {
        let mut at = 0;
        while at < least.len() && tries < budget {
            let end = (at + stretch).min(least.len());
            let shorter = [&least[..at], &least[end..]].concat();
            tries += 1;
            if fails(&shorter) {
                least = shorter;
            } else {
                at = end;
            }
        }
        stretch /= 2;
    }
    least
}

impl Model {
    fn step(&mut self, world: &mut World, operation: Operation) -> Result<(), String> {
        self.steps += 1;
        self.borne += 1;
        if self.faulty && self.borne > BORNE {
            self.lift(world);
        }
        let done = match operation {
            Operation::Put(who) => self.put(world, who % 3),
            Operation::Get(who, which) => self.get(world, who % 3, which),
            Operation::Issue(which) => self.issue(world, which),
            Operation::Close => self.change(world, "close"),
            Operation::Reopen => self.change(world, "reopen"),
            Operation::Add(who) => self.appoint(world, 1 + who % 2, true),
            Operation::Remove(who) => self.appoint(world, 1 + who % 2, false),
            Operation::LogMine => self.log_mine(world),
            Operation::KillServer => {
                // It does not come up where its database cannot be reached.
                self.lift(world);
                world.agency.stack.kill_and_restart();
                Ok(())
            }
            Operation::KillGate => {
                self.lift(world);
                world.agency.stack.gatekeeper.as_mut().unwrap().restart();
                Ok(())
            }
            Operation::FaultOn(border, fault) => {
                world.at(border).set(Direction::Both, fault);
                (self.faulty, self.borne) = (true, 0);
                Ok(())
            }
            Operation::FaultOff => {
                self.lift(world);
                Ok(())
            }
        };
        done.map_err(|said| format!("step {}, {operation:?}: {said}", self.steps))
    }

    /// Everything that was ever acknowledged, with nothing in the way.
    fn finish(&mut self, world: &mut World) -> Result<(), String> {
        self.lift(world);
        for who in 0..3 {
            for which in 0..self.documents.len().min(4) {
                self.get(world, who, which)?;
            }
        }
        self.log_mine(world)?;
        if !self.open {
            self.change(world, "reopen")?;
        }
        for who in [1, 2] {
            if !self.members[who] {
                self.appoint(world, who, true)?;
            }
        }
        world.check();
        Ok(())
    }

    fn lift(&mut self, world: &World) {
        for border in Border::ALL {
            world.at(border).lift();
        }
        self.faulty = false;
    }

    /// Whether a command did what the model expects, which it may only leave out honestly, and only under a fault.
    fn judge(&self, run: &Run, expected: bool) -> Result<bool, String> {
        match run.code {
            0 if expected => Ok(true),
            0 => Err("it succeeded and must not".to_owned()),
            REFUSED if !expected => Ok(false),
            1 | 5 | 7 | KILLED if self.faulty => Ok(false),
            code => Err(format!("exit {code}, expected {expected}: {}", run.stderr)),
        }
    }

    fn put(&mut self, world: &mut World, who: usize) -> Result<(), String> {
        let content = random_bytes(self.steps as u64, 3_000 + self.steps * 100);
        let file = world
            .stack()
            .write(&format!("put-{}", self.steps), &content);
        let file = file.to_str().unwrap();
        let run = self.patiently(
            world,
            CASEWORKERS[who],
            &["put", &world.agency.case, file, "--json"],
        );
        if self.judge(&run, self.members[who] && self.open)? {
            let done: serde_json::Value = serde_json::from_str(run.stdout.trim()).unwrap();
            let document = done["document"].as_str().unwrap().to_owned();
            world.keep(&document, content.clone());
            self.documents.push((document, content));
        }
        Ok(())
    }

    fn get(&mut self, world: &World, who: usize, which: usize) -> Result<(), String> {
        if self.documents.is_empty() {
            return Ok(());
        }
        let (document, content) = &self.documents[which % self.documents.len()];
        let target = world.stack().folder().join("got");
        let _ = std::fs::remove_file(&target);
        self.steps += 1;
        let purpose = format!("Model purpose {}", self.steps);
        let get = [
            "get",
            document,
            "--output",
            target.to_str().unwrap(),
            "--purpose",
            &purpose,
            REASON[2],
            REASON[3],
        ];
        let run = self.patiently(world, CASEWORKERS[who], &get);
        if self.judge(&run, self.members[who])? {
            if std::fs::read(&target).unwrap() != *content {
                return Err(format!("{document} differs"));
            }
            self.purposes.push(purpose);
        } else if target.exists() {
            return Err(format!("{document} was written and not acknowledged"));
        }
        Ok(())
    }

    fn issue(&mut self, world: &World, which: usize) -> Result<(), String> {
        if self.documents.is_empty() {
            return Ok(());
        }
        let (document, _) = &self.documents[which % self.documents.len()];
        let issue = ["issue", document, "--to", &world.agency.citizen];
        let run = self.patiently(world, "cw1", &[&issue[..], &REASON].concat());
        self.judge(&run, true).map(drop)
    }

    fn log_mine(&self, world: &World) -> Result<(), String> {
        let run = self.patiently(world, "citizen", &["log", "mine", "--json"]);
        if !self.judge(&run, true)? {
            return Ok(());
        }
        let log: serde_json::Value = serde_json::from_str(run.stdout.trim()).unwrap();
        let entries = log["entries"].as_array().unwrap();
        let shown = |purpose: &String| {
            entries
                .iter()
                .any(|entry| entry["purpose"] == purpose.as_str())
        };
        let missing: Vec<_> = self
            .purposes
            .iter()
            .filter(|purpose| !shown(purpose))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!("read, and not in the log: {missing:?}"))
    }

    fn change(&mut self, world: &World, verb: &str) -> Result<(), String> {
        let open = verb == "reopen";
        if self.open == open {
            return Ok(());
        }
        self.settle(world, "cw1", &["case", verb, &world.agency.case])?;
        self.open = open;
        Ok(())
    }

    fn appoint(&mut self, world: &World, who: usize, member: bool) -> Result<(), String> {
        if self.members[who] == member {
            return Ok(());
        }
        let verb = if member { "add" } else { "remove" };
        let person = &world.agency.caseworkers[who];
        self.settle(
            world,
            "registrar",
            &["unit", verb, &world.agency.unit, person, "--yes"],
        )?;
        self.members[who] = member;
        Ok(())
    }

    /// A change of which it must be known afterwards whether it was made: if it failed under a fault, the fault is lifted
    /// and it is made again, where it may turn out to have been made.
    fn settle(&mut self, world: &World, profile: &str, arguments: &[&str]) -> Result<(), String> {
        let run = self.patiently(world, profile, arguments);
        if run.code == 0 {
            return Ok(());
        }
        if !self.faulty {
            return Err(format!("exit {}: {}", run.code, run.stderr));
        }
        self.lift(world);
        let again = self.patiently(world, profile, arguments);
        if matches!(again.code, 0 | 1 | REFUSED) {
            return Ok(());
        }
        Err(format!("again: exit {}: {}", again.code, again.stderr))
    }

    /// A command; under a fault it is killed when it takes too long, and without one a command that meets a server that is just coming back is repeated, as a person would.
    fn patiently(&self, world: &World, profile: &str, arguments: &[&str]) -> Run {
        if self.faulty {
            let mut command = world.stack().command(profile, arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let begun = Instant::now();
            while child.try_wait().unwrap().is_none() && begun.elapsed() < GIVEN_UP {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            return Run::of(child);
        }
        let mut run = world.stack().obhut(profile, arguments);
        for _ in 0..20 {
            if run.code != 7 {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
            run = world.stack().obhut(profile, arguments);
        }
        run
    }
}
