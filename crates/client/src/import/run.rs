//! The import as a whole: folders become cases while their files are sealed, uploaded and registered.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use obhut_crypto::Workers;
use obhut_format::context::Context;
use obhut_format::id::base32;
use obhut_format::{ClassCode, UnitId};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::task::JoinSet;

use super::cases::{FolderCases, as_reason};
use super::journal::Journal;
use super::journal_record::Stage;
use super::progress::{ImportProgress, ImportReport};
use super::round::{ROUND, RoundResult, Rounds};
use super::scan::{CaseFolder, Skipped, list_case_folders};
use super::seal::SealedRevision;
use super::subjects::SubjectsMap;
use super::upload::Worker;
use super::work::{Event, FolderWork, SharedJournal, count_all, walk_folders};
use crate::ClientError;
use crate::clock::system_rng;
use crate::vault::Vault;

/// Documents that wait for more of their kind are registered after this time at the latest.
const ROUND_WAIT: Duration = Duration::from_millis(300);
/// Cases made at once, ahead of their files.
const CASES_AHEAD: usize = 128;
/// Folders handed to the walker before it is done with the one before, so that it has work while a round is registered.
const FOLDERS_AHEAD: usize = 32;
const JOURNALS: &str = "imports";

/// What is to be imported, and how.
#[derive(Clone, Debug)]
pub struct ImportTerms {
    /// The folder; each folder in it becomes a case file.
    pub folder: PathBuf,
    /// The unit the cases belong to; the only one of this caseworker if none is named.
    pub unit: Option<UnitId>,
    /// Retention class of new cases.
    pub class: ClassCode,
    /// Persons, references and titles by folder.
    pub subjects: SubjectsMap,
    /// File reference of folders the map says nothing about; `{folder}` stands for the folder's name.
    pub reference: String,
    /// How many threads seal.
    pub jobs: NonZeroUsize,
}

impl Vault {
    /// Imports a folder. Killed at any time and run again it goes on where it was, without duplicates.
    pub async fn import(
        &mut self,
        terms: &ImportTerms,
        progress: Arc<ImportProgress>,
    ) -> Result<ImportReport, ClientError> {
        let begun = Instant::now();
        let unit = self.caseworker_unit(terms.unit)?;
        let root = std::fs::canonicalize(&terms.folder)
            .map_err(ClientError::io("cannot read", &terms.folder))?;
        let (folders, skipped) =
            list_case_folders(&root).map_err(ClientError::io("cannot read", &root))?;
        terms
            .subjects
            .check_folders(folders.iter().map(|folder| folder.name.as_os_str()))?;
        for _ in &skipped {
            progress.skipped();
        }
        let journal = SharedJournal::new(self.open_journal(&root)?);
        let mut cases = FolderCases::new(self, terms, unit, journal.clone()).await?;
        let report = ImportReport {
            skipped,
            ..ImportReport::default()
        };
        let mut run = Run {
            rounds: Rounds::new(self, journal.clone(), unit),
            progress,
            report,
            waiting: Vec::with_capacity(ROUND),
        };
        run.rounds.repeat_deposits().await?;
        run.all(folders, &mut cases, terms.jobs).await?;
        let mut report = run.report;
        report.persons_enrolled = cases.enrolled;
        report.subjects_added = cases.subjects_added;
        report.cases_without_subjects = cases.without_subjects;
        report.cases_of_other_class = cases.of_other_class;
        report.took = begun.elapsed();
        journal.finish()?;
        Ok(report)
    }

    /// The journal of one folder; lies in the profile.
    fn open_journal(&self, root: &Path) -> Result<Journal, ClientError> {
        let name = Context::new("obhut/import-folder/v1")
            .field(root.as_os_str().as_encoded_bytes())
            .hash();
        let folder = self.profile().folder().join(JOURNALS);
        let made = std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .recursive(true)
            .create(&folder);
        made.map_err(ClientError::io("cannot make", &folder))?;
        let path = folder.join(format!("{}.journal", base32(&name)));
        let key = self.unlocked().key.derive_key("obhut/import-journal/v1");
        Ok(Journal::open(&path, key, &mut system_rng())?)
    }
}

/// An import under way.
struct Run<'a> {
    rounds: Rounds<'a>,
    progress: Arc<ImportProgress>,
    report: ImportReport,
    /// Uploaded, to be registered in the next round.
    waiting: Vec<SealedRevision>,
}

impl Run<'_> {
    async fn all(
        &mut self,
        folders: Vec<CaseFolder>,
        cases: &mut FolderCases,
        jobs: NonZeroUsize,
    ) -> Result<(), ClientError> {
        let counting = (folders.clone(), Arc::clone(&self.progress));
        tokio::task::spawn_blocking(move || count_all(&counting.0, &counting.1));
        let (to_walker, walker_folders) = channel(FOLDERS_AHEAD);
        let (events, mut happened) = channel(4 * ROUND);
        let mut workers = self.start(walker_folders, events, jobs);
        let fed = self.feed(&folders, cases, to_walker, &mut happened).await;
        let done = match fed {
            Ok(()) => self.drain(&mut happened).await,
            failed => failed,
        };
        drop(happened);
        // A worker's own error says more than that its channel was closed.
        while let Some(ended) = workers.join_next().await {
            match ended {
                Ok(worked) => worked?,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        done
    }

    fn start(
        &self,
        folders: Receiver<FolderWork>,
        events: Sender<Event<SealedRevision>>,
        jobs: NonZeroUsize,
    ) -> JoinSet<Result<(), ClientError>> {
        let (to_workers, pieces) = channel(jobs.get());
        let journal = self.rounds.journal.clone();
        let walker_events = events.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn_blocking(move || {
            walk_folders(folders, &to_workers, &walker_events, &journal);
            Ok(())
        });
        let pieces = Arc::new(Mutex::new(pieces));
        let worker = Worker {
            endpoint: self.rounds.vault.endpoint().clone(),
            journal: self.rounds.journal.clone(),
            progress: Arc::clone(&self.progress),
            events,
            workers: Arc::new(Workers::new(jobs)),
        };
        for _ in 0..jobs.get() * 2 {
            tasks.spawn(worker.clone().run(Arc::clone(&pieces)));
        }
        tasks
    }

    /// Makes cases ahead of the walker and registers what comes back meanwhile.
    async fn feed(
        &mut self,
        folders: &[CaseFolder],
        cases: &mut FolderCases,
        walker: Sender<FolderWork>,
        happened: &mut Receiver<Event<SealedRevision>>,
    ) -> Result<(), ClientError> {
        for (number, folder) in folders.iter().enumerate() {
            if number % CASES_AHEAD == 0 {
                let ahead = folders.iter().skip(number).take(CASES_AHEAD);
                let ahead: Vec<_> = ahead.cloned().collect();
                let vault = &mut *self.rounds.vault;
                self.report.cases_created += cases.create_missing(vault, &ahead).await?;
            }
            let (seal, created) = match cases.prepare(self.rounds.vault, folder).await {
                Ok(prepared) => prepared,
                Err(refused) => {
                    self.skip(Skipped {
                        path: folder.path.clone(),
                        reason: as_reason(refused)?,
                    });
                    continue;
                }
            };
            self.report.cases += 1;
            self.report.cases_created += u64::from(created);
            let mut work = FolderWork {
                folder: folder.clone(),
                seal: Arc::new(seal),
                directory: self.rounds.vault.directory().clone(),
            };
            while let Err(TrySendError::Full(back)) = walker.try_send(work) {
                work = back;
                self.take_one(happened).await?;
            }
            if walker.is_closed() {
                break;
            }
        }
        Ok(())
    }

    async fn drain(
        &mut self,
        happened: &mut Receiver<Event<SealedRevision>>,
    ) -> Result<(), ClientError> {
        while self.take_one(happened).await? {}
        self.round().await?;
        self.confirm().await
    }

    /// Takes what happened next, or registers what waits when nothing happens for a while. False: all is done.
    async fn take_one(
        &mut self,
        happened: &mut Receiver<Event<SealedRevision>>,
    ) -> Result<bool, ClientError> {
        match tokio::time::timeout(ROUND_WAIT, happened.recv()).await {
            Err(_) => {
                self.round().await?;
                self.confirm().await?;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Ok(Some(event)) => {
                self.take(event)?;
                if self.waiting.len() == ROUND {
                    self.round().await?;
                }
                Ok(true)
            }
        }
    }

    fn take(&mut self, event: Event<SealedRevision>) -> Result<(), ClientError> {
        match event {
            Event::Uploaded(document) => self.waiting.push(document),
            Event::FoundStored(source, bytes) => {
                self.rounds.note(Stage::Stored, vec![source])?;
                self.unchanged(bytes);
            }
            Event::Unchanged(bytes) => self.unchanged(bytes),
            Event::Skipped(skipped) => self.report.skipped.push(skipped),
        }
        Ok(())
    }

    fn unchanged(&mut self, bytes: u64) {
        self.report.unchanged_files += 1;
        self.progress.uploaded(bytes);
        self.progress.stored(1);
    }

    fn skip(&mut self, skipped: Skipped) {
        self.progress.skipped();
        self.report.skipped.push(skipped);
    }

    async fn round(&mut self) -> Result<(), ClientError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let documents = std::mem::replace(&mut self.waiting, Vec::with_capacity(ROUND));
        let result = self.rounds.run(documents).await?;
        self.count(result);
        Ok(())
    }

    async fn confirm(&mut self) -> Result<(), ClientError> {
        let result = self.rounds.confirm().await?;
        self.count(result);
        Ok(())
    }

    fn count(&mut self, result: RoundResult) {
        self.progress.stored(result.stored.len() as u64);
        self.report.stored_files += result.stored.len() as u64;
        self.report.stored_bytes += result.stored.iter().map(|s| s.true_bytes).sum::<u64>();
        for (document, reason) in result.refused {
            let path = document.path;
            self.skip(Skipped { path, reason });
        }
    }
}
