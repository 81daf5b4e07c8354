//! Which models there are, and which one answers when nobody says.

use futures::future::join_all;
use serde::Serialize;
use vale_types::{Capabilities, ModelRef, ProviderId};

use crate::api::Api;
use crate::error::{ApiError, ApiErrorKind};

/// The provider that comes with the program.
pub(crate) const LOCAL: &str = "local";

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelRow {
    /// What `chat` takes: `provider/model`.
    pub model: ModelRef,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Whether a local server holds it in memory now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded: Option<bool>,
    /// What it can do, where the upstream says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// RFC 3339 date after which it goes away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated_on: Option<String>,
}

/// A provider's models, or why it did not list them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderModels {
    /// The provider.
    pub provider: ProviderId,
    /// Whether the person added it; else it came with its plugin.
    pub configured: bool,
    /// Its models; empty when it failed.
    pub models: Vec<ModelRow>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
}

impl Api {
    /// The models of one provider, or of all at once; one that fails does not hide the others.
    ///
    /// # Errors
    /// When there is no such provider, or none at all.
    pub async fn models(&self, provider: Option<&str>) -> Result<Vec<ProviderModels>, ApiError> {
        let wanted = match provider {
            Some(name) => vec![self.find_provider(name)?],
            None => self.profile.providers(),
        };
        if wanted.is_empty() {
            return Err(self.nothing_installed());
        }
        let lists = wanted.into_iter().map(|summary| async move {
            let (models, error) = match self.rows(&summary.id).await {
                Ok(models) => (models, None),
                Err(error) => (Vec::new(), Some(error)),
            };
            ProviderModels {
                provider: summary.id,
                configured: summary.configured,
                models,
                error,
            }
        });
        Ok(join_all(lists).await)
    }

    pub(crate) async fn rows(&self, provider: &ProviderId) -> Result<Vec<ModelRow>, ApiError> {
        let models = self
            .link
            .models(provider)
            .await
            .map_err(|failure| self.explain(failure, provider))?;
        let row = |model: vale_types::Model| ModelRow {
            model: ModelRef {
                provider: provider.clone(),
                model: model.id,
            },
            name: model.display_name,
            context_window: model.context_window,
            max_output: model.max_output,
            loaded: model.loaded,
            capabilities: model.capabilities,
            deprecated_on: model.deprecated_on,
        };
        Ok(models.into_iter().map(row).collect())
    }

    /// The model that `wanted` means: `provider/model`, a provider alone (its first model, one
    /// that is in memory before one that is not), or nothing (the default in the settings, else
    /// the model on this computer).
    ///
    /// # Errors
    /// When nothing of that name is there, or nothing is set up.
    pub async fn resolve_model(&self, wanted: Option<&str>) -> Result<ModelRef, ApiError> {
        match wanted {
            Some(text) if text.contains('/') => {
                let model: ModelRef = text.parse()?;
                self.find_provider(model.provider.as_str())?;
                Ok(model)
            }
            Some(text) => {
                let provider = self.find_provider(text)?.id;
                self.first_model(&provider).await
            }
            None => self.default_model().await,
        }
    }

    async fn default_model(&self) -> Result<ModelRef, ApiError> {
        if let Some(model) = &self.profile.settings().default_model {
            let found = self.find_provider(model.provider.as_str());
            found.map_err(|error| {
                ApiError::new(
                    ApiErrorKind::Settings,
                    format!("The default model is {model}. {}", error.sentence),
                    format!("Change default_model in config.toml. {}", error.next_step),
                )
            })?;
            return Ok(model.clone());
        }
        let all = self.profile.providers();
        if all.is_empty() {
            return Err(self.nothing_installed());
        }
        let local = all.into_iter().find(|found| found.id.as_str() == LOCAL);
        match local {
            Some(local) => self.first_model(&local.id).await,
            None => Err(ApiError::new(
                ApiErrorKind::Settings,
                "No model was named, no default is set, and the model on this computer is not installed.",
                "Name one with `-m provider/model` (`valechat model list` shows them), or set default_model in config.toml.",
            )),
        }
    }

    async fn first_model(&self, provider: &ProviderId) -> Result<ModelRef, ApiError> {
        let rows = self.rows(provider).await?;
        let loaded = rows.iter().find(|row| row.loaded == Some(true));
        let first = loaded.or(rows.first()).map(|row| row.model.clone());
        first.ok_or_else(|| {
            ApiError::new(
                ApiErrorKind::Failed,
                format!("{provider} lists no models."),
                format!("Load a model there, or name one: `-m {provider}/model`."),
            )
        })
    }
}
