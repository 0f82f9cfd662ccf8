use ::hpke::kem::XWing;
use ::hpke::{Deserializable, Kem, Serializable};
use rand_core::CryptoRng;

use crate::{Secret, SuiteError, is_acceptable_x25519};

/// Bytes of an X-Wing public key: ML-KEM-768 (1,184), then X25519 (32).
pub const XWING_PUBLIC_LEN: usize = 1216;

/// Bytes of an X-Wing ciphertext (`enc`): ML-KEM-768 (1,088), then X25519 (32).
pub const ENCAPSULATION_LEN: usize = 1120;

/// An X-Wing private key, which *is* its 32-byte seed (draft-connolly-cfrg-xwing-kem).
///
/// HPKE's DeriveKeyPair is never used: implementations disagree about it.
pub struct XwingSeed {
    seed: Secret<32>,
    private: Box<<XWing as Kem>::PrivateKey>,
}

impl XwingSeed {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_secret(Secret::generate(rng))
    }

    /// The key of this seed.
    pub fn from_secret(seed: Secret<32>) -> Self {
        // EXPOSE: into the private key of the KEM, which wipes itself.
        #[expect(
            clippy::expect_used,
            reason = "the parser refuses nothing but the length"
        )]
        let private = <XWing as Kem>::PrivateKey::from_bytes(seed.expose()).expect("32 bytes");
        let private = Box::new(private);
        Self { seed, private }
    }

    /// The seed, for wrapping it to somebody.
    pub fn secret(&self) -> &Secret<32> {
        &self.seed
    }

    /// The public key.
    pub fn public(&self) -> XwingPublic {
        let key = XWing::sk_to_pk(&self.private);
        XwingPublic {
            bytes: Box::new(key.to_bytes().into()),
            key: Box::new(key),
        }
    }

    pub(crate) fn private(&self) -> &<XWing as Kem>::PrivateKey {
        &self.private
    }
}

/// An X-Wing public key that passed every check.
#[derive(Clone)]
pub struct XwingPublic {
    bytes: Box<[u8; XWING_PUBLIC_LEN]>,
    key: Box<<XWing as Kem>::PublicKey>,
}

impl XwingPublic {
    /// Refuses a wrong length ([`SuiteError::WrongLength`]), ML-KEM coefficients that are not
    /// reduced and an X25519 part that is not canonical or of low order ([`SuiteError::RefusedKey`]).
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        let bytes: &[u8; XWING_PUBLIC_LEN] =
            bytes.try_into().map_err(|_| SuiteError::WrongLength)?;
        if !ends_in_acceptable_x25519(bytes) {
            return Err(SuiteError::RefusedKey);
        }
        let key =
            <XWing as Kem>::PublicKey::from_bytes(bytes).map_err(|_| SuiteError::RefusedKey)?;
        Ok(Self {
            bytes: Box::new(*bytes),
            key: Box::new(key),
        })
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8; XWING_PUBLIC_LEN] {
        &self.bytes
    }

    pub(crate) fn key(&self) -> &<XWing as Kem>::PublicKey {
        &self.key
    }
}

impl PartialEq for XwingPublic {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for XwingPublic {}

/// An X-Wing ciphertext (`enc` of HPKE) whose X25519 part passed the check.
#[derive(Clone, PartialEq, Eq)]
pub struct Encapsulation(Box<[u8; ENCAPSULATION_LEN]>);

impl Encapsulation {
    /// Refuses a wrong length and an X25519 part that is not canonical or of low order, both as
    /// [`SuiteError::OpenFailed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        let bytes: &[u8; ENCAPSULATION_LEN] =
            bytes.try_into().map_err(|_| SuiteError::OpenFailed)?;
        if !ends_in_acceptable_x25519(bytes) {
            return Err(SuiteError::OpenFailed);
        }
        Ok(Self(Box::new(*bytes)))
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &[u8; ENCAPSULATION_LEN] {
        &self.0
    }

    pub(crate) fn from_encapped(encapped: &<XWing as Kem>::EncappedKey) -> Self {
        Self(Box::new(encapped.to_bytes().into()))
    }
}

fn ends_in_acceptable_x25519(bytes: &[u8]) -> bool {
    bytes.last_chunk::<32>().is_some_and(is_acceptable_x25519)
}
