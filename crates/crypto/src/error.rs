use std::io;

use obhut_format::FormatError;
use obhut_suite::SuiteError;
use thiserror::Error;

/// Why something was not opened or sealed. Coarse on purpose: nothing here tells an attacker which
/// of the checks behind "damaged" refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The bytes are not what was sealed, signed or promised for this place.
    #[error("the data is damaged or does not belong here")]
    Damaged,
    /// The caller's reader or writer failed; nothing is wrong with the data.
    #[error("reading or writing failed")]
    Io(#[source] io::Error),
    /// Sealed to somebody else, or under a key that is not there.
    #[error("sealed for somebody else")]
    NotARecipient,
    /// The source is longer or shorter than announced: it changed while it was read.
    #[error("the source changed while it was read")]
    SourceChanged,
    /// More bytes or items than the format allows.
    #[error("larger than the format allows")]
    TooLarge,
    /// The object ends too early.
    #[error("the data is cut short")]
    Truncated,
    /// A suite, version or padding this program does not speak.
    #[error("made by a version this program does not know")]
    UnsupportedVersion,
}

impl From<SuiteError> for CryptoError {
    fn from(refused: SuiteError) -> Self {
        match refused {
            SuiteError::TooLong => Self::TooLarge,
            _ => Self::Damaged,
        }
    }
}

impl From<FormatError> for CryptoError {
    fn from(refused: FormatError) -> Self {
        match refused {
            FormatError::BadMagic | FormatError::UnsupportedVersion => Self::UnsupportedVersion,
            _ => Self::Damaged,
        }
    }
}

impl From<io::Error> for CryptoError {
    fn from(failed: io::Error) -> Self {
        if failed.kind() == io::ErrorKind::UnexpectedEof {
            Self::Truncated
        } else {
            Self::Io(failed)
        }
    }
}
