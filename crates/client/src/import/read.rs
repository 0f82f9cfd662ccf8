//! Reads sources: small ones whole and hashed before a key is used, and notices when they change.

use std::io::Read;
use std::path::Path;

use obhut_format::Hash;
use obhut_format::context::sha256;

use super::scan::{SkipReason, SourceStamp, open_regular};

/// How often a source that changes while it is read is read again.
const READ_ATTEMPTS: u32 = 3;
/// Sources up to this length are read whole; longer ones are streamed.
pub(super) const SMALL_BYTES: u64 = 4 << 20;

/// A source read whole.
#[derive(Debug)]
pub(super) struct SmallSource {
    pub(super) content: Vec<u8>,
    pub(super) hash: Hash,
    pub(super) stamp: SourceStamp,
}

/// Reads a source of at most [`SMALL_BYTES`] as it was at one moment. `None`: it has grown beyond that.
pub(super) fn read_small(path: &Path) -> Result<Option<SmallSource>, SkipReason> {
    read_observed(path, || ())
}

/// As [`read_small`]; `between` happens after the bytes were read and before they are believed.
fn read_observed(
    path: &Path,
    mut between: impl FnMut(),
) -> Result<Option<SmallSource>, SkipReason> {
    for _ in 0..READ_ATTEMPTS {
        let (mut file, stamp) = open_regular(path)?;
        if stamp.size_bytes > SMALL_BYTES {
            return Ok(None);
        }
        let unreadable = |error: std::io::Error| SkipReason::Unreadable(error.kind());
        let mut content = Vec::with_capacity(stamp.size_bytes as usize + 1);
        let mut limited = (&mut file).take(SMALL_BYTES + 1);
        limited.read_to_end(&mut content).map_err(unreadable)?;
        between();
        let unchanged = stamp.still_holds(&file).map_err(unreadable)?;
        if unchanged && content.len() as u64 == stamp.size_bytes {
            let hash = sha256(&[&content]);
            return Ok(Some(SmallSource {
                content,
                hash,
                stamp,
            }));
        }
    }
    Err(SkipReason::Changed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::io::Write;

    #[test]
    fn reads_sources_from_nothing_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        for len in [0, 1, 4096, SMALL_BYTES as usize] {
            std::fs::write(&path, vec![7; len]).unwrap();
            let read = read_small(&path).unwrap().unwrap();
            assert_eq!(read.content.len(), len);
            assert_eq!(read.hash, sha256(&[&read.content]));
        }
        std::fs::write(&path, vec![7; SMALL_BYTES as usize + 1]).unwrap();
        assert!(read_small(&path).unwrap().is_none());
    }

    #[test]
    fn a18_a_source_that_never_stands_still_is_not_imported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, vec![7; 4096]).unwrap();
        let mut file = std::fs::File::options().append(true).open(&path).unwrap();
        let read = read_observed(&path, || file.write_all(b"x").unwrap());
        assert_eq!(read.err(), Some(SkipReason::Changed));
    }

    #[test]
    fn a18_a_source_that_changed_once_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, b"before").unwrap();
        let mut changes = vec![b"behind and longer".as_slice()];
        let read = read_observed(&path, || {
            if let Some(content) = changes.pop() {
                std::fs::write(&path, content).unwrap();
            }
        });
        assert_eq!(read.unwrap().unwrap().content, b"behind and longer");
    }
}
