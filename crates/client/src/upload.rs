//! Uploading while sealing: a few pieces in flight, the source watched for changes, the root compared.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use obhut_crypto::{CryptoError, RevisionSealer, SealedCapsule, Workers};
use obhut_format::ObjectId;
use obhut_format::capsule::{object_bytes, padme};
use tokio::sync::mpsc;

use crate::ClientError;
use crate::transport::{Endpoint, StoredObject};

/// Pieces of a capsule in flight between sealing and sending; about 1 MiB each.
const PIECES: usize = 3;

/// What an upload leaves.
pub(crate) struct Uploaded {
    pub(crate) sealer: RevisionSealer,
    pub(crate) capsule: SealedCapsule,
    pub(crate) true_bytes: u64,
}

/// Sealing and sending run side by side, a few pieces apart.
pub(crate) async fn upload(
    endpoint: &Endpoint,
    workers: Arc<Workers>,
    object: ObjectId,
    sealer: RevisionSealer,
    source: File,
) -> Result<Uploaded, ClientError> {
    let at = *sealer.at();
    let before = Stamp::of(&source)?;
    let object_bytes = object_bytes(padme(before.bytes));
    let (sender, receiver) = mpsc::channel(PIECES);
    let sealing = tokio::task::spawn_blocking(move || {
        let sealed = seal_to_channel(&sealer, &workers, before, &source, &sender);
        (sealer, sealed)
    });
    let sending = endpoint.store_object(
        object,
        at.document,
        at.revision,
        object_bytes,
        pieces(receiver),
    );
    let (sealed, sent) = tokio::join!(sealing, sending);
    let (sealer, sealed) = sealed.map_err(|_| ClientError::integrity("sealing stopped"))?;
    let (capsule, sent) = match (sealed, sent) {
        // The sink broke because the vault refused: its reason is the one to tell.
        (Err(CryptoError::Io(_)) | Ok(_), Err(refused)) => return Err(refused),
        (Err(failed), _) => return Err(failed.into()),
        (Ok(capsule), Ok(sent)) => (capsule, sent),
    };
    let expected = StoredObject {
        content_root: capsule.content_root,
        object_bytes,
    };
    if sent != expected {
        return Err(ClientError::integrity(
            "the vault received other bytes than were sealed",
        ));
    }
    Ok(Uploaded {
        sealer,
        capsule,
        true_bytes: before.bytes,
    })
}

fn seal_to_channel(
    sealer: &RevisionSealer,
    workers: &Workers,
    before: Stamp,
    source: &File,
    sender: &mpsc::Sender<std::io::Result<Bytes>>,
) -> Result<SealedCapsule, CryptoError> {
    let sink = ChannelSink(sender.clone());
    let sealed = sealer.seal_content(before.bytes, workers, source, sink);
    let sealed = sealed.and_then(|sealed| match Stamp::of(source) {
        Ok(after) if after == before => Ok(sealed),
        _ => Err(CryptoError::SourceChanged),
    });
    if sealed.is_err() {
        // Breaks the upload off: the vault must not take a capsule its author does not stand behind.
        let broken = std::io::Error::other("sealing failed");
        let _ = sender.blocking_send(Err(broken));
    }
    sealed
}

/// By what a change of a file is noticed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Time of the last change of the content, nanoseconds since 1970 UTC (two's complement).
    pub(crate) fn modified_ns(&self) -> u64 {
        let (seconds, nanoseconds) = self.modified;
        let all = seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds);
        all.cast_unsigned()
    }

    pub(crate) fn of(file: &File) -> Result<Self, CryptoError> {
        let about = file.metadata().map_err(CryptoError::Io)?;
        Ok(Self {
            bytes: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

struct ChannelSink(mpsc::Sender<std::io::Result<Bytes>>);

impl Write for ChannelSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn pieces(
    mut receiver: mpsc::Receiver<std::io::Result<Bytes>>,
) -> impl Stream<Item = std::io::Result<Bytes>> {
    futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
}
