//! What the chores share with the end-to-end tests: synthetic case files and the canary search.

pub mod canary;
pub mod samples;
