//! Documents: sealed, stored, deposited, registered, released, opened.

use std::num::NonZeroUsize;

use axum::body::Body;
use axum::http::Request;
use obhut_crypto::{
    BatchTerms, GrantTerms, ManifestTerms, PublicIdentity, RevisionRef, RevisionSealer,
    RevisionSecrets, ShareToDeposit, grant_access_key, sign_batch, wrap_access_key,
};
use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::batch::{BatchKind, RecordPayload, RegisterItem};
use obhut_format::content::{Card, ContentInfo};
use obhut_format::context::sha256;
use obhut_format::key::Grant;
use obhut_format::manifest::Manifest;
use obhut_format::mutation::{DocumentRow, Mutation, MutationRecord};
use obhut_format::release::SignedDepositReceipt;
use obhut_format::statement::{Event, GrantRevoked, Role};
use obhut_format::{BatchId, Cbor, DocumentId, ObjectId};
use obhut_suite::DevicePublic;
use serde_json::json;

use crate::people::{Agency, Case, Draft, Person, Unit, now_us, random, rng};
use crate::world::{Answer, Ground, answer, b64, record};

/// A document on its way.
pub struct Made {
    pub document: DocumentId,
    pub object: ObjectId,
    pub capsule: Vec<u8>,
    pub manifest: Manifest,
    pub sealer: RevisionSealer,
    pub info: Vec<u8>,
    pub card: Vec<u8>,
}

impl Agency<'_> {
    pub fn seal(&self, worker: &Person, case: &Case, content: &[u8]) -> Made {
        let document = DocumentId(random());
        let at = RevisionRef {
            vault: self.vault,
            case: case.id,
            document,
            revision: 1,
        };
        let sealer = RevisionSealer::new(at, worker.kid(), RevisionSecrets::generate(&mut rng()));
        let mut capsule = Vec::new();
        let one = obhut_crypto::Workers::new(NonZeroUsize::new(1).unwrap());
        let sealed = sealer
            .seal_content(content.len() as u64, &one, content, &mut capsule)
            .unwrap();
        let info = ContentInfo {
            true_bytes: content.len() as u64,
            media_type: "text/plain".into(),
            file_name: None,
        };
        let info = sealer.seal_info(&info).unwrap();
        let card = Card {
            title: "Test document".into(),
            date: None,
            kind: None,
            notes: None,
            size_bytes: content.len() as u64,
            path: None,
        };
        let card = sealer.seal_first_card(&card).unwrap();
        let terms = ManifestTerms {
            previous: [0; 32],
            case_epoch: 1,
            class: "ALG-10".parse().unwrap(),
            created_us: now_us(),
        };
        let manifest = sealer.manifest(&sealed, &info, &terms);
        let object = ObjectId(random());
        Made {
            document,
            object,
            capsule,
            manifest,
            sealer,
            info,
            card,
        }
    }

    /// Uploads bytes as the capsule of a document.
    pub async fn put(&self, ground: &Ground, made: &Made, bytes: Vec<u8>) -> Answer {
        let path = format!(
            "/v1/vaults/{}/objects/{}?document={}&revision=1",
            self.vault, made.object, made.document
        );
        let mut request = Request::put(path).header("content-length", bytes.len());
        if let Ground::Session(token) = ground {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(
            self.server
                .send(request.body(Body::from(bytes)).unwrap())
                .await,
        )
        .await
    }

    pub async fn deposit_document(&self, worker: &Person, made: &Made) -> (BatchId, u64) {
        let share = &made.sealer.secrets().share;
        let share = ShareToDeposit::of_document(&made.manifest, share).unwrap();
        let key = self.get("/deposit-key", &Ground::None).await.ok();
        let gate = DevicePublic::parse(&self.card.gate_key).unwrap();
        let key = obhut_crypto::CheckedDepositKey::check(
            &record(&key["key"]),
            &gate,
            self.vault,
            now_us(),
        );
        let batch = BatchId(random());
        let deposit = obhut_crypto::seal_deposit(
            &key.unwrap(),
            batch,
            worker.kid(),
            now_us(),
            &[share],
            &worker.device,
            &mut rng(),
        );
        let body = json!({"deposit": b64(deposit.unwrap().to_bytes())});
        let answer = self.post("/deposits", &worker.ground, body).await.ok();
        let receipt: SignedDepositReceipt = record(&answer["receipt"]);
        (batch, receipt.receipt.register_by_us)
    }

    pub fn registration(
        &self,
        worker: &Person,
        unit: &Unit,
        case: &Case,
        made: &Made,
        deposit: (BatchId, u64),
    ) -> (Mutation, Draft) {
        let item = RegisterItem {
            manifest: made.manifest.to_bytes().to_vec().into(),
            card_hash: sha256(&[&made.card]),
            deposit: deposit.0,
            register_by_us: deposit.1,
        };
        let terms = BatchTerms {
            kind: BatchKind::Documents,
            vault: self.vault,
            case: case.id,
            case_epoch: 1,
            signer: worker.id,
            time_us: now_us(),
            batch: BatchId(random()),
        };
        let (batch, items) = sign_batch(&terms, &[item], &worker.identity).unwrap();
        let mut records = vec![MutationRecord {
            payload: RecordPayload::Batch(batch),
            sealed: None,
        }];
        records.extend(items.into_iter().map(|item| MutationRecord {
            payload: RecordPayload::Document(item),
            sealed: None,
        }));
        let access = &made.sealer.secrets().access;
        let wrap = wrap_access_key(&case.key, 1, made.sealer.at(), access, &mut rng()).unwrap();
        let row = DocumentRow {
            document: made.document,
            revision: 1,
            object: made.object,
            wrap: Some(wrap.into()),
            info: made.info.clone().into(),
            card: made.card.clone().into(),
        };
        let mutation = Mutation {
            documents: vec![row],
            ..Mutation::of(records)
        };
        let mut draft = Draft::new(ActKind::FileDocuments, Role::CaseWorker);
        draft.unit = Some(unit.id);
        draft.case = Some(case.id);
        draft.objects = vec![ObjectRef {
            case: case.id,
            document: Some(made.document),
            revision: 1,
        }];
        (mutation, draft)
    }

    /// The whole way of one document into a case.
    pub async fn file(&self, worker: &Person, unit: &Unit, case: &Case, content: &[u8]) -> Made {
        let made = self.seal(worker, case, content);
        let stored = self
            .put(&worker.ground, &made, made.capsule.clone())
            .await
            .ok();
        assert_eq!(stored["content_root"], b64(made.manifest.content_root));
        let deposit = self.deposit_document(worker, &made).await;
        let (mutation, draft) = self.registration(worker, unit, case, &made, deposit);
        self.mutate("/documents", worker, draft, &mutation)
            .await
            .ok();
        made
    }

    /// An act that opens one document.
    pub fn opening(unit: &Unit, case: &Case, document: DocumentId) -> Draft {
        let mut draft = Draft::new(ActKind::OpenDocument, Role::CaseWorker);
        draft.unit = Some(unit.id);
        draft.case = Some(case.id);
        draft.objects = vec![ObjectRef {
            case: case.id,
            document: Some(document),
            revision: 0,
        }];
        draft
    }

    /// Grants one document of the agency to a person.
    pub async fn grant(
        &self,
        worker: &Person,
        unit: &Unit,
        case: &Case,
        made: &Made,
        to: &Person,
    ) -> Grant {
        let reader = PublicIdentity::parse(to.identity.bundle()).unwrap();
        let terms = GrantTerms {
            recipient: to.kid(),
            public: reader.xwing(),
            granter: worker.kid(),
            role: Role::Citizen,
            not_after_us: None,
        };
        let access = &made.sealer.secrets().access;
        let grant = grant_access_key(made.sealer.at(), access, &terms, &mut rng()).unwrap();
        let terms = BatchTerms {
            kind: BatchKind::Grants,
            vault: self.vault,
            case: case.id,
            case_epoch: 1,
            signer: worker.id,
            time_us: now_us(),
            batch: BatchId(random()),
        };
        let (batch, _) =
            sign_batch(&terms, std::slice::from_ref(&grant), &worker.identity).unwrap();
        let record = MutationRecord {
            payload: RecordPayload::Batch(batch),
            sealed: None,
        };
        let mutation = Mutation {
            grants: vec![grant.clone()],
            ..Mutation::of(vec![record])
        };
        let mut draft = Draft::new(ActKind::Grant, Role::CaseWorker);
        draft.unit = Some(unit.id);
        draft.case = Some(case.id);
        draft.persons = vec![to.id];
        self.mutate("/grants", worker, draft, &mutation).await.ok();
        grant
    }

    pub async fn revoke_grant(&self, worker: &Person, unit: &Unit, case: &Case, grant: &Grant) {
        let revoked = GrantRevoked {
            case: case.id,
            grant_hash: sha256(&[&grant.to_bytes()]),
        };
        let mutation = Mutation::of(vec![self.by(worker, Event::GrantRevoked(revoked), None)]);
        let mut draft = Draft::new(ActKind::RevokeGrant, Role::CaseWorker);
        draft.unit = Some(unit.id);
        draft.case = Some(case.id);
        self.mutate("/grants/revocations", worker, draft, &mutation)
            .await
            .ok();
    }
}
