//! One vault as the gatekeeper knows it: by its own replay of both logs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use obhut_format::person::device_kid;
use obhut_format::release::PersonLabels;
use obhut_format::share::{Deposit, ShareKind};
use obhut_format::{Hash, PersonId, VaultId};
use obhut_log::replay::{AccessReplayer, Directory, Replayer};
use obhut_log::{Checkpoint, NoteKeyType, SignedCheckpoint, VerifierKey};
use obhut_suite::NotePublic;

use crate::Refusal;
use crate::log_head::LogHead;
use crate::release::QUORUM_AGE_S;
use crate::vaults::Enrolled;

/// What is known of one vault. Only what was durable before is ever put in here.
pub(crate) struct VaultState {
    pub(crate) vault: VaultId,
    pub(crate) enrolled: Enrolled,
    pub(crate) records: Replayer,
    pub(crate) records_head: LogHead,
    /// The newest state of the records log that a quorum stood behind, and that head.
    witnessed: Option<(Directory, SignedCheckpoint)>,
    pub(crate) shards: BTreeMap<String, Shard>,
    /// Number and head of the own chain of receipts.
    pub(crate) chain: (u64, Hash),
    /// Set while something is written of which this state knows nothing yet.
    pub(crate) in_doubt: bool,
    /// Logs that were compared after a restore.
    pub(crate) compared: BTreeSet<String>,
    labels: HashMap<String, HashMap<PersonId, PersonLabels>>,
}

/// One shard of the access log.
#[derive(Clone)]
pub(crate) struct Shard {
    pub(crate) replayer: AccessReplayer,
    pub(crate) head: LogHead,
}

impl VaultState {
    /// A vault of which nothing was replayed yet.
    pub(crate) fn new(enrolled: Enrolled) -> Self {
        let vault = enrolled.vault;
        let origin = format!("{}/records", enrolled.origin);
        Self {
            vault,
            records: Replayer::new(vault, origin, enrolled.records_key),
            records_head: LogHead::default(),
            witnessed: None,
            shards: BTreeMap::new(),
            chain: (0, obhut_format::release::gate_chain_start(vault)),
            in_doubt: false,
            compared: BTreeSet::new(),
            labels: HashMap::new(),
            enrolled,
        }
    }

    pub(crate) fn directory(&self) -> &Directory {
        self.records.directory()
    }

    pub(crate) fn records_origin(&self) -> &str {
        self.records.tail().origin()
    }

    /// Whether labels may be asked for in this log.
    pub(crate) fn is_own_origin(&self, origin: &str) -> bool {
        let shards = format!("{}/access/", self.enrolled.origin);
        origin == self.records_origin() || origin.starts_with(&shards)
    }

    /// F15: the key that signs a log of this vault, and how far the log was replayed.
    pub(crate) fn log_position(&self, origin: &str) -> Result<(VerifierKey, Checkpoint), Refusal> {
        let (key, here) = if origin == self.records_origin() {
            (self.enrolled.records_key, self.records.tail().checkpoint())
        } else {
            let shard = self.directory().find_shard(origin);
            let key = shard.ok_or(Refusal::ShardUnknown)?.key;
            let replayed = self.shards.get(origin).ok_or(Refusal::CheckpointTree)?;
            (key, replayed.replayer.tail().checkpoint())
        };
        let public = NotePublic::parse(&key).map_err(|_| Refusal::Checkpoint)?;
        let key = VerifierKey::new(origin, NoteKeyType::Log, public);
        Ok((key.map_err(|_| Refusal::Checkpoint)?, here))
    }

    pub(crate) fn head(&self, origin: &str) -> Result<&LogHead, Refusal> {
        if origin == self.records_origin() {
            return Ok(&self.records_head);
        }
        let shard = self.shards.get(origin).ok_or(Refusal::ShardUnknown)?;
        Ok(&shard.head)
    }

    pub(crate) fn set_head(&mut self, origin: &str, head: LogHead) {
        if origin == self.records.tail().origin() {
            self.set_records_head(head);
        } else if let Some(shard) = self.shards.get_mut(origin) {
            shard.head = head;
        }
    }

    /// The gatekeeper's own cosigner key, under the name that the card gives it.
    pub(crate) fn cosigner(&self, public: [u8; 32]) -> Result<VerifierKey, Refusal> {
        let card = self.directory().card().ok_or(Refusal::NoCard)?;
        let listed = card
            .cosigners
            .iter()
            .find(|cosigner| cosigner.public == public);
        let name = listed.map_or_else(
            || format!("{}/gatekeeper", card.origin),
            |cosigner| cosigner.name.clone(),
        );
        let public = NotePublic::parse(&public).map_err(|_| Refusal::Checkpoint)?;
        VerifierKey::new(name, NoteKeyType::Cosigner, public).map_err(|_| Refusal::Checkpoint)
    }

    /// Takes over what was replayed and is durable, with its head.
    pub(crate) fn adopt_records(&mut self, records: Replayer, head: LogHead) {
        self.records = records;
        self.set_records_head(head);
    }

    fn set_records_head(&mut self, head: LogHead) {
        let directory = self.records.directory();
        let quorum = directory.records_quorum();
        if let (Ok(quorum), Some(newest)) = (quorum, head.newest())
            && let Ok(witnessed) = quorum.verify(newest)
            && witnessed.checkpoint().size == directory.size()
        {
            self.witnessed = Some((directory.clone(), newest.clone()));
        }
        self.records_head = head;
    }

    /// F11: after a restore a log counts again once it was compared.
    pub(crate) fn verify_compared(&self, origin: &str) -> Result<(), Refusal> {
        if self.enrolled.restored_us.is_none() || self.compared.contains(origin) {
            Ok(())
        } else {
            Err(Refusal::Restored)
        }
    }

    /// F11: a witness elsewhere has cosigned exactly this head within the last five minutes, so no longer history is kept
    /// from a gatekeeper whose backup was older.
    pub(crate) fn verify_witnessed_elsewhere(
        &self,
        signed: &SignedCheckpoint,
        own: [u8; 32],
        now_us: u64,
    ) -> Result<(), Refusal> {
        let card = self.directory().card().ok_or(Refusal::NoCard)?;
        let others = card.cosigners.iter();
        for other in others.filter(|other| other.elsewhere && other.public != own) {
            let public = NotePublic::parse(&other.public).map_err(|_| Refusal::Checkpoint)?;
            let key = VerifierKey::new(&other.name, NoteKeyType::Cosigner, public);
            let key = key.map_err(|_| Refusal::Checkpoint)?;
            if let Ok(Some(at_s)) = signed.note().cosigned_at(&key)
                && at_s.abs_diff(now_us / 1_000_000) <= QUORUM_AGE_S
            {
                return Ok(());
            }
        }
        Err(Refusal::Restored)
    }

    /// F21: the records log as a quorum of the last five minutes saw it. What takes rights away
    /// counts as soon as it was fed; what gives rights counts only in here.
    pub(crate) fn load_witnessed(&self, now_us: u64) -> Result<Directory, Refusal> {
        let (directory, head) = self.witnessed.as_ref().ok_or(Refusal::RecordsStale)?;
        let quorum = directory.records_quorum().map_err(|_| Refusal::NoCard)?;
        let _fresh = quorum
            .verify_fresh(head, now_us / 1_000_000, QUORUM_AGE_S)
            .map_err(|_| Refusal::RecordsStale)?;
        Ok(directory.clone())
    }

    /// As [`load_witnessed`](Self::load_witnessed), and nothing newer was fed.
    pub(crate) fn verify_records_fresh(&self, now_us: u64) -> Result<(), Refusal> {
        if self.load_witnessed(now_us)?.size() == self.records.size() {
            Ok(())
        } else {
            Err(Refusal::RecordsStale)
        }
    }

    /// F19: the author's own device, as the records log names it now. Before the founding there is
    /// no log yet, and nothing but the λ of the first registrar to deposit.
    pub(crate) fn verify_deposit_author(&self, deposit: &Deposit) -> Result<(), Refusal> {
        let directory = self.directory();
        let founding = directory.card().is_none();
        let known = || {
            let author = directory.current_holder(deposit.author)?;
            let device = device_kid(&deposit.device);
            let active = directory.find_active_device(device, author.person);
            active.filter(|_| author.is_activated())
        };
        let only_persons = |deposit: &Deposit| {
            let kinds = deposit.items.iter().map(|item| item.binding.kind);
            kinds.into_iter().all(|kind| kind == ShareKind::Person)
        };
        if (founding && only_persons(deposit)) || known().is_some() {
            Ok(())
        } else {
            Err(Refusal::DepositDevice)
        }
    }

    /// Where the chain of receipts goes on. After a restored backup the head that was anchored in
    /// the records log is ahead of the own one: no number is used twice.
    pub(crate) fn chain_end(&self) -> (u64, Hash) {
        match self.directory().gate_head() {
            Some(anchored) if anchored.seq > self.chain.0 => (anchored.seq, anchored.head),
            _ => self.chain,
        }
    }

    pub(crate) fn find_labels(&self, origin: &str, person: PersonId) -> Option<&PersonLabels> {
        self.labels.get(origin)?.get(&person)
    }

    pub(crate) fn keep_labels(&mut self, origin: &str, labels: PersonLabels) {
        let kept = self.labels.entry(origin.to_owned()).or_default();
        kept.insert(labels.person, labels);
    }

    /// After a destruction: a λ may be gone.
    pub(crate) fn forget_labels(&mut self) {
        self.labels.clear();
    }
}
