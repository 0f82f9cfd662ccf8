#![doc = include_str!("../README.md")]

mod app;
pub mod args;
pub mod backup;
mod clock;
mod cluster;
pub mod command;
pub mod config;
mod data;
pub mod database;
mod declining;
mod error;
mod gate_config;
mod gatekeeper;
mod http;
mod keys;
mod logging;
pub mod objects;
mod progress;
mod randomness;
mod routes;
mod running;
pub mod tls;
mod witnesses;

pub use app::{App, Held, Tenant};
pub use cluster::ClusterConfig;
pub use config::Config;
pub use data::Data;
pub use error::ServerError;
pub use http::problem::problems_markdown;
pub use logging::chain as error_chain;
pub use routes::{openapi_json, router};
pub use running::{Ended, Running, open_app};
