//! Issuing to a citizen who has only an invitation: an `own` case, a grant to the invitation's
//! bundle, and the activation that moves everything to the citizen's own bundle.

use std::sync::Arc;

use obhut_format::act::ActKind;
use obhut_format::batch::{BatchKind, RecordPayload};
use obhut_format::entry::Outcome;
use obhut_format::key::{Grant, GrantKind, HPKE_KEY_BYTES};
use obhut_format::mutation::{LambdaWrap, LogKeyRewrap, Mutation};
use obhut_format::statement::{CaseCreated, CaseKind, Event, Role};
use obhut_format::{Blob, CaseId, Cbor, Kid, UnitId};
use obhut_log::DayKey;
use obhut_model::Refusal;
use obhut_sql::testing::TestDb;
use obhut_store::StoreError;

use crate::acts::Asked;
use crate::filing::{TestDocument, class, plain};
use crate::on_both_engines;
use crate::people::{TestPerson, bundle_of};
use crate::world::World;

on_both_engines!(
    what_was_issued_before_the_first_visit_is_the_citizens_afterwards,
    nobody_else_reads_or_grants_what_a_citizen_owns,
);

impl World {
    async fn own_case(&mut self, issuer: &TestPerson, unit: UnitId, owner: &TestPerson) -> CaseId {
        let case = CaseId(self.id());
        let event = CaseCreated {
            case,
            kind: CaseKind::Own,
            unit,
            owner: Some(owner.id),
            class: class(),
            share_id: None,
            register_hash: None,
            key: None,
            subjects: vec![owner.id],
        };
        let record = self.state_as(issuer, Event::CaseCreated(event));
        let asked = Asked {
            case: Some(case),
            ..Asked::new(ActKind::CreateCase, Role::CaseWorker, Some(unit))
        };
        self.commit(issuer, asked, &Mutation::of(vec![record]))
            .await
            .unwrap();
        case
    }

    /// One document and, in the same mutation, its grant.
    async fn issue(&mut self, issuer: &TestPerson, unit: UnitId, case: CaseId) -> TestDocument {
        let (documents, mutation) = self.document_mutation(issuer, case, 1).await;
        let asked = Asked {
            case: Some(case),
            ..Asked::new(ActKind::FileDocuments, Role::CaseWorker, Some(unit))
        };
        self.commit(issuer, asked, &mutation).await.unwrap();
        documents[0].clone()
    }

    fn own_grant(&self, document: &TestDocument, granter: Kid, recipient: Kid) -> Grant {
        Grant {
            kind: GrantKind::Document,
            vault: self.vault.id(),
            case: document.manifest.case,
            document: Some(document.manifest.document),
            number: 1,
            recipient,
            granter,
            role: Role::Citizen,
            not_after_us: None,
            key_id: document.manifest.dak_id,
            sealed: Blob(vec![4; HPKE_KEY_BYTES]),
        }
    }

    async fn grant_own(
        &mut self,
        granter: &TestPerson,
        role: (Role, Option<UnitId>),
        document: &TestDocument,
        recipient: Kid,
    ) -> Result<(), StoreError> {
        let grant = self.own_grant(document, granter.kid(), recipient);
        let case = document.manifest.case;
        let (signed, _) = self.batch(granter, BatchKind::Grants, case, &[grant.to_bytes()]);
        let mut mutation = Mutation::of(vec![plain(RecordPayload::Batch(signed))]);
        mutation.grants.push(grant);
        let asked = Asked {
            case: Some(case),
            ..Asked::new(ActKind::Grant, role.0, role.1)
        };
        self.commit(granter, asked, &mutation).await.map(drop)
    }
}

async fn what_was_issued_before_the_first_visit_is_the_citizens_afterwards(test: &TestDb) {
    let mut world = World::new(test).await;
    let issuer = world.activated(false).await;
    let unit = world.unit_with(&issuer).await;
    let citizen = world.invited(true).await;
    let invited = bundle_of(&citizen.invitation).kid();
    assert_eq!(world.vault.find_invited(invited), Some(citizen.id));
    let case = world.own_case(&issuer, unit, &citizen).await;
    world.confirmed().await;
    let document = world.issue(&issuer, unit, case).await;
    let by_unit = (Role::CaseWorker, Some(unit));
    world
        .grant_own(&issuer, by_unit, &document, invited)
        .await
        .unwrap();

    let keys = world.vault.keys_of_kid(invited).await.unwrap();
    assert_eq!(
        (
            keys.grants.len(),
            keys.lambda_wraps.len(),
            keys.log_keys.len()
        ),
        (1, 1, 1)
    );
    let mut mutation = world.activation(&citizen);
    let grant = world.own_grant(&document, citizen.kid(), citizen.kid());
    let (signed, _) = world.batch(&citizen, BatchKind::Grants, case, &[grant.to_bytes()]);
    mutation.records.push(plain(RecordPayload::Batch(signed)));
    mutation.grants.push(grant);
    mutation.lambda_wraps.push(LambdaWrap {
        person: citizen.id,
        recipient: citizen.kid(),
        sealed: Blob(vec![2; HPKE_KEY_BYTES]),
    });
    let old = DayKey::open(&keys.log_keys[0], &citizen.invitation.xwing).unwrap();
    let resealed = old
        .seal_to(Some(citizen.id), &citizen.bundle(), &mut world.rng)
        .unwrap();
    mutation.log_key_rewraps.push(LogKeyRewrap {
        id: resealed.id,
        recipient: resealed.recipient,
        sealed: resealed.sealed.clone(),
    });
    let bytes = mutation.to_bytes();
    let act = world.mutation_act(
        &citizen,
        Role::Citizen,
        None,
        ActKind::ManageIdentity,
        &bytes,
    );
    let proposal = world.vault.propose(&bytes).await.unwrap();
    let (caller, act) = world.vault.verify_act_of(&proposal, act).unwrap();
    let grant = world
        .vault
        .authorise_mutation(&caller, &act, &proposal)
        .unwrap();
    world.vault.commit(grant, act, proposal).await.unwrap();
    assert_eq!(
        world.vault.find_invited(invited),
        None,
        "an invitation is used once"
    );
    let left = world.vault.keys_of_kid(invited).await.unwrap();
    assert!(left.grants.is_empty() && left.lambda_wraps.is_empty() && left.log_keys.is_empty());
    opens_everything(&mut world, &citizen, &document, &resealed).await;
}

async fn opens_everything(
    world: &mut World,
    citizen: &TestPerson,
    document: &TestDocument,
    resealed: &obhut_format::entry::LogKey,
) {
    world.confirmed().await;
    let caller = world.caller(citizen).unwrap();
    let keys = world.vault.own_keys(&caller).await.unwrap();
    assert_eq!((keys.grants.len(), keys.lambda_wraps.len()), (1, 1));
    assert!(keys.log_keys.contains(resealed));
    let asked = Asked {
        case: Some(document.manifest.case),
        objects: vec![document.object_ref()],
        ..Asked::new(ActKind::OpenDocument, Role::Citizen, None)
    };
    let (logged, _) = world.log_release(citizen, asked).await.unwrap();
    let answer = world.vault.release(&logged).await.unwrap();
    logged.complete(Outcome::Done);
    assert_eq!(
        answer.documents[0].grant.as_ref().unwrap().grant.recipient,
        citizen.kid()
    );
    assert_eq!(answer.documents[0].wrap, None);
}

async fn nobody_else_reads_or_grants_what_a_citizen_owns(test: &TestDb) {
    let mut world = World::new(test).await;
    let issuer = world.activated(false).await;
    let other = world.activated(true).await;
    let unit = world.unit_with(&issuer).await;
    let citizen = world.activated(true).await;
    let case = world.own_case(&issuer, unit, &citizen).await;
    world.confirmed().await;
    let document = world.issue(&issuer, unit, case).await;
    let asked = |role, unit| Asked {
        case: Some(case),
        objects: vec![document.object_ref()],
        ..Asked::new(ActKind::OpenDocument, role, unit)
    };
    let refused = world
        .log_release(&issuer, asked(Role::CaseWorker, Some(unit)))
        .await
        .err();
    assert!(matches!(
        refused,
        Some(StoreError::Refused(Refusal::OwnersOnly))
    ));
    let refused = world
        .log_release(&other, asked(Role::Citizen, None))
        .await
        .err();
    assert!(matches!(
        refused,
        Some(StoreError::Refused(Refusal::NoLiveGrant))
    ));
    let by_unit = (Role::CaseWorker, Some(unit));
    let elsewhere = world
        .grant_own(&issuer, by_unit, &document, other.kid())
        .await;
    assert!(matches!(elsewhere, Err(StoreError::Rejected { .. })));
    let registrar = Arc::clone(&world.registrar);
    let to_registrar = world
        .grant_own(&issuer, by_unit, &document, registrar.kid())
        .await;
    assert!(matches!(to_registrar, Err(StoreError::Rejected { .. })));
    let by_other = world
        .grant_own(&other, (Role::Citizen, None), &document, other.kid())
        .await;
    assert!(by_other.is_err());
    world
        .grant_own(&issuer, by_unit, &document, citizen.kid())
        .await
        .unwrap();
}
