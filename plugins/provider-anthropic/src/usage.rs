//! Token counts into disjoint buckets. Here `input_tokens` excludes both cache counts, and
//! `output_tokens` includes thinking.

use vale_sdk::Usage;
use vale_sdk::json::Value;

/// What the wire has said so far: later objects leave out what has not changed.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    input: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    written_5m: Option<u64>,
    written_1h: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
    uses: Vec<(String, u64)>,
    tier: Option<String>,
    raw: Option<String>,
}

impl Counts {
    /// Takes in a usage object; none if it is no object.
    pub(crate) fn take(&mut self, wire: &Value<'_>) -> Option<Usage> {
        if !wire.is_object() {
            return None;
        }
        let count = |name: &str| wire.get(name)?.u64();
        let detail = |group: &str, name: &str| wire.get(group)?.get(name)?.u64();
        keep(&mut self.input, count("input_tokens"));
        keep(&mut self.read, count("cache_read_input_tokens"));
        keep(&mut self.written, count("cache_creation_input_tokens"));
        // The split by lifetime stands in the first object only.
        keep(
            &mut self.written_5m,
            detail("cache_creation", "ephemeral_5m_input_tokens"),
        );
        keep(
            &mut self.written_1h,
            detail("cache_creation", "ephemeral_1h_input_tokens"),
        );
        keep(&mut self.output, count("output_tokens"));
        keep(
            &mut self.thinking,
            detail("output_tokens_details", "thinking_tokens"),
        );
        for (name, use_name) in [
            ("web_search_requests", "web-search-requests"),
            ("web_fetch_requests", "web-fetch-requests"),
        ] {
            if let Some(times) = detail("server_tool_use", name) {
                self.uses.retain(|(known, _)| known != use_name);
                self.uses.push((use_name.into(), times));
            }
        }
        if let Some(tier) = wire.get("service_tier").and_then(Value::text) {
            self.tier = Some(tier);
        }
        self.raw = Some(wire.to_json());
        Some(self.usage())
    }

    fn usage(&self) -> Usage {
        let thought = self.thinking.unwrap_or(0);
        let (short, long) = match (self.written_5m, self.written_1h, self.written) {
            // Without the split it is the default lifetime.
            (None, None, written) => (written, None),
            (short, long, written) => (
                short.or_else(|| Some(written?.saturating_sub(long.unwrap_or(0)))),
                long,
            ),
        };
        Usage {
            input: self.input,
            cache_read: self.read,
            cache_write_5m: short,
            cache_write_1h: long,
            output: self.output.map(|all| all.saturating_sub(thought)),
            reasoning: self.thinking,
            uses: self.uses.clone(),
            service_tier: self.tier.clone(),
            raw_json: self.raw.clone(),
            ..Usage::unknown()
        }
    }
}

/// A count that was told replaces the one before.
fn keep(kept: &mut Option<u64>, told: Option<u64>) {
    if told.is_some() {
        *kept = told;
    }
}
