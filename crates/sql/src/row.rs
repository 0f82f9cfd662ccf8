//! A row of either engine, read by column name.

use sqlx::postgres::{PgRow, PgValueRef};
use sqlx::sqlite::{SqliteRow, SqliteValueRef};
use sqlx::{Database, Decode, Postgres, Row as _, Sqlite, TypeInfo as _, ValueRef as _};

use crate::{FromColumn, SqlError, ValueRef};

/// One row of a result.
pub struct Row(pub(crate) Engine);

pub(crate) enum Engine {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    /// The named column as `T`, or [`SqlError::Column`] when it is absent or does not fit.
    pub fn column<T: FromColumn>(&self, name: &'static str) -> Result<T, SqlError> {
        let value = match &self.0 {
            Engine::Postgres(row) => row.try_get_raw(name).ok().and_then(postgres),
            Engine::Sqlite(row) => row.try_get_raw(name).ok().and_then(sqlite),
        };
        value
            .and_then(T::from_column)
            .ok_or(SqlError::Column { name })
    }
}

fn postgres(raw: PgValueRef<'_>) -> Option<ValueRef<'_>> {
    if raw.is_null() {
        return Some(ValueRef::Null);
    }
    let kind = raw.type_info();
    match kind.name() {
        "INT8" => decoded::<Postgres, i64>(raw).map(ValueRef::Int),
        "INT4" => decoded::<Postgres, i32>(raw).map(|int| ValueRef::Int(int.into())),
        "INT2" => decoded::<Postgres, i16>(raw).map(|int| ValueRef::Int(int.into())),
        "BOOL" => decoded::<Postgres, bool>(raw).map(|flag| ValueRef::Int(flag.into())),
        "TEXT" | "VARCHAR" | "NAME" => decoded::<Postgres, &str>(raw).map(ValueRef::Text),
        "BYTEA" => decoded::<Postgres, &[u8]>(raw).map(ValueRef::Blob),
        _ => None,
    }
}

fn sqlite(raw: SqliteValueRef<'_>) -> Option<ValueRef<'_>> {
    if raw.is_null() {
        return Some(ValueRef::Null);
    }
    let kind = raw.type_info();
    match kind.name() {
        "INTEGER" | "BOOLEAN" => decoded::<Sqlite, i64>(raw).map(ValueRef::Int),
        "TEXT" => decoded::<Sqlite, &str>(raw).map(ValueRef::Text),
        "BLOB" => decoded::<Sqlite, &[u8]>(raw).map(ValueRef::Blob),
        _ => None,
    }
}

fn decoded<'r, D: Database, T: Decode<'r, D>>(raw: D::ValueRef<'r>) -> Option<T> {
    T::decode(raw).ok()
}
