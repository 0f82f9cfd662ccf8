use rand_core::CryptoRng;

use crate::{
    HYBRID_PUBLIC_LEN, HybridPublic, HybridSigner, Secret, SuiteError, XWING_PUBLIC_LEN,
    XwingPublic, XwingSeed, hkdf_expand_secret,
};

/// Bytes of a key bundle: X-Wing (1,216), Ed25519 (32), ML-DSA-65 (1,952).
pub const BUNDLE_LEN: usize = XWING_PUBLIC_LEN + HYBRID_PUBLIC_LEN;

/// The one 32-byte secret behind a person's keys: one sealed blob, one recovery sheet.
pub struct IdentityMaster(Secret<32>);

impl IdentityMaster {
    /// A fresh identity.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(Secret::generate(rng))
    }

    /// The identity of this secret.
    pub fn from_secret(master: Secret<32>) -> Self {
        Self(master)
    }

    /// The secret, for sealing it at rest and for the recovery sheet.
    pub fn secret(&self) -> &Secret<32> {
        &self.0
    }

    /// The three private keys: HKDF-Expand-SHA-512 of the master seed under
    /// `obhut/identity-{x-wing,ed25519,ml-dsa-65}/v1` and a zero byte.
    pub fn derive_keys(&self) -> IdentityKeys {
        IdentityKeys {
            xwing: XwingSeed::from_secret(self.derive_seed(b"obhut/identity-x-wing/v1\0")),
            signer: HybridSigner::from_seeds(
                &self.derive_seed(b"obhut/identity-ed25519/v1\0"),
                &self.derive_seed(b"obhut/identity-ml-dsa-65/v1\0"),
            ),
        }
    }

    fn derive_seed(&self, info: &[u8]) -> Secret<32> {
        // EXPOSE: into the key derivation of the three seeds.
        hkdf_expand_secret(self.0.expose(), &[info])
    }
}

/// A person's private keys, derived from an [`IdentityMaster`].
pub struct IdentityKeys {
    /// Opens what is sealed to the person.
    pub xwing: XwingSeed,
    /// Signs what lasts.
    pub signer: HybridSigner,
}

impl IdentityKeys {
    /// The public keys.
    pub fn bundle(&self) -> KeyBundle {
        KeyBundle {
            xwing: self.xwing.public(),
            signing: self.signer.public(),
        }
    }
}

/// A person's public keys, each checked.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBundle {
    /// To seal to the person.
    pub xwing: XwingPublic,
    /// To check the person's signatures.
    pub signing: HybridPublic,
}

impl KeyBundle {
    /// Refuses what [`XwingPublic::parse`] or [`HybridPublic::parse`] refuse.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuiteError> {
        let (xwing, signing) = bytes
            .split_at_checked(XWING_PUBLIC_LEN)
            .ok_or(SuiteError::WrongLength)?;
        Ok(Self {
            xwing: XwingPublic::parse(xwing)?,
            signing: HybridPublic::parse(signing)?,
        })
    }

    /// The encoding, [`BUNDLE_LEN`] bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BUNDLE_LEN);
        bytes.extend_from_slice(self.xwing.as_bytes());
        bytes.extend_from_slice(&self.signing.to_bytes());
        bytes
    }
}
