#![doc = include_str!("../README.md")]
#![deny(clippy::indexing_slicing)]

mod commitment;
mod error;
mod fold;
mod label;
mod leaf;

pub use commitment::{
    AccessCommitments, Group, Opening, RecordCommitments, Salt, SubjectCommitments,
    group_commitment,
};
pub use error::LogError;
pub use fold::Chain;
pub use label::{Label, LabelKind};
pub use leaf::{CORE_LEN, ChainHead, Core, Flags, LEAF_LEN, Leaf, MAX_LABELS, Rec, Recs};
