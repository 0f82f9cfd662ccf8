//! What an import journal holds.

use obhut_format::context::Context;
use obhut_format::{BatchId, Blob, CaseId, DocumentId, Hash, ObjectId, codes, record, tagged};

codes! {
    /// How far a revision is.
    Stage {
        /// Keys are drawn and synced; bytes may leave from here on.
        1 => Prepared = "prepared",
        /// Its share is deposited.
        2 => Deposited = "deposited",
        /// Registered, proved with quorum; its secrets are gone.
        3 => Stored = "stored",
    }
}

/// Names a source: hash of its path below the imported folder.
pub type SourceId = Hash;

/// The id of a source by its path below the imported folder.
pub fn source_id(folder: &[u8], relative: &[u8]) -> SourceId {
    Context::new("obhut/import-source/v1")
        .number(folder.len() as u64)
        .field(folder)
        .field(relative)
        .hash()
}

record! {
    /// One attempt to store one revision of one source.
    SourceRecord {
        /// Which source.
        1 => source: SourceId,
        /// Its length in bytes.
        2 => size_bytes: u64,
        /// Its time of change, nanoseconds since 1970 UTC (two's complement).
        3 => mtime_ns: u64,
        /// SHA-256 of its content; none where it was read only once, while it was sealed.
        4 => hash: Option<Hash>,
        /// The case.
        5 => case: CaseId,
        /// The document.
        6 => document: DocumentId,
        /// The revision.
        7 => revision: u64,
        /// Which attempt at this revision, from 1: each has its own keys.
        8 => attempt: u64,
        /// Object the capsule is uploaded as.
        9 => upload: ObjectId,
        /// When the attempt began, microseconds UTC: stands in the manifest.
        10 => created_us: u64,
    }
}

record! {
    /// A folder became a case.
    CaseRecord {
        /// The folder's name.
        1 => folder: Blob,
        /// Its case.
        2 => case: CaseId,
    }
}

record! {
    /// A deposit about to be sent; sent again as it is when the answer did not arrive.
    DepositRecord {
        /// The batch.
        1 => batch: BatchId,
        /// Canonical bytes of the signed deposit.
        2 => deposit: Blob,
        /// The sources in it, in its order.
        3 => sources: Vec<SourceId>,
        /// Hash of the manifest each share is bound to, in the same order.
        4 => manifests: Vec<Hash>,
    }
}

record! {
    /// Sources that reached a stage together.
    StageRecord {
        /// The stage.
        1 => stage: Stage,
        /// The sources.
        2 => sources: Vec<SourceId>,
    }
}

record! {
    /// A part of a large capsule that is about to be sent. Under these keys nothing else may ever stand in its place.
    PartRecord {
        /// Which source.
        1 => source: SourceId,
        /// Object of the attempt.
        2 => upload: ObjectId,
        /// Number of the part, from 0.
        3 => number: u64,
        /// RFC 6962 root over its leaves.
        4 => root: Hash,
    }
}

tagged! {
    /// A record of the journal.
    JournalRecord {
        /// A folder's case.
        1 => Case(CaseRecord),
        /// A new attempt; its secrets stand in the next slot.
        2 => Source(SourceRecord),
        /// A deposit.
        3 => Deposit(DepositRecord),
        /// A stage was reached.
        4 => Stage(StageRecord),
        /// A part is about to be sent.
        5 => Part(PartRecord),
    }
}
