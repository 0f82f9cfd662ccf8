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
/// PostgreSQL gets one statement with an array a column (UNNEST), SQLite multi-row VALUES in a few
/// fixed sizes, so that both find the statement in their cache whatever the number of rows.
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
    pub async fn execute(&self, tx: &mut Tx, rows: Vec<[Value; N]>) -> Result<u64, SqlError> {
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
        rows: Vec<[Value; N]>,
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

    fn statements(&self, tx: &mut Tx, rows: Vec<[Value; N]>) -> Result<Vec<Statement>, SqlError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if let Connection::Postgres(_) = tx.connection()? {
            let mut statement = Statement::from_text(self.text(tx, Source::Arrays));
            statement.arrays = self.transpose(rows)?;
            return Ok(vec![statement]);
        }
        self.chunk(tx, rows)
    }

    /// SQLite: the rows' values one after the other.
    fn chunk(&self, tx: &Tx, rows: Vec<[Value; N]>) -> Result<Vec<Statement>, SqlError> {
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        let mut statements = Vec::new();
        while let Some(size) = SIZES.into_iter().find(|size| *size <= left) {
            left -= size;
            let mut statement = Statement::from_text(self.text(tx, Source::Rows(size)));
            statement.values.reserve_exact(size * N);
            for row in rows.by_ref().take(size) {
                for ((name, kind), value) in self.columns.iter().zip(row) {
                    if !kind.holds(&value) {
                        return Err(SqlError::Column { name });
                    }
                    statement.values.push(value);
                }
            }
            statements.push(statement);
        }
        Ok(statements)
    }

    /// PostgreSQL: an array a column.
    fn transpose(&self, rows: Vec<[Value; N]>) -> Result<Vec<Array>, SqlError> {
        let mut arrays: Vec<Array> = self
            .columns
            .iter()
            .map(|(_, kind)| Array::with_capacity(*kind, rows.len()))
            .collect();
        for row in rows {
            for ((array, value), (name, _)) in arrays.iter_mut().zip(row).zip(&self.columns) {
                array.push(value).ok_or(SqlError::Column { name })?;
            }
        }
        Ok(arrays)
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

/// Rows a statement on SQLite, largest first; each size is one cached statement.
const SIZES: [usize; 4] = [128, 32, 8, 1];

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
