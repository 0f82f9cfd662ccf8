//! Quarters of a year, UTC: how long a shard of the access log takes entries.

use jiff::Timestamp;
use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;

/// One quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quarter {
    pub(crate) year: i16,
    /// 1 to 4.
    pub(crate) number: u8,
    /// Its first microsecond.
    pub(crate) from_us: u64,
    /// The first microsecond after it.
    pub(crate) to_us: u64,
}

impl Quarter {
    /// The quarter of a time in microseconds UTC; times beyond the calendar count as 1970.
    pub(crate) fn at(time_us: u64) -> Self {
        let micros = i64::try_from(time_us).unwrap_or(0);
        let stamp = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
        let day = TimeZone::UTC.to_datetime(stamp).date();
        let number = (day.month() - 1) / 3;
        let first = date(day.year(), number * 3 + 1, 1);
        let next = if number == 3 {
            date(day.year() + 1, 1, 1)
        } else {
            date(day.year(), number * 3 + 4, 1)
        };
        Self {
            year: day.year(),
            number: (number + 1).unsigned_abs(),
            from_us: start_us(first),
            to_us: start_us(next),
        }
    }
}

fn start_us(day: Date) -> u64 {
    let start = TimeZone::UTC.to_timestamp(day.to_datetime(Time::midnight()));
    start
        .ok()
        .and_then(|start| u64::try_from(start.as_microsecond()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_quarter_ends_with_the_year() {
        let quarter = Quarter::at(1_795_000_000_000_000); // 2026-11-18
        assert_eq!((quarter.year, quarter.number), (2026, 4));
        assert_eq!(quarter.from_us, 1_790_812_800_000_000);
        assert_eq!(quarter.to_us, 1_798_761_600_000_000);
        let next = Quarter::at(quarter.to_us);
        assert_eq!((next.year, next.number), (2027, 1));
        assert_eq!(Quarter::at(quarter.to_us - 1), quarter);
    }
}
