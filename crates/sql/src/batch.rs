//! Many rows in few statements.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::statement::Statement;
use crate::tx::Connection;
use crate::value::Array;
use crate::{Row, SqlError, Tx, Value};

/// The kind of a batch's column. All values of the column are of this kind or NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Value::Int`]
    Int,
    /// [`Value::Text`]
    Text,
    /// [`Value::Blob`]
    Blob,
}

/// A statement over many rows of `N` columns, from fixed parts.
///
/// PostgreSQL gets one statement with an array a column (UNNEST), SQLite VALUES lists of 1, 2, 4 …
/// 1,024 rows, so that both find the statement in their cache whatever the number of rows.
/// A batch may therefore run as several statements inside the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch<const N: usize> {
    columns: [(&'static str, Kind); N],
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    Insert {
        table: &'static str,
        tail: &'static str,
    },
    With {
        statement: &'static str,
    },
}

impl<const N: usize> Batch<N> {
    /// `INSERT INTO table (columns) VALUES …`
    pub const fn insert(table: &'static str, columns: [(&'static str, Kind); N]) -> Self {
        Self {
            columns,
            form: Form::Insert { table, tail: "" },
        }
    }

    /// `WITH batch (columns) AS (…) statement`: any statement that reads the rows as the table
    /// `batch`. It takes no values of its own; what all rows share is a column too.
    pub const fn with(columns: [(&'static str, Kind); N], statement: &'static str) -> Self {
        Self {
            columns,
            form: Form::With { statement },
        }
    }

    /// What follows the rows of an insert: `ON CONFLICT …`, `RETURNING …`.
    #[must_use]
    pub const fn tail(self, tail: &'static str) -> Self {
        match self.form {
            Form::Insert { table, .. } => Self {
                columns: self.columns,
                form: Form::Insert { table, tail },
            },
            Form::With { .. } => self,
        }
    }

    /// Runs it over the rows and tells how many rows of the database changed.
    pub async fn execute(
        &self,
        tx: &mut Tx,
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> Result<u64, SqlError> {
        let mut changed = 0;
        for statement in self.statements(tx, rows)? {
            changed += tx.execute(statement).await?;
        }
        Ok(changed)
    }

    /// Runs it over the rows and takes what it returns, in the order of the statements.
    pub async fn fetch_all(
        &self,
        tx: &mut Tx,
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> Result<Vec<Row>, SqlError> {
        let mut found = Vec::new();
        for statement in self.statements(tx, rows)? {
            found.append(&mut tx.fetch_all(statement).await?);
        }
        Ok(found)
    }

    /// Has the engine parse it against the schema without running it: for tests.
    pub async fn prepare(&self, tx: &mut Tx) -> Result<(), SqlError> {
        let text = match tx.connection()? {
            Connection::Postgres(_) => self.text(tx, Source::Arrays),
            Connection::Sqlite(_) => self.text(tx, Source::Rows(1)),
        };
        tx.prepare(Statement::from_text(text)).await
    }

    fn statements(
        &self,
        tx: &mut Tx,
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> Result<Vec<Statement>, SqlError> {
        match tx.connection()? {
            Connection::Postgres(_) => self.arrays(tx, rows),
            Connection::Sqlite(_) => self.lists(tx, rows),
        }
    }

    /// PostgreSQL: an array a column.
    fn arrays(
        &self,
        tx: &Tx,
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> Result<Vec<Statement>, SqlError> {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(Vec::new());
        }
        let mut statement = Statement::from_text(self.text(tx, Source::Arrays));
        let expected = rows.size_hint().0;
        for (_, kind) in self.columns {
            let array = Array::with_capacity(kind, expected);
            statement.arrays.push(array);
        }
        for row in rows {
            let columns = statement.arrays.iter_mut().zip(&self.columns);
            for ((array, (name, _)), value) in columns.zip(row) {
                array.push(value).ok_or(SqlError::Column { name })?;
            }
        }
        Ok(vec![statement])
    }

    /// SQLite: the rows' values one after the other, 2^k rows a statement.
    fn lists(
        &self,
        tx: &Tx,
        rows: impl IntoIterator<Item = [Value; N]>,
    ) -> Result<Vec<Statement>, SqlError> {
        let rows = rows.into_iter();
        let mut values = Vec::with_capacity(rows.size_hint().0 * N);
        for row in rows {
            for ((name, kind), value) in self.columns.iter().zip(row) {
                if !kind.holds(&value) {
                    return Err(SqlError::Column { name });
                }
                values.push(value);
            }
        }
        let mut statements = Vec::new();
        while !values.is_empty() {
            let size = list_size(values.len() / N, N);
            let rest = values.split_off(size * N);
            let mut statement = Statement::from_text(self.text(tx, Source::Rows(size)));
            statement.values = values;
            statements.push(statement);
            values = rest;
        }
        Ok(statements)
    }

    /// The text, built once a database and form.
    fn text(&self, tx: &Tx, source: Source) -> SqlStr {
        let key = Key {
            columns: self.columns.to_vec(),
            form: self.form,
            source,
        };
        let mut texts = tx
            .shared()
            .texts
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let text = texts.entry(key).or_insert_with_key(|key| key.text().into());
        AssertSqlSafe(Arc::clone(text)).into_sql_str()
    }
}

/// The largest power of two that fits the rows left, SQLite's 32,766 values and 1,024 rows: few
/// statements, because each costs a change of threads, and few texts to keep prepared.
fn list_size(left: usize, columns: usize) -> usize {
    let most = left.min(1024).min(32_766 / columns.max(1)).max(1);
    1 << most.ilog2()
}

/// Texts already built.
#[derive(Default)]
pub(crate) struct Texts(Mutex<HashMap<Key, Arc<str>>>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    columns: Vec<(&'static str, Kind)>,
    form: Form,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Arrays,
    Rows(usize),
}

impl Key {
    fn text(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        let source = self.source();
        match self.form {
            Form::Insert { table, tail } => {
                format!("INSERT INTO {table} ({names}) {source} {tail}")
            }
            Form::With { statement } => format!("WITH batch ({names}) AS ({source}) {statement}"),
        }
    }

    fn source(&self) -> String {
        match self.source {
            Source::Arrays => {
                let arrays: Vec<String> = (1..)
                    .zip(&self.columns)
                    .map(|(number, (_, kind))| format!("CAST(${number} AS {}[])", kind.postgres()))
                    .collect();
                format!("SELECT * FROM UNNEST({})", arrays.join(", "))
            }
            // Plain `?`: SQLite looks up every numbered parameter by a linear search.
            Source::Rows(rows) => {
                let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
                format!("VALUES {}", vec![row; rows].join(", "))
            }
        }
    }
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (_, Value::Null)
                | (Self::Int, Value::Int(_))
                | (Self::Text, Value::Text(_))
                | (Self::Blob, Value::Blob(_))
        )
    }

    const fn postgres(self) -> &'static str {
        match self {
            Self::Int => "BIGINT",
            Self::Text => "TEXT",
            Self::Blob => "BYTEA",
        }
    }
}
