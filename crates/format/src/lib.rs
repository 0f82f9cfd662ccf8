//! Obhut's bytes.

pub mod tree;
