//! Every table that a backup holds, with the order its rows are read in.
//!
//! Left out is what must not come back: sessions, login challenges, tickets and kept entries.

use std::cell::RefCell;

use obhut_sql::{Batch, Db, Kind, Row, SqlError, Tx, Value, sql};

/// Rows of one table, in the order of its key.
pub struct Page {
    /// The table.
    pub table: &'static Table,
    /// A value for each of [`Table::columns`].
    pub rows: Vec<Vec<Value>>,
}

/// A table whose rows a backup holds.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in the order rows have them here.
    pub columns: &'static [(&'static str, Kind)],
    key: &'static [&'static str],
    first: &'static str,
    next: &'static str,
    count: &'static str,
}

macro_rules! tables {
    ($($table:ident: $width:literal, $name:literal by $order:literal after $marks:literal of $key:expr, [$($column:expr),+ $(,)?];)+) => {
        $(const $table: Batch<$width> = Batch::insert($name, [$($column),+]);)+

        /// Every table of a backup; one that names rows of another comes after it.
        pub const TABLES: &[Table] = &[$(Table {
            name: $name,
            columns: &[$($column),+],
            key: &$key,
            first: concat!("SELECT * FROM ", $name, " ORDER BY ", $order, " LIMIT 500"),
            next: concat!("SELECT * FROM ", $name, " WHERE (", $order, ") > (", $marks, ") ORDER BY ", $order, " LIMIT 500"),
            count: concat!("SELECT CAST(COUNT(*) AS BIGINT) AS n FROM ", $name),
        }),+];

        /// Adds rows of a table, which must have a value for each of its columns.
        pub(super) async fn insert(tx: &mut Tx, page: Page) -> Result<u64, SqlError> {
            match page.table.name {
                $($name => $table.execute(tx, fixed::<$width>(page)?).await,)+
                _ => Err(SqlError::Column { name: "table" }),
            }
        }

        /// Has the engine parse every insert: for tests.
        #[cfg(test)]
        pub(crate) async fn prepare_batches(tx: &mut Tx) -> Result<(), SqlError> {
            $($table.prepare(tx).await?;)+
            Ok(())
        }
    };
}

const fn int(name: &'static str) -> (&'static str, Kind) {
    (name, Kind::Int)
}

const fn text(name: &'static str) -> (&'static str, Kind) {
    (name, Kind::Text)
}

const fn blob(name: &'static str) -> (&'static str, Kind) {
    (name, Kind::Blob)
}

tables! {
    VAULTS: 9, "vaults" by "vault" after "$1" of ["vault"],
        [blob("vault"), text("name"), text("origin"), blob("records_key"), blob("access_key"), blob("gate_key"),
         blob("bootstrap_hash"), int("founded_us"), int("created_us")];
    LOGS: 8, "logs" by "log" after "$1" of ["log"],
        [int("log"), blob("vault"), text("origin"), text("kind"), int("size"), blob("root"), int("time_ms"), int("term")];
    LEADER: 4, "leader" by "id" after "$1" of ["id"],
        [int("id"), int("term"), text("address"), int("since_us")];
    CHECKPOINTS: 4, "checkpoints" by "log" after "$1" of ["log"],
        [int("log"), int("size"), int("serial"), text("note")];
    RESTORES: 4, "restores" by "vault" after "$1" of ["vault"],
        [blob("vault"), int("cut_us"), int("restored_us"), int("compared_us")];
    LEAVES: 4, "leaves" by "log, idx" after "$1, $2" of ["log", "idx"],
        [int("log"), int("idx"), blob("core"), blob("recs")];
    RECORDS: 8, "records" by "vault, idx" after "$1, $2" of ["vault", "idx"],
        [blob("vault"), int("idx"), blob("payload"), blob("salt"), blob("sealed"), blob("sealed_salt"),
         blob("sealed_commitment"), blob("reader_unit")];
    ENTRIES: 4, "entries" by "log, idx" after "$1, $2" of ["log", "idx"],
        [int("log"), int("idx"), blob("payload"), blob("act")];
    ENTRY_WRAPS: 4, "entry_wraps" by "log, idx, log_key" after "$1, $2, $3" of ["log", "idx", "log_key"],
        [int("log"), int("idx"), blob("log_key"), blob("wrap")];
    LABEL_ROWS: 5, "label_rows" by "log, label, seq" after "$1, $2, $3" of ["log", "label", "seq"],
        [int("log"), blob("label"), int("seq"), int("idx"), blob("head")];
    OPEN_ENTRIES: 3, "open_entries" by "log, idx" after "$1, $2" of ["log", "idx"],
        [int("log"), int("idx"), int("time_ms")];
    LOG_KEYS: 6, "log_keys" by "vault, log_key, recipient" after "$1, $2, $3" of ["vault", "log_key", "recipient"],
        [blob("vault"), blob("log_key"), blob("recipient"), blob("person"), text("origin"), blob("body")];
    OBJECTS: 8, "objects" by "vault, object" after "$1, $2" of ["vault", "object"],
        [blob("vault"), blob("object"), blob("document"), int("revision"), blob("staged_by"), int("staged_us"),
         blob("content_root"), int("object_bytes")];
    DOCUMENTS: 9, "documents" by "vault, document, revision" after "$1, $2, $3" of ["vault", "document", "revision"],
        [blob("vault"), blob("document"), int("revision"), blob("case_id"), blob("object"), blob("wrap"), blob("info"),
         blob("card"), int("card_no")];
    MEMBERSHIPS: 5, "memberships" by "vault, unit, epoch, member" after "$1, $2, $3, $4" of ["vault", "unit", "epoch", "member"],
        [blob("vault"), blob("unit"), int("epoch"), blob("member"), blob("body")];
    UNIT_LINKS: 4, "unit_links" by "vault, unit, epoch" after "$1, $2, $3" of ["vault", "unit", "epoch"],
        [blob("vault"), blob("unit"), int("epoch"), blob("sealed")];
    CASE_GRANTS: 4, "case_grants" by "vault, case_id, epoch" after "$1, $2, $3" of ["vault", "case_id", "epoch"],
        [blob("vault"), blob("case_id"), int("epoch"), blob("body")];
    CASE_LINKS: 4, "case_links" by "vault, case_id, epoch" after "$1, $2, $3" of ["vault", "case_id", "epoch"],
        [blob("vault"), blob("case_id"), int("epoch"), blob("sealed")];
    GRANTS: 10, "grants" by "vault, grant_hash" after "$1, $2" of ["vault", "grant_hash"],
        [blob("vault"), blob("grant_hash"), blob("case_id"), blob("document"), int("number"), blob("recipient"),
         blob("batch"), int("place"), blob("path"), blob("body")];
    BLIND_INDEX: 5, "blind_index" by "vault, unit, case_id" after "$1, $2, $3" of ["vault", "unit", "case_id"],
        [blob("vault"), blob("unit"), blob("case_id"), int("unit_epoch"), blob("tag")];
    LAMBDA_WRAPS: 4, "lambda_wraps" by "vault, person, recipient" after "$1, $2, $3" of ["vault", "person", "recipient"],
        [blob("vault"), blob("person"), blob("recipient"), blob("body")];
    SEEN_ACTS: 3, "seen_acts" by "vault, act" after "$1, $2" of ["vault", "act"],
        [blob("vault"), blob("act"), int("time_us")];
    MUTATIONS: 5, "mutations" by "vault, id" after "$1, $2" of ["vault", "id"],
        [blob("vault"), blob("id"), blob("hash"), int("first_record"), int("records")];
}

/// What reading a cut gives, piece by piece.
pub enum Piece {
    /// From the first table on; once more after a conflict or a lost connection: forget what came before.
    Begin,
    /// Further rows.
    Rows(Page),
}

/// Reads every table in one snapshot, some hundred rows at a time; the database may be in use.
pub async fn read_cut<E: From<SqlError>>(
    db: &Db,
    sink: impl FnMut(Piece) -> Result<(), E>,
) -> Result<(), E> {
    let db = db.unhurried();
    let sink = &RefCell::new(sink);
    let take = |piece| (*sink.borrow_mut())(piece);
    db.read("read_cut", async |mut tx| {
        take(Piece::Begin)?;
        for table in TABLES {
            let mut last = None;
            loop {
                let rows = table.next_rows(last.as_ref()).fetch_all(&mut tx).await?;
                let Some(rows) = table.read(&rows)? else {
                    break;
                };
                last = rows.last().cloned();
                take(Piece::Rows(Page { table, rows }))?;
            }
        }
        Ok(())
    })
    .await
}

/// How many rows each table has.
pub async fn count_rows(db: &Db) -> Result<Vec<(&'static str, u64)>, SqlError> {
    let db = db.unhurried();
    let mut counts = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let row = db.fetch_optional("count_rows", sql(table.count)).await?;
        let row = row.ok_or(SqlError::Column { name: "n" })?;
        counts.push((table.name, row.column("n")?));
    }
    Ok(counts)
}

impl Table {
    /// The table of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }

    /// A column of a row of this table.
    pub fn value<'row>(&self, row: &'row [Value], name: &str) -> Option<&'row Value> {
        let place = self
            .columns
            .iter()
            .position(|(column, _)| *column == name)?;
        row.get(place)
    }

    /// The statement for the rows behind this one, or from the first on.
    pub(super) fn next_rows(&self, last: Option<&Vec<Value>>) -> obhut_sql::Statement {
        let Some(last) = last else {
            return sql(self.first);
        };
        let key = self.key.iter().filter_map(|name| self.value(last, name));
        key.fold(sql(self.next), |statement, value| {
            statement.bind(value.clone())
        })
    }

    /// The values of rows; none when there are no rows.
    pub(super) fn read(&self, rows: &[Row]) -> Result<Option<Vec<Vec<Value>>>, SqlError> {
        if rows.is_empty() {
            return Ok(None);
        }
        let read = rows.iter().map(|row| {
            let values = self.columns.iter();
            values
                .map(|(name, kind)| read_value(row, name, *kind))
                .collect()
        });
        read.collect::<Result<_, _>>().map(Some)
    }
}

fn read_value(row: &Row, name: &'static str, kind: Kind) -> Result<Value, SqlError> {
    Ok(match kind {
        Kind::Int => row.column::<Option<i64>>(name)?.into(),
        Kind::Text => row.column::<Option<String>>(name)?.into(),
        Kind::Blob => row.column::<Option<Vec<u8>>>(name)?.into(),
    })
}

fn fixed<const N: usize>(page: Page) -> Result<Vec<[Value; N]>, SqlError> {
    let rows = page.rows.into_iter();
    let rows = rows.map(|row| row.try_into().map_err(|_| SqlError::Column { name: "row" }));
    rows.collect()
}

/// Every text of this module.
#[cfg(test)]
pub(crate) fn statements() -> impl Iterator<Item = &'static str> {
    TABLES
        .iter()
        .flat_map(|table| [table.first, table.next, table.count])
}
