//! Acts: what a person asks for, signed by their device and kept in the access entry.

use crate::cbor::{Blob, Cbor};
use crate::context::{Context, sha256};
use crate::id::{CaseId, DeviceKid, DocumentId, Hash, PersonId, UnitId, VaultId};
use crate::statement::Role;
use crate::{codes, record};

codes! {
    /// What is asked for. Each is one access entry (or several parts of one).
    ActKind {
        /// Lists the case files of a unit with file references and titles (case shares).
        1 => ListCases = "list-cases",
        /// Looks a case file up by its file reference (blind index) and reads its register entry.
        2 => FindCase = "find-case",
        /// Lists a case's documents with titles (card shares).
        3 => ListDocuments = "list-documents",
        /// Opens documents (content shares).
        4 => OpenDocument = "open-document",
        /// Opens documents to write them to a folder (content shares).
        5 => ExportCase = "export-case",
        /// Registers documents.
        6 => FileDocuments = "file-documents",
        /// Creates a case file.
        7 => CreateCase = "create-case",
        /// Closes, reopens, re-keys a case file, adds subjects.
        8 => ChangeCase = "change-case",
        /// Enrols or invites a person.
        9 => EnrolPerson = "enrol-person",
        /// Activates, rotates, adds or revokes devices of a person.
        10 => ManageIdentity = "manage-identity",
        /// Appoints or dismisses.
        11 => Appoint = "appoint",
        /// Creates or re-keys a unit.
        12 => ManageUnit = "manage-unit",
        /// Grants documents or cases to somebody.
        13 => Grant = "grant",
        /// Revokes a grant.
        14 => RevokeGrant = "revoke-grant",
        /// Reads access-log entries about oneself or, as DPO, about others.
        15 => ReadLog = "read-log",
        /// Sets up agency recovery, asks for it, approves or finishes it.
        16 => Recover = "recover",
    }
}

impl ActKind {
    /// What the gatekeeper hands out for each object of such an act.
    pub fn released(self) -> Released {
        match self {
            Self::ListCases | Self::FindCase => Released::CaseShare,
            Self::ListDocuments => Released::CardShare,
            Self::OpenDocument | Self::ExportCase => Released::ContentShare,
            _ => Released::Nothing,
        }
    }
}

/// What a release hands out per object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The register entry's share.
    CaseShare,
    /// `c_doc` and `s_id`.
    CardShare,
    /// `s_doc` and `c_doc`.
    ContentShare,
    /// No share.
    Nothing,
}

record! {
    /// An object of an act. Sorted by (case, document, revision), no duplicates.
    ObjectRef {
        /// The case.
        1 => case: CaseId,
        /// The document; none for the case itself.
        2 => document: Option<DocumentId>,
        /// The revision; 0 = the latest.
        3 => revision: u64,
    }
}

impl ObjectRef {
    /// The order in which objects stand in an act.
    pub fn sort_key(&self) -> (CaseId, Option<DocumentId>, u64) {
        (self.case, self.document, self.revision)
    }
}

/// What the act of a search names as its payload: the blind tags searched for, in their order.
pub fn lookup_hash(tags: &[Hash]) -> Hash {
    let context = Context::new("obhut/lookup/v1").number(tags.len() as u64);
    tags.iter()
        .fold(context, |context, tag| context.field(tag))
        .hash()
}

/// RFC 6962 root over sorted objects; callers check that they are sorted and free of duplicates.
pub fn objects_root(objects: &[ObjectRef]) -> Hash {
    crate::tree::root_of(objects.iter().map(Cbor::to_bytes))
}

/// True when the objects stand in order and none twice.
pub fn objects_are_sorted(objects: &[ObjectRef]) -> bool {
    objects.is_sorted_by(|a, b| a.sort_key() < b.sort_key())
}

record! {
    /// Why: group W of the entry. The vault sees it to log it; the gatekeeper never does.
    Reason {
        /// Purpose (Zweck).
        1 => purpose: String,
        /// Legal basis (Rechtsgrundlage).
        2 => legal_basis: String,
        /// Free justification.
        3 => justification: Option<String>,
    }
}

record! {
    /// A checkpoint the client has pinned.
    PinnedCheckpoint {
        /// Log origin.
        1 => origin: String,
        /// Tree size.
        2 => size: u64,
        /// Root.
        3 => root: Hash,
    }
}

record! {
    /// What a person asks for; signed by the device under [`ACT_LABEL`].
    Act {
        /// The vault.
        1 => vault: VaultId,
        /// Version of the card the client pinned.
        2 => card_version: u64,
        /// Origin of the access shard the entry goes to.
        3 => shard: String,
        /// What is asked for.
        4 => kind: ActKind,
        /// Who asks.
        5 => person: PersonId,
        /// With which device.
        6 => device: DeviceKid,
        /// For which unit.
        7 => unit: Option<UnitId>,
        /// In which role.
        8 => role: Role,
        /// For whom (deputies).
        9 => on_behalf_of: Option<PersonId>,
        /// The case, when there is just one.
        10 => case: Option<CaseId>,
        /// Root over the objects, see [`objects_root`].
        11 => objects_root: Hash,
        /// How many objects.
        12 => object_count: u64,
        /// Commitment C_W to the reason (salt made by the client).
        13 => reason_commitment: Hash,
        /// SHA-256 of the ephemeral X-Wing public key the shares are sealed to; zero when nothing is released.
        14 => epk_hash: Hash,
        /// 16 random bytes.
        15 => nonce: [u8; 16],
        /// When, microseconds UTC.
        16 => time_us: u64,
        /// At most two minutes later.
        17 => expires_us: u64,
        /// The latest records checkpoint the client has verified.
        18 => pinned: Option<PinnedCheckpoint>,
        /// For mutations: SHA-256 of the canonical payload that comes with the act.
        19 => payload_hash: Option<Hash>,
        /// Persons the act is about beyond the subjects of its case (enrolment, appointment, own log).
        20 => persons: Vec<PersonId>,
    }
}

/// Label of the device's signature over an [`Act`]'s canonical bytes.
pub const ACT_LABEL: &str = "obhut/act/v1";
/// Longest life of an act in microseconds.
pub const ACT_LIFETIME_US: u64 = 120 * 1_000_000;
/// Most objects of one act.
pub const MAX_OBJECTS: usize = 10_000;

record! {
    /// A signed act.
    SignedAct {
        /// Canonical bytes of an [`Act`].
        1 => act: Blob,
        /// Ed25519 signature by the device.
        2 => signature: [u8; 64],
    }
}

impl SignedAct {
    /// The act's name: an act is accepted once.
    pub fn hash(&self) -> Hash {
        Context::new("obhut/act-hash/v1")
            .field(&sha256(&[&self.act.0]))
            .hash()
    }
}

record! {
    /// A signed act with the openings the vault needs to log it.
    ActRequest {
        /// The signed act.
        1 => signed: SignedAct,
        /// The objects behind `objects_root`.
        2 => objects: Vec<ObjectRef>,
        /// The reason behind `reason_commitment`.
        3 => reason: Reason,
        /// Salt of the reason commitment.
        4 => reason_salt: [u8; 32],
        /// The ephemeral X-Wing public key behind `epk_hash`.
        5 => epk: Option<Blob>,
    }
}
