//! What the client does with honest vaults, on the built binaries.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use obhut_e2e::{Stack, run};

const WHY: [&str; 4] = ["--purpose", "a test", "--legal-basis", "Test Act"];

/// A founded vault with two caseworkers of one unit and a case of theirs.
struct Office {
    stack: Stack,
    unit: String,
    case: String,
}

impl Office {
    fn open() -> Self {
        let stack = Stack::start();
        let root = path(&stack, "root.txt");
        let (url, code) = (stack.url.clone(), stack.code_file());
        let founded = [
            "found",
            &url,
            &code,
            "--agency",
            "Test Agency",
            "--registrar",
            "Test Person 1",
            "--root-file",
            &root,
        ];
        let _ = stack.obhut("registrar", &founded).ok();
        let one = hire(&stack, "one");
        let two = hire(&stack, "two");
        let unit = json(
            &stack,
            "registrar",
            &["unit", "create", "Permits", &one, &two],
        );
        let case = json(
            &stack,
            "one",
            &[
                "case",
                "new",
                "--reference",
                "5-0815/2026",
                "--title",
                "Test case",
                "--class",
                "permit-10y",
                "--new-subject",
                "Test Person 9",
            ],
        );
        Self {
            unit: unit["unit"].as_str().unwrap().to_owned(),
            case: case["case"].as_str().unwrap().to_owned(),
            stack,
        }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let file = self.stack.folder().join(name);
        std::fs::write(&file, content).unwrap();
        file
    }

    /// Files content as the first caseworker.
    fn put(&self, content: &[u8]) -> String {
        let file = self.file("source", content);
        let put = ["put", &self.case, file.to_str().unwrap()];
        let stored = json(&self.stack, "one", &put);
        stored["document"].as_str().unwrap().to_owned()
    }

    /// What `get` is called with.
    fn get<'a>(document: &'a str, output: &'a str) -> Vec<&'a str> {
        let mut args = vec!["get", document];
        args.extend(WHY);
        args.extend(["--output", output]);
        args
    }
}

fn path(stack: &Stack, name: &str) -> String {
    let path = stack.folder().join(name);
    path.to_str().unwrap().to_owned()
}

fn json(stack: &Stack, profile: &str, args: &[&str]) -> serde_json::Value {
    let mut all = args.to_vec();
    all.push("--json");
    let text = stack.obhut(profile, &all).ok();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn hire(stack: &Stack, profile: &str) -> String {
    let invitation = path(stack, profile);
    let invite = [
        "invite",
        "Test Person",
        "--role",
        "caseworker",
        "--output",
        &invitation,
    ];
    let _ = stack.obhut("registrar", &invite).ok();
    let joined = json(stack, profile, &["join", &invitation]);
    joined["person"].as_str().unwrap().to_owned()
}

#[test]
fn a21_documents_of_every_size_come_back_as_they_were() {
    let office = Office::open();
    for bytes in [0_u32, 1, 4_096, 16_383, 16_384, 16_385, 262_400, 3_000_001] {
        let content: Vec<u8> = (0..bytes).map(|at| (at * 7 % 251) as u8).collect();
        let document = office.put(&content);
        let output = path(&office.stack, &format!("out-{bytes}"));
        let _ = office
            .stack
            .obhut("two", &Office::get(&document, &output))
            .ok();
        assert_eq!(std::fs::read(&output).unwrap(), content, "{bytes} bytes");
    }
}

#[test]
fn a_range_and_standard_output_give_the_right_bytes() {
    let office = Office::open();
    let content: Vec<u8> = (0..600_000_u32).map(|at| (at % 253) as u8).collect();
    let document = office.put(&content);
    let mut args = vec!["get", document.as_str(), "--range", "262270-262290"];
    args.extend(WHY);
    let got = office.stack.command("two", &args).output().unwrap();
    assert_eq!(got.stdout, &content[262_270..=262_290]);
    args.drain(2..4);
    let got = office.stack.command("two", &args).output().unwrap();
    assert_eq!(got.stdout, content);
}

#[test]
fn the_colleague_finds_the_case_and_a_stranger_does_not() {
    let office = Office::open();
    let document = office.put(b"letter");
    let found = office
        .stack
        .obhut("two", &["case", "show", " 5-0815/2026 "])
        .ok();
    assert!(
        found.contains(&document) && found.contains("Test case"),
        "{found}"
    );
    let stranger = hire(&office.stack, "three");
    let _ = office
        .stack
        .obhut("registrar", &["unit", "create", "Taxes", &stranger])
        .ok();
    let output = path(&office.stack, "out");
    let refused = office
        .stack
        .obhut("three", &Office::get(&document, &output));
    let _ = refused.fails_with(4);
    let missing = office.stack.obhut("two", &["case", "show", "9-9999/2026"]);
    let _ = missing.fails_with(4);
}

#[test]
fn a_removed_member_and_a_revoked_device_are_refused() {
    let office = Office::open();
    let document = office.put(b"before");
    let output = path(&office.stack, "out");
    let _ = office
        .stack
        .obhut("two", &Office::get(&document, &output))
        .ok();
    let status = json(&office.stack, "two", &["status"]);
    let (person, device) = (&status["person"], &status["device"]);
    let remove = [
        "unit",
        "remove",
        &office.unit,
        person.as_str().unwrap(),
        "--yes",
    ];
    let _ = office.stack.obhut("registrar", &remove).ok();
    let after = office.put(b"after");
    for document in [&document, &after] {
        let output = path(&office.stack, "again");
        let refused = office.stack.obhut("two", &Office::get(document, &output));
        let _ = refused.fails_with(4);
    }
    let revoke = [
        "devices",
        "revoke",
        device.as_str().unwrap(),
        "--lost",
        "--yes",
    ];
    let _ = office.stack.obhut("registrar", &revoke).ok();
    let refused = office
        .stack
        .obhut("two", &Office::get(&document, &path(&office.stack, "x")));
    let _ = refused.fails_with(3);
}

#[test]
fn f18_the_second_user_of_an_invitation_is_told_that_it_was_used() {
    let office = Office::open();
    let invitation = path(&office.stack, "two");
    let refused = office.stack.obhut("thief", &["join", &invitation]);
    let said = refused.fails_with(4);
    assert!(said.contains("used already"), "{said}");
    assert!(said.contains("registrar who invited you"), "{said}");
}

#[test]
fn a18_a_source_that_changes_while_it_is_sealed_is_refused() {
    let office = Office::open();
    let file = office.file("growing", &vec![1; 64 << 20]);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let source = file.clone();
    let writer = std::thread::spawn(move || {
        while !stopped.load(Ordering::SeqCst) {
            let mut file = std::fs::File::options().write(true).open(&source).unwrap();
            file.write_all(b"changed").unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let put = ["put", &office.case, file.to_str().unwrap()];
    let refused = office.stack.obhut("one", &put);
    stop.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    let said = refused.fails_with(1);
    assert!(said.contains("changed"), "{said}");
    let _ = office.stack.obhut("one", &put).ok();
}

#[test]
fn a_server_killed_in_the_middle_loses_nothing_acknowledged() {
    let mut office = Office::open();
    let kept = office.put(b"acknowledged");
    let file = office.file("large", &vec![3; 200 << 20]);
    let put = ["put", &office.case, file.to_str().unwrap()];
    let mut running = office
        .stack
        .command("one", &put)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(600));
    office.stack.kill();
    let _ = running.wait().unwrap();
    let output = path(&office.stack, "out");
    let unreachable = office.stack.obhut("two", &Office::get(&kept, &output));
    let _ = unreachable.fails_with(7);
    let listen = office.stack.url.trim_start_matches("http://").to_owned();
    office.stack.serve(&listen);
    let _ = office.stack.obhut("two", &Office::get(&kept, &output)).ok();
    let _ = office.stack.obhut("one", &put).ok();
}

#[test]
fn says_what_is_wrong_by_exit_code() {
    let office = Office::open();
    let document = office.put(b"letter");
    let _ = office
        .stack
        .obhut("nobody", &["case", "list"])
        .fails_with(3);
    let wrong = office.file("wrong-passphrase", b"wrong\n");
    let mut command = office.stack.command("two", &["case", "list"]);
    let _ = run(command.env("OBHUT_PASSPHRASE_FILE", &wrong)).fails_with(3);
    let _ = office.stack.obhut("two", &["get", &document]).fails_with(2);
    let _ = office
        .stack
        .obhut("two", &["case", "close", &office.case, "--on", "tomorrow"])
        .fails_with(2);
    let unknown = format!("doc_{}", "a".repeat(26));
    let _ = office
        .stack
        .obhut("two", &Office::get(&unknown, "out"))
        .fails_with(4);
    let folder = office.stack.folder().to_str().unwrap().to_owned();
    let _ = office
        .stack
        .obhut("one", &["put", &office.case, &folder])
        .fails_with(2);
    let nowhere = office.stack.folder().join("no/such/folder/out");
    let _ = office
        .stack
        .obhut("two", &Office::get(&document, nowhere.to_str().unwrap()))
        .fails_with(1);
    let _ = office.stack.obhut("two", &["doctor"]).ok();
}
