//! A witness (C2SP tlog-witness): cosigns the heads of logs it knows, each only as a continuation of what it cosigned
//! before. It sees sizes and hashes, never an entry.

mod serve;
mod state;

pub use serve::serve;
pub use state::{KnownLog, Witness, WitnessError};
