//! The directory and the trees, derived from the committed rows and compared with the heads that
//! were advanced, and with those that others have seen: at the start as a whole, on a server that
//! follows another one again and again.

use std::collections::HashMap;

use obhut_format::batch::RecordPayload;
use obhut_format::{Cbor, Hash};
use obhut_log::replay::Directory;
use obhut_log::{Core, Leaf, Recs};
use obhut_sql::{Db, Row, SqlError, sql};

use super::log_state::LogState;
use crate::statements::statements;
use crate::{StoreError, VaultRow};

statements! {
    SELECT_LOGS = "SELECT g.log, g.origin, g.kind, g.size, g.root, g.time_ms, c.serial FROM logs g \
        LEFT JOIN checkpoints c ON c.log = g.log WHERE g.vault = $1 ORDER BY g.log";
    SELECT_LEAVES = "SELECT idx, core, recs FROM leaves WHERE log = $1 AND idx >= $2 ORDER BY idx LIMIT 4096";
    SELECT_RECORDS = "SELECT l.idx, l.core, l.recs, r.payload FROM leaves l JOIN records r ON r.vault = $1 AND r.idx = l.idx \
        WHERE l.log = $2 AND l.idx >= $3 ORDER BY l.idx LIMIT 4096";
}

/// Heads that others have seen of each log.
pub(crate) type SeenHeads = HashMap<String, Vec<SeenHead>>;

/// A head that somebody else has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenHead {
    pub(crate) size: u64,
    /// Not known of a head that is only said to be so long.
    pub(crate) root: Option<Hash>,
    /// Who has seen it.
    pub(crate) by: &'static str,
}

impl SeenHead {
    fn is_ahead(&self, origin: &str, here: u64) -> Result<(), StoreError> {
        if self.size <= here {
            return Ok(());
        }
        Err(StoreError::Behind {
            origin: origin.to_owned(),
            here,
            seen: self.size,
            by: self.by,
        })
    }
}

/// What the rows of a vault say, as far as they were read.
pub(crate) struct Replica {
    pub(crate) directory: Directory,
    /// The records log first.
    pub(crate) logs: Vec<LogState>,
    /// What the rows have to lead to; empty once they did.
    seen: SeenHeads,
}

/// Head of a log in the database.
pub(crate) struct Head {
    pub(crate) log: i64,
    pub(crate) origin: String,
    pub(crate) is_records: bool,
    /// Counts the checkpoints published for other servers; 0 before the first.
    pub(crate) published: i64,
    size: u64,
    root: Hash,
    time_ms: u64,
}

impl Head {
    fn read(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            log: row.column("log")?,
            origin: row.column("origin")?,
            is_records: row.column::<String>("kind")? == "records",
            published: row.column::<Option<i64>>("serial")?.unwrap_or(0),
            size: row.column("size")?,
            root: row.column("root")?,
            time_ms: row.column("time_ms")?,
        })
    }
}

impl Replica {
    /// Nothing read yet. The first reading refuses a database whose logs do not lead to every head
    /// that was seen: it was restored from a backup, or is another one.
    pub(crate) fn new(vault: &VaultRow, seen: SeenHeads) -> Self {
        Self {
            directory: Directory::new(vault.vault, vault.records_key),
            logs: Vec::new(),
            seen,
        }
    }

    /// Reads what was committed since. After an error the replica is spoiled.
    pub(crate) async fn catch_up(
        &mut self,
        db: &Db,
        vault: &VaultRow,
    ) -> Result<Vec<Head>, StoreError> {
        let statement = sql(SELECT_LOGS).bind(vault.vault.0);
        let rows = db.fetch_all("read_logs", statement).await?;
        let heads: Result<Vec<Head>, SqlError> = rows.iter().map(Head::read).collect();
        let mut heads = heads?;
        // The records log first: it names the shards.
        heads.sort_by_key(|head| !head.is_records);
        if !heads.first().is_some_and(|head| head.is_records) {
            return Err(StoreError::Damaged("the vault has no records log"));
        }
        let missing = |origin: &String| heads.iter().all(|head| head.origin != *origin);
        for (origin, seen) in self.seen.iter().filter(|(origin, _)| missing(origin)) {
            seen.iter().try_for_each(|head| head.is_ahead(origin, 0))?;
        }
        for head in &heads {
            let position = self.logs.iter().position(|log| log.log == Some(head.log));
            let position = position.unwrap_or_else(|| {
                self.logs
                    .push(LogState::empty(head.log, &head.origin, head.is_records));
                self.logs.len() - 1
            });
            if let Some(log) = self.logs.get_mut(position) {
                let directory = head.is_records.then_some(&mut self.directory);
                let seen = self.seen.get(&head.origin).map_or(&[][..], Vec::as_slice);
                advance(db, vault, head, log, directory, seen).await?;
            }
        }
        self.seen.clear();
        Ok(heads)
    }
}

async fn advance(
    db: &Db,
    vault: &VaultRow,
    head: &Head,
    log: &mut LogState,
    mut directory: Option<&mut Directory>,
    seen: &[SeenHead],
) -> Result<(), StoreError> {
    seen.iter()
        .try_for_each(|seen| seen.is_ahead(&head.origin, head.size))?;
    if log.size() > head.size {
        return Err(StoreError::Behind {
            origin: head.origin.clone(),
            here: head.size,
            seen: log.size(),
            by: "this server",
        });
    }
    while log.size() < head.size {
        let from = i64::try_from(log.size()).unwrap_or(i64::MAX);
        let statement = if head.is_records {
            sql(SELECT_RECORDS)
                .bind(vault.vault.0)
                .bind(head.log)
                .bind(from)
        } else {
            sql(SELECT_LEAVES).bind(head.log).bind(from)
        };
        let rows = db.fetch_all("read_leaves", statement).await?;
        if rows.is_empty() {
            return Err(StoreError::Damaged("leaves are missing"));
        }
        // More may have been committed since the heads were read.
        for row in rows {
            if log.size() < head.size {
                append(&row, log, directory.as_deref_mut())?;
                let root = log.root();
                let mut here = seen.iter().filter(|seen| seen.size == log.size());
                if let Some(other) = here.find(|seen| seen.root.is_some_and(|seen| seen != root)) {
                    return Err(StoreError::Forked {
                        origin: head.origin.clone(),
                        size: other.size,
                        by: other.by,
                    });
                }
            }
        }
    }
    if log.root() != head.root {
        return Err(StoreError::Damaged("the log does not lead to its head"));
    }
    log.time_ms = head.time_ms;
    Ok(())
}

fn append(
    row: &Row,
    log: &mut LogState,
    directory: Option<&mut Directory>,
) -> Result<(), StoreError> {
    if row.column::<u64>("idx")? != log.size() {
        return Err(StoreError::Damaged("a leaf is missing"));
    }
    let core = Core::parse(&row.column::<Vec<u8>>("core")?)?;
    let recs = Recs::parse(&row.column::<Vec<u8>>("recs")?)?;
    log.grow(Leaf::new(core, &recs).hash());
    if let Some(directory) = directory {
        RecordPayload::from_bytes(&row.column::<Vec<u8>>("payload")?)
            .ok()
            .and_then(|payload| directory.apply(&payload, core.time_ms * 1_000).ok())
            .ok_or(StoreError::Damaged("a record no longer replays"))?;
    }
    Ok(())
}
