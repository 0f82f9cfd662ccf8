//! Clients and servers are killed at random moments; afterwards nothing acknowledged is lost, nothing is there twice,
//! and every log verifies. `OBHUT_KILLS` sets how many kills there are in all, `OBHUT_SEED` which moments.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use obhut_e2e::{Agency, CLASS, REASON, Run, Stack, files_below, random_bytes, run};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Kills in all tests together.
const KILLS: u64 = 200;

/// How many kills a test makes that takes `percent` of them.
fn kills(percent: u64) -> u64 {
    let all = std::env::var("OBHUT_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    (all * percent).div_ceil(100)
}

/// The moments of a test; the seed is printed, so that a failure can be repeated as far as timing allows.
fn moments(test: &str) -> ChaCha20Rng {
    let seed = std::env::var("OBHUT_SEED").map_or_else(
        |_| {
            u64::from(std::process::id()) << 32 | u64::from(Instant::now().elapsed().subsec_nanos())
        },
        |text| text.parse().unwrap(),
    );
    println!("{test}: OBHUT_SEED={seed}");
    ChaCha20Rng::seed_from_u64(seed)
}

/// What became of a command in whose course something was killed.
struct Struck {
    run: Run,
    /// The victim was alive and the command was running when the blow fell.
    hit: bool,
}

/// Kills client or server at random moments within the time a command takes.
struct Killer {
    rng: ChaCha20Rng,
    /// How long the command takes undisturbed.
    usual: Duration,
    clients: u64,
    servers: u64,
}

impl Killer {
    fn new(test: &str, usual: Duration) -> Self {
        Self {
            rng: moments(test),
            usual,
            clients: 0,
            servers: 0,
        }
    }

    fn kills(&self) -> u64 {
        self.clients + self.servers
    }

    /// Runs a command and strikes once.
    fn strike(&mut self, stack: &mut Stack, mut command: Command) -> Struck {
        let micros = self.usual.as_micros() as u64;
        let moment = Duration::from_micros(self.rng.next_u64() % micros.max(1));
        let client = self.rng.next_u32().is_multiple_of(2);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(moment);
        let hit = child.try_wait().unwrap().is_none();
        if hit && client {
            child.kill().unwrap();
            self.clients += 1;
        } else if hit {
            stack.kill_and_restart();
            self.servers += 1;
        }
        Struck {
            run: finish(child),
            hit,
        }
    }
}

fn finish(child: Child) -> Run {
    use std::os::unix::process::ExitStatusExt as _;
    let output = child.wait_with_output().unwrap();
    Run {
        code: output
            .status
            .code()
            .unwrap_or_else(|| 128 + output.status.signal().unwrap()),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The only ends a command may come to when something is killed meanwhile: done, killed, the server gone. What is
/// damaged (6) or refused (4) would be a fault of ours.
fn is_honest_end(run: &Run) {
    assert!(
        matches!(run.code, 0 | 1 | 5 | 7 | 137),
        "exit {}\n{}\n{}",
        run.code,
        run.stdout,
        run.stderr
    );
}

#[test]
fn kills_during_put_lose_nothing_that_was_acknowledged() {
    put_under_kills(Agency::open(1));
}

fn put_under_kills(mut agency: Agency) {
    let first = Instant::now();
    agency.put("warm-up", b"how long does it take");
    let mut killer = Killer::new("put", first.elapsed());
    let mut kept = BTreeMap::new();
    let wanted = kills(35);
    let mut number = 0;
    while killer.kills() < wanted {
        number += 1;
        let size = (killer.rng.next_u32() % 50_000) as usize;
        let content = random_bytes(number, size);
        let file = agency.stack.write("next.bin", &content);
        let arguments = ["put", &agency.case, file.to_str().unwrap(), "--json"];
        let command = agency.stack.command("cw1", &arguments);
        let struck = killer.strike(&mut agency.stack, command);
        is_honest_end(&struck.run);
        if struck.run.code == 0 {
            let stored: serde_json::Value = serde_json::from_str(&struck.run.stdout).unwrap();
            let document = stored["document"].as_str().unwrap().to_owned();
            kept.insert(document, content);
        }
    }
    println!(
        "{} clients and {} servers killed",
        killer.clients, killer.servers
    );
    let last = random_bytes(u64::MAX, 70_000);
    kept.insert(agency.put("last.bin", &last), last);
    agency.verify_case();
    let _ = agency.stack.verify_logs().ok();
    // What was acknowledged is there, and what was not is there whole or not at all.
    let export = agency.stack.folder().join("export");
    let arguments = ["export", &agency.case, export.to_str().unwrap(), "--json"];
    let report = agency.stack.reading("cw1", &arguments).ok();
    let report: serde_json::Value = serde_json::from_str(report.trim()).unwrap();
    let written = report["written"].as_array().unwrap();
    for (document, content) in &kept {
        let found = written
            .iter()
            .find(|one| one["document"] == document.as_str());
        let found = found.unwrap_or_else(|| panic!("{document} was acknowledged and is lost"));
        let path = export.join(found["path"].as_str().unwrap());
        assert!(fs::read(path).unwrap() == *content, "{document} differs");
    }
}

#[test]
fn kills_during_import_lose_and_double_nothing() {
    import_under_kills(Agency::open(1));
}

fn import_under_kills(mut agency: Agency) {
    const FILES: u64 = 25;
    let tree = agency.stack.folder().join("tree");
    let mut killer = Killer::new("import", Duration::from_millis(1_500));
    let wanted = kills(40);
    let mut cases = 0;
    while killer.kills() < wanted {
        cases += 1;
        make_case(&tree, cases, FILES, &mut killer.rng);
        let mut blows = 0;
        loop {
            let command = import(&agency.stack, &tree);
            let started = Instant::now();
            let struck = if blows < 12 && killer.kills() < wanted {
                killer.strike(&mut agency.stack, command)
            } else {
                let mut command = command;
                Struck {
                    run: run(&mut command),
                    hit: false,
                }
            };
            blows += u64::from(struck.hit);
            is_honest_end(&struck.run);
            if struck.run.code == 0 {
                killer.usual = started.elapsed().max(Duration::from_millis(300));
                break;
            }
        }
    }
    println!(
        "{} clients and {} servers killed, {cases} cases",
        killer.clients, killer.servers
    );
    let report = run(&mut import(&agency.stack, &tree)).ok();
    let report: serde_json::Value = serde_json::from_str(report.trim()).unwrap();
    assert_eq!(report["stored_files"], 0, "{report}");
    assert_eq!(report["unchanged_files"], cases * FILES, "{report}");
    same_as_source(&agency, &tree, cases, FILES);
    let _ = agency.stack.verify_logs().ok();
}

fn make_case(tree: &Path, case: u64, files: u64, rng: &mut ChaCha20Rng) {
    let folder = tree.join(format!("case {case}"));
    fs::create_dir_all(&folder).unwrap();
    for file in 0..files {
        let size = (rng.next_u32() % 40_000) as usize;
        let content = random_bytes(case << 32 | file, size);
        fs::write(folder.join(format!("{file}.bin")), content).unwrap();
    }
}

fn import(stack: &Stack, tree: &Path) -> Command {
    let arguments = ["import", tree.to_str().unwrap(), "--class", CLASS, "--json"];
    stack.command("cw1", &arguments)
}

/// Every folder is one case with exactly its files, byte for byte.
fn same_as_source(agency: &Agency, tree: &Path, cases: u64, files: u64) {
    let stack = &agency.stack;
    let listed = stack.json_lines("cw1", &["case", "list"]);
    assert_eq!(listed.len() as u64, cases + 1, "{listed:?}");
    for number in 1..=cases {
        let reference = format!("case {number}");
        let found: Vec<_> = listed
            .iter()
            .filter(|case| case["reference"] == reference.as_str())
            .collect();
        assert_eq!(found.len(), 1, "{reference}: {listed:?}");
        assert_eq!(found[0]["documents"], files, "{reference}");
        let case = found[0]["case"].as_str().unwrap();
        let _ = stack
            .obhut("cw1", &["case", "verify", case, "--objects"])
            .ok();
        let export = stack.folder().join(format!("export of {reference}"));
        let arguments = ["export", case, export.to_str().unwrap()];
        let _ = stack.reading("cw1", &arguments).ok();
        let exported = files_below(&export);
        assert_eq!(exported.len() as u64, files);
        for path in exported {
            let source = tree.join(&reference).join(path.file_name().unwrap());
            assert!(
                fs::read(&path).unwrap() == fs::read(source).unwrap(),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn kills_during_get_leave_a_whole_file_or_none() {
    get_under_kills(Agency::open(1));
}

fn get_under_kills(mut agency: Agency) {
    let content = random_bytes(5, 300_000);
    let document = agency.put("a.bin", &content);
    let folder = agency.stack.folder().join("out");
    fs::create_dir_all(&folder).unwrap();
    let target = folder.join("a.bin");
    let first = Instant::now();
    assert_eq!(agency.stack.content("cw1", &document), content);
    let mut killer = Killer::new("get", first.elapsed());
    let wanted = kills(25);
    while killer.kills() < wanted {
        let get = [
            "get",
            &document,
            "--force",
            "--output",
            target.to_str().unwrap(),
        ];
        let command = agency.stack.command("cw1", &[&get[..], &REASON].concat());
        let struck = killer.strike(&mut agency.stack, command);
        is_honest_end(&struck.run);
        for file in files_below(&folder) {
            assert!(fs::read(&file).unwrap() == content, "{}", file.display());
            if struck.run.code == 0 {
                fs::remove_file(file).unwrap();
            }
        }
    }
    println!(
        "{} clients and {} servers killed",
        killer.clients, killer.servers
    );
    assert_eq!(agency.stack.content("cw1", &document), content);
    agency.verify_case();
    let _ = agency.stack.verify_logs().ok();
}

#[test]
fn an_import_interrupted_by_ctrl_c_goes_on_where_it_was() {
    const FILES: u64 = 150;
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let tree = stack.folder().join("tree");
    make_case(&tree, 1, FILES, &mut ChaCha20Rng::seed_from_u64(3));
    let before = stack.objects().len();
    let mut command = import(stack, &tree);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_for_objects(stack, &mut child, before + 3);
    let interrupted = run(Command::new("kill").args(["-INT", &child.id().to_string()]));
    assert_eq!(interrupted.code, 0, "{}", interrupted.stderr);
    let said = finish(child).fails_with(1);
    assert!(said.contains("interrupted"), "{said}");
    let report = run(&mut import(stack, &tree)).ok();
    assert!(report.contains("\"skipped\":[]"), "{report}");
    same_as_source(&agency, &tree, 1, FILES);
}

#[test]
fn an_import_outlives_a_restart_of_the_server() {
    const FILES: u64 = 150;
    let mut agency = Agency::open(1);
    let tree = agency.stack.folder().join("tree");
    make_case(&tree, 1, FILES, &mut ChaCha20Rng::seed_from_u64(4));
    let before = agency.stack.objects().len();
    let mut command = import(&agency.stack, &tree);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_for_objects(&agency.stack, &mut child, before + 3);
    agency.stack.stop();
    agency.stack.kill_and_restart();
    let first = finish(child);
    assert!(
        matches!(first.code, 0 | 5 | 7),
        "exit {}: {}",
        first.code,
        first.stderr
    );
    let _ = run(&mut import(&agency.stack, &tree)).ok();
    same_as_source(&agency, &tree, 1, FILES);
    let _ = agency.stack.verify_logs().ok();
}

fn wait_for_objects(stack: &Stack, child: &mut Child, wanted: usize) {
    let started = Instant::now();
    while stack.objects().len() < wanted {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "nothing arrives"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The same on PostgreSQL with two servers: the blow meets the one that leads, the other takes over.
mod on_two_servers {
    use super::*;

    fn agency() -> Option<Agency> {
        Some(Agency::in_stack(Stack::start_fleet(2)?, 1))
    }

    #[test]
    fn kills_during_put_lose_nothing_that_was_acknowledged() {
        if let Some(agency) = agency() {
            put_under_kills(agency);
        }
    }

    #[test]
    fn kills_during_import_lose_and_double_nothing() {
        if let Some(agency) = agency() {
            import_under_kills(agency);
        }
    }

    #[test]
    fn kills_during_get_leave_a_whole_file_or_none() {
        if let Some(agency) = agency() {
            get_under_kills(agency);
        }
    }
}
