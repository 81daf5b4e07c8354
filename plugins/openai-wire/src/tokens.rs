//! Token counts into disjoint buckets.

use vale_sdk::json::Value;
use vale_sdk::usage::remainder;
use vale_sdk::{Money, Usage, decimal};

/// The usage object in the contract's buckets; none if it is `null` or no object.
///
/// OpenAI counts cached and cache-write tokens inside the prompt and reasoning inside the
/// completion. Some servers (xAI's reasoning) count them beside it, and then only the grand total
/// tells.
pub(crate) fn usage(wire: &Value<'_>, service_tier: Option<&str>) -> Option<Usage> {
    let count = |name: &str| wire.get(name)?.u64();
    let detail = |group: &str, name: &str| wire.get(group)?.get(name)?.u64();
    let read = detail("prompt_tokens_details", "cached_tokens")
        .or_else(|| count("prompt_cache_hit_tokens")) // DeepSeek
        .or_else(|| count("cache_read_input_tokens")); // LiteLLM, in Anthropic's words
    let written = detail("prompt_tokens_details", "cache_write_tokens")
        .or_else(|| count("cache_creation_input_tokens"));
    let reasoning = detail("completion_tokens_details", "reasoning_tokens");
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let thought = reasoning.unwrap_or(0);
    let (prompt, completion) = (count("prompt_tokens"), count("completion_tokens"));
    // How far the grand total goes beyond prompt and completion: what stands beside them.
    let beyond = match (prompt, completion, count("total_tokens")) {
        (Some(prompt), Some(completion), Some(total)) => {
            total.saturating_sub(prompt.saturating_add(completion))
        }
        _ => 0,
    };
    let both = cached.saturating_add(thought);
    let cached_apart = cached > 0 && (beyond == cached || beyond == both);
    let thought_apart = thought > 0 && (beyond == thought || beyond == both);
    // OpenRouter and LiteLLM: US dollars.
    let cost = wire.get("cost").and_then(Value::word);
    let cost = cost.and_then(|cost| {
        Some(Money {
            currency: "USD".into(),
            amount: decimal::scaled(&cost, 0)?,
        })
    });
    let usage = Usage {
        input: prompt.map(|total| remainder(total, cached, cached_apart)),
        cache_read: read,
        // The wire does not say for how long; the short one is every server's default.
        cache_write_5m: written,
        output: completion.map(|total| remainder(total, thought, thought_apart)),
        reasoning,
        service_tier: service_tier.map(str::to_string),
        reported_cost: cost,
        raw_json: Some(wire.to_json()),
        ..Usage::unknown()
    };
    let says_nothing = prompt.is_none() && completion.is_none() && usage.reported_cost.is_none();
    (!says_nothing).then_some(usage)
}
