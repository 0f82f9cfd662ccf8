//! Imports a folder tree: one case file per first-level folder, resumable after a kill.

mod journal;
mod journal_record;
mod scan;
mod subjects;

pub use journal::{Journal, JournalError, SourceState};
pub use journal_record::{
    CaseRecord, DepositRecord, JournalRecord, SourceId, SourceRecord, Stage, StageRecord, source_id,
};
pub use scan::{
    CaseFolder, SkipReason, Skipped, SourceFile, SourceStamp, list_case_folders, media_type,
    open_regular,
};
pub use subjects::{FolderEntry, NamedPerson, SubjectsError, SubjectsMap};
