//! Malicious vaults that do more than tell one lie of the catalogue (`lies`), or whose attack is to listen.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode};
use obhut_e2e::{
    Agency, LyingProxy, REASON, Run, Seen, copy_folder, files_below, letter_code, random_bytes,
};
use obhut_format::reading::OwnKeys;
use obhut_format::release::ReleaseAnswer;

/// The exit code for what is not what was signed, logged or sealed.
const INTEGRITY: i32 = 6;

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
        lie: impl FnMut(&mut Seen) -> bool + Send + 'static,
    ) -> Run {
        let stack = &self.agency.stack;
        let proxy = LyingProxy::start(&stack.url, lie);
        stack.redirect("cw1", &proxy.url);
        let run = stack.obhut("cw1", arguments);
        stack.redirect("cw1", &stack.url);
        let told = proxy.lies_told();
        assert!(told > 0, "the lie was not told: {}", run.stderr);
        run
    }
}

#[test]
fn a_release_whose_answer_is_lost_is_answered_again_without_a_second_entry() {
    let scene = Scene::open();
    let stack = &scene.agency.stack;
    let target = stack.folder().join("opened");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&asked);
    let get = ["get", &scene.documents[0], "--purpose", "once and no more"];
    let more = ["--legal-basis", REASON[3], "--output"];
    let arguments = [&get[..], &more, &[target.to_str().unwrap()]].concat();
    let run = scene.through(&arguments, move |seen| {
        let fits = seen.is(&Method::POST, "/releases");
        if fits {
            let mut requests = requests.lock().unwrap();
            requests.push(seen.request.clone());
            seen.lost = requests.len() == 1;
        }
        fits && seen.lost
    });
    let _ = run.ok();
    assert!(fs::read(&target).unwrap() == scene.contents[0]);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1], "another act");

    let letter = stack.folder().join("letter.html");
    let (document, citizen) = (&scene.documents[1], &scene.agency.citizen);
    let issue = ["issue", document, "--to", citizen, "--letter"];
    let issue = [&issue[..], &[letter.to_str().unwrap()]].concat();
    let _ = stack.reading("cw1", &issue).ok();
    let code = letter_code(&fs::read_to_string(&letter).unwrap());
    let code = stack.write("code", code.as_bytes());
    let activate = ["activate", code.to_str().unwrap()];
    let _ = stack.obhut("citizen", &activate).ok();
    let log = stack.json("citizen", &["log", "mine"]);
    let entries = log["entries"].as_array().unwrap().iter();
    let found: Vec<_> = entries
        .filter(|entry| entry["purpose"] == "once and no more")
        .collect();
    assert_eq!(found.len(), 1, "{log}");
    assert_eq!(found[0]["outcome"], "done", "{log}");
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
        |seen| {
            let fits = seen.is(&Method::POST, "/releases");
            if fits {
                seen.edit("answer", |answer: &mut ReleaseAnswer| answer.cases.clear());
            }
            fits
        },
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
            seen.edit("keys", |keys: &mut OwnKeys| {
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
