//! Why a backup cannot be made, proved or restored.

use std::io;
use std::path::{Path, PathBuf};

use obhut_sql::SqlError;
use obhut_store::StoreError;

use crate::objects::ObjectError;

/// What an operator reads; each says what to do next where that is not plain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The manifest or a hash does not fit.
    #[error("{} is no whole backup: {what}", folder.display())]
    Damaged {
        /// Where.
        folder: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A file cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The gatekeeper's part cannot be made, proved or restored.
    #[error("the gatekeeper's part")]
    Gate(#[from] obhut_gate::backup::BackupError),
    /// The gatekeeper's keys are not there.
    #[error(
        "the gatekeeper's signing key is missing; bring it with --keys DIR (`obhut-server backup-keys` made it)"
    )]
    GateKeys,
    /// Keys of the data folder are not those of a vault.
    #[error(
        "{0}; bring the keys folder back from its own backup (`obhut-server backup-keys` made it)"
    )]
    Keys(String),
    /// The database to restore into is in use.
    #[error("the database {0} holds vaults already: a backup is restored into an empty one")]
    NotEmpty(String),
    /// The folder holds something already.
    #[error("{} is not empty; every backup gets a new folder", .0.display())]
    Occupied(PathBuf),
    /// The object store failed.
    #[error("the object store failed")]
    Objects(#[from] ObjectError),
    /// Capsules are missing or damaged; the text names them.
    #[error("{0}")]
    Objectionable(String),
    /// The database has the tables of another version.
    #[error(
        "the tables are those of schema {found} and this program's are of schema {known}: {next}"
    )]
    Schema {
        /// What is there.
        found: i64,
        /// What is known here.
        known: i64,
        /// What to do.
        next: String,
    },
    /// A database cannot be used.
    #[error("a database cannot be used")]
    Sql(#[from] SqlError),
    /// Rows do not fit together.
    #[error("the rows are not whole")]
    Store(#[from] StoreError),
}

impl BackupError {
    pub(super) fn damaged(folder: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            folder: folder.to_owned(),
            what: what.into(),
        }
    }
}

pub(super) fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}
