//! What people do wrong: noticed before anything happens, and told in words that help.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use obhut_e2e::{Agency, CLASS, REASON, Run, files_below, letter_code, run, text};

/// Issues a file to the citizen of the agency's case.
fn issue(agency: &Agency, profile: &str, name: &str, more: &[&str]) -> Run {
    let stack = &agency.stack;
    let file = stack.write(name, name.as_bytes());
    let letter = stack.folder().join(format!("{name}.html"));
    let arguments = [
        "issue",
        "--file",
        file.to_str().unwrap(),
        "--class",
        CLASS,
        "--to",
        &agency.citizen,
        "--letter",
        letter.to_str().unwrap(),
        "--json",
    ];
    stack.reading(profile, &[&arguments, more].concat())
}

fn one_object(printed: &str) -> serde_json::Value {
    serde_json::from_str(printed).unwrap()
}

#[test]
fn a_colleagues_letter_stays_good_when_somebody_else_issues_more() {
    let agency = Agency::open(2);
    let stack = &agency.stack;
    // cw1 enrolled the citizen and keeps the invitation, but cw2 writes the first letter.
    let first = one_object(&issue(&agency, "cw2", "first", &["--new-letter"]).ok());
    assert_eq!(first["delivery"], "letter");
    let second = one_object(&issue(&agency, "cw1", "second", &[]).ok());
    assert_eq!(second["delivery"], "earlier-letter", "{second}");
    assert!(!stack.folder().join("second.html").exists());

    let html = fs::read_to_string(stack.folder().join("first.html")).unwrap();
    let code = stack.write("code", letter_code(&html).as_bytes());
    let _ = stack
        .obhut("citizen", &["activate", code.to_str().unwrap()])
        .ok();
    let inbox = stack.json("citizen", &["inbox"]);
    let titles: Vec<_> = inbox["documents"].as_array().unwrap().iter().collect();
    assert_eq!(titles.len(), 2, "{inbox}");
    for issued in [&first, &second] {
        let document = text(issued, "document");
        assert!(!stack.content("citizen", &document).is_empty());
    }
}

#[test]
fn a_new_letter_asks_first_and_names_what_must_be_issued_again() {
    let agency = Agency::open(1);
    let first = one_object(&issue(&agency, "cw1", "first", &[]).ok());
    let said = issue(&agency, "cw1", "second", &["--new-letter"]).fails_with(2);
    let document = text(&first, "document");
    assert!(said.contains(&document) && said.contains("--yes"), "{said}");
    let again = one_object(&issue(&agency, "cw1", "second", &["--new-letter", "--yes"]).ok());
    assert_eq!(again["delivery"], "letter");
}

#[test]
fn a_blank_purpose_or_legal_basis_opens_nothing() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"not without a reason");
    let before = stack.quiet_access_entries();
    for (purpose, basis) in [("", "§ 1 Testgesetz"), ("Testzweck", " "), ("\t", "")] {
        let get = [
            "get",
            &document,
            "--purpose",
            purpose,
            "--legal-basis",
            basis,
        ];
        let said = stack.obhut("cw1", &get).fails_with(2);
        assert!(said.contains("blank"), "{said}");
    }
    assert_eq!(stack.quiet_access_entries(), before);
}

#[test]
fn a_place_that_cannot_be_written_to_is_noticed_before_anything_is_done() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"some content");
    let before = stack.quiet_access_entries();
    let nowhere = stack.folder().join("no/such/file");
    let nowhere = nowhere.to_str().unwrap();
    let file = stack.write("a-file", b"in the way");
    let file = file.to_str().unwrap();
    let issue = [
        "issue",
        &document,
        "--to",
        &agency.citizen,
        "--letter",
        nowhere,
    ];
    for reading in [
        &["get", &document, "--output", nowhere][..],
        &["export", &agency.case, file],
        &issue,
    ] {
        let said = stack.reading("cw1", reading).fails_with(1);
        assert!(!said.contains(".obhut-"), "{said}");
    }
    let invite = ["invite", "Test Person 9", "--output", nowhere];
    let said = stack.obhut("registrar", &invite).fails_with(1);
    assert!(said.contains("no such file or folder"), "{said}");
    assert_eq!(stack.quiet_access_entries(), before);
}

#[test]
fn an_export_that_was_broken_off_goes_on_and_a_refused_one_leaves_no_folder() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    for (name, content) in [("a.txt", "one"), ("b.txt", "two"), ("empty", "")] {
        agency.put(name, content.as_bytes());
    }
    let target = stack.folder().join("out");
    let export = ["export", &agency.case, target.to_str().unwrap(), "--json"];
    let _ = stack.reading("cw1", &export).ok();
    assert_eq!(files_below(&target).len(), 3);

    fs::remove_file(target.join("a.txt")).unwrap();
    let again = one_object(&stack.reading("cw1", &export).ok());
    let kept: Vec<_> = again["written"].as_array().unwrap().iter().collect();
    assert_eq!(kept.len(), 3, "{again}");
    let was_there = |name: &str| {
        let found = kept.iter().find(|written| written["path"] == name);
        found.unwrap()["was_there"] == true
    };
    assert!(!was_there("a.txt") && was_there("b.txt") && was_there("empty"));

    // Same length, another text: it is not ours to replace.
    fs::write(target.join("b.txt"), "TWO").unwrap();
    let said = stack.reading("cw1", &export).fails_with_report(5);
    assert!(said.contains("b.txt"), "{said}");
    assert_eq!(fs::read(target.join("b.txt")).unwrap(), b"TWO");

    let stranger = stack.join("stranger", "caseworker");
    let unit = ["unit", "create", "Test Unit 2", &stranger];
    let _ = stack.obhut("registrar", &unit).ok();
    let stolen = stack.folder().join("stolen");
    let export = ["export", &agency.case, stolen.to_str().unwrap()];
    let _ = stack.reading("stranger", &export).fails_with(4);
    assert!(!stolen.exists());
}

#[test]
fn standard_output_that_is_full_or_left_is_no_success() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.bin", &vec![7; 400_000]);
    let get = [&["get", document.as_str()][..], &REASON].concat();

    let mut command = stack.command("cw1", &get);
    command.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
    let full = run(&mut command);
    assert!(full.stderr.contains("standard output"), "{}", full.stderr);
    assert_eq!(full.code, 1);

    let mut command = stack.command("cw1", &get);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut start = [0; 10];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut start).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(141));
}

#[test]
fn a_range_behind_the_end_says_how_long_the_document_is() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.bin", &[7; 6_000]);
    let get = ["get", &document, "--range", "7000-8000"];
    let said = stack.reading("cw1", &get).fails_with(2);
    assert!(said.contains("6000 bytes"), "{said}");
    let get = ["get", &document, "--revision", "9"];
    let said = stack.reading("cw1", &get).fails_with(4);
    assert!(said.contains("no revision 9"), "{said}");
}
