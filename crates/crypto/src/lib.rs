#![doc = include_str!("../README.md")]
#![deny(clippy::indexing_slicing)]

mod capsule;
mod error;
mod gatekeeper;
mod grant;
mod identity;
mod key;
mod recovery;
mod revision;
mod sealed;
mod share;
mod signed;
mod unit;
mod wrap;

pub use capsule::{CapsuleSink, Located, Quarantine, RangeReader, SealedCapsule, Workers};
pub use error::CryptoError;
pub use gatekeeper::{
    CheckedDepositKey, ReleasedSecret, ShareToDeposit, open_release, seal_deposit,
    verify_deposit_receipt,
};
pub use grant::{
    CaseEpochRef, GrantRecipient, GrantTerms, grant_access_key, grant_case_key, open_case_grant,
    open_document_grant, unwrap_lambda, wrap_lambda,
};
pub use identity::{Identity, PublicIdentity};
pub use key::{AccessKey, CaseFileKey};
pub use recovery::{
    RecoveryRequest, RecoveryShare, RecoveryTerms, combine_recovery, make_recovery_policy,
    open_recovery_note, open_recovery_share, seal_recovery_note,
};
pub use revision::{
    ManifestTerms, RevisionReader, RevisionSealer, RevisionSecrets, open_card, revision_of,
    seal_card,
};
pub use sealed::{open_record, seal_record};
pub use share::{CardShare, CaseShare, DocumentShare, Lambda, RevisionRef};
pub use signed::{
    BatchTerms, VerifiedBatch, prove_rotation, sign_batch, sign_statement, verify_rotation_proof,
    verify_statement,
};
pub use unit::{RegisterKey, UnitKey, UnitRef, check_memberships};
pub use wrap::{
    unwrap_access_key, unwrap_earlier_case_key, wrap_access_key, wrap_earlier_case_key,
};
