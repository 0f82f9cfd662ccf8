//! What the operator of a gatekeeper of its own does: the commands of `obhut-gate`.

pub mod args;
mod backup;
mod check_config;
mod clock;
mod enrol;
mod error;
mod files;
mod init;
mod process;
mod serve;
mod settings;
mod status;
mod witness;

pub use backup::{accept, backup, backup_keys, restore, rotate_key, verify};
pub use check_config::check_config;
pub use enrol::enrol;
pub use error::OperatorError;
pub use init::init;
pub use serve::serve;
pub use settings::Settings;
pub use status::status;
pub use witness::{witness_init, witness_serve, witness_status, witness_trust};
