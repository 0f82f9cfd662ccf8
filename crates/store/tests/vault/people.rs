//! Synthetic persons with everything their client holds.

use obhut_format::context::sha256;
use obhut_format::person::{KeyBundle, device_kid};
use obhut_format::share::{ShareKind, content_secret_id, share_id};
use obhut_format::statement::{PersonEnrolled, PersonSigner, Signer};
use obhut_format::{DeviceKid, Kid, PersonId, ShareId, VaultId};
use obhut_suite::{DeviceKey, IdentityKeys, IdentityMaster, Secret};
use rand_core::CryptoRng;

pub(crate) struct TestPerson {
    pub(crate) id: PersonId,
    pub(crate) lambda: [u8; 32],
    pub(crate) keys: IdentityKeys,
    pub(crate) invitation: IdentityKeys,
    device: Secret<32>,
}

pub(crate) fn bundle_of(keys: &IdentityKeys) -> KeyBundle {
    KeyBundle::new(&keys.bundle().to_bytes()).unwrap()
}

/// Name of the share of a person's λ.
pub(crate) fn lambda_share(vault: VaultId, person: PersonId, lambda: &[u8; 32]) -> ShareId {
    let content = content_secret_id(vault, &person.0, 0, lambda);
    share_id(ShareKind::Person, vault, &person.0, 0, &content, &[0; 32])
}

/// An enrolment without keys.
pub(crate) fn enrolment(
    vault: VaultId,
    person: PersonId,
    lambda: &[u8; 32],
    citizen: bool,
) -> PersonEnrolled {
    PersonEnrolled {
        person,
        lambda_hash: sha256(&[lambda]),
        share_id: lambda_share(vault, person, lambda),
        bundle: None,
        invited_until_us: None,
        citizen,
    }
}

impl TestPerson {
    pub(crate) fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let mut lambda = [0; 32];
        rng.fill_bytes(&mut lambda);
        Self {
            id: PersonId(id),
            lambda,
            keys: IdentityMaster::generate(rng).derive_keys(),
            invitation: IdentityMaster::generate(rng).derive_keys(),
            device: Secret::generate(rng),
        }
    }

    pub(crate) fn bundle(&self) -> KeyBundle {
        bundle_of(&self.keys)
    }

    pub(crate) fn kid(&self) -> Kid {
        self.bundle().kid()
    }

    pub(crate) fn device(&self) -> DeviceKey {
        DeviceKey::from_seed(&self.device)
    }

    pub(crate) fn device_kid(&self) -> DeviceKid {
        device_kid(self.device().public().as_bytes())
    }

    pub(crate) fn share_id(&self, vault: VaultId) -> ShareId {
        lambda_share(vault, self.id, &self.lambda)
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer::Person(PersonSigner {
            person: self.id,
            kid: self.kid(),
        })
    }

    pub(crate) fn enrolment(&self, vault: VaultId, citizen: bool) -> PersonEnrolled {
        enrolment(vault, self.id, &self.lambda, citizen)
    }
}
