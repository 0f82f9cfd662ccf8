//! Why the server cannot start, or a command cannot do its work.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use obhut_format::VaultId;

/// What an operator reads; each says what to do next where that is not plain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// `init` on a folder that has a vault already.
    #[error("{} holds a vault already; `obhut-server vault add` makes a further one in it", .0.display())]
    AlreadyInitialised(PathBuf),
    /// A backup could not be made, proved or restored.
    #[error("the backup")]
    Backup(#[from] crate::backup::BackupError),
    /// The configuration is wrong.
    #[error("the configuration is not usable: {0}")]
    Config(String),
    /// The database cannot be opened.
    #[error("the database {target} cannot be used")]
    Database {
        /// Which, without its password.
        target: String,
        /// Why.
        source: obhut_sql::SqlError,
    },
    /// `init` on a database that holds vaults.
    #[error(
        "the database {0} holds vaults already: for a further server on it, copy obhut.toml and the keys folder of the first \
         one; `obhut-server vault add` makes a further vault"
    )]
    DatabaseInUse(String),
    /// A file or folder cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The gatekeeper refused or failed.
    #[error("the gatekeeper: {0}")]
    Gate(String),
    /// Another process has the data folder open.
    #[error("another obhut-server works on {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// No port.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The vaults of this folder live elsewhere now.
    #[error(
        "the vaults of this data folder were moved to {to}. Going back is right only while nothing was served there: then \
         remove {mark}",
        to = to.display(), mark = mark.display()
    )]
    Moved {
        /// The mark.
        mark: PathBuf,
        /// The new data folder.
        to: PathBuf,
    },
    /// No vault can be served.
    #[error("no vault can be served{reasons}")]
    NothingServed {
        /// A line for each vault.
        reasons: String,
        /// Whether the database of one is older than what others have seen, or another one.
        is_fork: bool,
    },
    /// `serve` on a folder without a vault.
    #[error("{path} is not initialised; run `obhut-server init --data {path} --name NAME`", path = .0.display())]
    NotInitialised(PathBuf),
    /// `init` on a folder with something else in it.
    #[error("{} is not empty and holds no vault; choose an empty or new folder", .0.display())]
    NotEmpty(PathBuf),
    /// The object store does not do what Obhut needs; the text is the probe's report.
    #[error("the object store cannot be used\n\n{0}")]
    Probe(String),
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// The threads of the server could not be started.
    #[error("the server's threads cannot be started")]
    Runtime(#[source] std::io::Error),
    /// A vault takes no work any more.
    #[error("vault {0} has stopped; the line in the log says why: mend it and start again")]
    Stopped(VaultId),
    /// A key file does not hold a key.
    #[error("{} does not hold a key; restore it from the backup of the keys folder", .0.display())]
    SpoiltKey(PathBuf),
    /// Something that was being brought into this folder is not complete.
    #[error("{data} is not complete: run `{command}` again", data = data.display())]
    Unfinished {
        /// The data folder.
        data: PathBuf,
        /// What was broken off.
        command: String,
    },
    /// The database or a log failed.
    #[error("the vault's data cannot be used")]
    Store(#[from] obhut_store::StoreError),
}

const AFTER_A_FORK: &str = "nothing was signed, and nothing will be on this database. Restore a newer backup, or bring the database back to its \
     last moment (PostgreSQL: point-in-time recovery); docs/operators/backup.md, \"After a loss\"";

impl ServerError {
    /// Whether the database is older than what others have seen of a log, or another one.
    pub fn is_fork(&self) -> bool {
        match self {
            Self::NothingServed { is_fork, .. } => *is_fork,
            Self::Store(error) => error.is_fork(),
            _ => false,
        }
    }

    /// Whether it keeps one vault from being served and says nothing of the others.
    pub(crate) fn is_about_one_vault(&self) -> bool {
        use obhut_store::StoreError;
        match self {
            Self::Store(StoreError::Damaged(_) | StoreError::Log(_))
            | Self::File { .. }
            | Self::Gate(_)
            | Self::SpoiltKey(_) => true,
            other => other.is_fork(),
        }
    }

    /// What an operator does next, where the text itself does not say it.
    pub fn next_step(&self) -> Option<&'static str> {
        if self.is_fork() {
            return Some(AFTER_A_FORK);
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(next) = error
                .downcast_ref::<std::io::Error>()
                .and_then(io_next_step)
            {
                return Some(next);
            }
            // SQLite's own words for a file that is damaged, or is none of its own.
            let text = error.to_string();
            if text.contains("malformed") || text.contains("not a database") {
                return Some(
                    "the database file is damaged: keep a copy of the data folder as it is, then restore the newest backup",
                );
            }
            cause = error.source();
        }
        None
    }

    /// A file or folder cannot be used.
    pub fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

fn io_next_step(error: &std::io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::AddrInUse => Some(
            "stop the program that listens there, or choose another address with --listen or `listen` in obhut.toml",
        ),
        ErrorKind::AddrNotAvailable => {
            Some("choose an address of this machine with --listen or `listen` in obhut.toml")
        }
        ErrorKind::NotFound => Some("check the path, and that its disk is mounted"),
        ErrorKind::PermissionDenied => {
            Some("make it readable and writable for the account that the server runs as")
        }
        ErrorKind::ReadOnlyFilesystem => Some("mount the disk writable"),
        ErrorKind::StorageFull => Some("make room on that disk; nothing confirmed is lost"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_taken_port_and_a_damaged_file_say_what_to_do_next() {
        let taken = ServerError::Listen {
            address: "127.0.0.1:1".parse().unwrap(),
            source: ErrorKind::AddrInUse.into(),
        };
        assert!(taken.next_step().unwrap().contains("--listen"));
        let damaged = std::io::Error::other("database disk image is malformed");
        let damaged = ServerError::file(Path::new("vault.db"), damaged);
        assert!(damaged.next_step().unwrap().contains("backup"));
        assert!(ServerError::Randomness.next_step().is_none());
    }
}
