//! What is known of models, from the provider, the price book and the person; each value says
//! where it comes from.

use std::time::SystemTime;

use futures::future::join_all;
use serde::Serialize;
use vale_billing::catalogue::{Entry, Filter, merge};
use vale_billing::{BookPrice, Moment, PriceBook};
use vale_types::{Model, ModelRef, ProviderId};

use crate::api::Api;
use crate::error::ApiError;

/// A provider's models in the catalogue, or why it did not list them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderEntries {
    /// The provider.
    pub provider: ProviderId,
    /// Whether the person added it; else it came with its plugin.
    pub configured: bool,
    /// Its models that match; empty when it failed.
    pub models: Vec<Entry>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
}

/// One model, and why the provider itself could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelEntry {
    /// What is known.
    #[serde(flatten)]
    pub entry: Entry,
    /// Why the provider did not say anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_error: Option<ApiError>,
}

/// Input and output prices per million tokens, for a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceRow {
    /// ISO 4217 code.
    pub currency: String,
    /// Uncached input.
    pub input: String,
    /// Output.
    pub output: String,
}

impl Api {
    /// The catalogue of one provider, or of all at once; one that fails does not hide the others.
    ///
    /// # Errors
    /// When there is no such provider, or none at all.
    pub async fn catalogue(
        &self,
        provider: Option<&str>,
        filter: &Filter,
    ) -> Result<Vec<ProviderEntries>, ApiError> {
        let wanted = match provider {
            Some(name) => vec![self.find_provider(name)?],
            None => self.profile.providers(),
        };
        if wanted.is_empty() {
            return Err(self.nothing_installed());
        }
        let lists = wanted.into_iter().map(|summary| async move {
            let (models, error) = match self.listed(&summary.id).await {
                Ok(models) => {
                    let entries = models.iter().map(|model| self.entry(&summary.id, model));
                    (
                        entries.filter(|entry| filter.matches(entry)).collect(),
                        None,
                    )
                }
                Err(error) => (Vec::new(), Some(error)),
            };
            ProviderEntries {
                provider: summary.id,
                configured: summary.configured,
                models,
                error,
            }
        });
        Ok(join_all(lists).await)
    }

    /// All that is known of one model. A provider that cannot be asked leaves the book and the
    /// person.
    ///
    /// # Errors
    /// When there is no such provider.
    pub async fn model(&self, model: &ModelRef) -> Result<ModelEntry, ApiError> {
        let provider = self.find_provider(model.provider.as_str())?.id;
        let (reported, provider_error) = match self.listed(&provider).await {
            Ok(models) => (
                models.into_iter().find(|found| found.id == model.model),
                None,
            ),
            Err(error) => (None, Some(error)),
        };
        Ok(ModelEntry {
            entry: self.entry_of(model, reported.as_ref()),
            provider_error,
        })
    }

    async fn listed(&self, provider: &ProviderId) -> Result<Vec<Model>, ApiError> {
        let listed = self.link.models(provider).await;
        listed.map_err(|failure| self.explain(failure, provider))
    }

    fn entry(&self, provider: &ProviderId, reported: &Model) -> Entry {
        let model = ModelRef {
            provider: provider.clone(),
            model: reported.id.clone(),
        };
        self.entry_of(&model, Some(reported))
    }

    fn entry_of(&self, model: &ModelRef, reported: Option<&Model>) -> Entry {
        let settings = self.profile.settings();
        let book = self.in_book(model);
        let person = settings.models.get(model);
        let mut entry = merge(model.clone(), reported, book.as_ref(), person);
        if self.uses_local_model(&model.provider) {
            entry.local = Some(true);
        }
        entry
    }

    /// What the book says of the model at the address that the provider has.
    fn in_book(&self, model: &ModelRef) -> Option<BookPrice> {
        let book = match PriceBook::built_in() {
            Ok(book) => book,
            Err(error) => {
                tracing::error!(%error, "the price book cannot be read");
                return None;
            }
        };
        let url = self.address_of(&model.provider);
        let now = Moment::from(SystemTime::now());
        book.lookup(
            url.as_deref(),
            Some(model.provider.as_str()),
            &model.model,
            now,
        )
    }

    /// The prices of a model as far as they are known without asking its provider.
    pub(crate) fn price_row(&self, model: &ModelRef) -> Option<PriceRow> {
        let entry = self.entry_of(model, None);
        let row = entry.prices.first()?;
        Some(PriceRow {
            currency: row.currency.clone(),
            input: row.input.as_ref()?.value.normalize().to_string(),
            output: row.output.as_ref()?.value.normalize().to_string(),
        })
    }
}
