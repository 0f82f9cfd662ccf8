use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use obhut_crypto::CryptoError;
use obhut_format::FormatError;
use obhut_log::LogError;
use obhut_log::replay::ReplayError;
use obhut_suite::SuiteError;
use thiserror::Error;

use crate::import::{JournalError, SubjectsError};
use crate::letter::LetterError;
use crate::transport::{Problem, TlsFault};

/// What kind of failure it was; the exit codes of the command line follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Something on this side failed: a file, a full disk, a clock.
    Failed,
    /// Asked for in a way that makes no sense.
    Usage,
    /// Passphrase, session or device.
    Authentication,
    /// Not found, or refused by vault or gatekeeper.
    Refused,
    /// Some of many were done; the report names the others.
    Partial,
    /// What came back is not what was signed, logged or sealed.
    Integrity,
    /// The vault cannot be reached, or stopped answering.
    Unreachable,
}

impl Failure {
    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Authentication => 3,
            Self::Refused => 4,
            Self::Partial => 5,
            Self::Integrity => 6,
            Self::Unreachable => 7,
        }
    }

    /// Stable name for `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Authentication => "authentication",
            Self::Refused => "refused",
            Self::Partial => "partial",
            Self::Integrity => "integrity",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Why the client stopped. [`ClientError::failure`] sorts it, [`ClientError::next_step`] says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Checks of `obhut doctor` failed.
    #[error("{failed} of {all} checks failed")]
    ChecksFailed {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// This machine's clock and the vault's differ by more than the tolerance.
    #[error("the clock of this machine and the vault's differ by {} seconds", .seconds.unsigned_abs())]
    Clock {
        /// Vault's time minus this machine's, in seconds.
        seconds: i64,
    },
    /// Sealed bytes do not open, or are not what was promised.
    #[error("{0}")]
    Crypto(#[from] CryptoError),
    /// Bytes of the vault are not in their format.
    #[error("the vault's answer is malformed: {0}")]
    Format(#[from] FormatError),
    /// What the vault says does not fit what is signed or logged.
    #[error("{0}")]
    Integrity(String),
    /// A file or folder.
    #[error("{what} {}", .path.display())]
    Io {
        /// What was tried, such as `cannot read`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// An invitation or letter that lets nobody in any more.
    #[error("{text}")]
    Invitation {
        /// What is wrong with it.
        text: &'static str,
        /// It came in a letter to a citizen, not from a registrar.
        letter: bool,
    },
    /// The journal of an import.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// A letter cannot be written.
    #[error("{0}")]
    Letter(#[from] LetterError),
    /// A proof or checkpoint of the log does not hold.
    #[error("the log does not verify: {0}")]
    Log(#[from] LogError),
    /// No such thing here, as far as this profile may know.
    #[error("{0}")]
    NotFound(String),
    /// Some of many were done.
    #[error("{failed} of {all} were not done")]
    Partial {
        /// How many were not done.
        failed: u64,
        /// Of how many.
        all: u64,
    },
    /// A passphrase opens nothing here.
    #[error("the passphrase does not open this profile")]
    Passphrase,
    /// The vault answered with a problem.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The profile is not there, or not as far as this command needs.
    #[error("{0}")]
    Profile(String),
    /// A record of the log breaks a rule of the vault.
    #[error("the records log does not verify: {0}")]
    Replay(ReplayError),
    /// A rule says no before anything is sent.
    #[error("{0}")]
    Refused(String),
    /// The map that names folders' persons.
    #[error("the subjects map is not usable: {0}")]
    Subjects(#[from] SubjectsError),
    /// The vault stopped taking an upload.
    #[error("{url} stopped answering in the middle of an upload")]
    Stalled {
        /// Where.
        url: String,
    },
    /// A key or signature was refused.
    #[error("a key or signature was refused: {0}")]
    Suite(#[from] SuiteError),
    /// The server's certificate is refused, or it speaks no TLS.
    #[error("{url}: {fault}")]
    Tls {
        /// Where.
        url: String,
        /// Why.
        fault: TlsFault,
    },
    /// The vault does not answer.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Asked for in a way that makes no sense.
    #[error("{0}")]
    Usage(String),
}

impl From<ReplayError> for ClientError {
    fn from(refused: ReplayError) -> Self {
        match refused {
            ReplayError::Log(refused) => Self::Log(refused),
            other => Self::Replay(other),
        }
    }
}

impl ClientError {
    /// Sorts the error.
    pub fn failure(&self) -> Failure {
        match self {
            Self::ChecksFailed { .. }
            | Self::Clock { .. }
            | Self::Crypto(CryptoError::Io(_) | CryptoError::SourceChanged)
            | Self::Io { .. }
            | Self::Journal(JournalError::InUse | JournalError::Io(_))
            | Self::Letter(_) => Failure::Failed,
            Self::Crypto(CryptoError::NotARecipient)
            | Self::Invitation { .. }
            | Self::NotFound(_)
            | Self::Refused(_) => Failure::Refused,
            Self::Crypto(_)
            | Self::Format(_)
            | Self::Integrity(_)
            | Self::Log(_)
            | Self::Journal(JournalError::Damaged(_) | JournalError::SecretsLost)
            | Self::Replay(_)
            | Self::Suite(_) => Failure::Integrity,
            Self::Partial { .. } => Failure::Partial,
            Self::Passphrase | Self::Profile(_) => Failure::Authentication,
            Self::Problem(problem) => problem.failure(),
            Self::Stalled { .. } | Self::Tls { .. } | Self::Unreachable { .. } => {
                Failure::Unreachable
            }
            Self::Subjects(_) | Self::Usage(_) => Failure::Usage,
        }
    }

    /// One sentence about what to do next.
    pub fn next_step(&self) -> String {
        match self {
            Self::ChecksFailed { .. } => "Do what the lines marked BROKEN say, then run it again.".into(),
            Self::Clock { .. } => {
                "Set the clock of this machine (for example with a time service), then repeat the command.".into()
            }
            Self::Crypto(CryptoError::SourceChanged) => {
                "Repeat the command once nobody writes to the file; it is sealed anew.".into()
            }
            Self::Crypto(CryptoError::NotARecipient) => {
                "Ask a registrar whether you are still a member of the unit.".into()
            }
            Self::Crypto(CryptoError::Io(source))
            | Self::Io { source, .. }
            | Self::Journal(JournalError::Io(source)) => io_next_step(source),
            Self::Crypto(_)
            | Self::Format(_) | Self::Integrity(_) | Self::Log(_) | Self::Replay(_) | Self::Suite(_) => {
                "Nothing was written. Keep the message and tell the data protection officer; `obhut doctor` shows more.".into()
            }
            Self::Invitation { letter: true, .. } => {
                "Ask the office that sent you the letter; its address stands on it. They can send a new one.".into()
            }
            Self::Invitation { letter: false, .. } => "Ask the registrar who invited you for a new invitation.".into(),
            Self::Journal(JournalError::InUse) => "Wait until the other import has ended, then repeat the command.".into(),
            Self::Journal(_) => {
                "Keep the source files. If the journal belongs to this profile, move it out of the profile's folder `imports` and \
                 repeat the command: documents that are not confirmed yet are filed anew.".into()
            }
            Self::Letter(_) => "Give the vault a shorter address, or check this machine's clock.".into(),
            Self::NotFound(_) => {
                "Check what you named: ids are copied whole from what `case list`, `case show`, `unit list` or \
                 `devices list` printed."
                    .into()
            }
            Self::Partial { .. } => "Read the report, remove the causes and repeat the command: what is done is not done twice.".into(),
            Self::Passphrase => "Type the passphrase again, or name its file with --passphrase-file.".into(),
            Self::Problem(problem) => problem.next_step(),
            Self::Profile(_) => "Choose a profile with --profile, or make one with `obhut join`.".into(),
            Self::Refused(_) => "Remove the reason, or ask a registrar if you should be allowed to.".into(),
            Self::Stalled { .. } | Self::Unreachable { .. } => {
                "Check the network and whether the vault is up, then repeat the command: nothing is done twice.".into()
            }
            Self::Tls { fault, .. } => fault.next_step().into(),
            Self::Subjects(_) => "Correct the line of the map, then repeat the command.".into(),
            Self::Usage(_) => "See the command's --help.".into(),
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// A file error of which only the kind is known.
    pub(crate) fn io_kind(what: &'static str, path: &Path, kind: ErrorKind) -> Self {
        Self::io(what, path)(std::io::Error::new(kind, plain_kind(kind)))
    }

    /// Says where it was that reading or writing failed while a content was sealed or opened.
    pub(crate) fn at(self, what: &'static str, path: &Path) -> Self {
        match self {
            Self::Crypto(CryptoError::Io(source)) => Self::io(what, path)(source),
            other => other,
        }
    }

    pub(crate) fn integrity(text: impl Into<String>) -> Self {
        Self::Integrity(text.into())
    }
}

/// What a kind of file error means, in words for people.
pub(crate) fn plain_kind(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::AlreadyExists => "something is there already".into(),
        ErrorKind::IsADirectory => "it is a folder".into(),
        ErrorKind::NotADirectory => "it is no folder".into(),
        ErrorKind::NotFound => "no such file or folder".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::ReadOnlyFilesystem => "the place is read-only".into(),
        ErrorKind::StorageFull => "no space left".into(),
        other => other.to_string(),
    }
}

fn io_next_step(source: &std::io::Error) -> String {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "Free some space there, then repeat the command."
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "Make the place writable and readable for you, then repeat the command."
        }
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::NotFound => {
            "Check the path."
        }
        ErrorKind::AlreadyExists => "Choose another name, or remove what is there.",
        _ => "Remove the cause, then repeat the command.",
    }
    .into()
}
