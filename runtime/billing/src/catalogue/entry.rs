//! One model in the catalogue, each value with its source.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use vale_types::{Extra, ModelRef, Price, Usage};

use super::CapabilityMap;
use crate::cost::is_usual_service;
use crate::{BookPrice, Cost, FEE_SUFFIX, cost};

/// Who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The provider, when it listed the model.
    Provider,
    /// The price book.
    PriceBook {
        /// The version of its data.
        version: String,
    },
    /// The person, in the settings.
    Person,
}

/// A value and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Who says so.
    pub source: Source,
}

/// One model; `None` = nobody says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The provider and its name for the model.
    pub model: ModelRef,
    /// For people.
    pub name: Option<Sourced<String>>,
    /// Tokens.
    pub context_window: Option<Sourced<u64>>,
    /// Tokens.
    pub max_output: Option<Sourced<u64>>,
    /// What is known of what it can take and do.
    pub capabilities: CapabilityMap,
    /// By rising input size, the first from 0; empty = no price is known.
    pub prices: Vec<EntryPrice>,
    /// Whether a local server holds it in memory now; only local servers say.
    pub loaded: Option<bool>,
    /// Whether it runs on this machine. Known from `loaded`; the host may know better.
    pub local: Option<bool>,
    /// RFC 3339 date.
    pub deprecated_on: Option<Sourced<String>>,
    /// Whether it is about to be retired, where no date is said.
    pub deprecated: Option<Sourced<bool>>,
}

/// Prices per million tokens when the whole input is above `above_input_tokens`; `None` = unknown, never 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPrice {
    /// ISO 4217 code, the same in all rows of an entry.
    pub currency: String,
    /// Tokens.
    pub above_input_tokens: u64,
    /// Uncached input.
    pub input: Option<Sourced<Decimal>>,
    /// Input read from the cache.
    pub cache_read: Option<Sourced<Decimal>>,
    /// Input written to the cache for about five minutes.
    pub cache_write_5m: Option<Sourced<Decimal>>,
    /// Input written to the cache for about an hour.
    pub cache_write_1h: Option<Sourced<Decimal>>,
    /// Output.
    pub output: Option<Sourced<Decimal>>,
    /// Reasoning, where it has a price of its own.
    pub reasoning: Option<Sourced<Decimal>>,
    /// Fees per thousand uses, by the name of the use.
    pub fees: BTreeMap<String, Sourced<Decimal>>,
}

impl EntryPrice {
    /// Every value with its source, the fees too.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Sourced<Decimal>> {
        let tokens = [
            &self.input,
            &self.cache_read,
            &self.cache_write_5m,
            &self.cache_write_1h,
            &self.output,
            &self.reasoning,
        ];
        tokens.into_iter().flatten().chain(self.fees.values())
    }

    fn plain(&self) -> Price {
        let value =
            |sourced: &Option<Sourced<Decimal>>| sourced.as_ref().map(|sourced| sourced.value);
        let fee = |(name, price): (&String, &Sourced<Decimal>)| Extra {
            name: format!("{name}{FEE_SUFFIX}"),
            json: format!("\"{}\"", price.value),
        };
        Price {
            currency: self.currency.clone(),
            above_input_tokens: self.above_input_tokens,
            input: value(&self.input),
            cache_read: value(&self.cache_read),
            cache_write_5m: value(&self.cache_write_5m),
            cache_write_1h: value(&self.cache_write_1h),
            output: value(&self.output),
            reasoning: value(&self.reasoning),
            extras: self.fees.iter().map(fee).collect(),
        }
    }
}

impl Entry {
    /// The prices without their sources, as [`cost`] takes them.
    #[must_use]
    pub fn plain_prices(&self) -> Vec<Price> {
        self.prices.iter().map(EntryPrice::plain).collect()
    }

    /// What a call to this model costs.
    ///
    /// Prices that are all the book's are asked of the book, which knows other service tiers. A person's prices
    /// hold for every tier. A provider lists the prices of its usual service: a call that was served in another
    /// way is unknown by them.
    #[must_use]
    pub fn cost(&self, usage: &Usage, book: Option<&BookPrice>) -> Cost {
        let all = |wanted: fn(&Source) -> bool| {
            let mut values = self.prices.iter().flat_map(EntryPrice::values);
            values.all(|value| wanted(&value.source))
        };
        if let Some(book) = book
            && all(|source| matches!(source, Source::PriceBook { .. }))
        {
            return book.cost(usage);
        }
        let usual = usage.service_tier.as_deref().is_none_or(is_usual_service);
        if usual || all(|source| *source == Source::Person) {
            cost(usage, &self.plain_prices())
        } else {
            Cost::Unknown
        }
    }
}
