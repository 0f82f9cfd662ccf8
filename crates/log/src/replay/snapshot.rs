//! Keeping a directory. What follows from something else is not kept but made again.

use std::hash::Hash as Key;
use std::sync::Arc;

use obhut_format::batch::BatchKind;
use obhut_format::card::VaultCard;
use obhut_format::statement::{GateHead, ShardOpened};
use obhut_format::{CaseId, DocumentId, VaultId, record};
use rpds::HashTrieMapSync;

use super::cases::REVOKED;
use super::deputies::Deputy;
use super::directory::Directory;
use super::recovery::RecoveryBook;
use super::state::{Batch, Case, Device, Document, OpenBatch, Person, RevokedGrant, Unit};
use crate::state::{CaseState, DocumentState, DocumentStatus};

record! {
    /// The documents of a case in the order of their registration.
    CaseDocuments {
        /// The case.
        1 => case: CaseId,
        /// Its documents.
        2 => documents: Vec<DocumentId>,
    }
}

record! {
    /// A [`Directory`], as kept.
    DirectorySnapshot {
        /// The vault.
        1 => vault: VaultId,
        /// Pinned key of the records log.
        2 => records_key: [u8; 32],
        /// Card in force.
        3 => card: Option<Box<VaultCard>>,
        /// Number of records.
        4 => size: u64,
        /// Time of the last one.
        5 => time_us: u64,
        /// People.
        6 => persons: Vec<Person>,
        /// Devices.
        7 => devices: Vec<Device>,
        /// Units.
        8 => units: Vec<Unit>,
        /// Cases.
        9 => cases: Vec<Case>,
        /// Their documents.
        10 => case_documents: Vec<CaseDocuments>,
        /// Documents.
        11 => documents: Vec<Document>,
        /// Batches.
        12 => batches: Vec<Batch>,
        /// Nonces of all statements.
        13 => nonces: Vec<[u8; 16]>,
        /// Revoked grants.
        14 => revoked_grants: Vec<RevokedGrant>,
        /// Shards, oldest first.
        15 => shards: Vec<ShardOpened>,
        /// The gatekeeper's last head.
        16 => gate_head: Option<GateHead>,
        /// A batch in progress.
        17 => open_batch: Option<OpenBatch>,
        /// Agency recovery; none before the first policy.
        18 => recovery: Option<RecoveryBook>,
        /// Deputies; none before the first one.
        19 => deputies: Option<Vec<Deputy>>,
    }
}

impl Directory {
    pub(super) fn to_snapshot(&self) -> DirectorySnapshot {
        let case_documents = self
            .case_documents
            .iter()
            .map(|(case, list)| CaseDocuments {
                case: *case,
                documents: list.iter().copied().collect(),
            });
        let revoked = self.revoked_grants.iter().map(|(case, hash)| RevokedGrant {
            grant_hash: *hash,
            case: *case,
        });
        DirectorySnapshot {
            vault: self.vault,
            records_key: self.records_key,
            card: self.card.as_deref().cloned().map(Box::new),
            size: self.size,
            time_us: self.time_us,
            persons: sorted(values(&self.persons), |person| person.person),
            devices: sorted(values(&self.devices), |device| device.device),
            units: sorted(values(&self.units), |unit| unit.unit),
            cases: sorted(values(&self.cases), |case| case.case),
            case_documents: sorted(case_documents, |list| list.case),
            documents: sorted(values(&self.documents), |document| document.document),
            batches: sorted(values(&self.batches), |batch| batch.hash),
            nonces: sorted(self.nonces.iter().copied(), |nonce| *nonce),
            revoked_grants: sorted(revoked, |revoked| (revoked.case, revoked.grant_hash)),
            shards: self.shards.iter().cloned().collect(),
            gate_head: self.gate_head.clone(),
            open_batch: self.open_batch.clone(),
            recovery: (!self.recovery.policies.is_empty()).then(|| (*self.recovery).clone()),
            deputies: (!self.deputies.is_empty()).then(|| (*self.deputies).clone()),
        }
    }

    pub(super) fn from_snapshot(kept: DirectorySnapshot) -> Self {
        let mut directory = Self::new(kept.vault, kept.records_key);
        directory.card = kept.card.map(|card| Arc::new(*card));
        directory.size = kept.size;
        directory.time_us = kept.time_us;
        directory.devices = shared(kept.devices, |device| device.device);
        directory.units = shared(kept.units, |unit| unit.unit);
        directory.nonces = kept.nonces.into_iter().collect();
        directory.shards = kept.shards.into_iter().collect();
        directory.gate_head = kept.gate_head;
        directory.open_batch = kept.open_batch;
        directory.recovery = Arc::new(kept.recovery.unwrap_or_else(RecoveryBook::new));
        directory.deputies = Arc::new(kept.deputies.unwrap_or_default());
        for list in kept.case_documents {
            let documents = list.documents.into_iter().collect();
            directory.case_documents.insert_mut(list.case, documents);
        }
        directory.restore_people(kept.persons);
        directory.restore_cases(kept.cases);
        directory.restore_documents(kept.documents);
        directory.restore_grants(kept.batches, kept.revoked_grants);
        directory
    }

    fn restore_people(&mut self, persons: Vec<Person>) {
        for person in persons {
            self.shares.insert_mut(person.share_id);
            self.lambda_hashes.insert_mut(person.lambda_hash);
            for key in &person.keys {
                self.kids.insert_mut(key.kid, person.person);
            }
            self.persons.insert_mut(person.person, Arc::new(person));
        }
    }

    fn restore_cases(&mut self, cases: Vec<Case>) {
        for case in cases {
            let mut state = CaseState::new();
            state.set_epoch(u64::from(case.epoch()));
            state.set_subjects(case.subjects.iter().copied());
            self.states.insert_mut(case.case, state);
            if let Some(share) = case.share_id {
                self.shares.insert_mut(share);
            }
            self.cases.insert_mut(case.case, Arc::new(case));
        }
    }

    fn restore_documents(&mut self, documents: Vec<Document>) {
        for document in documents {
            for revision in &document.revisions {
                self.shares.insert_mut(revision.share_id);
            }
            let class = self.case(document.case).map(|case| case.class);
            if let (Some(class), Some(latest)) = (class, document.latest()) {
                let state = DocumentState {
                    document: document.document,
                    revision: latest.revision,
                    manifest_hash: latest.manifest_hash,
                    card_hash: latest.card_hash,
                    class,
                    status: DocumentStatus::Living,
                };
                self.change_state(document.case, |case| case.set_document(&state));
            }
            self.documents
                .insert_mut(document.document, Arc::new(document));
        }
    }

    fn restore_grants(&mut self, batches: Vec<Batch>, revoked: Vec<RevokedGrant>) {
        for batch in batches {
            self.batch_ids.insert_mut(batch.header.batch, batch.hash);
            if batch.header.kind == BatchKind::Grants {
                self.change_state(batch.header.case, |state| {
                    state.set_grant(batch.hash, batch.header.root);
                });
            }
            self.batches.insert_mut(batch.hash, Arc::new(batch));
        }
        for grant in revoked {
            self.change_state(grant.case, |state| {
                state.set_grant(grant.grant_hash, REVOKED);
            });
            self.revoked_grants
                .insert_mut((grant.case, grant.grant_hash));
        }
    }
}

fn values<K: Key + Eq, V: Clone>(map: &HashTrieMapSync<K, Arc<V>>) -> impl Iterator<Item = V> {
    map.values().map(|value| V::clone(value))
}

fn sorted<T, K: Ord>(items: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_by_key(key);
    items
}

fn shared<K: Key + Eq, V>(items: Vec<V>, key: impl Fn(&V) -> K) -> HashTrieMapSync<K, Arc<V>> {
    let keyed = items.into_iter().map(|item| (key(&item), Arc::new(item)));
    keyed.collect()
}
