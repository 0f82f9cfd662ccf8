//! What the chores share with the end-to-end tests: synthetic case files, the canary search, a load balancer.

pub mod balancer;
pub mod canary;
pub mod samples;
