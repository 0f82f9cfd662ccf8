use thiserror::Error;

/// Why a primitive refused. Deliberately coarse: nothing here depends on a secret beyond "no".
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuiteError {
    /// A signature, or one half of a hybrid signature, does not verify.
    #[error("the signature does not verify")]
    InvalidSignature,
    /// Sealed bytes do not open under this key and context; also for wrong lengths, so that nobody
    /// learns from the answer which of the two it was.
    #[error("the sealed bytes do not open with this key and context")]
    OpenFailed,
    /// A public key of the right length that must not be used: of low order, not reduced, or not canonical.
    #[error("the public key is one that must not be used")]
    RefusedKey,
    /// Passphrase parameters below the compiled-in floor or above the ceiling.
    #[error("the passphrase parameters are outside the accepted range")]
    RefusedParams,
    /// Parts of a split secret that do not go together, or a threshold that would not protect it.
    #[error("the parts of the secret or their threshold are not acceptable")]
    RefusedParts,
    /// More bytes or chunks than the construction allows.
    #[error("the input is longer than the construction allows")]
    TooLong,
    /// A key or signature has the wrong number of bytes.
    #[error("the encoding has the wrong length")]
    WrongLength,
}
