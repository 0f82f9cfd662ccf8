//! The life of a document with the real programs: what a person can do, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use obhut_e2e::{
    Agency, CLASS, REASON, copy_folder, files_below, letter_code, random_bytes, run, text,
};

#[test]
fn a_colleague_finds_opens_and_exports_what_was_filed() {
    let agency = Agency::open(2);
    let stack = &agency.stack;
    let content = random_bytes(1, 50_000);
    let document = agency.put("Größe und Maß.pdf", &content);

    let show = [&["case", "show", &agency.reference], &REASON[..]].concat();
    let shown = stack.json_lines("cw2", &show);
    assert_eq!(text(&shown[0], "case"), agency.case);
    assert_eq!(text(&shown[1], "title"), "Größe und Maß.pdf");
    assert_eq!(stack.content("cw2", &document), content);

    let part = stack.folder().join("part");
    let target = part.to_str().unwrap();
    let get = [
        "get",
        &document,
        "--range",
        "16380-16390",
        "--output",
        target,
    ];
    let _ = stack.reading("cw2", &get).ok();
    assert_eq!(fs::read(&part).unwrap(), content[16_380..=16_390]);

    let export = stack.folder().join("handed/over/export");
    let arguments = ["export", &agency.case, export.to_str().unwrap()];
    let _ = stack.reading("cw2", &arguments).ok();
    let exported = files_below(&export);
    assert_eq!(exported.len(), 1, "{exported:?}");
    assert_eq!(exported[0].file_name().unwrap(), "Größe und Maß.pdf");
    assert_eq!(fs::read(&exported[0]).unwrap(), content);
}

#[test]
fn a_citizen_opens_what_was_issued_and_sees_who_opened_what() {
    let agency = Agency::open(2);
    let stack = &agency.stack;
    let content = "Dem Antrag wird stattgegeben.\n".repeat(500);
    let document = agency.put("Bescheid.txt", content.as_bytes());
    assert_eq!(stack.content("cw2", &document), content.as_bytes());

    let letter = stack.folder().join("letter.html");
    let issue = [
        "issue",
        &document,
        "--to",
        &agency.citizen,
        "--letter",
        letter.to_str().unwrap(),
    ];
    let issued = text(
        &stack.json("cw1", &[&issue[..], &REASON].concat()),
        "document",
    );
    let code = letter_code(&fs::read_to_string(&letter).unwrap());
    let code = stack.write("code", code.as_bytes());
    let _ = stack
        .obhut("citizen", &["activate", code.to_str().unwrap()])
        .ok();

    let inbox = stack.json("citizen", &["inbox"]);
    assert_eq!(text(&inbox["documents"][0], "document"), issued);
    assert_eq!(stack.content("citizen", &issued), content.as_bytes());

    let log = stack.json("citizen", &["log", "mine"]);
    let entries = log["entries"].as_array().unwrap();
    let opened = entries
        .iter()
        .find(|entry| entry["act"] == "open-document" && entry["role"] == "caseworker")
        .unwrap_or_else(|| panic!("no caseworker opened anything: {log}"));
    assert_eq!(text(opened, "purpose"), REASON[1]);
    assert_eq!(text(opened, "unit"), agency.unit);
    assert_eq!(text(opened, "legal_basis"), REASON[3]);
    // Filing, issuing and the reading before the letter came are there too.
    for act in ["enrol-person", "create-case", "file-documents"] {
        assert!(
            entries.iter().any(|entry| entry["act"] == act),
            "{act}: {log}"
        );
    }

    // The letter is used up.
    let again = stack.obhut("thief", &["activate", code.to_str().unwrap()]);
    let said = again.fails_with(4);
    assert!(said.contains("office that sent you the letter"), "{said}");
}

#[test]
fn strangers_former_members_and_revoked_devices_are_refused() {
    let agency = Agency::open(2);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"not for strangers");
    let stranger = stack.join("stranger", "caseworker");
    let _ = stack
        .obhut("registrar", &["unit", "create", "Test Unit 2", &stranger])
        .ok();

    let stolen = stack.folder().join("stolen");
    let before = stack.quiet_access_entries();
    let said = stack.get("stranger", &document, &stolen).fails_with(4);
    assert!(!said.trim().is_empty());
    assert!(!stolen.exists());
    stack.wait_for_access_entries(before);

    let member = &agency.caseworkers[1];
    let remove = ["unit", "remove", &agency.unit, member, "--yes"];
    let epoch = stack.json("registrar", &remove)["epoch"].as_u64().unwrap();
    assert!(epoch >= 2, "epoch {epoch}");
    let _ = stack.get("cw2", &document, &stolen).fails_with(4);
    let later = agency.put("b.txt", b"under the new epoch");
    let _ = stack.get("cw2", &later, &stolen).fails_with(4);
    assert_eq!(stack.content("cw1", &later), b"under the new epoch");
    assert_eq!(stack.content("cw1", &document), b"not for strangers");

    let devices = stack.json_lines("stranger", &["devices", "list"]);
    let device = text(&devices[0], "device");
    let _ = stack
        .obhut(
            "registrar",
            &["devices", "revoke", &device, "--lost", "--yes"],
        )
        .ok();
    let _ = stack.obhut("stranger", &["case", "list"]).fails_with(3);
    assert!(!stolen.exists());
    let _ = stack.verify_logs().ok();
}

#[test]
fn a_refusal_is_told_to_the_citizen_it_was_about() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"about the citizen");
    let stranger = stack.join("stranger", "caseworker");
    let _ = stack
        .obhut("registrar", &["unit", "create", "Test Unit 2", &stranger])
        .ok();
    let letter = stack.folder().join("letter.html");
    let issue = [
        "issue",
        &document,
        "--to",
        &agency.citizen,
        "--letter",
        letter.to_str().unwrap(),
    ];
    let _ = stack.reading("cw1", &issue).ok();
    let code = letter_code(&fs::read_to_string(&letter).unwrap());
    let code = stack.write("code", code.as_bytes());
    let _ = stack
        .obhut("citizen", &["activate", code.to_str().unwrap()])
        .ok();
    let stolen = stack.folder().join("stolen");
    let _ = stack.get("stranger", &document, &stolen).fails_with(4);

    let log = stack.json("citizen", &["log", "mine"]);
    let entries = log["entries"].as_array().unwrap();
    let refused: Vec<_> = entries
        .iter()
        .filter(|entry| entry["decision"] == "refused")
        .collect();
    assert_eq!(refused.len(), 1, "{log}");
    assert_eq!(refused[0]["act"], "open-document");
}

#[test]
fn the_logs_verify_offline_with_the_card_alone_and_damage_is_found() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.txt", b"some content");
    assert_eq!(stack.content("cw1", &document), b"some content");
    agency.verify_case();
    let said = stack.verify_logs().ok();
    assert!(said.lines().count() >= 4, "{said}");
    let first = said.lines().next().unwrap().to_lowercase();
    assert!(
        first.contains("itself") || first.contains("self"),
        "the assurance does not come first: {first}"
    );

    let copy = stack.folder().join("tiles-copy");
    let tiles = files_below(&copy);
    let is_entries = |path: &&PathBuf| path.to_str().unwrap().contains("/entries/");
    // The head needs the longest one; shorter ones are of older heads.
    let length = |path: &&PathBuf| fs::metadata(path).unwrap().len();
    let entries = tiles.iter().filter(is_entries).max_by_key(length).unwrap();
    let mut bytes = fs::read(entries).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(entries, bytes).unwrap();
    let _ = stack.verify_tiles(&copy).fails_with(6);
}

#[test]
fn case_verify_notices_an_object_that_was_changed_on_disk() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let document = agency.put("a.bin", &random_bytes(2, 40_000));
    agency.verify_case();
    let objects = stack.objects();
    let object = objects.first().unwrap();
    let mut bytes = fs::read(object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(object, bytes).unwrap();
    let verify = ["case", "verify", &agency.case, "--objects"];
    let _ = stack.obhut("cw1", &verify).fails_with(6);
    let target = stack.folder().join("changed");
    let _ = stack.get("cw1", &document, &target).fails_with(6);
    assert!(!target.exists());
}

#[test]
fn a21_documents_of_sizes_around_a_chunk_come_back_identical() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    for size in [0, 1, 16_383, 16_384, 16_385] {
        let content = random_bytes(size as u64, size);
        let document = agency.put(&format!("{size}.bin"), &content);
        assert_eq!(stack.content("cw1", &document), content, "{size} bytes");
        let get = ["get", &document, "--range", "16383-16390"];
        let mut part = stack.command("cw1", &[&get[..], &REASON].concat());
        let part = part.output().unwrap();
        let wanted = content.get(16_383.min(size)..16_391.min(size)).unwrap();
        assert_eq!(
            part.status.success(),
            !wanted.is_empty(),
            "{}",
            String::from_utf8_lossy(&part.stderr)
        );
        assert_eq!(part.stdout, wanted, "the range of {size} bytes");
    }
    agency.verify_case();
}

#[test]
fn an_import_takes_every_name_and_reports_what_is_no_file() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let tree = stack.folder().join("tree");
    let folder = tree.join("Akte Ölmühle/unter Ordner");
    fs::create_dir_all(&folder).unwrap();
    for size in [0, 1, 16_383, 16_384, 16_385] {
        let name = format!("Größe {size}.bin");
        fs::write(folder.join(name), random_bytes(size as u64, size)).unwrap();
    }
    let odd = OsStr::from_bytes(b"kein utf-8 \xff\xe4.txt");
    fs::write(folder.join(odd), b"a name that is no text").unwrap();
    std::os::unix::fs::symlink("Größe 1.bin", folder.join("link")).unwrap();
    let made = run(Command::new("mkfifo").arg(folder.join("pipe")));
    assert_eq!(made.code, 0, "{}", made.stderr);
    let map = stack.write(
        "map.csv",
        "folder,person,reference\nAkte Ölmühle,Test Citizen 2,7-1/26\n".as_bytes(),
    );

    let import = [
        "import",
        tree.to_str().unwrap(),
        "--class",
        CLASS,
        "--subjects",
        map.to_str().unwrap(),
        "--json",
    ];
    let first = import_report(&stack.obhut("cw1", &import).fails_with_report(5));
    assert_eq!(first["stored_files"], 6);
    let reasons: Vec<&str> = first["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skipped| skipped["path"].as_str().unwrap())
        .collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().any(|path| path.ends_with("link")));
    assert!(reasons.iter().any(|path| path.ends_with("pipe")));

    let again = import_report(&stack.obhut("cw1", &import).fails_with_report(5));
    assert_eq!(again["stored_files"], 0);
    assert_eq!(again["unchanged_files"], 6);

    fs::remove_file(folder.join("link")).unwrap();
    fs::remove_file(folder.join("pipe")).unwrap();
    let clean = import_report(&stack.obhut("cw1", &import).ok());
    assert_eq!(clean["unchanged_files"], 6);

    let cases = stack.json_lines("cw1", &["case", "list"]);
    let case = cases
        .iter()
        .find(|case| case["reference"] == "7-1/26")
        .unwrap_or_else(|| panic!("{cases:?}"));
    assert_eq!(case["documents"], 6);
    let case = text(case, "case");
    let export = stack.folder().join("export");
    let _ = stack
        .reading("cw1", &["export", &case, export.to_str().unwrap()])
        .ok();
    same_tree(&tree.join("Akte Ölmühle"), &export);
    let _ = stack
        .obhut("cw1", &["case", "verify", &case, "--objects"])
        .ok();
}

fn import_report(printed: &str) -> serde_json::Value {
    serde_json::from_str(printed.lines().next().unwrap()).unwrap()
}

/// Every file of `source` is in the export under the end of its path, byte for byte, and nothing else.
fn same_tree(source: &Path, export: &Path) {
    let exported = files_below(export);
    let sources = files_below(source);
    assert_eq!(exported.len(), sources.len(), "{exported:?}");
    for file in sources {
        let path = file.strip_prefix(source).unwrap();
        let found = exported.iter().find(|found| found.ends_with(path));
        let found = found.unwrap_or_else(|| panic!("{} is not in {exported:?}", path.display()));
        assert_eq!(fs::read(found).unwrap(), fs::read(&file).unwrap());
    }
}

#[test]
fn an_old_copy_of_the_logs_is_a_stage_of_the_new_ones() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    agency.put("a.txt", b"first");
    let old = stack.folder().join("old-tiles");
    copy_folder(&stack.data().join("tiles"), &old);
    agency.put("b.txt", b"second");
    let new = stack.folder().join("new-tiles");
    copy_folder(&stack.data().join("tiles"), &new);
    let heads = |folder: &Path| {
        let found = files_below(folder)
            .into_iter()
            .filter(|path| path.ends_with("checkpoint"));
        found.collect::<Vec<_>>()
    };
    let card = stack.folder().join("home/registrar/card");
    let verify = |tiles: &Path, seen: &Path| {
        let mut arguments = vec!["log", "verify", "--tiles", tiles.to_str().unwrap()];
        arguments.extend(["--card", card.to_str().unwrap()]);
        let seen = heads(seen);
        for head in &seen {
            arguments.extend(["--seen", head.to_str().unwrap()]);
        }
        stack.obhut("nobody", &arguments)
    };
    let _ = verify(&new, &old).ok();
    // The other way round the log has lost what a signed head counts.
    let said = verify(&old, &new).fails_with(6);
    assert!(said.contains("short"), "{said}");
}
