//! What calls cost: worked examples, and rules that hold for all prices.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests: helpers unwrap too"
)]

use proptest::prelude::*;
use rust_decimal::Decimal;
use vale_billing::{Bucket, Cost, PriceBook, cost, parse_decimal};
use vale_types::{Extra, Money, Price, Usage};

fn priced(hint: &str, model: &str, usage: &Usage) -> Cost {
    let at = "2026-11-25".parse().unwrap();
    let book = PriceBook::built_in().unwrap();
    book.lookup(None, Some(hint), model, at)
        .unwrap()
        .cost(usage)
}

fn usd(amount: &str) -> Money {
    Money {
        currency: "USD".to_owned(),
        amount: parse_decimal(amount).unwrap(),
    }
}

fn usage(buckets: [u64; 6]) -> Usage {
    let [
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
    ] = buckets.map(Some);
    Usage {
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        ..Usage::default()
    }
}

fn price(texts: [Option<&str>; 6]) -> Price {
    let [
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
    ] = texts.map(|text| text.map(|text| parse_decimal(text).unwrap()));
    Price {
        currency: "USD".to_owned(),
        above_input_tokens: 0,
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        extras: Vec::new(),
    }
}

/// facts/providers.md §6, checked there against the library by hand.
#[test]
fn the_worked_examples() {
    for (hint, model, buckets, amount) in [
        (
            "anthropic",
            "claude-sonnet-5-5",
            [1000, 4000, 3000, 2000, 100, 0],
            "0.0189",
        ),
        (
            "openai",
            "gpt-5.6",
            [150_000, 100_000, 50_000, 0, 1000, 0],
            "1.81",
        ),
        (
            "google",
            "gemini-2.5-pro",
            [200_000, 0, 0, 0, 10, 0],
            "0.2501",
        ),
        (
            "google",
            "gemini-2.5-pro",
            [200_001, 0, 0, 0, 10, 0],
            "0.5001525",
        ),
        // The cliff counts the whole input, cached or not; reasoning is output.
        (
            "google",
            "gemini-2.5-pro",
            [200_000, 1, 0, 0, 4, 6],
            "0.50015025",
        ),
    ] {
        assert_eq!(
            priced(hint, model, &usage(buckets)),
            Cost::Exact(usd(amount)),
            "{model} {buckets:?}"
        );
    }
}

#[test]
fn what_has_no_price_is_named_and_not_counted_as_0() {
    let rows = [price([Some("1"), None, Some("2"), None, Some("4"), None])];
    let partial = |amount, missing| Cost::Partial {
        known: usd(amount),
        missing,
    };
    assert_eq!(
        cost(
            &usage([1_000_000, 1, 1_000_000, 1, 1_000_000, 1_000_000]),
            &rows
        ),
        partial("11", vec![Bucket::CacheRead, Bucket::CacheWrite1h])
    );
    assert_eq!(
        cost(&usage([1_000_000, 0, 0, 0, 0, 0]), &rows),
        Cost::Exact(usd("1"))
    );
    // Nothing said of input or output: missing. Nothing said of caching: none.
    let silent = Usage {
        output: Some(1_000_000),
        ..Usage::default()
    };
    assert_eq!(cost(&silent, &rows), partial("4", vec![Bucket::Input]));
    assert_eq!(cost(&Usage::default(), &rows), Cost::Unknown);
    assert_eq!(cost(&usage([1; 6]), &[]), Cost::Unknown);
    assert_eq!(cost(&usage([1; 6]), &[price([None; 6])]), Cost::Unknown);
    let mut varies = price([Some("1"), None, None, None, Some("1"), None]);
    varies.input = Some(Decimal::NEGATIVE_ONE);
    assert_eq!(
        cost(&usage([5, 0, 0, 0, 1_000_000, 0]), &[varies]),
        partial("1", vec![Bucket::Input])
    );
}

#[test]
fn an_input_that_is_not_known_chooses_no_tier() {
    let mut above = price([Some("2"), None, None, None, Some("8"), None]);
    above.above_input_tokens = 100;
    let rows = [price([Some("1"), None, None, None, Some("4"), None]), above];
    let silent = Usage {
        output: Some(1_000_000),
        ..Usage::default()
    };
    assert_eq!(cost(&silent, &rows), Cost::Unknown);
    // A list that begins above 0 says nothing of a small call.
    assert_eq!(
        cost(&usage([100, 0, 0, 0, 0, 0]), &rows[1..]),
        Cost::Unknown
    );
    assert_eq!(
        cost(&usage([101, 0, 0, 0, 0, 0]), &rows),
        Cost::Exact(usd("0.000202"))
    );
}

#[test]
fn reasoning_with_a_price_of_its_own_must_be_told_apart() {
    let rows = [price([Some("1"), None, None, None, Some("8"), Some("3")])];
    assert_eq!(
        cost(&usage([0, 0, 0, 0, 1_000_000, 1_000_000]), &rows),
        Cost::Exact(usd("11"))
    );
    let mixed = Usage {
        reasoning: None,
        ..usage([0, 0, 0, 0, 1_000_000, 0])
    };
    let missing = vec![Bucket::Reasoning];
    assert_eq!(
        cost(&mixed, &rows),
        Cost::Partial {
            known: usd("8"),
            missing
        }
    );
}

#[test]
fn fees_by_use_are_added_and_unknown_ones_are_named() {
    let mut row = price([Some("1"), None, None, None, Some("1"), None]);
    let fee = |name: &str, json: &str| Extra {
        name: name.to_owned(),
        json: json.to_owned(),
    };
    row.extras = vec![
        fee("web-search-requests-per-thousand", "\"10\""),
        fee("requests-per-thousand", "\"12\""),
        fee("other", "\"99\""),
    ];
    let searched = |name: &str, count| Usage {
        uses: vec![(name.to_owned(), count)],
        ..usage([0; 6])
    };
    let rows = [row];
    assert_eq!(
        cost(&searched("web-search-requests", 3), &rows),
        Cost::Exact(usd("0.042"))
    );
    assert_eq!(
        cost(&searched("code-runs", 0), &rows),
        Cost::Exact(usd("0.012"))
    );
    let missing = vec![Bucket::Use("code-runs".to_owned())];
    assert_eq!(
        cost(&searched("code-runs", 1), &rows),
        Cost::Partial {
            known: usd("0.012"),
            missing
        }
    );
}

#[test]
fn a_service_tier_is_priced_as_such_or_not_at_all() {
    let served = |tier: &str| Usage {
        service_tier: Some(tier.to_owned()),
        ..usage([1_000_000, 0, 0, 0, 0, 0])
    };
    let sonnet = |tier| priced("anthropic", "claude-sonnet-5-5", &served(tier));
    let Cost::Exact(usual) = sonnet("standard") else {
        panic!()
    };
    let Cost::Exact(batch) = sonnet("batch") else {
        panic!()
    };
    assert_eq!(batch.amount * Decimal::TWO, usual.amount);
    assert_eq!(sonnet("priority"), Cost::Unknown);
    let mut fast = served("batch");
    fast.extras = vec![Extra {
        name: "speed".to_owned(),
        json: "\"fast\"".to_owned(),
    }];
    assert_eq!(
        priced("anthropic", "claude-sonnet-5-5", &fast),
        Cost::Unknown
    );
}

/// Schoolbook arithmetic on decimal digits, lowest first: shares nothing with the code under test.
mod digits {
    pub(super) fn of(text: &str) -> Vec<u32> {
        text.bytes()
            .rev()
            .filter(u8::is_ascii_digit)
            .map(|byte| u32::from(byte - b'0'))
            .collect()
    }

    pub(super) fn times(left: &[u32], right: &[u32]) -> Vec<u32> {
        let mut out = vec![0; left.len() + right.len() + 1];
        for (i, l) in left.iter().enumerate() {
            for (j, r) in right.iter().enumerate() {
                out[i + j] += l * r;
            }
        }
        carried(out)
    }

    pub(super) fn plus(left: &[u32], right: &[u32]) -> Vec<u32> {
        let at = |digits: &[u32], i: usize| digits.get(i).copied().unwrap_or(0);
        carried(
            (0..left.len().max(right.len()) + 1)
                .map(|i| at(left, i) + at(right, i))
                .collect(),
        )
    }

    fn carried(mut digits: Vec<u32>) -> Vec<u32> {
        let mut carry = 0;
        for digit in &mut digits {
            let sum = *digit + carry;
            (*digit, carry) = (sum % 10, sum / 10);
        }
        assert_eq!(carry, 0);
        digits
    }

    pub(super) fn to_text(digits: &[u32], scale: usize) -> String {
        let mut all = digits.to_vec();
        all.resize(all.len().max(scale + 1), 0);
        let mut text: String = all.iter().rev().map(u32::to_string).collect();
        text.insert(text.len() - scale, '.');
        let text = text
            .trim_start_matches('0')
            .trim_end_matches('0')
            .trim_end_matches('.');
        if text.starts_with('.') || text.is_empty() {
            format!("0{text}")
        } else {
            text.to_owned()
        }
    }
}

/// Prices as the data has them: up to 8 places.
fn price_text() -> impl Strategy<Value = String> {
    (0_u32..2000, 0_u32..100_000_000).prop_map(|(whole, part)| format!("{whole}.{part:08}"))
}

fn rows(texts: &[String; 6]) -> [Price; 1] {
    [price(texts.each_ref().map(|text| Some(text.as_str())))]
}

fn exact(cost: Cost) -> Decimal {
    match cost {
        Cost::Exact(money) => money.amount,
        other => panic!("not exact: {other:?}"),
    }
}

fn cases() -> u32 {
    if std::env::var_os("VALECHAT_FULL").is_some() {
        25_600
    } else {
        256
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn every_digit_is_that_of_an_independent_calculation(
        buckets in prop::array::uniform6(0_u64..4_000_000_000),
        texts in prop::array::uniform6(price_text()),
    ) {
        let mut sum = vec![0];
        for (count, text) in buckets.iter().zip(&texts) {
            sum = digits::plus(&sum, &digits::times(&digits::of(&count.to_string()), &digits::of(text)));
        }
        let amount = exact(cost(&usage(buckets), &rows(&texts)));
        prop_assert_eq!(amount.normalize().to_string(), digits::to_text(&sum, 14));
    }

    #[test]
    fn more_tokens_never_cost_less_and_nothing_is_negative(
        buckets in prop::array::uniform6(0_u64..1_000_000_000),
        texts in prop::array::uniform6(price_text()),
        which in 0_usize..6,
        more in 1_u64..1_000_000_000,
    ) {
        let before = exact(cost(&usage(buckets), &rows(&texts)));
        let mut larger = buckets;
        larger[which] += more;
        let after = exact(cost(&usage(larger), &rows(&texts)));
        prop_assert!(before >= Decimal::ZERO && after >= before);
    }

    #[test]
    fn the_parts_add_up_to_the_whole(
        buckets in prop::array::uniform6(0_u64..1_000_000_000),
        texts in prop::array::uniform6(price_text()),
    ) {
        let rows = rows(&texts);
        let part = |index: usize| {
            let mut only = [0; 6];
            only[index] = buckets[index];
            exact(cost(&usage(only), &rows))
        };
        prop_assert_eq!((0..6).map(part).sum::<Decimal>(), exact(cost(&usage(buckets), &rows)));
    }

    #[test]
    fn no_usage_and_no_price_panics_and_what_is_missing_is_never_exact(
        buckets in prop::array::uniform6(prop::option::of(any::<u64>())),
        mantissas in prop::array::uniform6(prop::option::of((any::<i64>(), 0_u32..=28))),
    ) {
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = buckets;
        let usage = Usage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, ..Usage::default() };
        let mut row = price([None; 6]);
        let [i, r, w5, w1, o, t] = mantissas.map(|pair| pair.map(|(mantissa, scale)| Decimal::new(mantissa, scale)));
        (row.input, row.cache_read, row.cache_write_5m, row.cache_write_1h, row.output, row.reasoning) = (i, r, w5, w1, o, t);
        match cost(&usage, std::slice::from_ref(&row)) {
            Cost::Exact(money) => {
                prop_assert!(money.amount >= Decimal::ZERO);
                prop_assert!(usage.input.is_some() && usage.output.is_some());
                prop_assert!(usage.input == Some(0) || row.input.is_some());
            }
            Cost::Partial { known, missing } => prop_assert!(known.amount >= Decimal::ZERO && !missing.is_empty()),
            Cost::Unknown => {}
        }
    }
}
