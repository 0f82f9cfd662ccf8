//! What can go wrong, named alike on both engines.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// An error of the seam.
///
/// `Constraint::name` is the same word on both engines if the schema keeps to PostgreSQL's own
/// naming: `table_pkey`, `table_a_b_key` for UNIQUE (also for the name of a unique index),
/// `table_a_not_null`, the CHECK's name, `foreign_key` for every foreign key (SQLite names none),
/// and a trigger's message (`RAISE(ABORT, …)`, `RAISE EXCEPTION`).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// A statement failed earlier in this transaction and its error was swallowed, or the
    /// transaction outlived its closure. Nothing was committed.
    #[error("the transaction was already lost")]
    Aborted,
    /// The column is absent from the row, or its value does not fit the type asked for.
    #[error("column {name} is absent or does not fit")]
    Column {
        /// The column's name in the statement.
        name: &'static str,
    },
    /// Another transaction was in the way and still is after the last retry.
    #[error("the database is busy with conflicting transactions")]
    Conflict(#[source] sqlx::Error),
    /// A constraint refused the change.
    #[error("constraint {name} refused the change")]
    Constraint {
        /// The constraint, named alike on both engines.
        name: String,
    },
    /// Any other error of the database: a wrong statement, a damaged file.
    #[error("the database refused the statement")]
    Database(#[source] sqlx::Error),
    /// The disk (or the tablespace) is full; nothing was committed.
    #[error("the database's disk is full")]
    DiskFull(#[source] sqlx::Error),
    /// The file of a lock could not be used.
    #[error("the lock file cannot be used")]
    LockFile(#[source] std::io::Error),
    /// An applied migration no longer reads as it did when it was applied.
    #[error("migration {version} differs from the one that was applied")]
    MigrationChanged {
        /// The migration's number.
        version: i64,
    },
    /// The two lists of migrations differ, or are not numbered 1, 2, 3, …
    #[error("the list of migrations is inconsistent at number {version}")]
    MigrationOrder {
        /// The first number that is out of order.
        version: i64,
    },
    /// The database was written by a newer version of the program, and not in a way this one could
    /// go along with.
    #[error(
        "the database has schema {found}, this program knows up to {known}; use a program of the \
         version that brought the schema up to date, or restore the backup from before"
    )]
    NewerSchema {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration known here.
        known: i64,
    },
    /// `fetch_one` found no row.
    #[error("the statement gave no row")]
    NoRow,
    /// PostgreSQL before version 15.
    #[error("the server is PostgreSQL {found}; 15 is the oldest that will do")]
    OldServer {
        /// As the server calls itself.
        found: String,
    },
    /// The database can be read only: a read-only file or folder, a standby, or a write in `read`.
    #[error("the database is read-only")]
    ReadOnly(#[source] sqlx::Error),
    /// The database cannot be reached or opened, has no free connection, or did not answer in time.
    /// Nothing was committed.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The connection was lost, or silent for too long, while committing: whether the change was made
    /// is not known, and a server that was not reached in time may still make it.
    #[error("the database did not say whether it committed")]
    Undecided(#[source] sqlx::Error),
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            // A connection that ends in the middle of an answer shows as bytes nobody understands.
            E::Io(_)
            | E::Protocol(_)
            | E::Tls(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::Configuration(_) => Self::Unavailable(error),
            E::Database(cause) => {
                let class = match cause.try_downcast_ref::<PgDatabaseError>() {
                    Some(postgres) => classify_postgres(postgres),
                    None => classify_sqlite(cause.as_ref()),
                };
                class.wrap(E::Database(cause))
            }
            other => Self::Database(other),
        }
    }
}

enum Class {
    Conflict,
    Constraint(String),
    DiskFull,
    Other,
    ReadOnly,
    Unavailable,
}

impl Class {
    fn wrap(self, error: sqlx::Error) -> SqlError {
        match self {
            Self::Conflict => SqlError::Conflict(error),
            Self::Constraint(name) => SqlError::Constraint { name },
            Self::DiskFull => SqlError::DiskFull(error),
            Self::Other => SqlError::Database(error),
            Self::ReadOnly => SqlError::ReadOnly(error),
            Self::Unavailable => SqlError::Unavailable(error),
        }
    }
}

/// By SQLSTATE (PostgreSQL manual, appendix A).
fn classify_postgres(error: &PgDatabaseError) -> Class {
    let named = |fallback: &str| {
        let name = error.constraint().unwrap_or(fallback);
        Class::Constraint(name.to_owned())
    };
    match error.code() {
        "23502" => match (error.table(), error.column()) {
            (Some(table), Some(column)) => Class::Constraint(format!("{table}_{column}_not_null")),
            _ => named("not_null"),
        },
        "23503" => Class::Constraint("foreign_key".to_owned()),
        code if code.starts_with("23") => named(error.message()),
        "P0001" => Class::Constraint(error.message().to_owned()),
        "25006" => Class::ReadOnly,
        "40001" | "40P01" | "55P03" => Class::Conflict,
        "53100" => Class::DiskFull,
        // From the fourth on: the server ended a statement that took too long, a connection that
        // stood still.
        "3D000" | "53300" | "57P01" | "57014" | "57P02" | "57P03" | "25P03" | "57P05" => {
            Class::Unavailable
        }
        code if code.starts_with("08") || code.starts_with("28") => Class::Unavailable,
        _ => Class::Other,
    }
}

/// By extended result code (<https://www.sqlite.org/rescode.html>).
fn classify_sqlite(error: &dyn DatabaseError) -> Class {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const READONLY: i32 = 8;
    const FULL: i32 = 13;
    const CANTOPEN: i32 = 14;
    const CONSTRAINT: i32 = 19;
    let code: i32 = error
        .code()
        .and_then(|code| code.parse().ok())
        .unwrap_or_default();
    match code & 0xff {
        BUSY | LOCKED => Class::Conflict,
        READONLY => Class::ReadOnly,
        FULL => Class::DiskFull,
        CANTOPEN => Class::Unavailable,
        CONSTRAINT => {
            sqlite_constraint(code, error.message()).map_or(Class::Other, Class::Constraint)
        }
        _ => Class::Other,
    }
}

/// The name PostgreSQL would give, from messages such as `UNIQUE constraint failed: t.a, t.b`.
fn sqlite_constraint(code: i32, message: &str) -> Option<String> {
    const CHECK: i32 = 275;
    const FOREIGN_KEY: i32 = 787;
    const NOT_NULL: i32 = 1299;
    const PRIMARY_KEY: i32 = 1555;
    const ROWID: i32 = 2579;
    const TRIGGER: i32 = 1811;
    const UNIQUE: i32 = 2067;
    let subject = message.split_once("failed: ").map(|(_, subject)| subject);
    let table_and_columns = || {
        let mut columns = subject?.split(", ").map(|pair| pair.split_once('.'));
        let (table, first) = columns.next()??;
        let mut joined = first.to_owned();
        for column in columns {
            joined.push('_');
            joined.push_str(column?.1);
        }
        Some((table.to_owned(), joined))
    };
    match code {
        CHECK => subject.map(str::to_owned),
        FOREIGN_KEY => Some("foreign_key".to_owned()),
        NOT_NULL => table_and_columns().map(|(table, column)| format!("{table}_{column}_not_null")),
        PRIMARY_KEY | ROWID => table_and_columns().map(|(table, _)| format!("{table}_pkey")),
        TRIGGER => Some(message.to_owned()),
        UNIQUE => table_and_columns().map(|(table, columns)| format!("{table}_{columns}_key")),
        _ => None,
    }
}
