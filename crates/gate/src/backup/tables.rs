//! Every table of the first store, row by row, from one database to another.

use std::collections::BTreeMap;

use obhut_sql::{Batch, Db, Kind, Row, SqlError, Tx, Value, sql};

use crate::stores::delete_entombed;

/// Rows read and written at a time.
const PAGE: i64 = 2_000;

/// A table with its rows' order and the two statements over it.
struct Table<const N: usize> {
    read: &'static str,
    columns: [(&'static str, Kind); N],
    insert: Batch<N>,
}

macro_rules! tables {
    ($($table:ident: $count:literal, $name:literal by $order:literal, [$(($column:literal, $kind:ident)),+ $(,)?];)+) => {
        $(const $table: Table<$count> = Table {
            read: concat!("SELECT * FROM ", $name, " ORDER BY ", $order, " LIMIT $1 OFFSET $2"),
            columns: [$(($column, Kind::$kind)),+],
            insert: Batch::insert($name, [$(($column, Kind::$kind)),+]).tail("ON CONFLICT DO NOTHING"),
        };)+

        /// Copies all rows; what is there stays.
        pub(super) async fn copy_all(from: &mut Tx, to: &mut Tx) -> Result<(), SqlError> {
            $($table.copy(from, to).await?;)+
            Ok(())
        }

        /// How many rows each table has.
        pub(super) async fn count_all(db: &Db) -> Result<BTreeMap<String, u64>, SqlError> {
            let mut counts = BTreeMap::new();
            $(
                let text = concat!("SELECT COUNT(*) AS n FROM ", $name);
                if let Some(row) = db.fetch_optional("gate_count", sql(text)).await? {
                    counts.insert($name.to_owned(), row.column::<i64>("n")?.unsigned_abs());
                }
            )+
            Ok(counts)
        }

        /// Names of all tables with their columns, to compare with a schema.
        #[cfg(test)]
        pub(super) fn names() -> Vec<(&'static str, &'static str)> {
            let mut names = Vec::new();
            $(names.extend($table.columns.map(|(column, _)| ($name, column)));)+
            names
        }
    };
}

tables! {
    STORAGE_KEYS: 4, "storage_keys" by "number",
        [("number", Int), ("probe", Blob), ("made_us", Int), ("proved_us", Int)];
    VAULTS: 8, "vaults" by "vault",
        [("vault", Blob), ("origin", Text), ("records_key", Blob), ("access_key", Blob), ("root", Blob),
         ("enrolled_us", Int), ("server", Blob), ("restored_us", Int)];
    COMPARED: 2, "compared_logs" by "vault, origin", [("vault", Blob), ("origin", Text)];
    CODES: 4, "enrolment_codes" by "code",
        [("code", Blob), ("secret", Blob), ("server", Blob), ("until_us", Int)];
    DEPOSIT_KEYS: 7, "deposit_keys" by "id",
        [("id", Blob), ("vault", Blob), ("signed", Blob), ("not_after_us", Int), ("erase_us", Int),
         ("key_number", Int), ("private", Blob)];
    DEPOSITS: 9, "deposits" by "vault, batch",
        [("vault", Blob), ("batch", Blob), ("deposit_hash", Blob), ("author", Blob), ("device", Blob),
         ("receipt", Blob), ("signature", Blob), ("register_by_us", Int), ("deposited_us", Int)];
    SHARES: 13, "shares" by "vault, share_id",
        [("vault", Blob), ("share_id", Blob), ("kind", Text), ("case_id", Blob), ("object", Blob),
         ("revision", Int), ("manifest_hash", Blob), ("author", Blob), ("batch", Blob),
         ("register_by_us", Int), ("deposited_us", Int), ("key_number", Int), ("sealed", Blob)];
    TOMBSTONES: 5, "tombstones" by "vault, share_id",
        [("vault", Blob), ("share_id", Blob), ("kind", Text), ("reason", Text), ("destroyed_us", Int)];
    REGISTRATIONS: 6, "registrations" by "vault, kind, object, revision",
        [("vault", Blob), ("kind", Text), ("object", Blob), ("revision", Int), ("share_id", Blob),
         ("record_index", Int)];
    MISSING: 3, "missing_shares" by "vault, share_id",
        [("vault", Blob), ("share_id", Blob), ("record_index", Int)];
    LOGS: 5, "logs" by "vault, origin",
        [("vault", Blob), ("origin", Text), ("size", Int), ("cosigned_size", Int), ("checkpoint", Text)];
    SNAPSHOTS: 4, "log_snapshots" by "vault, origin",
        [("vault", Blob), ("origin", Text), ("size", Int), ("body", Blob)];
    TAIL: 4, "log_tail" by "vault, origin, idx",
        [("vault", Blob), ("origin", Text), ("idx", Int), ("entry", Blob)];
    SEEN: 5, "seen_acts" by "vault, act",
        [("vault", Blob), ("act", Blob), ("order_hash", Blob), ("seen_us", Int), ("answer", Blob)];
    RECEIPTS: 4, "receipts" by "vault, seq",
        [("vault", Blob), ("seq", Int), ("head", Blob), ("receipt", Blob)];
}

/// Copies what deposits and destructions write; what is there stays. A share that is destroyed by now goes.
pub(super) async fn copy_deposits(from: &mut Tx, to: &mut Tx) -> Result<(), SqlError> {
    STORAGE_KEYS.copy(from, to).await?;
    DEPOSITS.copy(from, to).await?;
    SHARES.copy(from, to).await?;
    TOMBSTONES.copy(from, to).await?;
    delete_entombed(to).await
}

impl<const N: usize> Table<N> {
    async fn copy(&self, from: &mut Tx, to: &mut Tx) -> Result<(), SqlError> {
        let mut copied = 0;
        loop {
            let page = sql(self.read)
                .bind(PAGE)
                .bind(copied)
                .fetch_all(from)
                .await?;
            let rows: Vec<[Value; N]> = page
                .iter()
                .map(|row| self.values(row))
                .collect::<Result<_, _>>()?;
            self.insert.execute(to, rows).await?;
            let count = i64::try_from(page.len()).unwrap_or(i64::MAX);
            copied += count;
            if count < PAGE {
                return Ok(());
            }
        }
    }

    fn values(&self, row: &Row) -> Result<[Value; N], SqlError> {
        let mut values = self.columns.map(|_| Value::Null);
        for ((name, kind), value) in self.columns.iter().zip(&mut values) {
            *value = match kind {
                Kind::Int => row.column::<Option<i64>>(name)?.into(),
                Kind::Text => row.column::<Option<String>>(name)?.into(),
                Kind::Blob => row.column::<Option<Vec<u8>>>(name)?.into(),
            };
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::schema::FIRST;

    const COLUMNS: &str = "SELECT tables.name AS t, columns.name AS c
        FROM sqlite_master tables, pragma_table_info(tables.name) columns WHERE tables.type = 'table'";

    /// A table that a later version adds must not be missing in its backups.
    #[tokio::test]
    async fn a_backup_has_every_column_of_every_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.sqlite");
        let db = Db::open(path.to_str().unwrap()).await.unwrap();
        db.migrate(&FIRST).await.unwrap();
        let mut copied: Vec<(String, String)> = names()
            .into_iter()
            .map(|(table, column)| (table.to_owned(), column.to_owned()))
            .collect();
        copied.sort();
        let rows = db.fetch_all("columns", sql(COLUMNS)).await.unwrap();
        let mut existing: Vec<(String, String)> = rows
            .iter()
            .map(|row| (row.column("t").unwrap(), row.column("c").unwrap()))
            .filter(|(table, _): &(String, String)| {
                !table.starts_with("sqlite_") && !table.starts_with("schema_")
            })
            .collect();
        existing.sort();
        assert_eq!(copied, existing);
    }
}
