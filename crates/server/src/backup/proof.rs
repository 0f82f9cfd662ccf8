//! Proving a backup: offline from its own files, and with access to the object store also that every registered capsule
//! is there.

use std::path::Path;

use obhut_sql::{Db, Options};
use obhut_store::Store;
use obhut_store::cut::{ProvedVault, fill};

use super::capsules::{Capsule, inspect_capsules};
use super::error::file_error;
use super::manifest::{Manifest, OBJECTS};
use super::rows::FilePages;
use super::{BackupError, gate, hex};
use crate::config::Config;
use crate::objects::Objects;
use crate::progress::Progress;
use crate::{ServerError, clock::now_us};

/// What was proved.
#[derive(Debug, serde::Serialize)]
pub struct Proved {
    /// The vaults, each with its logs.
    pub vaults: Vec<Shown>,
    /// When the cut was begun, microseconds UTC.
    pub made_us: u64,
    /// Capsules that were looked after; none without access to a store.
    pub objects_checked: Option<u64>,
    /// Registered capsules.
    pub objects_registered: u64,
    /// Shares of the gatekeeper in the server's process that open with its keys; none without a data folder.
    pub shares_opened: Option<u64>,
}

/// A vault, for people and programs.
#[derive(Debug, serde::Serialize)]
pub struct Shown {
    /// Its id.
    pub vault: String,
    /// SHA-256 of its card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_sha256: Option<String>,
    /// Registered capsules.
    pub objects: u64,
    /// Its logs.
    pub logs: Vec<ShownLog>,
}

/// A log, for people and programs.
#[derive(Debug, serde::Serialize)]
pub struct ShownLog {
    /// Its origin.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: String,
    /// Size of the newest checkpoint in the backup, its signatures checked; 0 without one.
    pub checkpoint: u64,
}

impl Shown {
    pub(super) fn of(proved: &ProvedVault) -> Self {
        let logs = proved.logs.iter().map(|log| ShownLog {
            origin: log.origin.clone(),
            size: log.size,
            root: hex(&log.root),
            checkpoint: log.published,
        });
        Self {
            vault: proved.row.vault.to_string(),
            card_sha256: proved.card.map(|card| hex(&card)),
            objects: proved.objects.len() as u64,
            logs: logs.collect(),
        }
    }
}

/// Proves a backup. With a data folder the capsules of its store are looked after, else those of the backup if it has any;
/// `read` hashes all their bytes.
pub async fn prove(folder: &Path, data: Option<&Path>, read: bool) -> Result<Proved, ServerError> {
    let manifest = Manifest::read(folder)?;
    manifest.check_schema()?;
    let scratch = tempfile::tempdir().map_err(file_error(&std::env::temp_dir()))?;
    let path = scratch.path().join("vault.sqlite");
    let db = Db::open_sqlite(&path, &Options::default()).await;
    let db = db.map_err(BackupError::from)?;
    let store = Store::open(db.clone()).await?;
    let start = || Ok(FilePages::new(folder));
    fill(&db, start, None, now_us()).await?;
    let proved = prove_all(&store, &manifest, folder).await?;
    db.close().await;
    let objects = match data {
        Some(data) => Some(Objects::open_beside(&Config::load(data)?.objects, data)?),
        None if manifest.with_objects => {
            Some(Objects::open_dir(&folder.join(OBJECTS)).map_err(BackupError::from)?)
        }
        None => None,
    };
    let registered = registered(&proved);
    let mut checked = None;
    if let Some(objects) = objects {
        let mut progress = Progress::start();
        let found = inspect_capsules(&objects, &registered, read, &mut progress).await?;
        if let Some(text) = found.complaint() {
            return Err(BackupError::Objectionable(text).into());
        }
        checked = Some(found.whole);
    }
    let shares_opened = match data {
        Some(data) => gate::prove(folder, &manifest, data).await?,
        None => None,
    };
    Ok(Proved {
        vaults: proved.iter().map(Shown::of).collect(),
        made_us: manifest.made_us,
        objects_checked: checked,
        objects_registered: registered.len() as u64,
        shares_opened,
    })
}

/// Every vault of a database against the manifest.
pub(super) async fn prove_all(
    store: &Store,
    manifest: &Manifest,
    folder: &Path,
) -> Result<Vec<ProvedVault>, ServerError> {
    let mut all = Vec::new();
    for row in store.vaults().await? {
        let id = row.vault.to_string();
        let Some(named) = manifest.vaults.iter().find(|named| named.vault == id) else {
            return Err(BackupError::damaged(folder, format!("its manifest lacks {id}")).into());
        };
        let proved = store.prove_vault(&row, &manifest.checkpoints(&id)).await?;
        for log in &named.logs {
            let same = |here: &&obhut_store::cut::ProvedLog| {
                (&here.origin, here.size, hex(&here.root))
                    == (&log.origin, log.size, log.root.clone())
            };
            if proved.logs.iter().find(same).is_none() {
                let what = format!("{} does not lead to the head of the manifest", log.origin);
                return Err(BackupError::damaged(folder, what).into());
            }
        }
        all.push(proved);
    }
    if all.len() == manifest.vaults.len() {
        Ok(all)
    } else {
        Err(BackupError::damaged(folder, "a vault of the manifest is missing").into())
    }
}

/// The capsules of all registered revisions.
pub(super) fn registered(proved: &[ProvedVault]) -> Vec<Capsule> {
    let all = proved.iter().flat_map(|vault| {
        vault.objects.iter().map(|object| Capsule {
            vault: vault.row.vault,
            object: object.object,
            content_root: object.content_root,
            object_bytes: object.object_bytes,
        })
    });
    all.collect()
}
