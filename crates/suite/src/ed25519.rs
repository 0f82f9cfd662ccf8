use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;

use crate::{Label, Secret, SuiteError};

/// Bytes of an Ed25519 public key.
pub const DEVICE_PUBLIC_LEN: usize = 32;

/// Bytes of an Ed25519 signature.
pub const DEVICE_SIGNATURE_LEN: usize = 64;

/// A device's Ed25519 key: signs acts and logins. Wiped on drop.
pub struct DeviceKey(SigningKey);

impl DeviceKey {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_seed(&Secret::generate(rng))
    }

    /// The key of this seed.
    pub fn from_seed(seed: &Secret<32>) -> Self {
        // EXPOSE: into the signing key, which wipes itself.
        Self(SigningKey::from_bytes(seed.expose()))
    }

    /// The seed, for sealing it at rest.
    pub fn seed(&self) -> Secret<32> {
        Secret::new(self.0.to_bytes())
    }

    /// The public key.
    pub fn public(&self) -> DevicePublic {
        DevicePublic(self.0.verifying_key())
    }

    /// Signs `label || 0 || message`.
    pub fn sign(&self, label: Label, message: &[u8]) -> DeviceSignature {
        DeviceSignature(self.0.sign(&label.frame(message)).to_bytes())
    }
}

/// A device's public key: canonical and not of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DevicePublic(VerifyingKey);

impl DevicePublic {
    /// Refuses a wrong length ([`SuiteError::WrongLength`]) and bytes that are no point, not its
    /// canonical form, or of small order ([`SuiteError::RefusedKey`]).
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        parse_strict(bytes).map(Self)
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8; DEVICE_PUBLIC_LEN] {
        self.0.as_bytes()
    }

    /// Checks a signature of `label || 0 || message` (`verify_strict`).
    pub fn verify(
        &self,
        label: Label,
        message: &[u8],
        signature: &DeviceSignature,
    ) -> Result<(), SuiteError> {
        verify_strict(&self.0, &label.frame(message), &signature.0)
    }
}

/// An Ed25519 signature of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceSignature([u8; DEVICE_SIGNATURE_LEN]);

impl DeviceSignature {
    /// Refuses a wrong length; everything else shows when it is verified.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| SuiteError::WrongLength)
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8; DEVICE_SIGNATURE_LEN] {
        &self.0
    }
}

/// An Ed25519 key of a log, witness or gatekeeper that signs notes (C2SP signed-note): exactly the
/// given bytes, which carry their own purpose. A separate type, so that no key does both.
pub struct NoteKey(SigningKey);

impl NoteKey {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_seed(&Secret::generate(rng))
    }

    /// The key of this seed.
    pub fn from_seed(seed: &Secret<32>) -> Self {
        // EXPOSE: into the signing key, which wipes itself.
        Self(SigningKey::from_bytes(seed.expose()))
    }

    /// The seed, for keeping it at rest.
    pub fn seed(&self) -> Secret<32> {
        Secret::new(self.0.to_bytes())
    }

    /// The public key.
    pub fn public(&self) -> NotePublic {
        NotePublic(self.0.verifying_key())
    }

    /// Signs exactly these bytes.
    pub fn sign(&self, text: &[u8]) -> [u8; DEVICE_SIGNATURE_LEN] {
        self.0.sign(text).to_bytes()
    }
}

/// The public key of a [`NoteKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotePublic(VerifyingKey);

impl NotePublic {
    /// As [`DevicePublic::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        parse_strict(bytes).map(Self)
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8; DEVICE_PUBLIC_LEN] {
        self.0.as_bytes()
    }

    /// Checks a signature of exactly these bytes (`verify_strict`).
    pub fn verify(&self, text: &[u8], signature: &[u8]) -> Result<(), SuiteError> {
        let signature = signature
            .try_into()
            .map_err(|_| SuiteError::InvalidSignature)?;
        verify_strict(&self.0, text, signature)
    }
}

pub(crate) fn parse_strict(bytes: &[u8]) -> Result<VerifyingKey, SuiteError> {
    let bytes = bytes.try_into().map_err(|_| SuiteError::WrongLength)?;
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| SuiteError::RefusedKey)?;
    // `from_bytes` keeps second encodings of a point as they came.
    let canonical = key.to_edwards().compress().to_bytes() == *bytes;
    if key.is_weak() || !canonical {
        return Err(SuiteError::RefusedKey);
    }
    Ok(key)
}

pub(crate) fn verify_strict(
    key: &VerifyingKey,
    message: &[u8],
    signature: &[u8; DEVICE_SIGNATURE_LEN],
) -> Result<(), SuiteError> {
    key.verify_strict(message, &Signature::from_bytes(signature))
        .map_err(|_| SuiteError::InvalidSignature)
}
