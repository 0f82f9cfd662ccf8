//! The one transaction of a batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use obhut_format::entry::{EntryWrap, LogKey};
use obhut_format::mutation::Mutation;
use obhut_format::{Cbor, Hash, UnitId, VaultId};
use obhut_log::replay::Directory;
use obhut_log::{ChainHead, Core, Label, Recs};
use obhut_sql::{Batch, Db, Kind, SqlError, Tx, Value, sql};

use crate::StoreError;
use crate::columns::{blob, int};
use crate::rows::write_rows;
use crate::statements::{batches, statements};

statements! {
    ADVANCE_LOG = "UPDATE logs SET size = $3, root = $4, time_ms = $5, term = $7 WHERE log = $1 AND size = $2 AND root = $6 AND term <= $7";
    HOLD_RECORDS = "UPDATE logs SET term = $2 WHERE vault = $1 AND kind = 'records' AND term <= $2";
}

batches! {
    INSERT_LEAVES: 4 = Batch::insert("leaves", [("log", Kind::Int), ("idx", Kind::Int), ("core", Kind::Blob),
        ("recs", Kind::Blob)]);
    INSERT_RECORDS: 8 = Batch::insert("records", [("vault", Kind::Blob), ("idx", Kind::Int), ("payload", Kind::Blob),
        ("salt", Kind::Blob), ("sealed", Kind::Blob), ("sealed_salt", Kind::Blob),
        ("sealed_commitment", Kind::Blob), ("reader_unit", Kind::Blob)]);
    INSERT_ENTRIES: 4 = Batch::insert("entries", [("log", Kind::Int), ("idx", Kind::Int), ("payload", Kind::Blob),
        ("act", Kind::Blob)]);
    INSERT_WRAPS: 4 = Batch::insert("entry_wraps", [("log", Kind::Int), ("idx", Kind::Int), ("log_key", Kind::Blob),
        ("wrap", Kind::Blob)]);
    INSERT_LABELS: 5 = Batch::insert("label_rows", [("log", Kind::Int), ("label", Kind::Blob), ("seq", Kind::Int),
        ("idx", Kind::Int), ("head", Kind::Blob)]);
    INSERT_OPEN: 3 = Batch::insert("open_entries", [("log", Kind::Int), ("idx", Kind::Int), ("time_ms", Kind::Int)]);
    INSERT_LOG_KEYS: 6 = Batch::insert("log_keys", [("vault", Kind::Blob), ("log_key", Kind::Blob),
        ("recipient", Kind::Blob), ("person", Kind::Blob), ("origin", Kind::Text), ("body", Kind::Blob)]);
    INSERT_ACTS: 3 = Batch::insert("seen_acts", [("vault", Kind::Blob), ("act", Kind::Blob), ("time_us", Kind::Int)]);
    INSERT_KEPT: 4 = Batch::insert("kept_entries", [("vault", Kind::Blob), ("act", Kind::Blob), ("time_us", Kind::Int),
        ("sealed", Kind::Blob)]);
    INSERT_MUTATIONS: 5 = Batch::insert("mutations", [("vault", Kind::Blob), ("id", Kind::Blob), ("hash", Kind::Blob),
        ("first_record", Kind::Int), ("records", Kind::Int)]);
    CLOSE_ENTRIES: 2 = Batch::with([("log", Kind::Int), ("idx", Kind::Int)],
        "DELETE FROM open_entries WHERE (log, idx) IN (SELECT log, idx FROM batch)");
    SELECT_HEADS: 2 = Batch::with([("log", Kind::Int), ("label", Kind::Blob)],
        "SELECT l.label, l.seq, l.head FROM batch b JOIN label_rows l ON l.log = b.log AND l.label = b.label \
         AND l.seq = (SELECT MAX(m.seq) FROM label_rows m WHERE m.log = b.log AND m.label = b.label)");
    SELECT_SEEN: 2 = Batch::with([("vault", Kind::Blob), ("act", Kind::Blob)],
        "SELECT s.act FROM batch b JOIN seen_acts s ON s.vault = b.vault AND s.act = b.act");
}

/// Numbers of logs in the database, by their position in memory.
pub(crate) type Numbers = BTreeMap<usize, i64>;

/// Everything a batch writes.
pub(crate) struct Commit {
    pub(crate) vault: VaultId,
    /// Under which the logs were taken over; a later one fences this off.
    pub(crate) term: i64,
    pub(crate) time_ms: u64,
    pub(crate) after: Arc<Directory>,
    /// Logs that grow, by their position in memory.
    pub(crate) logs: Vec<(usize, LogCommit)>,
    pub(crate) records: Vec<RecordRow>,
    pub(crate) entries: Vec<EntryRow>,
    pub(crate) log_keys: Vec<LogKey>,
    pub(crate) acts: Vec<Hash>,
    /// Sealed entries of releases, by their act.
    pub(crate) kept: Vec<(Hash, Vec<u8>)>,
    pub(crate) mutations: Vec<MutationRow>,
}

/// New leaves of one log.
pub(crate) struct LogCommit {
    pub(crate) log: LogName,
    pub(crate) from: u64,
    pub(crate) from_root: Hash,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) leaves: Vec<(u64, Core, Recs)>,
}

/// A log by its number, or one that comes into being with this batch.
pub(crate) enum LogName {
    Known(i64),
    New(String),
}

/// A record's payload.
pub(crate) struct RecordRow {
    pub(crate) idx: u64,
    pub(crate) payload: Vec<u8>,
    pub(crate) salt: [u8; 32],
    pub(crate) sealed: Vec<u8>,
    pub(crate) sealed_salt: [u8; 32],
    pub(crate) sealed_commitment: Hash,
    pub(crate) reader_unit: Option<UnitId>,
}

/// An entry's or a CLOSE's payload.
pub(crate) struct EntryRow {
    /// Position of its log in memory.
    pub(crate) log: usize,
    pub(crate) idx: u64,
    pub(crate) payload: Vec<u8>,
    pub(crate) act: Option<Hash>,
    pub(crate) wraps: Vec<EntryWrap>,
    /// A CLOSE is still to come.
    pub(crate) open: bool,
    /// It is the CLOSE of this entry.
    pub(crate) closes: Option<u64>,
}

/// A mutation with the indices of its records.
pub(crate) struct MutationRow {
    pub(crate) ids: Vec<[u8; 16]>,
    pub(crate) hash: Hash,
    pub(crate) first_record: u64,
    pub(crate) records: u64,
    pub(crate) mutation: Arc<Mutation>,
}

impl Commit {
    /// Writes it all or nothing and gives the logs' numbers. [`StoreError::Fenced`] when a head is
    /// not where this process left it.
    pub(crate) async fn write(self: Arc<Self>, db: &Db) -> Result<Numbers, StoreError> {
        db.write("commit_batch", move |mut tx| {
            let commit = Arc::clone(&self);
            async move { commit.write_in(&mut tx).await }
        })
        .await
    }

    async fn write_in(&self, tx: &mut Tx) -> Result<Numbers, StoreError> {
        let mut numbers = Numbers::new();
        for (position, log) in &self.logs {
            numbers.insert(*position, self.advance(tx, log).await?);
        }
        self.write_leaves(tx, &numbers).await?;
        self.write_records(tx).await?;
        self.write_entries(tx, &numbers).await?;
        self.write_acts(tx).await?;
        for row in &self.mutations {
            let now_us = self.time_ms * 1_000;
            write_rows(tx, self.vault, &row.mutation, &self.after, now_us).await?;
        }
        Ok(numbers)
    }

    async fn advance(&self, tx: &mut Tx, log: &LogCommit) -> Result<i64, StoreError> {
        let number = match &log.log {
            LogName::Known(number) => *number,
            LogName::New(origin) => {
                self.hold_records(tx).await?;
                crate::vaults::insert_log(tx, self.vault, origin, "access").await?
            }
        };
        let advanced = sql(ADVANCE_LOG)
            .bind(number)
            .bind(int(log.from))
            .bind(int(log.size))
            .bind(log.root)
            .bind(int(self.time_ms))
            .bind(log.from_root)
            .bind(self.term)
            .execute(tx)
            .await?;
        if advanced == 1 {
            Ok(number)
        } else {
            Err(StoreError::Fenced)
        }
    }

    /// A new log has no head yet that says who may write it, nor one that the next batch would wait for.
    async fn hold_records(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let held = sql(HOLD_RECORDS).bind(self.vault.0).bind(self.term);
        match held.execute(tx).await? {
            1 => Ok(()),
            _ => Err(StoreError::Fenced),
        }
    }

    async fn write_leaves(&self, tx: &mut Tx, numbers: &Numbers) -> Result<(), SqlError> {
        let mut leaves = Vec::new();
        let mut labels = Vec::new();
        for ((_, log), number) in self.logs.iter().zip(numbers.values()) {
            let number = || Value::Int(*number);
            for (idx, core, recs) in &log.leaves {
                leaves.push([
                    number(),
                    int(*idx),
                    blob(&core.to_bytes()),
                    recs.to_bytes().into(),
                ]);
                for rec in recs.as_slice() {
                    let (label, chain) = (rec.label.as_bytes(), rec.chain);
                    let head = blob(&chain.head);
                    labels.push([number(), blob(label), int(chain.seq), int(*idx), head]);
                }
            }
        }
        INSERT_LEAVES.execute(tx, leaves).await?;
        INSERT_LABELS.execute(tx, labels).await?;
        Ok(())
    }

    async fn write_records(&self, tx: &mut Tx) -> Result<(), SqlError> {
        INSERT_RECORDS.execute(tx, self.record_rows()).await?;
        Ok(())
    }

    fn record_rows(&self) -> Vec<[Value; 8]> {
        let rows = self.records.iter().map(|row| {
            [
                blob(&self.vault.0),
                int(row.idx),
                blob(&row.payload),
                blob(&row.salt),
                blob(&row.sealed),
                blob(&row.sealed_salt),
                blob(&row.sealed_commitment),
                row.reader_unit.map(|unit| unit.0).into(),
            ]
        });
        rows.collect()
    }

    async fn write_entries(&self, tx: &mut Tx, numbers: &Numbers) -> Result<(), SqlError> {
        let rows = self.entry_rows(numbers)?;
        CLOSE_ENTRIES.execute(tx, rows.closed).await?;
        INSERT_ENTRIES.execute(tx, rows.entries).await?;
        INSERT_WRAPS.execute(tx, rows.wraps).await?;
        INSERT_OPEN.execute(tx, rows.open).await?;
        INSERT_LOG_KEYS.execute(tx, self.log_key_rows()).await?;
        Ok(())
    }

    fn entry_rows(&self, numbers: &Numbers) -> Result<EntryRows, SqlError> {
        let mut rows = EntryRows::default();
        for row in &self.entries {
            let number = *numbers.get(&row.log).ok_or(SqlError::NoRow)?;
            let number = || Value::Int(number);
            let idx = || int(row.idx);
            rows.entries
                .push([number(), idx(), blob(&row.payload), row.act.into()]);
            for wrap in &row.wraps {
                let body = wrap.to_bytes();
                rows.wraps
                    .push([number(), idx(), blob(&wrap.log_key), body.into()]);
            }
            if row.open {
                rows.open.push([number(), idx(), int(self.time_ms)]);
            }
            if let Some(closed) = row.closes {
                rows.closed.push([number(), int(closed)]);
            }
        }
        Ok(rows)
    }

    fn log_key_rows(&self) -> Vec<[Value; 6]> {
        let rows = self.log_keys.iter().map(|key| {
            [
                blob(&self.vault.0),
                blob(&key.id),
                blob(&key.recipient.0),
                key.person.map(|person| person.0).into(),
                key.origin.as_str().into(),
                key.to_bytes().into(),
            ]
        });
        rows.collect()
    }

    async fn write_acts(&self, tx: &mut Tx) -> Result<(), SqlError> {
        INSERT_ACTS.execute(tx, self.act_rows()).await?;
        INSERT_KEPT.execute(tx, self.kept_rows()).await?;
        INSERT_MUTATIONS.execute(tx, self.mutation_rows()).await?;
        Ok(())
    }

    fn act_rows(&self) -> Vec<[Value; 3]> {
        let now_us = int(self.time_ms * 1_000);
        let acts = self.acts.iter();
        acts.map(|act| [blob(&self.vault.0), blob(act), now_us.clone()])
            .collect()
    }

    fn kept_rows(&self) -> Vec<[Value; 4]> {
        let (vault, now_us) = (blob(&self.vault.0), int(self.time_ms * 1_000));
        let kept = self.kept.iter();
        kept.map(|(act, sealed)| [vault.clone(), blob(act), now_us.clone(), blob(sealed)])
            .collect()
    }

    fn mutation_rows(&self) -> Vec<[Value; 5]> {
        let ids = self.mutations.iter().flat_map(|row| {
            row.ids.iter().map(|id| {
                let (first, count) = (int(row.first_record), int(row.records));
                [blob(&self.vault.0), blob(id), blob(&row.hash), first, count]
            })
        });
        ids.collect()
    }
}

#[derive(Default)]
struct EntryRows {
    entries: Vec<[Value; 4]>,
    wraps: Vec<[Value; 4]>,
    open: Vec<[Value; 3]>,
    closed: Vec<[Value; 2]>,
}

/// Heads of these labels, as far as they have entries.
pub(crate) async fn read_heads(
    db: &Db,
    log: i64,
    labels: &[Label],
) -> Result<Vec<(Label, ChainHead)>, StoreError> {
    db.read("read_heads", move |mut tx| async move {
        let asked = labels
            .iter()
            .map(|label| [Value::Int(log), blob(label.as_bytes())]);
        let rows = SELECT_HEADS.fetch_all(&mut tx, asked).await?;
        let mut heads = Vec::with_capacity(rows.len());
        for row in rows {
            let chain = ChainHead {
                seq: row.column("seq")?,
                head: row.column("head")?,
            };
            heads.push((Label::from_bytes(row.column("label")?), chain));
        }
        Ok(heads)
    })
    .await
}

/// Those of the acts that were logged before.
pub(crate) async fn read_seen(
    db: &Db,
    vault: VaultId,
    acts: &[Hash],
) -> Result<Vec<Hash>, StoreError> {
    db.read("read_seen_acts", move |mut tx| async move {
        let asked = acts.iter().map(|act| [blob(&vault.0), blob(act)]);
        let rows = SELECT_SEEN.fetch_all(&mut tx, asked).await?;
        let seen: Result<Vec<Hash>, SqlError> = rows.iter().map(|row| row.column("act")).collect();
        Ok(seen?)
    })
    .await
}
