//! What an answer took.

use serde::{Deserialize, Serialize};

use super::Extra;

/// An amount of money, exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// ISO 4217 code.
    pub currency: String,
    /// A decimal number, as text.
    pub amount: String,
}

/// Something else that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// What, such as `web-search-requests`.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// Disjoint buckets of tokens; `None` = the provider did not say, never 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Uncached input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Input read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Input written to the cache for about five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<u64>,
    /// Input written to the cache for about an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Output without reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Output spent on thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// What else was counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Use>,
    /// The tier that served the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// The charge, where the provider reports one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_cost: Option<Cost>,
    /// The provider's own usage object, JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_json: Option<String>,
    /// What there is no field for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
}
