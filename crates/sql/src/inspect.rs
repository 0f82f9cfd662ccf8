//! What an operator wants to know of a database before trusting it with anything.

use sqlx::{PgPool, SqlitePool};

use crate::SqlError;
use crate::db::Pools;

/// What a database says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Engine and version, such as `PostgreSQL 15.18`.
    pub version: String,
    /// Whether the connection is encrypted; SQLite has none.
    pub encrypted: Option<bool>,
    /// What would lose committed data or refuse it, a sentence each; empty where all is well.
    pub warnings: Vec<String>,
}

pub(crate) async fn inspect(pools: &Pools) -> Result<Inspection, SqlError> {
    match pools {
        Pools::Postgres(pool) => postgres(pool).await,
        Pools::Sqlite { reader, .. } => sqlite(reader).await,
    }
}

const SETTINGS: &str = "SELECT current_setting('server_version'), current_setting('fsync'), \
    current_setting('full_page_writes'), current_setting('synchronous_commit'), \
    pg_is_in_recovery(), \
    COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE)";

async fn postgres(pool: &PgPool) -> Result<Inspection, SqlError> {
    type Settings = (String, String, String, String, bool, bool);
    let found: Settings = sqlx::query_as(SETTINGS).fetch_one(pool).await?;
    let (version, fsync, pages, commit, standby, encrypted) = found;
    let mut warnings = Vec::new();
    for (name, value) in [("fsync", fsync), ("full_page_writes", pages)] {
        if value == "off" {
            warnings.push(format!(
                "{name} is off: a crash of the machine may damage the database"
            ));
        }
    }
    if commit == "off" {
        warnings.push(
            "synchronous_commit is off: what was acknowledged may be lost in a crash, and the log \
             may fork"
                .to_owned(),
        );
    }
    if standby {
        warnings.push("the server is a standby: it takes no writes".to_owned());
    }
    Ok(Inspection {
        version: format!("PostgreSQL {version}"),
        encrypted: Some(encrypted),
        warnings,
    })
}

async fn sqlite(pool: &SqlitePool) -> Result<Inspection, SqlError> {
    let (version,): (String,) = sqlx::query_as("SELECT sqlite_version()")
        .fetch_one(pool)
        .await?;
    Ok(Inspection {
        version: format!("SQLite {version}"),
        encrypted: None,
        warnings: Vec::new(),
    })
}
