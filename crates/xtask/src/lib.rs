//! What the chores share with the end-to-end tests: synthetic case files, the canary search, a load balancer, and the
//! services of a run.
#![allow(clippy::print_stdout, reason = "chores tell people what they do")]

pub mod balancer;
pub mod canary;
pub mod postgres;
pub mod run;
pub mod samples;
pub mod seaweed;
pub mod tools;
