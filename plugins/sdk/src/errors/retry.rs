//! How long the upstream asks to wait.

use crate::decimal;
use crate::http::HttpReply;

/// The wait that a reply asks for, in milliseconds: `retry-after-ms`, else `retry-after` in
/// seconds or as an HTTP date, judged by the host's clock.
pub fn retry_after_ms(reply: &HttpReply) -> Option<u64> {
    if let Some(ms) = reply
        .header("retry-after-ms")
        .and_then(|ms| rounded_up(ms, 0))
    {
        return Some(ms);
    }
    let value = reply.header("retry-after")?;
    seconds_as_ms(value).or_else(|| {
        let then = http_date_ms(value)?;
        Some(then.saturating_sub(reply.received_unix_ms))
    })
}

/// Seconds, perhaps with a fraction, as milliseconds. A negative wait is none.
pub(super) fn seconds_as_ms(text: &str) -> Option<u64> {
    rounded_up(text, 3)
}

fn rounded_up(text: &str, power: i64) -> Option<u64> {
    let scaled = decimal::scaled(text, power)?;
    if scaled.starts_with('-') {
        return Some(0);
    }
    match scaled.split_once('.') {
        Some((whole, _)) => whole.parse::<u64>().ok()?.checked_add(1),
        None => scaled.parse().ok(),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in milliseconds since 1970. The two older forms of HTTP dates
/// are not written by anything that answers a model request.
fn http_date_ms(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut fields = text.split_once(", ")?.1.split(' ');
    let day: u64 = fields.next()?.parse().ok()?;
    let month = fields.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = fields.next()?.parse().ok()?;
    let mut clock = fields
        .next()?
        .split(':')
        .map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let in_range = (1970..=9999).contains(&year)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range || fields.next() != Some("GMT") {
        return None;
    }
    // Years that begin in March put the leap day last, so that days add up without a table.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    // 1970-01-01 on that count.
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&str, &str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        retry_after_ms(&HttpReply {
            status: 429,
            headers: headers.collect(),
            url: String::new(),
            received_unix_ms: 784_111_777_000,
            ..HttpReply::default()
        })
    }

    #[test]
    fn a_wait_comes_in_milliseconds_seconds_or_as_a_date() {
        let cases = [
            (
                vec![("retry-after-ms", "1500"), ("retry-after", "9")],
                Some(1500),
            ),
            (vec![("Retry-After", "1")], Some(1000)),
            (vec![("retry-after", "0.25")], Some(250)),
            (vec![("retry-after", "-3")], Some(0)),
            // The clock above stands at 08:49:37 of that day.
            (
                vec![("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")],
                Some(30_000),
            ),
            (
                vec![("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")],
                Some(0),
            ),
            (
                vec![("retry-after", "Sat, 31 Feb 99999 08:49:00 GMT")],
                None,
            ),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "NaN")], None),
            (vec![], None),
        ];
        for (headers, expected) in cases {
            assert_eq!(wait(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn dates_are_counted_like_everyone_counts_them() {
        // Each from `date -u -d … +%s`.
        let cases = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200),
            ("Mon, 23 Nov 2026 10:08:33 GMT", 1_795_428_513),
        ];
        for (text, seconds) in cases {
            assert_eq!(http_date_ms(text), Some(seconds * 1000), "{text}");
        }
    }
}
