//! Backups: a consistent cut of the first store as a SQLite file, whatever engine it lies on; restored on either.

mod file;
mod tables;

pub use file::{Backup, BackupError};
