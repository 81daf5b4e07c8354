//! Which model answers when nobody says.

use vale_types::{ModelRef, ProviderId};

use crate::api::Api;
use crate::error::{ApiError, ApiErrorKind};

/// The provider that comes with the program.
pub(crate) const LOCAL: &str = "local";

impl Api {
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
        let listed = self.link.models(provider).await;
        let models = listed.map_err(|failure| self.explain(failure, provider))?;
        let loaded = models.iter().find(|model| model.loaded == Some(true));
        let first = loaded.or(models.first()).map(|model| ModelRef {
            provider: provider.clone(),
            model: model.id.clone(),
        });
        first.ok_or_else(|| {
            ApiError::new(
                ApiErrorKind::Failed,
                format!("{provider} lists no models."),
                format!("Load a model there, or name one: `-m {provider}/model`."),
            )
        })
    }
}
