//! Endpoint tests: the router in this process, real SQLite, the real gatekeeper, real signatures.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
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
