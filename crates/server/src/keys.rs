//! The vault's log keys on disk: one seed a file, 0600, in a folder of its own for each vault.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use obhut_format::VaultId;
use obhut_gate::link::LinkKey;
use obhut_suite::{NoteKey, Secret};
use zeroize::Zeroizing;

use crate::ServerError;
use crate::randomness::random_bytes;

/// Folder of all keys below the data folder.
pub(crate) const KEYS_FOLDER: &str = "keys";
const RECORDS: &str = "records.key";
const ACCESS: &str = "access.key";
const LINK: &str = "link.key";

/// The two keys that sign a vault's logs.
pub(crate) struct LogKeys {
    /// Signs checkpoints of the records log and the opening of shards.
    pub records: NoteKey,
    /// Signs checkpoints of access shards.
    pub access: NoteKey,
}

impl LogKeys {
    /// Makes both keys and writes them down, durable before this returns.
    pub(crate) fn create(data: &Path, vault: VaultId) -> Result<Self, ServerError> {
        let folder = folder(data, vault);
        make_folder(&folder)?;
        let keys = Self {
            records: create(&folder.join(RECORDS))?,
            access: create(&folder.join(ACCESS))?,
        };
        let synced = fs::File::open(&folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| ServerError::file(&folder, error))?;
        Ok(keys)
    }

    /// Reads both keys.
    pub(crate) fn load(data: &Path, vault: VaultId) -> Result<Self, ServerError> {
        let folder = folder(data, vault);
        Ok(Self {
            records: load(&folder.join(RECORDS))?,
            access: load(&folder.join(ACCESS))?,
        })
    }
}

/// The key this server proves to another operator's gatekeeper; made at the first call.
pub(crate) fn load_or_create_link_key(data: &Path) -> Result<LinkKey, ServerError> {
    let folder = data.join(KEYS_FOLDER);
    make_folder(&folder)?;
    let path = folder.join(LINK);
    let key = if path.exists() {
        load(&path)?
    } else {
        create(&path)?
    };
    LinkKey::from_seed(&key.seed()).map_err(|_| ServerError::SpoiltKey(path))
}

/// Makes a folder only its owner may enter.
pub(crate) fn make_folder(path: &Path) -> Result<(), ServerError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| ServerError::file(path, error))
}

/// Writes a new file only its owner may read, durable before this returns.
pub(crate) fn create_file(path: &Path, bytes: &[u8]) -> Result<(), ServerError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|error| ServerError::file(path, error))
}

fn folder(data: &Path, vault: VaultId) -> PathBuf {
    data.join(KEYS_FOLDER).join(vault.to_string())
}

fn create(path: &Path) -> Result<NoteKey, ServerError> {
    let seed = Secret::new(random_bytes()?);
    // EXPOSE: into the key file.
    let text = Zeroizing::new(BASE64URL_NOPAD.encode(seed.expose()) + "\n");
    create_file(path, text.as_bytes())?;
    Ok(NoteKey::from_seed(&seed))
}

fn load(path: &Path) -> Result<NoteKey, ServerError> {
    let text = fs::read_to_string(path).map_err(|error| ServerError::file(path, error))?;
    let text = Zeroizing::new(text);
    let seed = BASE64URL_NOPAD.decode(text.trim_end().as_bytes());
    let seed = seed.map(Zeroizing::new).ok();
    let seed = seed.and_then(|seed| Secret::from_slice(&seed).ok());
    let seed = seed.ok_or_else(|| ServerError::SpoiltKey(path.to_owned()))?;
    Ok(NoteKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keeps_keys_for_their_owner_alone_and_names_a_spoilt_one() {
        let data = tempfile::tempdir().unwrap();
        let vault = VaultId([1; 16]);
        let made = LogKeys::create(data.path(), vault).unwrap();
        let read = LogKeys::load(data.path(), vault).unwrap();
        assert_eq!(made.records.public(), read.records.public());
        assert_ne!(made.records.public(), made.access.public());
        let path = folder(data.path(), vault).join(RECORDS);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        fs::write(&path, "short\n").unwrap();
        let error = LogKeys::load(data.path(), vault).err().unwrap();
        assert!(matches!(error, ServerError::SpoiltKey(spoilt) if spoilt == path));
        assert!(LogKeys::create(data.path(), vault).is_err());
    }
}
