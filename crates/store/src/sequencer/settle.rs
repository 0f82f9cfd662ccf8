//! What became of a batch whose commit was not answered.

use std::collections::HashMap;

use obhut_format::Hash;
use obhut_sql::{Db, Row, SqlError, sql};

use super::commit::{Commit, LogCommit, LogName, Numbers};
use crate::StoreError;
use crate::statements::statements;

statements! {
    HOLD_LOGS = "UPDATE logs SET term = $2 WHERE vault = $1 AND term <= $2 RETURNING log, origin, size, root";
}

/// A log as it stands in the database.
struct Standing {
    log: i64,
    size: u64,
    root: Hash,
}

impl Commit {
    /// The logs' numbers when the batch was committed, none when it was not and never will be.
    /// [`StoreError::Fenced`] when the heads are neither where it found nor where it left them.
    ///
    /// It takes the rows that every batch takes, and so comes after a commit that is still on its way.
    pub(crate) async fn settle(&self, db: &Db) -> Result<Option<Numbers>, StoreError> {
        let (vault, term) = (self.vault, self.term);
        let rows: Vec<Row> = db
            .write("settle_batch", move |mut tx| async move {
                let held = sql(HOLD_LOGS).bind(vault.0).bind(term);
                held.fetch_all(&mut tx).await
            })
            .await
            .map_err(|error: SqlError| StoreError::Sql(error))?;
        let mut standing = HashMap::new();
        for row in &rows {
            let log = Standing {
                log: row.column("log")?,
                size: row.column("size")?,
                root: row.column("root")?,
            };
            standing.insert(row.column::<String>("origin")?, log);
        }
        let find = |log: &LogCommit| match &log.log {
            LogName::Known(number) => standing.values().find(|found| found.log == *number),
            LogName::New(origin) => standing.get(origin),
        };
        let mut numbers = Numbers::new();
        let mut untouched = 0;
        for (position, log) in &self.logs {
            match find(log) {
                Some(found) if (found.size, found.root) == (log.size, log.root) => {
                    numbers.insert(*position, found.log);
                }
                Some(found) if (found.size, found.root) == (log.from, log.from_root) => {
                    untouched += 1;
                }
                None if matches!(log.log, LogName::New(_)) => untouched += 1,
                _ => return Err(StoreError::Fenced),
            }
        }
        match (numbers.len(), untouched) {
            (_, 0) => Ok(Some(numbers)),
            (0, _) => Ok(None),
            _ => Err(StoreError::Fenced),
        }
    }
}
