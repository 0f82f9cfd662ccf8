//! The sequencer: the one writer of a vault's logs.
//!
//! It takes whatever has queued up while the last batch was being committed, decides it on a trial
//! copy of the directory, and commits rows, records, entries and both heads in one transaction.
//! Heads are advanced by compare-and-swap: a second writer is noticed by the loser, who stops.

mod assemble;
pub(crate) mod commit;
mod labelling;
mod log_state;
mod outcome;
mod parts;
mod person_labels;
mod plan;
mod reader_keys;
pub(crate) mod restore;
pub(crate) mod settle;
mod work;
mod writer;

pub(crate) use log_state::LogState;
pub(crate) use plan::mutation_labels;
pub(crate) use restore::{Head, Replica, SeenHead, SeenHeads};
pub(crate) use work::{
    CloseWork, EntryWork, LoggedAct, LoggedLeaf, MutationWork, StatementWork, Work,
};
pub(crate) use writer::{Reached, ReachedLog, Writer};
