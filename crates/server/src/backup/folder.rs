//! The files of a backup's folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::BackupError;
use super::error::file_error;
use super::manifest::{CONFIG, GATE, INVENTORY, TABLES, hex};
use crate::objects::make_folder;

/// Lies in a folder whose backup was begun and not finished.
pub(super) const UNFINISHED: &str = "unfinished";

/// Ends the name of a file that is being written.
const STAGED: &str = ".new";

/// Makes the folder, or takes one over in which a backup was broken off; capsules copied then stay.
pub(super) fn begin(folder: &Path) -> Result<(), BackupError> {
    let begun = folder.join(UNFINISHED);
    if !begun.exists() && is_used(folder) {
        return Err(BackupError::Occupied(folder.to_owned()));
    }
    make_folder(folder).map_err(file_error(folder))?;
    write_whole(&begun, b"This backup is being made, or was broken off.\n")?;
    for old in [
        folder.join(TABLES),
        folder.join(INVENTORY),
        folder.join(CONFIG),
        folder.join(GATE),
    ] {
        let removed = if old.is_dir() {
            fs::remove_dir_all(&old)
        } else {
            fs::remove_file(&old)
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error(&old)(error));
            }
            _ => {}
        }
    }
    make_folder(&folder.join(TABLES)).map_err(file_error(folder))?;
    Ok(())
}

/// Whether anything lies in a folder but the mark of a backup that was killed while it wrote that.
fn is_used(folder: &Path) -> bool {
    let half = format!("{UNFINISHED}{STAGED}");
    let mut entries = fs::read_dir(folder).into_iter().flatten();
    entries.any(|entry| entry.map_or(true, |entry| *entry.file_name() != *half))
}

/// Everything is durable and the manifest is in its place: the backup counts.
pub(super) fn end(folder: &Path) -> Result<(), BackupError> {
    let path = folder.join(UNFINISHED);
    fs::remove_file(&path).map_err(file_error(&path))?;
    sync_folder(folder)
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(file_error(folder))
}

/// Writes a file only its owner may read, durable and whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(STAGED);
    let write = || -> io::Result<()> {
        let mut file = create(Path::new(&staged))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(file_error(path))
}

pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

/// Length and SHA-256 of a file.
pub(super) fn hash_of(path: &Path) -> Result<(u64, String), BackupError> {
    let file = File::open(path).map_err(file_error(path))?;
    let mut file = BufReader::with_capacity(1 << 18, file);
    let (mut hasher, mut bytes) = (Sha256::new(), 0_u64);
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece).map_err(file_error(path))? {
            0 => return Ok((bytes, hex(&hasher.finalize()))),
            len => {
                hasher.update(piece.get(..len).unwrap_or_default());
                bytes += len as u64;
            }
        }
    }
}

/// A file being written, with its length and hash.
pub(super) struct Hashed {
    file: io::BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl Hashed {
    pub(super) fn create(path: &Path) -> Result<Self, BackupError> {
        Ok(Self {
            file: io::BufWriter::with_capacity(1 << 18, create(path).map_err(file_error(path))?),
            hasher: Sha256::new(),
            bytes: 0,
        })
    }

    /// Durable from here on; length and SHA-256.
    pub(super) fn finish(mut self) -> io::Result<(u64, String)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.bytes, hex(&self.hasher.finalize())))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn takes_over_what_was_broken_off_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("backup");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("unfinished.new"), b"This").unwrap();
        begin(&folder).unwrap();
        begin(&folder).unwrap();
        end(&folder).unwrap();
        assert!(matches!(begin(&folder), Err(BackupError::Occupied(_))));
    }
}
