//! Restoring a backup into an empty database, on either engine; run again after an interruption it goes on.

use std::path::{Path, PathBuf};

use obhut_store::cut::fill;
use obhut_store::{Store, Tiles};

use super::capsules::{copy_capsules, inspect_capsules};
use super::error::file_error;
use super::keys::{bring_keys, check_keys};
use super::manifest::{CONFIG, MANIFEST, Manifest, OBJECTS};
use super::proof::{Shown, prove_all, registered};
use super::rows::FilePages;
use super::unfinished::Unfinished;
use super::{BackupError, GateRestored, folder, gate};
use crate::ServerError;
use crate::clock::now_us;
use crate::config::{CONFIG_FILE, Config};
use crate::data::{lock, make_data_folder};
use crate::objects::Objects;
use crate::progress::Progress;

/// What was restored.
#[derive(Debug, serde::Serialize)]
pub struct Restored {
    /// The vaults, each with its logs.
    pub vaults: Vec<Shown>,
    /// When the backup was made, microseconds UTC.
    pub made_us: u64,
    /// What became of the gatekeeper.
    pub gatekeeper: GateRestored,
    /// Capsules that came from the backup.
    pub objects_copied: u64,
    /// Registered capsules that are in the store.
    pub objects_whole: u64,
    /// Registered capsules that are not, as a text for people; none where all are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_complaint: Option<String>,
}

/// Restores a backup. A data folder without configuration gets `config`, or the one of the backup; `keys` are brought in
/// where they are missing.
pub async fn restore(
    from: &Path,
    data: &Path,
    config: Option<&Path>,
    keys: Option<&Path>,
) -> Result<Restored, ServerError> {
    let manifest = Manifest::read(from)?;
    manifest.check_schema()?;
    make_data_folder(data)?;
    let _lock = lock(data)?;
    bring_config(from, data, config)?;
    let settings = Config::load(data)?;
    if let Some(keys) = keys {
        bring_keys(&settings, data, keys)?;
    }
    let target = settings.database.find(data)?.0.to_string();
    let db = settings.database.open(data).await?;
    let store = Store::open(db.clone()).await?;
    let begun = Unfinished {
        command: format!(
            "obhut-server restore --data {} --backup {}",
            data.display(),
            from.display()
        ),
        brings: folder::hash_of(&from.join(MANIFEST))?.1,
    };
    if !store.vaults().await?.is_empty() && !begun.was_begun(data)? {
        return Err(BackupError::NotEmpty(target).into());
    }
    begun.begin(data)?;
    let start = || Ok(FilePages::new(from));
    fill(&db, start, Some(manifest.made_us), now_us()).await?;
    let proved = prove_all(&store, &manifest, from).await?;
    let vaults: Vec<_> = proved.iter().map(|vault| vault.row.clone()).collect();
    check_keys(data, &vaults)?;
    show_checkpoints(&manifest, &data.join(&settings.tiles))?;
    let capsules = registered(&proved);
    let objects = Objects::open_beside(&settings.objects, data)?;
    let mut progress = Progress::start();
    let found = if manifest.with_objects {
        let copies = Objects::open_dir(&from.join(OBJECTS)).map_err(BackupError::from)?;
        copy_capsules(&copies, &objects, &capsules, &mut progress).await?
    } else {
        inspect_capsules(&objects, &capsules, false, &mut progress).await?
    };
    let gatekeeper = gate::restore(from, &manifest, &settings, data).await?;
    db.checkpoint().await.map_err(BackupError::from)?;
    db.close().await;
    Unfinished::end(data)?;
    Ok(Restored {
        vaults: proved.iter().map(Shown::of).collect(),
        made_us: manifest.made_us,
        gatekeeper,
        objects_copied: found.copied,
        objects_whole: found.whole,
        objects_complaint: found.complaint(),
    })
}

fn bring_config(from: &Path, data: &Path, config: Option<&Path>) -> Result<(), ServerError> {
    let target = data.join(CONFIG_FILE);
    let source: PathBuf = match config {
        Some(config) => config.to_owned(),
        None if target.exists() => return Ok(()),
        None => from.join(CONFIG),
    };
    let text = std::fs::read(&source).map_err(file_error(&source))?;
    match std::fs::read(&target) {
        Ok(there) if there == text => Ok(()),
        Ok(_) => Err(ServerError::Config(format!(
            "{} exists and says something else; leave --config out or move it away",
            target.display()
        ))),
        Err(_) => Ok(folder::write_whole(&target, &text)?),
    }
}

/// The newest published heads, for the comparison at the next start; newer ones that survived in the folder stay. The tiles
/// are a function of the leaves, and the server writes them again.
fn show_checkpoints(manifest: &Manifest, tiles: &Path) -> Result<(), ServerError> {
    let tiles = Tiles::new(tiles.to_owned());
    for log in manifest.vaults.iter().flat_map(|vault| &vault.logs) {
        if let Some(note) = &log.checkpoint {
            let shown = tiles.keep_checkpoint(&log.origin, note);
            shown.map_err(obhut_store::StoreError::Tiles)?;
        }
    }
    Ok(())
}
