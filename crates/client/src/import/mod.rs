//! Imports a folder tree: one case file per first-level folder, resumable after a kill.

mod cases;
mod journal;
mod journal_header;
mod journal_record;
mod plan;
mod prepare;
mod progress;
mod read;
mod round;
mod run;
mod scan;
mod seal;
mod sink;
mod subjects;
mod upload;
mod work;

pub use journal::{Journal, JournalError, SourceState};
pub use journal_record::{
    CaseRecord, DepositRecord, JournalRecord, PartRecord, SourceId, SourceRecord, Stage,
    StageRecord, source_id,
};
pub use progress::{ImportGlance, ImportProgress, ImportReport};
pub use run::ImportTerms;
pub use scan::{
    CaseFolder, SkipReason, Skipped, SourceFile, SourceStamp, list_case_folders, media_type,
    open_regular,
};
pub use subjects::{FolderEntry, NamedPerson, SubjectsError, SubjectsMap};
pub(crate) use work::SharedJournal;
