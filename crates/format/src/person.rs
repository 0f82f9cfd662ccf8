//! Public keys of people and devices.

use crate::FormatError;
use crate::capsule::SUITE;
use crate::cbor::{Cbor, Decoder, Encoder};
use crate::context::Context;
use crate::id::{DeviceKid, Kid};

/// Bytes of an X-Wing public key.
pub const XWING_PUBLIC_BYTES: usize = 1_216;
/// Bytes of an Ed25519 and an ML-DSA-65 public key.
pub const HYBRID_PUBLIC_BYTES: usize = 32 + 1_952;
/// Bytes of a key bundle.
pub const BUNDLE_BYTES: usize = XWING_PUBLIC_BYTES + HYBRID_PUBLIC_BYTES;

/// X-Wing, Ed25519 and ML-DSA-65 public keys of one identity, 3,200 bytes. Only the length is checked here.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBundle(Box<[u8; BUNDLE_BYTES]>);

impl KeyBundle {
    /// Takes 3,200 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, FormatError> {
        let array: Box<[u8; BUNDLE_BYTES]> = bytes
            .to_vec()
            .into_boxed_slice()
            .try_into()
            .map_err(|_| FormatError::WrongLength)?;
        Ok(Self(array))
    }

    /// The 3,200 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The X-Wing public key.
    pub fn xwing(&self) -> &[u8] {
        self.0.split_at(XWING_PUBLIC_BYTES).0
    }

    /// Ed25519 (32 bytes) followed by ML-DSA-65 (1,952 bytes).
    pub fn hybrid(&self) -> &[u8] {
        self.0.split_at(XWING_PUBLIC_BYTES).1
    }

    /// The bundle's name: SHA-256 over label, suite and bundle.
    pub fn kid(&self) -> Kid {
        Kid(Context::new("obhut/kid/v1")
            .field(&[SUITE])
            .field(self.as_bytes())
            .hash())
    }
}

impl core::fmt::Debug for KeyBundle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyBundle({})", self.kid())
    }
}

impl Cbor for KeyBundle {
    fn cddl() -> String {
        "bundle".into()
    }
    fn encode(&self, out: &mut Encoder) {
        out.bytes(self.as_bytes());
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        Self::new(input.bytes()?)
    }
}

/// The name of a device's Ed25519 public key.
pub fn device_kid(public: &[u8; 32]) -> DeviceKid {
    DeviceKid(
        Context::new("obhut/device-kid/v1")
            .field(&[SUITE])
            .field(public)
            .hash(),
    )
}
