//! Why a request was refused: stable codes for the vault, a sentence for its operator.

use obhut_format::release::GateRefusal;
use obhut_log::replay::ReplayError;
use obhut_sql::SqlError;

/// Why a request was refused. [`Refusal::code`] is stable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The device is not one that the records log names for this person now.
    #[error("the device is not one that the records log names for this person now")]
    ActDevice,
    /// The act has expired or lives longer than two minutes; sign a new one and check the clock.
    #[error(
        "the act has expired or lives longer than two minutes; sign a new one and check the clock"
    )]
    ActExpired,
    /// The act is dated ahead of the gatekeeper's clock; check the clocks.
    #[error("the act is dated ahead of the gatekeeper's clock; check the clocks")]
    ActFromFuture,
    /// This kind of act releases nothing.
    #[error("this kind of act releases nothing")]
    ActKind,
    /// The act was used before with another entry or key; sign a new one.
    #[error("the act was used before with another entry or key; sign a new one")]
    ActSeen,
    /// The act is not signed by its device.
    #[error("the act is not signed by its device")]
    ActSignature,
    /// The records log gives this person no right to an object of the act now.
    #[error("the records log gives this person no right to an object of the act now")]
    Authority,
    /// The bytes are not a canonical message.
    #[error("the bytes are not a canonical message")]
    BadBytes,
    /// A deposit with this batch id but other bytes was accepted before.
    #[error("a deposit with this batch id but other bytes was accepted before")]
    BatchDiffers,
    /// The card is not one of this vault, its enrolled keys and this gatekeeper.
    #[error("the card is not one of this vault, its enrolled keys and this gatekeeper")]
    CardRefused,
    /// The act names another version of the vault card than the records log.
    #[error("the act names another version of the vault card than the records log")]
    CardVersion,
    /// The checkpoint is not signed and cosigned as the vault card demands.
    #[error("the checkpoint is not signed and cosigned as the vault card demands")]
    Checkpoint,
    /// The checkpoint is not the tree that was replayed.
    #[error("the checkpoint is not the tree that was replayed")]
    CheckpointTree,
    /// The device is not one of the author's that the records log names now.
    #[error("the device is not one of the author's that the records log names now")]
    DepositDevice,
    /// The deposit key is unknown or no longer valid; fetch a new one.
    #[error("the deposit key is unknown or no longer valid; fetch a new one")]
    DepositKeyExpired,
    /// The deposit's items do not fit its header or kinds.
    #[error("the deposit's items do not fit its header or kinds")]
    DepositShape,
    /// The deposit is not signed by its device.
    #[error("the deposit is not signed by its device")]
    DepositSignature,
    /// No deputy statement covers acting for this person, in this unit, at this time.
    #[error("no deputy statement covers acting for this person here and now")]
    DeputyUnknown,
    /// Only shares that were never registered and are thirty days old are destroyed without two approvals.
    #[error(
        "only shares that were never registered and are thirty days old are destroyed without two approvals"
    )]
    DestroyNeedsApproval,
    /// A vault of another operator is enrolled with a code of this gatekeeper's operator only.
    #[error(
        "a vault of another operator is enrolled with a code of this gatekeeper's operator only"
    )]
    EnrolNeedsCode,
    /// The vault or its origin is enrolled with other keys.
    #[error("the vault or its origin is enrolled with other keys")]
    EnrolledDifferently,
    /// The enrolment code is unknown, used or too old, or was not made for this server.
    #[error(
        "the enrolment code is unknown, used or too old, or was not made for this server; ask the gatekeeper's operator for a new one"
    )]
    EnrolmentCode,
    /// The ephemeral key is refused or not the one the act names.
    #[error("the ephemeral key is refused or not the one the act names")]
    Epk,
    /// The feed does not continue what was replayed; ask for the status.
    #[error("the feed does not continue what was replayed; ask for the status")]
    FeedGap,
    /// An entry of the feed is not one the gatekeeper can follow.
    #[error("an entry of the feed is not one the gatekeeper can follow")]
    FeedRefused(#[source] ReplayError),
    /// A grant is not proved, not for this person's current keys, ended or revoked.
    #[error("a grant is not proved, not for this person's current keys, ended or revoked")]
    GrantInvalid,
    /// An entry lacks the label of the actor, a case, a subject or a document.
    #[error("an entry lacks the label of the actor, a case, a subject or a document")]
    LabelMissing,
    /// The journal of tombstones cannot be written; nothing was destroyed.
    #[error("the journal of tombstones cannot be written; nothing was destroyed")]
    Journal(#[source] std::io::Error),
    /// No share holds the λ of a person.
    #[error("no share holds the λ of a person")]
    LabelsUnknown,
    /// An entry does not commit to the act as it is shown.
    #[error("an entry does not commit to the act as it is shown")]
    LeafCommitment,
    /// An entry is not proved to stand in the cosigned log.
    #[error("an entry is not proved to stand in the cosigned log")]
    LeafProof,
    /// An entry's time does not fit the act or the cosignature.
    #[error("an entry's time does not fit the act or the cosignature")]
    LeafTime,
    /// The vault's records log has no card yet.
    #[error("the vault's records log has no card yet")]
    NoCard,
    /// An object of the act is not in the records log.
    #[error("an object of the act is not in the records log")]
    ObjectUnknown,
    /// The objects of the entries are not those of the act.
    #[error("the objects of the entries are not those of the act")]
    Objects,
    /// An enrolment names another λ than the one that was deposited for the person.
    #[error("an enrolment names another λ than the one that was deposited for the person")]
    PersonShareDiffers,
    /// A share for this person was deposited before; make a new person id.
    #[error("a share for this person was deposited before; make a new person id")]
    PersonShareExists,
    /// An act that releases shares is about the subjects of its cases and names nobody else.
    #[error("an act that releases shares is about the subjects of its cases and names nobody else")]
    Persons,
    /// Shares of this kind are not taken by this gatekeeper yet.
    #[error("shares of this kind are not taken by this gatekeeper yet")]
    PurposeUnsupported,
    /// The client has seen a records log that the gatekeeper was not fed.
    #[error("the client has seen a records log that the gatekeeper was not fed")]
    RecordsBehind,
    /// The records log has no quorum of cosignatures from the last five minutes.
    #[error("the records log has no quorum of cosignatures from the last five minutes")]
    RecordsStale,
    /// The gatekeeper was restored from a backup, and no witness elsewhere has shown yet how far this log is.
    #[error(
        "the gatekeeper was restored from a backup, and no witness elsewhere has shown yet how far this log is"
    )]
    Restored,
    /// The log is not a shard that the records log names.
    #[error("the log is not a shard that the records log names")]
    ShardUnknown,
    /// A share of this name was destroyed; it is refused for ever.
    #[error("a share of this name was destroyed; it is refused for ever")]
    ShareDestroyed,
    /// A share of this name was deposited before.
    #[error("a share of this name was deposited before")]
    ShareExists,
    /// An item does not open to the share it names.
    #[error("an item does not open to the share it names")]
    ShareNotOpened,
    /// An object has no living share that the records log registers for it.
    #[error("an object has no living share that the records log registers for it")]
    ShareUnregistered,
    /// The storage key of a share is missing or does not open it.
    #[error("the storage key of a share is missing or does not open it")]
    StorageKey,
    /// An entry does not commit to every person the objects are about now.
    #[error("an entry does not commit to every person the objects are about now")]
    SubjectCount,
    /// The gatekeeper's database failed.
    #[error("the gatekeeper's database failed")]
    Unavailable(#[from] SqlError),
    /// The vault is not enrolled.
    #[error("the vault is not enrolled")]
    VaultUnknown,
}

impl Refusal {
    /// The stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ActDevice => "act-device",
            Self::ActExpired => "act-expired",
            Self::ActFromFuture => "act-from-the-future",
            Self::ActKind => "act-kind",
            Self::ActSeen => "act-seen-before",
            Self::ActSignature => "act-signature",
            Self::Authority => "no-authority",
            Self::BadBytes => "bad-bytes",
            Self::BatchDiffers => "batch-differs",
            Self::CardRefused => "card-refused",
            Self::CardVersion => "card-version",
            Self::Checkpoint => "checkpoint",
            Self::CheckpointTree => "checkpoint-tree",
            Self::DepositDevice => "deposit-device",
            Self::DepositKeyExpired => "deposit-key-expired",
            Self::DepositShape => "deposit-shape",
            Self::DepositSignature => "deposit-signature",
            Self::DeputyUnknown => "deputy-unknown",
            Self::DestroyNeedsApproval => "destroy-needs-approval",
            Self::EnrolNeedsCode => "enrol-needs-code",
            Self::EnrolmentCode => "enrolment-code",
            Self::EnrolledDifferently => "enrolled-differently",
            Self::Epk => "epk",
            Self::FeedGap => "feed-gap",
            Self::FeedRefused(_) => "feed-refused",
            Self::GrantInvalid => "grant-invalid",
            Self::Journal(_) => "journal",
            Self::LabelMissing => "label-missing",
            Self::LabelsUnknown => "labels-unknown",
            Self::LeafCommitment => "leaf-commitment",
            Self::LeafProof => "leaf-proof",
            Self::LeafTime => "leaf-time",
            Self::NoCard => "no-card",
            Self::ObjectUnknown => "object-unknown",
            Self::Objects => "objects",
            Self::PersonShareDiffers => "person-share-differs",
            Self::PersonShareExists => "person-share-exists",
            Self::Persons => "persons",
            Self::PurposeUnsupported => "purpose-not-supported",
            Self::RecordsBehind => "records-behind",
            Self::RecordsStale => "records-stale",
            Self::Restored => "restored",
            Self::ShardUnknown => "shard-unknown",
            Self::ShareDestroyed => "share-destroyed",
            Self::ShareExists => "share-exists",
            Self::ShareNotOpened => "share-not-opened",
            Self::ShareUnregistered => "share-unregistered",
            Self::StorageKey => "storage-key",
            Self::SubjectCount => "subject-count",
            Self::Unavailable(_) => "unavailable",
            Self::VaultUnknown => "vault-unknown",
        }
    }

    pub(crate) fn to_message(&self) -> GateRefusal {
        GateRefusal {
            code: self.code().to_owned(),
            text: match std::error::Error::source(self) {
                // What a database says may hold a path; it belongs in the operational log.
                Some(source) if !matches!(self, Self::Unavailable(_)) => {
                    let cause = source.source().map(|cause| format!(": {cause}"));
                    format!("{self}: {source}{}", cause.unwrap_or_default())
                }
                _ => self.to_string(),
            },
        }
    }
}
