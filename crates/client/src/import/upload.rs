//! Reads, seals and uploads pieces of work.

use std::fs::File;
use std::io;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use obhut_crypto::{CryptoError, SealedCapsule, Workers};
use obhut_format::capsule::{object_bytes, padme, part_count};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::journal::Journal;
use super::plan::{Attempt, Plan, Sighting};
use super::prepare::{Ready, plan_large, prepare_small, skip};
use super::progress::ImportProgress;
use super::scan::{SkipReason, SourceFile, SourceStamp, open_regular};
use super::seal::{CapsuleSealer, SealedRevision};
use super::sink::{ChannelSink, body_stream};
use super::work::{Event, FolderWork, Piece, SharedJournal};
use crate::ClientError;
use crate::clock::system_rng;
use crate::part_upload::{Destination, PartLog, upload_in_parts};
use crate::transport::{Endpoint, StoredObject};

/// Uploads of one piece that are under way at once.
const UPLOADS_AT_ONCE: usize = 4;
/// How often a large source that changes while it is sealed is sealed again.
const LARGE_ATTEMPTS: u32 = 3;

/// One of several equal workers.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) endpoint: Endpoint,
    pub(super) journal: SharedJournal,
    pub(super) progress: Arc<ImportProgress>,
    pub(super) events: Sender<Event<SealedRevision>>,
    pub(super) workers: Arc<Workers>,
}

/// The registering side is gone: it has an error of its own to tell.
struct Gone;

impl Worker {
    /// Takes pieces until there are no more.
    pub(super) async fn run(self, pieces: Arc<Mutex<Receiver<Piece>>>) -> Result<(), ClientError> {
        loop {
            let piece = pieces.lock().await.recv().await;
            let done = match piece {
                None => return Ok(()),
                Some(Piece::Small(work, files)) => self.store_small(work, files).await,
                Some(Piece::Large(work, file)) => self.store_large(&work, file).await,
            };
            match done {
                Ok(()) => {}
                Err(Stopped::Gone) => return Ok(()),
                Err(Stopped::Failed(failed)) => return Err(failed),
            }
        }
    }

    async fn store_small(
        &self,
        work: Arc<FolderWork>,
        files: Vec<SourceFile>,
    ) -> Result<(), Stopped> {
        let journal = self.journal.clone();
        let (folder, workers) = (Arc::clone(&work), Arc::clone(&self.workers));
        let prepared = blocking(move || prepare_small(&folder, files, &journal, &workers)).await?;
        for event in prepared.events {
            self.tell(event).await?;
        }
        let uploads = prepared.ready.into_iter().map(|ready| self.upload(ready));
        futures_util::stream::iter(uploads)
            .buffer_unordered(UPLOADS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        for file in prepared.grown {
            self.store_large(&work, file).await?;
        }
        Ok(())
    }

    async fn upload(&self, ready: Ready) -> Result<(), Stopped> {
        let Ready {
            sealed,
            capsule,
            body,
        } = ready;
        let (document, revision) = (sealed.manifest.document, sealed.manifest.revision);
        let stored = self
            .endpoint
            .store_small_object(sealed.row.object, document, revision, body)
            .await?;
        self.finish(sealed, &capsule, &stored).await
    }

    async fn finish(
        &self,
        sealed: SealedRevision,
        capsule: &SealedCapsule,
        stored: &StoredObject,
    ) -> Result<(), Stopped> {
        if stored.content_root != capsule.content_root {
            return Err(
                ClientError::integrity("the vault stored other bytes than were uploaded").into(),
            );
        }
        self.progress.uploaded(sealed.true_bytes);
        self.tell(Event::Uploaded(sealed)).await
    }

    async fn tell(&self, event: Event<SealedRevision>) -> Result<(), Stopped> {
        if let Event::Skipped(_) = &event {
            self.progress.skipped();
        }
        let sent = self.events.send(event).await;
        Ok(sent.map_err(|_| Gone)?)
    }

    async fn store_large(
        &self,
        work: &Arc<FolderWork>,
        mut file: SourceFile,
    ) -> Result<(), Stopped> {
        for _ in 0..LARGE_ATTEMPTS {
            match self.try_large(work, &file).await? {
                Large::Done => return Ok(()),
                Large::Skip(reason) => return self.tell(skip(&file, reason)).await,
                Large::Changed(size_bytes, mtime_ns) => {
                    file.size_bytes = size_bytes;
                    file.mtime_ns = mtime_ns;
                }
            }
        }
        self.tell(skip(&file, SkipReason::Changed)).await
    }

    /// Seals a source while it is uploaded. Its keys are new in each attempt, since it is read only once.
    async fn try_large(&self, work: &Arc<FolderWork>, file: &SourceFile) -> Result<Large, Stopped> {
        let (source, stamp) = match open_regular(&file.path) {
            Ok(opened) => opened,
            Err(reason) => return Ok(Large::Skip(reason)),
        };
        let sighting = Sighting {
            size_bytes: stamp.size_bytes,
            mtime_ns: stamp.mtime_ns,
            ..work.sighting(file)
        };
        let journal = self.journal.clone();
        let folder = Arc::clone(work);
        let plan = blocking(move || plan_large(&folder, &sighting, &journal)).await?;
        let attempt = match plan {
            Plan::Store(attempt) => *attempt,
            Plan::Stored => {
                self.tell(Event::Unchanged(stamp.size_bytes)).await?;
                return Ok(Large::Done);
            }
            Plan::FoundStored => {
                let found = Event::FoundStored(sighting.source, stamp.size_bytes);
                self.tell(found).await?;
                return Ok(Large::Done);
            }
        };
        if part_count(object_bytes(padme(attempt.record.size_bytes))) > 1 {
            return self.store_parts(work, file, attempt, (source, stamp)).await;
        }
        let record = attempt.record.clone();
        let length = object_bytes(padme(record.size_bytes));
        let (sink, body) = channel(4);
        let (folder, workers) = (Arc::clone(work), Arc::clone(&self.workers));
        let file_again = file.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let sealer = CapsuleSealer::new(&folder.seal, attempt);
            let mut sink = ChannelSink::new(sink);
            let capsule = sealer.seal_content(&workers, &source, &mut sink)?;
            if !stamp.still_holds(&source)? {
                return Err(CryptoError::SourceChanged);
            }
            sink.finish()?;
            let sealed = sealer.finish(&capsule, &file_again, &mut system_rng())?;
            Ok((sealed, capsule))
        });
        let stored = self
            .endpoint
            .store_object(
                record.upload,
                record.document,
                record.revision,
                length,
                body_stream(body),
            )
            .await;
        match sealing.await.map_err(panicked)? {
            Ok((sealed, capsule)) => {
                self.finish(sealed, &capsule, &stored?).await?;
                Ok(Large::Done)
            }
            Err(CryptoError::SourceChanged) => Ok(look_again(file)),
            // The upload broke and took the pipe with it: its own error says why.
            Err(CryptoError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                stored?;
                Err(ClientError::from(CryptoError::Io(error)).into())
            }
            Err(CryptoError::Io(error)) => Ok(Large::Skip(SkipReason::Unreadable(error.kind()))),
            Err(other) => Err(ClientError::from(other).into()),
        }
    }

    /// By part: what an earlier run has sent is not sent again, as long as it is byte for byte the same.
    async fn store_parts(
        &self,
        work: &Arc<FolderWork>,
        file: &SourceFile,
        attempt: Attempt,
        (source, stamp): (File, SourceStamp),
    ) -> Result<Large, Stopped> {
        let record = attempt.record.clone();
        let log = PartLog::new(self.journal.clone(), record.source, record.upload);
        let is_resumed = log.is_begun();
        let to = Destination {
            object: record.upload,
            document: record.document,
            revision: record.revision,
            object_bytes: object_bytes(padme(record.size_bytes)),
        };
        let (folder, workers) = (Arc::clone(work), Arc::clone(&self.workers));
        let file_again = file.clone();
        let sealed = upload_in_parts(&self.endpoint, to, log, move |sink| {
            let sealer = CapsuleSealer::new(&folder.seal, attempt);
            let capsule = sealer.seal_content_to(&workers, &source, sink)?;
            if !stamp.still_holds(&source)? {
                return Err(CryptoError::SourceChanged);
            }
            let sealed = sealer.finish(&capsule, &file_again, &mut system_rng())?;
            Ok((sealed, capsule))
        });
        let give_up = |journal: &mut Journal| journal.forget_parts(&record.source);
        match sealed.await {
            Ok((sealed, capsule)) => {
                let manifest = sealed.manifest.hash();
                let bound =
                    |journal: &mut Journal| journal.is_bound_elsewhere(&record.source, &manifest);
                if self.journal.with(bound) {
                    // For example: the case got a new key since the share was deposited.
                    self.journal.with(give_up);
                    return Ok(look_again(file));
                }
                let stored = StoredObject {
                    content_root: capsule.content_root,
                    object_bytes: to.object_bytes,
                };
                self.finish(sealed, &capsule, &stored).await?;
                Ok(Large::Done)
            }
            Err(ClientError::Crypto(CryptoError::SourceChanged)) => {
                if is_resumed {
                    self.journal.with(give_up);
                }
                Ok(look_again(file))
            }
            Err(ClientError::Crypto(CryptoError::Io(error))) => {
                Ok(Large::Skip(SkipReason::Unreadable(error.kind())))
            }
            Err(other) => Err(other.into()),
        }
    }
}

enum Large {
    Done,
    Skip(SkipReason),
    /// Length and time it has now.
    Changed(u64, i64),
}

fn look_again(file: &SourceFile) -> Large {
    match open_regular(&file.path) {
        Ok((_, stamp)) => Large::Changed(stamp.size_bytes, stamp.mtime_ns),
        Err(reason) => Large::Skip(reason),
    }
}

enum Stopped {
    Gone,
    Failed(ClientError),
}

impl From<Gone> for Stopped {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<ClientError> for Stopped {
    fn from(failed: ClientError) -> Self {
        Self::Failed(failed)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    tokio::task::spawn_blocking(work).await.map_err(panicked)?
}

fn panicked(error: tokio::task::JoinError) -> ClientError {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => ClientError::Refused("the import was stopped".into()),
    }
}
