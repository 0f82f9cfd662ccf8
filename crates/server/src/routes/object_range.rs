//! One byte range (RFC 9110 §14): what is not understood is ignored, as the RFC allows.

use std::ops::Range;

use axum::http::HeaderValue;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// No range, several, or another unit.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// A range without bytes.
    Nothing,
}

pub(super) fn asked_range(header: Option<&HeaderValue>, total: u64) -> Asked {
    let text = header.and_then(|value| value.to_str().ok());
    let Some((first, last)) = text
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|text| text.split_once('-'))
    else {
        return Asked::Whole;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(total),
        (Ok(first), Err(_)) if last.is_empty() => first..total,
        (Err(_), Ok(count)) if first.is_empty() => total.saturating_sub(count)..total,
        _ => return Asked::Whole,
    };
    if range.start < range.end {
        Asked::Part(range)
    } else {
        Asked::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_single_ranges_and_ignores_the_rest() {
        let asked = |text: &'static str| asked_range(Some(&HeaderValue::from_static(text)), 100);
        assert_eq!(asked("bytes=0-0"), Asked::Part(0..1));
        assert_eq!(asked("bytes=10-"), Asked::Part(10..100));
        assert_eq!(asked("bytes=-7"), Asked::Part(93..100));
        assert_eq!(asked("bytes=90-200"), Asked::Part(90..100));
        assert_eq!(asked("bytes=0-18446744073709551615"), Asked::Part(0..100));
        for nothing in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(asked(nothing), Asked::Nothing, "{nothing}");
        }
        for whole in [
            "bytes=5-4",
            "bytes=a-b",
            "lines=0-1",
            "bytes=0-1,3-4",
            "bytes=-",
        ] {
            assert_eq!(asked(whole), Asked::Whole, "{whole}");
        }
        assert_eq!(asked_range(None, 100), Asked::Whole);
    }
}
