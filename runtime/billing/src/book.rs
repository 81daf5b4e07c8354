//! The price book: finds a provider and a model in the data, and what they cost at a time.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use vale_types::Price;

use crate::data::{Data, DataError, Model, Provider, RateSet};
use crate::moment::Moment;
use crate::rates::{overlaid, rows};
use crate::rule::with_dashed_dates;

/// Built in; `data/README.md` says where it comes from.
const DATA: &str = include_str!("../data/genai-prices.json");

/// Price data, ready to be asked.
#[derive(Debug)]
pub struct PriceBook {
    data: Data,
}

/// What the book says of one model at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookPrice {
    /// The book's id of the provider whose price this is.
    pub provider: String,
    /// The book's id of the model.
    pub model: String,
    /// For people.
    pub name: Option<String>,
    /// Tokens, where the book says.
    pub context_window: Option<u64>,
    /// Whether the book says that the provider is about to retire the model.
    pub deprecated: bool,
    /// Per million tokens in USD, by rising input size; a field that is none is unknown.
    pub tiers: Vec<Price>,
    /// Other prices, for calls that are served in another way.
    pub variants: Vec<Variant>,
    /// The version of the data.
    pub version: String,
    /// The day on which the data was fetched, `YYYY-MM-DD`.
    pub fetched: String,
}

/// Prices of calls that are served in another way, such as a batch or a service tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// What must be so, such as `service_tier` = `flex` or `processing` = `batch`.
    pub when: BTreeMap<String, String>,
    /// As [`BookPrice::tiers`].
    pub tiers: Vec<Price>,
}

impl PriceBook {
    /// The book that is built in. It is read on the first call, not at start.
    ///
    /// # Errors
    /// When the data is damaged; a test reads every entry, so a released book is not.
    pub fn built_in() -> Result<&'static Self, &'static DataError> {
        static BOOK: OnceLock<Result<PriceBook, DataError>> = OnceLock::new();
        BOOK.get_or_init(|| PriceBook::parse(DATA)).as_ref()
    }

    /// A book from the text of a data file.
    ///
    /// # Errors
    /// When the text is not JSON of the known form, or a price is not decimal text.
    pub fn parse(json: &str) -> Result<Self, DataError> {
        Ok(Self {
            data: serde_json::from_str(json)?,
        })
    }

    /// The version of the data.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.data.version
    }

    /// How many providers and models the book knows.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let models = self
            .data
            .providers
            .iter()
            .map(|provider| provider.models.len());
        (self.data.providers.len(), models.sum())
    }

    /// What `model` costs at `at`; `None` = the book does not know it.
    ///
    /// The address that a call goes to decides whose price it is: a plugin for one provider's protocol may talk
    /// to another's server, and a server on this machine must not be priced like the provider it resembles. So
    /// with an address the hint only chooses among providers at that address. Without one, the hint (a
    /// provider's name) decides alone; without both, the model's name.
    #[must_use]
    pub fn lookup(
        &self,
        provider_api_url: Option<&str>,
        provider_hint: Option<&str>,
        model: &str,
        at: Moment,
    ) -> Option<BookPrice> {
        let model = model.trim().to_lowercase();
        let hinted = provider_hint.map(|hint| self.by_name(&hint.trim().to_lowercase()));
        let candidates: Vec<&Provider> = match (provider_api_url, hinted) {
            (Some(url), hinted) => {
                let mut found = self.by_url(url.trim());
                let hinted = hinted.flatten().map(|provider| provider.id.as_str());
                // A stable sort: the hinted one first, the others in the order of the data.
                found.sort_by_key(|provider| Some(provider.id.as_str()) != hinted);
                found
            }
            (None, Some(hinted)) => hinted.into_iter().collect(),
            (None, None) => self.by_model(&model).into_iter().collect(),
        };
        candidates
            .into_iter()
            .find_map(|provider| self.in_provider(provider, &model, at))
    }

    /// The regular expressions of the data that do not compile, each with the id of its provider.
    #[must_use]
    pub fn broken_rules(&self) -> Vec<String> {
        let of = |provider: &Provider| {
            let rules = [&provider.provider_match, &provider.model_match];
            let models = provider.models.iter().map(|model| &model.rule);
            let rules = rules.into_iter().flatten().chain(models);
            let mut broken: Vec<_> = rules.flat_map(|rule| rule.broken()).collect();
            broken.extend(provider.api_pattern.broken());
            let named = |text: &&str| format!("{}: {text}", provider.id);
            broken.iter().map(named).collect::<Vec<_>>()
        };
        self.data.providers.iter().flat_map(of).collect()
    }

    /// Every entry of the book as it holds at `at`.
    pub fn entries(&self, at: Moment) -> impl Iterator<Item = BookPrice> {
        let of = move |provider| {
            let priced = move |model| self.priced(provider, model, true, at);
            provider.models.iter().filter_map(priced)
        };
        self.data.providers.iter().flat_map(of)
    }

    fn by_url(&self, url: &str) -> Vec<&Provider> {
        let all = self.data.providers.iter();
        all.filter(|provider| provider.api_pattern.begins(url))
            .collect()
    }

    /// By id, else by the rule for names. `name` is in lower case.
    fn by_name(&self, name: &str) -> Option<&Provider> {
        let all = &self.data.providers;
        let meant = |provider: &&Provider| {
            let rule = provider.provider_match.as_ref();
            rule.is_some_and(|rule| rule.matches(name))
        };
        self.by_id(name).or_else(|| all.iter().find(meant))
    }

    fn by_id(&self, id: &str) -> Option<&Provider> {
        self.data
            .providers
            .iter()
            .find(|provider| provider.id == id)
    }

    fn by_model(&self, model: &str) -> Option<&Provider> {
        self.data.providers.iter().find(|provider| {
            let rule = provider.model_match.as_ref();
            rule.is_some_and(|rule| rule.matches(model))
        })
    }

    fn in_provider(&self, provider: &Provider, model: &str, at: Moment) -> Option<BookPrice> {
        let dashed = with_dashed_dates(model);
        let found = self.find_model(provider, model);
        let found = found.or_else(|| self.find_model(provider, &dashed));
        let (owner, model) = found?;
        self.priced(owner, model, owner.id == provider.id, at)
    }

    /// The model and whose it is: the provider's own, else one that it resells.
    fn find_model<'a>(
        &'a self,
        provider: &'a Provider,
        name: &str,
    ) -> Option<(&'a Provider, &'a Model)> {
        let resold = provider.fallback_model_providers.iter();
        let resold = resold.filter_map(|id| self.by_id(id));
        std::iter::once(provider).chain(resold).find_map(|owner| {
            let found = owner.models.iter().find(|model| model.rule.matches(name));
            Some((owner, found?))
        })
    }

    /// `own`: the provider's own model. Variants are the owner's offers; a reseller need not have them.
    fn priced(&self, owner: &Provider, model: &Model, own: bool, at: Moment) -> Option<BookPrice> {
        let standard = model.prices.at(at)?;
        let variants = if own {
            variants(model, standard, at)
        } else {
            Vec::new()
        };
        Some(BookPrice {
            provider: owner.id.clone(),
            model: model.id.clone(),
            name: model.name.clone(),
            context_window: model.context_window,
            deprecated: model.deprecated,
            tiers: rows(&overlaid(standard, &[])),
            variants,
            version: self.data.version.clone(),
            fetched: self.data.fetched.clone(),
        })
    }
}

/// One variant for each condition; of several with the same condition the first that has a price gives it.
fn variants(model: &Model, standard: &RateSet, at: Moment) -> Vec<Variant> {
    let mut by_condition: BTreeMap<&BTreeMap<String, String>, Vec<&RateSet>> = BTreeMap::new();
    for variant in model
        .price_variants
        .iter()
        .filter(|variant| variant.holds(at))
    {
        let rates = by_condition.entry(&variant.when).or_default();
        rates.push(&variant.prices);
    }
    let all = by_condition.into_iter();
    all.map(|(when, rates)| Variant {
        when: when.clone(),
        tiers: rows(&overlaid(standard, &rates)),
    })
    .collect()
}
