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

use obhut_e2e::{
    Agency, CLASS, Killer, REASON, Run, Stack, Struck, files_below, is_honest_end, kills,
    random_bytes, run,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

#[test]
fn kills_during_put_lose_nothing_that_was_acknowledged() {
    put_under_kills(Agency::open(1), 35);
}

fn put_under_kills(mut agency: Agency, share: u64) {
    // The first one waits until a store has made room.
    agency.put("warm-up", b"as it will be");
    let usual = Instant::now();
    agency.put("warm-up", b"how long does it take");
    let mut killer = Killer::new("put", usual.elapsed());
    let mut kept = BTreeMap::new();
    let wanted = kills(share);
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
    println!("{}", killer.describe());
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
    import_under_kills(Agency::open(1), 40);
}

fn import_under_kills(mut agency: Agency, share: u64) {
    const FILES: u64 = 25;
    let tree = agency.stack.folder().join("tree");
    let mut killer = Killer::new("import", Duration::from_millis(1_500));
    let wanted = kills(share);
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
    println!("{}, {cases} cases", killer.describe());
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
    get_under_kills(Agency::open(1), 25);
}

fn get_under_kills(mut agency: Agency, share: u64) {
    let content = random_bytes(5, 300_000);
    let document = agency.put("a.bin", &content);
    let folder = agency.stack.folder().join("out");
    fs::create_dir_all(&folder).unwrap();
    let target = folder.join("a.bin");
    let first = Instant::now();
    assert_eq!(agency.stack.content("cw1", &document), content);
    let mut killer = Killer::new("get", first.elapsed());
    let wanted = kills(share);
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
    println!("{}", killer.describe());
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
    let said = Run::of(child).fails_with(1);
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
    let first = Run::of(child);
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

/// The same on PostgreSQL and S3 with the gatekeeper in a process of its own, which is a victim, too.
mod on_the_full_stack {
    use super::*;

    fn agency() -> Option<Agency> {
        Some(Agency::in_stack(Stack::start_full()?, 1))
    }

    #[test]
    fn kills_during_put_lose_nothing_that_was_acknowledged() {
        if let Some(agency) = agency() {
            put_under_kills(agency, 50);
        }
    }

    #[test]
    fn kills_during_import_lose_and_double_nothing() {
        if let Some(agency) = agency() {
            import_under_kills(agency, 10);
        }
    }

    #[test]
    fn kills_during_get_leave_a_whole_file_or_none() {
        if let Some(agency) = agency() {
            get_under_kills(agency, 40);
        }
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
            put_under_kills(agency, 35);
        }
    }

    #[test]
    fn kills_during_import_lose_and_double_nothing() {
        if let Some(agency) = agency() {
            import_under_kills(agency, 40);
        }
    }

    #[test]
    fn kills_during_get_leave_a_whole_file_or_none() {
        if let Some(agency) = agency() {
            get_under_kills(agency, 25);
        }
    }
}
