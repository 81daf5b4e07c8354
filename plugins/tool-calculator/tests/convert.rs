//! `convert`: exact factors, no guess between units of one name.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{good, refused};
use proptest::prelude::*;
use serde_json::json;

fn convert(value: &str, from: &str, to: &str) -> String {
    good("convert", &json!({"value": value, "from": from, "to": to}))
}

#[test]
fn factors_are_exact_and_the_units_are_named_in_full() {
    for (value, from, to, expected) in [
        ("1", "mi", "km", "1 miles = 1.609344 kilometres"),
        ("26.2", "miles", "km", "26.2 miles = 42.1648128 kilometres"),
        ("1", "lb", "g", "1 pounds = 453.59237 grams"),
        ("16", "oz", "lb", "16 ounces = 1 pounds"),
        ("14", "lb", "st", "14 pounds = 1 stones"),
        (
            "-40",
            "°F",
            "°C",
            "-40 degrees Fahrenheit = -40 degrees Celsius",
        ),
        (
            "212",
            "F",
            "C",
            "212 degrees Fahrenheit = 100 degrees Celsius",
        ),
        ("0", "K", "celsius", "0 kelvins = -273.15 degrees Celsius"),
        ("1", "gal", "l", "1 US gallons = 3.785411784 litres"),
        ("1", "imp gal", "l", "1 imperial gallons = 4.54609 litres"),
        ("16", "cup", "gal", "16 US cups = 1 US gallons"),
        ("768", "tsp", "gallons", "768 US teaspoons = 1 US gallons"),
        (
            "36",
            "km/h",
            "m/s",
            "36 kilometres per hour = 10 metres per second",
        ),
        ("1", "acre", "sqft", "1 acres = 43560 square feet"),
        ("640", "acres", "mi2", "640 acres = 1 square miles"),
        (
            "1",
            "GiB",
            "MB",
            "1 gibibytes (1024³ bytes) = 1073.741824 megabytes (1000² bytes)",
        ),
        (
            "100",
            "Mb",
            "MB",
            "100 megabits = 12.5 megabytes (1000² bytes)",
        ),
        ("1.5", "h", "min", "1.5 hours = 90 minutes"),
        ("1/2 + 1", "weeks", "days", "1.5 weeks = 10.5 days"),
    ] {
        assert_eq!(convert(value, from, to), expected);
    }
    let rounded = convert("1", "mph", "knots");
    assert!(
        rounded.contains("(rounded to 28 significant digits; exactly "),
        "{rounded}"
    );
}

#[test]
fn what_does_not_convert_is_a_sentence() {
    for (value, from, to, words) in [
        (
            "1",
            "kg",
            "m",
            "kilograms measure Mass and metres measure Length",
        ),
        ("1", "parsnip", "m", "“parsnip” is not known"),
        ("1", "m", &"m".repeat(500), "is not known"),
        ("1", "months", "days", "differ in length"),
        ("-1", "K", "C", "absolute zero"),
        ("-460", "F", "C", "absolute zero"),
        ("1", "mb", "B", "write it out"),
        ("sqrt(2)", "m", "ft", "Only exact values"),
        ("", "m", "ft", "is empty"),
    ] {
        let said = refused("convert", &json!({"value": value, "from": from, "to": to}));
        assert!(said.contains(words), "{from} to {to}: {said}");
    }
}

/// One unit of each name for each dimension, some with odd factors.
const GROUPS: [&[&str]; 8] = [
    &["m", "km", "in", "ft", "yd", "mi", "nmi", "µm"],
    &["kg", "g", "lb", "oz", "st", "t", "short ton", "long ton"],
    &["K", "°C", "°F", "°R"],
    &["m3", "l", "gal", "imp gal", "tsp", "fl oz", "in3", "ft3"],
    &["m/s", "km/h", "mph", "kn", "ft/s"],
    &["m2", "ha", "acre", "sqft", "mi2", "in2"],
    &["B", "bit", "kB", "MiB", "Gbit", "PB"],
    &["s", "ms", "min", "h", "d", "wk"],
];

proptest! {
    #![proptest_config(common::config())]

    #[test]
    fn there_and_back_is_the_same_value(group in 0_usize..8, a in 0_usize..8, b in 0_usize..8, value in 0_u32..1_000_000) {
        let names = GROUPS[group];
        let (a, b) = (names[a % names.len()], names[b % names.len()]);
        // The exact form of what there is, as a fraction where it does not end.
        let there = convert(&value.to_string(), a, b);
        let result = there.split_once(" = ").unwrap().1;
        let exact = match result.split_once("exactly ") {
            Some((_, fraction)) => fraction.split_once(')').unwrap().0,
            None => result.split_once(' ').unwrap().0,
        };
        let back = convert(&format!("({exact})"), b, a);
        let back = back.split_once(" = ").unwrap().1;
        prop_assert!(back.starts_with(&format!("{value} ")), "{} then {}", there, back);
    }
}
