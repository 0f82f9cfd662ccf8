//! Batches: one hybrid signature over the root of many items; each item carries its path.

use crate::FormatError;
use crate::cbor::{Blob, Cbor};
use crate::context::{Context, sha256};
use crate::id::Kid;
use crate::id::{BatchId, CaseId, Hash, PersonId, VaultId};
use crate::manifest::Manifest;
use crate::statement::SignedStatement;
use crate::{codes, record, tagged};

codes! {
    /// What the items of a batch are; one signing label per kind of tree.
    BatchKind {
        /// [`RegisterItem`]s.
        1 => Documents = "documents",
        /// [`crate::key::Grant`]s.
        2 => Grants = "grants",
    }
}

impl BatchKind {
    /// Label of the hybrid signature.
    pub fn label(self) -> &'static str {
        match self {
            Self::Documents => "obhut/batch-documents/v1",
            Self::Grants => "obhut/batch-grants/v1",
        }
    }
}

record! {
    /// What is signed about a batch.
    BatchHeader {
        /// Kind of items.
        1 => kind: BatchKind,
        /// The vault.
        2 => vault: VaultId,
        /// The case all items belong to.
        3 => case: CaseId,
        /// Epoch of the case key in use; 0 = direct grants only.
        4 => case_epoch: u32,
        /// Number of items, 1 to 1,024.
        5 => count: u64,
        /// RFC 6962 root over the canonical items.
        6 => root: Hash,
        /// The signer.
        7 => signer: PersonId,
        /// The signer's bundle.
        8 => signer_kid: Kid,
        /// When, microseconds UTC.
        9 => time_us: u64,
        /// Made by the client: a repeat is recognised by it.
        10 => batch: BatchId,
    }
}

record! {
    /// A signed batch header.
    SignedBatch {
        /// Canonical bytes of a [`BatchHeader`].
        1 => header: Blob,
        /// Hybrid signature under the kind's label.
        2 => signature: Blob,
    }
}

impl SignedBatch {
    /// Parses the header.
    pub fn parse_header(&self) -> Result<BatchHeader, FormatError> {
        BatchHeader::from_bytes(&self.header.0)
    }

    /// The name under which items refer to the batch.
    pub fn hash(&self) -> Hash {
        Context::new("obhut/batch/v1")
            .field(&sha256(&[&self.header.0]))
            .hash()
    }
}

record! {
    /// One document of a registration batch, complete.
    RegisterItem {
        /// The manifest, 300 bytes.
        1 => manifest: Blob,
        /// SHA-256 of the sealed card no. 1.
        2 => card_hash: Hash,
        /// The deposit that holds the share.
        3 => deposit: BatchId,
        /// From the deposit receipt; a registration after it is invalid everywhere.
        4 => register_by_us: u64,
    }
}

impl RegisterItem {
    /// Parses the manifest.
    pub fn parse_manifest(&self) -> Result<Manifest, FormatError> {
        Manifest::parse(&self.manifest.0)
    }
}

record! {
    /// An item with its path in the batch tree.
    BatchItem {
        /// [`SignedBatch::hash`].
        1 => batch: Hash,
        /// Position, from 0.
        2 => index: u64,
        /// RFC 6962 inclusion path of the item in the batch tree.
        3 => path: Vec<Hash>,
        /// Canonical bytes of the item.
        4 => item: Blob,
    }
}

tagged! {
    /// The clear payload P of a records-log entry.
    RecordPayload {
        /// A signed statement.
        1 => Statement(SignedStatement),
        /// A batch header; document items follow as entries of their own, grant items do not.
        2 => Batch(SignedBatch),
        /// One registered document of the batch before it.
        3 => Document(BatchItem),
    }
}
