//! Statements: the signed records of the records log.

use crate::card::VaultCard;
use crate::cbor::Blob;
use crate::context::Context;
use crate::id::{
    CaseId, ClassCode, DeviceKid, DocumentId, Hash, Kid, PersonId, ShareId, UnitId, VaultId,
};
use crate::person::KeyBundle;
use crate::recovery::{
    RecoveryApproved, RecoveryDrilled, RecoveryFinished, RecoveryPolicy, RecoveryRequested,
    RecoveryWithdrawn,
};
use crate::{codes, record, tagged};

codes! {
    /// In which role somebody acts.
    Role {
        /// Files and finds documents of a unit.
        1 => CaseWorker = "caseworker",
        /// Appoints staff and manages units.
        2 => Registrar = "registrar",
        /// Data protection officer: reads the access log.
        3 => Dpo = "dpo",
        /// Lets retention rules act.
        4 => RecordsManager = "records-manager",
        /// Approves destruction.
        5 => Approver = "approver",
        /// A citizen, for their own documents and log.
        6 => Citizen = "citizen",
        /// The agency root (founding and recovery only).
        7 => Root = "root",
    }
}

codes! {
    /// Why a device was revoked.
    RevocationReason {
        /// Given back or replaced.
        1 => Retired = "retired",
        /// Lost: the identity rotates as well.
        2 => Lost = "lost",
    }
}

record! {
    /// A person id comes into being.
    PersonEnrolled {
        /// The id.
        1 => person: PersonId,
        /// SHA-256 of λ.
        2 => lambda_hash: Hash,
        /// λ's share at the gatekeeper.
        3 => share_id: ShareId,
        /// First bundle (epoch 0, from an invitation); a data subject may have none yet.
        4 => bundle: Option<KeyBundle>,
        /// Until when the invitation may be used, microseconds UTC.
        5 => invited_until_us: Option<u64>,
        /// True: the person reads as a citizen, false: is to be appointed staff.
        6 => citizen: bool,
    }
}

record! {
    /// An epoch-0 bundle for a person that has none, or whose invitation was not used.
    PersonInvited {
        /// The person.
        1 => person: PersonId,
        /// The bundle derived from the invitation's secret.
        2 => bundle: KeyBundle,
        /// Until when it may be used, microseconds UTC.
        3 => invited_until_us: u64,
    }
}

record! {
    /// The person's own, fresh bundle replaces the one before; final. Signed by the replaced bundle;
    /// `proof` is the new bundle's signature over [`BundleRotated::proof_message`].
    BundleRotated {
        /// The person.
        1 => person: PersonId,
        /// The bundle that is void from this leaf on.
        2 => from: Kid,
        /// The new bundle.
        3 => bundle: KeyBundle,
        /// Hybrid signature by the new bundle (label `obhut/rotation-proof/v1`) over vault, person, from and bundle.
        4 => proof: Blob,
    }
}

record! {
    /// A device may act for the person; signed by the person's identity.
    DeviceAdded {
        /// The person.
        1 => person: PersonId,
        /// Ed25519 public key.
        2 => public: [u8; 32],
    }
}

record! {
    /// A device may act no longer; signed by the person or a registrar.
    DeviceRevoked {
        /// The person.
        1 => person: PersonId,
        /// The device.
        2 => device: DeviceKid,
        /// Why.
        3 => reason: RevocationReason,
    }
}

record! {
    /// A role is given; signed by the root or a registrar.
    Appointed {
        /// The person.
        1 => person: PersonId,
        /// The role.
        2 => role: Role,
        /// The unit, for caseworkers.
        3 => unit: Option<UnitId>,
        /// Until when, microseconds UTC.
        4 => until_us: Option<u64>,
    }
}

record! {
    /// A role is taken back.
    AppointmentEnded {
        /// The person.
        1 => person: PersonId,
        /// The role.
        2 => role: Role,
        /// The unit.
        3 => unit: Option<UnitId>,
    }
}

record! {
    /// Somebody stands in for a caseworker of a unit; signed by a registrar or the caseworker.
    DeputyAppointed {
        /// Who stands in.
        1 => deputy: PersonId,
        /// For whom.
        2 => on_behalf_of: PersonId,
        /// In which unit.
        3 => unit: UnitId,
        /// From when, microseconds UTC.
        4 => from_us: u64,
        /// Until when, microseconds UTC; a deputy always has an end.
        5 => until_us: u64,
    }
}

record! {
    /// A deputy's time ends early; signed by a registrar, the caseworker or the deputy.
    DeputyEnded {
        /// Who stood in.
        1 => deputy: PersonId,
        /// For whom.
        2 => on_behalf_of: PersonId,
        /// In which unit.
        3 => unit: UnitId,
    }
}

record! {
    /// A unit, or a new epoch of its key; signed by a registrar.
    UnitEpoch {
        /// The unit.
        1 => unit: UnitId,
        /// The epoch, from 1, one more than the last.
        2 => epoch: u32,
        /// Commitment to the unit key.
        3 => uk_id: Hash,
        /// X-Wing public key of the epoch.
        4 => public: Blob,
        /// Kids whose memberships hold the key: members, and the registrar who keeps the unit.
        5 => members: Vec<Kid>,
        /// RFC 6962 root over the canonical [`crate::key::Membership`] records in the order of `members`.
        6 => memberships_root: Hash,
        /// SHA-256 of the chain link to the epoch before; none for epoch 1.
        7 => link_hash: Option<Hash>,
        /// SHA-256 of the sealed [`crate::content::UnitEntry`].
        8 => entry_hash: Hash,
    }
}

codes! {
    /// Whose case file it is.
    CaseKind {
        /// An agency's case file.
        1 => Agency = "agency",
        /// Documents issued to a citizen, who owns it.
        2 => Own = "own",
    }
}

record! {
    /// A case file is created.
    CaseCreated {
        /// The case.
        1 => case: CaseId,
        /// Agency's or citizen's.
        2 => kind: CaseKind,
        /// The unit; for `own` the issuing unit.
        3 => unit: UnitId,
        /// Owner of an `own` case.
        4 => owner: Option<PersonId>,
        /// Retention class.
        5 => class: ClassCode,
        /// Share of the register entry; none for `own`.
        6 => share_id: Option<ShareId>,
        /// SHA-256 of sealed register entry no. 1; none for `own`.
        7 => register_hash: Option<Hash>,
        /// The first key epoch; none for `own` until the owner makes one.
        8 => key: Option<CaseKey>,
        /// The persons the case is about.
        9 => subjects: Vec<PersonId>,
    }
}

record! {
    /// One epoch of a case key.
    CaseKey {
        /// The epoch, from 1.
        1 => epoch: u32,
        /// The unit epoch whose key the case key is granted to.
        2 => unit_epoch: u32,
        /// Commitment to the case key.
        3 => ck_id: Hash,
        /// SHA-256 of the canonical [`crate::key::Grant`] to the unit.
        4 => grant_hash: Hash,
        /// SHA-256 of the chain link to the epoch before; none for epoch 1.
        5 => link_hash: Option<Hash>,
    }
}

record! {
    /// A case gets a new key epoch.
    CaseRekeyed {
        /// The case.
        1 => case: CaseId,
        /// The new epoch.
        2 => key: CaseKey,
    }
}

record! {
    /// A person the case is about is added.
    SubjectAdded {
        /// The case.
        1 => case: CaseId,
        /// The person.
        2 => person: PersonId,
    }
}

record! {
    /// A case is closed (z. d. A.): its retention period may begin.
    CaseClosed {
        /// The case.
        1 => case: CaseId,
        /// Civil date, ISO 8601.
        2 => on: String,
    }
}

record! {
    /// A closed case is opened again.
    CaseReopened {
        /// The case.
        1 => case: CaseId,
    }
}

record! {
    /// A grant of an earlier batch is no longer served.
    GrantRevoked {
        /// The case.
        1 => case: CaseId,
        /// SHA-256 of the canonical grant.
        2 => grant_hash: Hash,
    }
}

record! {
    /// A document's card was replaced.
    CardAmended {
        /// The case.
        1 => case: CaseId,
        /// The document.
        2 => document: DocumentId,
        /// The revision.
        3 => revision: u64,
        /// Number of the card, from 2.
        4 => card_no: u64,
        /// SHA-256 of the sealed card.
        5 => card_hash: Hash,
    }
}

record! {
    /// An access shard exists; signed by the vault or the root.
    ShardOpened {
        /// Origin of the shard.
        1 => origin: String,
        /// Retention class of its entries.
        2 => class: String,
        /// First microsecond.
        3 => from_us: u64,
        /// First microsecond after it; entries are still taken while no successor exists.
        4 => to_us: u64,
        /// Ed25519 key of its checkpoints.
        5 => key: [u8; 32],
    }
}

record! {
    /// Head of the gatekeeper's own chain, anchored in the records log.
    GateHead {
        /// Number of receipts so far.
        1 => seq: u64,
        /// Head of the chain.
        2 => head: Hash,
        /// When, microseconds UTC.
        3 => time_us: u64,
        /// The gatekeeper's signature (label `obhut/gate-head/v1`) over vault, seq, head and time.
        4 => signature: [u8; 64],
    }
}

impl GateHead {
    /// What the gatekeeper signs under [`GATE_HEAD_LABEL`]: vault, seq, head and time.
    pub fn signed_message(&self, vault: VaultId) -> Context {
        Context::new(GATE_HEAD_LABEL)
            .field(&vault.0)
            .number(self.seq)
            .field(&self.head)
            .number(self.time_us)
    }
}

tagged! {
    /// What is stated.
    Event {
        /// The vault card.
        1 => Card(Box<VaultCard>),
        /// A person id comes into being.
        2 => PersonEnrolled(PersonEnrolled),
        /// An invitation for an existing id.
        3 => PersonInvited(PersonInvited),
        /// A bundle is replaced.
        4 => BundleRotated(BundleRotated),
        /// A device is added.
        5 => DeviceAdded(DeviceAdded),
        /// A device is revoked.
        6 => DeviceRevoked(DeviceRevoked),
        /// A role is given.
        7 => Appointed(Appointed),
        /// A role is taken back.
        8 => AppointmentEnded(AppointmentEnded),
        /// A unit or its next epoch.
        9 => UnitEpoch(UnitEpoch),
        /// A case is created.
        10 => CaseCreated(CaseCreated),
        /// A case's next key.
        11 => CaseRekeyed(CaseRekeyed),
        /// A subject is added.
        12 => SubjectAdded(SubjectAdded),
        /// A case is closed.
        13 => CaseClosed(CaseClosed),
        /// A case is opened again.
        14 => CaseReopened(CaseReopened),
        /// A grant is revoked.
        15 => GrantRevoked(GrantRevoked),
        /// A card is replaced.
        16 => CardAmended(CardAmended),
        /// A shard is opened.
        17 => ShardOpened(ShardOpened),
        /// The gatekeeper's chain head.
        18 => GateHead(GateHead),
        /// Who can recover the agency's keys together.
        19 => RecoveryPolicy(Box<RecoveryPolicy>),
        /// Trustees are asked for their shares.
        20 => RecoveryRequested(RecoveryRequested),
        /// A trustee hands a share over.
        21 => RecoveryApproved(RecoveryApproved),
        /// A recovery was used and its bundle renewed.
        22 => RecoveryFinished(RecoveryFinished),
        /// A request is withdrawn.
        23 => RecoveryWithdrawn(RecoveryWithdrawn),
        /// A trustee's share was tried.
        24 => RecoveryDrilled(RecoveryDrilled),
        /// Somebody stands in for a caseworker.
        25 => DeputyAppointed(DeputyAppointed),
        /// A deputy's time ends early.
        26 => DeputyEnded(DeputyEnded),
    }
}

impl Event {
    /// Stable name for problems, tables and the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Card(_) => "card",
            Self::PersonEnrolled(_) => "person-enrolled",
            Self::PersonInvited(_) => "person-invited",
            Self::BundleRotated(_) => "bundle-rotated",
            Self::DeviceAdded(_) => "device-added",
            Self::DeviceRevoked(_) => "device-revoked",
            Self::Appointed(_) => "appointed",
            Self::AppointmentEnded(_) => "appointment-ended",
            Self::UnitEpoch(_) => "unit-epoch",
            Self::CaseCreated(_) => "case-created",
            Self::CaseRekeyed(_) => "case-rekeyed",
            Self::SubjectAdded(_) => "subject-added",
            Self::CaseClosed(_) => "case-closed",
            Self::CaseReopened(_) => "case-reopened",
            Self::GrantRevoked(_) => "grant-revoked",
            Self::CardAmended(_) => "card-amended",
            Self::ShardOpened(_) => "shard-opened",
            Self::GateHead(_) => "gate-head",
            Self::RecoveryPolicy(_) => "recovery-policy",
            Self::RecoveryRequested(_) => "recovery-requested",
            Self::RecoveryApproved(_) => "recovery-approved",
            Self::RecoveryFinished(_) => "recovery-finished",
            Self::RecoveryWithdrawn(_) => "recovery-withdrawn",
            Self::RecoveryDrilled(_) => "recovery-drilled",
            Self::DeputyAppointed(_) => "deputy-appointed",
            Self::DeputyEnded(_) => "deputy-ended",
        }
    }
}

record! {
    /// A person who signs.
    PersonSigner {
        /// The person.
        1 => person: PersonId,
        /// The bundle whose keys sign.
        2 => kid: Kid,
    }
}

tagged! {
    /// Who signs a statement.
    Signer {
        /// A person's identity: hybrid signature.
        1 => Person(PersonSigner),
        /// The agency root, named by its kid: hybrid signature.
        2 => Root(Kid),
        /// The vault's records key (shards and gate heads only): Ed25519.
        3 => Vault(VaultId),
    }
}

record! {
    /// A signed record of the records log.
    Statement {
        /// The vault.
        1 => vault: VaultId,
        /// Who signs.
        2 => signer: Signer,
        /// When it was signed, microseconds UTC.
        3 => time_us: u64,
        /// 16 random bytes: makes a repeat recognisable.
        4 => nonce: [u8; 16],
        /// What is stated.
        5 => event: Event,
    }
}

impl BundleRotated {
    /// What the new bundle signs to prove that its keys are at hand: vault, person, from, bundle.
    pub fn proof_message(&self, vault: VaultId) -> Context {
        Context::new(ROTATION_PROOF_LABEL)
            .field(&vault.0)
            .field(&self.person.0)
            .field(&self.from.0)
            .field(self.bundle.as_bytes())
    }
}

/// Label of every signature over a [`Statement`]'s canonical bytes.
pub const STATEMENT_LABEL: &str = "obhut/statement/v1";
/// Label of the new bundle's proof in [`BundleRotated`].
pub const ROTATION_PROOF_LABEL: &str = "obhut/rotation-proof/v1";
/// Label of [`GateHead::signature`].
pub const GATE_HEAD_LABEL: &str = "obhut/gate-head/v1";

record! {
    /// A statement as it travels and is logged: canonical bytes and their signature.
    SignedStatement {
        /// Canonical bytes of a [`Statement`].
        1 => statement: Blob,
        /// Hybrid (3,373 bytes) or Ed25519 (64 bytes) signature under [`STATEMENT_LABEL`].
        2 => signature: Blob,
    }
}
