//! Batches of documents and grants.

use std::sync::Arc;

use obhut_format::batch::{BatchHeader, BatchItem, BatchKind, RegisterItem, SignedBatch};
use obhut_format::context::sha256;
use obhut_format::key::GrantKind;
use obhut_format::manifest::Manifest;
use obhut_format::release::GrantProof;
use obhut_format::share::MAX_BATCH;
use obhut_format::statement::CaseKind;
use obhut_format::tree;
use obhut_format::{Cbor, PersonId};
use obhut_suite::Label;
use rpds::VectorSync;

use super::authority::{Author, check_skew, verify_hybrid};
use super::directory::Directory;
use super::error::ReplayError;
use super::state::{Batch, Case, Document, OpenBatch, Revision};
use crate::state::{DocumentState, DocumentStatus};

impl Directory {
    pub(super) fn apply_batch(
        &mut self,
        signed: &SignedBatch,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let header = signed.parse_header()?;
        let hash = signed.hash();
        if header.vault != self.vault {
            return Err(ReplayError::VaultMismatch);
        }
        if header.count == 0 || header.count > MAX_BATCH as u64 {
            return Err(ReplayError::BatchSize);
        }
        if self.batches.contains_key(&hash) || self.batch_ids.contains_key(&header.batch) {
            return Err(ReplayError::BatchRepeated);
        }
        check_skew(header.time_us, time_us)?;
        self.check_batch_signature(&header, signed)?;
        let case = self.case(header.case).ok_or(ReplayError::CaseUnknown)?;
        match header.kind {
            BatchKind::Documents => {
                self.check_documents_batch(&header, case, time_us)?;
                self.open_batch = Some(OpenBatch { hash, next: 0 });
            }
            BatchKind::Grants => {
                self.check_grants_batch(&header, case, time_us)?;
                let root = header.root;
                self.change_state(header.case, |state| state.set_grant(hash, root));
            }
        }
        self.batch_ids.insert_mut(header.batch, hash);
        let record = self.size;
        self.batches.insert_mut(
            hash,
            Arc::new(Batch {
                hash,
                header,
                record,
            }),
        );
        Ok(())
    }

    fn check_batch_signature(
        &self,
        header: &BatchHeader,
        signed: &SignedBatch,
    ) -> Result<(), ReplayError> {
        if self.activated_holder(header.signer_kid)? != header.signer {
            return Err(ReplayError::KidSuperseded);
        }
        let key = self
            .find_key(header.signer_kid)
            .ok_or(ReplayError::KidSuperseded)?;
        let label = Label::new(header.kind.label());
        verify_hybrid(&key.bundle, label, &signed.header.0, &signed.signature)
    }

    fn check_documents_batch(
        &self,
        header: &BatchHeader,
        case: &Case,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let author = Author::Person(header.signer);
        match case.kind {
            CaseKind::Agency => {
                self.require_caseworker(author, Some(case.unit), time_us)?;
                let unit = self.unit(case.unit).ok_or(ReplayError::UnitUnknown)?;
                let key = case.current_key().ok_or(ReplayError::EpochStale)?;
                // Sealing under an epoch that a removed member holds would undo the removal.
                if header.case_epoch != key.epoch || key.unit_epoch != unit.epoch() {
                    return Err(ReplayError::EpochStale);
                }
            }
            CaseKind::Own => {
                self.require_caseworker(author, None, time_us)?;
                if header.case_epoch != 0 {
                    return Err(ReplayError::EpochStale);
                }
            }
        }
        if case.is_closed() {
            Err(ReplayError::CaseClosed)
        } else {
            Ok(())
        }
    }

    fn check_grants_batch(
        &self,
        header: &BatchHeader,
        case: &Case,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let author = Author::Person(header.signer);
        let owner = case.owner == Some(header.signer);
        match case.kind {
            CaseKind::Agency => self.require_caseworker(author, Some(case.unit), time_us)?,
            CaseKind::Own if owner => {}
            CaseKind::Own => self.require_caseworker(author, None, time_us)?,
        }
        if header.case_epoch != 0 && header.case_epoch != case.epoch() {
            return Err(ReplayError::EpochStale);
        }
        Ok(())
    }

    pub(super) fn apply_document(
        &mut self,
        item: &BatchItem,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let open = self
            .open_batch
            .clone()
            .ok_or(ReplayError::BatchItemUnexpected)?;
        if item.batch != open.hash || item.index != open.next {
            return Err(ReplayError::BatchItemUnexpected);
        }
        let batch = self.batches.get(&open.hash).cloned();
        let batch = batch.ok_or(ReplayError::BatchItemUnexpected)?;
        let header = &batch.header;
        let leaf = tree::leaf_hash(&item.item.0);
        tree::verify_inclusion(&leaf, item.index, header.count, &item.path, &header.root)
            .map_err(|_| ReplayError::PathMismatch)?;
        let registered = RegisterItem::from_bytes(&item.item.0)?;
        let manifest = registered.parse_manifest()?;
        self.check_manifest(&manifest, header)?;
        if time_us > registered.register_by_us {
            return Err(ReplayError::RegisteredTooLate);
        }
        self.register(open.hash, &registered, &manifest);
        let next = open.next + 1;
        self.open_batch = (next < header.count).then_some(OpenBatch {
            hash: open.hash,
            next,
        });
        Ok(())
    }

    fn check_manifest(&self, manifest: &Manifest, header: &BatchHeader) -> Result<(), ReplayError> {
        let case = self.case(header.case).ok_or(ReplayError::CaseUnknown)?;
        if manifest.vault != self.vault || manifest.case != header.case {
            return Err(ReplayError::VaultMismatch);
        }
        if manifest.author != header.signer_kid {
            return Err(ReplayError::NotAuthorised);
        }
        if manifest.case_epoch != header.case_epoch {
            return Err(ReplayError::EpochStale);
        }
        if manifest.class != case.class {
            return Err(ReplayError::ClassMismatch);
        }
        if self.has_share(manifest.share_id) {
            return Err(ReplayError::ShareExists);
        }
        let known = self.document(manifest.document);
        if known.is_some_and(|document| document.case != header.case) {
            return Err(ReplayError::RevisionMismatch);
        }
        let latest = known.and_then(Document::latest);
        let (revision, hash) = latest.map_or((0, [0; 32]), |r| (r.revision, r.manifest_hash));
        if manifest.revision != revision + 1 || manifest.previous != hash {
            return Err(ReplayError::RevisionMismatch);
        }
        Ok(())
    }

    fn register(&mut self, batch: [u8; 32], item: &RegisterItem, manifest: &Manifest) {
        let revision = Revision {
            revision: manifest.revision,
            manifest: item.manifest.clone(),
            manifest_hash: manifest.hash(),
            share_id: manifest.share_id,
            batch,
            card_no: 1,
            card_hash: item.card_hash,
            record: self.size,
        };
        let state = DocumentState {
            document: manifest.document,
            revision: revision.revision,
            manifest_hash: revision.manifest_hash,
            card_hash: revision.card_hash,
            class: manifest.class,
            status: DocumentStatus::Living,
        };
        self.shares.insert_mut(manifest.share_id);
        let known = self.document(manifest.document).cloned();
        if known.is_none() {
            let list = self.case_documents.get(&manifest.case).cloned();
            let list = list.unwrap_or_else(VectorSync::new_sync);
            let list = list.push_back(manifest.document);
            self.case_documents.insert_mut(manifest.case, list);
        }
        let mut document = known.unwrap_or(Document {
            document: manifest.document,
            case: manifest.case,
            revisions: Vec::new(),
        });
        document.revisions.push(revision);
        self.documents
            .insert_mut(manifest.document, Arc::new(document));
        self.change_state(manifest.case, |case| case.set_document(&state));
    }

    /// Checks that a direct grant is live at this time (microseconds UTC) and says who may rely on
    /// it: its batch is in the log, its path fits, nobody revoked it, it has not run out, and it
    /// goes to somebody's current keys — in a citizen's own case the owner's.
    pub fn verify_grant(&self, proof: &GrantProof, at_us: u64) -> Result<PersonId, ReplayError> {
        let grant = &proof.grant;
        let batch = self.batch(&proof.batch).ok_or(ReplayError::GrantVoid)?;
        let header = &batch.header;
        if header.kind != BatchKind::Grants
            || (grant.vault, grant.case) != (self.vault, header.case)
            || grant.granter != header.signer_kid
        {
            return Err(ReplayError::GrantVoid);
        }
        let bytes = grant.to_bytes();
        let leaf = tree::leaf_hash(&bytes);
        tree::verify_inclusion(&leaf, proof.index, header.count, &proof.path, &header.root)
            .map_err(|_| ReplayError::PathMismatch)?;
        if self.is_grant_revoked(grant.case, &sha256(&[&bytes])) {
            return Err(ReplayError::GrantVoid);
        }
        if grant.not_after_us.is_some_and(|end| at_us >= end) {
            return Err(ReplayError::GrantVoid);
        }
        self.check_granted_object(proof)?;
        let holder = self
            .current_holder(grant.recipient)
            .ok_or(ReplayError::KidSuperseded)?;
        let owner = self.case(grant.case).and_then(|case| case.owner);
        if owner.is_some_and(|owner| owner != holder.person) {
            return Err(ReplayError::GrantVoid);
        }
        Ok(holder.person)
    }

    fn check_granted_object(&self, proof: &GrantProof) -> Result<(), ReplayError> {
        let grant = &proof.grant;
        match (grant.kind, grant.document) {
            (GrantKind::Case, None) => Ok(()),
            (GrantKind::Document, Some(document)) => {
                let document = self.document(document).filter(|d| d.case == grant.case);
                let revision = document
                    .filter(|_| grant.number > 0)
                    .and_then(|d| d.find_revision(grant.number));
                revision.map(|_| ()).ok_or(ReplayError::DocumentUnknown)
            }
            _ => Err(ReplayError::NotSensible),
        }
    }
}
