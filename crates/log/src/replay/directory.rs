use std::sync::Arc;

use obhut_format::batch::RecordPayload;
use obhut_format::card::VaultCard;
use obhut_format::statement::{CaseKind, GateHead, Role, ShardOpened};
use obhut_format::{
    BatchId, CaseId, DeviceKid, DocumentId, Hash, Kid, PersonId, ShareId, UnitId, VaultId,
};
use obhut_suite::NotePublic;
use rpds::{HashTrieMapSync, HashTrieSetSync, VectorSync};

use super::deputies::Deputy;
use super::error::ReplayError;
use super::recovery::RecoveryBook;
use super::state::{Batch, Case, Device, Document, OpenBatch, Person, PersonKey, Unit};
use crate::checkpoint::Quorum;
use crate::note::{NoteKeyType, VerifierKey};
use crate::prefix::PrefixProof;
use crate::state::{CaseState, StateParts};

/// Class of the shards that take entries.
const ENTRY_CLASS: &str = "std";
/// Around the turn of two shards both take entries, microseconds: clocks differ, acts live two minutes.
const ROLLOVER_US: u64 = 300 * 1_000_000;

/// The vault's people, units, cases and documents as the records log tells them, nothing else.
///
/// [`apply`](Self::apply) is the only way in and checks every authority; a refusal changes nothing.
/// Clones share their contents: a sequencer tries a mutation on a clone, readers keep theirs.
#[derive(Debug, Clone)]
pub struct Directory {
    pub(super) vault: VaultId,
    pub(super) records_key: [u8; 32],
    pub(super) card: Option<Arc<VaultCard>>,
    pub(super) size: u64,
    pub(super) time_us: u64,
    pub(super) persons: HashTrieMapSync<PersonId, Arc<Person>>,
    pub(super) kids: HashTrieMapSync<Kid, PersonId>,
    pub(super) devices: HashTrieMapSync<DeviceKid, Arc<Device>>,
    pub(super) units: HashTrieMapSync<UnitId, Arc<Unit>>,
    pub(super) cases: HashTrieMapSync<CaseId, Arc<Case>>,
    pub(super) states: HashTrieMapSync<CaseId, CaseState>,
    pub(super) case_documents: HashTrieMapSync<CaseId, VectorSync<DocumentId>>,
    pub(super) documents: HashTrieMapSync<DocumentId, Arc<Document>>,
    pub(super) batches: HashTrieMapSync<Hash, Arc<Batch>>,
    pub(super) batch_ids: HashTrieMapSync<BatchId, Hash>,
    pub(super) nonces: HashTrieSetSync<[u8; 16]>,
    pub(super) shares: HashTrieSetSync<ShareId>,
    pub(super) lambda_hashes: HashTrieSetSync<Hash>,
    pub(super) revoked_grants: HashTrieSetSync<(CaseId, Hash)>,
    pub(super) shards: VectorSync<ShardOpened>,
    pub(super) gate_head: Option<GateHead>,
    pub(super) open_batch: Option<OpenBatch>,
    pub(super) recovery: Arc<RecoveryBook>,
    pub(super) deputies: Arc<Vec<Deputy>>,
}

impl Directory {
    /// An empty log of this vault. The records key is what the caller has pinned by another way
    /// (bootstrap code, enrolment, invitation); the first record must be a card that names it.
    pub fn new(vault: VaultId, records_key: [u8; 32]) -> Self {
        Self {
            vault,
            records_key,
            card: None,
            size: 0,
            time_us: 0,
            persons: HashTrieMapSync::new_sync(),
            kids: HashTrieMapSync::new_sync(),
            devices: HashTrieMapSync::new_sync(),
            units: HashTrieMapSync::new_sync(),
            cases: HashTrieMapSync::new_sync(),
            states: HashTrieMapSync::new_sync(),
            case_documents: HashTrieMapSync::new_sync(),
            documents: HashTrieMapSync::new_sync(),
            batches: HashTrieMapSync::new_sync(),
            batch_ids: HashTrieMapSync::new_sync(),
            nonces: HashTrieSetSync::new_sync(),
            shares: HashTrieSetSync::new_sync(),
            lambda_hashes: HashTrieSetSync::new_sync(),
            revoked_grants: HashTrieSetSync::new_sync(),
            shards: VectorSync::new_sync(),
            gate_head: None,
            open_batch: None,
            recovery: Arc::new(RecoveryBook::new()),
            deputies: Arc::default(),
        }
    }

    /// Accepts the next record, sequenced at `time_us` (microseconds UTC), or refuses it and stays
    /// as it was.
    pub fn apply(&mut self, payload: &RecordPayload, time_us: u64) -> Result<(), ReplayError> {
        if time_us < self.time_us {
            return Err(ReplayError::TimeBackwards);
        }
        match payload {
            RecordPayload::Document(item) => self.apply_document(item, time_us)?,
            _ if self.open_batch.is_some() => return Err(ReplayError::BatchIncomplete),
            RecordPayload::Statement(signed) => self.apply_statement(signed, time_us)?,
            RecordPayload::Batch(signed) => self.apply_batch(signed, time_us)?,
        }
        self.size += 1;
        self.time_us = time_us;
        Ok(())
    }

    /// The vault.
    pub fn vault(&self) -> VaultId {
        self.vault
    }

    /// Number of records applied.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Time of the last record, microseconds UTC.
    pub fn time_us(&self) -> u64 {
        self.time_us
    }

    /// The vault card in force; none before founding.
    pub fn card(&self) -> Option<&VaultCard> {
        self.card.as_deref()
    }

    /// Whether documents of the last batch are still to come.
    pub fn is_within_batch(&self) -> bool {
        self.open_batch.is_some()
    }

    /// A person.
    pub fn person(&self, person: PersonId) -> Option<&Person> {
        self.persons.get(&person).map(Arc::as_ref)
    }

    /// All persons, in no order.
    pub fn persons(&self) -> impl Iterator<Item = &Person> {
        self.persons.values().map(Arc::as_ref)
    }

    /// Whose bundle it is or was.
    pub fn person_of(&self, kid: Kid) -> Option<&Person> {
        self.person(*self.kids.get(&kid)?)
    }

    /// A bundle, current or void.
    pub fn find_key(&self, kid: Kid) -> Option<&PersonKey> {
        self.person_of(kid)?.find_key(kid)
    }

    /// The person whose current bundle this is; void bundles find nobody.
    pub fn current_holder(&self, kid: Kid) -> Option<&Person> {
        self.person_of(kid)
            .filter(|person| person.current().is_some_and(|key| key.kid == kid))
    }

    /// A device, revoked or not.
    pub fn device(&self, device: DeviceKid) -> Option<&Device> {
        self.devices.get(&device).map(Arc::as_ref)
    }

    /// A device that may act for this person now.
    pub fn find_active_device(&self, device: DeviceKid, person: PersonId) -> Option<&Device> {
        self.device(device)
            .filter(|found| found.person == person && found.revoked_us.is_none())
    }

    /// A unit.
    pub fn unit(&self, unit: UnitId) -> Option<&Unit> {
        self.units.get(&unit).map(Arc::as_ref)
    }

    /// All units, in no order.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.values().map(Arc::as_ref)
    }

    /// A case file.
    pub fn case(&self, case: CaseId) -> Option<&Case> {
        self.cases.get(&case).map(Arc::as_ref)
    }

    /// All case files, in no order.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.values().map(Arc::as_ref)
    }

    /// An agency's case files of one unit, in no order.
    pub fn cases_of_unit(&self, unit: UnitId) -> impl Iterator<Item = &Case> {
        self.cases()
            .filter(move |case| case.unit == unit && case.kind == CaseKind::Agency)
    }

    /// A registered document.
    pub fn document(&self, document: DocumentId) -> Option<&Document> {
        self.documents.get(&document).map(Arc::as_ref)
    }

    /// Documents of a case in the order of their first registration.
    pub fn documents_of_case(&self, case: CaseId) -> impl Iterator<Item = &Document> {
        self.case_documents
            .get(&case)
            .into_iter()
            .flat_map(VectorSync::iter)
            .filter_map(|document| self.document(*document))
    }

    /// A batch by [`obhut_format::batch::SignedBatch::hash`].
    pub fn batch(&self, hash: &Hash) -> Option<&Batch> {
        self.batches.get(hash).map(Arc::as_ref)
    }

    /// A batch by the id its maker gave it: a repeat is recognised by it.
    pub fn find_batch_id(&self, batch: BatchId) -> Option<&Batch> {
        self.batch(self.batch_ids.get(&batch)?)
    }

    /// Whether a statement with this nonce was applied.
    pub fn has_nonce(&self, nonce: &[u8; 16]) -> bool {
        self.nonces.contains(nonce)
    }

    /// Whether this share was registered.
    pub fn has_share(&self, share: ShareId) -> bool {
        self.shares.contains(&share)
    }

    /// Whether this case's grant with this hash was revoked. What another case's caseworkers say
    /// about it does not count.
    pub fn is_grant_revoked(&self, case: CaseId, grant_hash: &Hash) -> bool {
        self.revoked_grants.contains(&(case, *grant_hash))
    }

    /// Shards of the access log, oldest first.
    pub fn shards(&self) -> impl Iterator<Item = &ShardOpened> {
        self.shards.iter()
    }

    /// The shard with this origin.
    pub fn find_shard(&self, origin: &str) -> Option<&ShardOpened> {
        self.shards().find(|shard| shard.origin == origin)
    }

    /// Whether entries made at this time (microseconds UTC) go to this shard: it has begun and no
    /// later one has, give or take five minutes. A shard without a successor goes on.
    pub fn takes_entries(&self, origin: &str, at_us: u64) -> bool {
        let shard = self.find_shard(origin);
        let Some(shard) = shard.filter(|shard| shard.class == ENTRY_CLASS) else {
            return false;
        };
        let succeeded = self.shards().any(|next| {
            next.class == shard.class
                && next.from_us > shard.from_us
                && next.from_us.saturating_add(ROLLOVER_US) <= at_us
        });
        shard.from_us <= at_us.saturating_add(ROLLOVER_US) && !succeeded
    }

    /// The gatekeeper's chain head anchored last.
    pub fn gate_head(&self) -> Option<&GateHead> {
        self.gate_head.as_ref()
    }

    /// State root of a case after the last record; none for unknown cases.
    pub fn case_state_root(&self, case: CaseId) -> Option<Hash> {
        self.states.get(&case).map(CaseState::root)
    }

    /// What a state root is made of.
    pub fn case_state_parts(&self, case: CaseId) -> Option<StateParts> {
        self.states.get(&case).map(CaseState::parts)
    }

    /// Proof that a document is living in a case, or absent from it.
    pub fn prove_document(&self, case: CaseId, document: DocumentId) -> Option<PrefixProof> {
        Some(self.states.get(&case)?.prove_document(document))
    }

    /// Whether the person may act in this role now; citizens hold theirs without an appointment.
    pub fn holds_role(
        &self,
        person: PersonId,
        role: Role,
        unit: Option<UnitId>,
        at_us: u64,
    ) -> bool {
        let Some(person) = self.person(person) else {
            return false;
        };
        match role {
            Role::Citizen => person.citizen,
            Role::Root => false,
            _ => person.holds(role, unit, at_us),
        }
    }

    /// Whose signatures make a head of the records log count.
    pub fn records_quorum(&self) -> Result<Quorum, ReplayError> {
        let card = self.card().ok_or(ReplayError::NotFounded)?;
        quorum(card, &card.records_origin(), &card.records_key)
    }

    /// Whose signatures make a head of this shard of the access log count.
    pub fn access_quorum(&self, origin: &str) -> Result<Quorum, ReplayError> {
        let card = self.card().ok_or(ReplayError::NotFounded)?;
        let shard = self.find_shard(origin).ok_or(ReplayError::ShardRefused)?;
        quorum(card, origin, &shard.key)
    }
}

/// The policy a card states for one of its logs.
pub fn quorum(card: &VaultCard, origin: &str, key: &[u8; 32]) -> Result<Quorum, ReplayError> {
    let public = |bytes: &[u8; 32]| NotePublic::parse(bytes).map_err(|_| ReplayError::KeyRefused);
    let log = VerifierKey::new(origin, NoteKeyType::Log, public(key)?)?;
    let mut witnesses = Vec::with_capacity(card.cosigners.len());
    for cosigner in &card.cosigners {
        let public = public(&cosigner.public)?;
        witnesses.push(VerifierKey::new(
            &cosigner.name,
            NoteKeyType::Cosigner,
            public,
        )?);
    }
    let threshold = usize::try_from(card.quorum).map_err(|_| ReplayError::NotSensible)?;
    Ok(Quorum::new(log, witnesses, threshold)?)
}
