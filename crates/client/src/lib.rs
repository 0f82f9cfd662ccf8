//! Obhut's client SDK: everything a person's machine does, without printing.
//!
//! A [`Vault`] is one profile at one vault. It replays the records log before every command, seals and opens on
//! this machine only, and uses no key before the receipt of its release has been checked.

#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests"))]

mod act;
pub mod assurance;
pub mod clock;
mod error;
pub mod import;
mod keyring;
pub mod letter;
mod names;
pub mod profile;
mod records;
mod session;
mod submit;
pub mod tiles;
pub mod transport;
mod vault;
mod whole_file;

pub use act::{ActDraft, stated_reason};
pub use error::{ClientError, Failure};
pub use keyring::Keyring;
pub use vault::Vault;
pub use whole_file::{Existing, WholeFile};
