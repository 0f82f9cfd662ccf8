//! Mutations: signed records together with the rows that belong to them.

use crate::batch::RecordPayload;
use crate::cbor::Blob;
use crate::context::{Context, sha256};
use crate::id::{CaseId, DocumentId, Hash, Kid, ObjectId, PersonId, UnitId};
use crate::key::{Grant, Membership};
use crate::record;

record! {
    /// One entry of the records log to be written: clear payload P and sealed part Q.
    MutationRecord {
        /// P.
        1 => payload: RecordPayload,
        /// Q: the sealed register, person or unit entry that P names by hash.
        2 => sealed: Option<Blob>,
    }
}

record! {
    /// A unit key of an earlier epoch under the next one.
    UnitLink {
        /// The unit.
        1 => unit: UnitId,
        /// The epoch whose key is inside.
        2 => epoch: u32,
        /// The sealed key.
        3 => sealed: Blob,
    }
}

record! {
    /// A case key of an earlier epoch under the next one.
    CaseLink {
        /// The case.
        1 => case: CaseId,
        /// The epoch whose key is inside.
        2 => epoch: u32,
        /// The sealed key.
        3 => sealed: Blob,
    }
}

record! {
    /// Lets a case be found by its file reference; replaces the case's tags of earlier epochs.
    BlindIndex {
        /// The unit.
        1 => unit: UnitId,
        /// Epoch of the unit search key.
        2 => unit_epoch: u32,
        /// The case.
        3 => case: CaseId,
        /// HMAC of the normalised file reference.
        4 => tag: Hash,
    }
}

record! {
    /// λ of a person, HPKE-sealed to a bundle (the person's own, or a DPO's).
    LambdaWrap {
        /// The person.
        1 => person: PersonId,
        /// The bundle it is sealed to.
        2 => recipient: Kid,
        /// Info `obhut/lambda-wrap/v1`, person, recipient; 1,168 bytes.
        3 => sealed: Blob,
    }
}

record! {
    /// Rows of one registered document, in the order of the batch's items.
    DocumentRow {
        /// The document.
        1 => document: DocumentId,
        /// The revision.
        2 => revision: u64,
        /// Where the capsule lies.
        3 => object: ObjectId,
        /// Document wrap under the case key; none in `own` cases without a key.
        4 => wrap: Option<Blob>,
        /// Sealed content info.
        5 => info: Blob,
        /// Sealed card no. 1.
        6 => card: Blob,
    }
}

record! {
    /// A log key re-sealed by its reader to the bundle that follows an invitation.
    LogKeyRewrap {
        /// The log key.
        1 => id: [u8; 16],
        /// The new bundle.
        2 => recipient: Kid,
        /// HPKE encapsulation and sealed key.
        3 => sealed: Blob,
    }
}

record! {
    /// Everything a mutation writes, in one transaction. The act names it by [`Mutation::hash`].
    Mutation {
        /// Records, in order.
        1 => records: Vec<MutationRecord>,
        /// Unit memberships, in the order of the unit epoch's members.
        2 => memberships: Vec<Membership>,
        /// Unit chain links.
        3 => unit_links: Vec<UnitLink>,
        /// Case keys granted to the unit.
        4 => case_grants: Vec<Grant>,
        /// Case chain links.
        5 => case_links: Vec<CaseLink>,
        /// Blind index tags.
        6 => blind_indexes: Vec<BlindIndex>,
        /// λ for its person and the DPO.
        7 => lambda_wraps: Vec<LambdaWrap>,
        /// Documents of the batch in `records`.
        8 => documents: Vec<DocumentRow>,
        /// Grants of the batch in `records`, in the batch's order.
        9 => grants: Vec<Grant>,
        /// Log keys re-sealed at activation; rows for the superseded bundle go.
        10 => log_key_rewraps: Vec<LogKeyRewrap>,
    }
}

impl Mutation {
    /// A mutation of records alone.
    pub fn of(records: Vec<MutationRecord>) -> Self {
        Self {
            records,
            memberships: Vec::new(),
            unit_links: Vec::new(),
            case_grants: Vec::new(),
            case_links: Vec::new(),
            blind_indexes: Vec::new(),
            lambda_wraps: Vec::new(),
            documents: Vec::new(),
            grants: Vec::new(),
            log_key_rewraps: Vec::new(),
        }
    }

    /// What [`crate::act::Act::payload_hash`] holds, from the canonical bytes.
    pub fn hash(bytes: &[u8]) -> Hash {
        Context::new("obhut/mutation/v1")
            .field(&sha256(&[bytes]))
            .hash()
    }
}

record! {
    /// What a committed mutation answers.
    Committed {
        /// Index of the first record in the records log.
        1 => first_record: u64,
        /// Number of records.
        2 => records: u64,
        /// Size of the records log after it.
        3 => records_size: u64,
    }
}
