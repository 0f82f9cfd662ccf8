//! What can be wrong with a log, its entries or its proofs.

use obhut_format::tree::TreeError;

/// Why bytes, a proof or a chain of this crate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A chain does not fold to the head that is claimed.
    #[error("the label's entries do not fold to the claimed head")]
    ChainMismatch,
    /// An opening, or the hashes beside it, does not lead to the commitment.
    #[error("the opening does not fit the commitment")]
    CommitmentMismatch,
    /// A group was given that the kind of entry does not have.
    #[error("the payload group does not belong to this kind of entry")]
    GroupMismatch,
    /// A leaf names one label twice.
    #[error("the entry names a label twice")]
    LabelTwice,
    /// Bytes that are not of the documented form.
    #[error("the bytes are malformed")]
    Malformed,
    /// The index records are not the ones the leaf commits to.
    #[error("the index records are not the leaf's")]
    RecsMismatch,
    /// The chain's sequence number skips or repeats.
    #[error("the label's sequence number skips or repeats")]
    SeqSkipped,
    /// Time runs backwards within one log.
    #[error("the log's time runs backwards")]
    TimeBackwards,
    /// More labels than one leaf can carry.
    #[error("the entry has more than 64 labels")]
    TooManyLabels,
    /// A tree, path or proof is wrong.
    #[error("the tree proof does not hold")]
    Tree(#[from] TreeError),
    /// A flag this version does not know.
    #[error("the entry carries an unknown flag")]
    UnknownFlag,
    /// A version this software does not know.
    #[error("the entry is of an unknown version")]
    UnknownVersion,
}
