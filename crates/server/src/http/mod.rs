//! What all endpoints share.

mod b64;
mod caller;
mod from_store;
mod json;
mod observe;
mod params;
pub(crate) mod problem;
mod segment;
mod throttle;

pub(crate) use b64::B64;
pub(crate) use caller::{Admitted, Anonymous, Token};
pub(crate) use from_store::refused;
pub(crate) use json::Json;
pub(crate) use observe::{Forwarded, REQUEST_ID, make_id, observe, with_body};
pub(crate) use params::Params;
pub(crate) use problem::{Kind, Problem};
pub(crate) use segment::{PartNumber, Segment};
pub(crate) use throttle::Throttle;
