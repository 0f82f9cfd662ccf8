//! The four kinds of values that cross the seam.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Encode, Postgres, Type};

use crate::Kind;

/// A bound value. Flags are `Int` 0 or 1, times `Int` microseconds, ids `Blob`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL, of whatever kind the column is.
    Null,
    /// A 64-bit integer (`BIGINT`, `INTEGER`).
    Int(i64),
    /// UTF-8 text.
    Text(String),
    /// Bytes (`BYTEA`, `BLOB`).
    Blob(Vec<u8>),
}

/// A column's value as it lies in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueRef<'r> {
    /// SQL NULL.
    Null,
    /// An integer or a truth value (0 or 1).
    Int(i64),
    /// UTF-8 text.
    Text(&'r str),
    /// Bytes.
    Blob(&'r [u8]),
}

/// What a row's column can be read as. Domain types implement it beside `From<T> for Value`.
pub trait FromColumn: Sized {
    /// The value, or `None` when its kind, length or range does not fit.
    fn from_column(value: ValueRef<'_>) -> Option<Self>;
}

impl FromColumn for i64 {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Int(int) => Some(int),
            _ => None,
        }
    }
}

macro_rules! narrow_integers {
    ($($int:ty),+) => {$(
        impl FromColumn for $int {
            fn from_column(value: ValueRef<'_>) -> Option<Self> {
                i64::from_column(value)?.try_into().ok()
            }
        }
    )+};
}
narrow_integers!(u8, u16, u32, u64, usize, i32);

impl FromColumn for bool {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        match i64::from_column(value)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl FromColumn for String {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl FromColumn for Vec<u8> {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<const N: usize> FromColumn for [u8; N] {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            value => T::from_column(value).map(Some),
        }
    }
}

macro_rules! into_value {
    ($($from:ty => |$it:ident| $value:expr;)+) => {$(
        impl From<$from> for Value {
            fn from($it: $from) -> Self {
                $value
            }
        }
    )+};
}
into_value! {
    i64 => |it| Self::Int(it);
    i32 => |it| Self::Int(it.into());
    u32 => |it| Self::Int(it.into());
    u16 => |it| Self::Int(it.into());
    u8 => |it| Self::Int(it.into());
    bool => |it| Self::Int(it.into());
    String => |it| Self::Text(it);
    &str => |it| Self::Text(it.to_owned());
    Vec<u8> => |it| Self::Blob(it);
    &[u8] => |it| Self::Blob(it.to_vec());
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(it: [u8; N]) -> Self {
        Self::Blob(it.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(it: &[u8; N]) -> Self {
        Self::Blob(it.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(it: Option<T>) -> Self {
        it.map_or(Self::Null, Into::into)
    }
}

/// Values and arrays as PostgreSQL takes them. The server infers the type of a NULL.
pub(crate) fn postgres_arguments(
    values: Vec<Value>,
    arrays: Vec<Array>,
) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len() + arrays.len(), 0);
    for value in values {
        match value {
            Value::Null => arguments.add(Untyped),
            Value::Int(int) => arguments.add(int),
            Value::Text(text) => arguments.add(text),
            Value::Blob(bytes) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    for array in arrays {
        match array {
            Array::Int(items) => arguments.add(items),
            Array::Text(items) => arguments.add(items),
            Array::Blob(items) => arguments.add(items),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A column of a batch on PostgreSQL.
#[derive(Clone)]
pub(crate) enum Array {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Blob(Vec<Option<Vec<u8>>>),
}

impl Array {
    pub(crate) fn with_capacity(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Int => Self::Int(Vec::with_capacity(rows)),
            Kind::Text => Self::Text(Vec::with_capacity(rows)),
            Kind::Blob => Self::Blob(Vec::with_capacity(rows)),
        }
    }

    /// Appends a value, or `None` when it is of another kind.
    pub(crate) fn push(&mut self, value: Value) -> Option<()> {
        match (self, value) {
            (Self::Int(items), Value::Int(int)) => items.push(Some(int)),
            (Self::Text(items), Value::Text(text)) => items.push(Some(text)),
            (Self::Blob(items), Value::Blob(bytes)) => items.push(Some(bytes)),
            (Self::Int(items), Value::Null) => items.push(None),
            (Self::Text(items), Value::Null) => items.push(None),
            (Self::Blob(items), Value::Null) => items.push(None),
            _ => return None,
        }
        Some(())
    }
}

/// Values as SQLite takes them.
pub(crate) fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Int(int) => arguments.add(int),
            Value::Text(text) => arguments.add(text),
            Value::Blob(bytes) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A NULL whose type PostgreSQL infers: declared as type 0, "unspecified" in the Parse message.
struct Untyped;

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}
