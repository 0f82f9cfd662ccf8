//! A transaction on either engine.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::pool::PoolConnection;
use sqlx::{Executor as _, Postgres, SqlSafeStr as _, Sqlite};

use crate::db::Shared;
use crate::row::Engine;
use crate::statement::Statement;
use crate::value::{bind_array, bind_postgres, bind_sqlite};
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
    pub(crate) conflict: bool,
    pub(crate) failed: bool,
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

    pub(crate) fn connection(&mut self) -> Result<&mut Connection, SqlError> {
        match &mut self.session {
            Some(session) => Ok(&mut session.connection),
            None => Err(SqlError::Aborted),
        }
    }

    /// Remembers a failure, so that a lost transaction is neither committed nor retried in vain.
    pub(crate) fn note<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, SqlError> {
        result.map_err(|error| {
            let error = SqlError::from(error);
            self.outcome.failed = true;
            self.outcome.conflict |= matches!(error, SqlError::Conflict(_));
            error
        })
    }

    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, SqlError> {
        let result = match self.connection()? {
            Connection::Postgres(connection) => postgres(statement)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
            Connection::Sqlite(connection) => sqlite(statement)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
        };
        self.note(result)
    }

    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        let result = match self.connection()? {
            Connection::Postgres(connection) => postgres(statement)
                .fetch_all(&mut **connection)
                .await
                .map(|rows| wrap(rows, Engine::Postgres)),
            Connection::Sqlite(connection) => sqlite(statement)
                .fetch_all(&mut **connection)
                .await
                .map(|rows| wrap(rows, Engine::Sqlite)),
        };
        self.note(result)
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> Result<Option<Row>, SqlError> {
        let result = match self.connection()? {
            Connection::Postgres(connection) => postgres(statement)
                .fetch_optional(&mut **connection)
                .await
                .map(|row| row.map(|row| Row(Engine::Postgres(row)))),
            Connection::Sqlite(connection) => sqlite(statement)
                .fetch_optional(&mut **connection)
                .await
                .map(|row| row.map(|row| Row(Engine::Sqlite(row)))),
        };
        self.note(result)
    }

    pub(crate) async fn prepare(&mut self, statement: Statement) -> Result<(), SqlError> {
        let result = match self.connection()? {
            Connection::Postgres(connection) => connection.prepare(statement.text).await.map(drop),
            Connection::Sqlite(connection) => connection.prepare(statement.text).await.map(drop),
        };
        self.note(result)
    }

    /// Runs DDL: several statements, none of them prepared.
    pub(crate) async fn run_script(&mut self, script: &'static str) -> Result<(), SqlError> {
        let result = self.connection()?.run(script).await;
        self.note(result)
    }
}

fn wrap<R>(rows: Vec<R>, engine: impl Fn(R) -> Engine) -> Vec<Row> {
    rows.into_iter().map(|row| Row(engine(row))).collect()
}

fn postgres(
    statement: Statement,
) -> sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments> {
    let query = sqlx::query(statement.text);
    let query = statement.values.into_iter().fold(query, bind_postgres);
    statement.arrays.into_iter().fold(query, bind_array)
}

fn sqlite(
    statement: Statement,
) -> sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
    let query = sqlx::query(statement.text);
    statement.values.into_iter().fold(query, bind_sqlite)
}

pub(crate) enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Connection {
    async fn run(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let script = sqlx::raw_sql(text.into_sql_str());
        match self {
            Self::Postgres(connection) => script.execute(&mut **connection).await.map(drop),
            Self::Sqlite(connection) => script.execute(&mut **connection).await.map(drop),
        }
    }
}

/// A connection inside a transaction. One that is not ended cleanly (cancelled, rollback failed)
/// takes its connection with it: the next user must never inherit half a transaction. SQLite, for
/// one, rolls back by itself on a full disk and then refuses the ROLLBACK.
pub(crate) struct Session {
    connection: Connection,
    open: bool,
}

impl Session {
    pub(crate) async fn begin(
        connection: Connection,
        text: &'static str,
    ) -> Result<Self, sqlx::Error> {
        let mut session = Self {
            connection,
            open: true,
        };
        session.connection.run(text).await?;
        Ok(session)
    }

    /// A connection for one statement outside a transaction.
    pub(crate) fn single(connection: Connection) -> Self {
        Self {
            connection,
            open: false,
        }
    }

    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection.run("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    pub(crate) async fn rollback(mut self) {
        self.open = self.connection.run("ROLLBACK").await.is_err();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.open {
            match &mut self.connection {
                Connection::Postgres(connection) => connection.close_on_drop(),
                Connection::Sqlite(connection) => connection.close_on_drop(),
            }
        }
    }
}
