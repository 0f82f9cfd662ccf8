//! Sheets, second devices and lost ones, with the real programs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;

use obhut_e2e::{Agency, Stack, letter_code, text};

/// Prints the sheet of a profile as text; its path.
fn sheet(stack: &Stack, profile: &str) -> String {
    let path = stack.folder().join(format!("sheet-{profile}.txt"));
    let path = path.to_str().unwrap().to_owned();
    let print = ["sheet", "print", "--output", &path];
    let _ = stack.obhut(profile, &print).ok();
    path
}

/// The device of a profile that is active.
fn active_devices(stack: &Stack, profile: &str) -> Vec<(String, bool)> {
    let devices = stack.json_lines(profile, &["devices", "list"]);
    let active = devices.iter().filter(|device| device["reason"].is_null());
    active
        .map(|device| (text(device, "device"), device["this"] == true))
        .collect()
}

fn lose(stack: &Stack, profile: &str) {
    fs::remove_dir_all(stack.folder().join("home").join(profile)).unwrap();
}

#[test]
fn a_caseworker_who_lost_the_only_device_works_on_with_the_sheet_and_gets_new_keys() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"filed on the lost device");
    let paper = sheet(stack, "cw1");
    lose(stack, "cw1");

    let restored = stack.json("cw1b", &["restore", "--sheet", &paper]);
    assert_eq!(text(&restored, "person"), agency.caseworkers[0]);
    let lost = restored["other_devices"][0].as_str().unwrap().to_owned();
    assert_eq!(
        stack.content("cw1b", &document),
        b"filed on the lost device"
    );

    let revoke = ["devices", "revoke", &lost, "--lost", "--yes"];
    let _ = stack.obhut("cw1b", &revoke).ok();
    assert_eq!(
        stack.content("cw1b", &document),
        b"filed on the lost device"
    );
    // The paper holds keys that are void now.
    let said = stack
        .obhut("thief", &["restore", "--sheet", &paper])
        .fails_with(4);
    assert!(said.contains("replaced"), "{said}");

    let told = stack.obhut("registrar", &["unit", "list"]);
    assert!(told.stderr.contains("unit renew"), "{}", told.stderr);
    let renewed = stack.json("registrar", &["unit", "renew", &agency.unit]);
    assert_eq!(renewed["epoch"], 2);
    let told = stack.obhut("registrar", &["unit", "list"]);
    assert!(!told.stderr.contains("unit renew"), "{}", told.stderr);
    let later = stack.write("b.txt", b"under new keys");
    let later = stack.put("cw1b", &agency.case, &later);
    assert_eq!(stack.content("cw1b", &later), b"under new keys");
    assert_eq!(
        stack.content("cw1b", &document),
        b"filed on the lost device"
    );
    let _ = stack.verify_logs().ok();
}

#[test]
fn c08_a_second_device_is_told_to_the_first_and_can_be_taken_away() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"on both devices");
    let file = stack.folder().join("device.obhut");
    let file = file.to_str().unwrap();
    let added = stack.json("cw1", &["devices", "add", "--output", file]);
    let code = stack.write("code", text(&added, "code").as_bytes());
    let code = code.to_str().unwrap();
    let wrong = stack.write("wrong", b"AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHH");
    let restore = ["restore", "--device", file, "--code-file"];
    let refused = [&restore[..], &[wrong.to_str().unwrap()]].concat();
    let _ = stack.obhut("cw1b", &refused).fails_with(2);
    let restore = [&restore[..], &[code]].concat();
    let _ = stack.obhut("cw1b", &restore).ok();
    assert_eq!(stack.content("cw1b", &document), b"on both devices");

    let told = stack.obhut("cw1", &["case", "list"]);
    assert!(
        told.stderr.contains("A device was added"),
        "{}",
        told.stderr
    );
    let told = stack.obhut("cw1", &["case", "list"]);
    assert!(
        !told.stderr.contains("A device was added"),
        "{}",
        told.stderr
    );

    let devices = active_devices(stack, "cw1");
    let (second, _) = devices.iter().find(|(_, this)| !this).unwrap();
    let revoke = ["devices", "revoke", second, "--yes"];
    let _ = stack.obhut("cw1", &revoke).ok();
    let _ = stack.obhut("cw1b", &["case", "list"]).fails_with(3);
    assert_eq!(stack.content("cw1", &document), b"on both devices");
}

#[test]
fn a_citizen_keeps_documents_and_log_through_a_lost_device() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("Bescheid.txt", b"Dem Antrag wird stattgegeben.");
    let letter = stack.folder().join("letter.html");
    let to = ["issue", &document, "--to", &agency.citizen, "--letter"];
    let reason = ["--purpose", "Testing", "--legal-basis", "None"];
    let issue = [&to[..], &[letter.to_str().unwrap()], &reason].concat();
    let issued = text(&stack.json("cw1", &issue), "document");
    let code = letter_code(&fs::read_to_string(&letter).unwrap());
    let code = stack.write("code", code.as_bytes());
    let _ = stack
        .obhut("citizen", &["activate", code.to_str().unwrap()])
        .ok();
    let paper = sheet(stack, "citizen");
    lose(stack, "citizen");

    let restored = stack.json("citizen2", &["restore", "--sheet", &paper]);
    let lost = restored["other_devices"][0].as_str().unwrap().to_owned();
    let revoke = ["devices", "revoke", &lost, "--lost", "--yes"];
    let _ = stack.obhut("citizen2", &revoke).ok();
    let content = stack.content("citizen2", &issued);
    assert_eq!(content, b"Dem Antrag wird stattgegeben.");
    let log = stack.json("citizen2", &["log", "mine"]);
    let entries = log["entries"].as_array().unwrap();
    assert!(
        entries.iter().any(|entry| entry["act"] == "file-documents"),
        "{log}"
    );
    // And once more from the new sheet, which alone knows nothing of earlier keys.
    let paper = sheet(stack, "citizen2");
    lose(stack, "citizen2");
    let _ = stack.json("citizen3", &["restore", "--sheet", &paper]);
    let content = stack.content("citizen3", &issued);
    assert_eq!(content, b"Dem Antrag wird stattgegeben.");
}

#[test]
fn a_registrar_revokes_a_lost_device_and_the_unit_gets_a_key_the_person_does_not_hold() {
    let agency = Agency::open(2);
    let stack = &agency.stack;
    let devices = active_devices(stack, "cw2");
    let revoke = ["devices", "revoke", &devices[0].0, "--lost", "--yes"];
    let _ = stack.obhut("registrar", &revoke).ok();
    let units = stack.json_lines("registrar", &["unit", "list"]);
    assert_eq!(units[0]["epoch"], 2, "{units:?}");
    let members = units[0]["members"].as_array().unwrap();
    let lost = agency.caseworkers[1].as_str();
    assert!(members.iter().all(|member| member["person"] != lost));
    let _ = stack.obhut("cw2", &["case", "list"]).fails_with(3);
    let later = agency.put("b.txt", b"without the lost device");
    assert_eq!(stack.content("cw1", &later), b"without the lost device");
}

#[test]
fn the_agency_root_comes_back_from_two_of_three_shares() {
    let stack = Stack::start();
    stack.found();
    let root = stack.folder().join("agency-root.txt");
    let root = root.to_str().unwrap();
    let folder = stack.folder().join("shares");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    let split = ["root", "split", root, "--threshold", "2", "--shares", "3"];
    let split = [&split[..], &["--folder", folder]].concat();
    let made = stack.json("nobody", &split);
    let share = |at: usize| made["files"][at].as_str().unwrap().to_owned();
    let joined = stack.folder().join("joined.txt");
    let joined = joined.to_str().unwrap();
    let one = ["root", "join", &share(0), "--output", joined];
    let _ = stack.obhut("nobody", &one).fails_with(2);
    let two = ["root", "join", &share(2), &share(0), "--output", joined];
    let _ = stack.obhut("nobody", &two).ok();
    assert_eq!(fs::read(joined).unwrap(), fs::read(root).unwrap());
}

#[test]
fn a_deputy_from_another_unit_reads_and_files_until_the_end_and_not_after() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"for the deputy");
    let other = stack.join("other", "caseworker");
    let unit = ["unit", "create", "Test Unit 2", &other];
    let _ = stack.obhut("registrar", &unit).ok();
    let stolen = stack.folder().join("stolen");
    let _ = stack.get("other", &document, &stolen).fails_with(4);

    #[expect(
        clippy::disallowed_methods,
        reason = "an end that the programs' clocks will see"
    )]
    let now = || std::time::SystemTime::now();
    let until = now() + std::time::Duration::from_secs(45);
    let seconds = until.duration_since(std::time::UNIX_EPOCH).unwrap();
    let moment = moment_text(seconds.as_secs());
    let represented = &agency.caseworkers[0];
    let terms = ["deputy", "add", &other, "--for", represented, "--unit"];
    let add = [&terms[..], &[&agency.unit, "--until", &moment]].concat();
    let _ = stack.obhut("registrar", &add).ok();
    assert_eq!(stack.content("other", &document), b"for the deputy");
    let later = stack.write("b.txt", b"by the deputy");
    let later = stack.put("other", &agency.case, &later);
    assert_eq!(stack.content("cw1", &later), b"by the deputy");

    let wait = until.duration_since(now());
    std::thread::sleep(wait.unwrap_or_default() + std::time::Duration::from_secs(1));
    let _ = stack.get("other", &document, &stolen).fails_with(4);
    assert!(!stolen.exists());
    // The next key of the unit is not theirs any more.
    let renewed = stack.json("registrar", &["unit", "renew", &agency.unit]);
    let members = renewed["members"].as_array().unwrap();
    assert!(
        members
            .iter()
            .all(|member| member["person"] != other.as_str())
    );
    let _ = stack.verify_logs().ok();
}

/// `2026-12-01T12:00:00Z` of seconds since 1970, by the machine's own `date`.
fn moment_text(seconds: u64) -> String {
    let mut date = std::process::Command::new("date");
    let printed = date.args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"]);
    obhut_e2e::run(printed).ok().trim().to_owned()
}
