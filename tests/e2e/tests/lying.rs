//! A server that lies, between the real client and the real server: every lie is noticed, named, and leaves no file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderValue, Method, StatusCode, header::CONTENT_RANGE};
use obhut_e2e::{
    Agency, LyingProxy, REASON, Run, Seen, copy_folder, files_below, letter_code, random_bytes,
};
use obhut_format::batch::RecordPayload;
use obhut_format::reading::{AccessLogAnswer, OwnKeys, RecordsPage};
use obhut_format::release::{ReleaseAnswer, ReleasedCase};
use obhut_format::{Blob, Cbor};

/// The exit code for what is not what was signed, logged or sealed.
const INTEGRITY: i32 = 6;

/// What authenticated decryption says of foreign or changed bytes; more it cannot know.
const DAMAGED: &str = "damaged or does not belong here";

/// Two documents of the same size, and a reader.
struct Scene {
    agency: Agency,
    documents: [String; 2],
    contents: [Vec<u8>; 2],
}

impl Scene {
    fn open() -> Self {
        let agency = Agency::open(1);
        let contents = [random_bytes(1, 60_000), random_bytes(2, 60_000)];
        let documents = [
            agency.put("first.bin", &contents[0]),
            agency.put("second.bin", &contents[1]),
        ];
        Self {
            agency,
            documents,
            contents,
        }
    }

    /// Runs a command of `cw1` through a proxy with this lie; the lie must have been told.
    fn through(
        &self,
        arguments: &[&str],
        lie: impl Fn(&mut Seen) -> bool + Send + Sync + 'static,
    ) -> Run {
        self.through_as("cw1", arguments, lie)
    }

    /// As [`Scene::through`], as another profile.
    fn through_as(
        &self,
        profile: &str,
        arguments: &[&str],
        lie: impl Fn(&mut Seen) -> bool + Send + Sync + 'static,
    ) -> Run {
        let stack = &self.agency.stack;
        let proxy = LyingProxy::start(&stack.url, lie);
        stack.redirect(profile, &proxy.url);
        let run = stack.obhut(profile, arguments);
        stack.redirect(profile, &stack.url);
        assert!(
            proxy.lies_told() > 0,
            "the lie was not told: {}",
            run.stderr
        );
        run
    }

    /// `get` of the first document with these further arguments is refused because of `why`, writes nothing, and works
    /// afterwards with an honest server.
    fn get_refuses(
        &self,
        more: &[&str],
        why: &str,
        lie: impl Fn(&mut Seen) -> bool + Send + Sync + 'static,
    ) -> String {
        let stack = &self.agency.stack;
        let folder = stack.folder().join("out");
        fs::create_dir_all(&folder).unwrap();
        let target = folder.join("file");
        let get = ["get", &self.documents[0], "--output"];
        let target = target.to_str().unwrap();
        let arguments = [&get[..], &[target], more, &REASON].concat();
        let said = self.through(&arguments, lie).fails_with(INTEGRITY);
        let left = files_below(&folder);
        assert!(left.is_empty(), "{left:?} was left behind");
        assert!(said.contains(why), "not because of {why:?}: {said}");
        assert!(said.lines().count() >= 2, "no next step: {said}");
        let honest = stack.content("cw1", &self.documents[0]);
        assert_eq!(honest, self.contents[0]);
        said
    }

    /// A command is refused because of `why` and prints nothing of what it was for.
    fn refuses(
        &self,
        arguments: &[&str],
        why: &str,
        lie: impl Fn(&mut Seen) -> bool + Send + Sync + 'static,
    ) -> String {
        let said = self.through(arguments, lie).fails_with(INTEGRITY);
        assert!(said.contains(why), "not because of {why:?}: {said}");
        said
    }

    /// Issues the first document and lets the citizen activate the letter as the profile `citizen`.
    fn activate_citizen(&self) {
        let stack = &self.agency.stack;
        let letter = stack.folder().join("letter.html");
        let path = letter.to_str().unwrap();
        let (document, citizen) = (&self.documents[0], &self.agency.citizen);
        let issue = ["issue", document, "--to", citizen, "--letter", path];
        let _ = stack.reading("cw1", &issue).ok();
        let code = letter_code(&fs::read_to_string(&letter).unwrap());
        let code = stack.write("code", code.as_bytes());
        let activate = ["activate", code.to_str().unwrap()];
        let _ = stack.obhut("citizen", &activate).ok();
    }

    /// The stored objects of the two documents.
    fn objects(&self) -> [Vec<u8>; 2] {
        let stored = self.agency.stack.objects();
        let mut capsules: Vec<_> = stored.iter().map(|path| fs::read(path).unwrap()).collect();
        assert_eq!(capsules.len(), 2, "{stored:?}");
        [capsules.remove(0), capsules.remove(0)]
    }
}

/// Changes a release.
fn on_release(seen: &mut Seen, change: impl FnOnce(&mut ReleaseAnswer)) -> bool {
    let fits = seen.is(&Method::POST, "/releases");
    if fits {
        seen.edit("answer", change);
    }
    fits
}

/// Changes a stretch of records that has entries.
fn on_records(seen: &mut Seen, change: impl FnOnce(&mut RecordsPage)) -> bool {
    let fits = seen.is(&Method::GET, "/records");
    if fits {
        seen.edit("page", change);
    }
    fits
}

/// Changes the answers to a reading of one's own log.
fn on_own_log(seen: &mut Seen, change: impl FnOnce(&mut Vec<AccessLogAnswer>)) -> bool {
    let fits = seen.is(&Method::POST, "/log/entries");
    if fits {
        seen.edit_list("answers", change);
    }
    fits
}

fn flip_middle(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

#[test]
fn a01_refuses_an_object_cut_at_a_chunk_border() {
    let scene = Scene::open();
    scene.get_refuses(&[], "another byte range", |seen| {
        let fits = seen.is_object() && seen.body.len() > 40_000;
        if fits {
            let kept = seen.body.len() - 16_400;
            seen.body.truncate(kept);
        }
        fits
    });
}

#[test]
fn a07_refuses_the_whole_object_of_another_document() {
    let scene = Scene::open();
    let [one, other] = scene.objects();
    scene.get_refuses(&[], DAMAGED, move |seen| {
        let fits = seen.is_object();
        if fits {
            let length = seen.body.len();
            let lie = if one.starts_with(&seen.body) {
                &other
            } else {
                &one
            };
            seen.body = lie[..length].to_vec();
        }
        fits
    });
}

/// The operator of vault and gatekeeper copies both: one client is served by the one, another by the copy. Both heads are
/// signed and cosigned, so only two who compare can find out.
#[test]
fn a09_two_clients_who_were_shown_different_revisions_find_out() {
    let mut agency = Agency::open(2);
    let document = agency.put("first.txt", b"the first revision");
    let (data, copy) = (agency.stack.data(), agency.stack.folder().join("copy"));
    let revise = |agency: &Agency, profile: &str, content: &[u8]| {
        let file = agency.stack.write("second.txt", content);
        let put = ["put", &agency.case, file.to_str().unwrap(), "--revises"];
        let arguments = [&put[..], &[&document]].concat();
        let _ = agency.stack.obhut(profile, &arguments).ok();
        assert_eq!(agency.stack.content(profile, &document), content);
    };
    let _ = agency.stack.stop();
    copy_folder(&data, &copy);
    agency.stack.serve_again();
    revise(&agency, "cw1", b"the second revision");
    let _ = agency.stack.stop();
    let head_of = |data: &std::path::Path| {
        let mut files = files_below(&data.join("tiles")).into_iter();
        files
            .find(|file| file.ends_with("records/checkpoint"))
            .unwrap()
    };
    let seen = agency.stack.folder().join("seen-by-the-first");
    fs::copy(head_of(&data), &seen).unwrap();

    agency.stack.use_data(&copy);
    agency.stack.serve_again();
    revise(&agency, "cw2", b"another second revision");
    let said = agency.stack.obhut("cw1", &["case", "list"]);
    let said = said.fails_with(INTEGRITY);
    assert!(said.contains("not the one its entries lead to"), "{said}");
    let _ = agency.stack.stop();
    let tiles = copy.join("tiles");
    let verify = ["log", "verify", "--tiles", tiles.to_str().unwrap()];
    let _ = agency.stack.obhut("cw2", &verify).ok();
    let compare = [&verify[..], &["--seen", seen.to_str().unwrap()]].concat();
    let said = agency.stack.obhut("cw2", &compare).fails_with(INTEGRITY);
    assert!(said.contains("two histories"), "{said}");
}

#[test]
fn a10_refuses_a_flipped_bit_in_the_header_a_chunk_or_the_tag() {
    let scene = Scene::open();
    let (version, damaged) = ("a version this program does not know", DAMAGED);
    for (place, why) in [
        (0, version),
        (70, damaged),
        (30_000, damaged),
        (usize::MAX, damaged),
    ] {
        scene.get_refuses(&[], why, move |seen| {
            let fits = seen.is_object();
            if fits {
                let place = place.min(seen.body.len() - 1);
                seen.body[place] ^= 0x10;
            }
            fits
        });
    }
}

#[test]
fn a11_refuses_a_range_of_another_place_the_whole_object_and_a_wrong_content_range() {
    let agency = Agency::open(1);
    let content = random_bytes(3, 1_000_000);
    let document = agency.put("large.bin", &content);
    let capsule = fs::read(&agency.stack.objects()[0]).unwrap();
    let scene = Scene {
        documents: [document, String::new()],
        contents: [content, Vec::new()],
        agency,
    };
    let range = ["--range", "500000-500100"];
    // A part, not the header at the front, which the client asks for too.
    let is_part = |seen: &Seen| seen.is_object() && seen.body.len() > 10_000;
    // As many bytes from elsewhere, under headers that say what was asked for.
    let whole = capsule.clone();
    scene.get_refuses(&range, DAMAGED, move |seen| {
        let length = seen.body.len();
        let fits = is_part(seen) && length < whole.len() / 2;
        if fits {
            seen.body = whole[..length].to_vec();
        }
        fits
    });
    scene.get_refuses(&range, "ignored the byte range", move |seen| {
        let fits = is_part(seen);
        if fits {
            seen.body.clone_from(&capsule);
            seen.status = StatusCode::OK;
            seen.headers.remove(CONTENT_RANGE);
        }
        fits
    });
    scene.get_refuses(&range, "another byte range", move |seen| {
        let fits = is_part(seen);
        if fits {
            let wrong = HeaderValue::from_static("bytes 7-99/100");
            seen.headers.insert(CONTENT_RANGE, wrong);
        }
        fits
    });
}

#[test]
fn a12_writes_no_file_when_only_the_last_chunk_is_broken() {
    let scene = Scene::open();
    scene.get_refuses(&[], DAMAGED, |seen| {
        let fits = seen.is_object();
        if fits {
            let last = seen.body.len() - 1;
            seen.body[last] ^= 1;
        }
        fits
    });
}

#[test]
fn a13_believes_no_length_but_the_signed_one() {
    let scene = Scene::open();
    // Far more than there is, and more than fits into memory.
    scene.get_refuses(&[], "another byte range", |seen| {
        let fits = seen.is_object() && seen.headers.contains_key(CONTENT_RANGE);
        if fits {
            let total = 1_u64 << 50;
            let lie = format!("bytes 0-{}/{total}", total - 1);
            seen.headers.insert(CONTENT_RANGE, lie.parse().unwrap());
        }
        fits
    });
    // More bytes than asked for, under the headers of what was asked for.
    scene.get_refuses(&[], "another byte range", |seen| {
        let fits = seen.is_object();
        if fits {
            seen.body.extend_from_slice(&[0; 4_096]);
        }
        fits
    });
}

#[test]
fn b01_refuses_a_replaced_wrap() {
    let scene = Scene::open();
    scene.get_refuses(&[], DAMAGED, |seen| {
        on_release(seen, |answer| {
            let wrap = answer.documents[0].wrap.as_mut().unwrap();
            wrap.0 = random_bytes(9, wrap.0.len());
        })
    });
}

#[test]
fn b03_refuses_swapped_wraps() {
    let scene = Scene::open();
    let show = ["case", "show", &scene.agency.case];
    let said = scene.refuses(&show, DAMAGED, |seen| {
        let mut told = false;
        on_release(seen, |answer| {
            if let [one, other] = answer.documents.as_mut_slice() {
                std::mem::swap(&mut one.wrap, &mut other.wrap);
                told = true;
            }
        });
        told
    });
    assert!(!said.is_empty());
}

#[test]
fn b02_b03_refuses_to_file_under_a_case_key_that_is_not_the_logged_one() {
    let scene = Scene::open();
    let stack = &scene.agency.stack;
    let other = stack.new_case("cw1", &scene.agency.unit, "other/26").0;
    let (taken, from) = (Mutex::new(None), other.clone());
    let file = stack.write("new.txt", b"not for the server");
    let before = stack.objects().len();
    // First learn the other case's keys, then offer them for this case.
    let proxy = LyingProxy::start(&stack.url, move |seen| {
        let path = seen.path.clone();
        if !path.contains("/keys/cases/") {
            return false;
        }
        let mut taken = taken.lock().unwrap();
        let learnt = taken.clone();
        seen.edit("case", |case: &mut ReleasedCase| match learnt {
            None => *taken = Some(case.keys.clone()),
            Some(keys) => case.keys = keys,
        });
        !path.contains(&from)
    });
    stack.redirect("cw1", &proxy.url);
    stack.put("cw1", &other, &file);
    assert_eq!(stack.objects().len(), before + 1);
    let put = ["put", &scene.agency.case, file.to_str().unwrap()];
    let _ = stack.obhut("cw1", &put).fails_with(INTEGRITY);
    assert!(proxy.lies_told() > 0);
    assert_eq!(stack.objects().len(), before + 1, "something was uploaded");
    stack.redirect("cw1", &stack.url);
    let _ = stack.obhut("cw1", &put).ok();
}

#[test]
fn b06_c01_refuses_records_with_a_changed_key_signer_or_member() {
    let scene = Scene::open();
    let stack = &scene.agency.stack;
    let list = ["case", "list"];
    let forget = || {
        let home = stack.folder().join("home/cw1");
        let _ = fs::remove_file(home.join("directory"));
    };
    // A bit within every statement, in turn from the front: keys, names, members.
    for number in 0..6 {
        forget();
        scene.refuses(&list, "does not fit the commitment", move |seen| {
            on_records(seen, |page| flip_statement(page, number))
        });
    }
    // The signature of another statement.
    forget();
    scene.refuses(&list, "does not fit the commitment", |seen| {
        on_records(seen, swap_signatures)
    });
    // A statement that was never logged.
    forget();
    scene.refuses(&list, "in the log already", |seen| {
        on_records(seen, |page| {
            let ghost = page.entries[1].clone();
            page.entries.insert(1, ghost);
            page.sealed.insert(1, Blob(Vec::new()));
        })
    });
    // One that is kept back.
    forget();
    scene.refuses(&list, "skips or repeats", |seen| {
        on_records(seen, |page| {
            page.entries.remove(2);
            page.sealed.remove(2);
        })
    });
    let _ = stack.obhut("cw1", &list).ok();
}

fn statements(page: &mut RecordsPage) -> impl Iterator<Item = &mut Blob> {
    page.entries
        .iter_mut()
        .filter_map(|entry| entry.payload.as_mut())
        .filter(|payload| {
            let payload = RecordPayload::from_bytes(&payload.0).unwrap();
            matches!(payload, RecordPayload::Statement(_))
        })
}

fn flip_statement(page: &mut RecordsPage, number: usize) {
    let payload = statements(page).nth(number).unwrap();
    let RecordPayload::Statement(mut signed) = RecordPayload::from_bytes(&payload.0).unwrap()
    else {
        panic!("no statement");
    };
    flip_middle(&mut signed.statement.0);
    payload.0 = RecordPayload::Statement(signed).to_bytes();
}

fn swap_signatures(page: &mut RecordsPage) {
    let mut found: Vec<_> = statements(page).collect();
    let read = |at: usize| match RecordPayload::from_bytes(&found[at].0).unwrap() {
        RecordPayload::Statement(signed) => signed,
        _ => panic!("no statement"),
    };
    let (mut one, mut other) = (read(1), read(2));
    std::mem::swap(&mut one.signature, &mut other.signature);
    found[1].0 = RecordPayload::Statement(one).to_bytes();
    found[2].0 = RecordPayload::Statement(other).to_bytes();
}

#[test]
fn b05_refuses_a_membership_of_another_epoch() {
    let scene = Scene::open();
    scene.get_refuses(&[], "unit epoch that is not logged", |seen| {
        let fits = seen.is(&Method::GET, "/keys");
        if fits {
            seen.edit("keys", |keys: &mut OwnKeys| {
                keys.memberships[0].epoch += 1;
            });
        }
        fits
    });
}

#[test]
fn c04_refuses_a_records_log_that_was_rolled_back() {
    let scene = Scene::open();
    let stack = &scene.agency.stack;
    let kept = Mutex::new(None);
    let proxy = LyingProxy::start(&stack.url, move |seen| {
        if !seen.is(&Method::GET, "/records") {
            return false;
        }
        let mut kept = kept.lock().unwrap();
        match kept.as_ref() {
            None => {
                *kept = Some(seen.body.clone());
                false
            }
            Some(old) => {
                seen.body.clone_from(old);
                true
            }
        }
    });
    stack.redirect("cw1", &proxy.url);
    let _ = stack.obhut("cw1", &["case", "list"]).ok();
    stack.redirect("cw1", &stack.url);
    scene.agency.put("third.bin", b"third");
    stack.redirect("cw1", &proxy.url);
    let said = stack.obhut("cw1", &["case", "list"]).fails_with(INTEGRITY);
    assert!(proxy.lies_told() > 0);
    assert!(said.contains("rolled back"), "{said}");
}

#[test]
fn c05_refuses_records_whose_checkpoint_is_not_signed() {
    let scene = Scene::open();
    scene.refuses(&["case", "list"], "malformed", |seen| {
        on_records(seen, |page| {
            let cut = page.checkpoint.find("\n\n").unwrap() + 2;
            page.checkpoint.truncate(cut);
        })
    });
    scene.refuses(&["case", "list"], "too few witnesses", |seen| {
        on_records(seen, |page| {
            // The log's own signature without the gatekeeper's.
            let cut = page.checkpoint.find("\n\n").unwrap() + 2;
            let first = page.checkpoint[cut..].find('\n').unwrap();
            page.checkpoint.truncate(cut + first + 1);
        })
    });
}

#[test]
fn c10_takes_nobody_for_absent_because_the_vault_leaves_them_out() {
    let scene = Scene::open();
    let stack = &scene.agency.stack;
    let (document, citizen) = (&scene.documents[0], &scene.agency.citizen);
    let letter = stack.folder().join("letter.html");
    let letter = letter.to_str().unwrap();
    let issue = ["issue", document, "--to", citizen, "--letter", letter];
    let issue = [&issue[..], &REASON].concat();
    let directory = stack.folder().join("home/cw1/directory");
    // All records, the last ones, and only those about the citizen.
    let lies: [fn(&mut RecordsPage, &[u8]); 3] = [
        |page, _| page.entries.clear(),
        |page, _| page.entries.truncate(page.entries.len() - 3),
        |page, person| {
            let about = |payload: &Blob| payload.0.windows(16).any(|bytes| bytes == person);
            page.entries
                .retain(|entry| !entry.payload.as_ref().is_some_and(about));
        },
    ];
    let person: obhut_format::PersonId = citizen.parse().unwrap();
    for lie in lies {
        let _ = fs::remove_file(&directory);
        let run = scene.through(&issue, move |seen| {
            on_records(seen, |page| {
                let before = page.entries.len();
                lie(page, &person.0);
                page.sealed.truncate(page.entries.len());
                assert!(page.entries.len() < before, "nobody was left out");
            })
        });
        let said = run.fails_with(INTEGRITY);
        assert!(!said.contains("no such"), "{said}");
    }
    let _ = fs::remove_file(&directory);
    let _ = stack.obhut("cw1", &issue).ok();
}

#[test]
fn e01_refuses_exchanged_titles() {
    let scene = Scene::open();
    let show = ["case", "show", &scene.agency.case];
    scene.refuses(&show, DAMAGED, |seen| {
        let mut told = false;
        on_release(seen, |answer| {
            if let [one, other] = answer.documents.as_mut_slice() {
                std::mem::swap(&mut one.card, &mut other.card);
                told = true;
            }
        });
        told
    });
}

#[test]
fn e04_refuses_a_changed_info_card_or_card_number() {
    let scene = Scene::open();
    scene.get_refuses(&[], DAMAGED, |seen| {
        on_release(seen, |answer| flip_middle(&mut answer.documents[0].info.0))
    });
    scene.get_refuses(&[], DAMAGED, |seen| {
        on_release(seen, |answer| flip_middle(&mut answer.documents[0].card.0))
    });
    scene.get_refuses(&[], "another index card", |seen| {
        on_release(seen, |answer| answer.documents[0].card_no += 1)
    });
}

#[test]
fn e06_refuses_a_release_without_proof_of_its_entry() {
    let scene = Scene::open();
    scene.get_refuses(&[], "its entry is missing", |seen| {
        on_release(seen, |answer| answer.proofs.clear())
    });
    scene.get_refuses(&[], "its entry is missing", |seen| {
        on_release(seen, |answer| {
            answer.proofs.clear();
            answer.leaves.clear();
        })
    });
    // A proof under a checkpoint that nobody signed.
    scene.get_refuses(&[], "too few witnesses", |seen| {
        on_release(seen, |answer| {
            let proof = &mut answer.proofs[0];
            let cut = proof.trim_end().rfind('\n').unwrap() + 1;
            proof.truncate(cut);
        })
    });
    // An entry with another reason.
    scene.get_refuses(&[], "does not commit to this act", |seen| {
        on_release(seen, |answer| answer.leaves[0].w_commitment[0] ^= 1)
    });
}

#[test]
fn e07_f15_refuses_the_head_of_another_access_log_than_the_one_in_use() {
    let scene = Scene::open();
    let stack = &scene.agency.stack;
    assert_eq!(
        stack.content("cw1", &scene.documents[0]),
        scene.contents[0],
        "what proved it is kept"
    );
    let said = scene.refuses(&["case", "list"], "head of another access log", |seen| {
        let fits = seen.is(&Method::GET, "/checkpoints/access");
        if fits {
            let text = String::from_utf8(seen.body.clone()).unwrap();
            let (origin, rest) = text.split_once('\n').unwrap();
            seen.body = format!("{origin}x\n{rest}").into_bytes();
        }
        fits
    });
    assert!(said.contains("another access log"), "{said}");
    let _ = stack.obhut("cw1", &["case", "list"]).ok();
}

#[test]
fn e07_alarms_when_the_newest_entries_about_oneself_are_kept_back() {
    let scene = Scene::open();
    scene.activate_citizen();
    let stack = &scene.agency.stack;
    let mine = ["log", "mine"];
    // Nothing at all, all but the reading and its outcome, and no answer for the shard in use.
    let lies: [fn(&mut Vec<AccessLogAnswer>); 3] = [
        |answers| answers[0].entries.clear(),
        |answers| {
            let kept = answers[0].entries.len() - 2;
            answers[0].entries.truncate(kept);
        },
        Vec::clear,
    ];
    for lie in lies {
        let told = scene.through_as("citizen", &mine, move |seen| on_own_log(seen, lie));
        let said = told.fails_with(INTEGRITY);
        assert!(said.contains("kept back"), "{said}");
    }
    let _ = stack.obhut("citizen", &mine).ok();
}

#[test]
fn e07_alarms_when_the_key_of_an_entry_about_oneself_is_kept_back() {
    let scene = Scene::open();
    scene.activate_citizen();
    let stack = &scene.agency.stack;
    let document = &scene.documents[1];
    let target = stack.folder().join("read-after-activation");
    let _ = stack.get("cw1", document, &target).ok();
    let mine = ["log", "mine"];
    let lies: [fn(&mut Vec<AccessLogAnswer>); 2] = [
        |answers| {
            // The caseworker's opening, before this reading and its outcome.
            let entries = &mut answers[0].entries;
            let mut read = entries
                .iter_mut()
                .rev()
                .filter(|entry| !entry.wraps.is_empty());
            read.nth(1).unwrap().wraps.clear();
        },
        |answers| answers[0].log_keys.clear(),
    ];
    for lie in lies {
        let told = scene.through_as("citizen", &mine, move |seen| on_own_log(seen, lie));
        let said = told.fails_with(INTEGRITY);
        assert!(said.contains("keeps its key back"), "{said}");
    }
    let shown = stack.obhut("citizen", &mine).ok();
    assert!(shown.contains("Opened documents about you"), "{shown}");
}

/// The operator removes everything that holds the documents: what people have on their machines stays.
#[test]
fn e15_what_was_exported_stays_when_the_vault_shows_nothing_any_more() {
    let scene = Scene::open();
    let stack = &scene.agency.stack;
    let folder = stack.folder().join("exported");
    let export = ["export", &scene.agency.case, folder.to_str().unwrap()];
    let export = [&export[..], &REASON].concat();
    let _ = stack.obhut("cw1", &export).ok();
    let read = |folder: &std::path::Path| -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let mut files = files_below(folder);
        files.sort();
        let read = |file: std::path::PathBuf| (file.clone(), fs::read(file).unwrap());
        files.into_iter().map(read).collect()
    };
    let exported = read(&folder);
    assert!(exported.len() >= 2);
    // Nothing at all, no capsules, and no documents in the case.
    let lies: [fn(&mut Seen) -> bool; 3] = [
        |seen| {
            seen.status = StatusCode::NOT_FOUND;
            seen.body.clear();
            true
        },
        |seen| {
            let fits = seen.is_object();
            if fits {
                seen.status = StatusCode::NOT_FOUND;
                seen.body.clear();
            }
            fits
        },
        |seen| on_release(seen, |answer| answer.cases.clear()),
    ];
    for lie in lies {
        let proxy = LyingProxy::start(&stack.url, lie);
        stack.redirect("cw1", &proxy.url);
        let again = [&export[..], &["--force"]].concat();
        for command in [&export[..], &again, &["case", "list"]] {
            let _ = stack.obhut("cw1", command);
            assert!(read(&folder) == exported, "{command:?}");
        }
        stack.redirect("cw1", &stack.url);
    }
    // The profile is whole as well.
    assert_eq!(stack.content("cw1", &scene.documents[0]), scene.contents[0]);
}

/// Nothing is erased yet, so whatever is passed off as erased is alive.
#[test]
fn f17_alarms_when_a_living_entry_is_passed_off_as_erased() {
    let scene = Scene::open();
    scene.activate_citizen();
    let stack = &scene.agency.stack;
    let target = stack.folder().join("read-after-activation");
    let _ = stack.get("cw1", &scene.documents[1], &target).ok();
    let mine = ["log", "mine"];
    let erase = |answers: &mut Vec<AccessLogAnswer>, from_end: usize, wraps_too: bool| {
        let entries = &mut answers[0].entries;
        let at = entries.len() - 1 - from_end;
        entries[at].payload = Blob(Vec::new());
        if wraps_too {
            entries[at].wraps.clear();
        }
    };
    // The caseworker's reading and its outcome stand before the citizen's own reading and its outcome.
    for from_end in 0..4 {
        for wraps_too in [false, true] {
            let told = scene.through_as("citizen", &mine, move |seen| {
                on_own_log(seen, |answers| erase(answers, from_end, wraps_too))
            });
            let said = told.fails_with(INTEGRITY);
            assert!(!said.contains("Opened documents"), "{from_end}: {said}");
        }
    }
    let shown = stack.obhut("citizen", &mine).ok();
    assert!(shown.contains("Opened documents about you"), "{shown}");
}

#[test]
fn f16_refuses_the_answer_or_receipt_of_another_act() {
    let scene = Scene::open();
    for whole in [true, false] {
        let kept = Mutex::new(None::<ReleaseAnswer>);
        let lie = move |seen: &mut Seen| {
            if !seen.is(&Method::POST, "/releases") {
                return false;
            }
            let mut kept = kept.lock().unwrap();
            let old = kept.clone();
            seen.edit("answer", |answer: &mut ReleaseAnswer| match old {
                None => *kept = Some(answer.clone()),
                Some(old) if whole => *answer = old,
                Some(old) => answer.release = old.release,
            });
            true
        };
        let proxy = LyingProxy::start(&scene.agency.stack.url, lie);
        let stack = &scene.agency.stack;
        stack.redirect("cw1", &proxy.url);
        assert_eq!(
            stack.content("cw1", &scene.documents[0]),
            scene.contents[0],
            "the first answer is honest"
        );
        let target = stack.folder().join("replayed");
        let _ = stack
            .get("cw1", &scene.documents[0], &target)
            .fails_with(INTEGRITY);
        assert_eq!(proxy.lies_told(), 2);
        assert!(!target.exists());
        stack.redirect("cw1", &stack.url);
    }
}

#[test]
fn f16_refuses_a_receipt_the_gatekeeper_did_not_sign() {
    let scene = Scene::open();
    scene.get_refuses(&[], DAMAGED, |seen| {
        on_release(seen, |answer| answer.release.signature[5] ^= 1)
    });
    scene.get_refuses(&[], DAMAGED, |seen| {
        on_release(seen, |answer| {
            flip_middle(&mut answer.release.shares[0].sealed.0);
        })
    });
}

#[test]
fn e09_the_letters_secret_reaches_no_server() {
    let scene = Scene::open();
    let stack = &scene.agency.stack;
    let letter = stack.folder().join("letter.html");
    let path = letter.to_str().unwrap();
    let citizen = scene.agency.citizen.clone();
    let issue = [
        "issue",
        &scene.documents[0],
        "--to",
        &citizen,
        "--letter",
        path,
    ];

    let requests = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&requests);
    let proxy = LyingProxy::start(&stack.url, move |seen| {
        let mut heard = heard.lock().unwrap();
        heard.extend_from_slice(seen.path.as_bytes());
        heard.extend_from_slice(&seen.request);
        heard.extend_from_slice(b"\n");
        false
    });
    stack.redirect("cw1", &proxy.url);
    let _ = stack.reading("cw1", &issue).ok();
    stack.redirect("cw1", &stack.url);
    let code = letter_code(&fs::read_to_string(&letter).unwrap());
    let secret = obhut_format::invite::parse_text(&code).unwrap().secret;
    let code_file = stack.write("code", code.as_bytes());
    let _ = stack
        .obhut("citizen", &["activate", code_file.to_str().unwrap()])
        .ok();
    let compact: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let search = xtask::canary::Search::new(&[
        xtask::canary::Canary::of("the secret", secret.expose()),
        xtask::canary::Canary::of("the code", compact.as_bytes()),
        xtask::canary::Canary::of("the printed code", code.as_bytes()),
    ])
    .unwrap();
    let heard = requests.lock().unwrap().clone();
    assert!(heard.len() > 10_000, "nothing was heard");
    let file = stack.write("requests", &heard);
    assert_eq!(search.file(&file).unwrap(), []);
    let planted = [&heard, compact.as_bytes()].concat();
    let file = stack.write("requests-planted", &planted);
    assert_eq!(search.file(&file).unwrap().len(), 1);
}

/// A server that learns from the client's requests whether its blob opened has an oracle, however slow. Whatever
/// bit of a sealed unit key is flipped, the client sends the same requests and none after the blob.
#[test]
fn d11_sends_nothing_that_depends_on_what_a_served_blob_decrypts_to() {
    let scene = Scene::open();
    // What the first reading of the new head asks for, none of the others does.
    let _ = scene.agency.stack.obhut("cw1", &["unit", "list"]).ok();
    let mut seen_runs = Vec::new();
    // The encapsulation's two halves, the sealed seed, its tag, and another length.
    for place in [0, 600, 1_100, 1_125, 1_167, 5_000] {
        let sent: Arc<Mutex<Vec<String>>> = Arc::default();
        let record = Arc::clone(&sent);
        let run = scene.through(&["unit", "list"], move |seen| {
            let mut sent = record.lock().unwrap();
            let path = seen.path.split('?').next().unwrap_or_default().to_owned();
            sent.push(format!("{} {path} {}", seen.method, seen.request.len()));
            if !seen.is(&Method::GET, "/keys") {
                return false;
            }
            seen.edit::<OwnKeys>("keys", |keys| {
                let sealed = &mut keys.memberships[0].sealed.0;
                match sealed.get_mut(place) {
                    Some(byte) => *byte ^= 1,
                    None => sealed.truncate(64),
                }
            });
            true
        });
        let said = run.fails_with(INTEGRITY);
        let sent = sent.lock().unwrap().clone();
        let last = sent.last().unwrap();
        assert!(last.contains("/keys"), "after the blob: {last}");
        seen_runs.push((sent, said));
    }
    let (first, others) = seen_runs.split_first().unwrap();
    for other in others {
        assert_eq!(other, first);
    }
}
