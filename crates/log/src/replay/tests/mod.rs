#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unused_self,
    reason = "tests"
)]

mod authority;
mod documents;
mod replaying;
mod world;
