use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use obhut_format::Cbor;
use obhut_format::card::VaultCard;

use super::ProfileRecord;
use crate::ClientError;
use crate::transport::Trust;
use crate::whole_file::{Existing, WholeFile};

const RECORD: &str = "profile.json";
const CARD: &str = "card";
/// Certificates of the agency's own authority (PEM), where it has one.
const AUTHORITIES: &str = "authorities.pem";
const STATE_LOCK: &str = "state.lock";
/// Nobody holds the state for longer than a few writes take.
const STATE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// The folder of all profiles: `$OBHUT_HOME`, else `$XDG_DATA_HOME/obhut`, else `~/.local/share/obhut`.
#[derive(Clone, Debug)]
pub struct ProfileHome {
    folder: PathBuf,
    trust: Trust,
}

impl ProfileHome {
    /// From the environment; fails when none of the three is set.
    pub fn from_environment() -> Result<Self, ClientError> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = variable("OBHUT_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("XDG_DATA_HOME").map(|data| PathBuf::from(data).join("obhut")))
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/share/obhut")))
            .ok_or_else(|| {
                ClientError::Profile("no home folder is known; set OBHUT_HOME".into())
            })?;
        Ok(Self::new(home))
    }

    /// Below this folder.
    pub fn new(folder: PathBuf) -> Self {
        let trust = Trust::default();
        Self { folder, trust }
    }

    /// Profiles that are made here keep these authorities; whether certificates are looked at holds for all.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// By what servers are recognised of which there is no profile yet.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Names of the profiles there are, sorted.
    pub fn profiles(&self) -> Result<Vec<String>, ClientError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ClientError::io("cannot read", &self.folder)(error)),
        };
        let mut names: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join(RECORD).is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Opens a profile that exists.
    pub fn open(&self, name: &str) -> Result<Profile, ClientError> {
        let folder = self.folder(name)?;
        match folder.join(RECORD).metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ClientError::Profile(format!("there is no profile {name}")));
            }
            found => found.map_err(ClientError::io("cannot read", &folder))?,
        };
        refuse_open_doors(&folder)?;
        let mut profile = Profile {
            folder,
            name: name.to_owned(),
            record: None,
            unverified: self.trust.is_unverified(),
        };
        let bytes = profile.load(RECORD)?;
        let record = serde_json::from_slice(&bytes).map_err(|_| {
            ClientError::Profile(format!(
                "profile {name} is damaged: {RECORD} cannot be read"
            ))
        })?;
        profile.record = Some(record);
        Ok(profile)
    }

    /// True when there is a profile of this name.
    pub fn holds(&self, name: &str) -> Result<bool, ClientError> {
        Ok(self.folder(name)?.join(RECORD).exists())
    }

    /// Makes the folder of a new profile, 0700. Its record comes with [`Profile::save_record`].
    pub fn create(&self, name: &str) -> Result<Profile, ClientError> {
        let folder = self.folder(name)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(ClientError::io("cannot make", &folder))?;
        refuse_open_doors(&folder)?;
        let profile = Profile {
            folder,
            name: name.to_owned(),
            record: None,
            unverified: self.trust.is_unverified(),
        };
        profile.save_trust(&self.trust)?;
        Ok(profile)
    }

    fn folder(&self, name: &str) -> Result<PathBuf, ClientError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(ClientError::Usage(
                "a profile's name has 1 to 64 letters, digits, - or _".into(),
            ));
        }
        Ok(self.folder.join(name))
    }
}

/// Others must not read along.
fn refuse_open_doors(folder: &Path) -> Result<(), ClientError> {
    let about = std::fs::metadata(folder).map_err(ClientError::io("cannot read", folder))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(ClientError::Profile(format!(
            "{} is open to other accounts of this machine; run `chmod -R go= {0}`",
            folder.display()
        )));
    }
    Ok(())
}

/// The folder of one profile.
#[derive(Clone, Debug)]
pub struct Profile {
    folder: PathBuf,
    name: String,
    record: Option<ProfileRecord>,
    unverified: bool,
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is about; missing while it is being made.
    pub fn record(&self) -> Result<&ProfileRecord, ClientError> {
        self.record
            .as_ref()
            .ok_or_else(|| ClientError::Profile(format!("profile {} is not finished", self.name)))
    }

    /// Writes what it is about.
    pub fn save_record(&mut self, record: ProfileRecord) -> Result<(), ClientError> {
        let text = serde_json::to_vec_pretty(&record)
            .map_err(|_| ClientError::Profile("the profile cannot be written".into()))?;
        self.save(RECORD, &text)?;
        self.record = Some(record);
        Ok(())
    }

    /// By what the vault's server is recognised.
    pub fn trust(&self) -> Result<Trust, ClientError> {
        let trust = match self.find(AUTHORITIES)? {
            Some(pem) => Trust::only(pem)?,
            None => Trust::default(),
        };
        Ok(trust.unverified(self.unverified))
    }

    /// Keeps the authorities by which the vault's server is recognised, or that there are none of its own.
    pub fn save_trust(&self, trust: &Trust) -> Result<(), ClientError> {
        match trust.authorities() {
            Some(pem) => self.save(AUTHORITIES, pem),
            None => self.remove(AUTHORITIES),
        }
    }

    /// The pinned card; must have the pinned fingerprint.
    pub fn load_card(&self) -> Result<VaultCard, ClientError> {
        let card = VaultCard::from_bytes(&self.load(CARD)?)?;
        if card.fingerprint() != self.record()?.card {
            return Err(ClientError::integrity(
                "the pinned vault card does not have the pinned fingerprint",
            ));
        }
        Ok(card)
    }

    /// Pins a card.
    pub fn save_card(&self, card: &VaultCard) -> Result<(), ClientError> {
        self.save(CARD, &card.to_bytes())
    }

    /// A file of the profile.
    pub fn load(&self, name: &str) -> Result<Vec<u8>, ClientError> {
        let path = self.folder.join(name);
        std::fs::read(&path).map_err(ClientError::io("cannot read", &path))
    }

    /// A file of the profile, if it is there.
    pub fn find(&self, name: &str) -> Result<Option<Vec<u8>>, ClientError> {
        let path = self.folder.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ClientError::io("cannot read", &path)(error)),
        }
    }

    /// Writes a file of the profile, 0600, in one step.
    pub fn save(&self, name: &str, bytes: &[u8]) -> Result<(), ClientError> {
        let path = self.folder.join(name);
        WholeFile::write(&path, 0o600, Existing::Replace, bytes)
    }

    /// Removes a file of the profile, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), ClientError> {
        let path = self.folder.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ClientError::io("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// A folder of the profile, made 0700 when missing.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf, ClientError> {
        let path = self.folder.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(ClientError::io("cannot make", &path))?;
        Ok(path)
    }

    /// Removes a profile whose keys never left this machine: nothing was joined with them.
    pub(crate) fn discard(self) -> Result<(), ClientError> {
        std::fs::remove_dir_all(&self.folder)
            .map_err(ClientError::io("cannot remove", &self.folder))
    }

    /// Keeps other commands of this profile from writing its state while the file is held: to be taken after the
    /// network was asked, to read again what is kept and write, and let go at once. Waits for a moment.
    pub fn hold_state(&self) -> Result<File, ClientError> {
        let begun = std::time::Instant::now();
        loop {
            match self.lock(STATE_LOCK) {
                Err(ClientError::Profile(_)) if begun.elapsed() < STATE_PATIENCE => {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    /// Keeps other commands of this profile out while the file is held (import, join).
    pub fn lock(&self, name: &str) -> Result<File, ClientError> {
        let path = self.folder.join(name);
        let failed = || ClientError::io("cannot lock", &path);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed())?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(ClientError::Profile(format!(
                "another command works on profile {} right now",
                self.name
            ))),
            Err(std::fs::TryLockError::Error(error)) => Err(failed()(error)),
        }
    }
}
