//! The gatekeeper against an honest vault, a lying one, and former insiders.

#![allow(
    clippy::cloned_ref_to_slice_refs,
    clippy::unwrap_used,
    reason = "tests: fixtures are compared as arrays"
)]

mod deposits;
mod destruction;
mod engines;
mod filing;
mod keeping;
mod links;
mod opening;
mod people;
mod releases;
mod replay;
mod requests;
mod witnessing;
mod world;
