//! Signed acts, and the way of a request through the store.

use obhut_format::act::{
    ACT_LABEL, ACT_LIFETIME_US, Act, ActKind, ActRequest, ObjectRef, Reason, Released, SignedAct,
    lookup_hash, objects_root,
};
use obhut_format::context::sha256;
use obhut_format::mutation::{Committed, Mutation};
use obhut_format::statement::Role;
use obhut_format::{Blob, CaseId, Cbor, Hash, PersonId, UnitId, VaultId};
use obhut_log::entry::reason_commitment;
use obhut_model::Caller;
use obhut_model::action::{ReadLog, Release};
use obhut_store::{Logged, StoreError, VerifiedAct};
use obhut_suite::{Label, XwingSeed};
use rand_core::CryptoRng;
use std::sync::Arc;

use crate::people::TestPerson;
use crate::world::World;

/// What is asked for, before it is signed.
pub(crate) struct Asked<'a> {
    pub(crate) kind: ActKind,
    pub(crate) role: Role,
    pub(crate) unit: Option<UnitId>,
    pub(crate) case: Option<CaseId>,
    pub(crate) objects: Vec<ObjectRef>,
    pub(crate) persons: Vec<PersonId>,
    pub(crate) mutation: Option<&'a [u8]>,
    pub(crate) reason: Reason,
    pub(crate) tags: Option<&'a [Hash]>,
}

impl Asked<'_> {
    pub(crate) fn new(kind: ActKind, role: Role, unit: Option<UnitId>) -> Self {
        Self {
            kind,
            role,
            unit,
            case: None,
            objects: vec![],
            persons: vec![],
            mutation: None,
            reason: reason(),
            tags: None,
        }
    }
}

pub(crate) fn reason() -> Reason {
    Reason {
        purpose: "Test purpose".into(),
        legal_basis: "Test basis".into(),
        justification: None,
    }
}

/// Where and when an act is signed.
pub(crate) struct Place {
    pub(crate) vault: VaultId,
    pub(crate) shard: String,
    pub(crate) now_us: u64,
}

/// An act signed by the person's device, with its openings and the key for its shares.
pub(crate) fn sign_act(
    place: Place,
    person: &TestPerson,
    asked: Asked<'_>,
    rng: &mut impl CryptoRng,
) -> (ActRequest, XwingSeed) {
    let (mut reason_salt, mut nonce) = ([0; 32], [0; 16]);
    rng.fill_bytes(&mut reason_salt);
    rng.fill_bytes(&mut nonce);
    let ephemeral = XwingSeed::generate(rng);
    let epk = (asked.kind.released() != Released::Nothing)
        .then(|| Blob(ephemeral.public().as_bytes().to_vec()));
    let act = Act {
        vault: place.vault,
        card_version: 1,
        shard: place.shard,
        kind: asked.kind,
        person: person.id,
        device: person.device_kid(),
        unit: asked.unit,
        role: asked.role,
        on_behalf_of: None,
        case: asked.case,
        objects_root: objects_root(&asked.objects),
        object_count: asked.objects.len() as u64,
        reason_commitment: reason_commitment(&asked.reason, &reason_salt),
        epk_hash: epk.as_ref().map_or([0; 32], |epk| sha256(&[&epk.0])),
        nonce,
        time_us: place.now_us,
        expires_us: place.now_us + ACT_LIFETIME_US,
        pinned: None,
        payload_hash: asked
            .mutation
            .map(Mutation::hash)
            .or(asked.tags.map(lookup_hash)),
        persons: asked.persons,
    };
    let bytes = act.to_bytes();
    let signature = *person
        .device()
        .sign(Label::new(ACT_LABEL), &bytes)
        .as_bytes();
    let request = ActRequest {
        signed: SignedAct {
            act: Blob(bytes),
            signature,
        },
        objects: asked.objects,
        reason: asked.reason,
        reason_salt,
        epk,
    };
    (request, ephemeral)
}

impl World {
    /// As [`sign_act`], in this vault and now.
    pub(crate) fn act(&mut self, person: &TestPerson, asked: Asked<'_>) -> (ActRequest, XwingSeed) {
        let place = Place {
            vault: self.vault.id(),
            shard: self.shard(),
            now_us: self.now(),
        };
        sign_act(place, person, asked, &mut self.rng)
    }

    pub(crate) fn mutation_act(
        &mut self,
        person: &TestPerson,
        role: Role,
        unit: Option<UnitId>,
        kind: ActKind,
        mutation: &[u8],
    ) -> ActRequest {
        let asked = Asked {
            mutation: Some(mutation),
            ..Asked::new(kind, role, unit)
        };
        self.act(person, asked).0
    }

    pub(crate) fn caller(&self, person: &TestPerson) -> Result<Caller, StoreError> {
        Ok(self.vault.caller(person.id, person.device_kid())?)
    }

    /// A mutation as its route handles it.
    pub(crate) async fn commit(
        &mut self,
        person: &TestPerson,
        asked: Asked<'_>,
        mutation: &Mutation,
    ) -> Result<Committed, StoreError> {
        let bytes = mutation.to_bytes();
        let asked = Asked {
            mutation: Some(&bytes),
            ..asked
        };
        let (request, _) = self.act(person, asked);
        let caller = self.caller(person)?;
        let act = self.vault.verify_act(&caller, request)?;
        let proposal = self.vault.propose(&bytes).await?;
        let grant = self.vault.authorise_mutation(&caller, &act, &proposal)?;
        self.vault.commit(grant, act, proposal).await
    }

    pub(crate) async fn commit_as_registrar(
        &mut self,
        kind: ActKind,
        mutation: &Mutation,
    ) -> Result<Committed, StoreError> {
        let registrar = Arc::clone(&self.registrar);
        let asked = Asked::new(kind, Role::Registrar, None);
        self.commit(&registrar, asked, mutation).await
    }

    /// A reading act up to its committed entry; a refusal is logged as its route does it.
    pub(crate) async fn log_release(
        &mut self,
        person: &TestPerson,
        asked: Asked<'_>,
    ) -> Result<(Logged<Release>, XwingSeed), StoreError> {
        let (request, ephemeral) = self.act(person, asked);
        let caller = self.caller(person)?;
        let act = self.vault.verify_act(&caller, request)?;
        match self.vault.authorise_release(&caller, &act).await {
            Ok(grant) => Ok((self.vault.log_release(grant, act).await?, ephemeral)),
            Err(StoreError::Refused(refusal)) => {
                self.vault.log_refusal(act, refusal).await?;
                Err(StoreError::Refused(refusal))
            }
            Err(error) => Err(error),
        }
    }

    /// A search by blind tags, as its route handles it.
    pub(crate) async fn look_up(
        &mut self,
        person: &TestPerson,
        unit: UnitId,
        tags: &[Hash],
    ) -> Result<Vec<CaseId>, StoreError> {
        let asked = Asked {
            tags: Some(tags),
            ..Asked::new(ActKind::FindCase, Role::CaseWorker, Some(unit))
        };
        let (request, _) = self.act(person, asked);
        let caller = self.caller(person)?;
        let act = self.vault.verify_act(&caller, request)?;
        let grant = self.vault.authorise_lookup(&caller, &act, tags)?;
        self.vault.look_up(grant, act, tags).await
    }

    /// Reading one's own log.
    pub(crate) async fn log_reading(
        &mut self,
        person: &TestPerson,
        role: Role,
        about: PersonId,
    ) -> Result<Logged<ReadLog>, StoreError> {
        let asked = Asked {
            persons: vec![about],
            ..Asked::new(ActKind::ReadLog, role, None)
        };
        let (request, _) = self.act(person, asked);
        let caller = self.caller(person)?;
        let act: VerifiedAct = self.vault.verify_act(&caller, request)?;
        let grant = self.vault.authorise_reading(&caller, &act)?;
        self.vault.log_reading(grant, act).await
    }
}
