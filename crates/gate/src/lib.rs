#![doc = include_str!("../README.md")]

pub mod backup;
mod config;
mod cosign;
mod deposit;
mod deposit_key;
mod destroy;
mod error;
mod feed;
mod gate;
mod journal;
mod keys;
mod labels;
pub mod link;
mod log_head;
pub mod operator;
mod persist;
mod refusal;
mod registrations;
mod release;
mod replay;
mod rotation;
mod rows;
mod schema;
mod seen;
mod status;
mod stores;
mod vaults;
pub mod witness;

pub use config::{Edge, GateConfig};
pub use error::GateError;
pub use gate::Gate;
pub use refusal::Refusal;
