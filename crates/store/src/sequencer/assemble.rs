//! From plans to leaves: commitments, seals, chains.

use obhut_format::context::sha256;
use obhut_format::entry::{
    ClosePayload, Decision, EntryWrap, GroupA1, GroupA2, GroupD, GroupR, LeafType, Outcome,
};
use obhut_format::{Cbor, Hash};
use obhut_log::entry::{EntryDraft, SealedEntry, record_core};
use obhut_log::replay::Directory;
use obhut_log::{Core, DAY_MS, Flags, Label, close_commitment};
use obhut_model::{Refusal, policy};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use super::commit::{EntryRow, LogCommit, LogName, RecordRow};
use super::log_state::{LogDraft, LogState};
use super::parts::Part;
use super::plan::PlannedRecord;
use super::reader_keys::ReaderKeys;
use super::work::{CloseWork, LoggedAct, LoggedLeaf};
use crate::StoreError;
use crate::act::VerifiedAct;
use crate::kept::seal_entry;

/// Leaves and rows of a batch under construction.
pub(crate) struct Assembly<'a> {
    pub(crate) logs: &'a [LogState],
    pub(crate) drafts: Vec<LogDraft>,
    pub(crate) directory: &'a Directory,
    pub(crate) keys: &'a mut ReaderKeys,
    pub(crate) rng: &'a mut ChaCha20Rng,
    pub(crate) time_ms: u64,
    pub(crate) records: Vec<RecordRow>,
    pub(crate) entries: Vec<EntryRow>,
    /// Entries of releases, for which the answer may be asked for again, sealed, by their act.
    pub(crate) kept: Vec<(Hash, Vec<u8>)>,
}

impl Assembly<'_> {
    /// Adds a record; `labels` are resolved already.
    pub(crate) fn add_record(
        &mut self,
        planned: &PlannedRecord,
        labels: &[(Label, Option<Hash>)],
    ) -> Result<u64, StoreError> {
        let salt = self.salt();
        let sealed_salt = self.salt();
        let (core, sealed_commitment) = record_core(
            &planned.payload,
            &salt,
            &planned.sealed,
            &sealed_salt,
            self.time_ms,
        );
        let idx = self.append(0, core, labels)?;
        self.records.push(RecordRow {
            idx,
            payload: planned.payload.clone(),
            salt,
            sealed: planned.sealed.clone(),
            sealed_salt,
            sealed_commitment,
            reader_unit: planned.reader_unit,
        });
        Ok(idx)
    }

    /// Adds every part of an act's entry to the log at `position`, and their CLOSE leaves when the
    /// outcome is known already.
    pub(crate) fn add_act(
        &mut self,
        position: usize,
        act: &VerifiedAct,
        refusal: Option<Refusal>,
        parts: &[(Part, Vec<Label>)],
        outcome: Option<Outcome>,
    ) -> Result<LoggedAct, StoreError> {
        let shard = self.log(position)?.origin.clone();
        let mut leaves = Vec::with_capacity(parts.len());
        for (number, (part, labels)) in (1_u64..).zip(parts) {
            let draft = self.draft_entry(act, refusal, part, number, parts.len() as u64);
            let mut flags = Flags::NONE;
            if refusal.is_some() {
                flags = flags.with(Flags::REFUSED);
            }
            if parts.len() > 1 {
                flags = flags.with(Flags::PART);
            }
            let sealed = draft.seal(&shard, self.time_ms, flags, self.rng)?;
            let wraps = self.wrap(&shard, &draft, &sealed)?;
            let with_root: Vec<(Label, Option<Hash>)> =
                labels.iter().map(|label| (*label, None)).collect();
            let idx = self.append(position, sealed.core, &with_root)?;
            self.entries.push(EntryRow {
                log: position,
                idx,
                payload: sealed.payload,
                act: Some(act.hash()),
                wraps,
                open: outcome.is_none() && refusal.is_none(),
                closes: None,
            });
            leaves.push(LoggedLeaf {
                index: idx,
                core: sealed.core,
                recs: self.last_recs(position)?,
                openings: sealed.openings,
            });
        }
        if let Some(outcome) = outcome {
            for (leaf, (_, labels)) in leaves.iter().zip(parts) {
                self.add_close(position, leaf.index, labels, outcome, None)?;
            }
        }
        let entry = LoggedAct { shard, leaves };
        let releases = act.request().epk.is_some();
        if releases && refusal.is_none() {
            let sealed = seal_entry(act, &entry, self.rng)?;
            self.kept.push((act.hash(), sealed));
        }
        Ok(entry)
    }

    /// Adds a CLOSE leaf asked for by a front end.
    pub(crate) fn add_close_work(
        &mut self,
        position: usize,
        work: &CloseWork,
    ) -> Result<(), StoreError> {
        self.add_close(
            position,
            work.entry,
            &work.labels,
            work.outcome,
            work.receipt,
        )
    }

    fn add_close(
        &mut self,
        position: usize,
        entry: u64,
        labels: &[Label],
        outcome: Outcome,
        receipt: Option<Hash>,
    ) -> Result<(), StoreError> {
        let payload = ClosePayload {
            entry,
            outcome,
            receipt,
        }
        .to_bytes();
        let core = Core {
            kind: LeafType::Close.code() as u8,
            flags: match outcome {
                Outcome::Done => Flags::NONE,
                _ => Flags::FAILED,
            },
            time_ms: self.time_ms,
            commitment: close_commitment(&payload),
            payload_hash: sha256(&[&payload]),
        };
        let labels: Vec<(Label, Option<Hash>)> =
            labels.iter().map(|label| (*label, None)).collect();
        let idx = self.append(position, core, &labels)?;
        self.entries.push(EntryRow {
            log: position,
            idx,
            payload,
            act: None,
            wraps: Vec::new(),
            open: false,
            closes: Some(entry),
        });
        Ok(())
    }

    fn draft_entry(
        &self,
        act: &VerifiedAct,
        refusal: Option<Refusal>,
        part: &Part,
        number: u64,
        parts: u64,
    ) -> EntryDraft {
        let request = act.request();
        let asked = act.act();
        let decision = match refusal {
            Some(_) => Decision::Refused,
            None => Decision::Allowed,
        };
        // What a change or a search is about follows from its payload.
        let meant = asked.payload_hash.and(part.only_case());
        let case = asked.case.or(meant);
        let class = case.and_then(|case| self.directory.case(case));
        EntryDraft {
            a1: GroupA1 {
                kind: asked.kind,
                unit: asked.unit,
                role: asked.role,
                on_behalf: asked.on_behalf_of.is_some(),
                decision,
                part: number,
                parts,
            },
            a2: GroupA2 {
                person: asked.person,
                device: asked.device,
                on_behalf_of: asked.on_behalf_of,
            },
            subjects: part.subjects.clone(),
            d: GroupD {
                case,
                class: class.map(|case| case.class),
                objects: part.objects.clone(),
                objects_root: asked.objects_root,
                object_count: asked.object_count,
            },
            w: request.reason.clone(),
            w_salt: request.reason_salt,
            r: GroupR {
                signed: request.signed.clone(),
                decision,
                refusal: refusal.map(|refusal| refusal.as_str().to_owned()),
                policy_version: policy::VERSION,
            },
        }
    }

    fn wrap(
        &mut self,
        shard: &str,
        draft: &EntryDraft,
        sealed: &SealedEntry,
    ) -> Result<Vec<EntryWrap>, StoreError> {
        let day = self.time_ms / DAY_MS;
        let mut wraps = Vec::with_capacity(draft.subjects.len() + 1);
        for (position, subject) in draft.subjects.iter().enumerate() {
            let key = self
                .keys
                .of_subject(self.directory, shard, day, *subject, self.rng)?;
            if let Some(key) = key {
                wraps.push(sealed.wrap_for_subject(position, key, self.rng)?);
            }
        }
        for officer in self.keys.officers(self.directory, self.time_ms * 1_000) {
            let key = self.keys.of_officer(&officer, shard, day, self.rng)?;
            wraps.push(sealed.wrap_for_dpo(key, self.rng)?);
        }
        Ok(wraps)
    }

    fn append(
        &mut self,
        position: usize,
        core: Core,
        labels: &[(Label, Option<Hash>)],
    ) -> Result<u64, StoreError> {
        let missing = || StoreError::Damaged("a log is missing");
        let log = self.logs.get(position).ok_or_else(missing)?;
        let draft = self.drafts.get_mut(position).ok_or_else(missing)?;
        Ok(log.append(draft, core, labels)?)
    }

    fn last_recs(&self, position: usize) -> Result<obhut_log::Recs, StoreError> {
        let draft = self.drafts.get(position);
        let leaf = draft.and_then(|draft| draft.leaves.last());
        leaf.map(|leaf| leaf.recs.clone())
            .ok_or(StoreError::Damaged("a leaf is missing"))
    }

    fn log(&self, position: usize) -> Result<&LogState, StoreError> {
        self.logs
            .get(position)
            .ok_or(StoreError::Damaged("a log is missing"))
    }

    fn salt(&mut self) -> [u8; 32] {
        let mut salt = [0; 32];
        self.rng.fill_bytes(&mut salt);
        salt
    }
}

/// The logs that grew, by position, and what the commit writes of them.
pub(crate) fn log_commits(logs: &[LogState], drafts: &[LogDraft]) -> Vec<(usize, LogCommit)> {
    let grown = logs.iter().zip(drafts).enumerate();
    grown
        .filter(|(_, (_, draft))| !draft.leaves.is_empty())
        .map(|(position, (log, draft))| {
            let commit = LogCommit {
                log: match log.log {
                    Some(number) => LogName::Known(number),
                    None => LogName::New(log.origin.clone()),
                },
                from: draft.from,
                from_root: log.root(),
                size: draft.size(),
                root: draft.root(),
                leaves: (draft.from..)
                    .zip(&draft.leaves)
                    .map(|(idx, leaf)| (idx, leaf.core, leaf.recs.clone()))
                    .collect(),
            };
            (position, commit)
        })
        .collect()
}
