//! Registers documents whose capsules are uploaded and whose shares are deposited.

use obhut_crypto::{BatchTerms, sign_batch};
use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::batch::{BatchKind, RecordPayload, RegisterItem};
use obhut_format::context::sha256;
use obhut_format::manifest::Manifest;
use obhut_format::mutation::{DocumentRow, Mutation, MutationRecord};
use obhut_format::statement::Role;
use obhut_format::{BatchId, CaseId, ObjectId, UnitId};

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{now_us, random_bytes};
use crate::vault::Vault;

/// One revision, uploaded and deposited.
pub(crate) struct FiledDocument {
    pub(crate) object: ObjectId,
    pub(crate) manifest: Manifest,
    pub(crate) info: Vec<u8>,
    pub(crate) card: Vec<u8>,
    /// None in `own` cases without a key.
    pub(crate) wrap: Option<Vec<u8>>,
    pub(crate) deposit: BatchId,
    pub(crate) register_by_us: u64,
}

impl Vault {
    /// The records and rows that register documents: one signed batch for each case.
    pub(crate) fn batch_registration(
        &self,
        documents: &[&FiledDocument],
    ) -> Result<Mutation, ClientError> {
        let mut cases: Vec<(CaseId, Vec<&FiledDocument>)> = Vec::new();
        for document in documents {
            let case = document.manifest.case;
            match cases.iter_mut().find(|(known, _)| *known == case) {
                Some((_, list)) => list.push(document),
                None => cases.push((case, vec![document])),
            }
        }
        let (mut records, mut rows) = (Vec::new(), Vec::new());
        for (case, documents) in cases {
            records.extend(self.sign_documents(case, &documents)?);
            rows.extend(documents.into_iter().map(row));
        }
        Ok(Mutation {
            documents: rows,
            ..Mutation::of(records)
        })
    }

    fn sign_documents(
        &self,
        case: CaseId,
        documents: &[&FiledDocument],
    ) -> Result<Vec<MutationRecord>, ClientError> {
        let items: Vec<_> = documents.iter().map(|document| item(document)).collect();
        let terms = BatchTerms {
            kind: BatchKind::Documents,
            vault: self.id(),
            case,
            case_epoch: documents
                .first()
                .map_or(0, |document| document.manifest.case_epoch),
            signer: self.person(),
            time_us: now_us(),
            batch: BatchId(random_bytes()),
        };
        let (batch, items) = sign_batch(&terms, &items, &self.unlocked().identity)?;
        let items = items.into_iter().map(RecordPayload::Document);
        let payloads = std::iter::once(RecordPayload::Batch(batch)).chain(items);
        let unsealed = |payload| MutationRecord {
            payload,
            sealed: None,
        };
        Ok(payloads.map(unsealed).collect())
    }
}

/// The act that goes with [`Vault::batch_registration`].
pub(crate) fn batch_act(unit: UnitId, documents: &[&FiledDocument]) -> ActDraft {
    let objects: Vec<_> = documents.iter().map(|document| object(document)).collect();
    let draft = ActDraft::new(ActKind::FileDocuments, Role::CaseWorker).in_unit(unit);
    let first = objects.first().map(|object| object.case);
    let single = first.filter(|first| objects.iter().all(|object| object.case == *first));
    let draft = draft.on(objects);
    match single {
        Some(case) => draft.about_case(case),
        None => draft,
    }
}

fn item(document: &FiledDocument) -> RegisterItem {
    RegisterItem {
        manifest: document.manifest.to_bytes().to_vec().into(),
        card_hash: sha256(&[&document.card]),
        deposit: document.deposit,
        register_by_us: document.register_by_us,
    }
}

fn row(document: &FiledDocument) -> DocumentRow {
    DocumentRow {
        document: document.manifest.document,
        revision: document.manifest.revision,
        object: document.object,
        wrap: document.wrap.clone().map(Into::into),
        info: document.info.clone().into(),
        card: document.card.clone().into(),
    }
}

fn object(document: &FiledDocument) -> ObjectRef {
    ObjectRef {
        case: document.manifest.case,
        document: Some(document.manifest.document),
        revision: document.manifest.revision,
    }
}
