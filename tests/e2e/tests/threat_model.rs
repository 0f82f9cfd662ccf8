//! `docs/threat-model.md` is written from the names of the tests: an attack id without a test is visible.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use obhut_e2e::lies::{self, Front, Lie};

/// Id, what the adversary does, what must happen.
const ATTACKS: &[(&str, &str, &str)] = &[
    ("A01", "drops the short last chunk", "refused as truncated"),
    (
        "A02",
        "cuts inside a chunk, tag, salt, commitment or header",
        "refused",
    ),
    ("A03", "appends bytes or a further chunk", "refused"),
    ("A04", "swaps two chunks", "refused"),
    ("A05", "repeats a chunk in another's place", "refused"),
    (
        "A06",
        "splices a chunk of another document in",
        "refused: other key",
    ),
    (
        "A07",
        "serves another document's whole object",
        "refused at the commitment",
    ),
    (
        "A08",
        "serves an older revision as the latest",
        "refused: below the logged revision",
    ),
    (
        "A09",
        "shows two clients different revisions",
        "checkpoints of one log differ",
    ),
    (
        "A10",
        "flips a bit anywhere",
        "refused; header errors before any chunk",
    ),
    ("A11", "answers a range request with other bytes", "refused"),
    (
        "A12",
        "breaks only the last chunk",
        "no finished file appears",
    ),
    (
        "A13",
        "lies about lengths",
        "ignored; only the signed manifest counts",
    ),
    (
        "A14",
        "sets an unknown suite, version or reserved bit",
        "refused; no fallback",
    ),
    (
        "A15",
        "a colluding reader re-seals a chunk",
        "refused by the content root",
    ),
    (
        "A16",
        "as A15 with an unchanged tag",
        "refused by the content root",
    ),
    (
        "A17",
        "an object that opens under two keys",
        "refused by commitment and dak_id",
    ),
    (
        "A18",
        "the source changes during a resumed upload",
        "sealed anew under another key",
    ),
    ("A19", "storage returns a part of another upload", "refused"),
    (
        "A20",
        "non-zero padding, wrong length or bucket",
        "refused like damage",
    ),
    ("A21", "sizes at the chunk borders", "exact round trip"),
    (
        "A22",
        "path traversal in names",
        "names are made safe; nothing is unpacked",
    ),
    ("B01", "replaces a wrapped key", "refused: dak_id is signed"),
    (
        "B02",
        "installs its own case key and waits for uploads",
        "no sealing under an unlogged epoch",
    ),
    (
        "B03",
        "swaps wraps between objects, people, epochs",
        "refused",
    ),
    (
        "B04",
        "replays a revoked grant or an older epoch",
        "refused",
    ),
    (
        "B05",
        "rolls a unit epoch back",
        "no sealing without the logged epoch",
    ),
    (
        "B06",
        "adds a ghost member or device",
        "refused: not stated by a registrar",
    ),
    ("B07", "hides grants", "the state root differs"),
    ("B08", "low-order X25519 part", "refused in every encoding"),
    (
        "B09",
        "encapsulation of wrong length or flipped",
        "one uniform error",
    ),
    ("B10", "publishes a bad public key", "refused when read"),
    ("B11", "sends algorithm ids", "ids are constants; no panic"),
    ("B12", "offers a classical wrap", "refused"),
    (
        "B13",
        "one wrap for many candidate keys",
        "length first; committing seal",
    ),
    (
        "B14",
        "re-signs as another author",
        "refused: the author is in the context",
    ),
    (
        "B15",
        "tampers with the sealed identity",
        "refused as a whole",
    ),
    (
        "B16",
        "moves a ciphertext to another purpose",
        "refused: the purpose is in every context",
    ),
    (
        "B17",
        "tampers with a chain link",
        "refused: ck_id is signed",
    ),
    ("B18", "drops half of a hybrid signature", "refused"),
    ("B19", "a grant without authority", "refused by the client"),
    (
        "B20",
        "sends part of a grant batch",
        "each grant carries its path",
    ),
    (
        "C01",
        "returns its own public key for somebody",
        "refused without a logged statement",
    ),
    (
        "C02",
        "returns a revoked or rotated key",
        "refused by replay",
    ),
    (
        "C03",
        "splits the view of the directory",
        "refused without quorum and consistency",
    ),
    (
        "C04",
        "shrinks or rewrites the log",
        "refused against the pinned checkpoint",
    ),
    ("C05", "inclusion proof for something else", "refused"),
    ("C06", "attestation for somebody else", "refused"),
    ("C07", "small-order or malleated Ed25519", "refused"),
    ("C08", "adds a device", "refused unless the identity signed"),
    (
        "C09",
        "claims an account reset",
        "never re-wrapped silently",
    ),
    (
        "C10",
        "answers that a key does not exist",
        "absence follows from the replay",
    ),
    ("C11", "lies about the time", "bounded by the local clock"),
    (
        "D01",
        "lowers passphrase parameters",
        "refused below the floor",
    ),
    (
        "D02",
        "raises them beyond reason",
        "refused above the ceiling",
    ),
    (
        "D03",
        "injects a recovery key",
        "only by signed, logged policy",
    ),
    ("D04", "swaps the recovery key", "its hash is logged"),
    (
        "D05",
        "a trustee returns a wrong share",
        "named; no seed comes out",
    ),
    ("D06", "duplicate or mixed shares", "refused"),
    ("D07", "biased shares", "statistical test"),
    (
        "D08",
        "substitutes the recovery session key",
        "code compared by voice",
    ),
    (
        "D09",
        "tricks a trustee",
        "shares are bound to trustee and set",
    ),
    ("D10", "zero PRF output, bad word list", "refused"),
    (
        "D11",
        "uses unlocking as an oracle",
        "nothing depends on server blobs",
    ),
    ("E01", "exchanges names or moves a document", "refused"),
    ("E02", "injects a file", "refused: not by a member"),
    (
        "E03",
        "hides a document or a case",
        "state root and replay show it",
    ),
    ("E04", "changes date, class or media type", "refused"),
    (
        "E05",
        "destroys early, keeps after destruction",
        "the log shows it",
    ),
    (
        "E06",
        "gives a document without an entry",
        "the receipt is demanded first",
    ),
    ("E07", "rewrites entries later", "consistency proof fails"),
    (
        "E08",
        "looks for plaintext on the server",
        "canaries are not found",
    ),
    (
        "E09",
        "waits for the letter's secret",
        "it never reaches the server",
    ),
    ("E10", "measures sizes", "only Padmé buckets"),
    ("E11", "tells errors apart", "one error"),
    (
        "E12",
        "restores a backup after destruction",
        "nothing opens",
    ),
    (
        "E13",
        "hostile lengths and encodings",
        "strict parsers, no panic",
    ),
    (
        "E14",
        "ships a changed web client",
        "its hash is not the logged one",
    ),
    ("E15", "deletes containers", "local data stays"),
    (
        "F01",
        "logs an act without the subject",
        "the gatekeeper refuses",
    ),
    (
        "F02",
        "splits an act so that a label is missing",
        "the gatekeeper refuses",
    ),
    (
        "F03",
        "a subject derives what is not theirs",
        "impossible by keys",
    ),
    (
        "F04",
        "shows a citizen another role",
        "every field opens the commitment",
    ),
    (
        "F05",
        "acts with an invented or revoked device",
        "the gatekeeper refuses",
    ),
    (
        "F06",
        "names another vault's documents",
        "the gatekeeper refuses",
    ),
    ("F07", "orders destruction alone", "the gatekeeper refuses"),
    (
        "F08",
        "deposits a destroyed share again",
        "refused for ever",
    ),
    (
        "F09",
        "titles in an old backup",
        "unreadable: the share is gone",
    ),
    ("F10", "expired entries in an old backup", "unreadable"),
    (
        "F11",
        "the gatekeeper's database is lost",
        "second store, tombstones, comparison",
    ),
    (
        "F12",
        "the vault is restored and swept",
        "nothing in the log is deleted",
    ),
    ("F13", "a wrong index root", "counts only with the auditor"),
    ("F14", "a second id hides documents", "duplicates are found"),
    (
        "F15",
        "an entry in an unregistered shard",
        "the gatekeeper refuses",
    ),
    ("F16", "replays an act", "the gatekeeper refuses"),
    ("F17", "passes live entries off as erased", "the core stays"),
    (
        "F18",
        "a thief uses the letter first, or later",
        "final rotation; alarm",
    ),
    (
        "F19",
        "deposits for somebody else's share",
        "insert-only, signed by the author",
    ),
    (
        "F20",
        "relays a login challenge",
        "bound to vault and origin",
    ),
    (
        "F21",
        "feeds the gatekeeper stale records",
        "refused by age",
    ),
    (
        "F22",
        "a subject added after the deposit",
        "forced from then on",
    ),
    ("F23", "the quarter turns", "no outage"),
    (
        "F24",
        "the leaf differs from the act",
        "the gatekeeper recomputes it",
    ),
    (
        "F25",
        "asks for an unregistered share",
        "the gatekeeper refuses",
    ),
    ("F26", "a registrar invents approvers", "refused"),
    ("F27", "a hold in the gap", "counts at once"),
    ("F28", "registers too late", "invalid everywhere"),
    (
        "F29",
        "expiry of one class kills another's day",
        "shares are per shard",
    ),
    (
        "F30",
        "a false gatekeeper or log key at founding",
        "fingerprints by another way",
    ),
];

/// Ids that must have a test by now.
const REQUIRED: &str = "A01 A02 A03 A04 A05 A06 A07 A10 A11 A12 A13 A14 A15 A16 A17 A20 A21 B01 B02 \
    B03 B04 B06 B07 B08 B09 B10 B11 B14 B16 C01 C07 D01 D02 E01 E02 E04 E08 \
    E13 F01 F02 F03 F04 F05 F06 F08 F16 F18 F19 F20 F22 F24 F25 F28 F30";

const INTRO: &str = "# Threat model

Who may do what is in [architecture.md](architecture.md); this page says which test stands for which attack. Written by `cargo xtask bless` from the
names of the tests and from the catalogue of lies (`tests/e2e/src/lies`), which `tests/e2e/tests/lies.rs` tells between the real programs and
`cargo xtask lie` tells by hand ([testing.md](testing.md)); an empty last column means that nothing tests it yet.

| Id | The adversary | Then | Tests |
|---|---|---|---|
";

const LYING_LOG: &str = "
## Lying logs

What a vault may do to who reads what was logged about themselves, beside A to F above.

| Lie |
|---|
";

#[test]
fn every_attack_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tests = tests_by_id(&root);
    let mut page = INTRO.to_owned();
    for (id, attack, then) in ATTACKS {
        let found = tests.get(*id).cloned().unwrap_or_default();
        writeln!(
            page,
            "| {id} | {attack} | {then} | {} |",
            found.join("<br>")
        )
        .unwrap();
    }
    page.push_str(LYING_LOG);
    for lie in lies::all().filter(|lie| lie.attack() == "L") {
        writeln!(page, "| {} |", cell(lie)).unwrap();
    }
    let missing: Vec<_> = REQUIRED
        .split_whitespace()
        .filter(|id| !tests.contains_key(*id))
        .collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}");
    let path = root.join("docs/threat-model.md");
    if std::env::var_os("OBHUT_BLESS").is_some() {
        std::fs::write(&path, page).unwrap();
    } else {
        assert!(
            std::fs::read_to_string(&path).unwrap_or_default() == page,
            "run `cargo xtask bless`"
        );
    }
}

fn tests_by_id(root: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files(&[root.join("crates"), root.join("tests")]) {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in text.lines().filter_map(|line| {
            line.trim_start()
                .trim_start_matches("async ")
                .strip_prefix("fn ")
        }) {
            let name = name.split('(').next().unwrap_or_default();
            for id in leading_ids(name) {
                let place = file.strip_prefix(root).unwrap().display();
                found
                    .entry(id)
                    .or_default()
                    .push(format!("`{name}` ({place})"));
            }
        }
    }
    for names in found.values_mut() {
        names.sort();
    }
    for lie in lies::all() {
        let names = found.entry(lie.attack().to_owned()).or_default();
        names.push(cell(lie));
    }
    found
}

/// What the table says of a lie.
fn cell(lie: &Lie) -> String {
    let who = lie.on.iter().map(|(front, _)| match front {
        Front::Vault => "the vault",
        Front::Store => "the store",
    });
    let who: Vec<_> = who.collect();
    format!("lie `{}`: {} {}", lie.name, who.join(" or "), lie.says)
}

/// `a01_a02_refuses_…` names A01 and A02.
fn leading_ids(name: &str) -> Vec<String> {
    let is_id = |part: &&str| {
        let (letter, digits) = part.split_at_checked(1).unwrap_or_default();
        "abcdef".contains(letter)
            && digits.len() == 2
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    name.split('_')
        .take_while(is_id)
        .map(str::to_uppercase)
        .collect()
}

fn rust_files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folders
        .iter()
        .flat_map(|folder| walkdir::WalkDir::new(folder).sort_by_file_name())
    {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|end| end == "rs")
            && !path.components().any(|part| part.as_os_str() == "target")
        {
            files.push(path);
        }
    }
    files
}
