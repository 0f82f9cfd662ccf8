//! Between numbers of the formats and columns of the database.

use obhut_sql::{Row, SqlError, Value};

/// A number as it is stored. Sizes, times and counters stay far below 2^63.
pub(crate) fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Bytes as they are stored.
pub(crate) fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec())
}

/// A column of ids.
pub(crate) fn ids<T: From<[u8; 16]>>(rows: &[Row], name: &'static str) -> Result<Vec<T>, SqlError> {
    rows.iter()
        .map(|row| row.column::<[u8; 16]>(name).map(T::from))
        .collect()
}
