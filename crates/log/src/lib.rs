#![doc = include_str!("../README.md")]
#![deny(clippy::indexing_slicing)]

mod checkpoint;
mod commitment;
pub mod entry;
mod error;
mod fold;
mod label;
mod leaf;
mod logkey;
mod note;
mod prefix;
mod proof;
pub mod replay;
mod state;
pub mod tile;
mod witness;

pub use checkpoint::{Checkpoint, Quorum, SignedCheckpoint, Witnessed};
pub use commitment::{
    AccessCommitments, Group, RecordCommitments, Salt, SubjectCommitments, close_commitment,
    group_commitment, opening_commitment,
};
pub use error::LogError;
pub use fold::Chain;
pub use label::{Label, LabelKind};
pub use leaf::{CORE_LEN, ChainHead, Core, Flags, LEAF_LEN, Leaf, MAX_LABELS, Rec, Recs};
pub use logkey::{DAY_MS, DayKey};
pub use note::{
    MAX_NOTE_LEN, MAX_NOTE_SIGNATURES, NoteKeyType, NoteSignature, NoteSigner, SignedNote,
    VerifierKey,
};
pub use prefix::{EMPTY_MAP, PrefixEnd, PrefixProof, PrefixTree};
pub use proof::TlogProof;
pub use state::{CaseState, DocumentState, DocumentStatus, StateParts, subjects_hash};
pub use witness::{AddCheckpoint, WitnessRefusal};
