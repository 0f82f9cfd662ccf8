//! The tables, in the two dialects.

use obhut_sql::{Migration, Schema};

macro_rules! step {
    ($version:literal, $name:literal, $engine:literal) => {
        Migration {
            version: $version,
            name: $name,
            oldest: $version,
            sql: include_str!(concat!(
                "../ddl/", $engine, "/", $version, "_", $name, ".sql"
            )),
        }
    };
}

/// Of the first store.
pub(crate) const FIRST: Schema = Schema {
    postgres: &[
        step!(1, "shares", "postgres"),
        step!(2, "gatekeeper", "postgres"),
        step!(3, "enrolment", "postgres"),
        step!(4, "keeping", "postgres"),
    ],
    sqlite: &[
        step!(1, "shares", "sqlite"),
        step!(2, "gatekeeper", "sqlite"),
        step!(3, "enrolment", "sqlite"),
        step!(4, "keeping", "sqlite"),
    ],
};

/// Of the second store: deposits, shares and tombstones only.
pub(crate) const SECOND: Schema = Schema {
    postgres: &[step!(1, "shares", "postgres")],
    sqlite: &[step!(1, "shares", "sqlite")],
};

/// Of a witness.
pub(crate) const WITNESS: Schema = Schema {
    postgres: &[step!(1, "witness", "postgres")],
    sqlite: &[step!(1, "witness", "sqlite")],
};
