//! The merge: for each value, the first of person, provider and book that says something.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use vale_types::{Model, ModelRef, Price};

use super::{Capability, CapabilityMap, Entry, EntryPrice, Override, Source, Sourced};
use crate::{BookPrice, FEE_SUFFIX, parse_decimal};

/// All that is known of `model`: per value, the person's word before the provider's, that before the book's.
///
/// Prices in different currencies are never mixed: the first source that has any price decides the currency, and
/// prices in another one are left out.
#[must_use]
pub fn merge(
    model: ModelRef,
    reported: Option<&Model>,
    book: Option<&BookPrice>,
    person: Option<&Override>,
) -> Entry {
    let loaded = reported.and_then(|reported| reported.loaded);
    Entry {
        name: by_person(person.and_then(|person| person.name.clone()))
            .or_else(|| by_provider(reported?.display_name.clone()))
            .or_else(|| by_book(book?, book?.name.clone())),
        context_window: by_person(person.and_then(Override::context_window))
            .or_else(|| by_provider(reported?.context_window.filter(|size| *size > 0)))
            .or_else(|| by_book(book?, book?.context_window)),
        max_output: by_person(person.and_then(Override::max_output))
            .or_else(|| by_provider(reported?.max_output.filter(|size| *size > 0))),
        capabilities: capabilities(reported, person),
        prices: prices(reported, book, person),
        loaded,
        local: loaded.map(|_| true),
        deprecated_on: by_provider(reported.and_then(|reported| reported.deprecated_on.clone())),
        deprecated: book.and_then(|book| by_book(book, book.deprecated.then_some(true))),
        model,
    }
}

fn sourced<T>(value: Option<T>, source: Source) -> Option<Sourced<T>> {
    value.map(|value| Sourced { value, source })
}

fn by_person<T>(value: Option<T>) -> Option<Sourced<T>> {
    sourced(value, Source::Person)
}

fn by_provider<T>(value: Option<T>) -> Option<Sourced<T>> {
    sourced(value, Source::Provider)
}

fn by_book<T>(book: &BookPrice, value: Option<T>) -> Option<Sourced<T>> {
    sourced(value, of_book(book))
}

fn of_book(book: &BookPrice) -> Source {
    Source::PriceBook {
        version: book.version.clone(),
    }
}

fn capabilities(reported: Option<&Model>, person: Option<&Override>) -> CapabilityMap {
    let reported = reported.and_then(|reported| reported.capabilities.as_ref());
    let known = |capability: Capability| {
        let said = person.and_then(|person| person.capability(capability));
        let value =
            sourced(said, Source::Person).or_else(|| by_provider(Some(capability.of(reported?))));
        Some((capability, value?))
    };
    Capability::ALL.into_iter().filter_map(known).collect()
}

/// One source's prices.
struct Rows {
    source: Source,
    rows: Vec<Price>,
}

impl Rows {
    fn currency(&self) -> Option<&str> {
        let priced = self.rows.iter().find(|row| has_price(row))?;
        Some(&priced.currency)
    }

    /// The row that holds for an input above `start`, and not above any later start.
    fn above(&self, start: u64) -> Option<&Price> {
        let reached = self
            .rows
            .iter()
            .filter(|row| row.above_input_tokens <= start);
        reached.max_by_key(|row| row.above_input_tokens)
    }
}

/// A price that says something: a negative one stands for “varies”.
fn meaningful(price: Option<Decimal>) -> Option<Decimal> {
    price.filter(|price| price.is_zero() || price.is_sign_positive())
}

fn token_prices(row: &Price) -> [Option<Decimal>; 6] {
    [
        row.input,
        row.cache_read,
        row.cache_write_5m,
        row.cache_write_1h,
        row.output,
        row.reasoning,
    ]
    .map(meaningful)
}

fn has_price(row: &Price) -> bool {
    token_prices(row).iter().any(Option::is_some) || fees(row).next().is_some()
}

fn fees(row: &Price) -> impl Iterator<Item = (&str, Decimal)> {
    row.extras.iter().filter_map(|extra| {
        let text: String = serde_json::from_str(&extra.json).ok()?;
        let name = extra.name.strip_suffix(FEE_SUFFIX)?;
        Some((name, parse_decimal(&text).ok()?))
    })
}

fn prices(
    reported: Option<&Model>,
    book: Option<&BookPrice>,
    person: Option<&Override>,
) -> Vec<EntryPrice> {
    let person = person.map(|person| Rows {
        source: Source::Person,
        rows: vec![person.price()],
    });
    let provider = reported.map(|reported| Rows {
        source: Source::Provider,
        rows: reported.prices.clone(),
    });
    let book = book.map(|book| Rows {
        source: of_book(book),
        rows: book.tiers.clone(),
    });
    let mut all: Vec<Rows> = [person, provider, book].into_iter().flatten().collect();
    let Some(currency) = all.iter().find_map(Rows::currency).map(str::to_owned) else {
        return Vec::new();
    };
    for source in &mut all {
        source.rows.retain(|row| row.currency == currency);
    }
    let starts = all.iter().flat_map(|source| &source.rows);
    let mut starts: BTreeSet<u64> = starts.map(|row| row.above_input_tokens).collect();
    starts.insert(0);
    let mut rows: Vec<EntryPrice> = starts
        .into_iter()
        .map(|start| row(&all, &currency, start))
        .collect();
    // A tier of a source that is outvoted in every value is no tier.
    rows.dedup_by(|later, earlier| {
        let start = later.above_input_tokens;
        later.above_input_tokens = earlier.above_input_tokens;
        let same = later == earlier;
        later.above_input_tokens = start;
        same
    });
    rows
}

fn row(sources: &[Rows], currency: &str, start: u64) -> EntryPrice {
    let mut fees_by_name = BTreeMap::new();
    let mut chosen: [Option<Sourced<Decimal>>; 6] = [const { None }; 6];
    let holding = sources
        .iter()
        .filter_map(|from| Some((&from.source, from.above(start)?)));
    for (source, row) in holding {
        for (place, value) in chosen.iter_mut().zip(token_prices(row)) {
            if place.is_none() {
                *place = sourced(value, source.clone());
            }
        }
        for (name, value) in fees(row) {
            let source = source.clone();
            let fee = fees_by_name.entry(name.to_owned());
            fee.or_insert(Sourced { value, source });
        }
    }
    let [
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
    ] = chosen;
    EntryPrice {
        currency: currency.to_owned(),
        above_input_tokens: start,
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        fees: fees_by_name,
    }
}
