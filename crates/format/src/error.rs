//! Why bytes were refused.

/// Why bytes are not what they should be. The bytes are public, so the reason may be precise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The magic number is another one.
    #[error("not an Obhut object of this kind")]
    BadMagic,
    /// The checksum of a typed-in text is wrong.
    #[error("a character was mistyped")]
    Checksum,
    /// A required field is missing, or the fields are out of order.
    #[error("field {0} is missing or out of order")]
    MissingField(u64),
    /// The same value has another, canonical encoding.
    #[error("not in canonical form")]
    NotCanonical,
    /// A text is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A number is outside its range.
    #[error("number out of range")]
    OutOfRange,
    /// A bit or byte that must be zero is not.
    #[error("reserved byte at offset {0} is not zero")]
    Reserved(usize),
    /// Bytes follow the last one.
    #[error("trailing bytes")]
    TrailingBytes,
    /// Bytes are missing.
    #[error("truncated")]
    Truncated,
    /// An enum code nobody knows.
    #[error("unknown code {0}")]
    UnknownCode(u64),
    /// A record has a field this version does not know.
    #[error("unknown field")]
    UnknownField,
    /// A name that is not in the closed set.
    #[error("unknown name")]
    UnknownName,
    /// A suite, padding or version this program does not speak.
    #[error("unsupported version")]
    UnsupportedVersion,
    /// A fixed-length field has another length.
    #[error("wrong length")]
    WrongLength,
    /// Another CBOR type stands here.
    #[error("wrong type")]
    WrongType,
}
