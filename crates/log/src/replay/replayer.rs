use obhut_format::batch::RecordPayload;
use obhut_format::entry::LeafType;
use obhut_format::release::{Feed, FeedEntry};
use obhut_format::{Cbor, FormatError, PersonId, VaultId, record};
use obhut_suite::NotePublic;

use super::directory::Directory;
use super::error::ReplayError;
use super::labels::{RecordLabel, record_labels};
use super::snapshot::DirectorySnapshot;
use super::tail::{LogTail, TailSnapshot};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::commitment::{Group, RecordCommitments, group_commitment};
use crate::error::LogError;
use crate::label::{Label, LabelKind};
use crate::leaf::{Core, Recs};
use crate::note::{NoteKeyType, VerifierKey};

/// A records log replayed to a head that its key signed. The [`Directory`] inside is what the log
/// says, as far as that key can be believed; witnesses are checked with
/// [`Directory::records_quorum`].
#[derive(Debug, Clone)]
pub struct Replayer {
    tail: LogTail,
    directory: Directory,
}

impl Replayer {
    /// The log before its first record. `origin` and `records_key` are what the caller has pinned.
    pub fn new(vault: VaultId, origin: impl Into<String>, records_key: [u8; 32]) -> Self {
        Self {
            tail: LogTail::new(origin),
            directory: Directory::new(vault, records_key),
        }
    }

    /// What the log says.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Where the log ends.
    pub fn tail(&self) -> &LogTail {
        &self.tail
    }

    /// Number of records.
    pub fn size(&self) -> u64 {
        self.tail.size()
    }

    /// Begins to take further entries; they count once [`Extension::finish`] has seen the head.
    pub fn extend(&self) -> Extension {
        Extension {
            log: self.clone(),
            refused: false,
        }
    }

    /// Takes a feed. Entries known already are passed over; a gap is refused. `person_label` gives
    /// the labels of persons whose λ the caller knows; those of others are taken as they are.
    pub fn apply_feed(
        &mut self,
        feed: &Feed,
        mut person_label: impl FnMut(PersonId) -> Option<Label>,
    ) -> Result<(), ReplayError> {
        if feed.vault != self.directory.vault() || feed.origin != self.tail.origin() {
            return Err(ReplayError::VaultMismatch);
        }
        let known = new_entries(feed.first, self.size())?;
        let mut extension = self.extend();
        for entry in feed.entries.iter().skip(known) {
            extension.push(entry, &mut person_label)?;
        }
        *self = extension.finish(&parse_checkpoint(&feed.checkpoint)?)?;
        Ok(())
    }

    /// Everything, for keeping where only its owner can write.
    pub fn to_bytes(&self) -> Vec<u8> {
        let snapshot = Snapshot {
            version: SNAPSHOT_VERSION,
            tail: self.tail.to_snapshot(),
            directory: self.directory.to_snapshot(),
        };
        snapshot.to_bytes()
    }

    /// Resumes what [`to_bytes`](Self::to_bytes) kept. Nothing in it is verified again; one of
    /// another version is refused and the log has to be replayed from its start.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let snapshot = Snapshot::from_bytes(bytes)?;
        if snapshot.version != SNAPSHOT_VERSION {
            return Err(FormatError::UnsupportedVersion);
        }
        Ok(Self {
            tail: LogTail::from_snapshot(snapshot.tail)?,
            directory: Directory::from_snapshot(snapshot.directory),
        })
    }
}

const SNAPSHOT_VERSION: u64 = 2;

record! {
    /// A [`Replayer`], as kept.
    Snapshot {
        /// Version of this layout.
        1 => version: u64,
        /// Where the log ends.
        2 => tail: TailSnapshot,
        /// What it says.
        3 => directory: DirectorySnapshot,
    }
}

/// Entries taken but not yet confirmed by a signed head.
#[derive(Debug)]
#[must_use]
pub struct Extension {
    log: Replayer,
    refused: bool,
}

impl Extension {
    /// Checks and takes the next record: payload against commitment, labels against payload, chains
    /// and time, every authority, and the state root of the case. After a refusal the extension is
    /// of no further use.
    pub fn push(
        &mut self,
        entry: &FeedEntry,
        person_label: &mut impl FnMut(PersonId) -> Option<Label>,
    ) -> Result<(), ReplayError> {
        let pushed = self.log.push(entry, person_label);
        self.refused |= pushed.is_err();
        pushed
    }

    /// Number of records with those taken so far.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// The extended log, if its key signed exactly this head.
    pub fn finish(self, head: &SignedCheckpoint) -> Result<Replayer, ReplayError> {
        let key = log_key(self.log.tail.origin(), &self.log.directory.records_key)?;
        self.log.tail.verify_head(head, &key)?;
        if self.refused {
            return Err(LogError::HeadMismatch.into());
        }
        Ok(self.log)
    }
}

impl Replayer {
    fn push(
        &mut self,
        entry: &FeedEntry,
        person_label: &mut impl FnMut(PersonId) -> Option<Label>,
    ) -> Result<(), ReplayError> {
        let core = Core::parse(&entry.core.0)?;
        if u64::from(core.kind) != LeafType::Record.code() {
            return Err(ReplayError::VaultMismatch);
        }
        let payload = open_payload(entry, &core)?;
        let labels = record_labels(&payload, &self.directory)?;
        let recs = Recs::from_records(&entry.labels)?;
        check_labels(&labels, &recs, self.tail.origin(), person_label)?;
        let time_us = core.time_ms.saturating_mul(1_000);
        self.directory.apply(&payload, time_us)?;
        check_states(&labels, &recs, &self.directory)?;
        if let Some(card) = self.directory.card()
            && card.records_origin() != self.tail.origin()
        {
            return Err(ReplayError::CardMismatch);
        }
        self.tail.accept(&core, &recs)?;
        Ok(())
    }
}

fn open_payload(entry: &FeedEntry, core: &Core) -> Result<RecordPayload, ReplayError> {
    let (Some(payload), Some(salt), Some(q)) = (&entry.payload, &entry.salt, entry.q_commitment)
    else {
        return Err(LogError::CommitmentMismatch.into());
    };
    let p = group_commitment(Group::P, salt, &payload.0);
    RecordCommitments { p, q }.verify(&core.commitment, &[])?;
    Ok(RecordPayload::from_bytes(&payload.0)?)
}

fn check_labels(
    expected: &[RecordLabel],
    recs: &Recs,
    origin: &str,
    person_label: &mut impl FnMut(PersonId) -> Option<Label>,
) -> Result<(), ReplayError> {
    if expected.len() != recs.as_slice().len() {
        return Err(ReplayError::LabelMismatch);
    }
    for (expected, rec) in expected.iter().zip(recs.as_slice()) {
        let label = match expected.person() {
            Some(person) => person_label(person),
            None => expected.label(origin),
        };
        if label.is_some_and(|label| label != rec.label) {
            return Err(ReplayError::LabelMismatch);
        }
    }
    Ok(())
}

/// Under a case's label stands its state root after the record, under any other none.
fn check_states(
    labels: &[RecordLabel],
    recs: &Recs,
    directory: &Directory,
) -> Result<(), ReplayError> {
    for (label, rec) in labels.iter().zip(recs.as_slice()) {
        let expected = match label.kind {
            LabelKind::Case => directory.case_state_root(label.id.into()),
            _ => None,
        };
        if rec.state_root != expected {
            return Err(ReplayError::StateMismatch);
        }
    }
    Ok(())
}

/// One shard of the access log replayed without its payloads: chains, time and tree.
#[derive(Debug, Clone)]
pub struct AccessReplayer {
    vault: VaultId,
    tail: LogTail,
    key: [u8; 32],
}

impl AccessReplayer {
    /// The shard before its first entry; `key` signs its checkpoints.
    pub fn new(vault: VaultId, origin: impl Into<String>, key: [u8; 32]) -> Self {
        Self {
            vault,
            tail: LogTail::new(origin),
            key,
        }
    }

    /// Where the shard ends.
    pub fn tail(&self) -> &LogTail {
        &self.tail
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.tail.size()
    }

    /// Takes a feed, whole or not at all. Entries known already are passed over; a gap is refused.
    pub fn apply_feed(&mut self, feed: &Feed) -> Result<(), ReplayError> {
        if feed.vault != self.vault || feed.origin != self.tail.origin() {
            return Err(ReplayError::VaultMismatch);
        }
        let known = new_entries(feed.first, self.size())?;
        let mut tail = self.tail.clone();
        for entry in feed.entries.iter().skip(known) {
            let core = Core::parse(&entry.core.0)?;
            let recs = Recs::from_records(&entry.labels)?;
            check_access_kind(&core, &recs)?;
            tail.accept(&core, &recs)?;
        }
        let key = log_key(tail.origin(), &self.key)?;
        tail.verify_head(&parse_checkpoint(&feed.checkpoint)?, &key)?;
        self.tail = tail;
        Ok(())
    }

    /// Everything, for keeping where only its owner can write.
    pub fn to_bytes(&self) -> Vec<u8> {
        let snapshot = AccessSnapshot {
            version: SNAPSHOT_VERSION,
            vault: self.vault,
            key: self.key,
            tail: self.tail.to_snapshot(),
        };
        snapshot.to_bytes()
    }

    /// Resumes what [`to_bytes`](Self::to_bytes) kept; nothing in it is verified again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let snapshot = AccessSnapshot::from_bytes(bytes)?;
        if snapshot.version != SNAPSHOT_VERSION {
            return Err(FormatError::UnsupportedVersion);
        }
        Ok(Self {
            vault: snapshot.vault,
            tail: LogTail::from_snapshot(snapshot.tail)?,
            key: snapshot.key,
        })
    }
}

record! {
    /// An [`AccessReplayer`], as kept.
    AccessSnapshot {
        /// Version of this layout.
        1 => version: u64,
        /// The vault.
        2 => vault: VaultId,
        /// Key of the shard's checkpoints.
        3 => key: [u8; 32],
        /// Where the shard ends.
        4 => tail: TailSnapshot,
    }
}

/// No entry without labels, but for INDEX leaves, which have none; no state roots outside records.
fn check_access_kind(core: &Core, recs: &Recs) -> Result<(), ReplayError> {
    let code = u64::from(core.kind);
    let kind = LeafType::ALL.iter().find(|kind| kind.code() == code);
    let kind = kind.ok_or(FormatError::UnknownCode(code))?;
    let labelled = !recs.as_slice().is_empty();
    let fits = match kind {
        LeafType::Access | LeafType::Close => labelled,
        LeafType::Index => !labelled,
        LeafType::Record => return Err(ReplayError::VaultMismatch),
    };
    if recs.as_slice().iter().any(|rec| rec.state_root.is_some()) {
        return Err(ReplayError::StateMismatch);
    }
    if fits {
        Ok(())
    } else {
        Err(ReplayError::LabelMismatch)
    }
}

/// How many entries from `first` on are known already.
fn new_entries(first: u64, size: u64) -> Result<usize, ReplayError> {
    let known = size.checked_sub(first).ok_or(LogError::Gap)?;
    usize::try_from(known).map_err(|_| LogError::Gap.into())
}

fn log_key(origin: &str, key: &[u8; 32]) -> Result<VerifierKey, ReplayError> {
    let public = NotePublic::parse(key).map_err(|_| ReplayError::KeyRefused)?;
    Ok(VerifierKey::new(origin, NoteKeyType::Log, public)?)
}

fn parse_checkpoint(text: &str) -> Result<SignedCheckpoint, ReplayError> {
    Ok(text.parse::<SignedCheckpoint>()?)
}

/// The head a feed claims, before anything is verified.
pub fn claimed_head(feed: &Feed) -> Result<Checkpoint, ReplayError> {
    Ok(parse_checkpoint(&feed.checkpoint)?.unverified().clone())
}
