//! What a backup says about itself; written last, so that a backup without it is none.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::error::file_error;
use super::{BackupError, folder};

pub(super) const MANIFEST: &str = "backup.toml";
pub(super) const INVENTORY: &str = "inventory.tsv";
pub(super) const CONFIG: &str = "obhut.toml";
pub(super) const TABLES: &str = "tables";
pub(super) const OBJECTS: &str = "objects";
pub(super) const GATE: &str = "gate";
const FORMAT: u32 = 1;

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// Version of the program that made it.
    pub(super) program: String,
    /// The newest step of the schema.
    pub(super) schema: i64,
    /// `sqlite` or `postgres`; it restores on both.
    pub(super) engine: String,
    /// When the cut was begun, microseconds UTC.
    pub(super) made_us: u64,
    /// Whether the capsules are in the backup.
    pub(super) with_objects: bool,
    pub(super) objects: u64,
    pub(super) object_bytes: u64,
    /// Rows of each table.
    pub(super) rows: BTreeMap<String, u64>,
    pub(super) vaults: Vec<ManifestVault>,
    pub(super) files: Vec<ManifestFile>,
}

/// A vault of the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestVault {
    pub(super) vault: String,
    pub(super) origin: String,
    #[serde(default)]
    pub(super) logs: Vec<ManifestLog>,
}

/// A log's head, and the newest checkpoint that was published before the cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestLog {
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) root: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checkpoint: Option<String>,
}

/// A file of the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestFile {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new(schema: i64, engine: &str, made_us: u64, with_objects: bool) -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            engine: engine.to_owned(),
            made_us,
            with_objects,
            objects: 0,
            object_bytes: 0,
            rows: BTreeMap::new(),
            vaults: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let text = toml::to_string(self)
            .map_err(|_| BackupError::damaged(folder, "its manifest cannot be written"))?;
        folder::write_whole(&folder.join(MANIFEST), text.as_bytes())
    }

    /// Reads the manifest and compares the hash of every file.
    pub(super) fn read(folder: &Path) -> Result<Self, BackupError> {
        let damaged = |what: String| BackupError::damaged(folder, what);
        let path = folder.join(MANIFEST);
        if folder.join(folder::UNFINISHED).exists() && !path.exists() {
            return Err(damaged("it was not finished: make it again".to_owned()));
        }
        let text = std::fs::read_to_string(&path).map_err(file_error(&path))?;
        let manifest: Self = toml::from_str(&text)
            .map_err(|error| damaged(format!("{MANIFEST} cannot be read: {}", error.message())))?;
        if manifest.format != FORMAT {
            return Err(damaged(format!(
                "its form is {}, this program knows {FORMAT}",
                manifest.format
            )));
        }
        for file in &manifest.files {
            let plain = file
                .path
                .split('/')
                .all(|part| !part.is_empty() && part != "..");
            if !plain || file.path.starts_with('/') {
                return Err(damaged(format!(
                    "{MANIFEST} names a file outside: {}",
                    file.path
                )));
            }
            let path = folder.join(&file.path);
            let (bytes, hash) = folder::hash_of(&path)?;
            if (bytes, hash) != (file.bytes, file.sha256.clone()) {
                return Err(damaged(format!(
                    "{} is not the file of the manifest",
                    file.path
                )));
            }
        }
        let named = |path: &str| manifest.files.iter().any(|file| file.path == path);
        let tables = obhut_store::cut::TABLES.iter();
        let missing = tables
            .map(|table| table_file(table.name))
            .find(|path| !named(path));
        match missing.or_else(|| (!named(INVENTORY)).then(|| INVENTORY.to_owned())) {
            Some(path) if manifest.schema == obhut_store::Store::newest_schema() => {
                Err(damaged(format!("{path} is missing")))
            }
            _ => Ok(manifest),
        }
    }

    /// Whether a gatekeeper of the server's process is in the backup.
    pub(super) fn has_gate(&self) -> bool {
        let inside = format!("{GATE}/");
        self.files.iter().any(|file| file.path.starts_with(&inside))
    }

    /// Refuses tables that this program does not know as they are.
    pub(super) fn check_schema(&self) -> Result<(), BackupError> {
        let known = obhut_store::Store::newest_schema();
        if self.schema == known {
            return Ok(());
        }
        let next = if self.schema > known {
            format!("use obhut-server {} or newer", self.program)
        } else {
            format!(
                "restore with obhut-server {}, then start this version on what was restored",
                self.program
            )
        };
        Err(BackupError::Schema {
            found: self.schema,
            known,
            next,
        })
    }

    /// The published checkpoints of a vault.
    pub(super) fn checkpoints(&self, vault: &str) -> Vec<String> {
        let here = self.vaults.iter().filter(|here| here.vault == vault);
        let logs = here.flat_map(|vault| &vault.logs);
        logs.filter_map(|log| log.checkpoint.clone()).collect()
    }
}

pub(super) fn table_file(table: &str) -> String {
    format!("{TABLES}/{table}.rows")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
