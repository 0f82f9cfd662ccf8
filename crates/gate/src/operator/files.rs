//! Files of a data folder.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::OperatorError;

/// `init` takes a new or empty folder only.
pub(super) fn refuse_used(data: &Path, config: &str) -> Result<(), OperatorError> {
    if data.join(config).exists() {
        return Err(OperatorError::AlreadyInitialised(data.to_owned()));
    }
    match std::fs::read_dir(data).map(|mut entries| entries.next()) {
        Ok(Some(_)) => Err(OperatorError::NotEmpty(data.to_owned())),
        Ok(None) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OperatorError::file(data, error)),
    }
}

/// The text of a configuration; `init` is the command that makes one.
pub(super) fn read_config(
    data: &Path,
    config: &str,
    init: &'static str,
) -> Result<String, OperatorError> {
    let path = data.join(config);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(OperatorError::NotInitialised {
            data: data.to_owned(),
            init,
        }),
        Err(error) => Err(OperatorError::file(&path, error)),
    }
}

/// Writes a new file only its owner may read, durable before this returns.
pub(super) fn create_file(path: &Path, text: &str) -> Result<(), OperatorError> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| OperatorError::file(path, error))
}
