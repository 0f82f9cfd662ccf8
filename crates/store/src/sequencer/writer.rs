//! The writer's loop.

use std::collections::HashSet;
use std::sync::Arc;

use obhut_format::{Hash, VaultId};
use obhut_log::replay::Directory;
use obhut_model::Refusal;
use obhut_sql::{Db, SqlError};
use obhut_suite::DeviceKey;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use tokio::sync::{mpsc, oneshot, watch};

use super::assemble::{Assembly, log_commits};
use super::commit::{Commit, Numbers, read_seen};
use super::labelling::Resolved;
use super::log_state::{LogDraft, LogState};
use super::outcome::{Done, add, answer, fail_all};
use super::person_labels::PersonLabels;
use super::plan::{Plan, mutation_labels, plan_entry, plan_mutation, plan_statement};
use super::reader_keys::ReaderKeys;
use super::work::{EntryWork, Work, batch_time_ms};
use crate::act::VerifiedAct;
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
    pub(super) db: Db,
    pub(super) vault: VaultId,
    term: i64,
    clock: Clock,
    pub(super) notary: Notary,
    rng: ChaCha20Rng,
    records_key: DeviceKey,
    directory: Arc<Directory>,
    /// The records log first.
    pub(super) logs: Vec<LogState>,
    pub(super) labels: PersonLabels,
    keys: ReaderKeys,
    published_directory: watch::Sender<Arc<Directory>>,
    reached: watch::Sender<Reached>,
}

/// Why a batch did not get through as it was.
pub(super) enum Setback {
    /// One piece of work cannot be done.
    One(usize, StoreError),
    /// The database refused something; each piece has to be tried alone.
    Split,
    /// Nothing can be done now.
    All(StoreError),
    /// This process must stop.
    Fatal(StoreError),
}

impl Setback {
    /// What goes wrong with one piece of work does not void its neighbours, unless the process must
    /// stop.
    fn of_one(number: usize, error: StoreError) -> Self {
        match Self::from(error) {
            Self::All(error) => Self::One(number, error),
            setback => setback,
        }
    }
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced | StoreError::Damaged(_) => Self::Fatal(error),
            StoreError::Sql(SqlError::DiskFull(_)) => Self::All(StoreError::DiskFull),
            error => Self::All(error),
        }
    }
}

impl Writer {
    /// A writer behind these logs.
    pub(crate) fn new(
        db: Db,
        (vault, term): (VaultId, i64),
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
            term,
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
        let (works, repeats) = match self.part_seen(works).await {
            Ok(parts) => parts,
            Err(error) => {
                tracing::warn!(vault = %self.vault, %error, "a batch could not be checked");
                return Ok(());
            }
        };
        let written = self.write_all(works).await;
        // Only now is there what a repeat of an act of this very batch is answered from.
        for work in repeats {
            work.fail(StoreError::ActSeen);
        }
        written
    }

    async fn write_all(&mut self, mut works: Vec<Work>) -> Result<(), StoreError> {
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
                        Box::pin(self.write_all(vec![work])).await?;
                    }
                    return Ok(());
                }
                Err(Setback::Split) => {
                    let conflict = || StoreError::Conflict("a row");
                    works.drain(..).for_each(|work| work.fail(conflict()));
                }
                Err(Setback::All(error)) => {
                    tracing::warn!(vault = %self.vault, %error, "a batch was not committed");
                    fail_all(works, &error);
                    return Ok(());
                }
                Err(Setback::Fatal(error)) => {
                    fail_all(works, &StoreError::Stopped);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// What is refused here, after it was allowed a moment ago, is logged as a refused act.
    fn set_aside(&self, work: Work, error: StoreError) -> Option<Work> {
        let refusal = match &error {
            StoreError::Refused(refusal) => Some(*refusal),
            StoreError::Rejected { .. } => Some(Refusal::RecordRefused),
            _ => None,
        };
        // A refused act that cannot be logged is given up: it would come back for ever.
        let again = matches!(&work, Work::Entry(work) if work.refusal.is_some());
        let act = work.act().filter(|_| refusal.is_some() && !again).cloned();
        let about = match &work {
            Work::Mutation(work) => mutation_labels(&work.proposal.mutation, &self.directory),
            _ => Vec::new(),
        };
        work.fail(error);
        let act = act.filter(|act| self.directory.find_shard(&act.act().shard).is_some())?;
        let (reply, _) = oneshot::channel();
        Some(Work::Entry(Box::new(EntryWork {
            act,
            about,
            refusal,
            reply,
        })))
    }

    /// Parts off acts that were logged before, and all but the first of equal acts in the batch.
    async fn part_seen(&self, works: Vec<Work>) -> Result<(Vec<Work>, Vec<Work>), StoreError> {
        let acts: Vec<Hash> = works
            .iter()
            .filter_map(|work| Some(work.act()?.hash()))
            .collect();
        let seen = match read_seen(&self.db, self.vault, &acts).await {
            Ok(seen) => seen,
            Err(error) => {
                fail_all(works, &StoreError::NotCommitted);
                return Err(error);
            }
        };
        let mut seen: HashSet<Hash> = seen.into_iter().collect();
        let mut is_new = |work: &Work| work.act().is_none_or(|act| seen.insert(act.hash()));
        Ok(works.into_iter().partition(|work| is_new(work)))
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
        let commit = Arc::new(commit);
        match Arc::clone(&commit).write(&self.db).await {
            Ok(numbers) => self.accept(&numbers, drafts, directory),
            Err(StoreError::Sql(SqlError::Undecided(error))) => {
                tracing::warn!(vault = %self.vault, %error, "a batch is looked for whose commit was not answered");
                let numbers = self.settle(&commit).await?;
                self.accept(&numbers, drafts, directory);
            }
            Err(StoreError::Sql(SqlError::Constraint { name })) => {
                tracing::warn!(vault = %self.vault, constraint = name, "a batch ran into a constraint");
                return Err(Setback::Split);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(done)
    }

    /// Finds out whether a batch was committed. Who cannot must stop: on logs that nobody knows
    /// nothing can be built.
    async fn settle(&self, commit: &Commit) -> Result<Numbers, Setback> {
        match commit.settle(&self.db).await {
            Ok(Some(numbers)) => Ok(numbers),
            Ok(None) => Err(Setback::All(StoreError::NotCommitted)),
            Err(error) => Err(Setback::Fatal(error)),
        }
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

    fn assemble(
        &mut self,
        works: &[Work],
        resolved: &[Resolved],
        directory: &Arc<Directory>,
        time_ms: u64,
    ) -> Result<(Commit, Vec<LogDraft>, Vec<Done>), Setback> {
        let mut assembly = Assembly {
            logs: &self.logs,
            drafts: self.logs.iter().map(LogState::draft).collect(),
            directory,
            keys: &mut self.keys,
            rng: &mut self.rng,
            time_ms,
            records: Vec::new(),
            entries: Vec::new(),
            kept: Vec::new(),
        };
        let mut acts = Vec::new();
        let mut mutations = Vec::new();
        let mut done = Vec::with_capacity(works.len());
        for (number, (work, resolved)) in works.iter().zip(resolved).enumerate() {
            acts.extend(work.act().map(VerifiedAct::hash));
            let added = add(&mut assembly, work, resolved, &mut mutations);
            done.push(added.map_err(|error| Setback::of_one(number, error))?);
        }
        let Assembly {
            drafts,
            records,
            entries,
            kept,
            ..
        } = assembly;
        let commit = Commit {
            vault: self.vault,
            term: self.term,
            time_ms,
            after: Arc::clone(directory),
            logs: log_commits(&self.logs, &drafts),
            records,
            entries,
            log_keys: self.keys.fresh().to_vec(),
            acts,
            kept,
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
