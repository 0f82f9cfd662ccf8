//! Replaying the records log: who people are, what they may, which documents a case holds.
//!
//! [`Directory`] is the state, [`Replayer`] feeds it from a log and checks leaves, labels and head on
//! the way. Client, gatekeeper and server run the same code, so none has to believe another.

mod authority;
mod batches;
mod cases;
mod deputies;
mod directory;
mod error;
mod labels;
mod people;
mod recovery;
mod replayer;
mod snapshot;
mod state;
mod statements;
mod tail;
mod units;

pub use deputies::Deputy;
pub use directory::{Directory, quorum};
pub use error::ReplayError;
pub use labels::{MAX_PERSON_LABELS, RecordLabel, record_labels};
pub use people::INVITATION_US;
pub use recovery::{Drill, Handover, KnownPolicy, RecoveryBook, RecoveryState};
pub use replayer::{AccessReplayer, Extension, Replayer, claimed_head};
pub use state::{
    Appointment, Batch, Case, Device, Document, OpenBatch, Person, PersonKey, Revision,
    RevokedGrant, Unit,
};
pub use tail::LogTail;

#[cfg(test)]
mod tests;
