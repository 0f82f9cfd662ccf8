//! How far a long command has come, on standard error.

use std::io::Write as _;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(2);

/// Says something every two seconds, and nothing in a command that is over by then.
pub(crate) struct Progress {
    last: Instant,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self {
            last: Instant::now(),
        }
    }

    pub(crate) fn say(&mut self, text: impl FnOnce() -> String) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            // Nobody may be reading.
            let _ = writeln!(std::io::stderr().lock(), "{}", text());
        }
    }
}
