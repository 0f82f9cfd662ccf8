//! A gatekeeper's keys, apart from every backup of its data: with both, shares open.

use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::BackupError;
use super::file::{file_error, write_whole};
use crate::GateConfig;
use crate::keys::make_folder;

/// Copies signing key and storage keys into a folder of their own; how many. What is there already must be the same.
pub fn copy_keys(config: &GateConfig, to: &Path) -> Result<u64, BackupError> {
    let mut files = key_files(&config.key_folder)?;
    files.push(config.signing_key());
    let target = |path: &Path| to.join(path.file_name().unwrap_or_default());
    copy_each(files.into_iter().map(|path| (target(&path), path)))
}

/// Puts keys that [`copy_keys`] copied where this gatekeeper looks for them; what is there already must be the same.
pub fn bring_keys(config: &GateConfig, from: &Path) -> Result<u64, BackupError> {
    let signing = config.signing_key();
    let target = |path: &Path| {
        if path.file_name() == signing.file_name() {
            signing.clone()
        } else {
            config.key_folder.join(path.file_name().unwrap_or_default())
        }
    };
    let files = key_files(from)?.into_iter();
    copy_each(files.map(|path| (target(&path), path)))
}

fn key_files(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = fs::read_dir(folder).map_err(file_error(folder))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(file_error(folder))?.path();
        if path.extension().is_some_and(|end| end == "key") {
            files.push(path);
        }
    }
    Ok(files)
}

fn copy_each(files: impl Iterator<Item = (PathBuf, PathBuf)>) -> Result<u64, BackupError> {
    let mut count = 0;
    for (target, path) in files {
        let bytes = Zeroizing::new(fs::read(&path).map_err(file_error(&path))?);
        if let Some(folder) = target.parent() {
            make_folder(folder).map_err(file_error(folder))?;
        }
        match fs::read(&target).map(Zeroizing::new) {
            Ok(there) if there == bytes => {}
            Ok(_) => return Err(BackupError::OtherKey(target)),
            Err(_) => write_whole(&target, &bytes)?,
        }
        count += 1;
    }
    Ok(count)
}
