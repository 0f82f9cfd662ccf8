//! Why the gatekeeper does not start.

use std::path::PathBuf;

use obhut_sql::SqlError;

/// Why the gatekeeper cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// A file or folder cannot be used.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The journal of tombstones holds something else than tombstones.
    #[error("{0} is damaged: it tells what was destroyed, so restore it before anything is served")]
    JournalDamaged(PathBuf),
    /// The storage key lies where backups of the data would take it along.
    #[error("the storage key folder {0} lies inside the data folder: choose a folder outside it")]
    KeyInsideData(PathBuf),
    /// A key file does not hold a key.
    #[error("{0} does not hold a key: restore it from its own backup")]
    KeyDamaged(PathBuf),
    /// The shares were sealed under a storage key that is not there.
    #[error("storage key {number} of the shares is missing in {folder}: restore the key folder")]
    KeyMissing {
        /// Number of the key.
        number: u32,
        /// Where it should lie.
        folder: PathBuf,
    },
    /// The connection to a gatekeeper cannot be set up.
    #[error("the connection to the gatekeeper cannot be set up")]
    Link(#[source] reqwest::Error),
    /// No port.
    #[error("the gatekeeper cannot listen")]
    Listen(#[source] std::io::Error),
    /// What was replayed before cannot be read back.
    #[error("the stored replay of vault {vault} cannot be read back")]
    Replay {
        /// The vault's printed id.
        vault: String,
        /// What is wrong.
        #[source]
        source: crate::Refusal,
    },
    /// A database cannot be used.
    #[error("the gatekeeper's database cannot be used")]
    Sql(#[from] SqlError),
    /// The TLS library refused a key.
    #[error("the key cannot be used for TLS")]
    Tls(#[source] rustls::Error),
}

impl GateError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}
