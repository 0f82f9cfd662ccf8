//! The full stack – PostgreSQL, S3, gatekeeper and witness in processes of their own – with a proxy at every border whose
//! faults can be switched, and random operations on it beside a model of what must be visible to whom.
//!
//! The binaries must be built first; `cargo xtask test` does that.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test library: a panic is a failed test"
)]

mod answerer;
mod operation;
mod proxy;
mod sampling;
mod world;

pub use answerer::Answerer;
pub use operation::{Operation, generate, play, shrink};
pub use proxy::{Direction, Fault, FaultProxy};
pub use sampling::{Sample, growth};
pub use world::{Job, Make, World};

/// The variable with the seed of a run to be repeated.
pub const SEED: &str = "OBHUT_SIMULATION_SEED";

/// The seed of [`SEED`], or a new one; who draws one prints it.
pub fn seed() -> u64 {
    let given = std::env::var(SEED).ok();
    given.map_or_else(
        || {
            use std::hash::{BuildHasher as _, Hasher as _};
            std::hash::RandomState::new().build_hasher().finish() >> 16
        },
        |text| text.parse().unwrap(),
    )
}
