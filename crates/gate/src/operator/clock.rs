//! Clock and randomness of the system, drawn at the edge only.

use std::time::{SystemTime, UNIX_EPOCH};

use super::OperatorError;
use crate::Edge;

/// Microseconds since 1970-01-01 UTC; 0 on a machine whose clock stands before.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: here the clock is read"
)]
pub(super) fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

/// Clock and randomness for a gatekeeper.
pub(super) fn system_edge() -> Result<Edge, OperatorError> {
    // Asked once, so that a system without randomness is noticed before anything is made.
    seed().map_err(|_| OperatorError::Randomness)?;
    Ok(Edge::new(now_us, || {
        #[expect(
            clippy::expect_used,
            reason = "going on without randomness would leak every key"
        )]
        seed().expect("the operating system gives randomness")
    }))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge: here randomness is drawn"
)]
fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map(|()| bytes)
}
