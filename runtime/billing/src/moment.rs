//! A point in time, as far as prices need it: a UTC date and the second of that day.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds of a day; prices know no leap seconds.
const DAY: u64 = 86_400;

/// When a call was made, in UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    day: Day,
    second: u32,
}

/// A date; the order of its fields is the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day {
    year: u32,
    month: u32,
    day: u32,
}

impl Moment {
    /// From seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        let day = Day::from_unix_days(seconds / DAY);
        let second = u32::try_from(seconds % DAY).unwrap_or_default();
        Self { day, second }
    }

    pub(crate) fn day(self) -> Day {
        self.day
    }

    /// Seconds since midnight UTC.
    pub(crate) fn second(self) -> u32 {
        self.second
    }
}

impl From<SystemTime> for Moment {
    /// Times before 1970 count as its first second: no price is older.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix(since.as_secs())
    }
}

impl FromStr for Moment {
    type Err = String;

    /// `2026-11-25` (its midnight) or `2026-11-25T08:30:00Z`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let Some((day, rest)) = text.split_once('T') else {
                return Some((parse_day(text)?, 0));
            };
            Some((parse_day(day)?, parse_time(rest.strip_suffix('Z')?)?))
        };
        let (day, second) = parsed().ok_or_else(|| {
            format!("“{text}” is no UTC time: write 2026-11-25 or 2026-11-25T08:30:00Z")
        })?;
        Ok(Self { day, second })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (self.second / 3600, self.second / 60 % 60, self.second % 60);
        let Day { year, month, day } = self.day;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

impl Day {
    /// Walks years and months, of 400 at most; later than the year 9999 counts as its end.
    fn from_unix_days(days: u64) -> Self {
        let mut days = days.min(2_932_896);
        // 400 Gregorian years have 146 097 days.
        let mut year = 1970 + 400 * u32::try_from(days / 146_097).unwrap_or_default();
        days %= 146_097;
        while days >= year_length(year) {
            days -= year_length(year);
            year += 1;
        }
        let mut month = 1;
        while days >= u64::from(month_length(year, month)) {
            days -= u64::from(month_length(year, month));
            month += 1;
        }
        let day = 1 + u32::try_from(days).unwrap_or_default();
        Self { year, month, day }
    }

    /// A date of the calendar, or none.
    pub(crate) fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let valid = (1..=12).contains(&month) && (1..=month_length(year, month)).contains(&day);
        valid.then_some(Self { year, month, day })
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_length(year: u32) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_length(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `2026-11-25`.
pub(crate) fn parse_day(text: &str) -> Option<Day> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    Day::new(year, month, day)
}

/// `08:30:00`, as seconds since midnight.
pub(crate) fn parse_time(text: &str) -> Option<u32> {
    let [hour, minute, second] = numbers(text, ':', [2, 2, 2])?;
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[u32; 3]> {
    let mut parts = text.split(separator);
    let mut next = |width: usize| {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let [first, second, third] = widths;
    let all = [next(first)?, next(second)?, next(third)?];
    parts.next().is_none().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_seconds_become_the_utc_date_and_time() {
        // From GNU date: `date -u -d @N +%FT%TZ`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_795_612_604, "2026-11-25T13:16:44Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (32_503_680_000, "3000-01-01T00:00:00Z"),
        ] {
            assert_eq!(Moment::from_unix(seconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Moment::from_unix(seconds)));
        }
        let far = Moment::from_unix(u64::MAX).to_string();
        assert!(far.starts_with("9999-12-31T"), "{far}");
    }

    #[test]
    fn other_texts_are_no_time() {
        for bad in [
            "",
            "2026-2-3",
            "2026-13-01",
            "2025-02-29",
            "2026-11-25T24:00:00Z",
            "2026-11-25T01:00:00",
            "2026-11-25-",
        ] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}
