//! All rows of a database as they were at one moment: read out for a backup, put into an empty database, and proved to
//! be whole.

mod fill;
mod proof;
mod tables;

#[cfg(test)]
pub(crate) use fill::STATEMENTS as FILL_STATEMENTS;
pub use fill::{DatabasePages, Pages, fill};
#[cfg(test)]
pub(crate) use proof::STATEMENTS as PROOF_STATEMENTS;
pub use proof::{ProvedLog, ProvedVault, RegisteredObject};
pub use tables::{Page, Piece, TABLES, Table, count_rows, read_cut};
#[cfg(test)]
pub(crate) use tables::{prepare_batches, statements};
