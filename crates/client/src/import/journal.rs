//! The import journal: what an import must remember to be finished after a kill, without duplicates.
//!
//! Sealed under the profile key. Frames are appended and synced one after the other, so only the last
//! one can be torn; it is cut off. A frame is
//!
//! ```text
//! len(4) slots(4) check(8) || Seal(records)(len) || slot(192) for each record with secrets, in order
//! ```
//!
//! A slot holds a revision's secrets, sealed on its own so that it can be overwritten with zeros once
//! the document is stored.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use obhut_crypto::RevisionSecrets;
use obhut_format::content::SealedKind;
use obhut_format::context::Context;
use obhut_format::{CaseId, Cbor, Hash};
use obhut_suite::Secret;
use rand_core::CryptoRng;

use super::journal_header::{HEADER_BYTES, read_header, write_header};
use super::journal_record::{
    DepositRecord, JournalRecord, PartRecord, SourceId, SourceRecord, Stage, StageRecord,
};

const HEAD_BYTES: u64 = 16;
const SLOT_BYTES: usize =
    RevisionSecrets::JOURNAL_LEN + obhut_suite::SEAL_PREFIX + obhut_suite::TAG;
/// No frame of ours is longer; a longer one is damage.
const MAX_FRAME_BYTES: u32 = 64 << 20;

/// What the journal knows about a source: its latest attempt.
#[derive(Clone, Debug)]
pub struct SourceState {
    /// The attempt.
    pub record: SourceRecord,
    /// How far it came.
    pub stage: Stage,
    /// Roots of the parts that were sent or are about to be, by number.
    pub parts: BTreeMap<u64, Hash>,
    slot: SlotAt,
}

#[derive(Clone, Copy, Debug)]
struct SlotAt {
    frame: u64,
    number: u64,
    offset: u64,
}

/// Why a journal was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A frame before the last one does not open: another profile's key, or damage.
    #[error("the import journal is damaged at byte {0}, or belongs to another profile")]
    Damaged(u64),
    /// The journal is in use.
    #[error("another import of this folder is running")]
    InUse,
    /// The disk refused.
    #[error("the import journal cannot be read or written")]
    Io(#[from] io::Error),
    /// Its secrets are gone, although it is not stored.
    #[error("the import journal has lost the keys of a document that is not stored yet")]
    SecretsLost,
}

/// An open journal with everything it knows.
pub struct Journal {
    file: File,
    id: [u8; 16],
    key: Secret<32>,
    frames: u64,
    end: u64,
    cases: HashMap<Vec<u8>, CaseId>,
    sources: HashMap<SourceId, SourceState>,
    deposits: Vec<DepositRecord>,
    /// Which manifest the share of a source's latest attempt was deposited for.
    deposited: HashMap<SourceId, Hash>,
    /// Slots of attempts that are stored or were given up.
    dead_slots: Vec<u64>,
}

impl Journal {
    /// Opens or makes the journal at `path` and replays it; a torn last frame is cut off, secrets of
    /// what is stored are wiped. Held by one process at a time.
    pub fn open(
        path: &Path,
        key: Secret<32>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, JournalError> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::InUse,
            TryLockError::Error(error) => error.into(),
        })?;
        let id = match read_header(&mut file)? {
            Some(id) => id,
            None => write_header(&mut file, path, rng)?,
        };
        let mut journal = Self {
            file,
            id,
            key,
            frames: 0,
            end: HEADER_BYTES,
            cases: HashMap::new(),
            sources: HashMap::new(),
            deposits: Vec::new(),
            deposited: HashMap::new(),
            dead_slots: Vec::new(),
        };
        journal.replay()?;
        journal.wipe_dead_slots()?;
        Ok(journal)
    }

    /// The case a folder became.
    pub fn find_case(&self, folder: &[u8]) -> Option<CaseId> {
        self.cases.get(folder).copied()
    }

    /// What is known about a source.
    pub fn find_source(&self, source: &SourceId) -> Option<&SourceState> {
        self.sources.get(source)
    }

    /// Everything known, in no order.
    pub fn sources(&self) -> impl Iterator<Item = &SourceState> {
        self.sources.values()
    }

    /// Deposits whose documents are not all stored yet.
    pub fn open_deposits(&self) -> &[DepositRecord] {
        &self.deposits
    }

    /// True when the share of a source's latest attempt is bound to another manifest than this: it cannot be
    /// deposited once more, the source needs new keys.
    pub fn is_bound_elsewhere(&self, source: &SourceId, manifest: &Hash) -> bool {
        self.deposited
            .get(source)
            .is_some_and(|bound| bound != manifest)
    }

    /// The gatekeeper does not take these shares any more: the sources need new keys.
    pub fn give_up_deposit(&mut self, sources: &[SourceId]) {
        // No manifest hashes to zeros.
        let given_up = sources.iter().map(|source| (*source, [0; 32]));
        self.deposited.extend(given_up);
    }

    /// The latest attempt of a source must not be gone on with: what it seals is not what was sent.
    pub fn forget_parts(&mut self, source: &SourceId) {
        if let Some(state) = self.sources.get_mut(source) {
            state.parts.clear();
        }
    }

    fn apply_part(&mut self, part: &PartRecord) {
        let state = self.sources.get_mut(&part.source);
        if let Some(state) = state.filter(|state| state.record.upload == part.upload) {
            state.parts.insert(part.number, part.root);
        }
    }

    /// The secrets of a source's latest attempt.
    pub fn load_secrets(&self, source: &SourceState) -> Result<RevisionSecrets, JournalError> {
        let mut sealed = [0; SLOT_BYTES];
        self.file.read_exact_at(&mut sealed, source.slot.offset)?;
        if sealed == [0; SLOT_BYTES] {
            return Err(JournalError::SecretsLost);
        }
        let context = self.slot_context(source.slot.frame, source.slot.number);
        let opened = obhut_suite::open(&self.key, context.as_bytes(), &sealed)
            .map_err(|_| JournalError::Damaged(source.slot.offset))?;
        // EXPOSE: split into the single secrets.
        RevisionSecrets::from_journal(opened.expose())
            .map_err(|_| JournalError::Damaged(source.slot.offset))
    }

    /// Appends records as one frame and returns once they are on disk. Every
    /// [`JournalRecord::Source`] takes the next of `secrets`. Then the secrets of what is stored by
    /// these records, and of attempts they replace, are overwritten.
    pub fn append(
        &mut self,
        records: Vec<JournalRecord>,
        secrets: &[&RevisionSecrets],
        rng: &mut impl CryptoRng,
    ) -> Result<(), JournalError> {
        let frame = self.seal_frame(&records, secrets, rng)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&frame)?;
        self.file.sync_data()?;
        let slots_at = self.end + (frame.len() - secrets.len() * SLOT_BYTES) as u64;
        self.apply(records, slots_at);
        self.end += frame.len() as u64;
        self.frames += 1;
        self.wipe_dead_slots()
    }

    /// Makes sure that wiped secrets are wiped on disk, too.
    pub fn sync(&self) -> Result<(), JournalError> {
        Ok(self.file.sync_all()?)
    }

    fn seal_frame(
        &self,
        records: &Vec<JournalRecord>,
        secrets: &[&RevisionSecrets],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, JournalError> {
        let context = self.frame_context(self.frames);
        let too_long = |_| JournalError::Damaged(self.end);
        let sealed = obhut_suite::seal(&self.key, context.as_bytes(), &records.to_bytes(), rng)
            .map_err(too_long)?;
        let mut frame = self
            .head(sealed.len() as u32, secrets.len() as u32)
            .to_vec();
        frame.extend(sealed);
        for (number, secret) in (0..).zip(secrets) {
            let context = self.slot_context(self.frames, number);
            let bytes = secret.to_journal();
            // EXPOSE: into the sealed slot.
            let slot = obhut_suite::seal(&self.key, context.as_bytes(), bytes.expose(), rng);
            frame.extend(slot.map_err(too_long)?);
        }
        Ok(frame)
    }

    fn replay(&mut self) -> Result<(), JournalError> {
        let total = self.file.metadata()?.len();
        while self.end < total {
            match self.read_frame(total)? {
                Some((records, slots_at, next)) => {
                    self.apply(records, slots_at);
                    self.end = next;
                    self.frames += 1;
                }
                None => break,
            }
        }
        if self.end < total {
            self.file.set_len(self.end)?;
            self.file.sync_all()?;
        }
        Ok(())
    }

    /// The frame at `end`; none when it is torn, which only the last one can be.
    fn read_frame(
        &mut self,
        total: u64,
    ) -> Result<Option<(Vec<JournalRecord>, u64, u64)>, JournalError> {
        let Some((len, slots)) = self.read_head(total)? else {
            return Ok(None);
        };
        let body_at = self.end + HEAD_BYTES;
        let slots_at = body_at + u64::from(len);
        let next = slots_at + u64::from(slots) * SLOT_BYTES as u64;
        if next > total {
            return Ok(None);
        }
        let mut sealed = vec![0; len as usize];
        self.file.read_exact_at(&mut sealed, body_at)?;
        let context = self.frame_context(self.frames);
        let opened = obhut_suite::open(&self.key, context.as_bytes(), &sealed).ok();
        let records = opened
            // EXPOSE: parsed; records hold no secrets.
            .and_then(|bytes| Vec::<JournalRecord>::from_bytes(bytes.expose()).ok());
        match records {
            Some(records) => Ok(Some((records, slots_at, next))),
            // The first frame cannot be told from one of another profile's key.
            None if next == total && self.frames > 0 => Ok(None),
            None => Err(JournalError::Damaged(self.end)),
        }
    }

    /// Length and slots of the frame at `end`; none when the head was cut or never written.
    fn read_head(&self, total: u64) -> Result<Option<(u32, u32)>, JournalError> {
        if total - self.end < HEAD_BYTES {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES as usize];
        self.file.read_exact_at(&mut head, self.end)?;
        let [l0, l1, l2, l3, s0, s1, s2, s3, ..] = head;
        let len = u32::from_be_bytes([l0, l1, l2, l3]);
        let slots = u32::from_be_bytes([s0, s1, s2, s3]);
        if head == self.head(len, slots) && len <= MAX_FRAME_BYTES {
            return Ok(Some((len, slots)));
        }
        let blank = self.is_blank(total)?;
        let damaged = JournalError::Damaged(self.end);
        if blank { Ok(None) } else { Err(damaged) }
    }

    /// A frame's head; the check keeps a damaged length from passing for a torn end.
    fn head(&self, len: u32, slots: u32) -> [u8; HEAD_BYTES as usize] {
        let check = Context::new("obhut/import-frame/v1")
            .field(&self.id)
            .number(self.frames)
            .number(u64::from(len))
            .number(u64::from(slots))
            .hash();
        let mut head = [0; HEAD_BYTES as usize];
        let fields = len.to_be_bytes().into_iter().chain(slots.to_be_bytes());
        head.iter_mut()
            .zip(fields.chain(check))
            .for_each(|(to, from)| *to = from);
        head
    }

    /// True when only zeros lie from `end` on: space was given to the file, bytes were not.
    fn is_blank(&self, total: u64) -> Result<bool, JournalError> {
        let mut at = self.end;
        let mut buffer = [0; 4096];
        while at < total {
            let want = (total - at).min(buffer.len() as u64) as usize;
            let part = buffer.split_at_mut(want).0;
            self.file.read_exact_at(part, at)?;
            if part.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += want as u64;
        }
        Ok(true)
    }

    fn apply(&mut self, records: Vec<JournalRecord>, slots_at: u64) {
        let mut number = 0;
        for record in records {
            match record {
                JournalRecord::Part(part) => self.apply_part(&part),
                JournalRecord::Case(record) => {
                    self.cases.insert(record.folder.0, record.case);
                }
                JournalRecord::Source(record) => {
                    let slot = SlotAt {
                        frame: self.frames,
                        number,
                        offset: slots_at + number * SLOT_BYTES as u64,
                    };
                    number += 1;
                    let state = SourceState {
                        stage: Stage::Prepared,
                        parts: BTreeMap::new(),
                        slot,
                        record,
                    };
                    self.deposited.remove(&state.record.source);
                    let replaced = self.sources.insert(state.record.source, state);
                    self.dead_slots
                        .extend(replaced.map(|state| state.slot.offset));
                }
                JournalRecord::Deposit(record) => {
                    let bound = record.sources.iter().zip(&record.manifests);
                    self.deposited
                        .extend(bound.map(|(source, manifest)| (*source, *manifest)));
                    self.deposits.push(record);
                }
                JournalRecord::Stage(record) => self.apply_stage(&record),
            }
        }
    }

    fn apply_stage(&mut self, record: &StageRecord) {
        for source in &record.sources {
            if let Some(state) = self.sources.get_mut(source) {
                state.stage = record.stage;
                if record.stage == Stage::Stored {
                    self.dead_slots.push(state.slot.offset);
                    self.deposited.remove(source);
                }
            }
        }
        if record.stage == Stage::Stored {
            let sources = &self.sources;
            let stored = |source: &SourceId| {
                let state = sources.get(source);
                state.is_none_or(|state| state.stage == Stage::Stored)
            };
            self.deposits
                .retain(|deposit| !deposit.sources.iter().all(stored));
        }
    }

    fn wipe_dead_slots(&mut self) -> Result<(), JournalError> {
        for offset in std::mem::take(&mut self.dead_slots) {
            self.file.write_all_at(&[0; SLOT_BYTES], offset)?;
        }
        Ok(())
    }

    fn frame_context(&self, frame: u64) -> Context {
        SealedKind::Journal.context().field(&self.id).number(frame)
    }

    fn slot_context(&self, frame: u64, number: u64) -> Context {
        self.frame_context(frame).number(number)
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
