//! The vault's HTTP interface, as the client uses it: JSON with base64url fields, capsules as octet streams.

mod encoding;
mod endpoint;
mod objects;
#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests"
)]
mod objects_tests;
mod problem;
mod routes;
#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]
pub(crate) mod test_server;
mod tls_fault;
mod trust;

pub(crate) use encoding::{array_from_b64, bytes_to_b64};
pub use encoding::{from_b64, to_b64};
pub use endpoint::{Authorization, Endpoint};
pub use objects::{HeldParts, StoredObject};
pub use problem::Problem;
pub use routes::{AboutVault, Challenge, Founded, MutationRoute, Session, VaultSummary};
pub use tls_fault::TlsFault;
pub use trust::Trust;
