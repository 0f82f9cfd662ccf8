//! A data folder into which something is being brought, or from which everything was taken: no server starts on it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::file_error;
use super::{BackupError, folder};
use crate::ServerError;

const UNFINISHED: &str = "unfinished.toml";
const MOVED: &str = "moved.toml";

/// What is being brought into a data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unfinished {
    /// The command, to be run again.
    pub(crate) command: String,
    /// What it brings: a hash, so that something else is not taken for it.
    pub(crate) brings: String,
}

/// Where a data folder was moved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    to: PathBuf,
}

impl Unfinished {
    /// Whether this very thing was begun in the folder.
    pub(crate) fn was_begun(&self, data: &Path) -> Result<bool, ServerError> {
        let begun = read::<Self>(&data.join(UNFINISHED))?;
        Ok(begun.is_some_and(|begun| begun.brings == self.brings))
    }

    /// Marks the folder; true where the same was begun there before.
    pub(crate) fn begin(&self, data: &Path) -> Result<bool, ServerError> {
        if let Some(begun) = read::<Self>(&data.join(UNFINISHED))? {
            return if begun.brings == self.brings {
                Ok(true)
            } else {
                Err(ServerError::Unfinished {
                    data: data.to_owned(),
                    command: begun.command,
                })
            };
        }
        write(&data.join(UNFINISHED), self)?;
        Ok(false)
    }

    /// Takes the mark away.
    pub(crate) fn end(data: &Path) -> Result<(), BackupError> {
        let path = data.join(UNFINISHED);
        std::fs::remove_file(&path).map_err(file_error(&path))?;
        folder::sync_folder(data)
    }

    /// Marks a folder whose vaults live elsewhere from now on.
    pub(crate) fn mark_moved(data: &Path, to: &Path) -> Result<(), BackupError> {
        write(&data.join(MOVED), &Moved { to: to.to_owned() })
    }
}

/// Where the vaults of a folder were moved.
pub(super) fn moved_to(data: &Path) -> Result<Option<PathBuf>, ServerError> {
    Ok(read::<Moved>(&data.join(MOVED))?.map(|moved| moved.to))
}

/// Refuses a data folder that must not be served.
pub(crate) fn refuse_unfinished(data: &Path) -> Result<(), ServerError> {
    if let Some(begun) = read::<Unfinished>(&data.join(UNFINISHED))? {
        return Err(ServerError::Unfinished {
            data: data.to_owned(),
            command: begun.command,
        });
    }
    match moved_to(data)? {
        None => Ok(()),
        Some(to) => Err(ServerError::Moved {
            mark: data.join(MOVED),
            to,
        }),
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, ServerError> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text)
            .map(Some)
            .map_err(|error| ServerError::Config(format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ServerError::file(path, error)),
    }
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), BackupError> {
    let text = toml::to_string(value)
        .map_err(|_| BackupError::damaged(path, "a mark cannot be written"))?;
    folder::write_whole(path, text.as_bytes())
}
