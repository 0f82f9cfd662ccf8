//! A schema in lines that are alike on both engines.

use std::collections::BTreeSet;

use crate::{Db, Engine, Row, SqlError, sql};

const SQLITE_COLUMNS: &str = r#"
    SELECT m.name AS tab, c.name AS col, c.type AS kind, c."notnull" AS required, c.pk > 0 AS keyed
    FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"#;

const SQLITE_UNIQUE: &str = r"
    SELECT m.name AS tab, l.partial AS partial,
        (SELECT group_concat(name, ', ') FROM
            (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)) AS cols
    FROM sqlite_schema AS m JOIN pragma_index_list(m.name) AS l
    WHERE m.type = 'table' AND l.[unique] AND l.origin <> 'pk'";

const SQLITE_LOOSE: &str = r"
    SELECT name AS tab FROM pragma_table_list
    WHERE type = 'table' AND strict = 0 AND schema = 'main'
        AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'schema\_%' ESCAPE '\'";

const POSTGRES_COLUMNS: &str = r"
    SELECT c.relname AS tab, a.attname AS col, format_type(a.atttypid, NULL) AS kind,
        a.attnotnull AS required, COALESCE(a.attnum = ANY (i.indkey), FALSE) AS keyed
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace";

const POSTGRES_UNIQUE: &str = r"
    SELECT c.relname AS tab, i.indpred IS NOT NULL AS partial,
        (SELECT string_agg(a.attname, ', ' ORDER BY k.ord)
            FROM unnest(i.indkey) WITH ORDINALITY AS k (num, ord)
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.num) AS cols
    FROM pg_class AS c JOIN pg_index AS i ON i.indrelid = c.oid
    WHERE i.indisunique AND NOT i.indisprimary AND c.relnamespace = current_schema()::regnamespace";

/// The tables of a database, a line for each column and each unique index: two engines with the
/// same schema give the same lines. CHECKs, foreign keys and triggers are not compared; the
/// conformance suite sees to them. Reports tables of SQLite that are not STRICT.
pub async fn describe(db: &Db) -> Result<BTreeSet<String>, SqlError> {
    let (columns, unique) = match db.engine() {
        Engine::Postgres => (POSTGRES_COLUMNS, POSTGRES_UNIQUE),
        Engine::Sqlite => (SQLITE_COLUMNS, SQLITE_UNIQUE),
    };
    let mut lines = BTreeSet::new();
    for row in db.fetch_all("describe_columns", sql(columns)).await? {
        lines.insert(column(&row)?);
    }
    for row in db.fetch_all("describe_unique", sql(unique)).await? {
        let table: String = row.column("tab")?;
        let columns: Option<String> = row.column("cols")?;
        let columns = columns.unwrap_or_else(|| "an expression".to_owned());
        let partial = if row.column("partial")? {
            " (partial)"
        } else {
            ""
        };
        lines.insert(format!("{table} UNIQUE {columns}{partial}"));
    }
    if db.engine() == Engine::Sqlite {
        for row in db.fetch_all("describe_loose", sql(SQLITE_LOOSE)).await? {
            lines.insert(format!("{} is not STRICT", row.column::<String>("tab")?));
        }
    }
    Ok(lines)
}

fn column(row: &Row) -> Result<String, SqlError> {
    let kind: String = row.column("kind")?;
    let kind = match kind.to_ascii_lowercase().as_str() {
        "bigint" | "integer" => "integer",
        "bytea" | "blob" => "blob",
        "text" => "text",
        _ => "of a kind the seam does not know",
    };
    let keyed: bool = row.column("keyed")?;
    // `INTEGER PRIMARY KEY` is never NULL on SQLite, though the table does not say so.
    let required = if row.column("required")? || keyed {
        " NOT NULL"
    } else {
        ""
    };
    let keyed = if keyed { " KEY" } else { "" };
    let table: String = row.column("tab")?;
    let name: String = row.column("col")?;
    Ok(format!("{table}.{name} {kind}{required}{keyed}"))
}
