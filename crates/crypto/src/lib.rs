//! placeholder front page
#![deny(clippy::indexing_slicing)]

mod capsule;
mod error;
mod key;
mod revision;
mod sealed;
mod share;

pub use capsule::{Located, Quarantine, RangeReader, SealedCapsule};
pub use error::CryptoError;
pub use key::{AccessKey, CaseKey};
pub use revision::{
    ManifestTerms, RevisionReader, RevisionSealer, RevisionSecrets, open_card, revision_of,
    seal_card,
};
pub use sealed::{open_record, seal_record};
pub use share::{CardShare, CaseShare, DocumentShare, Lambda, RevisionRef};
