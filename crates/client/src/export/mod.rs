//! Exports whole cases: every document to its original path, whole or not at all.

mod names;

pub use names::{ExportNames, Placed};
