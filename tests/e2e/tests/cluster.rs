//! Several servers on one database behind one address: one leads, the others answer and hand on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use obhut_e2e::{
    Agency, CLASS, Stack, copy_folder, files_below, letter_code, random_bytes, run, text,
};

/// An agency behind so many servers; `None` without a PostgreSQL for tests.
fn agency(servers: usize, caseworkers: usize) -> Option<Agency> {
    Some(Agency::in_stack(Stack::start_fleet(servers)?, caseworkers))
}

/// The logs as every server shows them, once nothing happens any more: all alike, and each verifies.
fn verify_everywhere(stack: &mut Stack) {
    let _ = stack.quiet_access_entries();
    let mut heads = Vec::new();
    for number in 0..stack.fleet().len() {
        let fleet = stack.fleet();
        fleet.wait_until_ready(number);
        let shown = wait_for_heads(fleet.data_of(number), heads.first());
        let copy = stack.folder().join(format!("tiles-of-{number}"));
        let _ = std::fs::remove_dir_all(&copy);
        copy_folder(&stack.fleet().data_of(number).join("tiles"), &copy);
        let _ = stack.verify_tiles(&copy).ok();
        heads.push(shown);
    }
    assert!(heads.iter().all(|other| *other == heads[0]), "{heads:?}");
}

/// Origin, size and root of every log in a folder of tiles; waits until they are those expected.
fn wait_for_heads(data: &Path, expected: Option<&Vec<String>>) -> Vec<String> {
    let started = Instant::now();
    loop {
        let heads = heads(data);
        let late = started.elapsed() > Duration::from_secs(20);
        if late || expected.is_none_or(|expected| *expected == heads) {
            return heads;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn heads(data: &Path) -> Vec<String> {
    let files = files_below(&data.join("tiles"));
    let notes = files
        .iter()
        .filter(|path| path.file_name().unwrap() == "checkpoint")
        .map(|path| std::fs::read_to_string(path).unwrap());
    notes
        .map(|note| note.lines().take(3).collect::<Vec<_>>().join(" "))
        .collect()
}

fn make_tree(stack: &Stack, name: &str, files: u64) -> std::path::PathBuf {
    let tree = stack.folder().join(name);
    let folder = tree.join(format!("case of {name}"));
    std::fs::create_dir_all(&folder).unwrap();
    for file in 0..files {
        let content = random_bytes(file, 5_000);
        std::fs::write(folder.join(format!("{file}.bin")), content).unwrap();
    }
    tree
}

fn import(stack: &Stack, tree: &Path) -> Command {
    let arguments = ["import", tree.to_str().unwrap(), "--class", CLASS, "--json"];
    let mut command = stack.command("cw1", &arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn wait_for_objects(stack: &Stack, child: &mut Child, wanted: usize) {
    let started = Instant::now();
    while stack.objects().len() < wanted && child.try_wait().unwrap().is_none() {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "nothing arrives"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs the import again until it is through, and has nothing left to do after that.
fn finish_import(stack: &Stack, tree: &Path, files: u64) {
    let report = run(&mut import(stack, tree)).ok();
    assert!(report.contains("\"skipped\":[]"), "{report}");
    let report = run(&mut import(stack, tree)).ok();
    let report: serde_json::Value = serde_json::from_str(report.trim()).unwrap();
    assert_eq!(report["stored_files"], 0, "{report}");
    assert_eq!(report["unchanged_files"], files, "{report}");
}

#[test]
fn a_follower_answers_and_hands_on_what_only_the_leader_can_do() {
    let Some(mut agency) = agency(2, 2) else {
        return;
    };
    let leader = agency.stack.wait_for_leader(None);
    let follower = 1 - leader;
    // Everybody talks to the follower alone.
    let url = agency.stack.fleet().url_of(follower);
    for profile in ["registrar", "cw1", "cw2"] {
        agency.stack.redirect(profile, &url);
    }
    let content = random_bytes(3, 90_000);
    let document = agency.put("Größe.pdf", &content);
    let stack = &agency.stack;
    assert_eq!(stack.content("cw2", &document), content);
    let letter = stack.folder().join("letter.html");
    let to = letter.to_str().unwrap();
    let reason = ["--purpose", "Testing", "--legal-basis", "None"];
    let issue = ["issue", &document, "--to", &agency.citizen, "--letter", to];
    let issue = [&issue[..], &reason].concat();
    let issued = text(&stack.json("cw1", &issue), "document");
    let code = letter_code(&std::fs::read_to_string(&letter).unwrap());
    let code = stack.write("code", code.as_bytes());
    let _ = stack
        .obhut("citizen", &["activate", code.to_str().unwrap()])
        .ok();
    assert_eq!(stack.content("citizen", &issued), content);
    let log = stack.json("citizen", &["log", "mine"]);
    assert!(log["entries"].as_array().unwrap().len() > 2, "{log}");
    let person = agency.caseworkers[1].clone();
    let remove = ["unit", "remove", &agency.unit, &person, "--yes"];
    let _ = stack.obhut("registrar", &remove).ok();
    let stolen = stack.folder().join("stolen");
    let _ = stack.get("cw2", &document, &stolen).fails_with(4);
    agency.verify_case();
    verify_everywhere(&mut agency.stack);
}

#[test]
fn a_killed_leader_is_replaced_and_an_import_goes_on() {
    const FILES: u64 = 60;
    let Some(mut agency) = agency(2, 1) else {
        return;
    };
    let document = agency.put("a.bin", b"before the fall");
    let tree = make_tree(&agency.stack, "tree", FILES);
    let before = agency.stack.objects().len();
    let mut child = import(&agency.stack, &tree).spawn().unwrap();
    wait_for_objects(&agency.stack, &mut child, before + 5);
    let leader = agency.stack.wait_for_leader(None);
    agency.stack.fleet().kill(leader);
    let first = child.wait_with_output().unwrap();
    assert!(
        matches!(first.status.code(), Some(0 | 5 | 7)),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    let next = agency.stack.wait_for_leader(Some(leader));
    assert_ne!(next, leader);
    finish_import(&agency.stack, &tree, FILES);
    assert_eq!(agency.stack.content("cw1", &document), b"before the fall");
    agency.stack.fleet().start(leader);
    // Releases, too, go on while leaders fall.
    for round in 0..4 {
        let leader = agency.stack.wait_for_leader(None);
        if round % 2 == 0 {
            agency.stack.fleet().kill(leader);
            assert_eq!(agency.stack.content("cw1", &document), b"before the fall");
            agency.stack.fleet().start(leader);
        } else {
            agency.stack.databases().cut();
            assert_eq!(agency.stack.content("cw1", &document), b"before the fall");
        }
    }
    agency.verify_case();
    verify_everywhere(&mut agency.stack);
}

#[test]
fn a_paused_leader_that_wakes_after_the_take_over_does_not_fork_the_log() {
    const FILES: u64 = 60;
    let Some(mut agency) = agency(2, 1) else {
        return;
    };
    let document = agency.put("a.bin", b"before the pause");
    let tree = make_tree(&agency.stack, "tree", FILES);
    let before = agency.stack.objects().len();
    let mut child = import(&agency.stack, &tree).spawn().unwrap();
    wait_for_objects(&agency.stack, &mut child, before + 5);
    let former = agency.stack.wait_for_leader(None);
    agency.stack.fleet().pause(former);
    // The one that hangs loses the lock after ten seconds; what it was told meanwhile must not count.
    let next = agency.stack.wait_for_leader(Some(former));
    assert_ne!(next, former);
    child.kill().unwrap();
    let _ = child.wait();
    finish_import(&agency.stack, &tree, FILES);
    let written = agency.put("b.bin", b"under the new leader");
    agency.stack.fleet().wake(former);
    // It wakes with work in hand, a lock it believes in, and requests in its queue.
    let stack = &agency.stack;
    for _ in 0..6 {
        assert_eq!(stack.content("cw1", &document), b"before the pause");
        assert_eq!(stack.content("cw1", &written), b"under the new leader");
    }
    let third = agency.put("c.bin", b"after it woke");
    assert_eq!(agency.stack.content("cw1", &third), b"after it woke");
    agency.verify_case();
    verify_everywhere(&mut agency.stack);
    assert_eq!(agency.stack.wait_for_leader(None), next);
}

#[test]
fn whoever_waits_for_a_leader_that_hangs_is_answered_once_it_is_replaced() {
    let Some(mut agency) = agency(2, 1) else {
        return;
    };
    let document = agency.put("a.bin", b"content");
    let leader = agency.stack.wait_for_leader(None);
    agency.stack.fleet().pause(leader);
    // Handed on to the one that hangs, then to the one that took over.
    let second = agency.put("b.bin", b"meanwhile");
    assert_ne!(agency.stack.wait_for_leader(None), leader);
    assert_eq!(agency.stack.content("cw1", &document), b"content");
    assert_eq!(agency.stack.content("cw1", &second), b"meanwhile");
    agency.stack.fleet().wake(leader);
    verify_everywhere(&mut agency.stack);
}
