//! On start: the directory and the trees are derived again from the committed rows, and compared
//! with the heads that were advanced, and with those that others have seen.

use std::collections::HashMap;

use obhut_format::batch::RecordPayload;
use obhut_format::tree::TreeBuilder;
use obhut_format::{Cbor, Hash};
use obhut_log::replay::Directory;
use obhut_log::{Core, Leaf, Recs};
use obhut_sql::{Db, Row, sql};

use super::log_state::LogState;
use crate::statements::statements;
use crate::{StoreError, VaultRow};

statements! {
    SELECT_LOGS = "SELECT log, origin, kind, size, root, time_ms FROM logs WHERE vault = $1 ORDER BY log";
    SELECT_LEAVES = "SELECT idx, core, recs FROM leaves WHERE log = $1 AND idx >= $2 ORDER BY idx LIMIT 4096";
    SELECT_RECORDS = "SELECT l.idx, l.core, l.recs, r.payload FROM leaves l JOIN records r ON r.vault = $1 AND r.idx = l.idx \
        WHERE l.log = $2 AND l.idx >= $3 ORDER BY l.idx LIMIT 4096";
}

/// Heads, size and root, that others have seen of each log: in published tiles, at the gatekeeper.
pub(crate) type SeenHeads = HashMap<String, Vec<(u64, Hash)>>;

/// The directory and all logs of a vault, the records log first. Refuses a database whose logs do
/// not lead to every head that was seen: it was restored from a backup, or is another one.
pub(crate) async fn restore(
    db: &Db,
    vault: &VaultRow,
    seen: &SeenHeads,
) -> Result<(Directory, Vec<LogState>), StoreError> {
    let mut directory = Directory::new(vault.vault, vault.records_key);
    let mut logs = Vec::new();
    for row in db
        .fetch_all("restore_logs", sql(SELECT_LOGS).bind(vault.vault.0))
        .await?
    {
        let is_records = row.column::<String>("kind")? == "records";
        let origin: String = row.column("origin")?;
        let seen = seen.get(&origin).map_or(&[][..], Vec::as_slice);
        let log = restore_log(db, vault, &row, is_records.then_some(&mut directory), seen).await?;
        if is_records {
            logs.insert(0, log);
        } else {
            logs.push(log);
        }
    }
    let missing = |origin: &String| logs.iter().all(|log: &LogState| log.origin != *origin);
    let mut published = seen.iter().filter(|(_, heads)| !heads.is_empty());
    if published.any(|(origin, _)| missing(origin)) {
        return Err(RESTORED);
    }
    if !logs.first().is_some_and(|log: &LogState| log.is_records) {
        return Err(StoreError::Damaged("the vault has no records log"));
    }
    Ok((directory, logs))
}

const RESTORED: StoreError = StoreError::Damaged(
    "more or something else was published than the database holds: was it restored from a backup?",
);

async fn restore_log(
    db: &Db,
    vault: &VaultRow,
    head: &Row,
    mut directory: Option<&mut Directory>,
    seen: &[(u64, Hash)],
) -> Result<LogState, StoreError> {
    let log: i64 = head.column("log")?;
    let size: u64 = head.column("size")?;
    if seen.iter().any(|(seen, _)| *seen > size) {
        return Err(RESTORED);
    }
    let is_records = directory.is_some();
    let mut tree = TreeBuilder::new();
    while tree.size() < size {
        let from = i64::try_from(tree.size()).unwrap_or(i64::MAX);
        let statement = if is_records {
            sql(SELECT_RECORDS).bind(vault.vault.0).bind(log).bind(from)
        } else {
            sql(SELECT_LEAVES).bind(log).bind(from)
        };
        let rows = db.fetch_all("restore_leaves", statement).await?;
        if rows.is_empty() {
            return Err(StoreError::Damaged("leaves are missing"));
        }
        for row in rows {
            append(&row, &mut tree, directory.as_deref_mut())?;
            let mut here = seen.iter().filter(|(seen, _)| *seen == tree.size());
            if here.any(|(_, root)| tree.root() != *root) {
                return Err(RESTORED);
            }
        }
    }
    if tree.size() != size || tree.root() != head.column::<Hash>("root")? {
        return Err(StoreError::Damaged("the log does not lead to its head"));
    }
    let (origin, time_ms) = (head.column("origin")?, head.column("time_ms")?);
    Ok(LogState::new(Some(log), origin, is_records, tree, time_ms))
}

fn append(
    row: &Row,
    tree: &mut TreeBuilder,
    directory: Option<&mut Directory>,
) -> Result<(), StoreError> {
    if row.column::<u64>("idx")? != tree.size() {
        return Err(StoreError::Damaged("a leaf is missing"));
    }
    let core = Core::parse(&row.column::<Vec<u8>>("core")?)?;
    let recs = Recs::parse(&row.column::<Vec<u8>>("recs")?)?;
    tree.append(Leaf::new(core, &recs).hash());
    if let Some(directory) = directory {
        RecordPayload::from_bytes(&row.column::<Vec<u8>>("payload")?)
            .ok()
            .and_then(|payload| directory.apply(&payload, core.time_ms * 1_000).ok())
            .ok_or(StoreError::Damaged("a record no longer replays"))?;
    }
    Ok(())
}
