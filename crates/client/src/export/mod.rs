//! Exports whole cases: every document to its original path, whole or not at all.

mod names;
mod run;

pub use names::{ExportNames, Placed};
pub use run::{ExportReport, ExportedDocument, NotExported};
