//! Finds what is to be imported: one case file per first-level folder, regular files only.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use walkdir::{DirEntry, WalkDir};

use crate::error::plain_kind;

/// A first-level folder: becomes one case file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFolder {
    /// Its name, which need not be UTF-8.
    pub name: OsString,
    /// Where it lies.
    pub path: PathBuf,
}

/// A regular file to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Path below the case folder as bytes with `/` separators; need not be UTF-8.
    pub relative: Vec<u8>,
    /// Length when it was found.
    pub size_bytes: u64,
    /// Last change of the content when it was found, nanoseconds since 1970 UTC.
    pub mtime_ns: i64,
}

/// What a file looked like: whoever writes to it changes at least one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceStamp {
    /// Length in bytes.
    pub size_bytes: u64,
    /// Last change of the content, nanoseconds since 1970 UTC.
    pub mtime_ns: i64,
    /// Last change of content or metadata.
    ctime_ns: i64,
    device: u64,
    inode: u64,
}

/// Something that is not imported, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it lies.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why something was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// It changed while it was read, again and again.
    Changed,
    /// A file in the top folder: belongs to no case.
    Loose,
    /// The server or the gatekeeper refused it.
    Refused(String),
    /// A device, pipe or socket.
    Special,
    /// A symbolic link; links are never followed.
    Symlink,
    /// Larger than a capsule can hold.
    TooLarge,
    /// It could not be read.
    Unreadable(io::ErrorKind),
}

impl SkipReason {
    /// Stable name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Changed => "changed-while-read",
            Self::Loose => "loose-file",
            Self::Refused(_) => "refused",
            Self::Special => "special-file",
            Self::Symlink => "symlink",
            Self::TooLarge => "too-large",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed => f.write_str("changed while it was read"),
            Self::Loose => f.write_str("lies in the top folder, so belongs to no case"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Special => f.write_str("not a regular file"),
            Self::Symlink => f.write_str("symbolic links are not followed"),
            Self::TooLarge => f.write_str("larger than 4 TiB"),
            Self::Unreadable(kind) => write!(f, "cannot be read: {}", plain_kind(*kind)),
        }
    }
}

/// Lists the first-level folders in the order of their names' bytes; everything else there is skipped.
pub fn list_case_folders(root: &Path) -> io::Result<(Vec<CaseFolder>, Vec<Skipped>)> {
    let mut folders = Vec::new();
    let mut skipped = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            folders.push(CaseFolder {
                name: entry.file_name(),
                path: entry.path(),
            });
            continue;
        }
        let reason = if kind.is_symlink() {
            SkipReason::Symlink
        } else if kind.is_file() {
            SkipReason::Loose
        } else {
            SkipReason::Special
        };
        let path = entry.path();
        skipped.push(Skipped { path, reason });
    }
    folders.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((folders, skipped))
}

impl CaseFolder {
    /// Walks the folder in the order of names, one entry at a time; links are never followed.
    pub fn walk(&self) -> impl Iterator<Item = Result<SourceFile, Skipped>> + use<> {
        let top = self.path.clone();
        WalkDir::new(&self.path)
            .follow_links(false)
            .sort_by_file_name()
            .into_iter()
            .filter_map(move |entry| match entry {
                Ok(entry) if entry.file_type().is_dir() => None,
                Ok(entry) => Some(classify(&top, &entry)),
                Err(error) => Some(Err(unreadable(&top, &error))),
            })
    }
}

fn classify(top: &Path, entry: &DirEntry) -> Result<SourceFile, Skipped> {
    let skip = |reason| Skipped {
        path: entry.path().to_owned(),
        reason,
    };
    if entry.path_is_symlink() {
        return Err(skip(SkipReason::Symlink));
    }
    if !entry.file_type().is_file() {
        return Err(skip(SkipReason::Special));
    }
    let metadata = entry.metadata().map_err(|error| unreadable(top, &error))?;
    if metadata.len() > obhut_format::capsule::MAX_PADDED_BYTES {
        return Err(skip(SkipReason::TooLarge));
    }
    Ok(SourceFile {
        path: entry.path().to_owned(),
        relative: relative_bytes(top, entry.path()),
        size_bytes: metadata.len(),
        mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
    })
}

fn unreadable(top: &Path, error: &walkdir::Error) -> Skipped {
    let kind = error
        .io_error()
        .map_or(io::ErrorKind::Other, io::Error::kind);
    Skipped {
        path: error.path().unwrap_or(top).to_owned(),
        reason: SkipReason::Unreadable(kind),
    }
}

fn relative_bytes(top: &Path, path: &Path) -> Vec<u8> {
    let below = path.strip_prefix(top).unwrap_or(path);
    below
        .components()
        .map(|part| part.as_os_str().as_bytes())
        .collect::<Vec<_>>()
        .join(&b'/')
}

/// Opens a regular file for reading: never through a link that took its place, never blocking on a pipe.
pub fn open_regular(path: &Path) -> Result<(File, SourceStamp), SkipReason> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => SkipReason::Symlink,
        other => SkipReason::Unreadable(other.kind()),
    })?;
    let file = File::from(handle);
    let metadata = file
        .metadata()
        .map_err(|error| SkipReason::Unreadable(error.kind()))?;
    if !metadata.is_file() {
        return Err(SkipReason::Special);
    }
    Ok((file, SourceStamp::of(&metadata)))
}

impl SourceStamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            size_bytes: metadata.len(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// True when the open file still looks as it did when this stamp was taken.
    pub fn still_holds(&self, file: &File) -> io::Result<bool> {
        Ok(Self::of(&file.metadata()?) == *self)
    }
}

fn nanoseconds(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Media type by the file name's ending, for display only.
pub fn media_type(name: &OsStr) -> &'static str {
    let ending = Path::new(name)
        .extension()
        .and_then(OsStr::to_str)
        .map(str::to_ascii_lowercase);
    match ending.as_deref() {
        Some("csv") => "text/csv",
        Some("doc") => "application/msword",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("eml") => "message/rfc822",
        Some("gif") => "image/gif",
        Some("htm" | "html") => "text/html",
        Some("jpeg" | "jpg") => "image/jpeg",
        Some("json") => "application/json",
        Some("md") => "text/markdown",
        Some("odp") => "application/vnd.oasis.opendocument.presentation",
        Some("ods") => "application/vnd.oasis.opendocument.spreadsheet",
        Some("odt") => "application/vnd.oasis.opendocument.text",
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        Some("tif" | "tiff") => "image/tiff",
        Some("txt") => "text/plain",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("xml") => "application/xml",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
