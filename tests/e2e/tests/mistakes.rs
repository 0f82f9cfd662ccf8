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

const EVIL: &str = "evil\u{1b}[31m\nobhut: forged\r\u{202e}title";

#[test]
fn names_of_others_steer_no_terminal_and_forge_no_line() {
    let agency = Agency::open(2);
    let stack = &agency.stack;
    let file = stack.write("a.txt", b"content");
    let put = ["put", &agency.case, file.to_str().unwrap(), "--title", EVIL];
    let document = text(&stack.json("cw1", &put), "document");
    let new = [
        "case",
        "new",
        "--reference",
        EVIL,
        "--title",
        EVIL,
        "--class",
        CLASS,
    ];
    let _ = stack.obhut("cw1", &new).ok();
    let target = stack.folder().join("out");
    let target = target.to_str().unwrap();
    let code = {
        let issue = ["issue", &document, "--to", &agency.citizen, "--letter"];
        let letter = stack.folder().join("letter.html");
        let issue = [&issue[..], &[letter.to_str().unwrap()]].concat();
        let _ = stack.reading("cw1", &issue).ok();
        let code = letter_code(&fs::read_to_string(letter).unwrap());
        stack.write("code", code.as_bytes())
    };
    let _ = stack
        .obhut("citizen", &["activate", code.to_str().unwrap()])
        .ok();
    for (profile, command) in [
        ("cw2", &["case", "show", &agency.case][..]),
        ("cw2", &["case", "list"]),
        ("cw2", &["get", &document, "--output", target]),
        ("citizen", &["inbox"]),
    ] {
        let command = if command[0] == "inbox" {
            command.to_vec()
        } else {
            [command, &REASON].concat()
        };
        let said = stack.obhut(profile, &command).ok();
        assert!(said.contains("evil"), "{said}");
        let steers = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(!said.contains(steers), "{said:?}");
        assert!(!said.contains("\nobhut: forged"), "{said}");
    }
}

#[test]
fn e02_who_filed_a_document_is_shown_wherever_it_is_shown() {
    let agency = Agency::open(2);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"content");
    let author = &agency.caseworkers[0];
    let show = ["case", "show", &agency.case];
    let said = stack.reading("cw2", &show).ok();
    assert!(said.contains(author), "{said}");
    let target = stack.folder().join("out");
    let said = stack.get("cw2", &document, &target).ok();
    assert!(said.contains(author), "{said}");
    let printed = stack.reading("cw2", &["get", &document]);
    assert!(printed.stderr.contains(author), "{}", printed.stderr);
    assert_eq!(printed.ok(), "content");
}

#[test]
fn an_import_says_whom_its_cases_are_about_and_hears_a_later_map() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    stack.write("tree/alpha/a.txt", b"one");
    stack.write("tree/beta/b.txt", b"two");
    let tree = stack.folder().join("tree");
    let import = ["import", tree.to_str().unwrap(), "--class", CLASS];
    let with_map = |rows: &str| {
        let map = stack.write("map.csv", format!("folder,person\n{rows}").as_bytes());
        let map = map.to_str().unwrap().to_owned();
        stack.obhut(
            "cw1",
            &[&import[..], &["--subjects", &map, "--json"]].concat(),
        )
    };

    let said = with_map("Alpha,Test Person 7\n").fails_with(2);
    assert!(said.contains("there is no folder Alpha"), "{said}");
    let blank = [&import[..], &["--reference", " "]].concat();
    let _ = stack.obhut("cw1", &blank).fails_with(2);

    let said = stack.obhut("cw1", &import).ok();
    assert!(said.contains("2 case files are about nobody"), "{said}");
    let later = one_object(&with_map("alpha,Test Person 7\n").ok());
    assert_eq!(later["subjects_added"], 1, "{later}");
    assert_eq!(later["cases_without_subjects"], 1);
    assert_eq!(later["unchanged_files"], 2);
    let alpha = stack.json_lines("cw1", &["case", "show", "alpha"]);
    assert_eq!(alpha[0]["subjects"].as_array().unwrap().len(), 1);

    let other = ["import", tree.to_str().unwrap(), "--class", "other-1y"];
    let said = stack.obhut("cw1", &other).ok();
    assert!(
        said.contains("2 case files were there already under another"),
        "{said}"
    );
    let empty = stack.folder().join("empty");
    fs::create_dir(&empty).unwrap();
    let import = ["import", empty.to_str().unwrap(), "--class", CLASS];
    let said = stack.obhut("cw1", &import).ok();
    assert!(said.contains("no folder in it"), "{said}");
}

#[test]
fn a_second_thing_of_the_same_name_is_asked_about_first() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let case = [
        "case",
        "new",
        "--reference",
        &agency.reference,
        "--title",
        "x",
        "--class",
        CLASS,
    ];
    let said = stack.obhut("cw1", &case).fails_with(2);
    assert!(
        said.contains(&agency.case) && said.contains("--yes"),
        "{said}"
    );
    let person = ["subject", "add", &agency.case, "--name", "Test Citizen"];
    let said = stack.obhut("cw1", &person).fails_with(2);
    assert!(said.contains(&agency.citizen), "{said}");
    let unit = ["unit", "create", "Test Unit 1"];
    let said = stack.obhut("registrar", &unit).fails_with(2);
    assert!(said.contains(&agency.unit), "{said}");
    let again = ["unit", "add", &agency.unit, &agency.caseworkers[0]];
    let _ = stack.obhut("registrar", &again).fails_with(4);

    let _ = stack.obhut("cw1", &[&case[..], &["--yes"]].concat()).ok();
    // Two now: the reference alone does not say which.
    let close = ["case", "close", &agency.reference];
    let said = stack.obhut("cw1", &close).fails_with(2);
    assert!(said.contains(&agency.case), "{said}");
}

#[test]
fn a_case_is_named_by_its_file_reference_and_told_when_it_is_closed() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let reference = &agency.reference;
    let file = stack.write("a.txt", b"content");
    let _ = stack.put("cw1", reference, &file);
    let target = stack.folder().join("out");
    let export = ["export", reference, target.to_str().unwrap()];
    let _ = stack.reading("cw1", &export).ok();
    assert_eq!(files_below(&target).len(), 1);
    let _ = stack.obhut("cw1", &["case", "verify", reference]).ok();

    let future = ["case", "close", reference, "--on", "2999-01-01"];
    let _ = stack.obhut("cw1", &future).fails_with(2);
    let open = stack
        .obhut("cw1", &["case", "reopen", reference])
        .fails_with(4);
    assert!(open.contains("is open"), "{open}");
    let _ = stack.obhut("cw1", &["case", "close", reference]).ok();
    let twice = stack
        .obhut("cw1", &["case", "close", reference])
        .fails_with(4);
    assert!(twice.contains("closed already"), "{twice}");
    let subject = ["subject", "add", reference, &agency.citizen];
    let said = stack.obhut("cw1", &subject).fails_with(4);
    assert!(said.contains("already"), "{said}");
}

#[test]
fn words_dates_and_types_that_are_none_are_refused() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let file = stack.write("a.txt", b"content");
    let file = file.to_str().unwrap();
    for more in [
        ["--date", "2026-13-45"],
        ["--title", " "],
        ["--media-type", "x y z"],
    ] {
        let put = ["put", &agency.case, file];
        let _ = stack
            .obhut("cw1", &[&put[..], &more].concat())
            .fails_with(2);
    }
    let _ = stack.obhut("registrar", &["invite", ""]).fails_with(2);
    let missing = ["put", &agency.case, "no/such/file"];
    let said = stack.obhut("cw1", &missing).fails_with(1);
    assert!(said.contains("no such file or folder"), "{said}");
    let said = stack.obhut("cw1", &["foo", "--json"]).fails_with(2);
    assert_eq!(one_object(&said)["error"], "usage");
}

#[test]
fn a_short_passphrase_protects_no_new_keys() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let invitation = stack.folder().join("invitation");
    let invitation = invitation.to_str().unwrap();
    let invite = ["invite", "Test Person 8", "--output", invitation];
    let _ = stack.obhut("registrar", &invite).ok();
    let short = stack.write("short", b"short\n");
    let mut join = stack.command("eight", &["join", invitation]);
    let said = run(join.env("OBHUT_PASSPHRASE_FILE", &short)).fails_with(2);
    assert!(said.contains("12 characters"), "{said}");
    // The invitation is still good.
    let _ = stack.obhut("eight", &["join", invitation]).ok();
}

#[test]
fn the_doctor_and_a_revoked_device_say_only_what_is_so() {
    let mut agency = Agency::open(1);
    let device = {
        let devices = agency.stack.json_lines("cw1", &["devices", "list"]);
        text(&devices[0], "device")
    };
    let revoke = ["devices", "revoke", &device, "--yes"];
    let _ = agency.stack.obhut("registrar", &revoke).ok();
    let before = agency.stack.quiet_access_entries();
    let said = agency.stack.obhut("cw1", &["case", "list"]).fails_with(3);
    assert!(!said.contains("access log"), "{said}");
    assert_eq!(agency.stack.quiet_access_entries(), before);

    let foreign = obhut_e2e::Stack::start();
    agency.stack.redirect("registrar", &foreign.url);
    let said = agency.stack.obhut("registrar", &["doctor"]);
    assert!(said.stdout.contains("BROKEN   card"), "{}", said.stdout);
    assert_eq!(said.code, 1, "{}", said.stderr);
    agency.stack.redirect("registrar", &agency.stack.url);
    agency.stack.kill();
    let _ = agency.stack.obhut("registrar", &["doctor"]).fails_with(1);
}

#[test]
fn the_link_of_a_letter_leads_to_a_page_that_says_what_to_do() {
    use std::io::Write as _;
    let stack = obhut_e2e::Stack::start();
    let address = stack.url.trim_start_matches("http://");
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("text/html") && answer.contains("obhut activate"),
        "{answer}"
    );
}
