//! Canaries: random tokens planted where a secret goes in, searched where none may come out.
//!
//! A token is found raw, in hex of either case, and in base64 or base64url at any of the three
//! alignments. What is compressed or encrypted before it leaks is not found.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL, Encoding, HEXLOWER, HEXUPPER};
use rand_core::Rng;

/// A token and where it was planted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Where it was planted, in words: "a document's title".
    pub place: String,
    /// What is searched.
    pub token: Vec<u8>,
}

impl Canary {
    /// A random token of 24 lower-case letters and digits, fit for a name or a title.
    pub fn generate(place: &str, rng: &mut impl Rng) -> Self {
        let mut bytes = [0; 15];
        rng.fill_bytes(&mut bytes);
        let token = BASE32_NOPAD.encode(&bytes).to_lowercase();
        Self::of(place, token.as_bytes())
    }

    /// A secret that already exists, such as a letter's.
    pub fn of(place: &str, token: &[u8]) -> Self {
        Self {
            place: place.to_owned(),
            token: token.to_vec(),
        }
    }
}

/// A canary where it must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it was planted.
    pub place: String,
    /// In which form it was found.
    pub form: Form,
    /// The file, or the path whose name holds it.
    pub path: PathBuf,
    /// The position in the file; `None` when it is in the name.
    pub offset: Option<u64>,
}

/// How a token was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Raw,
    /// Two digits a byte.
    Hex,
    /// RFC 4648 §4 or §5.
    Base64,
}

/// A search for many canaries at once, in one pass over each file.
pub struct Search {
    automaton: AhoCorasick,
    /// By pattern: which canary, in which form.
    meanings: Vec<(String, Form)>,
}

/// Shorter tokens would be found by chance.
const SHORTEST: usize = 8;

impl Search {
    /// A search for these canaries. Fails when a token is shorter than eight bytes.
    pub fn new(canaries: &[Canary]) -> io::Result<Self> {
        let mut meanings = Vec::new();
        let mut patterns = Vec::new();
        for canary in canaries {
            if canary.token.len() < SHORTEST {
                let short = format!("the canary in {} is too short", canary.place);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, short));
            }
            for (form, pattern) in forms(&canary.token) {
                meanings.push((canary.place.clone(), form));
                patterns.push(pattern);
            }
        }
        let automaton = AhoCorasick::new(patterns).map_err(io::Error::other)?;
        Ok(Self {
            automaton,
            meanings,
        })
    }

    /// Everything found in a file's content, read as a stream.
    pub fn file(&self, path: &Path) -> io::Result<Vec<Finding>> {
        let reader = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut findings = Vec::new();
        for found in self.automaton.stream_find_iter(reader) {
            let found = found?;
            let offset = Some(found.start() as u64);
            findings.extend(self.finding(found.pattern().as_usize(), path, offset));
        }
        Ok(findings)
    }

    /// Everything found in the names and contents below a folder (or in one file). Links are not
    /// followed. Files that vanish meanwhile are passed over; a running server deletes some.
    pub fn tree(&self, root: &Path) -> io::Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if vanished(error.io_error()) => continue,
                Err(error) => return Err(error.into()),
            };
            let name = entry.file_name().as_bytes();
            for found in self.automaton.find_iter(name) {
                findings.extend(self.finding(found.pattern().as_usize(), entry.path(), None));
            }
            if entry.file_type().is_file() {
                match self.file(entry.path()) {
                    Err(error) if vanished(Some(&error)) => {}
                    found => findings.append(&mut found?),
                }
            }
        }
        Ok(findings)
    }

    /// Everything found in a process's memory as a core dump would hold it: every readable mapping.
    /// The offset is the address. Needs the right to trace the process, which a parent has.
    pub fn process(&self, process: u32) -> io::Result<Vec<Finding>> {
        let path = PathBuf::from(format!("/proc/{process}/mem"));
        let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
        let mut memory = File::open(&path)?;
        let mut findings = Vec::new();
        for (start, end) in maps.lines().filter_map(readable) {
            memory.seek(SeekFrom::Start(start))?;
            let mapping = BufReader::with_capacity(1 << 20, (&memory).take(end - start));
            for found in self.automaton.stream_find_iter(mapping) {
                // A mapping that went away meanwhile, or one of the kernel's own.
                let Ok(found) = found else { break };
                let address = Some(start + found.start() as u64);
                findings.extend(self.finding(found.pattern().as_usize(), &path, address));
            }
        }
        Ok(findings)
    }

    fn finding(&self, pattern: usize, path: &Path, offset: Option<u64>) -> Option<Finding> {
        let (place, form) = self.meanings.get(pattern)?;
        Some(Finding {
            place: place.clone(),
            form: *form,
            path: path.to_owned(),
            offset,
        })
    }
}

/// Start and end of a mapping that can be read: `55d0…-55d1… r--p …` (proc(5)).
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    let address = |digits| u64::from_str_radix(digits, 16).ok();
    let range = (address(start)?, address(end)?);
    (rights.starts_with('r') && !line.ends_with("[vvar]")).then_some(range)
}

fn vanished(error: Option<&io::Error>) -> bool {
    error.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Every way the token may be written, without the characters its neighbours would change.
fn forms(token: &[u8]) -> BTreeSet<(Form, Vec<u8>)> {
    let mut forms = BTreeSet::from([
        (Form::Raw, token.to_vec()),
        (Form::Hex, HEXLOWER.encode(token).into_bytes()),
        (Form::Hex, HEXUPPER.encode(token).into_bytes()),
    ]);
    for alignment in 0..3 {
        forms.insert((Form::Base64, aligned(&BASE64, token, alignment)));
        forms.insert((Form::Base64, aligned(&BASE64URL, token, alignment)));
    }
    forms
}

/// The characters that hold nothing but the token, when `before` bytes precede it in its group.
fn aligned(encoding: &Encoding, token: &[u8], before: usize) -> Vec<u8> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(token);
    let whole = bytes.len() * 8 / 6;
    let foreign = (before * 8).div_ceil(6);
    let text = encoding.encode(&bytes).into_bytes();
    text.into_iter().take(whole).skip(foreign).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    fn canaries() -> Vec<Canary> {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        vec![
            Canary::generate("a title", &mut rng),
            Canary::of("a secret", &[0xfb, 0xff, 0, 1, 2, 3, 0xfe, 0x3e, 0x3f, 9]),
        ]
    }

    fn found_in(content: &[u8]) -> Vec<(String, Form)> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), content).unwrap();
        let search = Search::new(&canaries()).unwrap();
        let findings = search.tree(folder.path()).unwrap();
        findings
            .into_iter()
            .map(|finding| (finding.place, finding.form))
            .collect()
    }

    #[test]
    fn finds_a_canary_in_every_form_and_alignment() {
        for canary in canaries() {
            for before in 0..7 {
                for after in 0..4 {
                    let mut plain = vec![0xa5; before];
                    plain.extend_from_slice(&canary.token);
                    plain.extend(vec![0x5a; after]);
                    let written = [
                        (Form::Raw, plain.clone()),
                        (Form::Hex, HEXLOWER.encode(&plain).into_bytes()),
                        (Form::Hex, HEXUPPER.encode(&plain).into_bytes()),
                        (Form::Base64, BASE64.encode(&plain).into_bytes()),
                        (Form::Base64, BASE64URL.encode(&plain).into_bytes()),
                    ];
                    for (form, text) in written {
                        let found = found_in(&text);
                        assert_eq!(found, [(canary.place.clone(), form)], "{before} {after}");
                    }
                }
            }
        }
    }

    #[test]
    fn finds_nothing_where_nothing_is() {
        assert_eq!(found_in(&vec![b'a'; 100_000]), []);
        let other = Canary::generate("elsewhere", &mut ChaCha20Rng::seed_from_u64(8));
        assert_eq!(found_in(&other.token), []);
    }

    #[test]
    fn finds_a_canary_across_the_buffers_of_a_large_file() {
        let token = canaries().remove(0).token;
        let mut content = vec![0; (1 << 20) - 5];
        content.extend_from_slice(&token);
        content.resize(3 << 20, 1);
        assert_eq!(found_in(&content), [("a title".to_owned(), Form::Raw)]);
    }

    #[test]
    fn finds_a_canary_in_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let token = String::from_utf8(canaries().remove(0).token).unwrap();
        fs::create_dir(folder.path().join(format!("case {token}"))).unwrap();
        let findings = Search::new(&canaries())
            .unwrap()
            .tree(folder.path())
            .unwrap();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].offset, None);
    }

    #[test]
    fn finds_a_canary_in_the_memory_of_another_process() {
        let canary = canaries().remove(0);
        let token = String::from_utf8(canary.token.clone()).unwrap();
        let search = Search::new(&[canary]).unwrap();
        let found = |value: &str| {
            let mut child = std::process::Command::new("sleep")
                .arg("60")
                .env("CANARY", value)
                .spawn()
                .unwrap();
            let findings = search.process(child.id()).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            findings.len()
        };
        assert_eq!(found("nothing"), 0);
        assert!(found(&token) >= 1);
    }

    #[test]
    fn refuses_a_canary_found_by_chance() {
        assert!(Search::new(&[Canary::of("a code", b"1234567")]).is_err());
    }
}
