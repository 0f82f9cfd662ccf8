//! One statement and its values.

use sqlx::{SqlSafeStr as _, SqlStr};

use crate::value::Array;
use crate::{Row, SqlError, Tx, Value};

/// A statement in the common dialect; `$1…$n` are the values bound, in order.
#[derive(Clone)]
#[must_use = "a statement does nothing until it is executed"]
pub struct Statement {
    pub(crate) text: SqlStr,
    pub(crate) values: Vec<Value>,
    pub(crate) arrays: Vec<Array>,
}

/// A statement from its text. Only `'static` text is taken, so none is made of user input.
pub fn sql(text: &'static str) -> Statement {
    Statement::from_text(text.into_sql_str())
}

impl Statement {
    pub(crate) const fn from_text(text: SqlStr) -> Self {
        Self {
            text,
            values: Vec::new(),
            arrays: Vec::new(),
        }
    }

    /// Binds the next of `$1…$n`.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it and tells how many rows it changed.
    pub async fn execute(self, tx: &mut Tx) -> Result<u64, SqlError> {
        tx.execute(self).await
    }

    /// Runs it and takes all rows.
    pub async fn fetch_all(self, tx: &mut Tx) -> Result<Vec<Row>, SqlError> {
        tx.fetch_all(self).await
    }

    /// Runs it and takes its first row; [`SqlError::NoRow`] when there is none.
    pub async fn fetch_one(self, tx: &mut Tx) -> Result<Row, SqlError> {
        tx.fetch_optional(self).await?.ok_or(SqlError::NoRow)
    }

    /// Runs it and takes its first row, if there is one.
    pub async fn fetch_optional(self, tx: &mut Tx) -> Result<Option<Row>, SqlError> {
        tx.fetch_optional(self).await
    }

    /// Has the engine parse it against the schema without running it: for tests.
    pub async fn prepare(self, tx: &mut Tx) -> Result<(), SqlError> {
        tx.prepare(self).await
    }
}
