//! Time, injected.

use std::sync::Arc;

/// Where the time comes from: the system's clock at the edge, anything in tests.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// `now` gives microseconds since 1970 UTC.
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Microseconds since 1970 UTC.
    pub fn now_us(&self) -> u64 {
        (self.0)()
    }
}
