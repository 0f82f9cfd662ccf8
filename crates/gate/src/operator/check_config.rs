//! `obhut-gate config check`.

use std::path::Path;

use super::{OperatorError, Settings};

/// Reads the configuration and shows every setting.
pub fn check_config(data: &Path) -> Result<String, OperatorError> {
    let settings = Settings::load(data)?;
    toml::to_string(&settings).map_err(|error| OperatorError::Config(error.to_string()))
}
