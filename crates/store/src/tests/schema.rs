//! The schema on both engines: alike, append-only where it says so, and fit for every statement.

use obhut_sql::testing::TestDb;
use obhut_sql::{Db, Engine, Schema, SqlError, sql};

use crate::Store;
use crate::schema::{APPEND_ONLY, SCHEMA};

/// SQLite, and PostgreSQL where one is given.
pub(crate) async fn engines() -> Vec<TestDb> {
    let mut databases = vec![TestDb::sqlite().await.unwrap()];
    databases.extend(TestDb::postgres().await.unwrap());
    databases
}

/// Every SQL text of the crate.
const MODULES: &[&[(&str, &str)]] = &[
    crate::vaults::STATEMENTS,
    crate::sessions::STATEMENTS,
    crate::objects::STATEMENTS,
    crate::lookup::STATEMENTS,
    crate::own_keys::STATEMENTS,
    crate::own_log::STATEMENTS,
    crate::pages::STATEMENTS,
    crate::follower::STATEMENTS,
    crate::granted::STATEMENTS,
    crate::kept::STATEMENTS,
    crate::leadership::STATEMENTS,
    crate::proposal::STATEMENTS,
    crate::publisher::STATEMENTS,
    crate::restored::STATEMENTS,
    crate::cut::PROOF_STATEMENTS,
    crate::cut::FILL_STATEMENTS,
    crate::rows::STATEMENTS,
    crate::upkeep::STATEMENTS,
    crate::sequencer::commit::STATEMENTS,
    crate::sequencer::restore::STATEMENTS,
    crate::sequencer::settle::STATEMENTS,
];

#[tokio::test]
async fn every_statement_is_prepared_on_both_engines() {
    for test in engines().await {
        Store::open(test.db.clone()).await.unwrap();
        for (name, text) in MODULES.iter().flat_map(|module| module.iter()) {
            let prepared: Result<(), SqlError> = test
                .db
                .write("prepare", |mut tx| async move {
                    sql(text).prepare(&mut tx).await
                })
                .await;
            prepared.unwrap_or_else(|error| panic!("{name} on {:?}: {error:?}", test.db.engine()));
        }
        let prepared: Result<(), SqlError> = test
            .db
            .write("prepare", |mut tx| async move {
                crate::cut::prepare_batches(&mut tx).await?;
                crate::rows::prepare_batches(&mut tx).await?;
                crate::own_keys::prepare_batches(&mut tx).await?;
                crate::release::prepare_batches(&mut tx).await?;
                crate::objects::prepare_batches(&mut tx).await?;
                crate::proposal::prepare_batches(&mut tx).await?;
                crate::sequencer::commit::prepare_batches(&mut tx).await
            })
            .await;
        prepared.unwrap();
        test.finish().await.unwrap();
    }
}

#[test]
fn every_statement_names_its_vault_or_a_log_of_it() {
    // What is swept by time alone, and what lists or numbers all vaults.
    const ACROSS: &[&str] = &[
        "DROP_CHALLENGES",
        "DROP_SESSIONS",
        "ANY_VAULT",
        "FORGET_ADDRESS",
        "FORGET_RESTORES",
        "SELECT_ALL_ORIGINS",
        "SELECT_VAULTS",
        "LEAVE_LEAD",
        "NEXT_LOG",
        "SELECT_LEADER",
        "TAKE_LEAD",
    ];
    for (name, text) in MODULES.iter().flat_map(|module| module.iter()) {
        let scoped = text.contains("vault = $1")
            || text.contains("vault = $2")
            || text.contains("(vault, ")
            || text.contains(", vault, ")
            || text.contains("WHERE log = $1")
            || text.contains("WHERE checkpoints.log = $1");
        assert!(scoped != ACROSS.contains(name), "{name}: {text}");
    }
}

#[test]
fn every_statement_is_declared_through_the_macros() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    folders.push(path);
                }
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                !text.contains("sql(\""),
                "{} has a text of its own",
                path.display()
            );
        }
    }
}

/// Name, type, nullability and place in the key of every column.
async fn columns(db: &Db) -> Vec<(String, String, String, bool)> {
    let text = match db.engine() {
        Engine::Sqlite => {
            "SELECT t.name AS tab, c.name AS col, c.type AS kind, c.\"notnull\" AS fixed \
             FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
        }
        Engine::Postgres => {
            "SELECT table_name AS tab, column_name AS col, data_type AS kind, \
             (is_nullable = 'NO') AS fixed FROM information_schema.columns \
             WHERE table_schema = current_schema() ORDER BY 1, 2"
        }
    };
    let text: &'static str = text;
    let rows: Vec<_> = db.fetch_all("columns", sql(text)).await.unwrap();
    let mut columns: Vec<(String, String, String, bool)> = rows
        .iter()
        .map(|row| {
            let kind: String = match row.column::<String>("kind").unwrap().as_str() {
                "INTEGER" | "BIGINT" | "bigint" => "int".into(),
                "BLOB" | "bytea" => "bytes".into(),
                "TEXT" | "text" => "text".into(),
                other => other.to_owned(),
            };
            (
                row.column("tab").unwrap(),
                row.column("col").unwrap(),
                kind,
                row.column("fixed").unwrap(),
            )
        })
        .filter(|column: &(String, String, String, bool)| !column.0.starts_with("schema_"))
        .collect();
    columns.sort();
    columns
}

#[tokio::test]
async fn both_schemas_have_the_same_columns() {
    let mut found = Vec::new();
    for test in engines().await {
        Store::open(test.db.clone()).await.unwrap();
        found.push(columns(&test.db).await);
        test.finish().await.unwrap();
    }
    assert!(found[0].len() > 100);
    for other in &found[1..] {
        assert_eq!(&found[0], other);
    }
}

#[test]
fn both_schemas_have_the_same_keys_and_constraints() {
    let essence = |text: &'static str| -> Vec<String> {
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| line.trim().trim_end_matches(',').to_owned())
            .filter(|line| {
                ["CONSTRAINT", "FOREIGN KEY", "CREATE TABLE", "CREATE INDEX"]
                    .iter()
                    .any(|start| line.starts_with(start))
            })
            .collect();
        lines.sort();
        lines
    };
    for (sqlite, postgres) in SCHEMA.sqlite.iter().zip(SCHEMA.postgres) {
        assert_eq!(essence(sqlite.sql), essence(postgres.sql));
        let tables = sqlite.sql.matches("CREATE TABLE").count();
        assert_eq!(
            sqlite.sql.matches(") STRICT").count(),
            tables,
            "a table is not STRICT"
        );
    }
}

#[test]
fn every_table_stands_in_the_data_inventory() {
    let inventory = include_str!("../../../../docs/database.md");
    for step in SCHEMA.sqlite {
        for line in step.sql.lines() {
            let Some(rest) = line.strip_prefix("CREATE TABLE ") else {
                continue;
            };
            let table = rest.trim_end_matches(" (");
            assert!(
                inventory.contains(&format!("`{table}`")),
                "{table} is missing"
            );
        }
    }
    for table in APPEND_ONLY {
        let marked = format!("`{table}` (append-only)");
        assert!(inventory.contains(&marked), "{table} is not marked");
    }
}

#[tokio::test]
async fn append_only_tables_refuse_update_and_delete() {
    const FILL: &[&str] = &[
        "INSERT INTO leaves (log, idx, core, recs) VALUES (1, 0, $1, $1)",
        "INSERT INTO records (vault, idx, payload, salt, sealed, sealed_salt, sealed_commitment, reader_unit) \
         VALUES ($1, 0, $1, $1, $1, $1, $1, NULL)",
        "INSERT INTO entries (log, idx, payload, act) VALUES (1, 0, $1, NULL)",
        "INSERT INTO label_rows (log, label, seq, idx, head) VALUES (1, $1, 1, 0, $1)",
        "INSERT INTO mutations (vault, id, hash, first_record, records) VALUES ($1, $1, $1, 0, 1)",
    ];
    const CHANGE: &[(&str, &str)] = &[
        ("leaves", "UPDATE leaves SET core = $1"),
        ("leaves", "DELETE FROM leaves WHERE core = $1"),
        ("records", "UPDATE records SET payload = $1"),
        ("records", "DELETE FROM records WHERE vault = $1"),
        ("entries", "UPDATE entries SET payload = $1"),
        ("entries", "DELETE FROM entries WHERE payload = $1"),
        ("label_rows", "UPDATE label_rows SET head = $1"),
        ("label_rows", "DELETE FROM label_rows WHERE label = $1"),
        ("mutations", "UPDATE mutations SET hash = $1"),
        ("mutations", "DELETE FROM mutations WHERE vault = $1"),
    ];
    for test in engines().await {
        Store::open(test.db.clone()).await.unwrap();
        for text in FILL {
            let filled: Result<u64, SqlError> = test
                .db
                .write("fill", |mut tx| async move {
                    sql(text).bind(vec![7_u8; 16]).execute(&mut tx).await
                })
                .await;
            assert_eq!(filled.unwrap(), 1, "{text}");
        }
        for (table, text) in CHANGE {
            let changed: Result<u64, SqlError> = test
                .db
                .write("change", |mut tx| async move {
                    sql(text).bind(vec![7_u8; 16]).execute(&mut tx).await
                })
                .await;
            match changed {
                Err(SqlError::Constraint { name }) => {
                    assert_eq!(name, format!("{table}_append_only"), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        for table in APPEND_ONLY {
            assert_eq!(CHANGE.iter().filter(|(name, _)| name == table).count(), 2);
        }
        test.finish().await.unwrap();
    }
}

/// The schema as a program knew it so many steps ago.
fn earlier(steps: usize) -> Schema {
    let (postgres, sqlite) = (SCHEMA.postgres, SCHEMA.sqlite);
    Schema {
        postgres: &postgres[..postgres.len() - steps],
        sqlite: &sqlite[..sqlite.len() - steps],
    }
}

/// Servers are upgraded one after the other: the version before goes on beside the new one.
#[tokio::test]
async fn a_program_of_the_schema_before_works_beside_this_one_and_an_older_one_is_refused() {
    for test in engines().await {
        test.db.migrate(&earlier(1)).await.unwrap();
        let filled: Result<u64, SqlError> = test
            .db
            .write("fill", |mut tx| async move {
                let text = "INSERT INTO vaults (vault, name, origin, records_key, access_key, gate_key, created_us) \
                    VALUES ($1, 'Test Agency', 'x', $2, $2, $2, 1)";
                let (id, key) = ([7_u8; 16], [7_u8; 32]);
                sql(text).bind(id).bind(key).execute(&mut tx).await
            })
            .await;
        assert_eq!(filled.unwrap(), 1);
        let before = earlier(1).sqlite.last().unwrap().version;
        assert_eq!(test.db.schema_version().await.unwrap(), before);
        // The new program comes, and rows stay.
        assert_eq!(Store::pending_migrations(&test.db).await.unwrap(), 1);
        let store = Store::open(test.db.clone()).await.unwrap();
        assert_eq!(store.vaults().await.unwrap().len(), 1);
        assert_eq!(
            test.db.schema_version().await.unwrap(),
            Store::newest_schema()
        );
        // The program of before starts again; the one before that must not.
        assert_eq!(test.db.migrate(&earlier(1)).await.unwrap(), 0);
        let refused = test.db.migrate(&earlier(2)).await;
        assert!(
            matches!(refused, Err(SqlError::NewerSchema { .. })),
            "{refused:?}"
        );
        test.finish().await.unwrap();
    }
}
