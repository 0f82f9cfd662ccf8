//! The part of a backup that a gatekeeper in the server's process has: `gate/` in the folder, a backup of its own.

use std::path::Path;

use obhut_gate::GateConfig;
use obhut_gate::backup::{self, Backup, Cut};

use super::error::file_error;
use super::manifest::{GATE, Manifest, ManifestFile};
use super::{BackupError, folder};
use crate::ServerError;
use crate::clock::now_us;
use crate::config::Config;
use crate::data::system_edge;
use crate::gatekeeper::find_places;

/// The files of a gatekeeper's backup.
const FILES: [&str; 2] = ["gate.sqlite", "backup.toml"];

/// What became of the gatekeeper at a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateRestored {
    /// Another operator runs it.
    Elsewhere,
    /// It has vaults, so it was not lost: nothing of it was touched.
    Kept,
    /// The backup has none.
    Missing,
    /// This many shares came from the backup; it compares before it serves.
    Restored(u64),
}

/// Begins with the gatekeeper, so that it has seen no more of the logs than the vaults that are cut next.
pub(super) async fn begin(
    config: &Config,
    data: &Path,
    to: &Path,
) -> Result<Option<Cut>, ServerError> {
    let Some(places) = find_places(data, &config.gate)? else {
        return Ok(None);
    };
    let cut = Cut::begin(&places, &to.join(GATE), now_us()).await;
    Ok(Some(cut.map_err(BackupError::from)?))
}

/// Ends with the gatekeeper, so that it has every share that the vaults registered; how many it has.
pub(super) async fn finish(
    cut: Option<Cut>,
    to: &Path,
    manifest: &mut Manifest,
) -> Result<Option<u64>, BackupError> {
    let Some(cut) = cut else {
        return Ok(None);
    };
    let made = cut.finish().await?;
    for name in FILES {
        let path = format!("{GATE}/{name}");
        let file = to.join(&path);
        let synced = std::fs::File::open(&file).and_then(|file| file.sync_all());
        synced.map_err(file_error(&file))?;
        let (bytes, sha256) = folder::hash_of(&file)?;
        manifest.files.push(ManifestFile {
            path,
            bytes,
            sha256,
        });
    }
    folder::sync_folder(&to.join(GATE))?;
    Ok(Some(made.shares()))
}

/// Restores it in test with the keys that are there: every replay resumes, every share opens. How many did; none where the
/// backup has no gatekeeper or another operator runs it.
pub(super) async fn prove(
    from: &Path,
    manifest: &Manifest,
    data: &Path,
) -> Result<Option<u64>, ServerError> {
    let config = Config::load(data)?;
    let places = find_places(data, &config.gate)?;
    let Some(places) = places.filter(|_| manifest.has_gate()) else {
        return Ok(None);
    };
    let backup = Backup::read(&from.join(GATE)).map_err(BackupError::from)?;
    let opened = backup.prove(&places, &system_edge()?).await;
    Ok(Some(opened.map_err(BackupError::from)?))
}

/// Puts it into an empty first store, whole or not at all; tombstones of the journal and everything of a second store that
/// is still there count on top. One that has vaults stays as it is.
pub(super) async fn restore(
    from: &Path,
    manifest: &Manifest,
    config: &Config,
    data: &Path,
) -> Result<GateRestored, ServerError> {
    let Some(places) = find_places(data, &config.gate)? else {
        return Ok(GateRestored::Elsewhere);
    };
    if !manifest.has_gate() {
        return Ok(GateRestored::Missing);
    }
    if !places.has_signing_key() {
        return Err(BackupError::GateKeys.into());
    }
    let backup = Backup::read(&from.join(GATE)).map_err(BackupError::from)?;
    match backup.restore(&places, now_us()).await {
        Ok(()) => Ok(GateRestored::Restored(backup.shares())),
        Err(backup::BackupError::StoreInUse) => Ok(GateRestored::Kept),
        Err(error) => Err(BackupError::from(error).into()),
    }
}

/// Copies its keys beside those of the vaults; how many.
pub(super) fn copy_keys(config: &Config, data: &Path, to: &Path) -> Result<u64, ServerError> {
    match find_places(data, &config.gate)? {
        Some(places) => Ok(backup::copy_keys(&places, &to.join(GATE)).map_err(BackupError::from)?),
        None => Ok(0),
    }
}

/// Brings its keys back, where they were copied.
pub(super) fn bring_keys(config: &Config, data: &Path, keys: &Path) -> Result<(), ServerError> {
    let folder = keys.join(GATE);
    let places = find_places(data, &config.gate)?;
    let Some(places) = places.filter(|_| folder.exists()) else {
        return Ok(());
    };
    backup::bring_keys(&places, &folder).map_err(BackupError::from)?;
    Ok(())
}

/// The places of the gatekeeper in this process, to accept what it was restored to.
pub(super) fn load_places(data: &Path) -> Result<GateConfig, ServerError> {
    let config = Config::load(data)?;
    find_places(data, &config.gate)?.ok_or_else(|| {
        ServerError::Config(
            "another operator runs the gatekeeper: `obhut-gate accept` is for them".to_owned(),
        )
    })
}
