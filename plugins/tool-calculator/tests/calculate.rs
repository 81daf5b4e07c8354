//! `calculate`: exact where it can be, honest where it cannot, a sentence for everything else.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{good, refused};
use proptest::prelude::*;
use serde_json::json;

fn value(expression: &str) -> String {
    good("calculate", &json!({"expression": expression}))
}

#[test]
fn results_are_exact() {
    for (expression, expected) in [
        ("0.1 + 0.2", "0.3"),
        ("1.10 * 3", "3.3"),
        ("(19.99 * 3) * (1 + 20%)", "71.964"),
        ("1/3 * 3", "1"),
        ("1/8", "0.125"),
        ("-2^2", "-4"),
        ("(-2)^2", "4"),
        ("2^3^2", "512"),
        ("2^-2", "0.25"),
        ("2**10", "1024"),
        ("2*3**2", "18"),
        ("0^0", "1"),
        ("(-1)^1000001", "-1"),
        ("1^(10^300)", "1"),
        ("7 % 3", "1"),
        ("-7 mod 3", "2"),
        ("7 mod -3", "-2"),
        ("5.5 % 2", "1.5"),
        ("50%", "0.5"),
        ("200 + 10%", "200.1"),
        ("10% - 3", "-2.9"),
        ("15% of 80", "12"),
        ("50%%", "0.005"),
        ("10%^2", "0.01"),
        ("1_000_000 × 2 − 1", "1999999"),
        ("6 ÷ 4", "1.5"),
        (".5 + 5.", "5.5"),
        ("1.5e3 + 2E-1", "1500.2"),
        ("1e-30", "0.000000000000000000000000000001"),
        ("abs(-3) + min(4, 2, 9) + max(1; 7)", "12"),
        ("sum(1, 2, 3) / mean(1, 2, 3)", "3"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(2/3, 4)", "0.6667"),
        ("round(1250, -2)", "1300"),
        ("floor(-1.5)", "-2"),
        ("ceil(-1.5)", "-1"),
        ("trunc(-1.5)", "-1"),
        ("sqrt(2.25)", "1.5"),
        ("4^(1/2)", "2"),
        ("4^-1.5", "0.125"),
        ("round(pi, 4)", "3.1416"),
        ("floor(sqrt(2) * 1000)", "1414"),
        (
            "2^200",
            "1606938044258990275541962092341162602522202993782792835301376",
        ),
        ("9007199254740993 + 0", "9007199254740993"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn a_result_that_is_rounded_says_so() {
    assert_eq!(
        value("2/3"),
        "0.6666666666666666666666666667 (rounded to 28 significant digits; exactly 2/3)"
    );
    assert_eq!(
        value("-200/3"),
        "-66.66666666666666666666666667 (rounded to 28 significant digits; exactly -200/3)"
    );
    assert_eq!(
        good("calculate", &json!({"expression": "1/700", "digits": 3})),
        "0.00143 (rounded to 3 significant digits; exactly 1/700)"
    );
    assert_eq!(
        value("sqrt(2)"),
        "1.414213562373095048801688724 (rounded to 27 decimal places)"
    );
}

#[test]
fn only_digits_that_are_known_are_shown() {
    // Exactly 0; what a root leaves behind is not shown as digits.
    let zero = value("sqrt(2)^2 - 2");
    assert!(zero.starts_with("0 (rounded to 5"), "{zero}");
    let root: String = good("calculate", &json!({"expression": "sqrt(2)", "digits": 50}));
    assert!(
        root.starts_with("1.414213562373095048801688724209698078569671875376"),
        "{root}"
    );
    // Errors grow by what is known about them, not by the number of steps.
    let power = value("sqrt(2)^30");
    assert!(power.starts_with("32768 (rounded to "), "{power}");
    let nested = value(&format!("{}4{}", "sqrt(".repeat(30), ")".repeat(30)));
    assert!(nested.starts_with("1.000000001291"), "{nested}");
    assert!(
        nested.ends_with("(rounded to 27 decimal places)"),
        "{nested}"
    );
    let small = value("sqrt(sqrt(2) / 10^40)^2 * 10^40 - sqrt(2)");
    assert!(small.starts_with("0 (rounded to "), "{small}");
    let brackets = format!("{}1{}", "(".repeat(60), ")".repeat(60));
    assert_eq!(value(&brackets), "1");
    let refusal = refused("calculate", &json!({"expression": "floor(sqrt(2)^2)"}));
    assert!(refusal.contains("which side"), "{refusal}");
    let refusal = refused("calculate", &json!({"expression": "1 / (sqrt(2)^2 - 2)"}));
    assert!(refusal.contains("may be zero"), "{refusal}");
    let large = value("sqrt(2 * 10^118)");
    assert!(large.ends_with("(rounded to a whole number)"), "{large}");
    let large = value("sqrt(2 * 10^150) * 10^9");
    assert!(
        large.contains("digits before the point are not certain"),
        "{large}"
    );
}

#[test]
fn what_has_no_result_is_a_sentence() {
    let deep = format!("{}1{}", "(".repeat(400), ")".repeat(400));
    let signs = format!("{}1", "-".repeat(900));
    let nested = format!("{}4{}", "sqrt(".repeat(150), ")".repeat(150));
    for (expression, words) in [
        ("", "empty"),
        ("  ", "empty"),
        ("1 +", "ends where a number"),
        ("1 2", "operator may be missing"),
        ("2(3)", "operator may be missing"),
        ("1,000", "without commas"),
        ("(1", "not closed"),
        ("1)", "“)” at character 2"),
        ("1/0", "zero"),
        ("5 % 0", "zero"),
        ("0^-1", "zero"),
        ("sqrt(-1)", "below zero"),
        ("2^0.3", "whole number or a half"),
        ("2^sqrt(2)", "whole number or a half"),
        ("9^9^9^9", "more than 2000 digits"),
        ("2^(10^2000)", "more than 2000 digits"),
        ("(10^1999)^3", "more than 2000 digits"),
        ("1e999999999999999999999", "more than 2000 digits"),
        ("1e2001", "more than 2000 digits"),
        ("round(1, 1e9)", "round rounds"),
        ("round(1, 0.5)", "round rounds"),
        ("foo(1)", "“foo” is not known"),
        ("x", "“x” is not known"),
        ("sqrt()", "cannot begin a number"),
        ("sqrt(1, 2)", "another number of arguments"),
        ("1 $ 2", "“$ 2”"),
        ("\u{1F4A5}", "cannot begin a number"),
        ("١ + ٢", "cannot begin a number"),
        (".", "cannot begin a number"),
        (deep.as_str(), "nests more than 128"),
        (signs.as_str(), "nests more than 128"),
        (nested.as_str(), "nests more than 128"),
    ] {
        let said = refused("calculate", &json!({"expression": expression}));
        assert!(said.contains(words), "{expression}: {said}");
        assert!(said.chars().count() < 500, "{said}");
    }
    let long = "1+".repeat(501);
    let said = refused("calculate", &json!({"expression": long}));
    assert!(said.contains("at most 1000 characters"), "{said}");
    assert_eq!(refused("calculate", &json!({})), "expression is missing.");
}

#[test]
fn the_dearest_expressions_end_soon() {
    // The largest numbers that fit, as often as the length allows: the manifest grants 5 s of CPU
    // in wasm, so this must be far below natively, even unoptimised.
    let start = std::time::Instant::now();
    for unit in ["9^2000", "(1/7^2000)", "(3^4000/7^2000)", "sqrt(7^2000)"] {
        for operator in ["+", "*", "/", " mod "] {
            let mut expression = unit.to_string();
            while expression.len() + unit.len() + operator.len() <= 1_000 {
                expression.push_str(operator);
                expression.push_str(unit);
            }
            common::call("calculate", &json!({"expression": expression}));
        }
    }
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

proptest! {
    #![proptest_config(common::config())]

    #[test]
    fn whole_numbers_agree_with_the_machine(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, c in 1_i64..1000) {
        let expected = i128::from(a) * i128::from(b) + i128::from(a.rem_euclid(c)) - i128::from(b);
        let expression = format!("({a}) * ({b}) + ({a} mod {c}) - ({b})");
        // A sign binds weaker than a power and stronger than mod.
        prop_assert_eq!(value(&expression), expected.to_string());
    }

    #[test]
    fn cents_never_drift(cents in proptest::collection::vec(0_u64..1_000_000_000, 1..40)) {
        let texts: Vec<_> = cents.iter().map(|c| format!("{}.{:02}", c / 100, c % 100)).collect();
        let total: u64 = cents.iter().sum();
        let expression = format!("round(({}) * 100)", texts.join(" + "));
        prop_assume!(expression.len() <= 1000);
        prop_assert_eq!(value(&expression), total.to_string());
    }

    #[test]
    fn a_root_squared_is_within_the_places_that_it_claims(n in 1_u64..u64::MAX) {
        let square = u128::from(n);
        let text = value(&format!("sqrt({square})"));
        let (digits, _) = text.split_once(' ').unwrap_or((&text, ""));
        let places = digits.split_once('.').map_or(0, |(_, part)| part.len());
        let unit = format!("1e-{places}");
        // (root - unit)² < n < (root + unit)²
        prop_assert_eq!(value(&format!("max(0, ({digits} - {unit})^2 - {n})")), "0");
        prop_assert_eq!(value(&format!("min(0, ({digits} + {unit})^2 - {n})")), "0");
    }

    #[test]
    fn any_text_ends_in_a_number_or_a_sentence(text in "[-+*/%^().,0-9e ofmdsqrtpi]{0,200}") {
        let result = common::call("calculate", &json!({"expression": text}));
        prop_assert!(!result.content.is_empty());
    }

    #[test]
    fn any_characters_end_in_a_number_or_a_sentence(text in any::<String>()) {
        let result = common::call("calculate", &json!({"expression": text}));
        prop_assert!(!result.content.is_empty());
    }
}

proptest! {
    // Six expressions a case, with long numbers: fewer cases.
    #![proptest_config(ProptestConfig { cases: common::config().cases / 16, ..common::config() })]

    #[test]
    fn what_must_cancel_leaves_no_digits_behind(
        a in 1_u64..1_000_000_000, b in 1_u64..1_000_000_000, exponent in -12_i32..12, n in 1_u32..9
    ) {
        let (a, b) = (format!("({a} * 10^{exponent})"), format!("({b} / 7)"));
        let (even, half) = (2 * n, n);
        for identity in [
            format!("(sqrt{a} + sqrt{b}) * (sqrt{a} - sqrt{b}) - ({a} - {b})"),
            format!("(sqrt{a} * sqrt{b})^2 - {a} * {b}"),
            format!("sqrt{a}^{even} - {a}^{half}"),
            format!("sqrt{a}^-{even} - {a}^-{half}"),
            format!("sqrt{a} / sqrt{b} - sqrt({a} / {b})"),
            format!("sqrt(sqrt{a}) * sqrt(sqrt{b}) - sqrt(sqrt({a} * {b}))"),
        ] {
            let text = value(&identity);
            let digits = text.split_once(' ').map_or(text.as_str(), |(digits, _)| digits);
            prop_assert!(["0", "-0"].contains(&digits), "{} = {}", identity, text);
        }
    }
}
