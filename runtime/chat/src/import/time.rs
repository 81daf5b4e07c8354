//! Times as exports write them, in Unix milliseconds.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Above this a number counts milliseconds: as seconds it would be the year 5138.
const SECONDS_END: f64 = 1e11;
/// Above this it counts microseconds, and above its thousandfold nanoseconds.
const MILLISECONDS_END: f64 = 1e14;

/// Seconds, milliseconds, microseconds or nanoseconds, told apart by their size.
pub(super) fn from_number(number: f64) -> Option<u64> {
    if !number.is_finite() || number <= 0.0 {
        return None;
    }
    let milliseconds = if number < SECONDS_END {
        number * 1e3
    } else if number < MILLISECONDS_END {
        number
    } else if number < MILLISECONDS_END * 1e3 {
        number / 1e3
    } else {
        number / 1e6
    };
    // A file may hold any number; a time after the year 9999 is none.
    if milliseconds >= 253_402_300_800_000.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just above"
    )]
    let whole = milliseconds.round() as u64;
    Some(whole)
}

/// ISO 8601 with or without an offset (then UTC), or a number.
pub(super) fn from_text(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return from_number(number);
    }
    let milliseconds = match text.parse::<Timestamp>() {
        Ok(time) => time.as_millisecond(),
        Err(_) => {
            let local: DateTime = text.parse().ok()?;
            TimeZone::UTC.to_timestamp(local).ok()?.as_millisecond()
        }
    };
    u64::try_from(milliseconds).ok()
}

/// `2024-05-01 12:00 UTC`, for a person.
pub(crate) fn for_people(milliseconds: u64) -> String {
    format(milliseconds, "%Y-%m-%d %H:%M UTC")
}

/// `2024-05-01T12:00:00Z`.
pub(crate) fn iso(milliseconds: u64) -> String {
    format(milliseconds, "%Y-%m-%dT%H:%M:%SZ")
}

fn format(milliseconds: u64, pattern: &str) -> String {
    let time = i64::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    match time {
        Some(time) => time.strftime(pattern).to_string(),
        None => format!("{milliseconds} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::{for_people, from_number, from_text, iso};

    #[test]
    fn every_unit_and_spelling_means_the_same_moment() {
        let moment = Some(1_714_564_800_123);
        for number in [
            1_714_564_800.123,
            1_714_564_800_123.0,
            1_714_564_800_123_000.0,
        ] {
            assert_eq!(from_number(number), moment, "{number}");
        }
        for text in [
            "2024-05-01T12:00:00.123Z",
            "2024-05-01T12:00:00.123456Z",
            "2024-05-01T14:00:00.123+02:00",
            "2024-05-01 12:00:00.123",
            "2024-05-01T12:00:00.123",
            " 1714564800.123 ",
            "1714564800123",
        ] {
            assert_eq!(from_text(text), moment, "{text}");
        }
        assert_eq!(iso(1_714_564_800_123), "2024-05-01T12:00:00Z");
        assert_eq!(for_people(1_714_564_800_123), "2024-05-01 12:00 UTC");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for number in [0.0, -5.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(from_number(number), None, "{number}");
        }
        for text in ["", "yesterday", "NaN", "inf", "0001-01-01T00:00:00Z"] {
            assert_eq!(from_text(text), None, "{text}");
        }
        assert_eq!(iso(u64::MAX), format!("{} ms", u64::MAX));
    }
}
