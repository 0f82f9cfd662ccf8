//! What each subcommand does; each gives the text for standard output.

mod add_vault;
mod backup;
mod check_config;
mod fingerprint;
mod init;
mod log_keys;
mod migrate_to;
mod s3_probe;
mod serve;

pub use add_vault::add_vault;
pub use backup::{accept, backup, backup_keys, restore, verify};
pub use check_config::check_config;
pub use fingerprint::fingerprint;
pub use init::init;
pub use log_keys::log_keys;
pub use migrate_to::migrate_to;
pub use s3_probe::s3_probe;
pub use serve::serve;
