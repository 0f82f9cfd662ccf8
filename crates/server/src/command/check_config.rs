//! `obhut-server config check`.

use std::path::Path;

use crate::ServerError;
use crate::config::Config;

/// Reads the configuration of a data folder and shows it with all defaults filled in.
pub fn check_config(data: &Path) -> Result<String, ServerError> {
    let config = Config::load(data)?;
    Ok(format!(
        "The configuration is usable. With all defaults:\n\n{}",
        config.to_toml()?
    ))
}
