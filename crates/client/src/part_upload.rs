//! Uploads a large capsule by part. What was sent once under its keys is on disk as a hash, so that an interrupted upload
//! sends the same bytes again or nothing: AES-GCM under the same key and nonce must never see two contents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use obhut_crypto::{CryptoError, SealedCapsule};
use obhut_format::{DocumentId, Hash, ObjectId};
use tokio::sync::mpsc::channel;

use crate::ClientError;
use crate::clock::system_rng;
use crate::import::{JournalRecord, PartRecord, SharedJournal, SourceId};
use crate::part_sink::{PartSink, SealedPart};
use crate::transport::{Endpoint, HeldParts, StoredObject};

/// Parts on their way at once.
const AT_ONCE: usize = 2;

/// The parts of an attempt, remembered on disk.
#[derive(Clone)]
pub(crate) struct PartLog {
    journal: SharedJournal,
    source: SourceId,
    upload: ObjectId,
    known: Arc<Mutex<BTreeMap<u64, Hash>>>,
}

impl PartLog {
    /// Of the latest attempt of a source, uploaded as this object.
    pub(crate) fn new(journal: SharedJournal, source: SourceId, upload: ObjectId) -> Self {
        let known = journal.with(|journal| {
            let state = journal.find_source(&source);
            let state = state.filter(|state| state.record.upload == upload);
            state.map(|state| state.parts.clone()).unwrap_or_default()
        });
        Self {
            journal,
            source,
            upload,
            known: Arc::new(Mutex::new(known)),
        }
    }

    /// True when parts were sent by an earlier run.
    pub(crate) fn is_begun(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Lets a part go: it is the one that was sent before, or it is on disk now that it will be sent.
    /// [`CryptoError::SourceChanged`] when another one was sent under these keys.
    fn admit(&self, number: u64, root: Hash) -> Result<(), ClientError> {
        match self.lock().get(&number) {
            Some(sent) if *sent == root => return Ok(()),
            Some(_) => return Err(CryptoError::SourceChanged.into()),
            None => {}
        }
        let record = JournalRecord::Part(PartRecord {
            source: self.source,
            upload: self.upload,
            number,
            root,
        });
        let append = |journal: &mut crate::import::Journal| {
            journal.append(vec![record], &[], &mut system_rng())
        };
        self.journal.with(append)?;
        self.lock().insert(number, root);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Hash>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a capsule goes.
#[derive(Clone, Copy)]
pub(crate) struct Destination {
    pub(crate) object: ObjectId,
    pub(crate) document: DocumentId,
    pub(crate) revision: u64,
    pub(crate) object_bytes: u64,
}

/// Seals on a thread of its own while parts are sent; `seal` must write the capsule to the sink and check its source. Gives
/// what sealing left once the vault has the object whole and with the same root.
pub(crate) async fn upload_in_parts<T: Send + 'static>(
    endpoint: &Endpoint,
    to: Destination,
    log: PartLog,
    seal: impl FnOnce(PartSink) -> Result<(T, SealedCapsule), CryptoError> + Send + 'static,
) -> Result<(T, SealedCapsule), ClientError> {
    let held = endpoint.held_parts(to.object, to.object_bytes).await?;
    let numbers = match held.stored {
        Some(_) => (0..obhut_format::capsule::part_count(to.object_bytes)).collect(),
        None => held.parts.keys().copied().collect(),
    };
    let (sender, receiver) = channel(1);
    let sink = PartSink::new(to.object_bytes, numbers, sender);
    let sealing = tokio::task::spawn_blocking(move || seal(sink));
    let parts = stream::unfold(receiver, |mut parts| async move {
        parts.recv().await.map(|part| (part, parts))
    });
    let sending = parts
        .map(|part| send(endpoint, to, &log, &held, part))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>();
    let (sealed, sent) = tokio::join!(sealing, sending);
    let sealed = sealed.map_err(|_| ClientError::integrity("sealing stopped"))?;
    let (sealed, capsule) = match (sealed, sent) {
        // The sink broke because sending did: its reason is the one to tell.
        (Err(CryptoError::Io(_)) | Ok(_), Err(failed)) => return Err(failed),
        (Err(failed), _) => return Err(failed.into()),
        (Ok(sealed), Ok(())) => sealed,
    };
    let stored = match held.stored {
        Some(stored) => stored,
        None => {
            endpoint
                .complete_object(to.object, to.document, to.revision, to.object_bytes)
                .await?
        }
    };
    let expected = StoredObject {
        content_root: capsule.content_root,
        object_bytes: to.object_bytes,
    };
    if stored != expected {
        return Err(ClientError::integrity(
            "the vault received other bytes than were sealed",
        ));
    }
    Ok((sealed, capsule))
}

async fn send(
    endpoint: &Endpoint,
    to: Destination,
    log: &PartLog,
    held: &HeldParts,
    part: SealedPart,
) -> Result<(), ClientError> {
    let SealedPart {
        number,
        root,
        bytes,
    } = part;
    let admitting = log.clone();
    tokio::task::spawn_blocking(move || admitting.admit(number, root))
        .await
        .map_err(|_| ClientError::integrity("the journal of an upload stopped"))??;
    let Some(bytes) = bytes else {
        let other = held.parts.get(&number).is_some_and(|held| *held != root);
        return if other { Err(other_bytes()) } else { Ok(()) };
    };
    let answer = store(endpoint, to, number, bytes).await?;
    if answer == root {
        Ok(())
    } else {
        Err(other_bytes())
    }
}

async fn store(
    endpoint: &Endpoint,
    to: Destination,
    number: u64,
    bytes: Bytes,
) -> Result<Hash, ClientError> {
    endpoint
        .store_part(
            to.object,
            to.document,
            to.revision,
            to.object_bytes,
            (number, bytes),
        )
        .await
}

fn other_bytes() -> ClientError {
    ClientError::integrity("the vault holds another part than was sealed")
}
