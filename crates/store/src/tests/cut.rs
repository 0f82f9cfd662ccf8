//! What a backup holds: every column of every table but of those that must not come back.

use obhut_sql::{Engine, sql};

use super::schema::engines;
use crate::Store;
use crate::cut::TABLES;

/// Nothing of a session, a login, a ticket or an answer outlives the database it was made in.
const LEFT_OUT: &[&str] = &["challenges", "kept_entries", "sessions", "tickets"];

const SQLITE: &str = "SELECT t.name AS tab, c.name AS col FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1, 2";
const POSTGRES: &str = "SELECT CAST(table_name AS TEXT) AS tab, CAST(column_name AS TEXT) AS col \
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2";

/// A table or column that a later version adds must not be missing in its backups.
#[tokio::test]
async fn a_backup_has_every_column_of_every_table_that_it_does_not_leave_out() {
    let mut copied: Vec<(String, String)> = TABLES
        .iter()
        .flat_map(|table| {
            table
                .columns
                .iter()
                .map(|(column, _)| (table.name, *column))
        })
        .map(|(table, column)| (table.to_owned(), column.to_owned()))
        .collect();
    copied.sort();
    for test in engines().await {
        Store::open(test.db.clone()).await.unwrap();
        let text = match test.db.engine() {
            Engine::Sqlite => SQLITE,
            Engine::Postgres => POSTGRES,
        };
        let rows = test.db.fetch_all("columns", sql(text)).await.unwrap();
        let mut existing: Vec<(String, String)> = rows
            .iter()
            .map(|row| (row.column("tab").unwrap(), row.column("col").unwrap()))
            .filter(|(table, _): &(String, String)| {
                !table.starts_with("schema_") && !LEFT_OUT.contains(&table.as_str())
            })
            .collect();
        existing.sort();
        assert_eq!(copied, existing);
        test.finish().await.unwrap();
    }
}

#[tokio::test]
async fn every_statement_of_a_cut_is_prepared_on_both_engines() {
    for test in engines().await {
        Store::open(test.db.clone()).await.unwrap();
        for text in crate::cut::statements() {
            let prepared: Result<(), obhut_sql::SqlError> = test
                .db
                .write("prepare", |mut tx| async move {
                    sql(text).prepare(&mut tx).await
                })
                .await;
            prepared.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        }
        test.finish().await.unwrap();
    }
}
