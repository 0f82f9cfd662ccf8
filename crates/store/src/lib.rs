#![doc = include_str!("../README.md")]

mod act;
mod checks;
mod clock;
mod columns;
pub mod cut;
mod deciding;
mod error;
mod facts;
mod follower;
mod granted;
mod kept;
mod leadership;
mod logged;
mod lookup;
mod notary;
mod objects;
mod own_keys;
mod own_log;
mod pages;
mod proofs;
mod proposal;
mod publisher;
mod release;
mod restored;
mod rows;
mod schema;
mod sequencer;
mod sessions;
mod statements;
mod tiles;
mod upkeep;
mod vault;
mod vaults;
mod witness;

#[cfg(test)]
mod tests;

pub use act::{ActError, VerifiedAct};
pub use clock::Clock;
pub use error::StoreError;
pub use leadership::{Leader, Leadership, Lease};
pub use logged::Logged;
pub use notary::Notary;
pub use objects::StoredObject;
pub use proposal::Proposal;
pub use sessions::{Challenge, SessionLimits, SessionToken};
pub use tiles::Tiles;
pub use upkeep::Quarter;
pub use vault::{Vault, VaultParts};
pub use vaults::{NewVault, Store, VaultRow};
pub use witness::{Witness, WitnessAnswer};
