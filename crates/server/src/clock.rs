//! The clock, read at the edge only.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01 UTC; 0 on a machine whose clock stands before.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: here the clock is read"
)]
pub(crate) fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}
