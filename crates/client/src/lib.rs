//! Obhut's client SDK.

pub mod import;
