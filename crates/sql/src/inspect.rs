//! What an operator wants to know of a database before trusting it with anything.

use sqlx::SqlitePool;

use crate::SqlError;
use crate::db::{Pools, Shared};
use crate::lent::{Lent, within};

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

pub(crate) async fn inspect(shared: &Shared) -> Result<Inspection, SqlError> {
    match &shared.pools {
        Pools::Postgres(pool) => postgres(Lent::take(pool, shared.answer_within).await?).await,
        Pools::Sqlite { reader, .. } => sqlite(reader).await,
    }
}

const SETTINGS: &str = "SELECT current_setting('server_version'), current_setting('fsync'), \
    current_setting('full_page_writes'), current_setting('synchronous_commit'), \
    pg_is_in_recovery(), \
    COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE)";

async fn postgres(mut lent: Lent) -> Result<Inspection, SqlError> {
    type Settings = (String, String, String, String, bool, bool);
    let limit = lent.answer_within();
    let found = within(
        limit,
        sqlx::query_as(SETTINGS).fetch_one(lent.connection()?),
    )
    .await;
    let found: Settings = lent.judge(found)?;
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
