//! Files that appear whole or not at all.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::ClientError;

/// Whether a file that is there already may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Keep it and fail.
    Keep,
    /// Replace it in one step.
    Replace,
}

/// A file without a name until [`WholeFile::finish`]: a crash or an error before it leaves nothing behind.
/// Where the file system has no nameless files, a hidden temporary file stands in.
pub struct WholeFile {
    target: PathBuf,
    folder: PathBuf,
    body: Body,
}

enum Body {
    Nameless(File),
    Named(NamedTempFile),
}

impl WholeFile {
    /// Starts the file that is to be `target`, with these permission bits (less the umask).
    pub fn create(target: &Path, mode: u32) -> Result<Self, ClientError> {
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let nameless = rustix::fs::openat(CWD, &folder, flags, Mode::from_raw_mode(mode));
        let body = match nameless {
            Ok(fd) => Body::Nameless(File::from(fd)),
            // The place is at fault, not the file system: another way in would fail as well.
            Err(error @ (Errno::ACCESS | Errno::NOENT | Errno::NOTDIR | Errno::ROFS)) => {
                return Err(ClientError::io_kind("cannot write", target, error.kind()));
            }
            Err(_) => Body::Named(
                tempfile::Builder::new()
                    .prefix(".obhut-")
                    .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
                    .tempfile_in(&folder)
                    // Its own text names the temporary file, which says nothing to anybody.
                    .map_err(|error| ClientError::io_kind("cannot write", target, error.kind()))?,
            ),
        };
        Ok(Self {
            target: target.to_owned(),
            folder,
            body,
        })
    }

    /// Where it will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Writes a small file in one go.
    pub fn write(
        target: &Path,
        mode: u32,
        existing: Existing,
        bytes: &[u8],
    ) -> Result<(), ClientError> {
        Self::create(target, mode)?.finish_with(existing, bytes)
    }

    /// Writes these bytes and finishes.
    pub fn finish_with(mut self, existing: Existing, bytes: &[u8]) -> Result<(), ClientError> {
        self.write_all(bytes)
            .map_err(ClientError::io("cannot write", &self.target))?;
        self.finish(existing)
    }

    /// Makes the bytes durable and gives the file its name.
    pub fn finish(self, existing: Existing) -> Result<(), ClientError> {
        let Self {
            target,
            folder,
            body,
        } = self;
        let failed = || ClientError::io("cannot write", &target);
        match body {
            Body::Nameless(file) => {
                file.sync_all().map_err(failed())?;
                name_file(&file, &target, &folder, existing).map_err(failed())?;
            }
            Body::Named(file) => {
                file.as_file().sync_all().map_err(failed())?;
                let named = match existing {
                    Existing::Keep => file.persist_noclobber(&target),
                    Existing::Replace => file.persist(&target),
                };
                named.map_err(|error| failed()(error.error))?;
            }
        }
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.body {
            Body::Nameless(file) => file.write(bytes),
            Body::Named(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.body {
            Body::Nameless(file) => file.flush(),
            Body::Named(file) => file.flush(),
        }
    }
}

fn name_file(file: &File, target: &Path, folder: &Path, existing: Existing) -> std::io::Result<()> {
    if existing == Existing::Keep {
        return link(file, target);
    }
    // linkat never replaces, so a name of its own comes first and is moved over the old file.
    let name = format!(
        ".obhut-{}",
        obhut_format::id::base32(&crate::clock::random_bytes::<10>())
    );
    let between = folder.join(name);
    link(file, &between)?;
    std::fs::rename(&between, target).inspect_err(|_| {
        let _ = std::fs::remove_file(&between);
    })
}

fn link(file: &File, name: &Path) -> std::io::Result<()> {
    let open = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    Ok(rustix::fs::linkat(
        CWD,
        open,
        CWD,
        name,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_dropped_file_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = WholeFile::create(&folder.path().join("out"), 0o600).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_finished_file_has_its_bytes_and_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        WholeFile::write(&target, 0o600, Existing::Keep, b"whole").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        let mode = std::fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn keeps_a_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        std::fs::write(&target, b"old").unwrap();
        assert!(WholeFile::write(&target, 0o600, Existing::Keep, b"new").is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn replaces_a_file_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        std::fs::write(&target, b"old").unwrap();
        WholeFile::write(&target, 0o600, Existing::Replace, b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["out"]);
    }
}
