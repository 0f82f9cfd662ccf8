//! Where tables lie: SQLite files in the data folder, or databases of a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use obhut_sql::{Db, Options};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::ServerError;
use crate::keys::make_folder;

/// Holds the URL of the vault's database, before anything the configuration says.
pub const DATABASE_VARIABLE: &str = "OBHUT_DATABASE_URL";
/// Holds the URL of the gatekeeper's first store, before anything the configuration says.
pub const GATE_DATABASE_VARIABLE: &str = "OBHUT_GATE_DATABASE_URL";
/// Holds the URL of the gatekeeper's second store, before anything the configuration says.
pub const GATE_MIRROR_VARIABLE: &str = "OBHUT_GATE_MIRROR_URL";

/// The vault's database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// The SQLite file, unless a URL is given.
    pub file: PathBuf,
    /// `postgres://…`. The environment variable [`DATABASE_VARIABLE`] goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Target>,
    /// A file with the URL, so that its password need not stand in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// Connections to PostgreSQL, for each server.
    pub connections: u32,
    /// How long PostgreSQL may take to answer a statement, seconds.
    pub answer_seconds: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            file: PathBuf::from("db/vault.sqlite"),
            url: None,
            url_file: None,
            connections: Options::default().postgres_connections,
            answer_seconds: Options::default().answer_within.as_secs(),
        }
    }
}

impl DatabaseConfig {
    /// Where the tables lie, and who says so. Reads the environment and the file with the URL.
    pub fn find(&self, data: &Path) -> Result<(Target, String), ServerError> {
        if let Some(target) = Target::from_environment(DATABASE_VARIABLE) {
            return Ok((
                target.of_server()?,
                format!("the variable {DATABASE_VARIABLE}"),
            ));
        }
        self.find_written(data)
    }

    /// Where the tables lie as the configuration alone says it: with two data folders the environment cannot be meant for
    /// both.
    pub(crate) fn find_configured(&self, data: &Path) -> Result<Target, ServerError> {
        Ok(self.find_written(data)?.0)
    }

    fn find_written(&self, data: &Path) -> Result<(Target, String), ServerError> {
        match (&self.url, &self.url_file) {
            (Some(_), Some(_)) => Err(ServerError::Config(
                "database.url and database.url_file are both set; keep one".to_owned(),
            )),
            (Some(url), None) => Ok((url.of_server()?, "database.url".to_owned())),
            (None, Some(file)) => {
                let path = data.join(file);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| ServerError::file(&path, error))?;
                let target = Target::new(Zeroizing::new(text).trim());
                Ok((target.of_server()?, path.display().to_string()))
            }
            (None, None) => Ok((Target::file(&data.join(&self.file)), "SQLite".to_owned())),
        }
    }

    /// Opens the database; a SQLite file and its folder are made where they are missing.
    pub async fn open(&self, data: &Path) -> Result<Db, ServerError> {
        self.open_target(self.find(data)?.0).await
    }

    /// As [`DatabaseConfig::open`], without asking the environment.
    pub(crate) async fn open_configured(&self, data: &Path) -> Result<Db, ServerError> {
        self.open_target(self.find_configured(data)?).await
    }

    async fn open_target(&self, target: Target) -> Result<Db, ServerError> {
        if !target.is_server()
            && let Some(folder) = Path::new(target.expose()).parent()
        {
            make_folder(folder)?;
        }
        let options = Options {
            postgres_connections: self.connections,
            answer_within: Duration::from_secs(self.answer_seconds),
            ..Options::default()
        };
        Db::open_with(target.expose(), &options)
            .await
            .map_err(|error| ServerError::Database {
                target: target.to_string(),
                source: error,
            })
    }
}

/// A file, or the URL of a PostgreSQL database. Shows no password, wherever it is printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Target(Zeroizing<String>);

impl Target {
    /// From the text of a setting.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    fn file(path: &Path) -> Self {
        Self::new(&path.to_string_lossy())
    }

    /// What this environment variable holds; nothing when it is unset or empty.
    pub fn from_environment(variable: &str) -> Option<Self> {
        let text = Zeroizing::new(std::env::var(variable).ok()?);
        (!text.is_empty()).then(|| Self::new(&text))
    }

    /// The text with its password. Only for opening the database.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is a URL.
    pub fn is_server(&self) -> bool {
        ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| self.0.starts_with(scheme))
    }

    /// Whether the URL holds a password.
    pub fn has_password(&self) -> bool {
        self.to_string() != *self.0
    }

    /// A file counts from the data folder.
    #[must_use]
    pub fn below(&self, data: &Path) -> Self {
        if self.is_server() {
            self.clone()
        } else {
            Self::file(&data.join(&*self.0))
        }
    }

    fn of_server(&self) -> Result<Self, ServerError> {
        if self.is_server() {
            return Ok(self.clone());
        }
        // The text is not repeated: it may hold a password.
        Err(ServerError::Config(
            "the URL of the database must begin with postgres://".to_owned(),
        ))
    }
}

impl From<String> for Target {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_server() {
            return f.write_str(&self.0);
        }
        let (address, query) = match self.0.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (self.0.as_str(), None),
        };
        match address.rsplit_once('@') {
            Some((user, place)) => {
                let (scheme, user) = user.split_once("://").unwrap_or_default();
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                let hidden = if password.is_empty() { "" } else { ":***" };
                write!(f, "{scheme}://{name}{hidden}@{place}")?;
            }
            None => f.write_str(address)?,
        }
        let mut before = '?';
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            let shown = if name == "password" {
                "password=***"
            } else {
                pair
            };
            write!(f, "{before}{shown}")?;
            before = '&';
        }
        Ok(())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn shows_a_url_without_its_password() {
        for (url, shown) in [
            ("postgres://o:geheim@h:1/d", "postgres://o:***@h:1/d"),
            ("postgres://o:ge@heim@h/d?a=b", "postgres://o:***@h/d?a=b"),
            (
                "postgres://o@h/d?a=b&password=geheim",
                "postgres://o@h/d?a=b&password=***",
            ),
            ("postgres://o@h/d", "postgres://o@h/d"),
            ("postgres://h/d", "postgres://h/d"),
            ("db/vault.sqlite", "db/vault.sqlite"),
        ] {
            let target = Target::new(url);
            assert_eq!(target.to_string(), shown);
            assert_eq!(format!("{target:?}"), shown);
            assert_eq!(target.has_password(), url != shown);
        }
    }

    #[test]
    fn takes_the_url_from_a_file_and_refuses_two_answers() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("url");
        std::fs::write(&file, "postgres://o:geheim@h/d\n").unwrap();
        let mut config = DatabaseConfig {
            url_file: Some(PathBuf::from("url")),
            ..DatabaseConfig::default()
        };
        let (target, from) = config.find(data.path()).unwrap();
        assert_eq!(target.expose(), "postgres://o:geheim@h/d");
        assert_eq!(from, file.display().to_string());
        config.url = Some(Target::new("postgres://h/d"));
        let error = config.find(data.path()).unwrap_err().to_string();
        assert!(error.contains("both set"), "{error}");
        std::fs::write(&file, "mysql://o:geheim@h/d\n").unwrap();
        config.url = None;
        let error = config.find(data.path()).unwrap_err().to_string();
        assert!(
            error.contains("postgres://") && !error.contains("geheim"),
            "{error}"
        );
    }
}
