//! Where time and randomness come from: everything below this crate takes both as arguments.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the edge: the one place that reads the clock and draws randomness"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use getrandom::SysRng;
use rand_core::UnwrapErr;

use crate::ClientError;

/// Microseconds since 1970-01-01 UTC by this machine's clock; 0 for a clock before that.
pub fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        })
}

/// The operating system's random number generator. Stops the process should the system have no randomness.
pub fn system_rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// `N` random bytes for an id or nonce.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand_core::Rng::fill_bytes(&mut system_rng(), &mut bytes);
    bytes
}

/// A moment as people compare it: `2026-11-23 15:04:05 UTC`.
pub fn utc_text(time_us: u64) -> String {
    i64::try_from(time_us)
        .ok()
        .and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok())
        .map_or_else(
            || "an impossible time".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
}

/// A civil date, ISO 8601.
pub fn parse_date(text: &str) -> Result<jiff::civil::Date, ClientError> {
    text.parse()
        .map_err(|_| ClientError::Usage(format!("{text} is no date such as 2026-01-31")))
}

/// The first microsecond of a civil day in Germany (`2026-12-01`), of the day after it, or a moment with its offset
/// (`2026-12-01T12:00:00Z`).
pub fn parse_moment(text: &str, end_of_day: bool) -> Option<u64> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return u64::try_from(moment.as_microsecond()).ok();
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let day = if end_of_day {
        day.tomorrow().ok()?
    } else {
        day
    };
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").ok()?;
    let start = day.to_datetime(jiff::civil::Time::midnight());
    let start = zone.to_timestamp(start).ok()?;
    u64::try_from(start.as_microsecond()).ok()
}

/// Today's civil date in Germany, ISO 8601.
pub fn today() -> String {
    let micros = i64::try_from(now_us()).unwrap_or(0);
    let stamp = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap_or(jiff::tz::TimeZone::UTC);
    zone.to_datetime(stamp).date().to_string()
}
