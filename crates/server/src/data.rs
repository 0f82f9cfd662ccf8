//! The data folder: opened by one process at a time, with everything that lies in it.

use std::fs::File;
use std::path::{Path, PathBuf};

use obhut_gate::Edge;
use obhut_sql::Db;
use obhut_store::Store;
use rustix::fs::FlockOperation;

use crate::backup::refuse_unfinished;
use crate::clock::now_us;
use crate::config::Config;
use crate::gatekeeper::Gatekeeper;
use crate::keys::make_folder;
use crate::randomness::random_bytes;
use crate::{ServerError, keys};

const LOCK: &str = "lock";

/// An open data folder. Dropping it lets the next process in.
pub struct Data {
    /// Where it is.
    pub folder: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// Its database.
    pub db: Db,
    /// The vault's statements over it.
    pub store: Store,
    /// The gatekeeper beside it.
    pub gatekeeper: Gatekeeper,
    _lock: File,
}

impl Data {
    /// Opens an initialised folder; [`ServerError::InUse`] while another process has it open.
    pub async fn open(folder: &Path) -> Result<Self, ServerError> {
        let config = Config::load(folder)?;
        Self::open_with(folder, config).await
    }

    /// Opens a folder with this configuration.
    pub async fn open_with(folder: &Path, config: Config) -> Result<Self, ServerError> {
        let folder = std::path::absolute(folder).map_err(|e| ServerError::file(folder, e))?;
        refuse_unfinished(&folder)?;
        let lock = lock(&folder)?;
        make_folder(&folder.join(&config.tiles))?;
        make_folder(&folder.join(keys::KEYS_FOLDER))?;
        let db = config.database.open(&folder).await?;
        let gatekeeper = Gatekeeper::prepare(&folder, &config.gate, system_edge()?)?;
        Ok(Self {
            store: Store::open(db.clone())
                .await?
                .with_session_limits(config.sessions.limits()),
            folder,
            config,
            db,
            gatekeeper,
            _lock: lock,
        })
    }

    /// Folds the write-ahead log into the database and closes it.
    pub async fn close(self) {
        if let Err(error) = self.db.checkpoint().await {
            tracing::warn!(error = %error, "the database was not folded; the next start does it");
        }
        self.db.close().await;
        self.gatekeeper.close().await;
    }
}

/// Makes a data folder where there is none.
pub(crate) fn make_data_folder(folder: &Path) -> Result<(), ServerError> {
    make_folder(folder)
}

/// Takes a data folder for this process alone.
pub(crate) fn lock(folder: &Path) -> Result<File, ServerError> {
    let path = folder.join(LOCK);
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| ServerError::file(&path, error))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ServerError::InUse(folder.to_owned())),
        Err(error) => Err(ServerError::file(&path, error.into())),
    }
}

/// Clock and randomness of the system for the gatekeeper.
pub(crate) fn system_edge() -> Result<Edge, ServerError> {
    // Asked once, so that a system without randomness is noticed before anything is made.
    random_bytes::<32>()?;
    Ok(Edge::new(now_us, || {
        #[expect(
            clippy::expect_used,
            reason = "going on without randomness would leak every key"
        )]
        random_bytes().expect("the operating system gives randomness")
    }))
}
