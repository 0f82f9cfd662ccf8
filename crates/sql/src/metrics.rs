//! Counters by the name given to `read` and `write`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What happened under one name since the database was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls finished, whatever came of them.
    pub calls: u64,
    /// Calls that ended in an error.
    pub failures: u64,
    /// Attempts repeated because of a conflict.
    pub retries: u64,
    /// Time in all calls, waiting for a connection included, in microseconds.
    pub total_us: u64,
    /// The slowest call in microseconds.
    pub max_us: u64,
}

#[derive(Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<&'static str, Counters>>);

impl Metrics {
    pub(crate) fn record(&self, name: &'static str, failed: bool, retries: u32, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = all.entry(name).or_default();
        counters.calls += 1;
        counters.failures += u64::from(failed);
        counters.retries += u64::from(retries);
        counters.total_us = counters.total_us.saturating_add(took_us);
        counters.max_us = counters.max_us.max(took_us);
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<&'static str, Counters> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
