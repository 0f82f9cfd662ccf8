//! What the client does with honest vaults, and what it refuses from lying ones, on the built binaries.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use obhut_e2e::{LyingProxy, Seen, Stack, run};
use obhut_format::Cbor;
use obhut_format::reading::RecordsPage;
use obhut_format::release::ReleaseAnswer;

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

    /// Lets the second caseworker reach the vault through a liar from now on.
    fn lie(&self, lie: impl Fn(&mut Seen) -> bool + Send + Sync + 'static) -> LyingProxy {
        let proxy = LyingProxy::start(&self.stack.url, lie);
        let record = self.stack.folder().join("home/two/profile.json");
        let text = std::fs::read_to_string(&record).unwrap();
        std::fs::write(&record, text.replace(&self.stack.url, &proxy.url)).unwrap();
        proxy
    }

    /// The second caseworker opens a document through a liar, is told so, and no file is left.
    fn refuses(&self, document: &str, lie: impl Fn(&mut Seen) -> bool + Send + Sync + 'static) {
        let proxy = self.lie(lie);
        let output = path(&self.stack, "must-not-appear");
        let refused = self.stack.obhut("two", &Self::get(document, &output));
        assert!(proxy.lies_told() > 0, "the lie was never told");
        let _ = refused.fails_with(6);
        assert!(!PathBuf::from(&output).exists());
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

fn is_release(seen: &Seen) -> bool {
    seen.path.ends_with("/releases") && seen.status.is_success()
}

fn is_object(seen: &Seen) -> bool {
    seen.path.contains("/objects/") && seen.method == "GET"
}

fn edit_answer(seen: &mut Seen, change: impl FnOnce(&mut ReleaseAnswer)) {
    seen.edit_field("answer", |bytes| {
        let mut answer = ReleaseAnswer::from_bytes(bytes).unwrap();
        change(&mut answer);
        *bytes = answer.to_bytes();
    });
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
fn f30_founding_refuses_keys_that_the_code_does_not_commit_to() {
    for field in ["records_key", "access_key", "gate_key"] {
        let stack = Stack::start();
        let proxy = LyingProxy::start(&stack.url, move |seen| {
            let about = seen.path.split('/').count() == 4 && seen.path.contains("vault_");
            if about {
                seen.edit_field(field, |bytes| bytes[0] ^= 1);
            }
            about
        });
        let root = path(&stack, "root.txt");
        let found = [
            "found",
            &proxy.url,
            &stack.code_file(),
            "--agency",
            "Test Agency",
            "--registrar",
            "Test Person 1",
            "--root-file",
            &root,
        ];
        let _ = stack.obhut("registrar", &found).fails_with(6);
        assert!(proxy.lies_told() > 0 && !PathBuf::from(&root).exists());
    }
}

#[test]
fn c01_joining_refuses_another_vault_card() {
    let office = Office::open();
    let invitation = path(&office.stack, "three");
    let invite = ["invite", "Test Person", "--output", &invitation];
    let _ = office.stack.obhut("registrar", &invite).ok();
    let proxy = LyingProxy::start(&office.stack.url, |seen| {
        let about = seen.path.split('/').count() == 4 && seen.path.contains("vault_");
        if about {
            seen.edit_field("card_b64", |bytes| {
                let mut card = obhut_format::card::VaultCard::from_bytes(bytes).unwrap();
                card.gate_key[0] ^= 1;
                *bytes = card.to_bytes();
            });
        }
        about
    });
    let text = std::fs::read_to_string(&invitation).unwrap();
    let mut parsed = obhut_format::invite::parse_text(&text).unwrap();
    parsed.url.clone_from(&proxy.url);
    std::fs::write(&invitation, obhut_format::invite::to_text(&parsed)).unwrap();
    let _ = office
        .stack
        .obhut("three", &["join", &invitation])
        .fails_with(6);
    assert!(proxy.lies_told() > 0);
}

#[test]
fn a12_a_broken_last_chunk_leaves_no_file() {
    let office = Office::open();
    let document = office.put(&vec![5; 400_000]);
    office.refuses(&document, |seen| {
        let lies = is_object(seen);
        if lies {
            let last = seen.body.len() - 1;
            seen.body[last] ^= 1;
        }
        lies
    });
}

#[test]
fn a07_another_documents_object_is_refused() {
    let office = Office::open();
    let (one, other) = (office.put(b"one"), office.put(b"two"));
    let kept = Mutex::new(None);
    let proxy = office.lie(move |seen| {
        if !is_release(seen) {
            return false;
        }
        let mut kept = kept.lock().unwrap();
        let lies = kept.is_some();
        // Same length, same case, same reader: only the place differs.
        edit_answer(seen, |answer| {
            let object = &mut answer.documents[0].object;
            *object = *kept.get_or_insert(*object);
        });
        lies
    });
    let (first, second) = (path(&office.stack, "1"), path(&office.stack, "2"));
    let _ = office.stack.obhut("two", &Office::get(&one, &first)).ok();
    let swapped = office.stack.obhut("two", &Office::get(&other, &second));
    let _ = swapped.fails_with(6);
    assert!(proxy.lies_told() > 0 && !PathBuf::from(&second).exists());
}

#[test]
fn a08_an_earlier_revision_in_place_of_the_latest_is_refused() {
    let office = Office::open();
    let document = office.put(b"first");
    let file = office.file("second", b"second");
    let revise = [
        "put",
        &office.case,
        file.to_str().unwrap(),
        "--revises",
        &document,
    ];
    let _ = office.stack.obhut("one", &revise).ok();
    let earlier = Mutex::new(None);
    let proxy = office.lie(move |seen| {
        if !is_release(seen) {
            return false;
        }
        let mut earlier = earlier.lock().unwrap();
        let lies = earlier.is_some();
        edit_answer(seen, |answer| {
            let true_one = (answer.release.clone(), answer.documents.clone());
            let (release, documents) = earlier.get_or_insert(true_one).clone();
            answer.documents = documents;
            answer.release.shares[0].revision = release.shares[0].revision;
            answer.release.shares[0].share_id = release.shares[0].share_id;
        });
        lies
    });
    let (first, second) = (path(&office.stack, "1"), path(&office.stack, "2"));
    let mut old = Office::get(&document, &first);
    old.extend(["--revision", "1"]);
    let _ = office.stack.obhut("two", &old).ok();
    let said = office
        .stack
        .obhut("two", &Office::get(&document, &second))
        .fails_with(6);
    assert!(said.contains("latest") && proxy.lies_told() > 0, "{said}");
    assert!(!PathBuf::from(&second).exists());
}

#[test]
fn c04_a_records_log_that_goes_back_is_refused() {
    let office = Office::open();
    let first = Mutex::new(None::<String>);
    let goes_back = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&goes_back);
    let proxy = office.lie(move |seen| {
        if !seen.path.contains("/records?from=") {
            return false;
        }
        let lies = now.load(Ordering::SeqCst);
        let mut first = first.lock().unwrap();
        seen.edit_field("page", |bytes| {
            let mut page = RecordsPage::from_bytes(bytes).unwrap();
            let first = first.get_or_insert(page.checkpoint.clone());
            if lies {
                page.entries.clear();
                page.sealed.clear();
                page.checkpoint.clone_from(first);
            }
            *bytes = page.to_bytes();
        });
        lies
    });
    let _ = office.stack.obhut("two", &["case", "list"]).ok();
    let _ = office.put(b"something new");
    let _ = office.stack.obhut("two", &["case", "list"]).ok();
    goes_back.store(true, Ordering::SeqCst);
    let said = office.stack.obhut("two", &["case", "list"]).fails_with(6);
    assert!(
        said.contains("rolled back") && proxy.lies_told() > 0,
        "{said}"
    );
}

#[test]
fn a11_other_bytes_for_a_range_are_refused() {
    let office = Office::open();
    let document = office.put(&vec![9; 600_000]);
    let proxy = office.lie(|seen| {
        let lies = is_object(seen) && seen.headers.contains_key("content-range");
        if lies {
            let range = seen.headers["content-range"].to_str().unwrap().to_owned();
            if let Some(rest) = range.strip_prefix("bytes 262") {
                let moved = format!("bytes 161{rest}");
                seen.headers.insert("content-range", moved.parse().unwrap());
            } else if let Some(byte) = seen.body.last_mut() {
                *byte ^= 1;
            }
        }
        lies
    });
    let mut args = vec!["get", document.as_str(), "--range", "300000-300009"];
    args.extend(WHY);
    let _ = office.stack.obhut("two", &args).fails_with(6);
    assert!(proxy.lies_told() > 0);
}

#[test]
fn e06_a_release_without_a_true_entry_is_not_used() {
    let lies: [fn(&mut ReleaseAnswer); 6] = [
        |answer| answer.proofs.clear(),
        |answer| {
            answer.proofs.clear();
            answer.leaves.clear();
        },
        |answer| answer.leaves[0].a1.salt[0] ^= 1,
        |answer| answer.leaves[0].w_commitment[0] ^= 1,
        |answer| {
            answer.leaves[0].labels.pop();
        },
        |answer| answer.leaves[0].subject_commitments.clear(),
    ];
    let office = Office::open();
    let document = office.put(b"letter");
    for lie in lies {
        office.refuses(&document, move |seen| {
            let lies = is_release(seen);
            if lies {
                edit_answer(seen, lie);
            }
            lies
        });
        restore(&office);
    }
}

#[test]
fn b01_a_wrap_info_card_or_share_of_somebody_elses_making_is_refused() {
    let lies: [fn(&mut ReleaseAnswer); 6] = [
        |answer| answer.documents[0].wrap.as_mut().unwrap().0[60] ^= 1,
        |answer| answer.documents[0].info.0[60] ^= 1,
        |answer| answer.documents[0].card.0[60] ^= 1,
        |answer| answer.cases[0].keys[0].sealed.0[1_130] ^= 1,
        |answer| answer.release.shares[0].share_id.0[0] ^= 1,
        |answer| answer.release.signature[0] ^= 1,
    ];
    let office = Office::open();
    let document = office.put(b"letter");
    for lie in lies {
        office.refuses(&document, move |seen| {
            let lies = is_release(seen);
            if lies {
                edit_answer(seen, lie);
            }
            lies
        });
        restore(&office);
    }
}

/// Takes the liar out of the second caseworker's way again.
fn restore(office: &Office) {
    let record = office.stack.folder().join("home/two/profile.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    json["url"] = office.stack.url.as_str().into();
    std::fs::write(&record, serde_json::to_vec(&json).unwrap()).unwrap();
}

#[test]
fn e07_an_access_log_that_forgets_an_entry_is_noticed() {
    let office = Office::open();
    let document = office.put(b"letter");
    let first = Mutex::new(None::<String>);
    let forgets = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&forgets);
    let proxy = office.lie(move |seen| {
        let mut first = first.lock().unwrap();
        if is_release(seen) && first.is_none() {
            edit_answer(seen, |answer| {
                let (_, checkpoint) = answer.proofs[0].split_once("\n\n").unwrap();
                *first = Some(checkpoint.to_owned());
            });
        }
        let lies = seen.path.ends_with("/checkpoints/access") && now.load(Ordering::SeqCst);
        if lies {
            seen.body = first.clone().unwrap().into_bytes();
        }
        lies
    });
    for name in ["1", "2"] {
        let output = path(&office.stack, name);
        let _ = office
            .stack
            .obhut("two", &Office::get(&document, &output))
            .ok();
    }
    let _ = office.stack.obhut("two", &["case", "list"]).ok();
    forgets.store(true, Ordering::SeqCst);
    let said = office.stack.obhut("two", &["case", "list"]).fails_with(6);
    assert!(
        said.contains("access log") && proxy.lies_told() > 0,
        "{said}"
    );
}

#[test]
fn f16_a_release_replayed_to_another_act_is_not_used() {
    let office = Office::open();
    let document = office.put(b"letter");
    let kept = Mutex::new(None::<Vec<u8>>);
    let proxy = office.lie(move |seen| {
        if !is_release(seen) {
            return false;
        }
        let mut kept = kept.lock().unwrap();
        match &*kept {
            None => {
                *kept = Some(seen.body.clone());
                false
            }
            Some(earlier) => {
                seen.body.clone_from(earlier);
                true
            }
        }
    });
    let (first, second) = (path(&office.stack, "1"), path(&office.stack, "2"));
    let _ = office
        .stack
        .obhut("two", &Office::get(&document, &first))
        .ok();
    let replayed = office.stack.obhut("two", &Office::get(&document, &second));
    let _ = replayed.fails_with(6);
    assert!(proxy.lies_told() > 0 && !PathBuf::from(&second).exists());
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
