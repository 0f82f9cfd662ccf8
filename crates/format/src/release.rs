//! Messages between vault and gatekeeper, and what a release brings the client.

use crate::act::{ObjectRef, SignedAct};
use crate::cbor::Blob;
use crate::entry::Opening;
use crate::id::{CaseId, DocumentId, Hash, PersonId, ShareId, VaultId};
use crate::key::Grant;
use crate::share::{DepositKey, DepositReceipt, ShareKind, SignedDeposit};
use crate::{record, tagged};

record! {
    /// A label's step in a log: `rec_j` of the access-log design.
    LabelRecord {
        /// The label.
        1 => label: Hash,
        /// Its sequence number, from 1.
        2 => seq: u64,
        /// Its head after this entry.
        3 => head: Hash,
        /// Case state root (records log, label of a case only).
        4 => state_root: Option<Hash>,
    }
}

record! {
    /// One entry of a log as it is replayed.
    FeedEntry {
        /// The 76-byte core.
        1 => core: Blob,
        /// Its label records, in leaf order.
        2 => labels: Vec<LabelRecord>,
        /// Records log: canonical [`crate::batch::RecordPayload`]; access log: empty.
        3 => payload: Option<Blob>,
        /// Records log: salt of the commitment of P.
        4 => salt: Option<[u8; 32]>,
        /// Records log: commitment of Q (zero-length Q included).
        5 => q_commitment: Option<Hash>,
    }
}

record! {
    /// New entries of one log, in leaf order, with a signed checkpoint at or beyond their end.
    Feed {
        /// The vault.
        1 => vault: VaultId,
        /// Log origin.
        2 => origin: String,
        /// Index of the first entry.
        3 => first: u64,
        /// The entries.
        4 => entries: Vec<FeedEntry>,
        /// Signed note (text); the tree of exactly `first + entries.len()` leaves.
        5 => checkpoint: String,
    }
}

record! {
    /// Asks for labels of persons in a log.
    LabelQuery {
        /// The vault.
        1 => vault: VaultId,
        /// Log origin.
        2 => origin: String,
        /// The persons.
        3 => persons: Vec<PersonId>,
    }
}

record! {
    /// Labels of one person in one log.
    PersonLabels {
        /// The person.
        1 => person: PersonId,
        /// Label as data subject (access log) or as person (records log).
        2 => subject: Hash,
        /// Label as actor (access log); equals `subject` in the records log.
        3 => actor: Hash,
        /// SHA-256 of the λ behind the labels: the vault compares it with an enrolment before it logs it.
        4 => lambda_hash: Hash,
        /// The share that λ lies in.
        5 => share_id: ShareId,
    }
}

record! {
    /// One leaf of the act with everything the gatekeeper may see of it.
    ActLeaf {
        /// Index in the shard.
        1 => index: u64,
        /// The 76-byte core.
        2 => core: Blob,
        /// Label records in leaf order.
        3 => labels: Vec<LabelRecord>,
        /// Opening of A1.
        4 => a1: Opening,
        /// Opening of A2.
        5 => a2: Opening,
        /// Opening of D.
        6 => d: Opening,
        /// Opening of R.
        7 => r: Opening,
        /// Commitments of the subject lines, in order.
        8 => subject_commitments: Vec<Hash>,
        /// Commitment of W.
        9 => w_commitment: Hash,
        /// RFC 6962 inclusion path in the tree of `checkpoint`.
        10 => path: Vec<Hash>,
    }
}

record! {
    /// A direct grant that justifies a citizen's release, with its batch.
    GrantProof {
        /// The grant.
        1 => grant: Grant,
        /// [`crate::batch::SignedBatch::hash`].
        2 => batch: Hash,
        /// Position in the batch.
        3 => index: u64,
        /// Path in the batch tree.
        4 => path: Vec<Hash>,
    }
}

record! {
    /// Order to release the shares of an act.
    ReleaseOrder {
        /// The vault.
        1 => vault: VaultId,
        /// The signed act.
        2 => signed: SignedAct,
        /// The ephemeral X-Wing public key.
        3 => epk: Blob,
        /// All parts of the act.
        4 => leaves: Vec<ActLeaf>,
        /// Signed and cosigned checkpoint of the shard that covers all leaves.
        5 => checkpoint: String,
        /// Direct grants the caller relies on.
        6 => grants: Vec<GrantProof>,
    }
}

record! {
    /// One released share: item `i` is the `i`-th message of the HPKE context.
    ReleasedShare {
        /// The object as asked for.
        1 => object: ObjectRef,
        /// The revision that `latest` stood for; 0 for a case.
        2 => revision: u64,
        /// The share.
        3 => share_id: ShareId,
        /// Sealed secrets: content `s_doc || c_doc`, card `c_doc || s_id`, case `s`.
        4 => sealed: Blob,
    }
}

record! {
    /// What the gatekeeper signs about a release (label `obhut/release-receipt/v1`).
    ReleaseReceipt {
        /// The vault.
        1 => vault: VaultId,
        /// [`SignedAct::hash`].
        2 => act: Hash,
        /// RFC 6962 root over the canonical [`ReleasedShare`]s.
        3 => root: Hash,
        /// How many.
        4 => count: u64,
        /// Number in the gatekeeper's own chain.
        5 => seq: u64,
        /// Head of that chain after this receipt.
        6 => head: Hash,
        /// When, microseconds UTC.
        7 => time_us: u64,
        /// Size of the records log it had replayed.
        8 => records_size: u64,
    }
}

impl ReleaseReceipt {
    /// Head of the gatekeeper's chain after this receipt, from the head before it.
    pub fn head_after(&self, previous: &Hash) -> Hash {
        crate::context::Context::new("obhut/gate-chain/v1")
            .field(&self.vault.0)
            .field(previous)
            .number(self.seq)
            .field(&self.act)
            .field(&self.root)
            .number(self.count)
            .number(self.time_us)
            .number(self.records_size)
            .hash()
    }
}

record! {
    /// A release: receipt, one encapsulation, sealed shares.
    Release {
        /// Canonical bytes of a [`ReleaseReceipt`].
        1 => receipt: Blob,
        /// The gatekeeper's Ed25519 signature.
        2 => signature: [u8; 64],
        /// X-Wing encapsulation to `epk`.
        3 => enc: Blob,
        /// The shares, in the order of the act's objects.
        4 => shares: Vec<ReleasedShare>,
    }
}

/// Head of the gatekeeper's chain for a vault before its first receipt.
pub fn gate_chain_start(vault: VaultId) -> Hash {
    crate::context::Context::new("obhut/gate-chain-start/v1")
        .field(&vault.0)
        .hash()
}

/// Label of the gatekeeper's signature over a [`ReleaseReceipt`].
pub const RELEASE_RECEIPT_LABEL: &str = "obhut/release-receipt/v1";
/// Label of the gatekeeper's signature over a [`DepositReceipt`].
pub const DEPOSIT_RECEIPT_LABEL: &str = "obhut/deposit-receipt/v1";
/// Label of the gatekeeper's signature over a [`DepositKey`].
pub const DEPOSIT_KEY_LABEL: &str = "obhut/deposit-key/v1";

record! {
    /// Makes a vault known to the gatekeeper (by its operator, at founding).
    EnrolVault {
        /// The vault.
        1 => vault: VaultId,
        /// Log origin prefix.
        2 => origin: String,
        /// Records key.
        3 => records_key: [u8; 32],
        /// Access key.
        4 => access_key: [u8; 32],
        /// Fingerprint (kid) of the agency root where the operator knows it already.
        5 => root: Option<crate::id::Kid>,
    }
}

record! {
    /// An order to destroy shares; refused unless they were never registered and are 30 days old.
    DestroyOrder {
        /// The vault.
        1 => vault: VaultId,
        /// The shares.
        2 => shares: Vec<ShareId>,
    }
}

record! {
    /// A checkpoint to be cosigned.
    CosignOrder {
        /// The vault.
        1 => vault: VaultId,
        /// Signed note (text).
        2 => checkpoint: String,
    }
}

record! {
    /// A message without a body but its vault.
    VaultOnly {
        /// The vault.
        1 => vault: VaultId,
    }
}

tagged! {
    /// What the vault asks the gatekeeper, always as bytes.
    GateRequest {
        /// Enrols a vault.
        1 => Enrol(EnrolVault),
        /// A deposit key.
        2 => DepositKey(VaultOnly),
        /// A deposit.
        3 => Deposit(SignedDeposit),
        /// Labels of persons.
        4 => Labels(LabelQuery),
        /// Entries to replay.
        5 => Feed(Feed),
        /// A cosignature for a checkpoint whose tree was fed.
        6 => Cosign(CosignOrder),
        /// A release.
        7 => Release(ReleaseOrder),
        /// A destruction.
        8 => Destroy(DestroyOrder),
        /// Sizes, heads, counts.
        9 => Status(VaultOnly),
        /// Enrols a vault with the code of the gatekeeper's own operator.
        10 => EnrolByCode(crate::gate_link::CodedEnrolment),
    }
}

impl GateRequest {
    /// The vault it is about.
    pub fn vault(&self) -> VaultId {
        match self {
            Self::Enrol(enrol) => enrol.vault,
            Self::DepositKey(only) | Self::Status(only) => only.vault,
            Self::Deposit(signed) => signed.deposit.vault,
            Self::Labels(query) => query.vault,
            Self::Feed(feed) => feed.vault,
            Self::Cosign(order) => order.vault,
            Self::Release(order) => order.vault,
            Self::Destroy(order) => order.vault,
            Self::EnrolByCode(coded) => coded.enrol.vault,
        }
    }
}

record! {
    /// A deposit key with the gatekeeper's signature over its canonical bytes.
    SignedDepositKey {
        /// The key.
        1 => key: DepositKey,
        /// Ed25519 under [`DEPOSIT_KEY_LABEL`].
        2 => signature: [u8; 64],
    }
}

record! {
    /// A deposit receipt with the gatekeeper's signature over its canonical bytes.
    SignedDepositReceipt {
        /// The receipt.
        1 => receipt: DepositReceipt,
        /// Ed25519 under [`DEPOSIT_RECEIPT_LABEL`].
        2 => signature: [u8; 64],
    }
}

record! {
    /// A refusal.
    GateRefusal {
        /// Stable name, for example `act-seen-before`.
        1 => code: String,
        /// One sentence for operators; names ids only.
        2 => text: String,
    }
}

record! {
    /// Size of a replayed log.
    LogSize {
        /// Origin.
        1 => origin: String,
        /// Leaves replayed.
        2 => size: u64,
        /// Their tree's root.
        3 => root: Hash,
    }
}

record! {
    /// State of the gatekeeper for one vault.
    GateStatus {
        /// The gatekeeper's signing key.
        1 => gate_key: [u8; 32],
        /// Replayed logs.
        2 => logs: Vec<LogSize>,
        /// Living shares by kind.
        3 => living: Vec<KindCount>,
        /// Tombstones.
        4 => destroyed: u64,
        /// Both stores lie on one disk.
        5 => stores_share_a_disk: bool,
        /// Signed head of the gatekeeper's chain.
        6 => head: crate::statement::GateHead,
    }
}

record! {
    /// How many shares of a kind live.
    KindCount {
        /// Kind.
        1 => kind: ShareKind,
        /// Number.
        2 => count: u64,
    }
}

tagged! {
    /// What the gatekeeper answers.
    GateResponse {
        /// The vault is known now. Body: the gatekeeper's signing key.
        1 => Enrolled([u8; 32]),
        /// A deposit key.
        2 => DepositKey(SignedDepositKey),
        /// Shares are durable.
        3 => Deposited(SignedDepositReceipt),
        /// Labels, in the order asked.
        4 => Labels(Vec<PersonLabels>),
        /// Replayed up to this size.
        5 => Fed(u64),
        /// A cosignature line of the signed note.
        6 => Cosigned(String),
        /// Shares.
        7 => Released(Release),
        /// Number of shares destroyed.
        8 => Destroyed(u64),
        /// Status.
        9 => Status(GateStatus),
        /// Refused.
        10 => Refused(GateRefusal),
    }
}

/// HPKE info of a release: act and count.
pub fn release_info(vault: VaultId, act: &Hash, count: usize) -> crate::context::Context {
    crate::context::Context::new("obhut/release-hpke/v1")
        .field(&vault.0)
        .field(act)
        .number(count as u64)
}

/// HPKE aad of item `number`.
pub fn release_aad(number: usize, share: ShareId) -> crate::context::Context {
    crate::context::Context::new("obhut/release-item/v1")
        .number(number as u64)
        .field(&share.0)
}

record! {
    /// What the client needs to open a document, beside its share.
    ReleasedDocument {
        /// The document.
        1 => document: DocumentId,
        /// The case.
        2 => case: CaseId,
        /// The registered item with its path, and the batch that signs it.
        3 => item: crate::batch::BatchItem,
        /// The batch.
        4 => batch: crate::batch::SignedBatch,
        /// Index of its leaf in the records log.
        5 => record_index: u64,
        /// Sealed content info.
        6 => info: Blob,
        /// Sealed card in force.
        7 => card: Blob,
        /// Number of that card.
        8 => card_no: u64,
        /// Document wrap under the case key (absent in `own` cases).
        9 => wrap: Option<Blob>,
        /// Direct grant to the caller.
        10 => grant: Option<GrantProof>,
        /// Where the capsule lies.
        11 => object: crate::id::ObjectId,
    }
}

record! {
    /// What the client needs to open a case's keys and register entry.
    ReleasedCase {
        /// The case.
        1 => case: CaseId,
        /// Sealed register entry in force.
        2 => register: Option<Blob>,
        /// Its number.
        3 => entry_no: u64,
        /// Unit epoch under whose register key it is sealed.
        4 => register_unit_epoch: u32,
        /// Grants of the case key to the unit, all epochs.
        5 => keys: Vec<Grant>,
        /// Chain links `CK_n` under `CK_{n+1}`, for n from 1.
        6 => links: Vec<Blob>,
    }
}

record! {
    /// Answer to a release request.
    ReleaseAnswer {
        /// The gatekeeper's release.
        1 => release: Release,
        /// tlog-proof texts, one per leaf of the act, in part order.
        2 => proofs: Vec<String>,
        /// The leaves with what the caller may check: cores, labels, openings.
        3 => leaves: Vec<ActLeaf>,
        /// Documents, in the order of the act's objects.
        4 => documents: Vec<ReleasedDocument>,
        /// Cases that occur.
        5 => cases: Vec<ReleasedCase>,
    }
}
