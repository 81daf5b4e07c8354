//! Which models a person wants to see.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use vale_types::ProviderId;

use super::{Capability, Entry, EntryPrice, Sourced};
use crate::rates::USD;

/// What a model must be. All that is set must hold; what is unknown of a model never holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Of this provider.
    pub provider: Option<ProviderId>,
    /// Each word of it is in `provider/model` or in the name; capitals do not count.
    pub text: Option<String>,
    /// Input and output are known to cost nothing, and so is every other price that is known.
    pub free: bool,
    /// Runs on this machine.
    pub local: bool,
    /// Held in memory now.
    pub loaded: bool,
    /// Calls tools.
    pub tools: bool,
    /// Takes images.
    pub images: bool,
    /// Thinks.
    pub thinking: bool,
    /// Tokens.
    pub min_context: Option<u64>,
    /// Per million tokens of uncached input, whatever the size of the input.
    pub max_input_price: Option<Decimal>,
    /// Per million tokens of output, whatever the size of the input.
    pub max_output_price: Option<Decimal>,
    /// The currency of both; none = USD. A price in another one is not comparable and does not match.
    pub currency: Option<String>,
}

impl Filter {
    /// Whether the model is wanted.
    #[must_use]
    pub fn matches(&self, entry: &Entry) -> bool {
        let needed = [
            (self.tools, Capability::Tools),
            (self.images, Capability::ImagesIn),
            (self.thinking, Capability::Thinking),
        ];
        let can = |capability| {
            entry
                .capabilities
                .get(&capability)
                .is_some_and(|can| can.value)
        };
        let provider = self.provider.as_ref();
        provider.is_none_or(|provider| *provider == entry.model.provider)
            && self
                .text
                .as_deref()
                .is_none_or(|text| has_words(entry, text))
            && needed
                .into_iter()
                .all(|(needed, capability)| !needed || can(capability))
            && (!self.free || is_free(entry))
            && (!self.local || entry.local == Some(true))
            && (!self.loaded || entry.loaded == Some(true))
            && self.min_context.is_none_or(|least| {
                let window = entry.context_window.as_ref();
                window.is_some_and(|window| window.value >= least)
            })
            && self.within(entry, self.max_input_price, |row| row.input.as_ref())
            && self.within(entry, self.max_output_price, |row| row.output.as_ref())
    }

    fn within(
        &self,
        entry: &Entry,
        most: Option<Decimal>,
        price: fn(&EntryPrice) -> Option<&Sourced<Decimal>>,
    ) -> bool {
        let Some(most) = most else { return true };
        let currency = self.currency.as_deref().unwrap_or(USD);
        let within = |row: &EntryPrice| {
            row.currency == currency && price(row).is_some_and(|price| price.value <= most)
        };
        !entry.prices.is_empty() && entry.prices.iter().all(within)
    }
}

fn has_words(entry: &Entry, text: &str) -> bool {
    let name = entry.name.as_ref().map_or("", |name| &name.value);
    let all = format!("{} {name}", entry.model).to_lowercase();
    text.to_lowercase()
        .split_whitespace()
        .all(|word| all.contains(word))
}

fn is_free(entry: &Entry) -> bool {
    let free = |row: &EntryPrice| {
        let known = row.input.is_some() && row.output.is_some();
        known && row.values().all(|price| price.value.is_zero())
    };
    !entry.prices.is_empty() && entry.prices.iter().all(free)
}
