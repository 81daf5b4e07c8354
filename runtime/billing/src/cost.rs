//! What a call costs: each bucket of tokens times its price, plus fees by use. Exact, or said not to be.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use vale_types::{Money, Price, Usage};

use crate::decimal::ExactSum;
use crate::{BookPrice, parse_decimal};

/// Ends the name of an extra of a [`Price`] that is a fee: `web-search-requests-per-thousand`, with the decimal
/// as JSON text. What stands before it is the name in [`Usage::uses`]; `requests` is the call itself.
pub const FEE_SUFFIX: &str = "-per-thousand";

/// What is billed by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bucket {
    /// Uncached input.
    Input,
    /// Input read from the cache.
    CacheRead,
    /// Input written to the cache for about five minutes.
    CacheWrite5m,
    /// Input written to the cache for about an hour.
    CacheWrite1h,
    /// Output without reasoning.
    Output,
    /// Reasoning.
    Reasoning,
    /// A counted extra, by its name in the usage.
    Use(String),
}

/// What a call costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// All of it, exactly.
    Exact(Money),
    /// At least this much: what is in `missing` was used, and its price or its amount is not known.
    Partial {
        /// The sum of the parts that are known.
        known: Money,
        /// What is not in the sum; never empty.
        missing: Vec<Bucket>,
    },
    /// Nothing can be said. It is not 0.
    Unknown,
}

/// One part of a bill.
struct Part {
    bucket: Bucket,
    /// Tokens or uses; `None` = not said.
    count: Option<u64>,
    price: Option<Decimal>,
    /// The price is for 10 to the power of this.
    per_scale: u32,
}

/// What `usage` costs at `prices`, which are taken to be those of the service tier that served the call.
///
/// The row is chosen by the whole input, cached or not: the last that begins below it. Its prices hold for all
/// tokens of the call, the output too (tiers are cliffs, `facts/providers.md` §6). Reasoning without a price of
/// its own is priced as output. A bucket for caching that the provider does not speak of counts as empty; input
/// and output that it does not speak of are missing. A negative price stands for “varies” and is unknown.
///
/// A charge that the provider itself reports ([`Usage::reported_cost`]) is not looked at: it outranks any
/// calculation, and the caller has it.
#[must_use]
pub fn cost(usage: &Usage, prices: &[Price]) -> Cost {
    let Some(row) = row_for(usage, prices) else {
        return Cost::Unknown;
    };
    let mut sum = ExactSum::default();
    let (mut missing, mut any_known) = (Vec::new(), false);
    for part in parts(usage, row) {
        match (part.count, part.price) {
            (Some(0), _) => {}
            (Some(count), Some(price)) => {
                any_known = true;
                let Some(longer) = sum.add(count, price, part.per_scale) else {
                    return Cost::Unknown;
                };
                sum = longer;
            }
            _ => missing.push(part.bucket),
        }
    }
    if !any_known && !missing.is_empty() {
        return Cost::Unknown;
    }
    let Some(amount) = sum.value() else {
        return Cost::Unknown;
    };
    let known = Money {
        currency: row.currency.clone(),
        amount,
    };
    if missing.is_empty() {
        Cost::Exact(known)
    } else {
        Cost::Partial { known, missing }
    }
}

/// The row that the input falls into; none where the input is not known and would decide.
fn row_for<'a>(usage: &Usage, prices: &'a [Price]) -> Option<&'a Price> {
    if let [only] = prices
        && only.above_input_tokens == 0
    {
        return Some(only);
    }
    usage.input?;
    let input = usage.input_total();
    prices
        .iter()
        .filter(|row| row.above_input_tokens == 0 || input > row.above_input_tokens)
        .max_by_key(|row| row.above_input_tokens)
}

fn parts(usage: &Usage, row: &Price) -> Vec<Part> {
    let part = |bucket, count, price: Option<Decimal>, per_scale| Part {
        bucket,
        count,
        price: price.filter(|price| !price.is_sign_negative() || price.is_zero()),
        per_scale,
    };
    let tokens = |bucket, count, price| part(bucket, count, price, 6);
    let silent_is_none = |count: Option<u64>| Some(count.unwrap_or(0));
    // Reasoning that is not told apart lies in the output; with another price it must be told apart.
    let reasoning = match row.reasoning {
        Some(own) if Some(own) != row.output && usage.output != Some(0) => usage.reasoning,
        _ => silent_is_none(usage.reasoning),
    };
    let mut parts = vec![
        tokens(Bucket::Input, usage.input, row.input),
        tokens(
            Bucket::CacheRead,
            silent_is_none(usage.cache_read),
            row.cache_read,
        ),
        tokens(
            Bucket::CacheWrite5m,
            silent_is_none(usage.cache_write_5m),
            row.cache_write_5m,
        ),
        tokens(
            Bucket::CacheWrite1h,
            silent_is_none(usage.cache_write_1h),
            row.cache_write_1h,
        ),
        tokens(Bucket::Output, usage.output, row.output),
        tokens(Bucket::Reasoning, reasoning, row.reasoning.or(row.output)),
    ];
    let mut fees = fees(row);
    if let Some(each) = fees.remove("requests") {
        parts.push(part(Bucket::Use("requests".to_owned()), Some(1), each, 3));
    }
    for (name, count) in &usage.uses {
        let each = fees.get(name.as_str()).copied().flatten();
        parts.push(part(Bucket::Use(name.clone()), Some(*count), each, 3));
    }
    parts
}

/// Fees per thousand by the name of the use; one that is no decimal text is unknown.
fn fees(row: &Price) -> BTreeMap<&str, Option<Decimal>> {
    let fee = |extra: &'_ vale_types::Extra| {
        let text: Option<String> = serde_json::from_str(&extra.json).ok();
        text.and_then(|text| parse_decimal(&text).ok())
    };
    let named = row.extras.iter();
    named
        .filter_map(|extra| Some((extra.name.strip_suffix(FEE_SUFFIX)?, fee(extra))))
        .collect()
}

/// Whether a provider means its usual service by this word. OpenAI: `default`, `auto`; Anthropic: `standard`;
/// Groq: `on_demand`.
pub(crate) fn is_usual_service(word: &str) -> bool {
    let usual = ["", "standard", "default", "auto", "on_demand"];
    usual.iter().any(|usual| word.eq_ignore_ascii_case(usual))
}

impl BookPrice {
    /// What `usage` costs by the book: [`cost`] with the prices of the service tier (or batch, or speed) that
    /// the usage names. One that the book has no price for is unknown, not priced as the usual one.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        self.tiers_for(usage)
            .map_or(Cost::Unknown, |tiers| cost(usage, tiers))
    }

    /// The rows that hold for how the call was served; none where the book has none.
    #[must_use]
    pub fn tiers_for(&self, usage: &Usage) -> Option<&[Price]> {
        let served = served_as(usage);
        let is_so = |(key, value): (&String, &String)| {
            let batch = key == "processing" && value == "batch";
            let key = if batch { "service_tier" } else { key.as_str() };
            served.get(key).is_some_and(|served| served == value)
        };
        let mut fitting = self
            .variants
            .iter()
            .filter(|variant| variant.when.iter().all(is_so));
        let unusual = served.values().filter(|word| !is_usual_service(word));
        match (fitting.next(), fitting.next(), unusual.count()) {
            (None, _, 0) => Some(&self.tiers),
            // Each variant of the data has one condition: it explains one unusual word.
            (Some(one), None, 0 | 1) if explains(one, &served) => Some(&one.tiers),
            _ => None,
        }
    }
}

/// Whether the unusual words are among the conditions of the variant.
fn explains(variant: &crate::Variant, served: &BTreeMap<&str, String>) -> bool {
    let mut unusual = served.values().filter(|word| !is_usual_service(word));
    unusual.all(|word| variant.when.values().any(|value| value == word))
}

/// How the provider says that it served the call.
fn served_as(usage: &Usage) -> BTreeMap<&'static str, String> {
    let speed = usage.extras.iter().find(|extra| extra.name == "speed");
    let speed = speed.and_then(|extra| serde_json::from_str(&extra.json).ok());
    let tier = usage.service_tier.clone();
    [("service_tier", tier), ("speed", speed)]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}
