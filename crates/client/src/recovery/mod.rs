//! Agency recovery: a bundle that k of n trustees can open together, once, for a stated reason.

mod drill;
mod finish;
mod policy;
mod request;

pub use finish::Finished;
pub use policy::{PolicyView, Split, TrusteeView};
pub use request::{AskedRecovery, RequestView};
