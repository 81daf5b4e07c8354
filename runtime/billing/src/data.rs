//! The shape of `data/genai-prices.json`, checked while it is read.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::moment::{Day, Moment, parse_day, parse_time};
use crate::parse_decimal;
use crate::rule::{Pattern, Rule};

/// Price data that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the price data cannot be used: {0}")]
pub struct DataError(#[from] serde_json::Error);

/// The whole file.
#[derive(Debug, Deserialize)]
pub(crate) struct Data {
    pub(crate) version: String,
    /// `YYYY-MM-DD`.
    pub(crate) fetched: String,
    pub(crate) providers: Vec<Provider>,
}

/// Who sells models, and how they are recognised.
#[derive(Debug, Deserialize)]
pub(crate) struct Provider {
    pub(crate) id: String,
    /// Matches the beginning of the address of its API.
    pub(crate) api_pattern: Pattern,
    pub(crate) provider_match: Option<Rule>,
    pub(crate) model_match: Option<Rule>,
    /// Whose models it resells at their price; one step only.
    #[serde(default)]
    pub(crate) fallback_model_providers: Vec<String>,
    pub(crate) models: Vec<Model>,
}

/// One model and its prices.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) id: String,
    #[serde(rename = "match")]
    pub(crate) rule: Rule,
    pub(crate) name: Option<String>,
    pub(crate) context_window: Option<u64>,
    #[serde(default)]
    pub(crate) deprecated: bool,
    pub(crate) prices: Prices,
    #[serde(default)]
    pub(crate) price_variants: Vec<Variant>,
}

/// One set of prices, or dated ones.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Prices {
    Dated(Vec<Dated>),
    Always(RateSet),
}

impl Prices {
    /// The prices at `at`: the last whose condition holds, else the first.
    pub(crate) fn at(&self, at: Moment) -> Option<&RateSet> {
        match self {
            Self::Always(rates) => Some(rates),
            Self::Dated(all) => all
                .iter()
                .rev()
                .find(|dated| {
                    dated
                        .constraint
                        .is_none_or(|constraint| constraint.holds(at))
                })
                .or_else(|| all.first())
                .map(|dated| &dated.prices),
        }
    }
}

/// Prices that hold under a condition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dated {
    constraint: Option<Constraint>,
    prices: RateSet,
}

/// Prices of another way to be served, such as a batch; they replace the standard ones key by key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variant {
    pub(crate) when: BTreeMap<String, String>,
    constraint: Option<Constraint>,
    pub(crate) prices: RateSet,
}

impl Variant {
    pub(crate) fn holds(&self, at: Moment) -> bool {
        self.constraint
            .is_none_or(|constraint| constraint.holds(at))
    }
}

/// When a price holds, in UTC.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Constraint {
    /// From this day on.
    From {
        #[serde(deserialize_with = "day")]
        start_date: Day,
    },
    /// Each day from one time up to, not with, another; it may pass midnight.
    Daily {
        #[serde(deserialize_with = "time")]
        start_time: u32,
        #[serde(deserialize_with = "time")]
        end_time: u32,
    },
}

impl Constraint {
    fn holds(self, at: Moment) -> bool {
        match self {
            Self::From { start_date } => at.day() >= start_date,
            Self::Daily {
                start_time,
                end_time,
            } if end_time < start_time => at.second() >= start_time || at.second() < end_time,
            Self::Daily {
                start_time,
                end_time,
            } => (start_time..end_time).contains(&at.second()),
        }
    }
}

fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Day, D::Error> {
    let text = String::deserialize(from)?;
    parse_day(&text).ok_or_else(|| D::Error::custom(format!("“{text}” is no date")))
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    text.strip_suffix("+00:00")
        .and_then(parse_time)
        .ok_or_else(|| D::Error::custom(format!("“{text}” is no UTC time")))
}

/// Prices by the data's own names, such as `input_mtok`; a missing one is unknown.
pub(crate) type RateSet = BTreeMap<String, Rate>;

/// One price: flat, or by the size of the whole input.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "RateForm")]
pub(crate) struct Rate {
    base: Decimal,
    /// By rising start.
    tiers: Vec<Tier>,
}

impl Rate {
    /// The price when the whole input is above `start` tokens, and not above any later start.
    pub(crate) fn above(&self, start: u64) -> Decimal {
        let reached = self.tiers.iter().rev().find(|tier| tier.start <= start);
        reached.map_or(self.base, |tier| tier.price.0)
    }

    /// Where the price changes.
    pub(crate) fn starts(&self) -> impl Iterator<Item = u64> {
        self.tiers.iter().map(|tier| tier.start)
    }
}

/// As it is written.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum RateForm {
    Flat(Amount),
    Tiered { base: Amount, tiers: Vec<Tier> },
}

impl From<RateForm> for Rate {
    fn from(form: RateForm) -> Self {
        let (base, mut tiers) = match form {
            RateForm::Flat(Amount(base)) => (base, Vec::new()),
            RateForm::Tiered { base, tiers } => (base.0, tiers),
        };
        tiers.sort_by_key(|tier| tier.start);
        Self { base, tiers }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    start: u64,
    price: Amount,
}

/// A decimal written as text.
#[derive(Debug, Clone, Copy)]
struct Amount(Decimal);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        parse_decimal(&text).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price_at(prices: &str, at: &str) -> String {
        let prices: Prices = serde_json::from_str(prices).unwrap();
        let rates = prices.at(at.parse().unwrap()).unwrap();
        rates["input_mtok"].above(0).to_string()
    }

    #[test]
    fn the_last_dated_price_that_has_begun_holds_and_else_the_first() {
        let dated = r#"[{"constraint":{"start_date":"2026-01-01"},"prices":{"input_mtok":"1"}},
            {"constraint":{"start_date":"2026-03-01"},"prices":{"input_mtok":"2"}}]"#;
        for (at, price) in [
            ("2025-06-01", "1"),
            ("2026-02-28T23:59:59Z", "1"),
            ("2026-03-01", "2"),
        ] {
            assert_eq!(price_at(dated, at), price, "{at}");
        }
    }

    #[test]
    fn a_daily_window_begins_sharp_ends_sharp_and_may_pass_midnight() {
        let window = |from: &str, to: &str| {
            format!(
                r#"[{{"prices":{{"input_mtok":"1"}}}},{{"constraint":{{"start_time":"{from}+00:00","end_time":"{to}+00:00"}},"prices":{{"input_mtok":"9"}}}}]"#
            )
        };
        for (from, to, at, price) in [
            ("00:30:00", "16:30:00", "00:29:59", "1"),
            ("00:30:00", "16:30:00", "00:30:00", "9"),
            ("00:30:00", "16:30:00", "16:29:59", "9"),
            ("00:30:00", "16:30:00", "16:30:00", "1"),
            ("22:00:00", "02:00:00", "23:00:00", "9"),
            ("22:00:00", "02:00:00", "01:59:59", "9"),
            ("22:00:00", "02:00:00", "02:00:00", "1"),
        ] {
            let price_now = price_at(&window(from, to), &format!("2026-11-25T{at}Z"));
            assert_eq!(price_now, price, "{from} {to} {at}");
        }
    }

    #[test]
    fn a_float_or_an_unknown_condition_is_refused() {
        for bad in [
            r#"{"input_mtok":1.25}"#,
            r#"{"input_mtok":1}"#,
            r#"{"input_mtok":"-1"}"#,
            r#"[{"constraint":{"weekday":"monday"},"prices":{"input_mtok":"1"}}]"#,
            r#"[{"constraint":{"start_date":"2026-01-01","weekday":"monday"},"prices":{}}]"#,
        ] {
            assert!(serde_json::from_str::<Prices>(bad).is_err(), "{bad}");
        }
    }
}
