//! Backups of the vault's side: a consistent cut of the database as files that restore on either engine, an inventory of
//! the capsules and, where wanted, the capsules; without any key. And the move from one database and store to others.

mod capsules;
mod error;
mod folder;
mod gate;
mod keys;
mod make;
mod manifest;
mod moving;
mod proof;
mod restore;
mod rows;
mod unfinished;

pub use error::BackupError;
pub use gate::GateRestored;
pub use keys::{accept_gate, copy_keys};
pub use make::{Made, make};
pub(crate) use manifest::hex;
pub use moving::{MoveOptions, Moved, move_to};
pub use proof::{Proved, Shown, ShownLog, prove};
pub use restore::{Restored, restore};
pub(crate) use unfinished::refuse_unfinished;
