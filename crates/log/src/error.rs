//! What can be wrong with a log, its entries or its proofs.

use obhut_format::tree::TreeError;

use crate::tile::TilePath;

/// Why bytes, a proof or a chain of this crate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A signature line of a known key does not verify.
    #[error("a known key's signature does not verify")]
    BadSignature,
    /// A sealed key, wrap or entry does not open with this key.
    #[error("the entry cannot be opened with this key")]
    CannotOpen,
    /// A recipient's key was refused.
    #[error("the entry cannot be sealed to this key")]
    CannotSeal,
    /// A chain does not fold to the head that is claimed.
    #[error("the label's entries do not fold to the claimed head")]
    ChainMismatch,
    /// An opening, or the hashes beside it, does not lead to the commitment.
    #[error("the opening does not fit the commitment")]
    CommitmentMismatch,
    /// Entries are missing between what is known and what was sent.
    #[error("entries of the log are missing in between")]
    Gap,
    /// A group was given that the kind of entry does not have.
    #[error("the payload group does not belong to this kind of entry")]
    GroupMismatch,
    /// The signed head is not the one the entries lead to.
    #[error("the log's head is not the one its entries lead to")]
    HeadMismatch,
    /// A vkey's id is not the one of its name, type and key.
    #[error("the key's id does not fit its name and bytes")]
    KeyIdMismatch,
    /// A key name is empty or holds white space, control characters or `+`.
    #[error("the key's name is not allowed")]
    KeyName,
    /// A leaf names one label twice.
    #[error("the entry names a label twice")]
    LabelTwice,
    /// Bytes that are not of the documented form.
    #[error("the bytes are malformed")]
    Malformed,
    /// A prefix-tree proof or the parts of a state root do not lead to the root.
    #[error("the map proof does not lead to the root")]
    MapMismatch,
    /// Fewer witnesses cosigned than the policy demands.
    #[error("too few witnesses have cosigned the log's head")]
    NoQuorum,
    /// The log's own signature is missing.
    #[error("the log has not signed its head")]
    NotSigned,
    /// Two heads or a head and a key belong to different logs.
    #[error("the log's head belongs to another log")]
    OriginMismatch,
    /// A quorum that counts a key twice or can never be reached.
    #[error("the witness policy is not sound")]
    Policy,
    /// The index records are not the ones the leaf commits to.
    #[error("the index records are not the leaf's")]
    RecsMismatch,
    /// The chain's sequence number skips or repeats.
    #[error("the label's sequence number skips or repeats")]
    SeqSkipped,
    /// The quorum is too old, or from the future.
    #[error("the log's head is not fresh")]
    Stale,
    /// A tile does not hold what the leaves or the root demand.
    #[error("a tile does not fit the log")]
    TileMismatch,
    /// A tile that the log's size demands is not there.
    #[error("the tile {0} is missing")]
    TileMissing(TilePath),
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
    /// A key type this version does not know, or one used for another purpose.
    #[error("the key is of an unknown type or for another purpose")]
    UnknownKeyType,
    /// A version this software does not know.
    #[error("the entry is of an unknown version")]
    UnknownVersion,
}
