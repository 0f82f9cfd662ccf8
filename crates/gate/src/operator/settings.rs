//! Configuration: one TOML file in the data folder, unknown keys refused.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::OperatorError;
use super::files::{create_file, read_config};
use crate::GateConfig;

/// Name of the configuration file in the data folder.
pub(super) const CONFIG_FILE: &str = "gate.toml";
const DATABASE: &str = "db/gate.sqlite";
const MIRROR: &str = "mirror/shares.sqlite";

/// Everything an operator can set. Relative paths count from the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the gatekeeper listens.
    pub listen: SocketAddr,
    /// Folder of the storage key. Must lie outside the data folder and its backups.
    pub keys: PathBuf,
    /// First store: a `postgres://` URL or a SQLite file.
    #[serde(default = "default_database")]
    pub database: String,
    /// Second store, written before a deposit is acknowledged.
    #[serde(default = "default_mirror")]
    pub mirror: String,
    /// Journal of tombstones, best on another disk: what was destroyed stays so even after a restore.
    #[serde(default = "default_journal")]
    pub journal: PathBuf,
    /// A new storage key after so many days; 0 makes none by itself.
    #[serde(default = "default_days")]
    pub storage_key_days: u32,
    /// At shutdown, requests get so many seconds to finish.
    #[serde(default = "default_shutdown")]
    pub shutdown_seconds: u64,
}

fn default_database() -> String {
    DATABASE.to_owned()
}

fn default_mirror() -> String {
    MIRROR.to_owned()
}

fn default_journal() -> PathBuf {
    PathBuf::from("journal/tombstones")
}

fn default_days() -> u32 {
    7
}

fn default_shutdown() -> u64 {
    30
}

impl Settings {
    /// What `init` writes.
    pub fn new(
        listen: SocketAddr,
        keys: PathBuf,
        database: Option<String>,
        mirror: Option<String>,
    ) -> Self {
        Self {
            listen,
            keys,
            database: database.unwrap_or_else(default_database),
            mirror: mirror.unwrap_or_else(default_mirror),
            journal: default_journal(),
            storage_key_days: default_days(),
            shutdown_seconds: default_shutdown(),
        }
    }

    /// Reads and checks the configuration of a data folder.
    pub fn load(data: &Path) -> Result<Self, OperatorError> {
        let text = read_config(data, CONFIG_FILE, "init")?;
        let settings: Self =
            toml::from_str(&text).map_err(|error| OperatorError::Config(error.to_string()))?;
        settings.check(data)?;
        Ok(settings)
    }

    /// Refuses settings that cannot work or are not safe.
    pub fn check(&self, data: &Path) -> Result<(), OperatorError> {
        let keys = absolute(data, &self.keys)?;
        if keys.starts_with(absolute(data, Path::new("."))?) {
            return Err(OperatorError::Config(
                "keys lies inside the data folder: a backup of the data would hold the storage \
                 key; move it to a folder outside"
                    .to_owned(),
            ));
        }
        if self.database == self.mirror {
            return Err(OperatorError::Config(
                "mirror is the same place as database: the second store must be another file or \
                 database, best on another disk"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// The places a gatekeeper works in.
    pub fn places(&self, data: &Path) -> Result<GateConfig, OperatorError> {
        let data = absolute(data, Path::new("."))?;
        let mut places = GateConfig::new(&data, &data, absolute(&data, &self.keys)?);
        places.database = Some(place(&data, &self.database));
        places.journal = Some(absolute(&data, &self.journal)?);
        places.storage_key_days = self.storage_key_days;
        places.mirror = Some(place(&data, &self.mirror));
        Ok(places)
    }

    /// The file that `init` writes: every setting explained, defaults commented out.
    pub(super) fn explained(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let line = |name: &str, value: &str, default: &str| {
            let hash = if value == default { "# " } else { "" };
            format!("{hash}{name} = {}", quoted(value))
        };
        include_str!("gate.toml.in")
            .replace("@LISTEN@", &quoted(&self.listen.to_string()))
            .replace("@KEYS@", &quoted(&self.keys.to_string_lossy()))
            .replace("@DATABASE@", &line("database", &self.database, DATABASE))
            .replace("@MIRROR@", &line("mirror", &self.mirror, MIRROR))
    }

    /// Writes the file where there is none.
    pub(super) fn write(&self, data: &Path) -> Result<(), OperatorError> {
        create_file(&data.join(CONFIG_FILE), &self.explained())
    }
}

/// A database's URL, or a file's path with the data folder before it.
pub(super) fn place(data: &Path, configured: &str) -> String {
    if configured.starts_with("postgres") {
        configured.to_owned()
    } else {
        data.join(configured).to_string_lossy().into_owned()
    }
}

/// The path with the data folder before it, cleared of `.` and `..`, without asking the disk.
pub(super) fn absolute(data: &Path, path: &Path) -> Result<PathBuf, OperatorError> {
    let joined = std::path::absolute(data.join(path)).map_err(|e| OperatorError::file(path, e))?;
    let mut clean = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn settings() -> Settings {
        let listen = "127.0.0.1:8760".parse().unwrap();
        Settings::new(listen, PathBuf::from("../gate-key"), None, None)
    }

    #[test]
    fn reads_back_what_init_writes() {
        let changed = Settings {
            database: "postgres://gate@db.example/gate".to_owned(),
            ..settings()
        };
        for settings in [settings(), changed] {
            let folder = tempfile::tempdir().unwrap();
            settings.write(folder.path()).unwrap();
            assert_eq!(Settings::load(folder.path()).unwrap(), settings);
        }
    }

    #[test]
    fn refuses_a_storage_key_beside_what_it_guards() {
        let mut inside = settings();
        inside.keys = PathBuf::from("../gate/keys");
        let refused = inside.check(Path::new("/srv/gate")).unwrap_err();
        assert!(refused.to_string().contains("inside the data folder"));
        settings().check(Path::new("/srv/gate")).unwrap();
    }

    #[test]
    fn refuses_one_store_in_two_roles() {
        let mut same = settings();
        same.mirror.clone_from(&same.database);
        let refused = same.check(Path::new("/srv/gate")).unwrap_err();
        assert!(refused.to_string().contains("another disk"));
    }
}
