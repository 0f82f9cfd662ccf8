//! Endpoint tests: the router in this process, real SQLite, the real gatekeeper, real signatures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests"
)]

mod crossing;
mod documents;
mod grounds;
mod logged;
mod objects;
mod people;
mod sessions;
mod story;
mod world;
