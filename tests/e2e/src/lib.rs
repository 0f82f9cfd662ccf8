//! What end-to-end tests need: the built binaries as a running vault, and a proxy that lies.
//!
//! The binaries must be built first; `cargo xtask test` does that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test library: a panic is a failed test"
)]

mod lying;
mod stack;

pub use lying::{LyingProxy, Seen};
pub use stack::{Run, Stack, run};
