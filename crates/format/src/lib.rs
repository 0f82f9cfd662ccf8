//! Obhut's bytes: ids, canonical CBOR, capsule header, manifest, statements, acts, entries and messages.
//!
//! Hashing only, no keys: everything here may be imported by every other crate. The layouts are described in
//! `docs/format.md`.

pub mod act;
pub mod batch;
pub mod bootstrap;
pub mod capsule;
pub mod card;
pub mod cbor;
pub mod cddl;
pub mod content;
pub mod context;
pub mod entry;
mod error;
mod fixed;
pub mod gate_link;
pub mod id;
pub mod invite;
pub mod key;
mod leaf_pair;
pub mod manifest;
pub mod mutation;
pub mod person;
pub mod reading;
pub mod recovery;
pub mod release;
mod secret;
pub mod session;
pub mod share;
pub mod statement;
pub mod tree;

pub use cbor::{Blob, Cbor};
pub use error::FormatError;
pub use id::{
    BatchId, CaseId, ClassCode, DepositKeyId, DeviceKid, DocumentId, Hash, Kid, ObjectId, PersonId,
    ShareId, UnitId, VaultId,
};
pub use leaf_pair::leaf_hash_pair;
pub use secret::SecretField;
