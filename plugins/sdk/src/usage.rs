//! Token counts: disjoint buckets, cumulative snapshots.

use crate::types::{Event, Usage};

impl Usage {
    /// Nothing reported yet: every bucket unknown, which is not 0.
    pub fn unknown() -> Self {
        Self {
            input: None,
            cache_read: None,
            cache_write_5m: None,
            cache_write_1h: None,
            output: None,
            reasoning: None,
            uses: Vec::new(),
            service_tier: None,
            reported_cost: None,
            raw_json: None,
            extras: Vec::new(),
        }
    }

    /// All tokens of all known buckets.
    pub fn total(&self) -> u64 {
        let buckets = [
            self.input,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.output,
            self.reasoning,
        ];
        buckets.into_iter().flatten().fold(0, u64::saturating_add)
    }
}

/// Keeps the last snapshot, so that an answer reports each change once and never shrinks.
#[derive(Clone, Debug, Default)]
pub struct UsageTracker {
    last: Option<Usage>,
}

impl UsageTracker {
    /// Takes the upstream's latest counts and adds a usage event if they say something new.
    /// Counts with a smaller total are an upstream's mistake (some end with a zeroed snapshot)
    /// and are dropped.
    pub fn update(&mut self, usage: Usage, out: &mut Vec<Event>) {
        let is_news = match &self.last {
            Some(last) => usage.total() >= last.total() && usage != *last,
            None => true,
        };
        if is_news {
            out.push(Event::Usage(usage.clone()));
            self.last = Some(usage);
        }
    }

    /// The last snapshot.
    pub fn last(&self) -> Option<&Usage> {
        self.last.as_ref()
    }
}

/// Splits a total that may include its parts into the remainder and nothing twice.
///
/// `total` is the upstream's count (prompt or completion tokens), `parts` what it lists beside
/// it. Upstreams disagree whether the parts are inside; `stands_apart` says what the caller knows
/// from the grand total. Parts larger than the total cannot be inside either.
pub fn remainder(total: u64, parts: u64, stands_apart: bool) -> u64 {
    if stands_apart {
        total
    } else {
        total.checked_sub(parts).unwrap_or(total)
    }
}
