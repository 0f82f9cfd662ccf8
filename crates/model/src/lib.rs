#![doc = include_str!("../README.md")]

pub mod action;
mod caller;
mod case;
mod change;
pub mod policy;
mod refusal;

pub use caller::{Appointment, Caller, CallerFacts, Deputyship};
pub use case::{CaseState, CaseStep};
pub use change::Change;
pub use policy::{CaseFacts, Facts, Grant, Request};
pub use refusal::Refusal;
