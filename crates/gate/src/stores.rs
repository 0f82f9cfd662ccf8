//! The two stores of shares, and how they are kept alike.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use obhut_format::share::ShareKind;
use obhut_format::{BatchId, ShareId, VaultId};
use obhut_sql::{Batch, Db, Kind, Options, Row, SqlError, Tx, Value, sql};

use crate::journal::Journal;
use crate::rows::{DEPOSITS, DepositRow, SHARES, ShareRow, TOMBSTONES, Tombstone};
use crate::{GateConfig, GateError, Refusal, keys, schema};

/// First and second store. A deposit counts only when it is durable in both.
pub(crate) struct Stores {
    pub(crate) first: Db,
    second: Db,
    journal: Journal,
    share_a_disk: bool,
}

impl Stores {
    /// Opens both, brings their tables up to date and copies over what one of them lacks.
    pub(crate) async fn open(config: &GateConfig) -> Result<Self, GateError> {
        let first_place = first_place(config);
        let second_place = Place::of(
            config.mirror.as_deref(),
            &config.folder.join("mirror").join("shares.sqlite"),
        );
        let first = first_place.open().await?;
        let second = second_place.open().await?;
        first.migrate(&schema::FIRST).await?;
        second.migrate(&schema::SECOND).await?;
        let stores = Self {
            first,
            second,
            journal: config.journal(),
            share_a_disk: first_place.shares_a_disk_with(&second_place),
        };
        stores.bury(&stores.journal.read()?).await?;
        stores.reconcile().await?;
        Ok(stores)
    }

    /// First and second.
    pub(crate) fn both(&self) -> [&Db; 2] {
        [&self.first, &self.second]
    }

    /// Whether one broken disk would take both stores.
    pub(crate) fn share_a_disk(&self) -> bool {
        self.share_a_disk
    }

    pub(crate) async fn close(&self) {
        self.first.close().await;
        self.second.close().await;
    }

    /// A deposit and its shares; durable in both stores when it returns.
    pub(crate) async fn add_deposit(
        &self,
        deposit: &DepositRow,
        shares: &[ShareRow],
    ) -> Result<(), Refusal> {
        for db in [&self.first, &self.second] {
            db.write("gate_add_deposit", async |mut tx| {
                let rows = vec![deposit.to_values()];
                DEPOSITS.execute(&mut tx, rows).await?;
                let rows = shares.iter().map(ShareRow::to_values);
                SHARES.execute(&mut tx, rows).await?;
                Ok::<_, SqlError>(())
            })
            .await?;
        }
        Ok(())
    }

    /// Makes sure that a deposit found in the first store is in the second one too: the process
    /// may have died between the two.
    pub(crate) async fn complete_deposit(
        &self,
        vault: VaultId,
        batch: BatchId,
    ) -> Result<(), Refusal> {
        if find_deposit(&self.second, vault, batch).await?.is_some() {
            return Ok(());
        }
        let Some(deposit) = find_deposit(&self.first, vault, batch).await? else {
            return Ok(());
        };
        let shares = self.shares_of_batch(vault, batch).await?;
        self.second
            .write("gate_complete_deposit", async |mut tx| {
                insert_deposit_once(&mut tx, &deposit).await?;
                insert_shares_once(&mut tx, &shares).await
            })
            .await?;
        Ok(())
    }

    async fn shares_of_batch(
        &self,
        vault: VaultId,
        batch: BatchId,
    ) -> Result<Vec<ShareRow>, SqlError> {
        let statement = sql(SHARES_OF_BATCH).bind(vault.0).bind(batch.0);
        let rows = self
            .first
            .fetch_all("gate_shares_of_batch", statement)
            .await?;
        rows.iter().map(ShareRow::read).collect()
    }

    /// Ends shares for ever, in both stores; the space they took is overwritten.
    pub(crate) async fn destroy(&self, tombstones: &[Tombstone]) -> Result<(), Refusal> {
        self.journal.append(tombstones).map_err(Refusal::Journal)?;
        Ok(self.bury(tombstones).await?)
    }

    async fn bury(&self, tombstones: &[Tombstone]) -> Result<(), SqlError> {
        if tombstones.is_empty() {
            return Ok(());
        }
        for db in [&self.second, &self.first] {
            db.write("gate_destroy", async |mut tx| {
                let rows = tombstones.iter().map(Tombstone::to_values);
                TOMBSTONES.execute(&mut tx, rows).await?;
                delete_entombed(&mut tx).await
            })
            .await?;
            db.checkpoint().await?;
        }
        Ok(())
    }

    /// After a crash or a restored backup: tombstones of either store count in both, what one store
    /// lacks comes from the other.
    async fn reconcile(&self) -> Result<(), SqlError> {
        for (from, to) in [(&self.first, &self.second), (&self.second, &self.first)] {
            let rows = from
                .fetch_all("gate_tombstones", sql(ALL_TOMBSTONES))
                .await?;
            let tombstones: Vec<Tombstone> =
                rows.iter().map(Tombstone::read).collect::<Result<_, _>>()?;
            to.write("gate_copy_tombstones", async |mut tx| {
                let rows = tombstones.iter().map(Tombstone::to_values);
                TOMBSTONES.execute(&mut tx, rows).await?;
                delete_entombed(&mut tx).await
            })
            .await?;
        }
        copy_missing(&self.first, &self.second).await?;
        copy_missing(&self.second, &self.first).await
    }
}

fn first_place(config: &GateConfig) -> Place {
    Place::of(config.database.as_deref(), &config.folder.join("db.sqlite"))
}

/// The first store alone, beside a gatekeeper that may be running.
pub(crate) async fn open_first(config: &GateConfig) -> Result<Db, GateError> {
    let db = first_place(config).open().await?;
    db.migrate(&schema::FIRST).await?;
    Ok(db)
}

/// A database's place.
enum Place {
    File(PathBuf),
    Url(String),
}

impl Place {
    fn of(configured: Option<&str>, default: &Path) -> Self {
        match configured {
            Some(url) if url.starts_with("postgres") => Self::Url(url.to_owned()),
            Some(path) => Self::File(PathBuf::from(path)),
            None => Self::File(default.to_owned()),
        }
    }

    async fn open(&self) -> Result<Db, GateError> {
        match self {
            Self::Url(url) => Ok(Db::open(url).await?),
            Self::File(path) => {
                if let Some(folder) = path.parent() {
                    keys::make_folder(folder).map_err(GateError::file(folder))?;
                }
                Ok(Db::open_sqlite(path, &Options::default()).await?)
            }
        }
    }

    /// Two servers cannot be compared from here: one URL counts as one disk, two as two.
    fn shares_a_disk_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(a), Self::File(b)) => {
                let disk = |path: &Path| path.metadata().map(|file| file.dev()).ok();
                disk(a) == disk(b)
            }
            (Self::Url(a), Self::Url(b)) => a == b,
            _ => false,
        }
    }
}

const DEPOSIT: &str = "SELECT * FROM deposits WHERE vault = $1 AND batch = $2";
const ALL_DEPOSITS: &str = "SELECT vault, batch FROM deposits
    WHERE (vault, batch) > ($1, $2) ORDER BY vault, batch LIMIT $3";
const SHARES_OF_BATCH: &str = "SELECT * FROM shares WHERE vault = $1 AND batch = $2";
const SHARE: &str = "SELECT * FROM shares WHERE vault = $1 AND share_id = $2";
const PERSON_SHARE: &str =
    "SELECT * FROM shares WHERE vault = $1 AND object = $2 AND kind = 'person'";
const ALL_SHARES: &str = "SELECT vault, share_id FROM shares
    WHERE (vault, share_id) > ($1, $2) ORDER BY vault, share_id LIMIT $3";
/// Ids read at a time.
const PAGE: i64 = 10_000;
const ALL_TOMBSTONES: &str = "SELECT * FROM tombstones";
const SHARE_NAMES: [(&str, Kind); 2] = [("vault", Kind::Blob), ("share_id", Kind::Blob)];
const SHARES_NAMED: Batch<2> = Batch::with(
    SHARE_NAMES,
    "SELECT shares.* FROM batch
        JOIN shares ON shares.vault = batch.vault AND shares.share_id = batch.share_id",
);
const DESTROYED_NAMED: Batch<2> = Batch::with(
    SHARE_NAMES,
    "SELECT tombstones.share_id FROM batch JOIN tombstones
        ON tombstones.vault = batch.vault AND tombstones.share_id = batch.share_id",
);
const DELETE_ENTOMBED: &str = "DELETE FROM shares WHERE EXISTS (SELECT 1 FROM tombstones
    WHERE tombstones.vault = shares.vault AND tombstones.share_id = shares.share_id)";
const COUNT_BY_KIND: &str =
    "SELECT kind, COUNT(*) AS living FROM shares WHERE vault = $1 GROUP BY kind ORDER BY kind";
const COUNT_DESTROYED: &str = "SELECT COUNT(*) AS destroyed FROM tombstones WHERE vault = $1";
const COUNT_MISSING: &str = "SELECT COUNT(*) AS missing FROM missing_shares m WHERE m.vault = $1
    AND NOT EXISTS (SELECT 1 FROM shares WHERE shares.vault = m.vault AND shares.share_id = m.share_id)
    AND NOT EXISTS (SELECT 1 FROM tombstones
        WHERE tombstones.vault = m.vault AND tombstones.share_id = m.share_id)";
const UNREGISTERED: &str = "SELECT * FROM shares WHERE vault = $1 AND deposited_us <= $2
    AND NOT EXISTS (SELECT 1 FROM registrations
        WHERE registrations.vault = shares.vault AND registrations.share_id = shares.share_id)
    ORDER BY deposited_us";

/// The deposit of this batch id, if there is one.
pub(crate) async fn find_deposit(
    db: &Db,
    vault: VaultId,
    batch: BatchId,
) -> Result<Option<DepositRow>, SqlError> {
    let statement = sql(DEPOSIT).bind(vault.0).bind(batch.0);
    let row = db.fetch_optional("gate_find_deposit", statement).await?;
    row.as_ref().map(DepositRow::read).transpose()
}

/// The living share of this name.
pub(crate) async fn find_share(
    db: &Db,
    vault: VaultId,
    share: ShareId,
) -> Result<Option<ShareRow>, SqlError> {
    let statement = sql(SHARE).bind(vault.0).bind(share.0);
    let row = db.fetch_optional("gate_find_share", statement).await?;
    row.as_ref().map(ShareRow::read).transpose()
}

/// The share of λ of a person, registered or not.
pub(crate) async fn find_person_share(
    db: &Db,
    vault: VaultId,
    person: &[u8; 16],
) -> Result<Option<ShareRow>, SqlError> {
    let statement = sql(PERSON_SHARE).bind(vault.0).bind(person);
    let row = db
        .fetch_optional("gate_find_person_share", statement)
        .await?;
    row.as_ref().map(ShareRow::read).transpose()
}

/// Those of these shares that live, registered or not.
pub(crate) async fn find_shares(
    db: &Db,
    vault: VaultId,
    shares: impl Iterator<Item = ShareId>,
) -> Result<HashMap<ShareId, ShareRow>, SqlError> {
    let rows = read_named(db, "gate_find_shares", &SHARES_NAMED, vault, shares).await?;
    rows.iter()
        .map(|row| ShareRow::read(row).map(|share| (share.share_id, share)))
        .collect()
}

/// Whether one of these shares was destroyed.
pub(crate) async fn is_any_destroyed(
    db: &Db,
    vault: VaultId,
    shares: impl Iterator<Item = ShareId>,
) -> Result<bool, SqlError> {
    let rows = read_named(db, "gate_is_any_destroyed", &DESTROYED_NAMED, vault, shares).await?;
    Ok(!rows.is_empty())
}

async fn read_named(
    db: &Db,
    name: &'static str,
    batch: &'static Batch<2>,
    vault: VaultId,
    shares: impl Iterator<Item = ShareId>,
) -> Result<Vec<Row>, SqlError> {
    let names: Vec<[Value; 2]> = shares
        .map(|share| [vault.0.into(), share.0.into()])
        .collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    db.read(name, async |mut tx| {
        batch.fetch_all(&mut tx, names.clone()).await
    })
    .await
}

/// Living shares deposited up to a time that no record names.
pub(crate) async fn unregistered(
    db: &Db,
    vault: VaultId,
    deposited_until_us: u64,
) -> Result<Vec<ShareRow>, SqlError> {
    let until = crate::rows::int(deposited_until_us);
    let statement = sql(UNREGISTERED).bind(vault.0).bind(until);
    let rows = db.fetch_all("gate_unregistered", statement).await?;
    rows.iter().map(ShareRow::read).collect()
}

/// Living shares by kind, and the number of destroyed ones.
pub(crate) async fn count(
    db: &Db,
    vault: VaultId,
) -> Result<(Vec<(ShareKind, u64)>, u64), SqlError> {
    let rows = db.fetch_all("gate_count", sql(COUNT_BY_KIND).bind(vault.0));
    let mut living = Vec::new();
    for row in rows.await? {
        living.push((crate::rows::read_kind(&row)?, row.column("living")?));
    }
    let row = db.fetch_optional("gate_count_destroyed", sql(COUNT_DESTROYED).bind(vault.0));
    let destroyed = row.await?.ok_or(SqlError::NoRow)?.column("destroyed")?;
    Ok((living, destroyed))
}

/// Shares that the records log names and that are neither there nor destroyed: lost with what no backup had.
pub(crate) async fn count_missing(db: &Db, vault: VaultId) -> Result<u64, SqlError> {
    let row = db.fetch_optional("gate_count_missing", sql(COUNT_MISSING).bind(vault.0));
    row.await?.ok_or(SqlError::NoRow)?.column("missing")
}

/// Removes shares that have a tombstone.
pub(crate) async fn delete_entombed(tx: &mut Tx) -> Result<(), SqlError> {
    sql(DELETE_ENTOMBED).execute(tx).await.map(drop)
}

async fn insert_deposit_once(tx: &mut Tx, deposit: &DepositRow) -> Result<(), SqlError> {
    let once = DEPOSITS.tail("ON CONFLICT DO NOTHING");
    once.execute(tx, vec![deposit.to_values()]).await.map(drop)
}

async fn insert_shares_once(tx: &mut Tx, shares: &[ShareRow]) -> Result<(), SqlError> {
    let rows = shares.iter().map(ShareRow::to_values);
    let once = SHARES.tail("ON CONFLICT DO NOTHING");
    once.execute(tx, rows).await.map(drop)
}

async fn copy_missing(from: &Db, to: &Db) -> Result<(), SqlError> {
    for (vault, batch) in missing(from, to, ALL_DEPOSITS, "batch").await? {
        if let Some(deposit) = find_deposit(from, VaultId(vault), BatchId(batch)).await? {
            to.write("gate_copy_deposit", async |mut tx| {
                insert_deposit_once(&mut tx, &deposit).await
            })
            .await?;
        }
    }
    for (vault, share) in missing(from, to, ALL_SHARES, "share_id").await? {
        if let Some(share) = find_share(from, VaultId(vault), ShareId(share)).await? {
            let shares = [share];
            to.write("gate_copy_share", async |mut tx| {
                insert_shares_once(&mut tx, &shares).await
            })
            .await?;
        }
    }
    Ok(())
}

async fn missing<const N: usize>(
    from: &Db,
    to: &Db,
    all: &'static str,
    column: &'static str,
) -> Result<Vec<([u8; 16], [u8; N])>, SqlError> {
    let seen: HashSet<_> = read_ids(to, all, column).await?.into_iter().collect();
    let mut missing = read_ids(from, all, column).await?;
    missing.retain(|id| !seen.contains(id));
    Ok(missing)
}

/// Page by page: no statement takes longer the more there is.
async fn read_ids<const N: usize>(
    db: &Db,
    all: &'static str,
    column: &'static str,
) -> Result<Vec<([u8; 16], [u8; N])>, SqlError> {
    let mut ids: Vec<([u8; 16], [u8; N])> = Vec::new();
    loop {
        let (vault, id) = ids.last().map_or((Vec::new(), Vec::new()), |(vault, id)| {
            (vault.to_vec(), id.to_vec())
        });
        let page = sql(all).bind(vault).bind(id).bind(PAGE);
        let rows = db.fetch_all("gate_ids", page).await?;
        for row in &rows {
            ids.push((row.column("vault")?, row.column(column)?));
        }
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) < PAGE {
            return Ok(ids);
        }
    }
}
