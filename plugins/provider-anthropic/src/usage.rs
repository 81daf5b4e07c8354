//! Token counts into disjoint buckets.
//!
//! Here `input_tokens` excludes both cache counts and `output_tokens` includes thinking. Every
//! object is cumulative, and a later one leaves out what has not changed: the split of cache
//! writes by lifetime stands in the first one only.

use vale_sdk::json::{Value, quoted};
use vale_sdk::usage::remainder;
use vale_sdk::{Extra, Usage};

/// What the wire has said so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    input: Input,
    output: Option<u64>,
    thinking: Option<u64>,
    uses: Vec<(String, u64)>,
    /// The members of all objects, each as it was told last, as JSON text.
    told: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Input {
    uncached: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    written_5m: Option<u64>,
    written_1h: Option<u64>,
}

impl Counts {
    /// Takes in a usage object; none if it says nothing.
    pub(crate) fn take(&mut self, wire: &Value<'_>) -> Option<Usage> {
        let count = |name: &str| wire.get(name)?.u64();
        let detail = |group: &str, name: &str| wire.get(group)?.get(name)?.u64();
        for (name, value) in wire.members() {
            if *value != Value::Null {
                keep_told(&mut self.told, &String::from_utf8_lossy(name), value);
            }
        }
        let split = |name: &str| detail("cache_creation", name);
        let input = Input {
            uncached: count("input_tokens").or(self.input.uncached),
            read: count("cache_read_input_tokens").or(self.input.read),
            written: count("cache_creation_input_tokens").or(self.input.written),
            written_5m: split("ephemeral_5m_input_tokens").or(self.input.written_5m),
            written_1h: split("ephemeral_1h_input_tokens").or(self.input.written_1h),
        };
        // Some servers end with zeros where they mean "as before": input cannot become less.
        if input.total() >= self.input.total() {
            self.input = input;
        }
        self.output = self.output.max(count("output_tokens"));
        let thinking = detail("output_tokens_details", "thinking_tokens");
        self.thinking = self.thinking.max(thinking);
        for (name, times) in wire
            .get("server_tool_use")
            .map(Value::members)
            .unwrap_or_default()
        {
            if let Some(times) = times.u64() {
                let name = String::from_utf8_lossy(name).replace('_', "-");
                self.uses.retain(|(known, _)| *known != name);
                self.uses.push((name, times));
            }
        }
        let says_nothing = self.input.uncached.is_none() && self.output.is_none();
        (!says_nothing).then(|| self.usage())
    }

    fn usage(&self) -> Usage {
        let (cache_write_5m, cache_write_1h) = self.input.writes();
        let thought = self.thinking.unwrap_or(0);
        let word = |name: &str| {
            let json = self.raw(name)?;
            Value::parse(json.as_bytes())?.text()
        };
        // Both change the price.
        let extras = [("speed", "speed"), ("inference-geo", "inference_geo")];
        let extras = extras.iter().filter_map(|(name, field)| {
            let json = self.raw(field)?;
            Some(Extra::new(*name, json))
        });
        Usage {
            input: self.input.uncached,
            cache_read: self.input.read,
            cache_write_5m,
            cache_write_1h,
            output: self.output.map(|all| remainder(all, thought, false)),
            reasoning: self.thinking,
            uses: self.uses.clone(),
            service_tier: word("service_tier"),
            raw_json: Some(self.raw_json()),
            extras: extras.collect(),
            ..Usage::unknown()
        }
    }

    fn raw(&self, name: &str) -> Option<&str> {
        let found = self.told.iter().find(|(known, _)| known == name);
        found.map(|(_, json)| json.as_str())
    }

    /// One object of everything that was told, because no single one of the wire's has it all.
    fn raw_json(&self) -> String {
        let members = self.told.iter();
        let members = members.map(|(name, json)| format!("{}:{json}", quoted(name)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

impl Input {
    /// All that was written to the cache, whichever of the wire's two ways says more.
    fn written(self) -> Option<u64> {
        let split = match (self.written_5m, self.written_1h) {
            (None, None) => None,
            (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
        };
        self.written.max(split)
    }

    /// Cache writes by lifetime. What the split does not name has the default one, the short.
    fn writes(self) -> (Option<u64>, Option<u64>) {
        let long = self.written_1h;
        let short = self.written();
        let short = short.map(|all| all.saturating_sub(long.unwrap_or(0)));
        (short, long)
    }

    fn total(self) -> u64 {
        let parts = [self.uncached, self.read, self.written()];
        parts.into_iter().flatten().fold(0, u64::saturating_add)
    }
}

fn keep_told(told: &mut Vec<(String, String)>, name: &str, value: &Value<'_>) {
    let json = value.to_json();
    match told.iter_mut().find(|(known, _)| known == name) {
        Some((_, kept)) => *kept = json,
        None => told.push((name.to_string(), json)),
    }
}
