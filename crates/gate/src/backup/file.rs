//! A backup on disk: `gate.sqlite` and an inventory beside it, written last.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use obhut_format::VaultId;
use obhut_format::context::sha256;
use obhut_format::gate_link::PartyKey;
use obhut_sql::{Db, SqlError, sql};
use serde::{Deserialize, Serialize};

use super::cut::{Cut, between};
use super::tables::copy_all;
use crate::keys::{StorageKeys, load_party_key, share_context};
use crate::rows::{ShareRow, int};
use crate::stores::{Stores, open_first};
use crate::{Edge, GateConfig, GateError, Refusal, persist, schema, vaults};

pub(super) const DATABASE: &str = "gate.sqlite";
const INVENTORY: &str = "backup.toml";
pub(super) const FORMAT: u32 = 1;
/// Shares opened at a time while a backup is proved.
const PAGE: i64 = 1_000;

const ANY_VAULT: &str = "SELECT vault FROM vaults LIMIT 1";
const SHARES: &str = "SELECT * FROM shares ORDER BY vault, share_id LIMIT $1 OFFSET $2";
const PROVED: &str =
    "UPDATE storage_keys SET proved_us = $2 WHERE number = $1 AND proved_us IS NULL";
const MARK_RESTORED: &str = "UPDATE vaults SET restored_us = $1";
const FORGET_COMPARED: &str = "DELETE FROM compared_logs";

/// Why a backup cannot be made, proved or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder holds something already.
    #[error("{} is not empty; every backup gets a new folder", .0.display())]
    Occupied(PathBuf),
    /// The inventory or the hash does not fit.
    #[error("{0} is no whole backup: {1}")]
    Damaged(PathBuf, &'static str),
    /// A file cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Keys or stores cannot be used.
    #[error("the backup cannot be used with these keys")]
    Gate(#[from] GateError),
    /// Another key lies where one was to be copied.
    #[error("{} holds another key", .0.display())]
    OtherKey(PathBuf),
    /// It is another gatekeeper's.
    #[error("the backup is one of the gatekeeper {0}, not of this one")]
    OtherGatekeeper(String),
    /// A share or a replay in it is not readable.
    #[error("the backup does not restore")]
    Refused(#[from] Refusal),
    /// A database cannot be used.
    #[error("a database cannot be used")]
    Sql(#[from] SqlError),
    /// The store to restore into is in use.
    #[error("the first store serves vaults already: a backup is restored into an empty one")]
    StoreInUse,
}

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inventory {
    pub(super) format: u32,
    pub(super) fingerprint: String,
    pub(super) made_us: u64,
    pub(super) storage_key: u32,
    pub(super) sha256: String,
    pub(super) rows: BTreeMap<String, u64>,
}

/// A whole backup of a gatekeeper's first store, without any key.
pub struct Backup {
    folder: PathBuf,
    inventory: Inventory,
}

impl Backup {
    /// Cuts a backup into a new folder; the gatekeeper may be running.
    pub async fn make(
        config: &GateConfig,
        folder: &Path,
        now_us: u64,
    ) -> Result<Self, BackupError> {
        Cut::begin(config, folder, now_us).await?.finish().await
    }

    /// Writes the inventory: the backup counts from here on.
    pub(super) fn close(folder: &Path, inventory: Inventory) -> Result<Self, BackupError> {
        let text = toml::to_string(&inventory).map_err(|_| {
            BackupError::Damaged(folder.to_owned(), "its inventory cannot be written")
        })?;
        write_whole(&folder.join(INVENTORY), text.as_bytes())?;
        Ok(Self {
            folder: folder.to_owned(),
            inventory,
        })
    }

    /// Reads a backup's inventory and compares the hash of its database.
    pub fn read(folder: &Path) -> Result<Self, BackupError> {
        let damaged = |what| BackupError::Damaged(folder.to_owned(), what);
        let path = folder.join(INVENTORY);
        let text = fs::read_to_string(&path).map_err(file_error(&path))?;
        let inventory: Inventory =
            toml::from_str(&text).map_err(|_| damaged("its inventory cannot be read"))?;
        if inventory.format != FORMAT {
            return Err(damaged("its form is one of another version"));
        }
        if hash_of(&folder.join(DATABASE))? != inventory.sha256 {
            return Err(damaged("its database is not the one of the inventory"));
        }
        Ok(Self {
            folder: folder.to_owned(),
            inventory,
        })
    }

    /// When it was made, microseconds UTC.
    pub fn made_us(&self) -> u64 {
        self.inventory.made_us
    }

    /// How many shares it holds.
    pub fn shares(&self) -> u64 {
        self.inventory.rows.get("shares").copied().unwrap_or(0)
    }

    /// Number of the storage key that was in use.
    pub fn storage_key(&self) -> u32 {
        self.inventory.storage_key
    }

    /// Restores it in test: into a temporary store, every replay resumed and every share opened with the keys that are
    /// there now. Then the storage key in use counts as proved, and older ones may go.
    pub async fn prove(&self, config: &GateConfig, edge: &Edge) -> Result<u64, BackupError> {
        self.check_owner(config)?;
        let folder = tempfile::tempdir().map_err(file_error(&self.folder))?;
        let path = folder.path().join(DATABASE);
        fs::copy(self.folder.join(DATABASE), &path).map_err(file_error(&path))?;
        let db = open_copy(&path).await?;
        let storage = StorageKeys::load(&config.key_folder)?;
        let now_us = edge.now_us();
        persist::verify_storage_keys(&db, &storage, now_us, &mut edge.rng()).await?;
        for enrolled in vaults::load_all(&db).await? {
            persist::resume(&db, enrolled).await?;
        }
        let opened = open_all(&db, &storage).await?;
        db.close().await;
        if opened != self.shares() {
            let what = "its shares are not as many as the inventory says";
            return Err(BackupError::Damaged(self.folder.clone(), what));
        }
        let live = open_first(config).await?;
        let number = self.storage_key();
        live.write("gate_proved", async |mut tx| {
            let statement = sql(PROVED).bind(number).bind(int(now_us));
            statement.execute(&mut tx).await
        })
        .await?;
        live.close().await;
        Ok(opened)
    }

    /// Puts it into an empty first store; tombstones of the journal and everything of the second store count on top.
    /// Afterwards every vault waits until its logs were compared.
    pub async fn restore(&self, config: &GateConfig, now_us: u64) -> Result<(), BackupError> {
        self.check_owner(config)?;
        let to = open_first(config).await?.unhurried();
        if to
            .fetch_optional("gate_any_vault", sql(ANY_VAULT))
            .await?
            .is_some()
        {
            return Err(BackupError::StoreInUse);
        }
        let from = open_copy_of(&self.folder.join(DATABASE)).await?;
        // Whole or not at all: a store with some of the rows would pass for one in use.
        between(&from.db, &to, async |source, target| {
            copy_all(source, target).await?;
            sql(FORGET_COMPARED).execute(target).await?;
            let mark = sql(MARK_RESTORED).bind(int(now_us));
            mark.execute(target).await.map(drop)
        })
        .await?;
        from.db.close().await;
        to.close().await;
        let stores = Stores::open(config).await?;
        stores.close().await;
        Ok(())
    }

    /// Takes a restored vault's logs as they are, on the word of its operator; whether there is such a vault.
    pub async fn accept(config: &GateConfig, vault: VaultId) -> Result<bool, BackupError> {
        let db = open_first(config).await?;
        let known = vaults::accept_restored(&db, vault).await;
        db.close().await;
        Ok(known?)
    }

    fn check_owner(&self, config: &GateConfig) -> Result<(), BackupError> {
        let owner = &self.inventory.fingerprint;
        if owner.parse::<PartyKey>().ok() == Some(load_party_key(config)?) {
            Ok(())
        } else {
            Err(BackupError::OtherGatekeeper(owner.clone()))
        }
    }
}

/// A copy that may be changed, in a folder that goes with it.
struct Copied {
    db: Db,
    _folder: tempfile::TempDir,
}

async fn open_copy_of(path: &Path) -> Result<Copied, BackupError> {
    let folder = tempfile::tempdir().map_err(file_error(path))?;
    let copy = folder.path().join(DATABASE);
    fs::copy(path, &copy).map_err(file_error(path))?;
    let db = open_copy(&copy).await?;
    Ok(Copied {
        db,
        _folder: folder,
    })
}

pub(super) async fn open_copy(path: &Path) -> Result<Db, BackupError> {
    let db = Db::open_sqlite(path, &obhut_sql::Options::default()).await?;
    db.migrate(&schema::FIRST).await?;
    Ok(db)
}

async fn open_all(db: &Db, storage: &StorageKeys) -> Result<u64, BackupError> {
    let mut opened = 0_i64;
    loop {
        let page = sql(SHARES).bind(PAGE).bind(opened);
        let page = db.fetch_all("gate_open_all", page).await?;
        for row in &page {
            let share = ShareRow::read(row)?;
            let context = share_context(share.vault, share.share_id);
            drop(storage.open(share.key_number, &context, &share.sealed)?);
        }
        opened += i64::try_from(page.len()).unwrap_or(i64::MAX);
        if i64::try_from(page.len()).unwrap_or(i64::MAX) < PAGE {
            return Ok(opened.unsigned_abs());
        }
    }
}

pub(super) fn hash_of(path: &Path) -> Result<String, BackupError> {
    let bytes = fs::read(path).map_err(file_error(path))?;
    Ok(HEXLOWER.encode(&sha256(&[&bytes])))
}

pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let staged = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&staged, path)
    };
    write().map_err(file_error(path))
}

pub(super) fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}
