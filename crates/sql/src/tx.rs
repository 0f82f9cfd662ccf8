//! A transaction on either engine.

use std::sync::{Arc, Mutex, PoisonError};

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Executor as _, Postgres, Sqlite, SqliteConnection, Transaction};

use crate::db::{Shared, retries};
use crate::lent::{Lent, within};
use crate::row::Engine;
use crate::statement::Statement;
use crate::value::{postgres_arguments, sqlite_arguments};
use crate::{Row, SqlError};

/// A transaction, lent to the closure of [`Db::read`](crate::Db::read) or
/// [`Db::write`](crate::Db::write).
///
/// Once a statement has failed nothing can be committed, on either engine: return the error.
pub struct Tx {
    session: Option<Session>,
    home: Home,
    shared: Arc<Shared>,
    outcome: Outcome,
}

/// What became of the statements.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) failed: bool,
    /// How often the transaction may be tried again.
    pub(crate) retries: u32,
}

/// Where a transaction goes when the closure is done with it.
pub(crate) type Home = Arc<Mutex<Option<(Session, Outcome)>>>;

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
            *home = Some((session, self.outcome));
        }
    }
}

impl Tx {
    pub(crate) fn new(session: Session, shared: Arc<Shared>, home: Home) -> Self {
        Self {
            session: Some(session),
            home,
            shared,
            outcome: Outcome::default(),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn connection(&mut self) -> Result<Connection<'_>, SqlError> {
        let session = self.session.as_mut().ok_or(SqlError::Aborted)?;
        Ok(session.connection())
    }

    /// Remembers a failure, so that a lost transaction is neither committed nor retried in vain.
    pub(crate) fn note<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, SqlError> {
        result.map_err(|error| {
            let error = SqlError::from(error);
            self.outcome.failed = true;
            self.outcome.retries = self.outcome.retries.max(retries(&error));
            error
        })
    }

    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, SqlError> {
        let result = match self.connection()? {
            Connection::Postgres(lent) => match postgres(statement) {
                Ok(query) => {
                    let limit = lent.answer_within();
                    let done = within(limit, query.execute(lent.connection()?)).await;
                    lent.judge(done).map(|done| done.rows_affected())
                }
                Err(error) => Err(error),
            },
            Connection::Sqlite(connection) => match sqlite(statement) {
                Ok(query) => query
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected()),
                Err(error) => Err(error),
            },
        };
        self.note(result)
    }

    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        let result = match self.connection()? {
            Connection::Postgres(lent) => match postgres(statement) {
                Ok(query) => {
                    let limit = lent.answer_within();
                    let rows = within(limit, query.fetch_all(lent.connection()?)).await;
                    lent.judge(rows).map(|rows| wrap(rows, Engine::Postgres))
                }
                Err(error) => Err(error),
            },
            Connection::Sqlite(connection) => match sqlite(statement) {
                Ok(query) => query
                    .fetch_all(connection)
                    .await
                    .map(|rows| wrap(rows, Engine::Sqlite)),
                Err(error) => Err(error),
            },
        };
        self.note(result)
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> Result<Option<Row>, SqlError> {
        let result = match self.connection()? {
            Connection::Postgres(lent) => match postgres(statement) {
                Ok(query) => {
                    let limit = lent.answer_within();
                    let row = within(limit, query.fetch_optional(lent.connection()?)).await;
                    let row = lent.judge(row);
                    row.map(|row| row.map(|row| Row(Engine::Postgres(row))))
                }
                Err(error) => Err(error),
            },
            Connection::Sqlite(connection) => match sqlite(statement) {
                Ok(query) => query
                    .fetch_optional(connection)
                    .await
                    .map(|row| row.map(|row| Row(Engine::Sqlite(row)))),
                Err(error) => Err(error),
            },
        };
        self.note(result)
    }

    pub(crate) async fn prepare(&mut self, statement: Statement) -> Result<(), SqlError> {
        let result = match self.connection()? {
            Connection::Postgres(lent) => {
                let limit = lent.answer_within();
                let prepared = within(limit, lent.connection()?.prepare(statement.text)).await;
                lent.judge(prepared).map(drop)
            }
            Connection::Sqlite(connection) => connection.prepare(statement.text).await.map(drop),
        };
        self.note(result)
    }

    /// Lets every statement from here on take so long, on PostgreSQL.
    pub(crate) async fn take_time(&mut self, limit: Duration) -> Result<(), SqlError> {
        if let Connection::Postgres(lent) = self.connection()? {
            lent.set_answer_within(limit);
            self.run_script("SET LOCAL statement_timeout = 0").await?;
        }
        Ok(())
    }

    /// Runs DDL: several statements, none of them prepared.
    pub(crate) async fn run_script(&mut self, script: &'static str) -> Result<(), SqlError> {
        let script = sqlx::raw_sql(script);
        let result = match self.connection()? {
            Connection::Postgres(lent) => {
                let limit = lent.answer_within();
                let done = within(limit, script.execute(lent.connection()?)).await;
                lent.judge(done).map(drop)
            }
            Connection::Sqlite(connection) => script.execute(connection).await.map(drop),
        };
        self.note(result)
    }
}

fn wrap<R>(rows: Vec<R>, engine: impl Fn(R) -> Engine) -> Vec<Row> {
    rows.into_iter().map(|row| Row(engine(row))).collect()
}

fn postgres(statement: Statement) -> Result<Query<'static, Postgres, PgArguments>, sqlx::Error> {
    let values = postgres_arguments(statement.values, statement.arrays)?;
    Ok(sqlx::query_with(statement.text, values))
}

fn sqlite(statement: Statement) -> Result<Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
    let values = sqlite_arguments(statement.values)?;
    Ok(sqlx::query_with(statement.text, values))
}

/// A connection, inside a transaction or for one statement.
///
/// A transaction dropped unfinished rolls back.
pub(crate) enum Session {
    Postgres(Lent),
    PostgresSingle(Lent),
    Sqlite(Transaction<'static, Sqlite>),
    SqliteSingle(PoolConnection<Sqlite>),
}

/// What a statement runs on.
pub(crate) enum Connection<'a> {
    Postgres(&'a mut Lent),
    Sqlite(&'a mut SqliteConnection),
}

impl Session {
    fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Postgres(lent) | Self::PostgresSingle(lent) => Connection::Postgres(lent),
            Self::Sqlite(transaction) => Connection::Sqlite(transaction),
            Self::SqliteSingle(connection) => Connection::Sqlite(connection),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(lent) => lent.commit().await,
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::PostgresSingle(_) | Self::SqliteSingle(_) => Ok(()),
        }
    }

    /// SQLite rolls back by itself on a full disk and then refuses the ROLLBACK; the pool closes
    /// the connection that still believes itself in a transaction (see `open`).
    pub(crate) async fn rollback(self) {
        let result = match self {
            Self::Postgres(lent) => lent.roll_back().await,
            Self::Sqlite(transaction) => transaction.rollback().await,
            Self::PostgresSingle(_) | Self::SqliteSingle(_) => Ok(()),
        };
        if let Err(error) = result {
            tracing::debug!(%error, "rollback refused");
        }
    }
}
