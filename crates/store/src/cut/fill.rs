//! Into an empty database, all or nothing.

use obhut_sql::{Db, SqlError, sql};

use super::tables::{Page, TABLES, Table, insert};
use crate::columns::int;
use crate::statements::statements;

statements! {
    ANY_VAULT = "SELECT 1 AS one FROM vaults LIMIT 1";
    FORGET_ADDRESS = "UPDATE leader SET address = NULL";
    FORGET_RESTORES = "DELETE FROM restores";
    MARK_RESTORED = "INSERT INTO restores (vault, cut_us, restored_us, compared_us) SELECT vault, $1, $2, NULL FROM vaults";
}

/// Where rows come from, table by table in the order of [`TABLES`].
pub trait Pages {
    /// Why they cannot be read.
    type Error: From<SqlError>;

    /// The next rows; none at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Page>, Self::Error>>;
}

/// Puts all rows into a database without vaults, in one transaction; false, and nothing done, where there are vaults.
/// With `cut_us`, when the rows were read from the database they belong to, every vault waits afterwards until its heads
/// were compared with those that others know. `start` begins anew after a conflict.
pub async fn fill<P: Pages>(
    db: &Db,
    start: impl Fn() -> Result<P, P::Error>,
    cut_us: Option<u64>,
    now_us: u64,
) -> Result<bool, P::Error> {
    let start = &start;
    db.unhurried()
        .write("fill", async |mut tx| {
            if sql(ANY_VAULT).fetch_optional(&mut tx).await?.is_some() {
                return Ok(false);
            }
            let mut pages = start()?;
            while let Some(page) = pages.next().await? {
                insert(&mut tx, page).await?;
            }
            sql(FORGET_ADDRESS).execute(&mut tx).await?;
            if let Some(cut_us) = cut_us {
                sql(FORGET_RESTORES).execute(&mut tx).await?;
                let mark = sql(MARK_RESTORED).bind(int(cut_us)).bind(int(now_us));
                mark.execute(&mut tx).await?;
            }
            Ok(true)
        })
        .await
}

/// The rows of a database that nobody writes to meanwhile.
pub struct DatabasePages {
    db: Db,
    left: &'static [Table],
    last: Option<Vec<obhut_sql::Value>>,
}

impl DatabasePages {
    /// From the first table on.
    pub fn new(db: &Db) -> Self {
        Self {
            db: db.unhurried(),
            left: TABLES,
            last: None,
        }
    }

    /// Of one table; no rows of one that does not exist.
    pub fn of(table: &str, db: &Db) -> Self {
        let left = Table::find(table).map_or(&[][..], std::slice::from_ref);
        Self {
            left,
            ..Self::new(db)
        }
    }
}

impl Pages for DatabasePages {
    type Error = crate::StoreError;

    async fn next(&mut self) -> Result<Option<Page>, Self::Error> {
        while let Some((table, left)) = self.left.split_first() {
            let rows = table.next_rows(self.last.as_ref());
            let rows = self.db.fetch_all("read_pages", rows).await?;
            if let Some(rows) = table.read(&rows)? {
                self.last = rows.last().cloned();
                return Ok(Some(Page { table, rows }));
            }
            self.left = left;
            self.last = None;
        }
        Ok(None)
    }
}
