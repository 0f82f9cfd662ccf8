//! Shares: the half of a document's key that the gatekeeper holds, and how it gets there.

use crate::cbor::{Blob, Cbor};
use crate::context::Context;
use crate::id::{BatchId, CaseId, DepositKeyId, DeviceKid, Hash, Kid, ShareId, VaultId};
use crate::{codes, record};

codes! {
    /// What a share belongs to.
    ShareKind {
        /// `s_doc` and `c_doc` of one revision.
        1 => Document = "document",
        /// The register entry of a case file.
        2 => Case = "case",
        /// One shard's day of access-log payloads.
        3 => LogDay = "logday",
        /// λ of a person.
        4 => Person = "person",
    }
}

/// Bytes of one secret of a share.
pub const SECRET_BYTES: usize = 32;
/// How long after its deposit a share may be registered, in microseconds: 14 days.
pub const REGISTER_WITHIN_US: u64 = 14 * 86_400 * 1_000_000;
/// After how long a share that was never registered is destroyed, in microseconds: 30 days.
pub const DESTROY_UNREGISTERED_AFTER_US: u64 = 30 * 86_400 * 1_000_000;
/// Most items in one deposit or registration batch.
pub const MAX_BATCH: usize = 1_024;

/// Hash of the content secret `s`; for single-secret kinds the only one.
pub fn content_secret_id(
    vault: VaultId,
    id: &[u8; 16],
    revision: u64,
    secret: &[u8; SECRET_BYTES],
) -> Hash {
    secret_id("obhut/share-content/v1", vault, id, revision, secret)
}

/// Hash of the card secret `c_doc`.
pub fn card_secret_id(
    vault: VaultId,
    id: &[u8; 16],
    revision: u64,
    secret: &[u8; SECRET_BYTES],
) -> Hash {
    secret_id("obhut/share-card/v1", vault, id, revision, secret)
}

fn secret_id(label: &str, vault: VaultId, id: &[u8; 16], revision: u64, secret: &[u8]) -> Hash {
    Context::new(label)
        .field(&vault.0)
        .field(id)
        .number(revision)
        .field(secret)
        .hash()
}

/// Names a share: binds kind, vault, object and both secrets. Single-secret kinds have `card_id` = 32 zeros.
pub fn share_id(
    kind: ShareKind,
    vault: VaultId,
    id: &[u8; 16],
    revision: u64,
    content_id: &Hash,
    card_id: &Hash,
) -> ShareId {
    let context = Context::new("obhut/share-id/v1")
        .number(kind.code())
        .field(&vault.0)
        .field(id);
    ShareId(
        context
            .number(revision)
            .field(content_id)
            .field(card_id)
            .hash(),
    )
}

record! {
    /// What a deposited share is bound to; holds no labels.
    Binding {
        /// Kind of share.
        1 => kind: ShareKind,
        /// The vault.
        2 => vault: VaultId,
        /// The case, for documents and cases.
        3 => case: Option<CaseId>,
        /// Document, case or person id.
        4 => id: [u8; 16],
        /// The revision; 0 for kinds without one.
        5 => revision: u64,
        /// Hash of the manifest; zero for kinds without one.
        6 => manifest_hash: Hash,
        /// The share's name.
        7 => share_id: ShareId,
        /// The depositing author's key bundle.
        8 => author: Kid,
    }
}

record! {
    /// A deposit key, signed by the gatekeeper (label `obhut/deposit-key/v1`), valid for 24 hours.
    DepositKey {
        /// Its id.
        1 => id: DepositKeyId,
        /// The vault it is for.
        2 => vault: VaultId,
        /// X-Wing public key.
        3 => public: Blob,
        /// No deposit is accepted after this time, microseconds UTC.
        4 => not_after_us: u64,
    }
}

record! {
    /// One sealed share of a batch; item `i` is the `i`-th message of the batch's HPKE context.
    DepositItem {
        /// What it is bound to; item number and binding are the aad.
        1 => binding: Binding,
        /// The sealed secrets: 64 bytes (`s_doc || c_doc`) or 32, plus the tag.
        2 => sealed: Blob,
    }
}

record! {
    /// A batch of shares under one encapsulation, signed by the author's device (label [`DEPOSIT_LABEL`]).
    Deposit {
        /// The vault.
        1 => vault: VaultId,
        /// Made by the client; an identical repeat gives the same receipt.
        2 => batch: BatchId,
        /// The deposit key it is sealed to.
        3 => key: DepositKeyId,
        /// X-Wing encapsulation.
        4 => enc: Blob,
        /// The author's identity.
        5 => author: Kid,
        /// Public key of the author's device (Ed25519).
        6 => device: [u8; 32],
        /// When it was made, microseconds UTC.
        7 => time_us: u64,
        /// The items, at most 1,024.
        8 => items: Vec<DepositItem>,
    }
}

/// Label of the device's signature over [`Deposit::root`].
pub const DEPOSIT_LABEL: &str = "obhut/deposit/v1";

impl Deposit {
    /// HPKE info: vault, deposit key, batch, count.
    pub fn info(vault: VaultId, key: DepositKeyId, batch: BatchId, count: usize) -> Context {
        Context::new("obhut/deposit-hpke/v1")
            .field(&vault.0)
            .field(&key.0)
            .field(&batch.0)
            .number(count as u64)
    }

    /// Aad of item `number`, counted from 0.
    pub fn aad(number: usize, binding: &Binding) -> Context {
        Context::new("obhut/deposit-item/v1")
            .number(number as u64)
            .field(&binding.to_bytes())
    }

    /// The message the device signs: everything but the item bodies, and the root of the item tree.
    pub fn signed_message(&self) -> Context {
        Context::new(DEPOSIT_LABEL)
            .field(&self.vault.0)
            .field(&self.batch.0)
            .field(&self.key.0)
            .field(&crate::context::sha256(&[&self.enc.0]))
            .field(&self.author.0)
            .field(&self.device)
            .number(self.time_us)
            .number(self.items.len() as u64)
            .field(&self.root())
    }

    /// RFC 6962 root over the canonical items.
    pub fn root(&self) -> Hash {
        crate::tree::root_of(self.items.iter().map(Cbor::to_bytes))
    }
}

record! {
    /// A signed deposit as it travels.
    SignedDeposit {
        /// The deposit.
        1 => deposit: Deposit,
        /// The device's signature.
        2 => signature: [u8; 64],
    }
}

record! {
    /// The gatekeeper's answer (signed, label `obhut/deposit-receipt/v1`): the shares are durable in two places.
    DepositReceipt {
        /// The vault.
        1 => vault: VaultId,
        /// The batch.
        2 => batch: BatchId,
        /// Root over the items, see [`Deposit::root`].
        3 => root: Hash,
        /// Number of items.
        4 => count: u64,
        /// The author.
        5 => author: Kid,
        /// The author's device.
        6 => device: DeviceKid,
        /// When it was accepted, microseconds UTC.
        7 => time_us: u64,
        /// A registration after this time is invalid everywhere.
        8 => register_by_us: u64,
    }
}
