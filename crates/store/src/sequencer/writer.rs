//! The writer's loop.

use std::collections::HashSet;
use std::sync::Arc;

use obhut_format::entry::Outcome;
use obhut_format::mutation::Committed;
use obhut_format::{Hash, PersonId, VaultId};
use obhut_log::Label;
use obhut_log::replay::{Directory, RecordLabel};
use obhut_model::Refusal;
use obhut_sql::{Db, SqlError};
use obhut_suite::DeviceKey;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use tokio::sync::{mpsc, oneshot, watch};

use super::assemble::{Assembly, log_commits};
use super::commit::{Commit, MutationRow, Numbers, read_heads, read_seen};
use super::log_state::{LogDraft, LogState};
use super::parts::Part;
use super::person_labels::PersonLabels;
use super::plan::{Plan, PlannedRecord, plan_entry, plan_mutation, plan_statement};
use super::reader_keys::ReaderKeys;
use super::work::{EntryWork, LoggedAct, Work, batch_time_ms};
use crate::act::VerifiedAct;
use crate::proposal::record_ids;
use crate::{Clock, Notary, StoreError};

/// Leaves of one transaction, about.
const MAX_BATCH: usize = 1_024;

/// How far the logs have been committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    /// All logs, the records log first.
    pub(crate) logs: Vec<ReachedLog>,
}

/// How far one log has been committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReachedLog {
    pub(crate) log: i64,
    pub(crate) origin: String,
    pub(crate) is_records: bool,
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// The one writer of a vault.
pub(crate) struct Writer {
    db: Db,
    vault: VaultId,
    clock: Clock,
    notary: Notary,
    rng: ChaCha20Rng,
    records_key: DeviceKey,
    directory: Arc<Directory>,
    /// The records log first.
    logs: Vec<LogState>,
    labels: PersonLabels,
    keys: ReaderKeys,
    published_directory: watch::Sender<Arc<Directory>>,
    reached: watch::Sender<Reached>,
}

/// Why a batch did not get through as it was.
enum Setback {
    /// One piece of work cannot be done.
    One(usize, StoreError),
    /// The database refused something; each piece has to be tried alone.
    Split,
    /// Nothing can be done now.
    All(StoreError),
    /// This process must stop.
    Fatal(StoreError),
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced | StoreError::Damaged(_) => Self::Fatal(error),
            error => Self::All(error),
        }
    }
}

/// What a piece of work became.
enum Done {
    Entry(LoggedAct),
    Mutation(Committed),
    Nothing,
}

impl Writer {
    /// A writer behind these logs.
    pub(crate) fn new(
        db: Db,
        vault: VaultId,
        (clock, notary): (Clock, Notary),
        rng: ChaCha20Rng,
        records_key: DeviceKey,
        logs: Vec<LogState>,
        (published_directory, reached): (watch::Sender<Arc<Directory>>, watch::Sender<Reached>),
    ) -> Self {
        let directory = Arc::clone(&published_directory.borrow());
        reached.send_replace(reach_of(&logs));
        Self {
            db,
            vault,
            clock,
            notary,
            rng,
            records_key,
            directory,
            logs,
            labels: PersonLabels::default(),
            keys: ReaderKeys::default(),
            published_directory,
            reached,
        }
    }

    /// Works until the front ends are gone or the logs turn out to have another writer.
    pub(crate) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Work>) {
        while let Some(first) = queue.recv().await {
            let mut weight = first.weight();
            let mut works = vec![first];
            while weight < MAX_BATCH {
                let Ok(work) = queue.try_recv() else { break };
                weight += work.weight();
                works.push(work);
            }
            if let Err(error) = self.process(works).await {
                tracing::error!(vault = %self.vault, %error, "the sequencer stops");
                break;
            }
        }
        queue.close();
        while let Some(work) = queue.recv().await {
            work.fail(StoreError::Stopped);
        }
    }

    async fn process(&mut self, works: Vec<Work>) -> Result<(), StoreError> {
        let mut works = match self.refuse_seen(works).await {
            Ok(works) => works,
            Err(error) => {
                tracing::warn!(vault = %self.vault, %error, "a batch could not be checked");
                return Ok(());
            }
        };
        for log in &mut self.logs {
            log.trim();
        }
        while !works.is_empty() {
            match self.attempt(&works).await {
                Ok(done) => {
                    answer(works, done);
                    return Ok(());
                }
                Err(Setback::One(position, error)) => {
                    let work = works.remove(position);
                    works.extend(self.set_aside(work, error));
                }
                Err(Setback::Split) if works.len() > 1 => {
                    for work in works {
                        Box::pin(self.process(vec![work])).await?;
                    }
                    return Ok(());
                }
                Err(Setback::Split) => {
                    let conflict = || StoreError::Conflict("a row");
                    works.drain(..).for_each(|work| work.fail(conflict()));
                }
                Err(Setback::All(error)) => {
                    tracing::warn!(vault = %self.vault, %error, "a batch was not committed");
                    fail_all(works, error);
                    return Ok(());
                }
                Err(Setback::Fatal(error)) => {
                    fail_all(works, StoreError::Stopped);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// A mutation whose records are refused is logged as a refused act.
    fn set_aside(&self, work: Work, error: StoreError) -> Option<Work> {
        let Work::Mutation(work) = work else {
            work.fail(error);
            return None;
        };
        let refused = matches!(error, StoreError::Rejected { .. });
        // A waiter that is gone needs no answer.
        drop(work.reply.send(Err(error)));
        if !refused || self.directory.find_shard(&work.act.act().shard).is_none() {
            return None;
        }
        let (reply, _) = oneshot::channel();
        Some(Work::Entry(Box::new(EntryWork {
            act: work.act,
            refusal: Some(Refusal::RecordRefused),
            reply,
        })))
    }

    /// Turns away acts that were logged before, and all but the first of equal acts in the batch.
    async fn refuse_seen(&self, works: Vec<Work>) -> Result<Vec<Work>, StoreError> {
        let acts: Vec<Hash> = works
            .iter()
            .filter_map(|work| Some(act_of(work)?.hash()))
            .collect();
        let seen = match read_seen(&self.db, self.vault, &acts).await {
            Ok(seen) => seen,
            Err(error) => {
                fail_all(works, StoreError::NotCommitted);
                return Err(error);
            }
        };
        let mut seen: HashSet<Hash> = seen.into_iter().collect();
        let mut kept = Vec::with_capacity(works.len());
        for work in works {
            match act_of(&work).map(VerifiedAct::hash) {
                Some(hash) if !seen.insert(hash) => work.fail(StoreError::ActSeen),
                _ => kept.push(work),
            }
        }
        Ok(kept)
    }

    async fn attempt(&mut self, works: &[Work]) -> Result<Vec<Done>, Setback> {
        let last_ms = self.logs.iter().map(|log| log.time_ms).max().unwrap_or(0);
        let time_ms = batch_time_ms(&self.clock, last_ms)?;
        let mut trial = (*self.directory).clone();
        let mut plans = Vec::with_capacity(works.len());
        for (position, work) in works.iter().enumerate() {
            let planned = self.plan(work, &mut trial, time_ms);
            plans.push(planned.map_err(|error| Setback::One(position, error))?);
        }
        let positions = self.find_logs(works, &trial)?;
        let resolved = self.resolve_labels(plans, works, &positions).await?;
        self.load_heads(&resolved).await?;
        let directory = Arc::new(trial);
        let (commit, drafts, done) = self.assemble(works, &resolved, &directory, time_ms)?;
        match Arc::new(commit).write(&self.db).await {
            Ok(numbers) => self.accept(&numbers, drafts, directory),
            Err(StoreError::Sql(SqlError::Constraint { name })) => {
                tracing::warn!(vault = %self.vault, constraint = name, "a batch ran into a constraint");
                return Err(Setback::Split);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(done)
    }

    fn plan(
        &mut self,
        work: &Work,
        trial: &mut Directory,
        time_ms: u64,
    ) -> Result<Plan, StoreError> {
        let time_us = time_ms * 1_000;
        match work {
            Work::Entry(work) => plan_entry(work, trial),
            Work::Mutation(work) => plan_mutation(work, trial, time_us),
            Work::Statement(work) => {
                let mut nonce = [0; 16];
                self.rng.fill_bytes(&mut nonce);
                plan_statement(
                    self.vault,
                    &work.event,
                    &self.records_key,
                    nonce,
                    trial,
                    time_us,
                )
            }
            Work::Close(_) => Ok(Plan {
                records: Vec::new(),
                parts: Vec::new(),
            }),
        }
    }

    /// Position of the log each piece of work goes to; shards that are new get a state of their own.
    fn find_logs(&mut self, works: &[Work], trial: &Directory) -> Result<Vec<usize>, Setback> {
        let mut positions = Vec::with_capacity(works.len());
        for (number, work) in works.iter().enumerate() {
            let shard = match work {
                Work::Statement(_) => {
                    positions.push(0);
                    continue;
                }
                Work::Close(work) => work.shard.as_str(),
                work => act_of(work).map_or("", |act| act.act().shard.as_str()),
            };
            let known = self.logs.iter().position(|log| log.origin == shard);
            let position = match known {
                Some(position) if position > 0 => position,
                _ if trial.find_shard(shard).is_some() => {
                    let tree = obhut_format::tree::TreeBuilder::new();
                    let log = LogState::new(None, shard.to_owned(), false, tree, 0);
                    self.logs.push(log);
                    self.logs.len() - 1
                }
                _ => {
                    let reason = "the act names an unknown shard of the access log";
                    let error = StoreError::rejected("shard-unknown", reason);
                    return Err(Setback::One(number, error));
                }
            };
            positions.push(position);
        }
        Ok(positions)
    }

    async fn resolve_labels(
        &mut self,
        plans: Vec<Plan>,
        works: &[Work],
        positions: &[usize],
    ) -> Result<Vec<Resolved>, Setback> {
        let mut resolved = Vec::with_capacity(plans.len());
        for (number, ((plan, work), position)) in
            plans.into_iter().zip(works).zip(positions).enumerate()
        {
            let one = |error| Setback::One(number, error);
            self.ask_labels(&plan, *position).await.map_err(one)?;
            let closing = match work {
                Work::Close(work) => work.labels.clone(),
                _ => Vec::new(),
            };
            resolved.push(self.resolve(plan, *position, closing).map_err(one)?);
        }
        Ok(resolved)
    }

    async fn ask_labels(&mut self, plan: &Plan, position: usize) -> Result<(), StoreError> {
        for (origin, persons) in self.missing_labels(plan, position) {
            self.labels
                .ask(&self.notary, self.vault, &origin, &persons)
                .await?;
        }
        Ok(())
    }

    fn missing_labels(&self, plan: &Plan, position: usize) -> Vec<(String, Vec<PersonId>)> {
        let records = plan.records.iter().flat_map(|record| &record.labels);
        let in_records: Vec<RecordLabel> = records.map(|(label, _)| *label).collect();
        let in_shard: Vec<RecordLabel> = plan.parts.iter().flat_map(Part::labels).collect();
        let mut missing = Vec::new();
        for (position, labels) in [(0, in_records), (position, in_shard)] {
            if let Some(log) = self.logs.get(position) {
                let persons = self.labels.missing(&log.origin, labels.iter());
                missing.push((log.origin.clone(), persons));
            }
        }
        missing.retain(|(_, persons)| !persons.is_empty());
        missing
    }

    fn resolve(
        &self,
        plan: Plan,
        position: usize,
        closing: Vec<Label>,
    ) -> Result<Resolved, StoreError> {
        let missing = || StoreError::Damaged("a label is missing");
        let origin = |position: usize| {
            let log = self.logs.get(position).ok_or_else(missing)?;
            Ok::<&str, StoreError>(&log.origin)
        };
        let mut records = Vec::with_capacity(plan.records.len());
        for record in plan.records {
            let labels: Option<Vec<_>> = record
                .labels
                .iter()
                .map(|(label, root)| Some((self.labels.find(origin(0).ok()?, label)?, *root)))
                .collect();
            records.push((record, labels.ok_or_else(missing)?));
        }
        let mut parts = Vec::with_capacity(plan.parts.len());
        for part in plan.parts {
            let shard = origin(position)?;
            let labels = part.labels();
            let labels = labels.iter().map(|label| self.labels.find(shard, label));
            let labels: Option<Vec<Label>> = labels.collect();
            parts.push((part, labels.ok_or_else(missing)?));
        }
        Ok(Resolved {
            position,
            records,
            parts,
            closing,
        })
    }

    async fn load_heads(&mut self, resolved: &[Resolved]) -> Result<(), StoreError> {
        for (position, log) in self.logs.iter_mut().enumerate() {
            let labels = resolved.iter().flat_map(|work| work.labels_in(position));
            let unknown = log.unknown_heads(labels);
            if unknown.is_empty() {
                continue;
            }
            let found = match log.log {
                Some(number) => read_heads(&self.db, number, &unknown).await?,
                None => Vec::new(),
            };
            log.learn(&unknown, found);
        }
        Ok(())
    }

    fn assemble(
        &mut self,
        works: &[Work],
        resolved: &[Resolved],
        directory: &Arc<Directory>,
        time_ms: u64,
    ) -> Result<(Commit, Vec<LogDraft>, Vec<Done>), StoreError> {
        let mut assembly = Assembly {
            logs: &self.logs,
            drafts: self.logs.iter().map(LogState::draft).collect(),
            directory,
            keys: &mut self.keys,
            rng: &mut self.rng,
            time_ms,
            records: Vec::new(),
            entries: Vec::new(),
        };
        let mut acts = Vec::new();
        let mut mutations = Vec::new();
        let mut done = Vec::with_capacity(works.len());
        for (work, resolved) in works.iter().zip(resolved) {
            acts.extend(act_of(work).map(VerifiedAct::hash));
            done.push(add(&mut assembly, work, resolved, &mut mutations)?);
        }
        let Assembly {
            drafts,
            records,
            entries,
            ..
        } = assembly;
        let commit = Commit {
            vault: self.vault,
            time_ms,
            after: Arc::clone(directory),
            logs: log_commits(&self.logs, &drafts),
            records,
            entries,
            log_keys: self.keys.fresh().to_vec(),
            acts,
            mutations,
        };
        Ok((commit, drafts, done))
    }

    /// What was committed becomes what everybody sees.
    fn accept(&mut self, numbers: &Numbers, drafts: Vec<LogDraft>, directory: Arc<Directory>) {
        self.keys.committed();
        for (position, (log, draft)) in self.logs.iter_mut().zip(drafts).enumerate() {
            if let Some(number) = numbers.get(&position) {
                log.log = Some(*number);
                log.accept(draft);
            }
        }
        self.directory = Arc::clone(&directory);
        self.published_directory.send_replace(directory);
        self.reached.send_replace(reach_of(&self.logs));
    }
}

/// How far these logs reach.
fn reach_of(logs: &[LogState]) -> Reached {
    let logs = logs.iter().filter_map(|log| {
        Some(ReachedLog {
            log: log.log?,
            origin: log.origin.clone(),
            is_records: log.is_records,
            size: log.size(),
            root: log.root(),
        })
    });
    Reached {
        logs: logs.collect(),
    }
}

/// A label and the state root that stands under it.
type RootedLabel = (Label, Option<Hash>);

/// A plan with all its labels.
struct Resolved {
    position: usize,
    records: Vec<(PlannedRecord, Vec<RootedLabel>)>,
    parts: Vec<(Part, Vec<Label>)>,
    closing: Vec<Label>,
}

impl Resolved {
    /// Its labels in the log at this position.
    fn labels_in(&self, position: usize) -> Vec<Label> {
        let mut labels = Vec::new();
        if position == 0 {
            let records = self.records.iter().flat_map(|(_, labels)| labels);
            labels.extend(records.map(|(label, _)| *label));
        }
        if position == self.position {
            labels.extend(self.parts.iter().flat_map(|(_, labels)| labels));
            labels.extend(&self.closing);
        }
        labels
    }
}

fn add(
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

fn act_of(work: &Work) -> Option<&VerifiedAct> {
    match work {
        Work::Entry(work) => Some(&work.act),
        Work::Mutation(work) => Some(&work.act),
        Work::Close(_) | Work::Statement(_) => None,
    }
}

fn answer(works: Vec<Work>, done: Vec<Done>) {
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

/// The first waiter learns the error itself, the others that the batch failed.
fn fail_all(works: Vec<Work>, error: StoreError) {
    let mut error = Some(error);
    for work in works {
        work.fail(error.take().unwrap_or(StoreError::NotCommitted));
    }
}
