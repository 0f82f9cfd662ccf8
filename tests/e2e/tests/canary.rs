//! Random tokens go in where secrets go in, and must not come out anywhere at the server: not in a file, not in a log,
//! not in its memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use obhut_e2e::{Agency, CLASS, REASON, Stack, cannot_run_without, letter_code, run, text};
use obhut_format::invite::parse_text;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use xtask::canary::{Canary, Finding, Search};

/// Beginning of the places that the server learns in order to seal them into the access log.
const LOGGED: &str = "logged: ";

/// Tokens by where they were planted.
struct Planted {
    rng: ChaCha20Rng,
    canaries: Vec<Canary>,
}

impl Planted {
    fn plant(&mut self, place: &str) -> String {
        let canary = Canary::generate(place, &mut self.rng);
        let token = String::from_utf8(canary.token.clone()).unwrap();
        self.canaries.push(canary);
        token
    }

    fn watch_code(&mut self, place: &str, code: &str) {
        let secret = parse_text(code).unwrap().secret;
        self.canaries.push(Canary::of(place, secret.expose()));
        let compact: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        let place = format!("{place}, as text");
        self.canaries.push(Canary::of(&place, compact.as_bytes()));
    }
}

#[test]
fn e08_no_canary_is_found_in_files_logs_or_memory_of_the_server() {
    let agency = Agency::open(2);
    let mut planted = Planted {
        rng: ChaCha20Rng::seed_from_u64(u64::from(std::process::id())),
        canaries: Vec::new(),
    };
    live(&agency, &mut planted);
    assert!(planted.canaries.len() >= 14);
    let stack = &agency.stack;
    let search = Search::new(&planted.canaries).unwrap();

    // What the operator has: data, database with WAL, objects, tiles, gatekeeper, keys, operational log.
    let places = [
        stack.data(),
        gate_keys(stack),
        stack.folder().join("server.log"),
    ];
    for place in &places {
        assert!(place.exists(), "{}", place.display());
        nothing(&search.tree(place).unwrap());
    }
    let has = |end: &str| {
        let found = obhut_e2e::files_below(&stack.data());
        found
            .iter()
            .any(|path| path.to_str().unwrap().ends_with(end))
    };
    for end in [
        "vault.sqlite",
        "vault.sqlite-wal",
        "checkpoint",
        "shares.sqlite",
    ] {
        assert!(has(end), "{end} was not searched");
    }
    // The server itself seals purposes into the log, so they pass through its memory; nothing else may.
    let mut sealed_here = planted.canaries.clone();
    sealed_here.retain(|canary| !canary.place.starts_with(LOGGED));
    assert_eq!(sealed_here.len() + 2, planted.canaries.len());
    let in_memory = Search::new(&sealed_here).unwrap();
    nothing(&in_memory.process(stack.server_pid()).unwrap());
    if let Some(core) = dump(stack) {
        let length = fs::metadata(&core).unwrap().len();
        println!("a core dump of {length} bytes was searched");
        assert!(length > 1 << 20);
        nothing(&in_memory.file(&core).unwrap());
        // The dump is one of the server: the vault's id stands in it.
        let status = stack.json("cw1", &["status"]);
        let vault = Canary::of("the vault's id", text(&status, "vault").as_bytes());
        let known = Search::new(&[vault]).unwrap();
        assert!(!known.file(&core).unwrap().is_empty(), "an empty dump");
    }
    would_be_found(stack, &planted, &search);
}

/// Everything a person does, with a token wherever a secret goes in.
fn live(agency: &Agency, planted: &mut Planted) {
    let stack = &agency.stack;
    let reference = planted.plant("a file reference");
    let title = planted.plant("a case's title");
    let notes = planted.plant("a case's notes");
    let subject = format!("Test Person {}", planted.plant("a subject's name"));
    let arguments = [
        "case",
        "new",
        "--unit",
        &agency.unit,
        "--reference",
        &reference,
        "--title",
        &title,
        "--notes",
        &notes,
        "--class",
        CLASS,
        "--new-subject",
        &subject,
    ];
    let made = stack.json("cw1", &arguments);
    let (case, citizen) = (text(&made, "case"), made["subjects"][0].as_str().unwrap());

    let content = format!("content {}\n", planted.plant("a document")).repeat(3_000);
    let name = format!("{}.txt", planted.plant("a file's name"));
    let file = stack.write(&name, content.as_bytes());
    let file = file.to_str().unwrap();
    let title = planted.plant("a document's title");
    let notes = planted.plant("a document's notes");
    let kind = planted.plant("a document's kind");
    let put = [
        "put", &case, file, "--title", &title, "--notes", &notes, "--kind", &kind,
    ];
    let document = text(&stack.json("cw1", &put), "document");
    // A second one whose file name is also its title.
    let _ = stack.obhut("cw1", &["put", &case, file]).ok();

    let tree = stack.folder().join("tree");
    let folder = planted.plant("an imported folder's name");
    let inner = planted.plant("an imported file's name");
    let token = planted.plant("an imported file");
    let path = format!("tree/{folder}/{inner}.txt");
    stack.write(&path, token.as_bytes());
    let import = ["import", tree.to_str().unwrap(), "--class", CLASS];
    let _ = stack.obhut("cw1", &import).ok();

    let purpose = planted.plant("logged: a purpose");
    let why = planted.plant("logged: a justification");
    let target = stack.folder().join("opened");
    let get = [
        "get",
        &document,
        "--purpose",
        &purpose,
        "--legal-basis",
        REASON[3],
        "--justification",
        &why,
        "--output",
        target.to_str().unwrap(),
    ];
    let _ = stack.obhut("cw2", &get).ok();
    let show = [&["case", "show", &reference], &REASON[..]].concat();
    let _ = stack.obhut("cw2", &show).ok();

    let address = planted.plant("a line of an address");
    let letter = stack.folder().join("letter.html");
    let issue = [
        "issue",
        &document,
        "--to",
        citizen,
        "--address",
        &address,
        "--letter",
        letter.to_str().unwrap(),
    ];
    let _ = stack.reading("cw1", &issue).ok();
    let code = letter_code(&fs::read_to_string(&letter).unwrap());
    planted.watch_code("a letter's secret", &code);
    let code = stack.write("code", code.as_bytes());
    let _ = stack
        .obhut("citizen", &["activate", code.to_str().unwrap()])
        .ok();
    let _ = stack.obhut("citizen", &["log", "mine"]).ok();
    let invitation = fs::read_to_string(stack.folder().join("invitation-cw1")).unwrap();
    planted.watch_code("an invitation", invitation.trim());
}

fn gate_keys(stack: &Stack) -> PathBuf {
    stack.folder().join("vault-gate-key")
}

fn nothing(findings: &[Finding]) {
    assert!(findings.is_empty(), "leaked: {findings:#?}");
}

/// A core dump of the running server; `None` where gcore may be missing.
fn dump(stack: &Stack) -> Option<PathBuf> {
    if Command::new("gcore").arg("--help").output().is_err() {
        cannot_run_without("gcore, of Debian's package gdb");
        return None;
    }
    let prefix = stack.folder().join("core");
    let pid = stack.server_pid().to_string();
    let made = run(Command::new("gcore").arg("-o").arg(&prefix).arg(&pid));
    assert_eq!(made.code, 0, "{}{}", made.stdout, made.stderr);
    Some(stack.folder().join(format!("core.{pid}")))
}

/// The same search finds each token that was planted on purpose: beside the database, in a name, in the log.
fn would_be_found(stack: &Stack, planted: &Planted, search: &Search) {
    for (number, canary) in planted.canaries.iter().enumerate() {
        let padded = [b"..", canary.token.as_slice(), b"."].concat();
        let forms = [
            padded.clone(),
            data_encoding::HEXLOWER.encode(&padded).into_bytes(),
            data_encoding::BASE64.encode(&padded).into_bytes(),
            data_encoding::BASE64URL_NOPAD.encode(&padded).into_bytes(),
        ];
        let path = stack.data().join("objects/planted");
        fs::write(&path, &forms[number % forms.len()]).unwrap();
        let found = search.tree(&stack.data()).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(
            found
                .iter()
                .any(|finding| finding.path == path && finding.place == canary.place),
            "{} would not have been found",
            canary.place
        );
    }
    found_in_name(stack, planted, search);
}

fn found_in_name(stack: &Stack, planted: &Planted, search: &Search) {
    let token = String::from_utf8(planted.canaries[0].token.clone()).unwrap();
    let path: &Path = &stack.data().join(format!("objects/{token}"));
    fs::write(path, b"").unwrap();
    assert_eq!(search.tree(&stack.data()).unwrap().len(), 1);
    fs::remove_file(path).unwrap();
}
