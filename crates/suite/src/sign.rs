//! Hybrid signatures: Ed25519 *and* ML-DSA-65. A signature is valid only if both halves are.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use ml_dsa::{ExpandedSigningKey, MlDsa65};

use crate::ed25519::{parse_strict, verify_strict};
use crate::{Label, Secret, SuiteError};

const ED25519_PUBLIC_LEN: usize = 32;
const ED25519_SIGNATURE_LEN: usize = 64;
const ML_DSA_PUBLIC_LEN: usize = 1952;
const ML_DSA_SIGNATURE_LEN: usize = 3309;

/// Bytes of a hybrid public key: Ed25519, then ML-DSA-65.
pub const HYBRID_PUBLIC_LEN: usize = ED25519_PUBLIC_LEN + ML_DSA_PUBLIC_LEN;

/// Bytes of a hybrid signature: Ed25519, then ML-DSA-65.
pub const HYBRID_SIGNATURE_LEN: usize = ED25519_SIGNATURE_LEN + ML_DSA_SIGNATURE_LEN;

/// The two signing keys of an identity. Wiped on drop.
pub struct HybridSigner {
    ed25519: SigningKey,
    ml_dsa: Box<ExpandedSigningKey<MlDsa65>>,
}

impl HybridSigner {
    /// The keys of these two seeds.
    pub fn from_seeds(ed25519: &Secret<32>, ml_dsa: &Secret<32>) -> Self {
        // EXPOSE: into signing keys, which wipe themselves.
        let seed = zeroize::Zeroizing::new(ml_dsa::B32::from(*ml_dsa.expose()));
        Self {
            // EXPOSE: as above.
            ed25519: SigningKey::from_bytes(ed25519.expose()),
            ml_dsa: Box::new(ExpandedSigningKey::from_seed(&seed)),
        }
    }

    /// The public keys.
    pub fn public(&self) -> HybridPublic {
        HybridPublic {
            ed25519: self.ed25519.verifying_key(),
            ml_dsa: Box::new(self.ml_dsa.verifying_key()),
        }
    }

    /// Signs with both keys: Ed25519 over `label || 0 || message`, ML-DSA over the message with
    /// the label as its context. Deterministic (FIPS 204 §3.4): equal inputs, equal bytes.
    pub fn sign(&self, label: Label, message: &[u8]) -> HybridSignature {
        #[expect(clippy::expect_used, reason = "a label has at most 255 bytes")]
        let ml_dsa = self
            .ml_dsa
            .sign_deterministic(message, label.as_bytes())
            .expect("context fits");
        let ed25519 = self.ed25519.sign(&label.frame(message));
        HybridSignature {
            ed25519: ed25519.to_bytes(),
            ml_dsa: Box::new(ml_dsa.encode().into()),
        }
    }
}

/// The public half of a [`HybridSigner`]; its Ed25519 part is canonical and not of small order.
#[derive(Clone)]
pub struct HybridPublic {
    ed25519: VerifyingKey,
    ml_dsa: Box<ml_dsa::VerifyingKey<MlDsa65>>,
}

impl HybridPublic {
    /// Refuses a wrong length and an Ed25519 part as [`crate::DevicePublic::parse`] does.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        let (ed25519, ml_dsa) = bytes
            .split_at_checked(ED25519_PUBLIC_LEN)
            .ok_or(SuiteError::WrongLength)?;
        let ml_dsa: [u8; ML_DSA_PUBLIC_LEN] =
            ml_dsa.try_into().map_err(|_| SuiteError::WrongLength)?;
        Ok(Self {
            ed25519: parse_strict(ed25519)?,
            ml_dsa: Box::new(ml_dsa::VerifyingKey::decode(&ml_dsa.into())),
        })
    }

    /// The encoding, [`HYBRID_PUBLIC_LEN`] bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HYBRID_PUBLIC_LEN);
        bytes.extend_from_slice(self.ed25519.as_bytes());
        bytes.extend_from_slice(&self.ml_dsa.encode());
        bytes
    }

    /// Both halves must verify, else [`SuiteError::InvalidSignature`].
    pub fn verify(
        &self,
        label: Label,
        message: &[u8],
        signature: &HybridSignature,
    ) -> Result<(), SuiteError> {
        verify_strict(&self.ed25519, &label.frame(message), &signature.ed25519)?;
        let encoded = (*signature.ml_dsa).into();
        let ml_dsa = ml_dsa::Signature::decode(&encoded).ok_or(SuiteError::InvalidSignature)?;
        if self
            .ml_dsa
            .verify_with_context(message, label.as_bytes(), &ml_dsa)
        {
            Ok(())
        } else {
            Err(SuiteError::InvalidSignature)
        }
    }
}

impl PartialEq for HybridPublic {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for HybridPublic {}

/// An Ed25519 and an ML-DSA-65 signature of the same message.
#[derive(Clone, PartialEq, Eq)]
pub struct HybridSignature {
    ed25519: [u8; ED25519_SIGNATURE_LEN],
    ml_dsa: Box<[u8; ML_DSA_SIGNATURE_LEN]>,
}

impl HybridSignature {
    /// Refuses a wrong length; everything else shows when it is verified.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        let (ed25519, ml_dsa) = bytes
            .split_first_chunk::<ED25519_SIGNATURE_LEN>()
            .ok_or(SuiteError::WrongLength)?;
        let ml_dsa: &[u8; ML_DSA_SIGNATURE_LEN] =
            ml_dsa.try_into().map_err(|_| SuiteError::WrongLength)?;
        Ok(Self {
            ed25519: *ed25519,
            ml_dsa: Box::new(*ml_dsa),
        })
    }

    /// The encoding, [`HYBRID_SIGNATURE_LEN`] bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HYBRID_SIGNATURE_LEN);
        bytes.extend_from_slice(&self.ed25519);
        bytes.extend_from_slice(self.ml_dsa.as_slice());
        bytes
    }
}
