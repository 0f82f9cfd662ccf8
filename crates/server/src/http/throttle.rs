//! A bucket of tokens against floods of anonymous requests.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Lets a number of requests through a minute, with as many at once.
pub struct Throttle {
    per_minute: u32,
    state: Mutex<(f64, Instant)>,
}

impl Throttle {
    /// A full bucket.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            state: Mutex::new((f64::from(per_minute), Instant::now())),
        }
    }

    /// Takes a token if there is one.
    pub fn admits(&self) -> bool {
        self.admits_at(Instant::now())
    }

    fn admits_at(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, last) = *state;
        let ceiling = f64::from(self.per_minute);
        let refilled = now.saturating_duration_since(last).as_secs_f64() * ceiling / 60.0;
        let tokens = (tokens + refilled).min(ceiling);
        let admitted = tokens >= 1.0;
        *state = (if admitted { tokens - 1.0 } else { tokens }, now);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn holds_back_a_flood_and_recovers() {
        let throttle = Throttle::new(60);
        let start = Instant::now();
        let admitted = (0..100).filter(|_| throttle.admits_at(start)).count();
        assert_eq!(admitted, 60);
        let later = start + Duration::from_secs(5);
        let admitted = (0..100).filter(|_| throttle.admits_at(later)).count();
        assert_eq!(admitted, 5);
    }
}
