//! What clients read: records to replay, key rows, their own access entries.

use crate::cbor::Blob;
use crate::entry::{EntryWrap, LogKey};
use crate::id::Hash;
use crate::key::Membership;
use crate::mutation::{LambdaWrap, UnitLink};
use crate::record;
use crate::release::{FeedEntry, GrantProof, LabelRecord};

record! {
    /// A stretch of the records log with a checkpoint at or beyond its end.
    RecordsPage {
        /// Index of the first entry.
        1 => first: u64,
        /// The entries.
        2 => entries: Vec<FeedEntry>,
        /// Sealed parts Q, in the order of the entries; empty where there is none or the caller may not have it.
        3 => sealed: Vec<Blob>,
        /// Signed and cosigned checkpoint of the records log.
        4 => checkpoint: String,
    }
}

record! {
    /// Key rows of the caller.
    OwnKeys {
        /// Unit memberships sealed to the caller's bundles.
        1 => memberships: Vec<Membership>,
        /// Chain links of those units.
        2 => unit_links: Vec<UnitLink>,
        /// λ of the caller (and, for a DPO, of everybody).
        3 => lambda_wraps: Vec<LambdaWrap>,
        /// Log keys sealed to the caller's bundles.
        4 => log_keys: Vec<LogKey>,
        /// Direct grants to the caller's bundles.
        5 => grants: Vec<GrantProof>,
    }
}

record! {
    /// One access entry as its subject or the DPO gets it.
    AccessEntryPage {
        /// Index in the shard.
        1 => index: u64,
        /// The 76-byte core.
        2 => core: Blob,
        /// All label records of the leaf (the fold needs their hash).
        3 => labels: Vec<LabelRecord>,
        /// Canonical bytes of an [`crate::entry::EntryCiphertext`], or of a [`crate::entry::ClosePayload`].
        4 => payload: Blob,
        /// Wraps for the caller.
        5 => wraps: Vec<EntryWrap>,
        /// Inclusion path in the tree of the answer's checkpoint.
        6 => path: Vec<Hash>,
    }
}

record! {
    /// Entries under one label of one shard.
    AccessLogAnswer {
        /// Shard origin.
        1 => origin: String,
        /// The label.
        2 => label: Hash,
        /// Entries in the label's order, from its first.
        3 => entries: Vec<AccessEntryPage>,
        /// Log keys the wraps refer to.
        4 => log_keys: Vec<LogKey>,
        /// Signed and cosigned checkpoint that covers all entries.
        5 => checkpoint: String,
    }
}
