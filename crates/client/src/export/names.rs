//! Where exported documents are written: their original paths, as far as those are safe.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use obhut_format::DocumentId;
use obhut_format::context::sha256;
use obhut_format::id::base32;

/// Longest name that file systems take, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Deepest path that is kept as it was.
const MAX_DEPTH: usize = 64;

/// Gives every document of an export a place of its own below the target folder.
#[derive(Default)]
pub struct ExportNames {
    files: HashSet<PathBuf>,
    folders: HashSet<PathBuf>,
}

/// Where a document goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Path below the target folder: plain names only.
    pub relative: PathBuf,
    /// It is not the path the document came with.
    pub renamed: bool,
}

impl ExportNames {
    /// Nothing taken yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The place of a document that came with this path or, without one, this title. Never leaves the
    /// target folder, never meets another document's place.
    pub fn place(&mut self, path: Option<&[u8]>, title: &str, document: DocumentId) -> Placed {
        let wanted = path.filter(|path| !path.is_empty());
        let original = wanted.unwrap_or(title.as_bytes());
        let mut parts: Vec<Vec<u8>> = match wanted {
            Some(path) => path.split(|byte| *byte == b'/').map(safe_name).collect(),
            None => vec![safe_name(title.as_bytes())],
        };
        // Empty parts come from doubled, leading and trailing separators.
        parts.retain(|part| !part.is_empty());
        if parts.len() > MAX_DEPTH {
            parts = parts.split_off(parts.len() - MAX_DEPTH);
        }
        let name = parts
            .pop()
            .unwrap_or_else(|| document.to_string().into_bytes());
        let folder = self.place_folder(&parts);
        let relative = self.place_file(&folder, &name);
        self.files.insert(relative.clone());
        let renamed = relative.as_os_str().as_bytes() != original;
        Placed { relative, renamed }
    }

    /// A folder must not stand where a file stands.
    fn place_folder(&mut self, parts: &[Vec<u8>]) -> PathBuf {
        let mut folder = PathBuf::new();
        for part in parts {
            let free = candidates(part)
                .map(|name| folder.join(name))
                .find(|path| !self.files.contains(path));
            folder = free.unwrap_or(folder);
            self.folders.insert(folder.clone());
        }
        folder
    }

    fn place_file(&self, folder: &Path, name: &[u8]) -> PathBuf {
        let taken = |path: &PathBuf| self.files.contains(path) || self.folders.contains(path);
        candidates(name)
            .map(|name| folder.join(name))
            .find(|path| !taken(path))
            .unwrap_or_else(|| folder.join("document"))
    }
}

/// The name itself, then `name (2).ending`, `name (3).ending`, … without end.
fn candidates(name: &[u8]) -> impl Iterator<Item = OsString> {
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let (stem, ending) = name.split_at(dot.filter(|at| *at > 0).unwrap_or(name.len()));
    let (stem, ending) = (stem.to_vec(), ending.to_vec());
    let numbered = (2_u64..).map(move |number| {
        let mark = format!(" ({number})").into_bytes();
        let room = MAX_NAME_BYTES.saturating_sub(mark.len() + ending.len());
        let stem = stem.get(..room).unwrap_or(&stem);
        OsString::from_vec([stem, mark.as_slice(), ending.as_slice()].concat())
    });
    std::iter::once(OsString::from_vec(name.to_vec())).chain(numbered)
}

/// One path component without any power: no separator, no NUL, not `.` or `..`, not too long.
fn safe_name(part: &[u8]) -> Vec<u8> {
    let clean: Vec<u8> = part
        .iter()
        .map(|byte| {
            if matches!(byte, 0 | b'/') {
                b'_'
            } else {
                *byte
            }
        })
        .collect();
    if clean == b"." || clean == b".." {
        return vec![b'_'; clean.len()];
    }
    if clean.len() <= MAX_NAME_BYTES {
        return clean;
    }
    // The hash keeps two long names apart that begin alike.
    let hash = base32(&sha256(&[part]));
    let mark = format!("~{}", hash.get(..12).unwrap_or_default());
    let room = MAX_NAME_BYTES - mark.len();
    let stem = clean.get(..room).unwrap_or_default();
    [stem, mark.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    fn place(path: &[u8]) -> Placed {
        ExportNames::new().place(Some(path), "Title", DocumentId([1; 16]))
    }

    #[test]
    fn honest_paths_stay_as_they_were() {
        for path in [
            b"a.txt".as_slice(),
            b"deep/er/b c.txt",
            "Ämter/Öl.pdf".as_bytes(),
            b"gr\xfc\xdfe.txt",
            b"new\nline",
            b".hidden",
            b"...",
            b"-rf",
        ] {
            let placed = place(path);
            assert_eq!(placed.relative.as_os_str().as_bytes(), path);
            assert!(!placed.renamed);
        }
    }

    #[test]
    fn a22_no_path_leaves_the_target_folder() {
        for (path, safe) in [
            (b"../../etc/passwd".as_slice(), "__/__/etc/passwd"),
            (b"/etc/passwd", "etc/passwd"),
            (b"a/../../b", "a/__/__/b"),
            (b"a/./b", "a/_/b"),
            (b"..", "__"),
            (b"//", "doc_aeaqcaibaeaqcaibaeaqcaibae"),
            (b"nul\0byte", "nul_byte"),
        ] {
            let placed = place(path);
            assert_eq!(placed.relative, PathBuf::from(safe));
            assert!(placed.renamed);
        }
    }

    #[test]
    fn titles_with_separators_become_one_name() {
        let mut names = ExportNames::new();
        let placed = names.place(None, "../Antrag 1/2", DocumentId([1; 16]));
        assert_eq!(placed.relative, PathBuf::from(".._Antrag 1_2"));
    }

    #[test]
    fn documents_of_one_name_get_places_of_their_own() {
        let mut names = ExportNames::new();
        let mut place = |path: &str| {
            let placed = names.place(Some(path.as_bytes()), "", DocumentId([1; 16]));
            placed.relative.to_str().unwrap().to_owned()
        };
        assert_eq!(place("a.txt"), "a.txt");
        assert_eq!(place("a.txt"), "a (2).txt");
        assert_eq!(place("a.txt"), "a (3).txt");
        // A file where another document needs a folder, and the other way round.
        assert_eq!(place("a.txt/b"), "a (4).txt/b");
        assert_eq!(place("c/d"), "c/d");
        assert_eq!(place("c"), "c (2)");
    }

    #[test]
    fn long_names_fit_and_stay_apart() {
        let long = |end: &str| format!("{}{end}", "x".repeat(300));
        let mut names = ExportNames::new();
        let [a, b] = ["1", "2"].map(|end| {
            let path = long(end);
            names
                .place(Some(path.as_bytes()), "", DocumentId([1; 16]))
                .relative
        });
        assert_ne!(a, b);
        assert_eq!(a.as_os_str().len(), MAX_NAME_BYTES);
    }

    proptest! {
        #[test]
        fn a22_any_paths_get_safe_and_separate_places(
            paths in prop::collection::vec(prop::collection::vec(
                prop_oneof![3 => any::<u8>(), 2 => Just(b'/'), 2 => Just(b'.'), 1 => Just(0)], 0..40), 1..30),
        ) {
            let mut names = ExportNames::new();
            let mut files = HashSet::new();
            let mut folders = HashSet::new();
            for path in paths {
                let placed = names.place(Some(&path), "t", DocumentId([1; 16])).relative;
                prop_assert!(placed.components().count() >= 1);
                for part in placed.components() {
                    let Component::Normal(part) = part else {
                        return Err(TestCaseError::fail(format!("{placed:?}")));
                    };
                    prop_assert!(part.len() <= MAX_NAME_BYTES && !part.as_bytes().contains(&0));
                }
                prop_assert!(files.insert(placed.clone()), "{placed:?} twice");
                folders.extend(placed.ancestors().skip(1).map(Path::to_path_buf));
            }
            prop_assert!(files.is_disjoint(&folders));
        }
    }
}
