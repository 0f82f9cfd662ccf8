//! Machines in trouble: a full disk, a folder that cannot be written, a clock that is off, a file that changes. Each
//! time a clear error, nothing half-written, nothing acknowledged lost, and the same command works afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use obhut_e2e::{
    Agency, CLASS, REASON, SmallDisk, Stack, cannot_run_without, files_below, random_bytes, run,
    shift_clock,
};

const DAY_S: i64 = 86_400;

#[test]
fn a_full_disk_at_the_server_is_named_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), 16) else {
        return;
    };
    let agency = Agency::in_stack(Stack::start_in(&disk.folder.join("vault")), 1);
    let stack = &agency.stack;
    let mut kept = Vec::new();
    let refused = loop {
        let content = random_bytes(kept.len() as u64, 1_500_000);
        let file = stack.write("next.bin", &content);
        let put = ["put", &agency.case, file.to_str().unwrap(), "--json"];
        let run = stack.obhut("cw1", &put);
        if run.code != 0 {
            break run;
        }
        let stored: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        kept.push((stored["document"].as_str().unwrap().to_owned(), content));
        assert!(kept.len() < 12, "the disk never fills");
    };
    println!("full after {} documents: {}", kept.len(), refused.stderr);
    assert!(!kept.is_empty());
    assert!(matches!(refused.code, 1 | 4 | 7), "exit {}", refused.code);
    let said = refused.stderr.to_lowercase();
    assert!(
        ["space", "storage", "full", "disk"]
            .iter()
            .any(|word| said.contains(word)),
        "the error does not name the cause: {said}"
    );

    disk.resize(64);
    let last = random_bytes(99, 1_500_000);
    kept.push((agency.put("last.bin", &last), last));
    for (document, content) in &kept {
        assert!(stack.content("cw1", document) == *content, "{document}");
    }
    agency.verify_case();
    let _ = stack.verify_logs().ok();
    assert_eq!(
        stack.objects().len(),
        kept.len(),
        "an unfinished object was left"
    );
    drop(agency);
}

#[test]
fn a_full_disk_at_the_client_leaves_no_file() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let Some(disk) = SmallDisk::mount(&stack.folder().join("disk"), 1) else {
        return;
    };
    let content = random_bytes(7, 3_000_000);
    let document = agency.put("large.bin", &content);
    let target = disk.folder.join("large.bin");
    let said = stack.get("cw1", &document, &target).fails_with(1);
    assert!(said.contains("space"), "{said}");
    assert!(files_below(&disk.folder).is_empty());
    disk.resize(16);
    let _ = stack.get("cw1", &document, &target).ok();
    assert!(fs::read(&target).unwrap() == content);
}

#[test]
fn a_full_disk_under_the_profile_breaks_nothing() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let home = stack.folder().join("home");
    let kept = stack.folder().join("home-kept");
    fs::rename(&home, &kept).unwrap();
    let Some(disk) = SmallDisk::mount(&home, 4) else {
        return;
    };
    let copied = run(Command::new("cp")
        .arg("-a")
        .arg(kept.join("cw1"))
        .arg(&home));
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let ballast = disk.fill();
    let file = stack.write("a.bin", &random_bytes(1, 50_000));
    let put = ["put", &agency.case, file.to_str().unwrap()];
    let said = stack.obhut("cw1", &put).fails_with(1);
    assert!(said.contains("space"), "{said}");
    fs::remove_file(ballast).unwrap();
    let document = stack.put("cw1", &agency.case, &file);
    assert_eq!(stack.content("cw1", &document), fs::read(&file).unwrap());
}

#[test]
fn a_folder_the_server_may_not_write_is_named_and_works_again_afterwards() {
    if !run(Command::new("id").arg("-u")).stdout.trim().eq("0") {
        cannot_run_without("root, to start the server as somebody else");
        return;
    }
    let mut agency = Agency::open(1);
    let document = agency.put("a.bin", b"filed while all was well");
    agency.stack.kill();
    let data = agency.stack.data();
    agency.stack.run_server_as(65_534);

    // The data belongs to somebody else: it does not start, and says where.
    let refused = agency.stack.try_serve();
    assert_ne!(refused.code, 0);
    let said = format!("{}{}", refused.stdout, refused.stderr);
    println!("at the start: {said}");
    assert!(said.contains("vault"), "the error names no place: {said}");
    assert!(said.to_lowercase().contains("permission"), "{said}");

    own(&data, "65534");
    own(&agency.stack.folder().join("vault-gate-key"), "65534");
    agency.stack.serve("127.0.0.1:0");
    agency.stack.redirect("cw1", &agency.stack.url);
    assert_eq!(
        agency.stack.content("cw1", &document),
        b"filed while all was well"
    );

    // While it runs its objects become read-only.
    let objects = data.join("objects");
    modes(&objects, 0o555);
    let file = agency.stack.write("b.bin", &random_bytes(3, 20_000));
    let before = agency.stack.objects();
    let put = ["put", &agency.case, file.to_str().unwrap()];
    let refused = agency.stack.obhut("cw1", &put);
    println!("while running: exit {}: {}", refused.code, refused.stderr);
    assert!(matches!(refused.code, 1 | 4 | 7), "exit {}", refused.code);
    assert_eq!(agency.stack.objects(), before);
    modes(&objects, 0o755);
    let _ = agency.stack.obhut("cw1", &put).ok();
    agency.verify_case();
    let _ = agency.stack.verify_logs().ok();
}

fn own(path: &std::path::Path, owner: &str) {
    let done = run(Command::new("chown").args(["-R", owner]).arg(path));
    assert_eq!(done.code, 0, "{}", done.stderr);
}

/// Sets the mode of all folders below.
fn modes(folder: &std::path::Path, mode: u32) {
    for entry in walkdir::WalkDir::new(folder).contents_first(true) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

#[test]
fn a_client_whose_clock_is_off_by_a_day_is_told_so() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let Some(shifter) = stack.clock_shifter() else {
        return;
    };
    let file = stack.write("a.bin", b"at the right time");
    let document = stack.put("cw1", &agency.case, &file);
    for shift in [DAY_S, -DAY_S] {
        let target = stack.folder().join("opened");
        let get = ["get", &document, "--output", target.to_str().unwrap()];
        let get = [&get[..], &REASON].concat();
        let put = ["put", &agency.case, file.to_str().unwrap()];
        for arguments in [&get[..], &put] {
            let mut command = stack.command("cw1", arguments);
            shift_clock(&mut command, &shifter, shift);
            let refused = run(&mut command);
            assert_eq!(refused.code, 1, "{shift} s: {}", refused.stderr);
            assert!(
                refused.stderr.contains("clock"),
                "{shift} s: {}",
                refused.stderr
            );
            assert!(!target.exists());
        }
    }
    assert_eq!(stack.content("cw1", &document), b"at the right time");
    agency.verify_case();
}

#[test]
fn a_server_whose_clock_is_off_by_a_day_is_noticed() {
    let mut agency = Agency::open(1);
    let document = agency.put("a.bin", b"at the right time");
    let Some(shifter) = agency.stack.clock_shifter() else {
        return;
    };
    for shift in [-DAY_S, DAY_S] {
        agency
            .stack
            .shift_server_clock(Some((shifter.clone(), shift)));
        agency.stack.kill_and_restart();
        let target = agency.stack.folder().join("opened");
        let refused = agency.stack.get("cw1", &document, &target);
        println!("{shift} s: exit {}: {}", refused.code, refused.stderr);
        assert_eq!(refused.code, 1, "{shift} s: {}", refused.stderr);
        assert!(
            refused.stderr.contains("clock"),
            "{shift} s: {}",
            refused.stderr
        );
        assert!(!target.exists());
    }
}

#[test]
fn a_source_that_changes_during_import_is_reported_and_stored_when_it_rests() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let tree = stack.folder().join("tree");
    stack.write("tree/case/steady.bin", &random_bytes(1, 30_000));
    let restless = stack.write("tree/case/restless.bin", &random_bytes(2, 20_000_000));
    let import = ["import", tree.to_str().unwrap(), "--class", CLASS, "--json"];

    let stop = AtomicBool::new(false);
    let first = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().append(true).open(&restless).unwrap();
            while !stop.load(Ordering::SeqCst) {
                file.write_all(b"one more line\n").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let first = stack.obhut("cw1", &import);
        stop.store(true, Ordering::SeqCst);
        first
    });
    println!("{}{}", first.stdout, first.stderr);
    let report: serde_json::Value = serde_json::from_str(&first.fails_with_report(5)).unwrap();
    assert_eq!(report["stored_files"], 1, "{report}");
    let skipped = report["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 1);
    assert!(
        skipped[0]["path"]
            .as_str()
            .unwrap()
            .ends_with("restless.bin")
    );

    let report = stack.json("cw1", &import[..4]);
    assert_eq!(report["stored_files"], 1, "{report}");
    let cases = stack.json_lines("cw1", &["case", "list"]);
    let case = cases
        .iter()
        .find(|case| case["reference"] == "case")
        .unwrap();
    assert_eq!(case["documents"], 2);
    let export = stack.folder().join("export");
    let arguments = [
        "export",
        case["case"].as_str().unwrap(),
        export.to_str().unwrap(),
    ];
    let _ = stack.reading("cw1", &arguments).ok();
    let exported = files_below(&export);
    let found = exported
        .iter()
        .find(|path| path.ends_with("restless.bin"))
        .unwrap();
    assert!(fs::read(found).unwrap() == fs::read(&restless).unwrap());
}
