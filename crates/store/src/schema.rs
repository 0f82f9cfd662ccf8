//! The tables, as two lists of migrations.

use obhut_sql::{Migration, Schema};

/// DDL for both engines.
pub(crate) const SCHEMA: Schema = Schema {
    postgres: &[
        Migration {
            version: 1,
            name: "vault",
            oldest: 1,
            sql: include_str!("../schema/postgres/0001_vault.sql"),
        },
        Migration {
            version: 2,
            name: "servers",
            oldest: 1,
            sql: include_str!("../schema/postgres/0002_servers.sql"),
        },
        Migration {
            version: 3,
            name: "restores",
            oldest: 2,
            sql: include_str!("../schema/postgres/0003_restores.sql"),
        },
        Migration {
            version: 4,
            name: "kept-entries",
            oldest: 3,
            sql: include_str!("../schema/postgres/0004_kept_entries.sql"),
        },
    ],
    sqlite: &[
        Migration {
            version: 1,
            name: "vault",
            oldest: 1,
            sql: include_str!("../schema/sqlite/0001_vault.sql"),
        },
        Migration {
            version: 2,
            name: "servers",
            oldest: 1,
            sql: include_str!("../schema/sqlite/0002_servers.sql"),
        },
        Migration {
            version: 3,
            name: "restores",
            oldest: 2,
            sql: include_str!("../schema/sqlite/0003_restores.sql"),
        },
        Migration {
            version: 4,
            name: "kept-entries",
            oldest: 3,
            sql: include_str!("../schema/sqlite/0004_kept_entries.sql"),
        },
    ],
};

/// Tables whose rows never change.
#[cfg(test)]
pub(crate) const APPEND_ONLY: &[&str] =
    &["leaves", "records", "entries", "label_rows", "mutations"];
