//! What a piece of work becomes, and who is told.

use std::sync::Arc;

use obhut_format::entry::Outcome;
use obhut_format::mutation::Committed;

use super::assemble::Assembly;
use super::commit::MutationRow;
use super::labelling::Resolved;
use super::work::{LoggedAct, Work};
use crate::StoreError;
use crate::proposal::record_ids;

/// What a piece of work became.
pub(super) enum Done {
    Entry(LoggedAct),
    Mutation(Committed),
    Nothing,
}

/// Adds its leaves and rows.
pub(super) fn add(
    assembly: &mut Assembly<'_>,
    work: &Work,
    resolved: &Resolved,
    mutations: &mut Vec<MutationRow>,
) -> Result<Done, StoreError> {
    let mut first_record = None;
    for (record, labels) in &resolved.records {
        let index = assembly.add_record(record, labels)?;
        first_record.get_or_insert(index);
    }
    let (position, parts) = (resolved.position, resolved.parts.as_slice());
    match work {
        Work::Entry(work) => assembly
            .add_act(position, &work.act, work.refusal, parts, None)
            .map(Done::Entry),
        Work::Mutation(work) => {
            let done = Some(Outcome::Done);
            assembly.add_act(position, &work.act, None, parts, done)?;
            let records = resolved.records.len() as u64;
            let first_record = first_record.unwrap_or(0);
            let mutation = &work.proposal.mutation;
            mutations.push(MutationRow {
                ids: record_ids(mutation),
                hash: work.proposal.hash,
                first_record,
                records,
                mutation: Arc::clone(mutation),
            });
            Ok(Done::Mutation(Committed {
                first_record,
                records,
                records_size: first_record + records,
            }))
        }
        Work::Close(work) => {
            assembly.add_close_work(position, work)?;
            Ok(Done::Nothing)
        }
        Work::Statement(_) => Ok(Done::Nothing),
    }
}

/// Tells every waiter of a committed batch.
pub(super) fn answer(works: Vec<Work>, done: Vec<Done>) {
    for (work, done) in works.into_iter().zip(done) {
        // A waiter that is gone needs no answer; its entry stands.
        match (work, done) {
            (Work::Entry(work), Done::Entry(logged)) => drop(work.reply.send(Ok(logged))),
            (Work::Mutation(work), Done::Mutation(committed)) => {
                drop(work.reply.send(Ok(committed)));
            }
            (Work::Statement(work), _) => drop(work.reply.send(Ok(()))),
            (work, _) => work.fail(StoreError::Stopped),
        }
    }
}

/// Tells every waiter of a batch that was not committed.
pub(super) fn fail_all(works: Vec<Work>, error: &StoreError) {
    for work in works {
        work.fail(match error {
            StoreError::ClockBackwards => StoreError::ClockBackwards,
            StoreError::DiskFull => StoreError::DiskFull,
            StoreError::Stopped => StoreError::Stopped,
            _ => StoreError::NotCommitted,
        });
    }
}
