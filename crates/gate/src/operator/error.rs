//! Why a command of the gatekeeper's operator cannot do its work.

use std::path::{Path, PathBuf};

use crate::backup::BackupError;
use crate::witness::WitnessError;
use crate::{GateError, Refusal};

/// What an operator reads; each says what to do next where that is not plain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// `init` on a folder that has a gatekeeper already.
    #[error("{} is in use already", .0.display())]
    AlreadyInitialised(PathBuf),
    /// A backup could not be made, proved or restored.
    #[error("the backup")]
    Backup(#[from] BackupError),
    /// The configuration is wrong.
    #[error("the configuration is not usable: {0}")]
    Config(String),
    /// A file or folder cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was typed is no fingerprint.
    #[error("{0} is no fingerprint: it has 56 letters and digits, and a slip in any of them shows")]
    Fingerprint(String),
    /// The gatekeeper could not be opened.
    #[error("the gatekeeper cannot start")]
    Gate(#[from] GateError),
    /// Another process serves the data folder.
    #[error("another obhut-gate works on {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// No port.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// What was typed is no key of a log.
    #[error(
        "{0} is no log's verifier key: it looks like vault.example/records+0123abcd+…, a slip in it shows"
    )]
    LogKey(String),
    /// `init` on a folder with something else in it.
    #[error("{} is not empty; choose an empty or new folder", .0.display())]
    NotEmpty(PathBuf),
    /// A command on a folder that was not made for it.
    #[error("{path} is not initialised; run `obhut-gate {init} --data {path}`", path = data.display())]
    NotInitialised {
        /// The folder.
        data: PathBuf,
        /// The command that makes one.
        init: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// The gatekeeper could not do it.
    #[error("the gatekeeper could not do it")]
    Refused(#[from] Refusal),
    /// The threads could not be started.
    #[error("the gatekeeper's threads cannot be started")]
    Runtime(#[source] std::io::Error),
    /// The witness could not do it.
    #[error("the witness cannot work")]
    Witness(#[from] WitnessError),
}

impl OperatorError {
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}
