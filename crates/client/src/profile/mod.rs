//! What a person keeps on a machine: pinned card, sealed keys, caches, receipts.

mod folder;
mod passphrase;
mod record;
mod unlocked;

pub use folder::{Profile, ProfileHome};
pub use passphrase::Passphrase;
pub use record::{ProfileRecord, Stage};
pub use unlocked::{ProfileKey, Unlocked};
