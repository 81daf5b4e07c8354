//! Token counts into disjoint buckets: here input includes what is cached, output the reasoning.

use vale_sdk::json::Value;
use vale_sdk::usage::remainder;
use vale_sdk::{Extra, Money, Usage, decimal};

/// The usage object in the contract's buckets; none if it is `null` or no object.
pub(crate) fn of(wire: &Value<'_>, service_tier: Option<&str>) -> Option<Usage> {
    let count = |name: &str| wire.get(name)?.u64();
    let detail = |group: &str, name: &str| wire.get(group)?.get(name)?.u64();
    let (input, output) = (count("input_tokens"), count("output_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let read = detail("input_tokens_details", "cached_tokens");
    let written = detail("input_tokens_details", "cache_write_tokens");
    let reasoning = detail("output_tokens_details", "reasoning_tokens");
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    // Its lifetimes are half an hour and half a day, which are not the contract's two; the
    // shorter bucket holds both, and the split is told beside it.
    let split = wire
        .get("input_tokens_details")
        .and_then(|details| details.get("cache_write_tokens_details"));
    // LiteLLM and OpenRouter: US dollars.
    let cost = wire.get("cost").and_then(Value::word);
    let cost = cost.and_then(|cost| {
        Some(Money {
            currency: "USD".into(),
            amount: decimal::scaled(&cost, 0)?,
        })
    });
    Some(Usage {
        input: input.map(|total| remainder(total, cached, false)),
        cache_read: read,
        cache_write_5m: written,
        output: output.map(|total| remainder(total, reasoning.unwrap_or(0), false)),
        reasoning,
        service_tier: service_tier.map(str::to_string),
        reported_cost: cost,
        raw_json: Some(wire.to_json()),
        extras: split
            .map(|split| Extra::new("cache-write-lifetimes", split.to_json()))
            .into_iter()
            .collect(),
        ..Usage::unknown()
    })
}
