//! Registers documents whose capsules are uploaded and whose shares are deposited.

use obhut_crypto::{BatchTerms, sign_batch};
use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::batch::{BatchKind, RecordPayload, RegisterItem};
use obhut_format::manifest::Manifest;
use obhut_format::mutation::{DocumentRow, Mutation, MutationRecord};
use obhut_format::statement::Role;
use obhut_format::{BatchId, CaseId, Hash, UnitId};

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{now_us, random_bytes};
use crate::vault::Vault;

/// One revision whose capsule is uploaded, without its share.
pub(crate) struct Unfiled {
    pub(crate) manifest: Manifest,
    pub(crate) card_hash: Hash,
    pub(crate) row: DocumentRow,
}

/// One revision, uploaded and deposited.
pub(crate) struct FiledDocument {
    unfiled: Unfiled,
    deposit: BatchId,
    register_by_us: u64,
}

impl FiledDocument {
    /// The deposit that holds the share, and until when it may be registered.
    pub(crate) fn new(unfiled: Unfiled, deposit: BatchId, register_by_us: u64) -> Self {
        Self {
            unfiled,
            deposit,
            register_by_us,
        }
    }

    /// The manifest to be signed.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.unfiled.manifest
    }
}

impl Vault {
    /// The records and rows that register documents: one signed batch for each case.
    pub(crate) fn batch_registration(
        &self,
        documents: &[&FiledDocument],
    ) -> Result<Mutation, ClientError> {
        let mut cases: Vec<(CaseId, Vec<&FiledDocument>)> = Vec::new();
        for document in documents {
            let case = document.manifest().case;
            match cases.iter_mut().find(|(known, _)| *known == case) {
                Some((_, list)) => list.push(document),
                None => cases.push((case, vec![document])),
            }
        }
        let (mut records, mut rows) = (Vec::new(), Vec::new());
        for (case, documents) in cases {
            records.extend(self.sign_documents(case, &documents)?);
            rows.extend(
                documents
                    .iter()
                    .map(|document| document.unfiled.row.clone()),
            );
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
                .map_or(0, |document| document.manifest().case_epoch),
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
        manifest: document.manifest().to_bytes().to_vec().into(),
        card_hash: document.unfiled.card_hash,
        deposit: document.deposit,
        register_by_us: document.register_by_us,
    }
}

fn object(document: &FiledDocument) -> ObjectRef {
    let manifest = document.manifest();
    ObjectRef {
        case: manifest.case,
        document: Some(manifest.document),
        revision: manifest.revision,
    }
}
