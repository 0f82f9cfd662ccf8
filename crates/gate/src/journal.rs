//! The journal of tombstones: a file that only grows, written before a share goes, so that a restored database knows what
//! was destroyed after its backup (F11).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use obhut_format::id::{base32, parse_base32};
use obhut_format::{ShareId, VaultId};

use crate::rows::Tombstone;
use crate::{GateError, keys};

/// The file, one line a tombstone: vault, share, kind, reason, microseconds UTC.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Everything that was ever written down; nothing where there is no file yet. A last line that a crash cut short is
    /// left out: what it stood for had not been done.
    pub(crate) fn read(&self) -> Result<Vec<Tombstone>, GateError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(GateError::file(&self.path)(error)),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| parse(line).ok_or_else(|| GateError::JournalDamaged(self.path.clone())))
            .collect()
    }

    /// Writes tombstones down, durable when it returns.
    pub(crate) fn append(&self, tombstones: &[Tombstone]) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            keys::make_folder(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&self.path)?;
        drop_torn_line(&mut file)?;
        let lines: String = tombstones.iter().map(line).collect();
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        sync_folder(&self.path)
    }
}

fn line(tombstone: &Tombstone) -> String {
    format!(
        "{} {} {} {} {}\n",
        base32(&tombstone.vault.0),
        base32(&tombstone.share_id.0),
        tombstone.kind.as_str(),
        tombstone.reason,
        tombstone.destroyed_us
    )
}

fn parse(line: &str) -> Option<Tombstone> {
    let mut fields = line.split(' ');
    let mut next = || fields.next();
    let tombstone = Tombstone {
        vault: VaultId(parse_base32(next()?).ok()?.try_into().ok()?),
        share_id: ShareId(parse_base32(next()?).ok()?.try_into().ok()?),
        kind: next()?.parse().ok()?,
        reason: next()?.to_owned(),
        destroyed_us: next()?.parse().ok()?,
    };
    next().is_none().then_some(tombstone)
}

/// A line without its end would swallow the next one.
fn drop_torn_line(file: &mut File) -> io::Result<()> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = whole.map_or(0, |end| end + 1);
    if whole < bytes.len() {
        file.set_len(whole as u64)?;
    }
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use obhut_format::share::ShareKind;

    fn tombstone(number: u8) -> Tombstone {
        Tombstone {
            vault: VaultId([number; 16]),
            share_id: ShareId([number; 32]),
            kind: ShareKind::Document,
            reason: "never-registered".to_owned(),
            destroyed_us: u64::from(number),
        }
    }

    fn shares(journal: &Journal) -> Vec<ShareId> {
        let read = journal.read().unwrap();
        read.iter().map(|tombstone| tombstone.share_id).collect()
    }

    #[test]
    fn a_journal_grows_and_survives_a_torn_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal/tombstones");
        let journal = Journal::new(path.clone());
        assert!(shares(&journal).is_empty());
        journal.append(&[tombstone(1), tombstone(2)]).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"aeaqcaibaeaqcaibaeaqcaibae aea").unwrap();
        assert_eq!(shares(&journal).len(), 2);
        journal.append(&[tombstone(3)]).unwrap();
        let expected = [1, 2, 3].map(|number| ShareId([number; 32]));
        assert_eq!(shares(&journal), expected);
    }

    #[test]
    fn a_line_damaged_in_the_middle_is_named_and_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tombstones");
        let journal = Journal::new(path.clone());
        journal.append(&[tombstone(1), tombstone(2)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("document", "dokument", 1)).unwrap();
        let error = journal.read().err().unwrap();
        assert!(error.to_string().contains("damaged"), "{error}");
    }
}
