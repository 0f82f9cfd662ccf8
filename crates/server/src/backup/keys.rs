//! The keys of a server: backed up apart from everything else, compared with the vaults they belong to.

use std::fs;
use std::path::{Path, PathBuf};

use obhut_format::VaultId;
use obhut_gate::backup::Backup;
use obhut_store::VaultRow;

use super::error::file_error;
use super::manifest::GATE;
use super::{BackupError, gate};
use crate::ServerError;
use crate::config::Config;
use crate::data::lock;
use crate::keys::{KEYS_FOLDER, LogKeys};
use crate::objects::make_folder;

/// Copies every key file of a data folder to another folder, and those of a gatekeeper in the server's process to `gate/`
/// in it; how many there are. What is there already must be the same.
pub fn copy_keys(config: &Config, data: &Path, to: &Path) -> Result<u64, ServerError> {
    let own = copy_key_files(&data.join(KEYS_FOLDER), to)?;
    Ok(own + gate::copy_keys(config, data, to)?)
}

/// Brings back what [`copy_keys`] copied.
pub(super) fn bring_keys(config: &Config, data: &Path, keys: &Path) -> Result<(), ServerError> {
    copy_key_files(keys, &data.join(KEYS_FOLDER))?;
    gate::bring_keys(config, data, keys)
}

/// Takes the logs of a vault as they are, on the word of its operator, where its gatekeeper was restored; whether the
/// gatekeeper knows the vault. The server must be stopped.
pub async fn accept_gate(data: &Path, vault: VaultId) -> Result<bool, ServerError> {
    let places = gate::load_places(data)?;
    let _lock = lock(data)?;
    let known = Backup::accept(&places, vault).await;
    Ok(known.map_err(BackupError::from)?)
}

pub(super) fn copy_key_files(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let mut count = 0;
    for path in key_files(from)? {
        let target = to.join(path.strip_prefix(from).unwrap_or(&path));
        if let Some(folder) = target.parent() {
            make_folder(folder).map_err(file_error(folder))?;
        }
        let bytes = zeroize::Zeroizing::new(fs::read(&path).map_err(file_error(&path))?);
        match fs::read(&target).map(zeroize::Zeroizing::new) {
            Ok(there) if there == bytes => {}
            Ok(_) => {
                return Err(BackupError::Keys(format!(
                    "{} holds another key",
                    target.display()
                )));
            }
            Err(_) => super::folder::write_whole(&target, &bytes)?,
        }
        count += 1;
    }
    Ok(count)
}

fn key_files(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(file_error(&folder))? {
            let path = entry.map_err(file_error(&folder))?.path();
            if path.is_dir() {
                // The gatekeeper's lie elsewhere.
                if path.file_name() != Some(GATE.as_ref()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|end| end == "key") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether the keys of these vaults lie in the data folder.
pub(super) fn check_keys(data: &Path, vaults: &[VaultRow]) -> Result<(), BackupError> {
    for row in vaults {
        let keys = LogKeys::load(data, row.vault).map_err(|error| {
            BackupError::Keys(format!(
                "the log keys of {} cannot be read ({})",
                row.vault,
                crate::logging::chain(&error)
            ))
        })?;
        let found = (
            *keys.records.public().as_bytes(),
            *keys.access.public().as_bytes(),
        );
        if found != (row.records_key, row.access_key) {
            return Err(BackupError::Keys(format!(
                "the log keys in {} are not those of {}",
                data.display(),
                row.vault
            )));
        }
    }
    Ok(())
}
