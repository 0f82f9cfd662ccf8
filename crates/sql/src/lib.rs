#![doc = include_str!("../README.md")]

mod batch;
mod db;
mod error;
mod inspect;
mod lent;
mod lock;
mod metrics;
mod migrate;
mod open;
mod row;
mod statement;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod value;

pub use batch::{Batch, Kind};
pub use db::{Db, Engine};
pub use error::SqlError;
pub use inspect::Inspection;
pub use lock::Lock;
pub use metrics::Counters;
pub use migrate::{Migration, Schema};
pub use open::Options;
pub use row::Row;
pub use statement::{Statement, sql};
pub use tx::Tx;
pub use value::{FromColumn, Value, ValueRef};
