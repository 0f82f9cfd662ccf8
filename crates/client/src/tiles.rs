//! Checks a copy of the published logs offline, with nothing but the vault card.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use obhut_format::card::{Assurance, VaultCard};
use obhut_format::entry::LeafType;
use obhut_format::tree::{TreeBuilder, leaf_hash};
use obhut_format::{Cbor, Hash};
use obhut_log::replay::quorum;
use obhut_log::tile::{TilePath, verify_log};
use obhut_log::{Checkpoint, Leaf, LogError, Quorum, SignedCheckpoint, Witnessed};
use walkdir::WalkDir;

use crate::ClientError;

/// Longest checkpoint that is read.
const MAX_CHECKPOINT_BYTES: u64 = 1 << 20;

/// What a copy of the logs proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TilesReport {
    /// How much of it somebody else confirms.
    pub assurance: Assurance,
    /// Fingerprint of the card it was checked with.
    pub card: Hash,
    /// The logs, records first.
    pub logs: Vec<CheckedLog>,
    /// Logs in the folder that belong to other vaults.
    pub foreign: u64,
}

/// One log whose leaves, tiles and signatures fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedLog {
    /// Its origin.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// When a quorum stood behind the newest head, seconds since 1970 UTC.
    pub witnessed_s: u64,
    /// Older heads that the newest continues.
    pub older_heads: u64,
    /// Leaves by type.
    pub leaves: BTreeMap<&'static str, u64>,
    /// Time of the first and last leaf, milliseconds since 1970 UTC.
    pub times_ms: Option<(u64, u64)>,
}

impl CheckedLog {
    /// The root as it stands in checkpoints.
    pub fn root_text(&self) -> String {
        BASE64.encode(&self.root)
    }
}

/// Reads a card: its canonical bytes, or those in base64url as a vault shows them.
pub fn read_card(path: &Path) -> Result<VaultCard, ClientError> {
    let bytes = std::fs::read(path).map_err(ClientError::io("cannot read", path))?;
    if let Ok(card) = VaultCard::from_bytes(&bytes) {
        return Ok(card);
    }
    let text = bytes.trim_ascii();
    let decoded = BASE64URL_NOPAD.decode(text).unwrap_or_default();
    VaultCard::from_bytes(&decoded)
        .map_err(|_| ClientError::Usage(format!("{} is not a vault card", path.display())))
}

/// Checks every log of the card's vault in `folder`: signatures and quorum of each head, every leaf and
/// tile, that all heads (the newest, older ones beside it, and `seen` ones) are stages of one history.
pub fn verify_tiles(
    folder: &Path,
    card: &VaultCard,
    seen: &[PathBuf],
) -> Result<TilesReport, ClientError> {
    let mut heads = find_heads(folder)?;
    for path in seen {
        let head = read_head(path)?;
        if let Some(log) = heads.get_mut(&head.unverified().origin) {
            log.seen.push(head);
        }
    }
    let prefix = format!("{}/", card.origin);
    let (ours, foreign): (Vec<_>, Vec<_>) = heads
        .into_iter()
        .partition(|(origin, _)| origin.starts_with(&prefix));
    let records = card.records_origin();
    if !ours.iter().any(|(origin, _)| *origin == records) {
        return Err(ClientError::NotFound(format!(
            "{} holds no checkpoint of {records}",
            folder.display()
        )));
    }
    let mut logs = Vec::with_capacity(ours.len());
    for (origin, log) in ours {
        let key = if origin == records {
            &card.records_key
        } else {
            &card.access_key
        };
        let quorum = quorum(card, &origin, key).map_err(|error| broken(&origin, error))?;
        logs.push(check_log(&origin, &log, &quorum)?);
    }
    logs.sort_by_key(|log| (log.origin != records, log.origin.clone()));
    Ok(TilesReport {
        assurance: card.assurance,
        card: card.fingerprint(),
        logs,
        foreign: foreign.len() as u64,
    })
}

/// Heads found for one origin, and the folder the log lies in.
struct FoundLog {
    folder: PathBuf,
    heads: Vec<SignedCheckpoint>,
    /// Heads the caller has from elsewhere.
    seen: Vec<SignedCheckpoint>,
}

/// Files named `checkpoint`, and older ones beside them (`checkpoint…`).
fn find_heads(folder: &Path) -> Result<BTreeMap<String, FoundLog>, ClientError> {
    let mut logs: BTreeMap<String, FoundLog> = BTreeMap::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_owned();
            ClientError::io("cannot read", &path)(error.into())
        })?;
        let name = entry.file_name().to_string_lossy();
        if !entry.file_type().is_file() || !name.starts_with("checkpoint") {
            continue;
        }
        let head = read_head(entry.path())?;
        let log = logs
            .entry(head.unverified().origin.clone())
            .or_insert_with(|| FoundLog {
                folder: entry.path().parent().unwrap_or(folder).to_owned(),
                heads: Vec::new(),
                seen: Vec::new(),
            });
        log.heads.push(head);
    }
    Ok(logs)
}

fn read_head(path: &Path) -> Result<SignedCheckpoint, ClientError> {
    let about = std::fs::metadata(path).map_err(ClientError::io("cannot read", path))?;
    let malformed = || ClientError::integrity(format!("{} is no checkpoint", path.display()));
    if about.len() > MAX_CHECKPOINT_BYTES {
        return Err(malformed());
    }
    let bytes = std::fs::read(path).map_err(ClientError::io("cannot read", path))?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    text.parse().map_err(|_| malformed())
}

fn check_log(origin: &str, found: &FoundLog, quorum: &Quorum) -> Result<CheckedLog, ClientError> {
    let verify = |head| quorum.verify(head).map_err(|error| broken(origin, error));
    let by_size = |head: &Witnessed| (head.checkpoint().size, head.time_s());
    let mut heads: Vec<_> = found.heads.iter().map(verify).collect::<Result<_, _>>()?;
    heads.sort_by_key(by_size);
    let Some(newest) = heads.pop() else {
        return Err(broken(origin, LogError::NotSigned));
    };
    for head in &found.seen {
        heads.push(verify(head)?);
    }
    heads.sort_by_key(by_size);
    let mut walk = Walk::new(&heads);
    let read = |path: TilePath| std::fs::read(found.folder.join(path.to_string())).ok();
    let head = newest.checkpoint();
    walk.compare_heads(origin)?;
    verify_log(head.size, &head.root, read, |index, bytes| {
        walk.take(origin, index, bytes)
    })
    .map_err(|stopped| match stopped {
        Stopped::Log(error) => broken(origin, error),
        Stopped::Named(error) => error,
    })?;
    walk.finish(origin, &newest)
}

/// Why a walk over the leaves ended.
enum Stopped {
    Log(LogError),
    Named(ClientError),
}

impl From<LogError> for Stopped {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

/// Goes over the leaves once and compares every older head on the way.
struct Walk<'a> {
    tree: TreeBuilder,
    older: std::iter::Peekable<std::slice::Iter<'a, Witnessed>>,
    older_heads: u64,
    leaves: BTreeMap<&'static str, u64>,
    times_ms: Option<(u64, u64)>,
}

impl<'a> Walk<'a> {
    fn new(older: &'a [Witnessed]) -> Self {
        Self {
            tree: TreeBuilder::new(),
            older: older.iter().peekable(),
            older_heads: older.len() as u64,
            leaves: BTreeMap::new(),
            times_ms: None,
        }
    }

    fn take(&mut self, origin: &str, index: u64, bytes: &[u8]) -> Result<(), Stopped> {
        let leaf = Leaf::parse(bytes).map_err(|error| {
            Stopped::Named(ClientError::integrity(format!(
                "leaf {index} of {origin}: {error}"
            )))
        })?;
        let time = leaf.core.time_ms;
        let (first, last) = self.times_ms.unwrap_or((time, time));
        if time < last {
            return Err(Stopped::Log(LogError::TimeBackwards));
        }
        self.times_ms = Some((first, time));
        *self.leaves.entry(kind_name(leaf.core.kind)).or_default() += 1;
        self.tree.append(leaf_hash(bytes));
        self.compare_heads(origin).map_err(Stopped::Named)
    }

    fn compare_heads(&mut self, origin: &str) -> Result<(), ClientError> {
        let size = self.tree.size();
        while let Some(head) = self.older.next_if(|head| head.checkpoint().size == size) {
            if head.checkpoint().root != self.tree.root() {
                return Err(two_histories(origin, head.checkpoint()));
            }
        }
        Ok(())
    }

    fn finish(self, origin: &str, newest: &Witnessed) -> Result<CheckedLog, ClientError> {
        let head = newest.checkpoint();
        let mut longer = self.older;
        if let Some(seen) = longer.next() {
            return Err(ClientError::integrity(format!(
                "{origin} was shortened: {} leaves are published, a signed head has {}",
                head.size,
                seen.checkpoint().size
            )));
        }
        Ok(CheckedLog {
            origin: origin.to_owned(),
            size: head.size,
            root: head.root,
            witnessed_s: newest.time_s(),
            older_heads: self.older_heads,
            leaves: self.leaves,
            times_ms: self.times_ms,
        })
    }
}

fn kind_name(code: u8) -> &'static str {
    let found = LeafType::ALL
        .iter()
        .find(|kind| kind.code() == u64::from(code));
    found.map_or("unknown", |kind| kind.as_str())
}

fn two_histories(origin: &str, head: &Checkpoint) -> ClientError {
    ClientError::integrity(format!(
        "{origin} has two histories: a signed head of {} leaves is no stage of the published log",
        head.size
    ))
}

fn broken(origin: &str, error: impl std::fmt::Display) -> ClientError {
    ClientError::integrity(format!("{origin} does not verify: {error}"))
}

#[cfg(test)]
#[path = "tiles_tests.rs"]
mod tests;
