//! What a restart resumes from: snapshots of both replays and the entries fed since.

use obhut_format::context::Context;
use obhut_format::release::{Feed, FeedEntry};
use obhut_format::{Cbor, Kid, VaultId};
use obhut_log::Checkpoint;
use obhut_log::replay::{AccessReplayer, Replayer};
use obhut_sql::{Batch, Db, Kind, SqlError, Tx, Value, sql};
use rand_core::CryptoRng;

use crate::keys::StorageKeys;
use crate::log_head::LogHead;
use crate::registrations::{self, Fitting};
use crate::replay::{Shard, VaultState};
use crate::rows::int;
use crate::vaults::{self, Enrolled};
use crate::{GateError, Refusal, seen};

/// A snapshot is taken after so many entries, and not before the log has grown by a quarter.
const SNAPSHOT_AFTER: u64 = 1_024;

const TAIL: Batch<4> = Batch::insert(
    "log_tail",
    [
        ("vault", Kind::Blob),
        ("origin", Kind::Text),
        ("idx", Kind::Int),
        ("entry", Kind::Blob),
    ],
);
const KEEP_LOG: &str = "INSERT INTO logs (vault, origin, size, cosigned_size, checkpoint)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (vault, origin) DO UPDATE SET size = excluded.size,
        cosigned_size = excluded.cosigned_size, checkpoint = excluded.checkpoint
        WHERE logs.size <= excluded.size";
const KEEP_SNAPSHOT: &str = "INSERT INTO log_snapshots (vault, origin, size, body)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (vault, origin) DO UPDATE SET size = excluded.size, body = excluded.body";
const SNAPSHOT_SIZE: &str = "SELECT size FROM log_snapshots WHERE vault = $1 AND origin = $2";
const SNAPSHOT: &str = "SELECT body FROM log_snapshots WHERE vault = $1 AND origin = $2";
const CUT_TAIL: &str = "DELETE FROM log_tail WHERE vault = $1 AND origin = $2";
const LOAD_TAIL: &str =
    "SELECT idx, entry FROM log_tail WHERE vault = $1 AND origin = $2 ORDER BY idx";
const LOGS: &str = "SELECT origin, cosigned_size, checkpoint FROM logs WHERE vault = $1";
const TOUCH: &str = "UPDATE vaults SET origin = origin WHERE vault = $1";
const STORAGE_KEYS: &str = "SELECT number, probe FROM storage_keys ORDER BY number";
const KEEP_STORAGE_KEY: &str =
    "INSERT INTO storage_keys (number, probe, made_us) VALUES ($1, $2, $3)";
const DATE_STORAGE_KEY: &str =
    "UPDATE storage_keys SET made_us = $2 WHERE number = $1 AND made_us IS NULL";
const PROBE: &str = "obhut/gate-storage-key/v1";

/// What a feed brought, to be made durable in one transaction.
pub(crate) struct Step<'a> {
    pub(crate) feed: &'a Feed,
    pub(crate) size: u64,
    pub(crate) head: &'a LogHead,
    pub(crate) fitting: &'a Fitting,
    pub(crate) root: Option<Kid>,
}

/// Keeps a step; `snapshot` is asked for when one is due.
pub(crate) async fn keep_step(
    db: &Db,
    step: &Step<'_>,
    snapshot: impl Fn() -> Vec<u8>,
) -> Result<(), Refusal> {
    let (vault, origin) = (step.feed.vault, step.feed.origin.as_str());
    let covered = sql(SNAPSHOT_SIZE).bind(vault.0).bind(origin);
    let covered = match db.fetch_optional("gate_snapshot_size", covered).await? {
        Some(row) => row.column("size")?,
        None => 0,
    };
    let due = step.size.saturating_sub(covered) >= SNAPSHOT_AFTER.max(covered / 4);
    let snapshot = due.then(snapshot);
    db.write("gate_keep_step", async |mut tx| {
        keep_log(&mut tx, vault, origin, step.size, step.head).await?;
        match &snapshot {
            Some(body) => {
                keep_snapshot(&mut tx, step, body).await?;
            }
            None => {
                TAIL.execute(&mut tx, tail_rows(step.feed)).await?;
            }
        }
        registrations::insert(&mut tx, vault, step.fitting).await?;
        if let Some(root) = step.root {
            vaults::pin_root(&mut tx, vault, root).await?;
        }
        Ok::<_, Refusal>(())
    })
    .await
}

async fn keep_snapshot(tx: &mut Tx, step: &Step<'_>, body: &[u8]) -> Result<(), SqlError> {
    let (vault, origin) = (step.feed.vault, step.feed.origin.as_str());
    sql(KEEP_SNAPSHOT)
        .bind(vault.0)
        .bind(origin)
        .bind(int(step.size))
        .bind(body)
        .execute(tx)
        .await?;
    let cut = sql(CUT_TAIL).bind(vault.0).bind(origin);
    cut.execute(tx).await.map(drop)
}

fn tail_rows(feed: &Feed) -> Vec<[Value; 4]> {
    let row = |(index, entry): (u64, &FeedEntry)| {
        [
            feed.vault.0.into(),
            feed.origin.as_str().into(),
            int(index).into(),
            entry.to_bytes().into(),
        ]
    };
    (feed.first..).zip(&feed.entries).map(row).collect()
}

async fn keep_log(
    tx: &mut Tx,
    vault: VaultId,
    origin: &str,
    size: u64,
    head: &LogHead,
) -> Result<(), Refusal> {
    let kept = sql(KEEP_LOG)
        .bind(vault.0)
        .bind(origin)
        .bind(int(size))
        .bind(int(head.cosigned_size))
        .bind(head.to_text())
        .execute(tx)
        .await?;
    // Another process has followed the log further: this one was overtaken and must not turn it back.
    if kept == 0 {
        return Err(Refusal::Unavailable(SqlError::Aborted));
    }
    Ok(())
}

/// Keeps a head with further signatures.
pub(crate) async fn keep_head(
    db: &Db,
    vault: VaultId,
    here: &Checkpoint,
    head: &LogHead,
) -> Result<(), Refusal> {
    db.write("gate_keep_head", async |mut tx| {
        keep_log(&mut tx, vault, &here.origin, here.size, head).await
    })
    .await
}

/// A commit that somebody no longer waits for may still be on its way; a write comes after it.
pub(crate) async fn wait_for_writer(db: &Db, vault: VaultId) -> Result<(), Refusal> {
    db.write("gate_wait_for_writer", async |mut tx| {
        sql(TOUCH).bind(vault.0).execute(&mut tx).await
    })
    .await?;
    Ok(())
}

/// The state a vault had before the restart.
pub(crate) async fn resume(db: &Db, enrolled: Enrolled) -> Result<VaultState, Refusal> {
    let mut state = VaultState::new(enrolled);
    let vault = state.vault;
    state.chain = seen::load_chain(db, vault).await?;
    state.compared = vaults::compared_logs(db, vault).await?;
    let rows = db.fetch_all("gate_logs", sql(LOGS).bind(vault.0)).await?;
    let mut heads = Vec::with_capacity(rows.len());
    for row in rows {
        let origin: String = row.column("origin")?;
        let text: String = row.column("checkpoint")?;
        let head = LogHead::load(&text, row.column("cosigned_size")?);
        heads.push((origin, text, head));
    }
    // Records first: they name the shards.
    heads.sort_by_key(|(origin, ..)| origin != state.records_origin());
    for (origin, checkpoint, head) in heads {
        let kept = Kept::load(db, vault, &origin, checkpoint).await?;
        if origin == state.records_origin() {
            let records = kept.resume_records(state.records.clone())?;
            state.adopt_records(records, head);
            let root = state.directory().card().map(|card| card.root.kid());
            state.enrolled.root = state.enrolled.root.or(root);
        } else {
            let opened = state.directory().find_shard(&origin);
            let key = opened.ok_or(Refusal::ShardUnknown)?.key;
            let replayer = kept.resume_access(AccessReplayer::new(vault, &origin, key))?;
            state.shards.insert(origin, Shard { replayer, head });
        }
    }
    Ok(state)
}

/// A snapshot, if there is one, and what was fed after it.
struct Kept {
    snapshot: Option<Vec<u8>>,
    tail: Feed,
}

impl Kept {
    async fn load(
        db: &Db,
        vault: VaultId,
        origin: &str,
        checkpoint: String,
    ) -> Result<Self, Refusal> {
        let statement = sql(SNAPSHOT).bind(vault.0).bind(origin);
        let snapshot = match db.fetch_optional("gate_snapshot", statement).await? {
            Some(row) => Some(row.column("body")?),
            None => None,
        };
        let statement = sql(LOAD_TAIL).bind(vault.0).bind(origin);
        let rows = db.fetch_all("gate_tail", statement).await?;
        let mut tail = Feed {
            vault,
            origin: origin.to_owned(),
            first: rows.first().map_or(Ok(0), |row| row.column("idx"))?,
            entries: Vec::with_capacity(rows.len()),
            checkpoint,
        };
        for row in &rows {
            let bytes: Vec<u8> = row.column("entry")?;
            let entry = FeedEntry::from_bytes(&bytes).map_err(|_| Refusal::BadBytes)?;
            tail.entries.push(entry);
        }
        Ok(Self { snapshot, tail })
    }

    /// Labels of persons were checked when the entries came.
    fn resume_records(self, empty: Replayer) -> Result<Replayer, Refusal> {
        let mut replayer = match self.snapshot {
            Some(body) => Replayer::from_bytes(&body).map_err(|_| Refusal::BadBytes)?,
            None => empty,
        };
        if !self.tail.entries.is_empty() {
            replayer
                .apply_feed(&self.tail, |_| None)
                .map_err(Refusal::FeedRefused)?;
        }
        Ok(replayer)
    }

    fn resume_access(self, empty: AccessReplayer) -> Result<AccessReplayer, Refusal> {
        let mut replayer = match self.snapshot {
            Some(body) => AccessReplayer::from_bytes(&body).map_err(|_| Refusal::BadBytes)?,
            None => empty,
        };
        if !self.tail.entries.is_empty() {
            let applied = replayer.apply_feed(&self.tail);
            applied.map_err(Refusal::FeedRefused)?;
        }
        Ok(replayer)
    }
}

/// Every key that shares were sealed under is there and the right one; the first start makes one.
pub(crate) async fn verify_storage_keys(
    db: &Db,
    storage: &StorageKeys,
    now_us: u64,
    rng: &mut impl CryptoRng,
) -> Result<(), GateError> {
    let rows = db.fetch_all("gate_storage_keys", sql(STORAGE_KEYS)).await?;
    let probe_context = Context::new(PROBE);
    let mut known = Vec::with_capacity(rows.len());
    for row in rows {
        let number = row.column("number")?;
        let probe: Vec<u8> = row.column("probe")?;
        if storage.open(number, &probe_context, &probe).is_err() {
            return Err(storage.missing(number));
        }
        known.push(number);
    }
    if known.is_empty() && storage.newest().is_none() {
        storage.generate_first(rng)?;
    }
    let newest = storage.newest().unwrap_or_default();
    if known.contains(&newest) {
        return Ok(());
    }
    keep_storage_key(db, storage, now_us, rng)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Unavailable(error) => GateError::Sql(error),
            _ => storage.missing(newest),
        })
}

/// Notes the newest key with something sealed under it, to recognise it by.
pub(crate) async fn keep_storage_key(
    db: &Db,
    storage: &StorageKeys,
    now_us: u64,
    rng: &mut impl CryptoRng,
) -> Result<(), Refusal> {
    let (number, probe) = storage.seal(&Context::new(PROBE), b"probe", rng)?;
    db.write("gate_keep_storage_key", async |mut tx| {
        sql(KEEP_STORAGE_KEY)
            .bind(number)
            .bind(probe.as_slice())
            .bind(int(now_us))
            .execute(&mut tx)
            .await
    })
    .await?;
    Ok(())
}

/// Gives a key of an earlier version a date to count from.
pub(crate) async fn date_storage_key(db: &Db, number: u32, now_us: u64) -> Result<(), Refusal> {
    db.write("gate_date_storage_key", async |mut tx| {
        let statement = sql(DATE_STORAGE_KEY).bind(number).bind(int(now_us));
        statement.execute(&mut tx).await
    })
    .await?;
    Ok(())
}
