//! Migrations: numbered scripts, each applied once.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::db::{Pools, UNHURRIED};
use crate::lent::Lent;
use crate::tx::{Home, Session};
use crate::{Db, Engine, SqlError, Tx, sql};

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 1, 2, 3, … without a gap.
    pub version: i64,
    /// A word for people, such as the file's name.
    pub name: &'static str,
    /// The oldest schema whose programs still work once this step is applied; its own number when
    /// none does. A step that only adds tables, or columns with a default, names the one before, so
    /// that servers of two versions can work side by side during an upgrade.
    pub oldest: i64,
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

const CREATE_COMPATIBILITY: &str = "\
    CREATE TABLE IF NOT EXISTS schema_compatibility (
        version BIGINT PRIMARY KEY,
        oldest BIGINT NOT NULL
    )";

const APPLIED: &str = "SELECT version, checksum FROM schema_migrations ORDER BY version";

const NEWEST: &str = "SELECT COALESCE(MAX(version), 0) AS version FROM schema_migrations";

const RECORD: &str = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)";

const RECORD_COMPATIBILITY: &str =
    "INSERT INTO schema_compatibility (version, oldest) VALUES ($1, $2)";

const OLDEST: &str =
    "SELECT COALESCE(MAX(oldest), 0) AS oldest FROM schema_compatibility WHERE version > $1";

const HAS_TABLES_POSTGRES: &str = "SELECT CAST(COUNT(*) AS BIGINT) AS tables FROM pg_class \
    WHERE oid IN (to_regclass('schema_migrations'), to_regclass('schema_compatibility'))";

const HAS_TABLES_SQLITE: &str = "SELECT COUNT(*) AS tables FROM sqlite_master \
    WHERE name IN ('schema_migrations', 'schema_compatibility')";

/// Any fixed number; two servers that start at once must use the same. Asked for again and again: to
/// wait for it would look like a server that does not answer.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(5430221764881) AS taken";
const LOCK_EVERY: Duration = Duration::from_millis(50);

impl Db {
    /// Brings the schema up to date in one transaction and tells how many steps were applied.
    ///
    /// Refuses a database whose applied steps read differently, and one of a newer program, unless
    /// its further steps say that programs of this schema still work on it.
    pub async fn migrate(&self, schema: &Schema) -> Result<usize, SqlError> {
        check_order(schema)?;
        let steps = match self.engine() {
            Engine::Postgres => schema.postgres,
            Engine::Sqlite => schema.sqlite,
        };
        let session = self.begin_migration().await?;
        let home = Home::default();
        let mut tx = Tx::new(session, Arc::clone(&self.shared), home.clone());
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

    /// Tells how many steps [`Db::migrate`] would apply, without applying any, and refuses what it
    /// would refuse.
    pub async fn pending_migrations(&self, schema: &Schema) -> Result<usize, SqlError> {
        check_order(schema)?;
        let (steps, tables) = match self.engine() {
            Engine::Postgres => (schema.postgres, HAS_TABLES_POSTGRES),
            Engine::Sqlite => (schema.sqlite, HAS_TABLES_SQLITE),
        };
        self.read("pending_migrations", async |mut tx| {
            let found: i64 = sql(tables).fetch_one(&mut tx).await?.column("tables")?;
            if found < 2 {
                return Ok(steps.len());
            }
            let done = count_applied(&mut tx, steps).await?;
            Ok(steps.len().saturating_sub(done))
        })
        .await
    }

    /// Number of the newest step that was applied to the database, by whatever program; 0 where there is none.
    pub async fn schema_version(&self) -> Result<i64, SqlError> {
        let tables = match self.engine() {
            Engine::Postgres => HAS_TABLES_POSTGRES,
            Engine::Sqlite => HAS_TABLES_SQLITE,
        };
        self.read("schema_version", async |mut tx| {
            let found: i64 = sql(tables).fetch_one(&mut tx).await?.column("tables")?;
            if found < 2 {
                return Ok(0);
            }
            sql(NEWEST).fetch_one(&mut tx).await?.column("version")
        })
        .await
    }

    /// Read committed, because what another server applied while this one waited for the lock
    /// must be seen.
    async fn begin_migration(&self) -> Result<Session, SqlError> {
        let session = match &self.shared.pools {
            Pools::Postgres(pool) => {
                let text = "BEGIN ISOLATION LEVEL READ COMMITTED";
                let limit = self.shared.answer_within;
                Session::Postgres(Lent::begin(pool, limit, text).await?)
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
        while !sql(LOCK).fetch_one(tx).await?.column("taken")? {
            tokio::time::sleep(LOCK_EVERY).await;
        }
    }
    sql(CREATE).execute(tx).await?;
    sql(CREATE_COMPATIBILITY).execute(tx).await?;
    let done = count_applied(tx, steps).await?;
    let new = steps.get(done..).unwrap_or_default();
    if !new.is_empty() {
        tx.take_time(UNHURRIED).await?;
    }
    for step in new {
        tx.run_script(step.sql).await?;
        sql(RECORD)
            .bind(step.version)
            .bind(step.name)
            .bind(checksum(step))
            .execute(tx)
            .await?;
        sql(RECORD_COMPATIBILITY)
            .bind(step.version)
            .bind(step.oldest)
            .execute(tx)
            .await?;
    }
    Ok(new.len())
}

/// Compares what was applied with what is known here.
async fn count_applied(tx: &mut Tx, steps: &[Migration]) -> Result<usize, SqlError> {
    let known = steps.last().map_or(0, |step| step.version);
    let mut done = 0;
    for row in sql(APPLIED).fetch_all(tx).await? {
        let version: i64 = row.column("version")?;
        let Some(step) = steps.get(done) else {
            let oldest = sql(OLDEST).bind(known).fetch_one(tx).await?;
            let oldest: i64 = oldest.column("oldest")?;
            // Steps of a program from before this table name nothing.
            if oldest == 0 || oldest > known {
                let found = version;
                return Err(SqlError::NewerSchema { found, known });
            }
            break;
        };
        if version != step.version || row.column::<String>("checksum")? != checksum(step) {
            return Err(SqlError::MigrationChanged { version });
        }
        done += 1;
    }
    Ok(done)
}

fn check_order(schema: &Schema) -> Result<(), SqlError> {
    let mut version = 0;
    let longer = schema.postgres.len().max(schema.sqlite.len());
    for index in 0..longer {
        version += 1;
        let alike = match (schema.postgres.get(index), schema.sqlite.get(index)) {
            (Some(a), Some(b)) => {
                let named = (a.version, a.name, a.oldest) == (version, b.name, b.oldest);
                named && b.version == version && (1..=version).contains(&a.oldest)
            }
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
