//! Checkpoints, apart from commits: tiles, the log's signature, the gatekeeper's replay and its
//! cosignature. Only what is committed is ever signed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use obhut_format::release::{CosignOrder, Feed, FeedEntry, GateRequest, GateResponse, VaultOnly};
use obhut_format::{Blob, Hash, VaultId};
use obhut_log::replay::Directory;
use obhut_log::tile::{TileFile, TileWriter};
use obhut_log::{Checkpoint, Core, Leaf, NoteKeyType, NoteSigner, Recs, SignedCheckpoint};
use obhut_sql::{Db, Engine, Row, sql};
use obhut_suite::{NoteKey, Secret};
use tokio::sync::watch;

use crate::columns::int;
use crate::leadership::Lease;
use crate::sequencer::{Reached, ReachedLog};
use crate::statements::statements;
use crate::tiles::Tiles;
use crate::vault::Halt;
use crate::witness::Witnesses;
use crate::{Notary, StoreError};

statements! {
    SELECT_RECORDS = "SELECT l.core, l.recs, r.payload, r.salt, r.sealed_commitment \
        FROM leaves l JOIN records r ON r.vault = $1 AND r.idx = l.idx \
        WHERE l.log = $2 AND l.idx >= $3 AND l.idx < $4 ORDER BY l.idx";
    KEEP_CHECKPOINT = "INSERT INTO checkpoints (log, size, serial, note) VALUES ($1, $2, 1, $3) \
        ON CONFLICT (log) DO UPDATE SET size = excluded.size, serial = checkpoints.serial + 1, note = excluded.note \
        WHERE checkpoints.log = $1 AND checkpoints.size <= excluded.size";
    SELECT_LEAVES = "SELECT core, recs FROM leaves WHERE log = $1 AND idx >= $2 AND idx < $3 ORDER BY idx";
}

/// Entries of one feed.
const FEED_ENTRIES: u64 = 1_024;
/// An idle log is cosigned again after this time: releases want a quorum at most five minutes old.
const FRESHEN_EVERY: Duration = Duration::from_mins(1);
/// The same trouble is not said more often.
const SAY_AGAIN: Duration = Duration::from_secs(30);
/// Pause after the gatekeeper failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Shortest time between two checkpoints of a log.
const PACE: Duration = Duration::from_millis(2);
/// A log in which nothing happens for so long is saved.
const QUIET: Duration = Duration::from_millis(100);
/// A busy log is saved at least so often.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// The newest heads that a quorum stands behind, by origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(crate) logs: HashMap<String, Arc<SignedCheckpoint>>,
}

/// Publishes what the sequencer commits.
pub(crate) struct Publisher {
    pub(crate) db: Db,
    pub(crate) vault: VaultId,
    pub(crate) lease: Lease,
    pub(crate) notary: Notary,
    pub(crate) witnesses: Witnesses,
    pub(crate) tiles: Tiles,
    pub(crate) records_key: Secret<32>,
    pub(crate) access_key: Secret<32>,
    pub(crate) directory: watch::Receiver<Arc<Directory>>,
    pub(crate) reached: watch::Receiver<Reached>,
    pub(crate) published: watch::Sender<Published>,
    pub(crate) logs: HashMap<String, PublishedLog>,
    /// Since when there are heads that the folder of the tiles does not show yet.
    pub(crate) unsaved: Option<Instant>,
    /// Ends the vault's work here when others turn out to know another history.
    pub(crate) halt: Halt,
    /// What was said last about a checkpoint that waits, and when.
    pub(crate) said: Option<(String, Instant)>,
}

/// How far one log was published.
pub(crate) struct PublishedLog {
    writer: TileWriter,
    fed: u64,
    /// A head published earlier that these leaves must lead to as well.
    earlier: Option<(u64, Hash)>,
    /// Size and time of the newest head with a quorum.
    confirmed: Option<(u64, Instant)>,
}

impl PublishedLog {
    fn is_current(&self, log: &ReachedLog) -> bool {
        self.confirmed
            .is_some_and(|(size, at)| size == log.size && at.elapsed() < FRESHEN_EVERY)
    }
}

impl Publisher {
    /// Works until the sequencer is gone and everything it committed is published, as far as the
    /// gatekeeper can be reached.
    pub(crate) async fn run(mut self) {
        loop {
            let reached = self.reached.borrow_and_update().clone();
            let all = self.publish_all(&reached).await;
            if self.halt.get().is_some() {
                return;
            }
            let pause = match self.unsaved {
                _ if !all => RETRY_AFTER,
                Some(_) => QUIET,
                None => FRESHEN_EVERY,
            };
            let changed = tokio::time::timeout(pause, self.reached.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                let reached = self.reached.borrow().clone();
                if self.publish_all(&reached).await {
                    self.save().await;
                }
                return;
            }
            let waits = self.unsaved.map(|since| since.elapsed());
            if all && (changed.is_err() || waits > Some(SAVE_EVERY)) {
                self.save().await;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// After everything was published: only then checkpoints and tiles fit each other.
    async fn save(&mut self) {
        if self.unsaved.is_none() {
            return;
        }
        let (tiles, origins) = (self.tiles.clone(), self.logs.keys().cloned());
        let origins: Vec<String> = origins.collect();
        let saving = tokio::task::spawn_blocking(move || {
            origins.iter().try_for_each(|origin| tiles.save(origin))
        });
        match saving.await {
            Ok(Ok(())) => self.unsaved = None,
            Ok(Err(error)) => {
                tracing::warn!(vault = %self.vault, %error, "tiles could not be written");
            }
            // Only when the runtime is shutting down.
            Err(_) => {}
        }
    }

    async fn publish_all(&mut self, reached: &Reached) -> bool {
        let mut all = true;
        for log in reached.logs.iter().filter(|log| log.size > 0) {
            let state = self.logs.get(&log.origin);
            if state.is_some_and(|state| state.is_current(log)) {
                continue;
            }
            if let Err(error) = self.publish(log).await {
                self.say_waiting(log, &error);
                all = false;
                if error.is_fork() {
                    // Only the first reason counts.
                    let _ = self.halt.set(error);
                    return false;
                }
            }
        }
        all
    }

    /// Once, and again now and then while it stays so. The refusal's text names ids only.
    fn say_waiting(&mut self, log: &ReachedLog, error: &StoreError) {
        let text = error.to_string();
        let said = self.said.as_ref();
        if said.is_none_or(|(said, at)| *said != text || at.elapsed() > SAY_AGAIN) {
            tracing::warn!(vault = %self.vault, size = log.size, %error, "a checkpoint waits");
            self.said = Some((text, Instant::now()));
        }
    }

    async fn publish(&mut self, log: &ReachedLog) -> Result<(), StoreError> {
        let mut state = match self.logs.remove(&log.origin) {
            Some(state) => state,
            None => self.resume(log).await?,
        };
        // After a failure the tile writer may stand anywhere: the next try resumes once more.
        let signed = self.advance(log, &mut state).await?;
        self.confirm(log, signed).await?;
        if state.confirmed.is_none_or(|(size, _)| size != log.size) {
            self.unsaved.get_or_insert_with(Instant::now);
        }
        state.confirmed = Some((log.size, Instant::now()));
        self.logs.insert(log.origin.clone(), state);
        Ok(())
    }

    /// Goes on behind the checkpoint published last. When its tiles do not lead to it they are
    /// built from the first leaf again, and must lead to it then.
    async fn resume(&self, log: &ReachedLog) -> Result<PublishedLog, StoreError> {
        let fed = self.ask_fed(log).await?;
        let earlier = self.tiles.read_checkpoint(&log.origin);
        let published = earlier.as_ref().map_or(0, |head| head.size);
        for (seen, by) in [(fed, "the gatekeeper"), (published, "the published tiles")] {
            if seen > log.size {
                return Err(StoreError::Behind {
                    origin: log.origin.clone(),
                    here: log.size,
                    seen,
                    by,
                });
            }
        }
        let Some(head) = earlier else {
            return Ok(PublishedLog {
                writer: TileWriter::new(),
                fed,
                earlier: None,
                confirmed: None,
            });
        };
        let read = |tile| self.tiles.read(&log.origin, tile);
        let writer = TileWriter::resume(head.size, &head.root, read);
        let from_start = writer.is_err() || fed < head.size;
        Ok(PublishedLog {
            earlier: from_start.then_some((head.size, head.root)),
            writer: match writer {
                Ok(writer) if !from_start => writer,
                _ => TileWriter::new(),
            },
            fed,
            confirmed: None,
        })
    }

    /// Writes tiles and feeds the gatekeeper up to the committed size; gives the signed head.
    async fn advance(
        &self,
        log: &ReachedLog,
        state: &mut PublishedLog,
    ) -> Result<SignedCheckpoint, StoreError> {
        let signer = self.signer(log)?;
        while state.writer.size() < log.size {
            let first = state.writer.size();
            let mut end = log.size.min(first + FEED_ENTRIES);
            if let Some((size, _)) = state.earlier.filter(|(size, _)| *size > first) {
                end = end.min(size);
            }
            let entries = self.read_feed(log, first, end, &mut state.writer).await?;
            let root = state.writer.root();
            if state
                .earlier
                .is_some_and(|(size, earlier)| size == end && earlier != root)
            {
                return Err(StoreError::Forked {
                    origin: log.origin.clone(),
                    size: end,
                    by: "the published tiles",
                });
            }
            // Before anything is published or signed: tiles and rows must tell of one log.
            if end == log.size && root != log.root {
                return Err(StoreError::Damaged(
                    "the tiles do not lead to the log's head",
                ));
            }
            let files = state.writer.flush();
            self.write_tiles(log, files).await?;
            if end > state.fed {
                let signed = self.sign(log, &signer, end, root)?;
                state.fed = self.feed(log, first, entries, &signed).await?;
            }
        }
        if state.writer.root() != log.root {
            return Err(StoreError::Damaged(
                "the tiles do not lead to the log's head",
            ));
        }
        self.sign(log, &signer, log.size, log.root)
    }

    /// Only ever called for a size and root that are committed, so that no size is signed with two
    /// roots, whoever else may think of itself as the leader. What is signed late helps nobody.
    fn sign(
        &self,
        log: &ReachedLog,
        signer: &NoteSigner,
        size: u64,
        root: Hash,
    ) -> Result<SignedCheckpoint, StoreError> {
        if !self.lease.is_valid() {
            return Err(StoreError::NotLeading);
        }
        let checkpoint = Checkpoint {
            origin: log.origin.clone(),
            size,
            root,
        };
        Ok(SignedCheckpoint::sign(checkpoint, signer)?)
    }

    async fn write_tiles(&self, log: &ReachedLog, files: Vec<TileFile>) -> Result<(), StoreError> {
        if !files.iter().any(|file| file.path.is_full()) {
            return self
                .tiles
                .write(&log.origin, files)
                .map_err(StoreError::Tiles);
        }
        let (tiles, origin) = (self.tiles.clone(), log.origin.clone());
        let writing = tokio::task::spawn_blocking(move || tiles.write(&origin, files));
        let written = writing.await.map_err(|_| StoreError::Stopped)?;
        written.map_err(StoreError::Tiles)
    }

    fn signer(&self, log: &ReachedLog) -> Result<NoteSigner, StoreError> {
        let seed = if log.is_records {
            &self.records_key
        } else {
            &self.access_key
        };
        let key = NoteKey::from_seed(seed);
        Ok(NoteSigner::new(log.origin.clone(), NoteKeyType::Log, key)?)
    }

    async fn read_feed(
        &self,
        log: &ReachedLog,
        first: u64,
        end: u64,
        writer: &mut TileWriter,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let statement = if log.is_records {
            sql(SELECT_RECORDS).bind(self.vault.0).bind(log.log)
        } else {
            sql(SELECT_LEAVES).bind(log.log)
        };
        let statement = statement.bind(int(first)).bind(int(end));
        let rows = self.db.fetch_all("read_feed", statement).await?;
        if rows.len() as u64 != end - first {
            return Err(StoreError::Damaged("leaves are missing"));
        }
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let core = Core::parse(&row.column::<Vec<u8>>("core")?)?;
            let recs = Recs::parse(&row.column::<Vec<u8>>("recs")?)?;
            writer.append(&Leaf::new(core, &recs).to_bytes())?;
            entries.push(feed_entry(row, &core, &recs, log.is_records)?);
        }
        Ok(entries)
    }

    async fn feed(
        &self,
        log: &ReachedLog,
        first: u64,
        entries: Vec<FeedEntry>,
        signed: &SignedCheckpoint,
    ) -> Result<u64, StoreError> {
        let feed = Feed {
            vault: self.vault,
            origin: log.origin.clone(),
            first,
            entries,
            checkpoint: signed.to_string(),
        };
        match self.notary.ask(&GateRequest::Feed(feed)).await? {
            GateResponse::Fed(size) => Ok(size),
            _ => Err(StoreError::GateUnavailable),
        }
    }

    async fn ask_fed(&self, log: &ReachedLog) -> Result<u64, StoreError> {
        let status = GateRequest::Status(VaultOnly { vault: self.vault });
        let GateResponse::Status(status) = self.notary.ask(&status).await? else {
            return Err(StoreError::GateUnavailable);
        };
        let known = status.logs.iter().find(|known| known.origin == log.origin);
        Ok(known.map_or(0, |known| known.size))
    }

    /// Other servers show a head no later than this one does. SQLite has no other servers.
    async fn tell_followers(
        &self,
        log: &ReachedLog,
        signed: &SignedCheckpoint,
    ) -> Result<(), StoreError> {
        if self.db.engine() == Engine::Sqlite {
            return Ok(());
        }
        let note = &signed.to_string();
        self.db
            .write("keep_checkpoint", move |mut tx| async move {
                sql(KEEP_CHECKPOINT)
                    .bind(log.log)
                    .bind(int(log.size))
                    .bind(note.as_str())
                    .execute(&mut tx)
                    .await
            })
            .await?;
        Ok(())
    }

    /// Collects the cosignatures, the witnesses' first, so that the gatekeeper sees the whole quorum, and tells whoever waits, once the card's quorum is complete.
    async fn confirm(
        &mut self,
        log: &ReachedLog,
        mut signed: SignedCheckpoint,
    ) -> Result<(), StoreError> {
        self.witnesses.cosign(&mut signed, &self.tiles).await;
        let order = GateRequest::Cosign(CosignOrder {
            vault: self.vault,
            checkpoint: signed.to_string(),
        });
        let GateResponse::Cosigned(line) = self.notary.ask(&order).await? else {
            return Err(StoreError::GateUnavailable);
        };
        let cosigned = format!("{}{}\n", signed, line.trim_end());
        let cosigned: SignedCheckpoint = cosigned.parse()?;
        signed.merge(&cosigned)?;
        let directory = Arc::clone(&self.directory.borrow());
        let quorum = if log.is_records {
            directory.records_quorum()
        } else {
            directory.access_quorum(&log.origin)
        };
        let quorum = quorum.map_err(|_| StoreError::NoQuorum)?;
        drop(quorum.verify(&signed)?);
        self.tell_followers(log, &signed).await?;
        self.tiles.publish(&log.origin, signed.to_string());
        self.published.send_modify(|published| {
            published.logs.insert(log.origin.clone(), Arc::new(signed));
        });
        Ok(())
    }
}

fn feed_entry(
    row: &Row,
    core: &Core,
    recs: &Recs,
    is_records: bool,
) -> Result<FeedEntry, StoreError> {
    let labels = recs.to_records();
    let core = Blob(core.to_bytes().to_vec());
    if !is_records {
        return Ok(FeedEntry {
            core,
            labels,
            payload: None,
            salt: None,
            q_commitment: None,
        });
    }
    Ok(FeedEntry {
        core,
        labels,
        payload: Some(Blob(row.column("payload")?)),
        salt: Some(row.column("salt")?),
        q_commitment: Some(row.column("sealed_commitment")?),
    })
}
