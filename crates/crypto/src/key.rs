//! The symmetric keys of documents and case files, and the commitments that name them.

use obhut_format::Hash;
use obhut_format::context::Context;
use obhut_suite::{Secret, hkdf_expand_secret, hkdf_expand_sha512};
use rand_core::CryptoRng;

use crate::CryptoError;

/// DAK: the half of a revision's key that readers hold. Useless without the gatekeeper's share.
pub struct AccessKey(Secret<32>);

/// CK: the key of one epoch of a case file; wraps the access keys of its documents.
pub struct CaseFileKey(Secret<32>);

impl AccessKey {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(Secret::generate(rng))
    }

    /// A key that came out of a wrap or grant; [`CryptoError::Damaged`] unless it is the one that
    /// the signed manifest commits to.
    pub fn from_secret(secret: Secret<32>, dak_id: &Hash) -> Result<Self, CryptoError> {
        let key = Self(secret);
        check(&key.id(), dak_id).map(|()| key)
    }

    /// A key of one's own making, read back from one's own sealed journal.
    pub(crate) fn from_own(secret: Secret<32>) -> Self {
        Self(secret)
    }

    /// `dak_id`, the commitment in the manifest.
    pub fn id(&self) -> Hash {
        key_id("obhut/dak-id/v1", &self.0)
    }

    /// The key itself, to wrap it.
    pub fn secret(&self) -> &Secret<32> {
        &self.0
    }
}

impl CaseFileKey {
    /// A fresh key for a new epoch.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(Secret::generate(rng))
    }

    /// A key that came out of a grant or chain link; [`CryptoError::Damaged`] unless it is the one
    /// that the signed statement commits to.
    pub fn from_secret(secret: Secret<32>, ck_id: &Hash) -> Result<Self, CryptoError> {
        let key = Self(secret);
        check(&key.id(), ck_id).map(|()| key)
    }

    /// `ck_id`, the commitment in the case's statements.
    pub fn id(&self) -> Hash {
        key_id("obhut/ck-id/v1", &self.0)
    }

    /// The key itself, to grant it.
    pub fn secret(&self) -> &Secret<32> {
        &self.0
    }
}

/// HKDF-Expand-SHA-512 of a key under a label: 32 bytes that name it and fix it.
pub(crate) fn key_id(label: &str, key: &Secret<32>) -> Hash {
    // EXPOSE: into a one-way commitment.
    hkdf_expand_sha512(key.expose(), &[Context::new(label).as_bytes()])
}

/// HKDF-Expand-SHA-512 of a key under a context.
pub(crate) fn subkey(key: &Secret<32>, context: &Context) -> Secret<32> {
    // EXPOSE: into the derivation of a key for one purpose.
    hkdf_expand_secret(key.expose(), &[context.as_bytes()])
}

fn check(found: &Hash, committed: &Hash) -> Result<(), CryptoError> {
    if found == committed {
        Ok(())
    } else {
        Err(CryptoError::Damaged)
    }
}
