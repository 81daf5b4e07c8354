//! What comes back while a model answers. Mirrors `valechat:types/stream-types`.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Extra;

/// An exact amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// ISO 4217 code.
    pub currency: String,
    /// The amount, never a float.
    pub amount: Decimal,
}

/// Disjoint buckets of tokens; `None` = the upstream did not say, never 0.
///
/// Each value is a cumulative snapshot of its call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Uncached input.
    pub input: Option<u64>,
    /// Input read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Input written to the cache for about five minutes.
    pub cache_write_5m: Option<u64>,
    /// Input written to the cache for about an hour.
    pub cache_write_1h: Option<u64>,
    /// Output without reasoning.
    pub output: Option<u64>,
    /// Output spent on thinking.
    pub reasoning: Option<u64>,
    /// Counted extras, such as `web-search-requests`.
    pub uses: Vec<(String, u64)>,
    /// The tier that served the call.
    pub service_tier: Option<String>,
    /// The charge, where the upstream reports one.
    pub reported_cost: Option<Money>,
    /// The upstream's own usage object.
    pub raw_json: Option<String>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

impl Usage {
    /// The sum of the buckets that were reported, in tokens.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.input_total().saturating_add(self.output_total())
    }

    /// All input tokens that were reported, cached or not.
    #[must_use]
    pub fn input_total(&self) -> u64 {
        sum(&[
            self.input,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
        ])
    }

    /// All output tokens that were reported, with reasoning.
    #[must_use]
    pub fn output_total(&self) -> u64 {
        sum(&[self.output, self.reasoning])
    }
}

fn sum(buckets: &[Option<u64>]) -> u64 {
    buckets
        .iter()
        .flatten()
        .fold(0, |total, bucket| total.saturating_add(*bucket))
}

/// The answer has begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// The model that answers, as the upstream names it.
    pub model: Option<String>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

/// A tool call begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStart {
    /// Numbers the tool calls of one answer.
    pub index: u32,
    /// Ties the result to the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

/// The next piece of a call's arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallDelta {
    /// The call.
    pub index: u32,
    /// A piece of JSON text.
    pub arguments_json: String,
}

/// A tool call is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnd {
    /// The call.
    pub index: u32,
    /// Opaque; travels back unchanged.
    pub signature: Option<String>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

/// The open thinking block is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThinkingEnd {
    /// The provider's id of the block.
    pub id: Option<String>,
    /// Opaque; travels back unchanged.
    pub signature: Option<String>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

/// One event of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The answer has begun.
    Started(Started),
    /// The next piece of text.
    Text(String),
    /// The next piece of thinking.
    Thinking(String),
    /// The open thinking block is whole.
    ThinkingEnd(ThinkingEnd),
    /// Thinking that the provider sealed.
    RedactedThinking(String),
    /// A tool call begins.
    ToolCallStart(CallStart),
    /// The next piece of a call's arguments.
    ToolCallDelta(CallDelta),
    /// A tool call is whole.
    ToolCallEnd(CallEnd),
    /// A cumulative snapshot of usage.
    Usage(Usage),
    /// The upstream is alive and has nothing to say.
    Ping,
    /// An event that this version does not know.
    Other(Extra),
}

impl Event {
    /// Whether the person has now seen something of the answer: after such an event there is no
    /// retry and no fallback (design: a start, a ping and usage are none).
    #[must_use]
    pub fn is_content(&self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::Thinking(_)
                | Self::RedactedThinking(_)
                | Self::ToolCallStart(_)
                | Self::ToolCallDelta(_)
        )
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// The token limit was reached.
    MaxTokens,
    /// The model waits for tool results.
    ToolCalls,
    /// The provider's filter cut in.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// Somebody cancelled.
    Cancelled,
    /// The provider paused a long turn.
    Paused,
    /// A reason that this version does not know.
    Other(String),
}

/// The terminal value of an answer that went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// Why it ended.
    pub reason: FinishReason,
    /// The last usage snapshot, if the upstream reported any.
    pub usage: Option<Usage>,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// The model that answered, as the upstream names it.
    pub model: Option<String>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}
