//! Where the gatekeeper keeps its things, and what it takes from outside: time and randomness.

use std::path::PathBuf;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::journal::Journal;

/// Where the gatekeeper keeps its things.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// Its own folder: signing key, `db.sqlite`, and `mirror/` unless told otherwise.
    pub folder: PathBuf,
    /// What backups of the data cover; the storage key must not lie inside.
    pub data_folder: PathBuf,
    /// The separate folder of the storage key.
    pub key_folder: PathBuf,
    /// First store: a `postgres://` URL instead of `folder/db.sqlite`.
    pub database: Option<String>,
    /// Second store: a `postgres://` URL or a file, better on another disk.
    pub mirror: Option<String>,
    /// The journal of tombstones, best on another disk; `folder/journal/tombstones` unless told otherwise.
    pub journal: Option<PathBuf>,
    /// A new storage key after so many days; 0 makes none by itself.
    pub storage_key_days: u32,
}

impl GateConfig {
    /// Everything in `folder` but the storage key.
    pub fn new(
        folder: impl Into<PathBuf>,
        data_folder: impl Into<PathBuf>,
        key_folder: impl Into<PathBuf>,
    ) -> Self {
        Self {
            folder: folder.into(),
            data_folder: data_folder.into(),
            key_folder: key_folder.into(),
            database: None,
            mirror: None,
            journal: None,
            storage_key_days: 0,
        }
    }

    /// Whether the gatekeeper's signing key is there: without it nothing is read or restored.
    pub fn has_signing_key(&self) -> bool {
        self.signing_key().exists()
    }

    pub(crate) fn journal(&self) -> Journal {
        let default = || self.folder.join("journal").join("tombstones");
        Journal::new(self.journal.clone().unwrap_or_else(default))
    }

    pub(crate) fn signing_key(&self) -> PathBuf {
        self.folder.join("signing.key")
    }
}

/// Clock and randomness, handed in so that tests decide about both.
#[derive(Clone)]
pub struct Edge {
    now_us: Arc<dyn Fn() -> u64 + Send + Sync>,
    seed: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
}

impl Edge {
    /// `now_us` gives microseconds since 1970 UTC; `seed` gives 32 fresh bytes of the operating
    /// system's randomness at every call.
    pub fn new(
        now_us: impl Fn() -> u64 + Send + Sync + 'static,
        seed: impl Fn() -> [u8; 32] + Send + Sync + 'static,
    ) -> Self {
        Self {
            now_us: Arc::new(now_us),
            seed: Arc::new(seed),
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        (self.now_us)()
    }

    pub(crate) fn rng(&self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed((self.seed)())
    }
}
