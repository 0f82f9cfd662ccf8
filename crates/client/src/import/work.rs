//! Cuts folders into pieces of work: many small files, or one large one.

use std::sync::{Arc, Mutex, PoisonError};

use obhut_log::replay::Directory;
use tokio::sync::mpsc::{Receiver, Sender};

use super::journal::{Journal, JournalError};
use super::journal_record::{SourceId, source_id};
use super::plan::{Planner, Sighting, is_stored};
use super::progress::ImportProgress;
use super::read::SMALL_BYTES;
use super::scan::{CaseFolder, Skipped, SourceFile};
use super::seal::CaseSeal;

/// Most files of one piece: the journal is synced once for each piece.
const PIECE_FILES: usize = 128;
/// Most bytes of one piece of small files.
const PIECE_BYTES: u64 = SMALL_BYTES;

/// A folder with its case, ready to be walked.
pub(super) struct FolderWork {
    pub(super) folder: CaseFolder,
    pub(super) seal: Arc<CaseSeal>,
    pub(super) directory: Directory,
}

/// What is worked on at once.
pub(super) enum Piece {
    /// Read whole, journaled together.
    Small(Arc<FolderWork>, Vec<SourceFile>),
    /// Streamed.
    Large(Arc<FolderWork>, SourceFile),
}

/// What becomes of sources, told to the registering side.
pub(super) enum Event<T> {
    /// Uploaded: to be deposited and registered.
    Uploaded(T),
    /// Registered by an earlier run that could not note it.
    FoundStored(SourceId, u64),
    /// Stored by an earlier run.
    Unchanged(u64),
    /// Left out.
    Skipped(Skipped),
}

/// The journal as the threads share it.
#[derive(Clone)]
pub(crate) struct SharedJournal(Arc<Mutex<Journal>>);

impl SharedJournal {
    pub(crate) fn new(journal: Journal) -> Self {
        Self(Arc::new(Mutex::new(journal)))
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Journal) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes sure that wiped secrets are wiped on disk, too.
    pub(super) fn finish(&self) -> Result<(), JournalError> {
        self.with(|journal| journal.sync())
    }
}

impl FolderWork {
    pub(super) fn source(&self, file: &SourceFile) -> SourceId {
        let name = self.folder.name.as_encoded_bytes();
        source_id(name, &file.relative)
    }

    pub(super) fn sighting(&self, file: &SourceFile) -> Sighting {
        Sighting {
            source: self.source(file),
            size_bytes: file.size_bytes,
            mtime_ns: file.mtime_ns,
            case: self.seal.case,
        }
    }

    pub(super) fn planner(&self, now_us: u64) -> Planner<'_> {
        Planner {
            vault: self.seal.vault,
            directory: &self.directory,
            now_us,
        }
    }
}

/// Walks folders as they come and hands out pieces; ends when the folders do or nobody takes pieces.
pub(super) fn walk_folders<T>(
    mut folders: Receiver<FolderWork>,
    pieces: &Sender<Piece>,
    events: &Sender<Event<T>>,
    journal: &SharedJournal,
) {
    while let Some(work) = folders.blocking_recv() {
        if walk_folder(&Arc::new(work), pieces, events, journal).is_none() {
            return;
        }
    }
}

fn walk_folder<T>(
    work: &Arc<FolderWork>,
    pieces: &Sender<Piece>,
    events: &Sender<Event<T>>,
    journal: &SharedJournal,
) -> Option<()> {
    let (mut small, mut bytes) = (Vec::new(), 0);
    for found in work.folder.walk() {
        let file = match found {
            Ok(file) => file,
            Err(skipped) => {
                events.blocking_send(Event::Skipped(skipped)).ok()?;
                continue;
            }
        };
        let sighting = work.sighting(&file);
        if journal.with(|journal| is_stored(journal, &sighting)) {
            let unchanged = Event::Unchanged(file.size_bytes);
            events.blocking_send(unchanged).ok()?;
            continue;
        }
        if file.size_bytes > SMALL_BYTES {
            let piece = Piece::Large(Arc::clone(work), file);
            pieces.blocking_send(piece).ok()?;
            continue;
        }
        if small.len() == PIECE_FILES || bytes + file.size_bytes > PIECE_BYTES {
            let full = Piece::Small(Arc::clone(work), std::mem::take(&mut small));
            pieces.blocking_send(full).ok()?;
            bytes = 0;
        }
        bytes += file.size_bytes;
        small.push(file);
    }
    if !small.is_empty() {
        let rest = Piece::Small(Arc::clone(work), small);
        pieces.blocking_send(rest).ok()?;
    }
    Some(())
}

/// Counts what there is, so that the time left can be told.
pub(super) fn count_all(folders: &[CaseFolder], progress: &ImportProgress) {
    for folder in folders {
        for file in folder.walk().flatten() {
            progress.found(file.size_bytes);
        }
    }
    progress.all_found();
}
