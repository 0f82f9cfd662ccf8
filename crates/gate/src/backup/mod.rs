//! Backups: a consistent cut of the first store as a SQLite file, whatever engine it lies on; restored on either.

mod cut;
mod file;
mod key_files;
mod tables;

pub use cut::Cut;
pub use file::{Backup, BackupError};
pub use key_files::{bring_keys, copy_keys};
