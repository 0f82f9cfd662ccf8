//! Synthetic persons: enrolled, activated, appointed.

use obhut_format::context::sha256;
use obhut_format::person::device_kid;
use obhut_format::share::{ShareKind, content_secret_id, share_id};
use obhut_format::statement::{
    Appointed, AppointmentEnded, BundleRotated, DeviceAdded, DeviceRevoked, Event, PersonEnrolled,
    PersonSigner, ROTATION_PROOF_LABEL, RevocationReason, Role, Signer, UnitEpoch,
};
use obhut_format::{Blob, DeviceKid, Kid, PersonId, ShareId, UnitId, VaultId};
use obhut_suite::{DeviceKey, IdentityMaster, Label, Secret, XwingSeed};
use rand_core::CryptoRng;

use crate::world::{DAY, World, bundle_of};

/// A person with everything their client holds.
pub(crate) struct TestPerson {
    pub(crate) id: PersonId,
    pub(crate) lambda: [u8; 32],
    master: IdentityMaster,
    device: Secret<32>,
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
            master: IdentityMaster::generate(rng),
            device: Secret::generate(rng),
        }
    }

    pub(crate) fn duplicate(&self) -> Self {
        Self {
            id: self.id,
            lambda: self.lambda,
            master: IdentityMaster::from_secret(self.master.secret().duplicate()),
            device: self.device.duplicate(),
        }
    }

    /// The same person with a device nobody has stated.
    pub(crate) fn with_invented_device(&self, rng: &mut impl CryptoRng) -> Self {
        Self {
            device: Secret::generate(rng),
            ..self.duplicate()
        }
    }

    pub(crate) fn keys(&self) -> obhut_suite::IdentityKeys {
        self.master.derive_keys()
    }

    pub(crate) fn kid(&self) -> Kid {
        bundle_of(&self.keys()).kid()
    }

    pub(crate) fn device(&self) -> DeviceKey {
        DeviceKey::from_seed(&self.device)
    }

    pub(crate) fn device_kid(&self) -> DeviceKid {
        device_kid(self.device().public().as_bytes())
    }

    pub(crate) fn share_id(&self, vault: VaultId) -> ShareId {
        let content = content_secret_id(vault, &self.id.0, 0, &self.lambda);
        share_id(ShareKind::Person, vault, &self.id.0, 0, &content, &[0; 32])
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer::Person(PersonSigner {
            person: self.id,
            kid: self.kid(),
        })
    }
}

impl World {
    pub(crate) fn state_as(&mut self, person: &TestPerson, event: Event) {
        let keys = person.keys();
        let payload = self.statement(person.signer(), &keys.signer, event);
        self.record(&payload);
    }

    pub(crate) fn state_as_registrar(&mut self, event: Event) {
        let registrar = self.registrar.duplicate();
        self.state_as(&registrar, event);
    }

    pub(crate) fn enrolment_of(&self, person: &TestPerson, citizen: bool) -> PersonEnrolled {
        PersonEnrolled {
            person: person.id,
            lambda_hash: sha256(&[&person.lambda]),
            share_id: person.share_id(self.vault),
            bundle: None,
            invited_until_us: None,
            citizen,
        }
    }

    /// The founding's second to fourth records.
    pub(crate) fn enrol_registrar(&mut self, registrar: &TestPerson) {
        self.lambdas.insert(registrar.id, registrar.lambda);
        let event = PersonEnrolled {
            bundle: Some(bundle_of(&registrar.keys())),
            ..self.enrolment_of(registrar, false)
        };
        self.state_as_root(Event::PersonEnrolled(event));
        self.state_as_root(Event::Appointed(Appointed {
            person: registrar.id,
            role: Role::Registrar,
            unit: None,
            until_us: None,
        }));
        self.add_device(registrar);
    }

    pub(crate) fn add_device(&mut self, person: &TestPerson) {
        let event = Event::DeviceAdded(DeviceAdded {
            person: person.id,
            public: *person.device().public().as_bytes(),
        });
        self.state_as(person, event);
    }

    pub(crate) fn revoke_device(&mut self, person: &TestPerson) {
        self.state_as_registrar(Event::DeviceRevoked(DeviceRevoked {
            person: person.id,
            device: person.device_kid(),
            reason: RevocationReason::Lost,
        }));
    }

    /// A person whose λ is deposited and who has activated: invitation, own bundle, device.
    pub(crate) async fn activated(&mut self, citizen: bool) -> TestPerson {
        let person = TestPerson::generate(&mut self.rng);
        let registrar = self.registrar.duplicate();
        self.deposit_lambda(&registrar, &person).await;
        self.lambdas.insert(person.id, person.lambda);
        let invitation = IdentityMaster::generate(&mut self.rng).derive_keys();
        let invited = bundle_of(&invitation);
        let event = PersonEnrolled {
            bundle: Some(invited.clone()),
            invited_until_us: Some(self.now() + 5 * DAY),
            ..self.enrolment_of(&person, citizen)
        };
        self.state_as_registrar(Event::PersonEnrolled(event));
        self.rotate(&person, &invitation, invited.kid());
        self.add_device(&person);
        person
    }

    fn rotate(&mut self, person: &TestPerson, old: &obhut_suite::IdentityKeys, from: Kid) {
        let mut event = BundleRotated {
            person: person.id,
            from,
            bundle: bundle_of(&person.keys()),
            proof: Blob(Vec::new()),
        };
        let message = event.proof_message(self.vault);
        let label = Label::new(ROTATION_PROOF_LABEL);
        let proof = person.keys().signer.sign(label, message.as_bytes());
        event.proof = Blob(proof.to_bytes());
        let signer = Signer::Person(PersonSigner {
            person: person.id,
            kid: from,
        });
        let event = Event::BundleRotated(event);
        let payload = self.statement(signer, &old.signer, event);
        self.record(&payload);
    }

    pub(crate) fn create_unit(&mut self) -> UnitId {
        let unit = UnitId(self.id());
        let key = XwingSeed::generate(&mut self.rng);
        let registrar = self.registrar.kid();
        self.state_as_registrar(Event::UnitEpoch(UnitEpoch {
            unit,
            epoch: 1,
            uk_id: [1; 32],
            public: Blob(key.public().as_bytes().to_vec()),
            members: vec![registrar],
            memberships_root: [2; 32],
            link_hash: None,
            entry_hash: [3; 32],
        }));
        unit
    }

    pub(crate) fn appoint(&mut self, person: &TestPerson, unit: UnitId, until_us: Option<u64>) {
        self.state_as_registrar(Event::Appointed(Appointed {
            person: person.id,
            role: Role::CaseWorker,
            unit: Some(unit),
            until_us,
        }));
    }

    pub(crate) fn dismiss(&mut self, person: &TestPerson, unit: UnitId) {
        self.state_as_registrar(Event::AppointmentEnded(AppointmentEnded {
            person: person.id,
            role: Role::CaseWorker,
            unit: Some(unit),
        }));
    }
}
