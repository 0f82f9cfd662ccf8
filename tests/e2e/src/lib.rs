//! What end-to-end tests need: the built binaries as a running vault, people who use it, and a proxy that lies.
//!
//! The binaries must be built first; `cargo xtask test` does that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test library: a panic is a failed test"
)]

mod agency;
mod certificates;
mod databases;
mod fleet;
mod full;
mod gatekeeper;
mod killing;
pub mod lies;
mod lying;
mod machine;
mod stack;

pub use agency::{
    Agency, CLASS, REASON, copy_folder, files_below, letter_code, random_bytes, text,
};
pub use certificates::{Authority, Certified, HERE};
pub use databases::Databases;
pub use fleet::Fleet;
pub use full::{Border, Routes};
pub use gatekeeper::{Gatekeeper, Witness, fingerprint};
pub use killing::{Killer, Struck, is_honest_end, kills, seeded};
pub use lying::{LyingProxy, Seen, Teller};
pub use machine::{SmallDisk, cannot_run_without, shift_clock};
pub use stack::{Run, Stack, run, run_within};
