//! `date`: the calendar's odd corners, and reckoning there and back.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{good, refused};
use proptest::prelude::*;
use serde_json::{Value, json};

fn date(arguments: &Value) -> String {
    good("date", arguments)
}

#[test]
fn a_date_is_described() {
    assert_eq!(
        date(&json!({"operation": "describe", "date": "2024-12-30"})),
        "2024-12-30 is a Monday, ISO week 2025-W01-1, day 365 of 366 in 2024 (a leap year), in a month of 31 days"
    );
    let today = date(&json!({"operation": "describe"}));
    assert!(today.starts_with("2024-02-29 is a Thursday"), "{today}");
}

#[test]
fn a_difference_counts_in_every_unit() {
    let text = date(&json!({"operation": "difference", "date": "2024-01-31", "to": "2024-03-01"}));
    assert!(
        text.contains(
            ": 30 days = 4 weeks and 2 days = 0 years, 1 months and 1 days. 22 business days"
        ),
        "{text}"
    );
    let back = date(&json!({"operation": "difference", "date": "2024-03-01", "to": "2024-01-31"}));
    assert!(
        back.contains(": -30 days") && back.contains("-22 business days"),
        "{back}"
    );
    let hours = date(&json!({
        "operation": "difference", "date": "2024-03-01T10:00:00+02:00", "to": "2024-03-01T10:00:01Z"
    }));
    assert!(
        hours.contains("7201 seconds = 2 hours, 0 minutes and 1 seconds"),
        "{hours}"
    );
    let weekend =
        date(&json!({"operation": "difference", "date": "2024-03-01", "to": "2024-03-03"}));
    assert!(weekend.contains(" 0 business days"), "{weekend}");
}

#[test]
fn adding_keeps_to_the_calendar() {
    for (arguments, expected) in [
        (
            json!({"date": "2023-01-31", "months": 1}),
            "2023-02-28, a Tuesday (that month has no day 31, so its last day)",
        ),
        (
            json!({"date": "2024-02-29", "years": 1}),
            "2025-02-28, a Friday (that month has no day 29, so its last day)",
        ),
        (json!({"date": "today", "days": 1}), "2024-03-01, a Friday"),
        (
            json!({"date": "now", "weeks": -1}),
            "2024-02-22 12:34:56 UTC, a Thursday",
        ),
        (
            json!({"date": "2024-03-01", "business_days": 1}),
            "2024-03-04, a Monday",
        ),
        (
            json!({"date": "2024-03-02", "business_days": 1}),
            "2024-03-04, a Monday",
        ),
        (
            json!({"date": "2024-03-02", "business_days": -1}),
            "2024-03-01, a Friday",
        ),
        (
            json!({"date": "2024-03-04", "business_days": -1}),
            "2024-03-01, a Friday",
        ),
        (
            json!({"date": "2024-03-04", "business_days": 10}),
            "2024-03-18, a Monday",
        ),
        (
            json!({"date": "2024-03-04", "business_days": 0}),
            "2024-03-04, a Monday",
        ),
    ] {
        let mut arguments = arguments;
        arguments["operation"] = json!("add");
        assert_eq!(date(&arguments), expected, "{arguments}");
    }
}

#[test]
fn unix_time_goes_there_and_back() {
    let to = json!({"operation": "to_unix", "date": "2024-02-29T12:00:00Z"});
    assert_eq!(
        date(&to),
        "2024-02-29 12:00:00 UTC = 1709208000 seconds of Unix time"
    );
    let from = json!({"operation": "from_unix", "unix": 1709208000});
    assert_eq!(date(&from), "2024-02-29 12:00:00 UTC, a Thursday");
    let before = json!({"operation": "from_unix", "unix": -1});
    assert_eq!(date(&before), "1969-12-31 23:59:59 UTC, a Wednesday");
    let now = json!({"operation": "to_unix"});
    assert_eq!(
        date(&now),
        "2024-02-29 12:34:56 UTC = 1709210096 seconds of Unix time"
    );
}

#[test]
fn what_is_no_date_is_a_sentence() {
    for (arguments, words) in [
        (
            json!({"operation": "describe", "date": "2023-02-29"}),
            "“2023-02-29” is no date",
        ),
        (
            json!({"operation": "describe", "date": "29.02.2024"}),
            "is no date",
        ),
        (
            json!({"operation": "describe", "date": "x".repeat(5000)}),
            "is no date",
        ),
        (
            json!({"operation": "describe", "date": "9999999-01-01"}),
            "is no date",
        ),
        (
            json!({"operation": "add", "date": "9999-12-31", "days": 1}),
            "9999",
        ),
        (json!({"operation": "add", "years": 30000}), "9999"),
        (
            json!({"operation": "add", "business_days": -4000000}),
            "-9999",
        ),
        (
            json!({"operation": "add", "days": 5000000}),
            "days must be a whole number from",
        ),
        (json!({"operation": "from_unix"}), "unix is missing"),
        (
            json!({"operation": "from_unix", "unix": 1709208000000_i64}),
            "divided by 1000",
        ),
        (
            json!({"operation": "guess"}),
            "operation must be one of describe",
        ),
        (
            json!({"operation": "describe", "when": "today"}),
            "no parameter when",
        ),
    ] {
        let said = refused("date", &arguments);
        assert!(said.contains(words), "{arguments}: {said}");
    }
}

proptest! {
    #![proptest_config(common::config())]

    #[test]
    fn business_days_agree_with_a_walk_through_the_week(start in 0_i64..20_000, count in -300_i64..300) {
        // 1970-01-01 was a Thursday: (day + 3) mod 7 counts from Monday.
        let is_business = |day: i64| (day + 3).rem_euclid(7) < 5;
        let (mut day, mut left) = (start, count.abs());
        while left > 0 {
            day += count.signum();
            left -= i64::from(is_business(day));
        }
        let iso = |day: i64| {
            let text = date(&json!({"operation": "from_unix", "unix": day * 86_400}));
            text.split_once(' ').unwrap().0.to_string()
        };
        let text = date(&json!({"operation": "add", "date": iso(start), "business_days": count}));
        prop_assert!(text.starts_with(&iso(day)), "{} + {}: {}", iso(start), count, text);
        let between = date(&json!({"operation": "difference", "date": iso(start), "to": iso(day)}));
        // Backwards from a weekend the first business day is not after the last.
        if count >= 0 || is_business(start) {
            let expected = format!(" {count} business days");
            prop_assert!(between.contains(&expected), "{}: {}", expected, between);
        }
    }

    #[test]
    fn days_added_are_the_difference(unix in -10_000_000_000_i64..100_000_000_000, days in -100_000_i64..100_000) {
        let text = date(&json!({"operation": "from_unix", "unix": unix}));
        let start = text.split_once(' ').unwrap().0.to_string();
        let end = date(&json!({"operation": "add", "date": start, "days": days}));
        let end = end.split_once(',').unwrap().0;
        let text = date(&json!({"operation": "difference", "date": start, "to": end}));
        let expected = format!(": {days} days = ");
        prop_assert!(text.contains(&expected), "{}: {}", expected, text);
    }

    #[test]
    fn any_text_is_a_date_or_a_sentence(text in any::<String>()) {
        let result = common::call("date", &json!({"operation": "describe", "date": text}));
        prop_assert!(!result.content.is_empty());
    }
}
