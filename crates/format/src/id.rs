//! Ids: 16 random bytes, printed with a prefix and base32; hashes that name keys.

use crate::FormatError;
use crate::cbor::{Cbor, Decoder, Encoder};
use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use std::sync::LazyLock;

/// A SHA-256 value.
pub type Hash = [u8; 32];

static BASE32_LOWER: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().unwrap_or(BASE32_NOPAD)
});

/// Lower-case base32 without padding, the alphabet of all printed ids.
pub fn base32(bytes: &[u8]) -> String {
    BASE32_LOWER.encode(bytes)
}

/// Reads [`base32`].
pub fn parse_base32(text: &str) -> Result<Vec<u8>, FormatError> {
    BASE32_LOWER
        .decode(text.as_bytes())
        .map_err(|_| FormatError::NotCanonical)
}

macro_rules! bytes_type {
    ($(#[$meta:meta])* $name:ident, $len:literal, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = FormatError;
            fn try_from(bytes: &[u8]) -> Result<Self, FormatError> {
                bytes.try_into().map(Self).map_err(|_| FormatError::WrongLength)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!($prefix, "{}"), base32(&self.0))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }

        impl core::str::FromStr for $name {
            type Err = FormatError;
            fn from_str(text: &str) -> Result<Self, FormatError> {
                let text = text.strip_prefix($prefix).ok_or(FormatError::BadMagic)?;
                Self::try_from(parse_base32(text)?.as_slice())
            }
        }

        impl Cbor for $name {
            fn cddl() -> String {
                if $len == 16 { "id".into() } else { "hash".into() }
            }
            fn encode(&self, out: &mut Encoder) {
                self.0.encode(out);
            }
            fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
                <[u8; $len]>::decode(input).map(Self)
            }
        }
    };
}

bytes_type!(
    /// A vault.
    VaultId, 16, "vault_"
);
bytes_type!(
    /// A case file (Akte).
    CaseId, 16, "case_"
);
bytes_type!(
    /// A document; its revisions share the id.
    DocumentId, 16, "doc_"
);
bytes_type!(
    /// A person: staff or citizen. Never derived from a civil identifier.
    PersonId, 16, "person_"
);
bytes_type!(
    /// An organisational unit.
    UnitId, 16, "unit_"
);
bytes_type!(
    /// A stored object (the random key a capsule is stored under).
    ObjectId, 16, "obj_"
);
bytes_type!(
    /// A batch of deposits.
    BatchId, 16, "batch_"
);
bytes_type!(
    /// One of the gatekeeper's deposit keys.
    DepositKeyId, 16, "dkey_"
);
bytes_type!(
    /// SHA-256 of a key bundle: names an identity's public keys.
    Kid, 32, "kid_"
);
bytes_type!(
    /// SHA-256 of a device's public key.
    DeviceKid, 32, "dev_"
);
bytes_type!(
    /// Names a share at the gatekeeper and binds its secrets.
    ShareId, 32, "share_"
);

/// A retention class, at most 16 characters of `A-Z a-z 0-9 . _ -`, zero-padded in binary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassCode([u8; 16]);

impl ClassCode {
    /// The zero-padded bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Checks zero-padded bytes.
    pub fn from_bytes16(bytes: [u8; 16]) -> Result<Self, FormatError> {
        let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(16);
        let (text, rest) = bytes.split_at(len);
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if text.is_empty() || !text.iter().all(fits) || rest.iter().any(|byte| *byte != 0) {
            return Err(FormatError::UnknownName);
        }
        Ok(Self(bytes))
    }
}

impl core::fmt::Display for ClassCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0
            .iter()
            .take_while(|byte| **byte != 0)
            .try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl core::fmt::Debug for ClassCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::str::FromStr for ClassCode {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut bytes = [0; 16];
        bytes
            .get_mut(..text.len())
            .ok_or(FormatError::WrongLength)?
            .copy_from_slice(text.as_bytes());
        Self::from_bytes16(bytes)
    }
}

impl Cbor for ClassCode {
    fn cddl() -> String {
        "class".into()
    }
    fn encode(&self, out: &mut Encoder) {
        self.0.encode(out);
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        Self::from_bytes16(Cbor::decode(input)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ids_read_back_and_refuse_another_kind() {
        let id = CaseId([7; 16]);
        assert_eq!(id.to_string().parse::<CaseId>().unwrap(), id);
        assert_eq!(
            id.to_string().parse::<DocumentId>(),
            Err(FormatError::BadMagic)
        );
        assert!("case_aaaa".parse::<CaseId>().is_err());
    }

    #[test]
    fn class_codes_are_short_and_plain() {
        assert_eq!("ALG-10".parse::<ClassCode>().unwrap().to_string(), "ALG-10");
        for bad in ["", "a b", "12345678901234567", "ä"] {
            assert!(bad.parse::<ClassCode>().is_err(), "{bad}");
        }
    }
}
