//! What a face sees of an answer.

use serde::Serialize;
use vale_host::Loss;
use vale_types::{FinishReason, ModelRef, ToolCall, Usage};

use crate::catalogue::PriceRow;
use crate::chat::Received;
use crate::error::ApiError;

/// One event of an answer. After `finished`, `failed` or `cancelled` there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ChatEvent {
    /// The attempt failed before anything was shown, and is repeated.
    Retrying {
        /// Who is asked again.
        model: ModelRef,
        /// After so many seconds.
        after_seconds: f64,
        /// The failed attempt may be billed: it was sent, and nothing came back.
        possibly_billed: bool,
        /// Why.
        error: ApiError,
    },
    /// Another model takes over before anything was shown, as the fallback list says.
    Switched {
        /// Who was asked.
        from: ModelRef,
        /// Who is asked now.
        to: ModelRef,
        /// Why.
        error: ApiError,
        /// What the one who was asked costs; none = unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        from_price: Option<PriceRow>,
        /// What the one who answers costs; none = unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        to_price: Option<PriceRow>,
    },
    /// Content that the model cannot take and that was left out of what it got.
    LeftOut {
        /// The model.
        model: ModelRef,
        /// What.
        what: Vec<Loss>,
    },
    /// The answer has begun.
    Started {
        /// The model that was asked.
        model: ModelRef,
        /// The model that answers, as the upstream names it.
        #[serde(skip_serializing_if = "Option::is_none")]
        upstream_model: Option<String>,
    },
    /// The next piece of thinking.
    Thinking {
        /// The piece.
        text: String,
    },
    /// The next piece of text.
    Text {
        /// The piece.
        text: String,
    },
    /// The model wants a tool to be run.
    ToolCall(ToolCallRow),
    /// Tokens so far.
    Usage {
        /// A cumulative snapshot.
        usage: UsageRow,
    },
    /// The answer is whole.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// The model that was asked.
        model: ModelRef,
        /// Tokens, where the upstream reported them.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<UsageRow>,
        /// What arrived.
        received: Received,
    },
    /// The answer failed.
    Failed {
        /// Why, in words.
        error: ApiError,
        /// Whether some of it arrived before.
        received_anything: bool,
        /// What arrived.
        received: Received,
    },
    /// The person cancelled.
    Cancelled {
        /// What arrived.
        received: Received,
    },
}

/// A model's wish to run a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCallRow {
    /// Ties the result to the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

impl From<ToolCall> for ToolCallRow {
    fn from(call: ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments: call.arguments_json,
        }
    }
}

/// Tokens of an answer in disjoint buckets; a bucket that nobody reported is left out, never 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// All input, cached or not.
    pub input_total: u64,
    /// All output, with reasoning.
    pub output_total: u64,
    /// Input that came from no cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Input read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Input written to the cache for about five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<u64>,
    /// Input written to the cache for about an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Output without reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Output spent on thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
}

impl From<&Usage> for UsageRow {
    fn from(usage: &Usage) -> Self {
        Self {
            input_total: usage.input_total(),
            output_total: usage.output_total(),
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
            output: usage.output,
            reasoning: usage.reasoning,
        }
    }
}
