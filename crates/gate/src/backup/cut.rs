//! A backup while it is made.

use std::fs;
use std::path::{Path, PathBuf};

use obhut_sql::{Db, SqlError, Tx};
use tokio::sync::Mutex;

use super::file::{self, Backup, BackupError, Inventory};
use super::tables::{copy_all, copy_deposits, count_all};
use crate::GateConfig;
use crate::keys::{StorageKeys, load_party_key, make_folder};
use crate::stores::open_first;

/// A backup that was begun: everything as it was at one moment. It counts once it was finished.
///
/// A vault whose own backup is cut between the two has registered nothing whose share is missing, and no log of it is
/// shorter than the gatekeeper's.
pub struct Cut {
    folder: PathBuf,
    from: Db,
    to: Db,
    inventory: Inventory,
}

impl Cut {
    /// Copies everything as it is into a new folder; the gatekeeper may be running.
    pub async fn begin(
        config: &GateConfig,
        folder: &Path,
        now_us: u64,
    ) -> Result<Self, BackupError> {
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(BackupError::Occupied(folder.to_owned()));
        }
        make_folder(folder).map_err(file::file_error(folder))?;
        // Before the rows: none of them needs an older key than this one to be proved.
        let storage_key = StorageKeys::load(&config.key_folder)?.newest();
        let inventory = Inventory {
            format: file::FORMAT,
            fingerprint: load_party_key(config)?.to_string(),
            made_us: now_us,
            storage_key: storage_key.unwrap_or_default(),
            sha256: String::new(),
            rows: std::collections::BTreeMap::new(),
        };
        let from = open_first(config).await?.unhurried();
        let to = file::open_copy(&folder.join(file::DATABASE)).await?;
        between(&from, &to, copy_all).await?;
        Ok(Self {
            folder: folder.to_owned(),
            from,
            to,
            inventory,
        })
    }

    /// Adds what was deposited and destroyed since, and writes the inventory.
    pub async fn finish(mut self) -> Result<Backup, BackupError> {
        between(&self.from, &self.to, copy_deposits).await?;
        self.inventory.rows = count_all(&self.to).await?;
        self.to.checkpoint().await?;
        self.to.close().await;
        self.from.close().await;
        self.inventory.sha256 = file::hash_of(&self.folder.join(file::DATABASE))?;
        Backup::close(&self.folder, self.inventory)
    }
}

/// Runs a copy of what is there at one moment, whole or not at all.
pub(super) async fn between(
    from: &Db,
    to: &Db,
    copy: impl AsyncFn(&mut Tx, &mut Tx) -> Result<(), SqlError>,
) -> Result<(), SqlError> {
    let copy = &copy;
    from.read("gate_copy", async |source| {
        let source = Mutex::new(source);
        to.write("gate_paste", async |mut target| {
            copy(&mut *source.lock().await, &mut target).await
        })
        .await
    })
    .await
}
