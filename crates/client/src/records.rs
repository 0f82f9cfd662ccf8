//! The records log on this machine: fetched, replayed, checked against what was pinned, cached.

use obhut_format::batch::RecordPayload;
use obhut_format::card::VaultCard;
use obhut_format::context::sha256;
use obhut_format::release::FeedEntry;
use obhut_format::statement::{Event, Statement};
use obhut_format::{Blob, Cbor, FormatError, record};
use obhut_log::replay::{Directory, Extension, Replayer};
use obhut_log::{Core, SignedCheckpoint, Witnessed};

use crate::ClientError;
use crate::clock::now_us;
use crate::names::SealedNames;
use crate::profile::Profile;
use crate::transport::Endpoint;

const CACHE: &str = "directory";
const CHECKPOINT: &str = "checkpoint-records";
/// A head must have been cosigned within this time; idle logs are cosigned every two minutes.
const MAX_AGE_S: u64 = 300;

record! {
    /// Replay and names in one file, so that they are always of one state.
    CacheFile {
        /// The replayed log.
        1 => replayer: Blob,
        /// Sealed names that came with it.
        2 => names: Blob,
    }
}

/// The replayed records log with the head a quorum stands behind.
pub(crate) struct Records {
    replayer: Replayer,
    names: SealedNames,
    /// The last head of an earlier command: the log must contain it, even if the cache is lost.
    pinned: Option<SignedCheckpoint>,
    head: Option<Witnessed>,
}

impl Records {
    /// What the last command of this profile left, or the empty log. A damaged cache is replayed anew, against the
    /// pinned head.
    pub(crate) fn load(profile: &Profile, card: &VaultCard) -> Result<Self, ClientError> {
        let mut records = Self::empty(card);
        records.pinned = find_pin(profile)?;
        let cached = profile.find(CACHE)?;
        if let Some((replayer, names)) = cached.and_then(|bytes| read_cache(&bytes).ok())
            && replayer.directory().vault() == card.vault
        {
            records.replayer = replayer;
            records.names = names;
        }
        Ok(records)
    }

    /// The log before its first record.
    pub(crate) fn empty(card: &VaultCard) -> Self {
        Self {
            replayer: Replayer::new(card.vault, card.records_origin(), card.records_key),
            names: SealedNames::default(),
            pinned: None,
            head: None,
        }
    }

    /// What the log says.
    pub(crate) fn directory(&self) -> &Directory {
        self.replayer.directory()
    }

    /// The replayed log.
    pub(crate) fn replayer(&self) -> &Replayer {
        &self.replayer
    }

    pub(crate) fn names(&self) -> &SealedNames {
        &self.names
    }

    pub(crate) fn names_mut(&mut self) -> &mut SealedNames {
        &mut self.names
    }

    /// The head verified by the last [`Self::sync`], with its quorum's time.
    pub(crate) fn head(&self) -> Option<&Witnessed> {
        self.head.as_ref()
    }

    /// Whether the last head is of less than [`MAX_AGE_S`] ago.
    pub(crate) fn is_fresh(&self, now_s: u64) -> bool {
        self.head
            .as_ref()
            .is_some_and(|head| head.require_fresh(now_s, MAX_AGE_S).is_ok())
    }

    /// Fetches and replays what is new. Afterwards a fresh quorum stands behind exactly this state, and it
    /// continues what was pinned before.
    pub(crate) async fn sync(
        &mut self,
        endpoint: &Endpoint,
        card: &VaultCard,
        profile: &Profile,
    ) -> Result<(), ClientError> {
        let known = self.replayer.size();
        let text = self.replay(endpoint, card).await?;
        let _held = profile.hold_state()?;
        // Another command of this profile may have come further meanwhile.
        if find_pin(profile)?.is_some_and(|kept| kept.unverified().size > self.replayer.size()) {
            return Ok(());
        }
        profile.save(CHECKPOINT, text.as_bytes())?;
        if self.replayer.size() != known {
            self.save(profile)?;
        }
        Ok(())
    }

    /// As [`Self::sync`] without keeping anything; gives the checkpoint's text.
    pub(crate) async fn replay(
        &mut self,
        endpoint: &Endpoint,
        card: &VaultCard,
    ) -> Result<String, ClientError> {
        if let Some(pinned) = self.pinned.clone() {
            self.replay_to(endpoint, &pinned).await?;
        }
        let mut extension = self.replayer.extend();
        let mut names = self.names.clone();
        let (head, text) = loop {
            let (head, text) = take_page(endpoint, &mut extension, &mut names, u64::MAX).await?;
            if extension.size() == head.unverified().size {
                break (head, text);
            }
        };
        let replayer = extension.finish(&head)?;
        check_card(replayer.directory(), card)?;
        let quorum = replayer.directory().records_quorum()?;
        let witnessed = quorum.verify_fresh(&head, now_us() / 1_000_000, MAX_AGE_S)?;
        self.replayer = replayer;
        self.names = names;
        self.head = Some(witnessed);
        Ok(text)
    }

    /// Up to an older head: the log as it is now must begin with the log as it was then.
    async fn replay_to(
        &mut self,
        endpoint: &Endpoint,
        pinned: &SignedCheckpoint,
    ) -> Result<(), ClientError> {
        let size = pinned.unverified().size;
        if size <= self.replayer.size() {
            return Ok(());
        }
        let mut extension = self.replayer.extend();
        let mut names = self.names.clone();
        while extension.size() < size {
            let (head, _) = take_page(endpoint, &mut extension, &mut names, size).await?;
            refuse_rollback(&head, size)?;
        }
        self.replayer = extension.finish(pinned)?;
        self.names = names;
        Ok(())
    }

    pub(crate) fn save(&self, profile: &Profile) -> Result<(), ClientError> {
        let cache = CacheFile {
            replayer: self.replayer.to_bytes().into(),
            names: self.names.to_bytes().into(),
        };
        profile.save(CACHE, &cache.to_bytes())
    }
}

fn read_cache(bytes: &[u8]) -> Result<(Replayer, SealedNames), FormatError> {
    let cache = CacheFile::from_bytes(bytes)?;
    let replayer = Replayer::from_bytes(&cache.replayer.0)?;
    Ok((replayer, SealedNames::from_bytes(&cache.names.0)?))
}

fn find_pin(profile: &Profile) -> Result<Option<SignedCheckpoint>, ClientError> {
    let Some(text) = profile.find(CHECKPOINT)? else {
        return Ok(None);
    };
    let text = String::from_utf8(text).map_err(|_| damaged_pin())?;
    Ok(Some(text.parse().map_err(|_| damaged_pin())?))
}

fn damaged_pin() -> ClientError {
    ClientError::Profile(format!(
        "{CHECKPOINT} of this profile is damaged; restore it from a backup, or join again"
    ))
}

fn refuse_rollback(head: &SignedCheckpoint, size: u64) -> Result<(), ClientError> {
    let shown = head.unverified().size;
    if shown < size {
        return Err(ClientError::integrity(format!(
            "the vault shows a records log of {shown} entries, but {size} were confirmed before: \
             its history was rolled back"
        )));
    }
    Ok(())
}

/// Fetches the next page and takes its records, but none from index `limit` on.
async fn take_page(
    endpoint: &Endpoint,
    extension: &mut Extension,
    names: &mut SealedNames,
    limit: u64,
) -> Result<(SignedCheckpoint, String), ClientError> {
    let page = endpoint.records(extension.size()).await?;
    let head: SignedCheckpoint = page.checkpoint.parse()?;
    refuse_rollback(&head, extension.size())?;
    if page.first != extension.size() || page.sealed.len() != page.entries.len() {
        return Err(ClientError::integrity(
            "the vault sent another stretch of records than was asked for",
        ));
    }
    if page.entries.is_empty() && extension.size() < head.unverified().size {
        return Err(ClientError::integrity(
            "the vault keeps records back that its checkpoint counts",
        ));
    }
    for (entry, sealed) in page.entries.iter().zip(&page.sealed) {
        if extension.size() == limit {
            break;
        }
        extension.push(entry, &mut |_| None)?;
        take_sealed(entry, sealed, names)?;
    }
    Ok((head, page.checkpoint))
}

/// Keeps the sealed names of persons and units. Their bytes are fixed by the leaf.
pub(crate) fn take_sealed(
    entry: &FeedEntry,
    sealed: &Blob,
    names: &mut SealedNames,
) -> Result<(), ClientError> {
    if sealed.0.is_empty() {
        return Ok(());
    }
    let core = Core::parse(&entry.core.0)?;
    if core.payload_hash != sha256(&[&sealed.0]) {
        return Err(ClientError::integrity(
            "the sealed part of a record is not the logged one",
        ));
    }
    let Some(payload) = &entry.payload else {
        return Ok(());
    };
    let RecordPayload::Statement(signed) = RecordPayload::from_bytes(&payload.0)? else {
        return Ok(());
    };
    match Statement::from_bytes(&signed.statement.0)?.event {
        Event::PersonEnrolled(event) => names.add_person(event.person, sealed.clone()),
        Event::UnitEpoch(event) => names.add_unit(event.unit, event.epoch, sealed.clone()),
        _ => {}
    }
    Ok(())
}

/// The log's card must be the pinned one or a successor the same root signed; the replay checked the signatures.
fn check_card(directory: &Directory, pinned: &VaultCard) -> Result<(), ClientError> {
    let Some(card) = directory.card() else {
        return Err(ClientError::integrity("the records log has no vault card"));
    };
    let same = card.version == pinned.version && card.fingerprint() == pinned.fingerprint();
    let succeeds = card.version > pinned.version && card.root.kid() == pinned.root.kid();
    if same || succeeds {
        Ok(())
    } else {
        Err(ClientError::integrity(
            "the records log begins with another vault card than the pinned one",
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#[path = "records_tests.rs"]
mod tests;
