//! The database: pools, transactions, retry.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{PgPool, SqlitePool};

use crate::batch::Texts;
use crate::lent::{GRACE, Lent};
use crate::metrics::Metrics;
use crate::tx::{Home, Session};
use crate::{Counters, Inspection, Options, Row, SqlError, Statement, Tx, inspect, open};

/// A database of either engine. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Db {
    pub(crate) shared: Arc<Shared>,
    unhurried: bool,
}

/// Which engine is behind a [`Db`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL 15 or newer.
    Postgres,
    /// SQLite, in the process.
    Sqlite,
}

pub(crate) struct Shared {
    pub(crate) pools: Pools,
    /// How long a statement on PostgreSQL may take.
    pub(crate) answer_within: Duration,
    pub(crate) metrics: Metrics,
    pub(crate) texts: Texts,
}

pub(crate) enum Pools {
    Postgres(PgPool),
    Sqlite {
        reader: SqlitePool,
        writer: SqlitePool,
        path: std::path::PathBuf,
    },
}

/// One text, two snapshots. Serializable gives PostgreSQL the semantics the single writer gives
/// SQLite: a decision taken on what was read holds when it is committed. Reads take a plain
/// snapshot; a decision must be taken in `write`.
#[derive(Clone, Copy)]
enum Mode {
    Read,
    /// One reading statement, without a transaction around it.
    Single,
    Write,
}

const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const WRITE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";
const READ_UNHURRIED: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0";
const WRITE_UNHURRIED: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL statement_timeout = 0";

impl Db {
    /// Opens `postgres://…` (or `postgresql://…`), or the SQLite file at this path, which is
    /// created when missing.
    pub async fn open(target: &str) -> Result<Self, SqlError> {
        Self::open_with(target, &Options::default()).await
    }

    /// As [`Db::open`], with options.
    pub async fn open_with(target: &str, options: &Options) -> Result<Self, SqlError> {
        if target.starts_with("postgres://") || target.starts_with("postgresql://") {
            Self::open_postgres(target, options).await
        } else {
            Self::open_sqlite(Path::new(target), options).await
        }
    }

    /// Connects to a PostgreSQL server.
    pub async fn open_postgres(url: &str, options: &Options) -> Result<Self, SqlError> {
        let pools = open::postgres(url, options).await?;
        Ok(Self::over(pools, options))
    }

    /// Opens a SQLite file with mode 0600 in an existing folder.
    pub async fn open_sqlite(path: &Path, options: &Options) -> Result<Self, SqlError> {
        let pools = open::sqlite(path, options).await?;
        Ok(Self::over(pools, options))
    }

    fn over(pools: Pools, options: &Options) -> Self {
        let shared = Shared {
            pools,
            answer_within: options.answer_within + GRACE,
            metrics: Metrics::default(),
            texts: Texts::default(),
        };
        Self {
            shared: Arc::new(shared),
            unhurried: false,
        }
    }

    /// The same database for long work that somebody has ordered – a backup, a move, a comparison of
    /// everything: a statement may take hours before its connection is given up.
    #[must_use]
    pub fn unhurried(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            unhurried: true,
        }
    }

    /// Which engine this is.
    pub fn engine(&self) -> Engine {
        match self.shared.pools {
            Pools::Postgres(_) => Engine::Postgres,
            Pools::Sqlite { .. } => Engine::Sqlite,
        }
    }

    /// Runs `f` on one snapshot, without the right to write:
    /// `db.read("find_case", async |mut tx| …).await`.
    ///
    /// `f` may run again after a conflict, so it must have no other effect than its result.
    pub async fn read<T, E, F, Fut>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        E: From<SqlError>,
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.transact(name, Mode::Read, f).await
    }

    /// Runs `f` in a serializable transaction and commits when it returns `Ok`:
    /// `db.write("add_entry", async |mut tx| …).await`.
    ///
    /// `f` runs again after a conflict, so it must have no other effect than its result. A `write`
    /// inside a `write` would wait for itself on SQLite.
    pub async fn write<T, E, F, Fut>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        E: From<SqlError>,
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.transact(name, Mode::Write, f).await
    }

    /// All rows of one reading statement, without the cost of a transaction around it.
    pub async fn fetch_all(
        &self,
        name: &'static str,
        statement: Statement,
    ) -> Result<Vec<Row>, SqlError> {
        self.transact(name, Mode::Single, async |mut tx| {
            tx.fetch_all(statement.clone()).await
        })
        .await
    }

    /// The first row of one reading statement, without the cost of a transaction around it.
    pub async fn fetch_optional(
        &self,
        name: &'static str,
        statement: Statement,
    ) -> Result<Option<Row>, SqlError> {
        self.transact(name, Mode::Single, async |mut tx| {
            tx.fetch_optional(statement.clone()).await
        })
        .await
    }

    /// Counters by name since the database was opened.
    pub fn counters(&self) -> BTreeMap<&'static str, Counters> {
        self.shared.metrics.snapshot()
    }

    /// What the server says about itself, for an operator.
    pub async fn inspect(&self) -> Result<Inspection, SqlError> {
        inspect::inspect(&self.shared).await
    }

    /// Empties SQLite's write-ahead log into the database file, so that overwritten content is
    /// left in neither. Nothing to do on PostgreSQL.
    pub async fn checkpoint(&self) -> Result<(), SqlError> {
        if let Pools::Sqlite { writer, .. } = &self.shared.pools {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(writer)
                .await?;
        }
        Ok(())
    }

    /// Waits for the transactions under way, no longer than a statement may take, and closes all
    /// connections.
    pub async fn close(&self) {
        match &self.shared.pools {
            Pools::Postgres(pool) => {
                let closing = tokio::time::timeout(self.shared.answer_within, pool.close());
                if closing.await.is_err() {
                    tracing::warn!("connections to the database were left behind");
                }
            }
            Pools::Sqlite { reader, writer, .. } => {
                reader.close().await;
                writer.close().await;
            }
        }
    }

    async fn transact<T, E, F, Fut>(&self, name: &'static str, mode: Mode, f: F) -> Result<T, E>
    where
        E: From<SqlError>,
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let watch = Watch::start(self, name);
        let mut retries = 0;
        loop {
            match self.attempt(mode, &f).await {
                Err(failure) if retries < failure.retries && watch.patient() => {
                    retries += 1;
                    tokio::time::sleep(backoff(retries)).await;
                }
                Err(failure) => return watch.stop(Err(failure.error), retries),
                Ok(value) => return watch.stop(Ok(value), retries),
            }
        }
    }

    async fn attempt<T, E, F, Fut>(&self, mode: Mode, f: &F) -> Result<T, Failure<E>>
    where
        E: From<SqlError>,
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let session = self.begin(mode).await.map_err(Failure::from)?;
        let home = Home::default();
        let tx = Tx::new(session, Arc::clone(&self.shared), Arc::clone(&home));
        let result = f(tx).await;
        let returned = home.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((session, outcome)) = returned else {
            return Err(Failure::from(SqlError::Aborted));
        };
        let result = match result {
            Ok(_) if outcome.failed => Err(E::from(SqlError::Aborted)),
            result => result,
        };
        match result {
            Ok(value) => {
                let committed = session.commit().await;
                committed.map_err(|error| Failure::of_commit(error.into()))?;
                Ok(value)
            }
            Err(error) => {
                session.rollback().await;
                let retries = outcome.retries;
                Err(Failure { error, retries })
            }
        }
    }

    async fn begin(&self, mode: Mode) -> Result<Session, SqlError> {
        let session = match (&self.shared.pools, mode) {
            (Pools::Postgres(pool), mode) => self.begin_postgres(pool, mode).await?,
            (Pools::Sqlite { reader, .. }, Mode::Read) => Session::Sqlite(reader.begin().await?),
            (Pools::Sqlite { reader, .. }, Mode::Single) => {
                Session::SqliteSingle(reader.acquire().await?)
            }
            (Pools::Sqlite { writer, .. }, Mode::Write) => {
                Session::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)
            }
        };
        Ok(session)
    }

    async fn begin_postgres(&self, pool: &PgPool, mode: Mode) -> Result<Session, SqlError> {
        let (limit, text) = match (mode, self.unhurried) {
            (Mode::Single, false) => {
                let lent = Lent::take(pool, self.shared.answer_within).await?;
                return Ok(Session::PostgresSingle(lent));
            }
            (Mode::Read, false) => (self.shared.answer_within, READ),
            (Mode::Write, false) => (self.shared.answer_within, WRITE),
            (Mode::Read | Mode::Single, true) => (UNHURRIED, READ_UNHURRIED),
            (Mode::Write, true) => (UNHURRIED, WRITE_UNHURRIED),
        };
        Ok(Session::Postgres(Lent::begin(pool, limit, text).await?))
    }
}

struct Failure<E> {
    error: E,
    /// How often the whole may be tried again.
    retries: u32,
}

impl<E: From<SqlError>> From<SqlError> for Failure<E> {
    fn from(error: SqlError) -> Self {
        let retries = retries(&error);
        let error = error.into();
        Self { error, retries }
    }
}

impl<E: From<SqlError>> Failure<E> {
    /// A connection lost while committing leaves open whether the change was made.
    fn of_commit(error: SqlError) -> Self {
        let (error, retries) = match error {
            SqlError::Unavailable(error) => (SqlError::Undecided(error), 0),
            error => {
                let retries = retries(&error);
                (error, retries)
            }
        };
        let error = error.into();
        Self { error, retries }
    }
}

/// How often a transaction that failed so, before its commit, may be tried again. A conflict:
/// together with [`backoff`] about two seconds. A connection lost: the next ones may be lost too.
pub(crate) fn retries(error: &SqlError) -> u32 {
    match error {
        SqlError::Conflict(_) => 14,
        // Its time is up already.
        SqlError::Unavailable(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => 0,
        SqlError::Unavailable(sqlx::Error::Database(error))
            if error.code().as_deref() == Some(STATEMENT_TIMEOUT) =>
        {
            0
        }
        SqlError::Unavailable(_) => 4,
        _ => 0,
    }
}

/// The server's word for a statement that it ended because it took too long.
const STATEMENT_TIMEOUT: &str = "57014";
/// Long enough for whatever somebody has ordered, short of for ever.
pub(crate) const UNHURRIED: Duration = Duration::from_hours(6);
/// SQLite's own waiting for another process counts against this.
const PATIENCE: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(1);

/// 1, 2, 4, … ms up to 256 ms.
const fn backoff(retry: u32) -> Duration {
    let doublings = if retry < 9 { retry - 1 } else { 8 };
    Duration::from_millis(1 << doublings)
}

/// Times a call and records how it ended.
struct Watch<'a> {
    db: &'a Db,
    name: &'static str,
    started: Instant,
}

impl<'a> Watch<'a> {
    fn start(db: &'a Db, name: &'static str) -> Self {
        let started = Instant::now();
        Self { db, name, started }
    }

    fn patient(&self) -> bool {
        self.started.elapsed() < PATIENCE
    }

    fn stop<T, E>(self, result: Result<T, E>, retries: u32) -> Result<T, E> {
        let took = self.started.elapsed();
        if took > SLOW {
            let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                statement = self.name,
                duration_ms,
                retries,
                "slow database call"
            );
        }
        self.db
            .shared
            .metrics
            .record(self.name, result.is_err(), retries, took);
        result
    }
}
