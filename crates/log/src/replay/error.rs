use obhut_format::FormatError;

use crate::error::LogError;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why a record was not accepted into the directory.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum ReplayError {
            $($(#[$doc])* #[error($text)] $name,)*
            /// Bytes of a record are not of their format.
            #[error("a record is malformed")]
            Format(#[from] FormatError),
            /// The entry, its labels or the log's head are wrong.
            #[error("the log is not sound")]
            Log(#[from] LogError),
        }

        impl ReplayError {
            /// Stable name for problems and messages between machines.
            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                    Self::Format(_) => "malformed",
                    Self::Log(_) => "log-unsound",
                }
            }
        }
    };
}

refusals! {
    /// The role is not held (any more), or not in that unit.
    AppointmentUnknown = "appointment-unknown", "the appointment does not exist or has ended";
    /// The card claims more than its policy holds.
    AssuranceClaimed = "assurance-claimed", "the card claims a higher assurance than its cosigners and quorum bear";
    /// Other records came between a batch and its documents.
    BatchIncomplete = "batch-incomplete", "the documents of the batch before are not complete";
    /// A document that is not the next one of the batch before it.
    BatchItemUnexpected = "batch-item-unexpected", "the document is not the next one of its batch";
    /// The batch, or one with its id, is in the log already.
    BatchRepeated = "batch-repeated", "the batch is in the log already";
    /// Number of items outside 1 to 1,024, or not the number signed.
    BatchSize = "batch-size", "the batch has too few or too many items";
    /// Not the card that was pinned, or not its successor.
    CardMismatch = "card-mismatch", "the vault card is not the one expected";
    /// A card number that is not the next one.
    CardNumberSkipped = "card-number-skipped", "the document's card number is not the next one";
    /// The case is closed.
    CaseClosed = "case-closed", "the case file is closed";
    /// The case id exists already.
    CaseExists = "case-exists", "the case file exists already";
    /// The case is open.
    CaseOpen = "case-open", "the case file is not closed";
    /// No such case.
    CaseUnknown = "case-unknown", "the case file does not exist";
    /// The retention class is not the case's.
    ClassMismatch = "class-mismatch", "the retention class is not the one of the case file";
    /// Statement and entry are more than a day apart.
    ClockSkew = "clock-skew", "the time of signing and the time of the log are more than 24 hours apart";
    /// The device exists already, under this person or another.
    DeviceExists = "device-exists", "the device exists already";
    /// No such device of this person, or it was revoked.
    DeviceUnknown = "device-unknown", "the device does not exist or was revoked";
    /// No such document in this case.
    DocumentUnknown = "document-unknown", "the document does not exist";
    /// The key epoch is not the one in force, or not the next one.
    EpochStale = "epoch-stale", "the key epoch is not the one in force";
    /// A gatekeeper head that does not follow the last one.
    GateHeadStale = "gate-head-stale", "the gatekeeper's head does not follow the last one";
    /// The grant was revoked, has ended or goes to somebody else.
    GrantVoid = "grant-void", "the grant is not live";
    /// The invitation has run out, or runs longer than allowed.
    InvitationExpired = "invitation-expired", "the invitation has run out or runs too long";
    /// A public key that must not be used.
    KeyRefused = "key-refused", "a public key is not acceptable";
    /// The bundle exists already, under this person or another.
    KidExists = "kid-exists", "the key bundle exists already";
    /// The bundle is not the person's current one.
    KidSuperseded = "kid-superseded", "the key bundle is not the person's current one";
    /// The labels of the leaf are not those of the record.
    LabelMismatch = "label-mismatch", "the labels are not those of the record";
    /// Another person was enrolled with the same λ.
    LabelSecretExists = "label-secret-exists", "the label secret belongs to another person";
    /// A member who must not hold the unit's key.
    MemberRefused = "member-refused", "a member may not hold the unit's key";
    /// The signer may not state this.
    NotAuthorised = "not-authorised", "the signer has no authority for this";
    /// The first record is not the vault card.
    NotFounded = "not-founded", "the log does not begin with the vault card";
    /// Fields that exclude or demand each other.
    NotSensible = "not-sensible", "the record's fields do not go together";
    /// A path that does not lead to the batch root.
    PathMismatch = "path-mismatch", "the item does not belong to its batch";
    /// The person has keys of their own already.
    PersonActivated = "person-activated", "the person has activated already";
    /// The person id exists already.
    PersonExists = "person-exists", "the person id exists already";
    /// The person has no keys of their own yet.
    PersonNotActivated = "person-not-activated", "the person has not activated yet";
    /// No such person.
    PersonUnknown = "person-unknown", "the person does not exist";
    /// A unit epoch that leaves the recovery bundle in force out.
    RecoveryMissing = "recovery-missing", "the unit's key is not sealed to the recovery bundle in force";
    /// Recovery needs two registrars.
    RecoveryOff = "recovery-off", "recovery is off until there are two registrars";
    /// A set of shares that is not the one in force, or not the next one.
    RecoverySetStale = "recovery-set-stale", "the set of recovery shares is not the one in force";
    /// The shares of the set came together: it is single-use.
    RecoverySpent = "recovery-spent", "the recovery bundle was used and has to be renewed";
    /// A threshold below two or above the number of trustees, or too many trustees.
    RecoveryThreshold = "recovery-threshold", "the threshold does not fit the number of trustees";
    /// No such request, or it is not open, or not approved by enough trustees.
    RecoveryUnknown = "recovery-unknown", "there is no such open request for recovery";
    /// Registered after its deposit's term.
    RegisteredTooLate = "registered-too-late", "the document was registered too late after its deposit";
    /// The statement is in the log already.
    Repeated = "statement-repeated", "the statement is in the log already";
    /// Not the next revision, or not after the latest manifest.
    RevisionMismatch = "revision-mismatch", "the revision does not follow the latest one";
    /// The shard exists already or is not this vault's.
    ShardRefused = "shard-refused", "the shard of the access log is not acceptable";
    /// The share is registered already.
    ShareExists = "share-exists", "the share is registered already";
    /// A signature does not verify.
    SignatureInvalid = "signature-invalid", "a signature does not verify";
    /// The case's state root is not the one the replay gives.
    StateMismatch = "state-mismatch", "the state root of the case file is wrong";
    /// The subject is listed already, or twice.
    SubjectExists = "subject-exists", "the data subject is listed already";
    /// Time runs backwards.
    TimeBackwards = "time-backwards", "the log's time runs backwards";
    /// No such unit.
    UnitUnknown = "unit-unknown", "the unit does not exist";
    /// The record is about another vault or log.
    VaultMismatch = "vault-mismatch", "the record belongs to another vault";
}
