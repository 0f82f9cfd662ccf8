//! How far an import is, for whoever looks on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::scan::Skipped;

/// Counters that the import moves while it runs. Reading them never waits.
#[derive(Debug, Default)]
pub struct ImportProgress {
    total_files: AtomicU64,
    total_bytes: AtomicU64,
    counted: AtomicBool,
    uploaded_files: AtomicU64,
    uploaded_bytes: AtomicU64,
    stored_files: AtomicU64,
    skipped_files: AtomicU64,
}

/// A glance at [`ImportProgress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportGlance {
    /// Files found so far.
    pub total_files: u64,
    /// Their bytes.
    pub total_bytes: u64,
    /// Whether the totals are final.
    pub counted: bool,
    /// Files sealed and uploaded, or found stored from an earlier run.
    pub uploaded_files: u64,
    /// Their bytes.
    pub uploaded_bytes: u64,
    /// Files registered and confirmed.
    pub stored_files: u64,
    /// Files left out.
    pub skipped_files: u64,
}

impl ImportProgress {
    /// The counters now.
    pub fn glance(&self) -> ImportGlance {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ImportGlance {
            total_files: read(&self.total_files),
            total_bytes: read(&self.total_bytes),
            counted: self.counted.load(Ordering::Relaxed),
            uploaded_files: read(&self.uploaded_files),
            uploaded_bytes: read(&self.uploaded_bytes),
            stored_files: read(&self.stored_files),
            skipped_files: read(&self.skipped_files),
        }
    }

    pub(super) fn found(&self, bytes: u64) {
        self.total_files.fetch_add(1, Ordering::Relaxed);
        self.total_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn all_found(&self) {
        self.counted.store(true, Ordering::Relaxed);
    }

    pub(super) fn uploaded(&self, bytes: u64) {
        self.uploaded_files.fetch_add(1, Ordering::Relaxed);
        self.uploaded_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn stored(&self, files: u64) {
        self.stored_files.fetch_add(files, Ordering::Relaxed);
    }

    pub(super) fn skipped(&self) {
        self.skipped_files.fetch_add(1, Ordering::Relaxed);
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Case files made by this run.
    pub cases_created: u64,
    /// Case files the folder's documents belong to.
    pub cases: u64,
    /// Persons enrolled because the subjects map names them and nobody knew them.
    pub persons_enrolled: u64,
    /// Subjects named for case files that were there already.
    pub subjects_added: u64,
    /// Case files about nobody: whoever they concern does not see them in their log.
    pub cases_without_subjects: u64,
    /// Case files that were there already under another retention class, which they keep.
    pub cases_of_other_class: u64,
    /// Documents stored by this run: deposited, registered and confirmed with quorum.
    pub stored_files: u64,
    /// Their content in bytes.
    pub stored_bytes: u64,
    /// Files stored by an earlier run and unchanged since.
    pub unchanged_files: u64,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// How long it took.
    pub took: Duration,
}

impl ImportReport {
    /// Whether something was left out.
    pub fn is_partial(&self) -> bool {
        !self.skipped.is_empty()
    }
}
