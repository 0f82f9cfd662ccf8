//! Keys on disk: the storage key under which shares lie, and the gatekeeper's signing key.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use obhut_format::ShareId;
use obhut_format::VaultId;
use obhut_format::context::Context;
use obhut_format::gate_link::PartyKey;
use obhut_suite::{DeviceKey, Label, NoteKey, Secret, SecretBytes, open, seal};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::link::LinkKey;
use crate::{GateConfig, GateError, Refusal};

/// Refuses a key folder inside the data folder, makes the folders and their keys where missing.
pub(crate) fn prepare_folders(config: &GateConfig) -> Result<(), GateError> {
    for folder in [&config.folder, &config.data_folder, &config.key_folder] {
        make_folder(folder).map_err(GateError::file(folder))?;
    }
    let resolve = |path: &PathBuf| path.canonicalize().map_err(GateError::file(path));
    let keys = resolve(&config.key_folder)?;
    if keys.starts_with(resolve(&config.data_folder)?) || keys.starts_with(resolve(&config.folder)?)
    {
        return Err(GateError::KeyInsideData(config.key_folder.clone()));
    }
    Ok(())
}

pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The gatekeeper's Ed25519 key, as signer of labelled messages and as cosigner of checkpoints;
/// the texts of the two never coincide, since every label begins with `obhut/`.
pub(crate) struct SigningKey {
    pub(crate) labelled: DeviceKey,
    seed: Secret<32>,
}

impl SigningKey {
    pub(crate) fn load_or_generate(
        path: &Path,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, GateError> {
        let seed = load_or_generate_seed(path, rng)?;
        Ok(Self {
            labelled: DeviceKey::from_seed(&seed),
            seed,
        })
    }

    /// The same key for connections; what TLS 1.3 signs begins with 64 spaces (RFC 8446 §4.4.3).
    pub(crate) fn link_key(&self) -> Result<LinkKey, GateError> {
        LinkKey::from_seed(&self.seed).map_err(GateError::Tls)
    }

    /// The same key for the C2SP forms.
    pub(crate) fn note_key(&self) -> NoteKey {
        NoteKey::from_seed(&self.seed)
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        *self.labelled.public().as_bytes()
    }

    pub(crate) fn sign(&self, label: Label, message: &[u8]) -> [u8; 64] {
        *self.labelled.sign(label, message).as_bytes()
    }
}

/// The storage keys by number; new shares go under the one with the highest number.
pub(crate) struct StorageKeys {
    keys: RwLock<BTreeMap<u32, Secret<32>>>,
    folder: PathBuf,
}

impl StorageKeys {
    /// Reads `storage-<number>.key` files.
    pub(crate) fn load(folder: &Path) -> Result<Self, GateError> {
        let mut keys = BTreeMap::new();
        for file in fs::read_dir(folder).map_err(GateError::file(folder))? {
            let path = file.map_err(GateError::file(folder))?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_prefix("storage-")?.strip_suffix(".key"))
                .and_then(|number| number.parse::<u32>().ok());
            if let Some(number) = number
                && let Some(key) = read_key(&path)?
            {
                keys.insert(number, key);
            }
        }
        Ok(Self {
            keys: RwLock::new(keys),
            folder: folder.to_owned(),
        })
    }

    /// Makes the first key. MUST only be called when nothing was ever sealed.
    pub(crate) fn generate_first(&self, rng: &mut impl CryptoRng) -> Result<(), GateError> {
        self.generate_next(rng).map(drop)
    }

    /// Makes a further key, in use from now on; gives its number.
    pub(crate) fn generate_next(&self, rng: &mut impl CryptoRng) -> Result<u32, GateError> {
        let number = self.newest().unwrap_or_default() + 1;
        let key = write_key(&self.path(number), rng)?;
        self.write().insert(number, key);
        Ok(number)
    }

    /// Overwrites and removes a key under which nothing lies any more.
    pub(crate) fn erase(&self, number: u32) -> Result<(), GateError> {
        let path = self.path(number);
        let erase = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            file.write_all(&[0; 32])?;
            file.sync_all()?;
            fs::remove_file(&path)?;
            fs::File::open(&self.folder)?.sync_all()
        };
        erase().map_err(GateError::file(&path))?;
        self.write().remove(&number);
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("storage-{number}.key"))
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Secret<32>>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u32, Secret<32>>> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of the key in use; `None` before the first.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.read().last_key_value().map(|(number, _)| *number)
    }

    pub(crate) fn missing(&self, number: u32) -> GateError {
        GateError::KeyMissing {
            number,
            folder: self.folder.clone(),
        }
    }

    /// Seals under the newest key; gives its number along.
    pub(crate) fn seal(
        &self,
        context: &Context,
        secret: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(u32, Vec<u8>), Refusal> {
        let keys = self.read();
        let (number, key) = keys.last_key_value().ok_or(Refusal::StorageKey)?;
        let sealed = seal(key, context.as_bytes(), secret, rng).map_err(|_| Refusal::StorageKey)?;
        Ok((*number, sealed))
    }

    pub(crate) fn open(
        &self,
        number: u32,
        context: &Context,
        sealed: &[u8],
    ) -> Result<SecretBytes, Refusal> {
        let keys = self.read();
        let key = keys.get(&number).ok_or(Refusal::StorageKey)?;
        open(key, context.as_bytes(), sealed).map_err(|_| Refusal::StorageKey)
    }
}

/// The key of a file; made where there is none.
pub(crate) fn load_or_generate_seed(
    path: &Path,
    rng: &mut impl CryptoRng,
) -> Result<Secret<32>, GateError> {
    match read_key(path)? {
        Some(seed) => Ok(seed),
        None => write_key(path, rng),
    }
}

/// The key of a file that must be there.
pub(crate) fn load_seed(path: &Path) -> Result<Secret<32>, GateError> {
    read_key(path)?.ok_or_else(|| GateError::KeyDamaged(path.to_owned()))
}

/// The public half of an initialised gatekeeper's signing key.
pub(crate) fn load_party_key(config: &GateConfig) -> Result<PartyKey, GateError> {
    let seed = load_seed(&config.signing_key())?;
    Ok(PartyKey(*DeviceKey::from_seed(&seed).public().as_bytes()))
}

/// What a sealed share is bound to at rest.
pub(crate) fn share_context(vault: VaultId, share_id: ShareId) -> Context {
    Context::new("obhut/gate-share/v1")
        .field(&vault.0)
        .field(&share_id.0)
}

fn read_key(path: &Path) -> Result<Option<Secret<32>>, GateError> {
    match fs::read(path) {
        Ok(bytes) => {
            let bytes = Zeroizing::new(bytes);
            let key = Secret::from_slice(&bytes);
            key.map(Some)
                .map_err(|_| GateError::KeyDamaged(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(GateError::file(path)(error)),
    }
}

/// Written whole under another name first, so that a crash leaves no half a key.
fn write_key(path: &Path, rng: &mut impl CryptoRng) -> Result<Secret<32>, GateError> {
    let key = Secret::<32>::generate(rng);
    let staged = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&staged)?;
        // EXPOSE: to the key's own file, mode 0600.
        file.write_all(key.expose())?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        path.parent()
            .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    write().map_err(GateError::file(path))?;
    Ok(key)
}
