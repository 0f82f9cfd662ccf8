#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unused_self,
    reason = "tests"
)]

mod authority;
mod deputies;
mod documents;
mod recovery;
mod replaying;
mod world;
