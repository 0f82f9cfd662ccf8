//! What each subcommand does; each gives the text for standard output.

mod add_vault;
mod check_config;
mod init;
mod serve;

pub use add_vault::add_vault;
pub use check_config::check_config;
pub use init::init;
pub use serve::serve;
