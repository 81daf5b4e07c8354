//! What a provider offers. Mirrors `valechat:types/models`.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Extra;

/// What a model can take and do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capabilities {
    /// Images as input.
    pub images_in: bool,
    /// Files as input.
    pub files_in: bool,
    /// Sound as input.
    pub audio_in: bool,
    /// Tool calls.
    pub tools: bool,
    /// Several tool calls at once.
    pub parallel_tools: bool,
    /// Thinking.
    pub thinking: bool,
    /// JSON under a schema.
    pub json_schema: bool,
    /// Prompt caching.
    pub prompt_cache: bool,
    /// A system message.
    pub system_role: bool,
}

/// Prices per million tokens; `None` = unknown, never 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// ISO 4217 code.
    pub currency: String,
    /// Holds when the whole input is above this many tokens.
    pub above_input_tokens: u64,
    /// Uncached input.
    pub input: Option<Decimal>,
    /// Input read from cache.
    pub cache_read: Option<Decimal>,
    /// Input written to cache for about five minutes.
    pub cache_write_5m: Option<Decimal>,
    /// Input written to cache for about an hour.
    pub cache_write_1h: Option<Decimal>,
    /// Output.
    pub output: Option<Decimal>,
    /// Thinking.
    pub reasoning: Option<Decimal>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

/// One model of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// As the provider names it.
    pub id: String,
    /// For people.
    pub display_name: Option<String>,
    /// `None` = the upstream does not say.
    pub capabilities: Option<Capabilities>,
    /// Tokens.
    pub context_window: Option<u64>,
    /// Tokens.
    pub max_output: Option<u64>,
    /// Prices by input size; empty = unknown.
    pub prices: Vec<Price>,
    /// A JSON Schema for `Request::options_json`.
    pub options_schema: Option<String>,
    /// RFC 3339 date.
    pub deprecated_on: Option<String>,
    /// Whether a local server holds it in memory now.
    pub loaded: Option<bool>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

/// What a provider says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderInfo {
    /// For people.
    pub display_name: String,
    /// Its page.
    pub homepage: Option<String>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}
