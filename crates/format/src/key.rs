//! What wraps bind: contexts of document wraps, grants, memberships and chain links.

use crate::cbor::Blob;
use crate::context::Context;
use crate::id::{CaseId, DocumentId, Hash, Kid, UnitId, VaultId};
use crate::statement::Role;
use crate::{codes, record};

/// Bytes of a 32-byte key under [`Seal`](https://c2sp.org/chunked-encryption): salt, commitment, key, tag.
pub const SEALED_KEY_BYTES: usize = 104;
/// Bytes of a 32-byte key under HPKE X-Wing: encapsulation, key, tag.
pub const HPKE_KEY_BYTES: usize = 1_168;

codes! {
    /// What a grant gives.
    GrantKind {
        /// The key of one revision of a document.
        1 => Document = "document",
        /// The key of a case file, one epoch.
        2 => Case = "case",
    }
}

record! {
    /// A key granted to a public key: a person's bundle, or a unit's epoch key.
    Grant {
        /// What it gives.
        1 => kind: GrantKind,
        /// The vault.
        2 => vault: VaultId,
        /// The case file.
        3 => case: CaseId,
        /// The document, for document grants.
        4 => document: Option<DocumentId>,
        /// Revision of the document (document grants) or epoch of the case key (case grants).
        5 => number: u64,
        /// Person's kid, or `uk_id` of the unit epoch.
        6 => recipient: Kid,
        /// Who granted it.
        7 => granter: Kid,
        /// In which role the recipient reads.
        8 => role: Role,
        /// Vault and gatekeeper serve it until then, microseconds UTC; `None` = without end.
        9 => not_after_us: Option<u64>,
        /// `dak_id` or `ck_id`: commitment to the key inside, and the HPKE aad.
        10 => key_id: Hash,
        /// HPKE encapsulation and sealed key, 1,168 bytes.
        11 => sealed: Blob,
    }
}

impl Grant {
    /// HPKE info: every field but the sealed key.
    pub fn info(&self) -> Context {
        Context::new("obhut/grant/v1")
            .number(u64::from(crate::capsule::SUITE))
            .number(self.kind.code())
            .field(&self.vault.0)
            .field(&self.case.0)
            .field(&self.document.map_or([0; 16], |id| id.0))
            .number(self.number)
            .field(&self.recipient.0)
            .field(&self.granter.0)
            .number(self.role.code())
            .number(self.not_after_us.unwrap_or(u64::MAX))
    }
}

record! {
    /// A unit epoch's seed, sealed to one member.
    Membership {
        /// The vault.
        1 => vault: VaultId,
        /// The unit.
        2 => unit: UnitId,
        /// Its epoch.
        3 => epoch: u32,
        /// The member's kid.
        4 => member: Kid,
        /// Commitment to the seed.
        5 => uk_id: Hash,
        /// HPKE encapsulation and sealed seed, 1,168 bytes.
        6 => sealed: Blob,
    }
}

impl Membership {
    /// HPKE info; the aad is `uk_id`.
    pub fn info(&self) -> Context {
        Context::new("obhut/membership/v1")
            .number(u64::from(crate::capsule::SUITE))
            .field(&self.vault.0)
            .field(&self.unit.0)
            .number(u64::from(self.epoch))
            .field(&self.member.0)
    }
}

/// Context of a document wrap: the document access key under the case key of an epoch.
pub fn document_wrap_context(
    vault: VaultId,
    case: CaseId,
    epoch: u32,
    document: DocumentId,
    revision: u64,
    dak_id: &Hash,
) -> Context {
    Context::new("obhut/document-wrap/v1")
        .field(&vault.0)
        .field(&case.0)
        .number(u64::from(epoch))
        .field(&document.0)
        .number(revision)
        .field(dak_id)
}

/// Context of a case chain link: `CK_epoch` under `CK_{epoch+1}`.
pub fn case_link_context(vault: VaultId, case: CaseId, epoch: u32, ck_id: &Hash) -> Context {
    Context::new("obhut/case-link/v1")
        .field(&vault.0)
        .field(&case.0)
        .number(u64::from(epoch))
        .field(ck_id)
}

/// Context of a unit chain link: `UK_epoch` under a key derived from `UK_{epoch+1}`.
pub fn unit_link_context(vault: VaultId, unit: UnitId, epoch: u32, uk_id: &Hash) -> Context {
    Context::new("obhut/unit-link/v1")
        .field(&vault.0)
        .field(&unit.0)
        .number(u64::from(epoch))
        .field(uk_id)
}
