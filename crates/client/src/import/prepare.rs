//! Reads, plans, journals and seals sources before anything of them leaves.

use bytes::Bytes;
use obhut_crypto::{SealedCapsule, Workers};
use obhut_format::capsule::{object_bytes, padme};

use super::journal_record::JournalRecord;
use super::plan::{Attempt, Plan, Sighting};
use super::read::{SmallSource, read_small};
use super::scan::{SkipReason, Skipped, SourceFile};
use super::seal::{CapsuleSealer, SealedRevision};
use super::work::{Event, FolderWork, SharedJournal};
use crate::ClientError;
use crate::clock::{now_us, system_rng};

/// Sealed and waiting to be uploaded.
pub(super) struct Ready {
    pub(super) sealed: SealedRevision,
    pub(super) capsule: SealedCapsule,
    pub(super) body: Bytes,
}

/// A piece of small files after reading, journaling and sealing.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) ready: Vec<Ready>,
    pub(super) events: Vec<Event<SealedRevision>>,
    /// Too large by now to be read whole.
    pub(super) grown: Vec<SourceFile>,
}

pub(super) fn prepare_small(
    work: &FolderWork,
    files: Vec<SourceFile>,
    journal: &SharedJournal,
    workers: &Workers,
) -> Result<Prepared, ClientError> {
    let mut prepared = Prepared::default();
    let mut attempts = Vec::with_capacity(files.len());
    for file in files {
        match read_small(&file.path) {
            Ok(Some(source)) => {
                plan_small(work, file, source, journal, &mut attempts, &mut prepared)?;
            }
            Ok(None) => prepared.grown.push(file),
            Err(reason) => prepared.events.push(skip(&file, reason)),
        }
    }
    note_attempts(journal, attempts.iter().map(|(_, _, attempt)| attempt))?;
    let mut renewed = Vec::new();
    for (file, source, attempt) in attempts {
        let record = attempt.record.clone();
        let ready = seal_small(work, &file, &source, attempt, workers)?;
        let (source_id, manifest) = (record.source, ready.sealed.manifest.hash());
        if journal.with(|journal| journal.is_bound_elsewhere(&source_id, &manifest)) {
            // For example: the case got a new key since the share was deposited.
            let attempt = work.planner(now_us()).renew(&record, &mut system_rng());
            renewed.push((file, source, attempt));
        } else {
            prepared.ready.push(ready);
        }
    }
    note_attempts(journal, renewed.iter().map(|(_, _, attempt)| attempt))?;
    for (file, source, attempt) in renewed {
        let ready = seal_small(work, &file, &source, attempt, workers)?;
        prepared.ready.push(ready);
    }
    Ok(prepared)
}

fn plan_small(
    work: &FolderWork,
    file: SourceFile,
    source: SmallSource,
    journal: &SharedJournal,
    attempts: &mut Vec<(SourceFile, SmallSource, Attempt)>,
    prepared: &mut Prepared,
) -> Result<(), ClientError> {
    let sighting = Sighting {
        size_bytes: source.stamp.size_bytes,
        mtime_ns: source.stamp.mtime_ns,
        ..work.sighting(&file)
    };
    let planner = work.planner(now_us());
    let hash = Some(source.hash);
    let plan = journal.with(|journal| planner.plan(journal, &sighting, hash, &mut system_rng()))?;
    match plan {
        Plan::Store(attempt) => attempts.push((file, source, *attempt)),
        Plan::Stored => prepared.events.push(Event::Unchanged(sighting.size_bytes)),
        Plan::FoundStored => prepared
            .events
            .push(Event::FoundStored(sighting.source, sighting.size_bytes)),
    }
    Ok(())
}

pub(super) fn plan_large(
    work: &FolderWork,
    sighting: &Sighting,
    journal: &SharedJournal,
) -> Result<Plan, ClientError> {
    let planner = work.planner(now_us());
    let plan = journal.with(|journal| planner.plan(journal, sighting, None, &mut system_rng()))?;
    if let Plan::Store(attempt) = &plan {
        note_attempts(journal, std::iter::once(&**attempt))?;
    }
    Ok(plan)
}

/// Puts new keys on disk before the first byte sealed under them leaves.
fn note_attempts<'a>(
    journal: &SharedJournal,
    attempts: impl Iterator<Item = &'a Attempt>,
) -> Result<(), ClientError> {
    let new: Vec<&Attempt> = attempts.filter(|attempt| attempt.is_new).collect();
    if new.is_empty() {
        return Ok(());
    }
    let records = new
        .iter()
        .map(|attempt| JournalRecord::Source(attempt.record.clone()))
        .collect();
    let secrets: Vec<_> = new.iter().map(|attempt| &attempt.secrets).collect();
    Ok(journal.with(|journal| journal.append(records, &secrets, &mut system_rng()))?)
}

fn seal_small(
    work: &FolderWork,
    file: &SourceFile,
    source: &SmallSource,
    attempt: Attempt,
    workers: &Workers,
) -> Result<Ready, ClientError> {
    let sealer = CapsuleSealer::new(&work.seal, attempt);
    let length = object_bytes(padme(source.content.len() as u64));
    let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let capsule = sealer.seal_content(workers, source.content.as_slice(), &mut body)?;
    let sealed = sealer.finish(&capsule, file, &mut system_rng())?;
    Ok(Ready {
        sealed,
        capsule,
        body: body.into(),
    })
}

pub(super) fn skip(file: &SourceFile, reason: SkipReason) -> Event<SealedRevision> {
    Event::Skipped(Skipped {
        path: file.path.clone(),
        reason,
    })
}
