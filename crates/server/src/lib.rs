#![doc = include_str!("../README.md")]

pub mod config;
mod error;
pub mod objects;

pub use config::Config;
pub use error::ServerError;
