//! Identities: a person's private keys, their public form, and how they rest on a device.

use obhut_format::content::SealedKind;
use obhut_format::context::Context;
use obhut_format::person::KeyBundle;
use obhut_format::{Kid, PersonId, VaultId};
use obhut_suite::{
    HybridPublic, HybridSigner, IdentityKeys, IdentityMaster, Secret, XwingPublic, XwingSeed,
};
use rand_core::CryptoRng;

use crate::CryptoError;
use crate::key::subkey;
use crate::wrap::{unwrap_secret, wrap_secret};

/// A person's private keys, and the name under which the directory knows them.
pub struct Identity {
    master: IdentityMaster,
    keys: IdentityKeys,
    bundle: KeyBundle,
}

impl Identity {
    /// A fresh identity.
    pub fn generate(rng: &mut impl CryptoRng) -> Result<Self, CryptoError> {
        Self::from_master(Secret::generate(rng))
    }

    /// The identity of a master seed (from a recovery sheet).
    pub fn from_master(master: Secret<32>) -> Result<Self, CryptoError> {
        let master = IdentityMaster::from_secret(master);
        let keys = master.derive_keys();
        let bundle = KeyBundle::new(&keys.bundle().to_bytes())?;
        Ok(Self {
            master,
            keys,
            bundle,
        })
    }

    /// The epoch-0 identity of an invitation or letter: inviter and invitee derive the same, so that
    /// documents can be sealed before the first visit. It is replaced for good on activation.
    pub fn from_invitation(
        secret: &Secret<32>,
        vault: VaultId,
        person: PersonId,
    ) -> Result<Self, CryptoError> {
        let context = Context::new("obhut/invitation/v1")
            .field(&vault.0)
            .field(&person.0);
        Self::from_master(subkey(secret, &context))
    }

    /// The name of the public keys.
    pub fn kid(&self) -> Kid {
        self.bundle.kid()
    }

    /// The public keys.
    pub fn bundle(&self) -> &KeyBundle {
        &self.bundle
    }

    /// Opens what is sealed to the person.
    pub fn xwing(&self) -> &XwingSeed {
        &self.keys.xwing
    }

    /// Signs what lasts.
    pub fn signer(&self) -> &HybridSigner {
        &self.keys.signer
    }

    /// The master seed, for the recovery sheet.
    pub fn master(&self) -> &Secret<32> {
        self.master.secret()
    }

    /// Seals the master seed for rest on a device, under a key from a passphrase or key store.
    /// `custody` is what the caller stores in clear beside it, such as passphrase parameters and
    /// salt: bound, so that none of it can be exchanged.
    pub fn seal(
        &self,
        key: &Secret<32>,
        vault: VaultId,
        person: PersonId,
        custody: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, CryptoError> {
        let context = rest_context(vault, person, self.kid(), custody);
        wrap_secret(key, &context, self.master(), rng)
    }

    /// Opens what [`Self::seal`] made. All or nothing: [`CryptoError::Damaged`] for a wrong
    /// passphrase, another person's blob, or an identity other than `kid`.
    pub fn open(
        key: &Secret<32>,
        vault: VaultId,
        person: PersonId,
        kid: Kid,
        custody: &[u8],
        sealed: &[u8],
    ) -> Result<Self, CryptoError> {
        let context = rest_context(vault, person, kid, custody);
        let identity = Self::from_master(unwrap_secret(key, &context, sealed)?)?;
        if identity.kid() == kid {
            Ok(identity)
        } else {
            Err(CryptoError::Damaged)
        }
    }
}

/// Somebody's public keys, each checked. That they are that person's is for the records log to prove.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    kid: Kid,
    xwing: XwingPublic,
    signing: HybridPublic,
}

impl PublicIdentity {
    /// Refuses keys that must not be used: of low or small order, not reduced, not canonical.
    pub fn parse(bundle: &KeyBundle) -> Result<Self, CryptoError> {
        Ok(Self {
            kid: bundle.kid(),
            xwing: XwingPublic::parse(bundle.xwing())?,
            signing: HybridPublic::parse(bundle.hybrid())?,
        })
    }

    /// The name of the keys.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// To seal to the person.
    pub fn xwing(&self) -> &XwingPublic {
        &self.xwing
    }

    /// To check the person's signatures.
    pub fn signing(&self) -> &HybridPublic {
        &self.signing
    }
}

fn rest_context(vault: VaultId, person: PersonId, kid: Kid, custody: &[u8]) -> Context {
    SealedKind::Identity
        .context()
        .field(&vault.0)
        .field(&person.0)
        .field(&kid.0)
        .number(custody.len() as u64)
        .field(custody)
}
