//! The vault's HTTP interface, as the client uses it: JSON with base64url fields, capsules as octet streams.

mod encoding;
mod endpoint;
mod objects;
mod problem;
mod routes;

pub(crate) use encoding::{array_from_b64, bytes_to_b64};
pub use encoding::{from_b64, to_b64};
pub use endpoint::{Authorization, Endpoint};
pub use objects::StoredObject;
pub use problem::Problem;
pub use routes::{AboutVault, Challenge, Founded, MutationRoute, Session, VaultSummary};
