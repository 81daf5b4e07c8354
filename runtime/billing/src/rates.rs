//! From the data's price keys to the rows that the rest of ValeChat knows.

use rust_decimal::Decimal;
use vale_types::{Extra, Price};

use crate::cost::FEE_SUFFIX;
use crate::data::{Rate, RateSet};

/// The data's prices are all in this currency.
pub(crate) const USD: &str = "USD";

/// Fees by use: the name in the usage, and the data's key of the price per thousand.
/// `requests` is the call itself.
const FEES: [(&str, &str); 3] = [
    ("requests", "requests_kcount"),
    ("web-search-requests", "web_searches_kcount"),
    ("storage-search-requests", "storage_searches_kcount"),
];

/// One row for each input size at which some price changes, by rising size; the first begins at 0.
///
/// Prices of sound, pictures, video, pages and characters have no bucket in a usage and are left out: a call
/// that is billed by them has no token prices, and is thus unknown.
pub(crate) fn rows(find: &dyn Fn(&str) -> Option<Rate>) -> Vec<Price> {
    let keys = [
        "input_mtok",
        "cache_read_mtok",
        "cache_write_mtok",
        "cache_write_1h_mtok",
        "output_mtok",
        "output_reasoning_mtok",
    ];
    let [
        input,
        cache_read,
        cache_write,
        cache_write_1h,
        output,
        reasoning,
    ] = keys.map(find);
    let fees = FEES.map(|(name, key)| (name, find(key)));
    let all = [
        &input,
        &cache_read,
        &cache_write,
        &cache_write_1h,
        &output,
        &reasoning,
    ];
    let mut starts: Vec<u64> = all.into_iter().flatten().flat_map(Rate::starts).collect();
    starts.extend(
        fees.iter()
            .filter_map(|fee| fee.1.as_ref())
            .flat_map(Rate::starts),
    );
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    let row = |start: u64| {
        let at = |rate: &Option<Rate>| -> Option<Decimal> { Some(rate.as_ref()?.above(start)) };
        Price {
            currency: USD.to_owned(),
            above_input_tokens: start,
            input: at(&input),
            cache_read: at(&cache_read),
            cache_write_5m: at(&cache_write),
            cache_write_1h: at(&cache_write_1h),
            output: at(&output),
            reasoning: at(&reasoning),
            extras: fees
                .iter()
                .filter_map(|(name, rate)| Some(fee(name, at(rate)?)))
                .collect(),
        }
    };
    starts.into_iter().map(row).collect()
}

/// A fee per thousand uses, as an extra of a price: its JSON is the decimal as text.
fn fee(name: &str, price: Decimal) -> Extra {
    Extra {
        name: format!("{name}{FEE_SUFFIX}"),
        json: format!("\"{price}\""),
    }
}

/// Looks in the variant first: it replaces the standard prices key by key.
pub(crate) fn overlaid<'a>(
    standard: &'a RateSet,
    over: &'a [&RateSet],
) -> impl Fn(&str) -> Option<Rate> + 'a {
    |key| {
        let replaced = over.iter().find_map(|rates| rates.get(key));
        replaced.or_else(|| standard.get(key)).cloned()
    }
}
