//! Migrations: numbered scripts, each applied once.

use std::sync::{Arc, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::db::Pools;
use crate::tx::{Home, Session};
use crate::{Db, Engine, SqlError, Tx, sql};

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 1, 2, 3, … without a gap.
    pub version: i64,
    /// A word for people, such as the file's name.
    pub name: &'static str,
    /// The DDL, one or more statements.
    pub sql: &'static str,
}

/// The two lists of steps, alike in number and name. SQLite's tables should be STRICT.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// DDL for PostgreSQL.
    pub postgres: &'static [Migration],
    /// DDL for SQLite.
    pub sqlite: &'static [Migration],
}

const CREATE: &str = "\
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version BIGINT PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL
    )";

const APPLIED: &str = "SELECT version, checksum FROM schema_migrations ORDER BY version";

const RECORD: &str = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)";

/// Any fixed number; two servers that start at once must use the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(5430221764881)";

impl Db {
    /// Brings the schema up to date in one transaction and tells how many steps were applied.
    ///
    /// Refuses a database of a newer program and one whose applied steps read differently.
    pub async fn migrate(&self, schema: &Schema) -> Result<usize, SqlError> {
        check_order(schema)?;
        let steps = match self.engine() {
            Engine::Postgres => schema.postgres,
            Engine::Sqlite => schema.sqlite,
        };
        let session = self.begin_migration().await?;
        let home = Home::default();
        let mut tx = Tx::new(session, Arc::clone(&self.0), home.clone());
        let result = apply(&mut tx, self.engine(), steps).await;
        drop(tx);
        let returned = home.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (session, _) = returned.ok_or(SqlError::Aborted)?;
        match result {
            Ok(applied) => {
                session.commit().await?;
                Ok(applied)
            }
            Err(error) => {
                session.rollback().await;
                Err(error)
            }
        }
    }

    /// Read committed, because what another server applied while this one waited for the lock
    /// must be seen.
    async fn begin_migration(&self) -> Result<Session, SqlError> {
        let session = match &self.0.pools {
            Pools::Postgres(pool) => {
                let text = "BEGIN ISOLATION LEVEL READ COMMITTED";
                Session::Postgres(pool.begin_with(text).await?)
            }
            Pools::Sqlite { writer, .. } => {
                Session::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)
            }
        };
        Ok(session)
    }
}

async fn apply(tx: &mut Tx, engine: Engine, steps: &[Migration]) -> Result<usize, SqlError> {
    if engine == Engine::Postgres {
        sql(LOCK).execute(tx).await?;
    }
    sql(CREATE).execute(tx).await?;
    let mut done = 0;
    for row in sql(APPLIED).fetch_all(tx).await? {
        let version: i64 = row.column("version")?;
        let Some(step) = steps.get(done) else {
            let known = steps.last().map_or(0, |step| step.version);
            let found = version;
            return Err(SqlError::NewerSchema { found, known });
        };
        if version != step.version || row.column::<String>("checksum")? != checksum(step) {
            return Err(SqlError::MigrationChanged { version });
        }
        done += 1;
    }
    let new = steps.get(done..).unwrap_or_default();
    for step in new {
        tx.run_script(step.sql).await?;
        sql(RECORD)
            .bind(step.version)
            .bind(step.name)
            .bind(checksum(step))
            .execute(tx)
            .await?;
    }
    Ok(new.len())
}

fn check_order(schema: &Schema) -> Result<(), SqlError> {
    let mut version = 0;
    let longer = schema.postgres.len().max(schema.sqlite.len());
    for index in 0..longer {
        version += 1;
        let alike = match (schema.postgres.get(index), schema.sqlite.get(index)) {
            (Some(a), Some(b)) => a.version == version && b.version == version && a.name == b.name,
            _ => false,
        };
        if !alike {
            return Err(SqlError::MigrationOrder { version });
        }
    }
    Ok(())
}

/// SHA-256 of the text in hex.
fn checksum(step: &Migration) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(step.sql) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
