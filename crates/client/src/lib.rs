//! Obhut's client SDK: everything a person's machine does, without printing.
//!
//! A [`Vault`] is one profile at one vault. It replays the records log before every command, seals and opens on
//! this machine only, and uses no key before the receipt of its release has been checked.

#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests"))]

mod access_heads;
mod act;
pub mod assurance;
mod cases;
pub mod clock;
mod devices;
mod doctor;
mod error;
pub mod export;
mod found;
mod founding_records;
mod get;
pub mod import;
mod inbox;
mod issue;
mod join;
mod keyring;
pub mod letter;
mod lookup;
mod names;
mod open;
mod own_log;
mod part_sink;
mod part_upload;
mod pending;
mod people;
pub mod profile;
mod put;
mod quarter;
mod records;
mod recovery;
mod register;
mod release;
mod resume;
mod root_sheet;
mod session;
mod status;
mod submit;
mod texts;
pub mod tiles;
pub mod transport;
mod unit_epoch;
mod units;
mod upload;
mod vault;
mod verify_case;
mod whole_file;

pub use act::{ActDraft, stated_reason};
pub use cases::{NewCase, new_case_id};
pub use clock::today;
pub use doctor::{Check, Finding};
pub use error::{ClientError, Failure};
pub use found::{Founded, Founding, found};
pub use issue::{Delivery, IssueSource, IssueTerms, Issued};
pub use join::join;
pub use keyring::Keyring;
pub use obhut_crypto::CryptoError;
pub use obhut_format::act::{ActKind, Reason};
pub use obhut_format::content::{Card, RegisterEntry};
pub use obhut_format::entry::{Decision, Outcome};
pub use obhut_format::gate_link::EnrolmentCode;
pub use obhut_format::invite::Invitation;
pub use obhut_format::statement::{RevocationReason, Role};
pub use obhut_format::{CaseId, ClassCode, DeviceKid, DocumentId, PersonId, UnitId, VaultId};
pub use obhut_log::entry::SubjectEntry;
pub use open::{OpenedCard, OpenedCase, OpenedRevision};
pub use own_log::{OwnEntry, OwnLog, ReadShard};
pub use put::{Filing, NewDocument, Sealed, Stored, new_document_id, open_source};
pub use recovery::{AskedRecovery, Finished, PolicyView, RequestView, Split, TrusteeView};
pub use release::Released;
pub use root_sheet::read_root_sheet;
pub use status::{Status, status};
pub use texts::{invitation_text, parse_bootstrap_code, parse_enrolment_code};
pub use vault::Vault;
pub use verify_case::{CaseCheck, CaseProblem};
pub use whole_file::{Existing, WholeFile};
