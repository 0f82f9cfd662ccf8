//! Imports that are run again: sources that changed, secrets that must be gone, two at once.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use obhut_e2e::{Agency, CLASS, REASON, files_below, random_bytes, run};
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::Value;

struct Office {
    agency: Agency,
    source: PathBuf,
}

impl Office {
    /// A source tree of `cases` folders with so many files of random lengths each.
    fn open(seed: u64, cases: u64, files: u64) -> Self {
        let agency = Agency::open(1);
        let source = agency.stack.folder().join("source");
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
        for case in 0..cases {
            for file in 0..files {
                let length = match rng.next_u32() % 8 {
                    0 => 0,
                    1 => 5 << 20,
                    _ => rng.next_u32() as usize % 70_000,
                };
                let path = source.join(format!("Akte {case}/{}/{file}.bin", file % 3));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, random_bytes(seed + case * 1_000 + file, length)).unwrap();
            }
        }
        Self { agency, source }
    }

    fn arguments(&self) -> Vec<&str> {
        let source = self.source.to_str().unwrap();
        vec!["import", source, "--class", CLASS, "--json"]
    }

    fn import(&self) -> Value {
        let printed = self.agency.stack.obhut("cw1", &self.arguments()).ok();
        serde_json::from_str(&printed).unwrap()
    }

    /// Case ids by title, without the one the agency began with.
    fn cases(&self) -> BTreeMap<String, String> {
        let rows = self.agency.stack.json_lines("cw1", &["case", "list"]);
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        let cases = rows
            .iter()
            .map(|row| (text(row, "title"), text(row, "case")));
        cases
            .filter(|(title, _)| title.starts_with("Akte"))
            .collect()
    }

    /// Every folder is one case, every file one document, every byte the same; nothing twice.
    fn check(&self) {
        let cases = self.cases();
        let out = self.agency.stack.folder().join("out");
        let _ = std::fs::remove_dir_all(&out);
        std::fs::create_dir(&out).unwrap();
        let folders = std::fs::read_dir(&self.source).unwrap().count();
        assert_eq!(cases.len(), folders, "{cases:?}");
        for (title, case) in &cases {
            let target = out.join(title);
            let arguments = ["export", case, target.to_str().unwrap()];
            let _ = self
                .agency
                .stack
                .obhut("cw1", &[&arguments[..], &REASON].concat())
                .ok();
            let checked = ["case", "verify", case, "--objects"];
            let _ = self.agency.stack.obhut("cw1", &checked).ok();
        }
        assert_eq!(tree(&self.source), tree(&out));
    }
}

fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(folder).into_iter();
    files
        .map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            (path.strip_prefix(folder).unwrap().to_owned(), bytes)
        })
        .collect()
}

#[test]
fn changed_sources_become_new_revisions_and_new_files_new_documents() {
    let office = Office::open(9, 2, 5);
    let first = office.import();
    assert_eq!(
        (&first["stored_files"], &first["cases"]),
        (&10.into(), &2.into())
    );
    std::fs::write(office.source.join("Akte 0/0/0.bin"), b"changed").unwrap();
    std::fs::write(office.source.join("Akte 1/new.txt"), b"new").unwrap();
    let second = office.import();
    assert_eq!(
        (&second["stored_files"], &second["unchanged_files"]),
        (&2.into(), &9.into())
    );
    // The export writes latest revisions: the tree of the source as it is now.
    office.check();
}

#[test]
fn secrets_of_stored_documents_are_gone_from_the_journal() {
    let office = Office::open(10, 1, 8);
    let home = office.agency.stack.folder().join("home/cw1/imports");
    let _ = office.import();
    let journals = files_below(&home);
    assert_eq!(journals.len(), 1);
    let bytes = std::fs::read(&journals[0]).unwrap();
    // A frame of eight sources ends with eight slots of 192 bytes, all overwritten.
    let longest = bytes
        .chunk_by(|a, b| a == b)
        .filter(|run| run.first() == Some(&0))
        .map(<[u8]>::len)
        .max();
    assert!(longest.unwrap() >= 8 * 192, "{longest:?}");
}

#[test]
fn two_imports_of_one_folder_do_not_run_at_once() {
    let office = Office::open(11, 2, 40);
    let mut first = office
        .agency
        .stack
        .command("cw1", &office.arguments())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let home = office.agency.stack.folder().join("home/cw1/imports");
    while files_below(&home).is_empty() && first.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let second = run(&mut office.agency.stack.command("cw1", &office.arguments()));
    let _ = first.wait();
    assert!(second.code == 1 || second.code == 0, "{}", second.stderr);
    if second.code == 1 {
        assert!(
            second.stderr.contains("another import"),
            "{}",
            second.stderr
        );
    }
    let _ = office.import();
    office.check();
}
