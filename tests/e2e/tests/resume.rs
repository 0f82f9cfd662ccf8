//! Large uploads that are killed in the middle go on where they stopped, on a folder and on an S3 store.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use obhut_e2e::{Agency, CLASS, Stack, random_bytes};

/// 15 parts.
const LEN: usize = 120_000_000;
const PARTS: usize = 15;
/// Parts that may be on their way when a client is killed: sent twice, or stored without an answer that the log counts. A
/// client that began again would send six more.
const IN_FLIGHT: usize = 3;

/// Parts the server has taken so far, by its own log.
fn parts_taken(stack: &Stack) -> usize {
    let log = fs::read_to_string(stack.folder().join("server.log")).unwrap();
    let taken = |line: &&str| line.contains("/parts/{number}") && line.contains("status=200");
    log.lines().filter(taken).count()
}

/// Starts a command and kills it as soon as some parts have arrived.
fn kill_in_the_middle(stack: &Stack, mut command: Command) -> usize {
    let before = parts_taken(stack);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while parts_taken(stack) < before + 6 {
        assert!(child.try_wait().unwrap().is_none(), "it was done too soon");
        assert!(
            started.elapsed() < Duration::from_mins(4),
            "no part arrived"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.try_wait().unwrap().is_none(), "it was done too soon");
    child.kill().unwrap();
    child.wait().unwrap();
    // What is on its way arrives or breaks off.
    std::thread::sleep(Duration::from_secs(2));
    parts_taken(stack) - before
}

fn put_arguments<'a>(agency: &'a Agency, file: &'a Path) -> [&'a str; 3] {
    ["put", &agency.case, file.to_str().unwrap()]
}

fn goes_on(agency: &Agency) {
    let stack = &agency.stack;
    let content = random_bytes(7, LEN);
    let file = stack.write("large.bin", &content);
    let arguments = put_arguments(agency, &file);
    let first = kill_in_the_middle(stack, stack.command("cw1", &arguments));
    assert!(first < PARTS, "{first}");
    let document = stack.put("cw1", &agency.case, &file);
    let all = parts_taken(stack);
    assert!(all.abs_diff(PARTS) <= IN_FLIGHT, "{first} {all}");
    assert!(stack.content("cw1", &document) == content);
    let uploads = stack.folder().join("home/cw1/uploads");
    assert_eq!(fs::read_dir(uploads).unwrap().count(), 0);
    agency.verify_case();
}

#[test]
fn a_large_file_killed_in_the_middle_goes_on_in_a_folder() {
    let agency = Agency::open(1);
    goes_on(&agency);
    assert_eq!(unfinished(&agency.stack).len(), 0);
}

#[test]
fn a_large_file_killed_in_the_middle_goes_on_on_s3() {
    let Ok(store) = std::env::var("OBHUT_TEST_S3") else {
        eprintln!("skipped on S3: OBHUT_TEST_S3 is not set");
        return;
    };
    let mut agency = Agency::open(1);
    move_to_s3(&mut agency.stack, &store);
    goes_on(&agency);
    let small = agency.put("small.txt", b"a small one");
    assert_eq!(agency.stack.content("cw1", &small), b"a small one");
    let folder = fs::read_dir(agency.stack.data().join("objects")).unwrap();
    let lying = folder
        .flatten()
        .filter(|entry| !entry.file_name().to_str().unwrap().starts_with('.'));
    assert_eq!(lying.count(), 0, "nothing went into the folder");
    presigned(&mut agency, &small);
}

/// Downloads straight from the store are checked and logged as ever.
fn presigned(agency: &mut Agency, document: &str) {
    let path = agency.stack.data().join("obhut.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        config.replace("[objects]", "[objects]\npresign = true"),
    )
    .unwrap();
    agency.stack.kill_and_restart();
    let redirects = |stack: &Stack| {
        let log = fs::read_to_string(stack.folder().join("server.log")).unwrap();
        log.matches("status=307").count()
    };
    assert_eq!(redirects(&agency.stack), 0);
    let opened = agency.stack.content("cw1", document);
    assert_eq!(opened, b"a small one");
    assert_eq!(redirects(&agency.stack), 1);
    let _ = agency.stack.verify_logs().ok();
}

/// The vault has no documents yet: only the configuration changes.
fn move_to_s3(stack: &mut Stack, store: &str) {
    let [host, bucket, access, secret] = xtask::seaweed::parts(store).unwrap();
    let access = stack.write("s3-access", access.as_bytes());
    let secret = stack.write("s3-secret", secret.as_bytes());
    let prefix = stack.folder().file_name().unwrap().to_str().unwrap();
    let section = format!(
        "\n[objects.s3]\nendpoint = \"http://{host}\"\nbucket = \"{bucket}\"\nprefix = \"{prefix}/\"\n\
         access_key_file = \"{}\"\nsecret_key_file = \"{}\"\n",
        access.display(),
        secret.display()
    );
    let path = stack.data().join("obhut.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config + &section).unwrap();
    let shown = stack.server(&["s3-probe"]).ok();
    assert!(shown.contains("creates a key once"), "{shown}");
    stack.kill_and_restart();
}

/// Folders of unfinished uploads in the store.
fn unfinished(stack: &Stack) -> Vec<PathBuf> {
    let parts = stack.data().join("objects/.parts");
    let vaults = fs::read_dir(parts).unwrap().flatten();
    vaults
        .flat_map(|vault| fs::read_dir(vault.path()).unwrap().flatten())
        .map(|entry| entry.path())
        .collect()
}

#[test]
fn a18_a_source_that_changed_since_an_interrupted_upload_is_sealed_anew() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let mut content = random_bytes(7, LEN);
    let file = stack.write("large.bin", &content);
    let arguments = put_arguments(&agency, &file);
    let first = kill_in_the_middle(stack, stack.command("cw1", &arguments));
    let begun = unfinished(stack);
    assert_eq!(begun.len(), 1);
    // One byte of the first part, and the time of the file as if nothing had happened.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    *content.first_mut().unwrap() ^= 1;
    let mut opened = fs::File::options().write(true).open(&file).unwrap();
    std::io::Write::write_all(&mut opened, content.get(..1).unwrap()).unwrap();
    opened.set_modified(time).unwrap();
    drop(opened);
    let document = stack.put("cw1", &agency.case, &file);
    assert!(stack.content("cw1", &document) == content);
    // Nothing of it went to the object that was begun, whose keys have seen other bytes.
    assert_eq!(parts_taken(stack), first + PARTS);
    assert_eq!(unfinished(stack), begun);
    agency.verify_case();
}

#[test]
fn a_large_file_of_an_import_killed_in_the_middle_goes_on() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let content = random_bytes(7, LEN);
    let file = stack.write("tree/Case 1/large.bin", &content);
    let folder = stack.folder().join("tree");
    let arguments = ["import", folder.to_str().unwrap(), "--class", CLASS];
    let first = kill_in_the_middle(stack, stack.command("cw1", &arguments));
    assert!(first < PARTS && file.exists());
    let _ = stack.obhut("cw1", &arguments).ok();
    let all = parts_taken(stack);
    assert!(all.abs_diff(PARTS) <= IN_FLIGHT, "{first} {all}");
    assert_eq!(unfinished(stack).len(), 0);
}
