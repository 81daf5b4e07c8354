//! The four limits that a manifest asks for and a person adjusts, and their ceilings.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use vale_types::Limits;

/// Limits that somebody stated; what is `None` was left open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Linear memory of one call, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// CPU time of one call, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Wall-clock time of one call, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_s: Option<u64>,
    /// Response bytes of one call, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_mib: Option<u64>,
}

impl LimitsSpec {
    /// What is stated here, and `other`'s word on the rest.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory_mib: self.memory_mib.or(other.memory_mib),
            cpu_ms: self.cpu_ms.or(other.cpu_ms),
            wall_s: self.wall_s.or(other.wall_s),
            response_mib: self.response_mib.or(other.response_mib),
        }
    }

    /// `base` with what is stated here put over it.
    #[must_use]
    pub fn over(&self, base: Limits) -> Limits {
        Limits {
            memory_mib: self.memory_mib.unwrap_or(base.memory_mib),
            cpu_ms: self.cpu_ms.unwrap_or(base.cpu_ms),
            wall_s: self.wall_s.unwrap_or(base.wall_s),
            response_mib: self.response_mib.unwrap_or(base.response_mib),
            ..base
        }
    }
}

/// The most that any plugin gets on this host, whatever its manifest or the person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCeiling {
    /// MiB.
    pub memory_mib: u64,
    /// Milliseconds.
    pub cpu_ms: u64,
    /// Seconds.
    pub wall_s: u64,
    /// MiB.
    pub response_mib: u64,
}

impl LimitCeiling {
    /// What a manifest may ask for at most: a quarter of wasm32's address space, ten minutes of
    /// CPU, a day of waiting (a slow local model over a long text), 1 GiB of answer. Ours; no
    /// standard says it.
    pub const MANIFEST: Self = Self {
        memory_mib: 1024,
        cpu_ms: 600_000,
        wall_s: 86_400,
        response_mib: 1024,
    };

    /// `limits` with nothing above the ceiling and nothing at zero.
    #[must_use]
    pub fn clamp(&self, limits: Limits) -> Limits {
        let within = |value: u64, ceiling: u64| value.clamp(1, ceiling.max(1));
        Limits {
            memory_mib: within(limits.memory_mib, self.memory_mib),
            cpu_ms: within(limits.cpu_ms, self.cpu_ms),
            wall_s: within(limits.wall_s, self.wall_s),
            response_mib: within(limits.response_mib, self.response_mib),
            ..limits
        }
    }
}

impl Default for LimitCeiling {
    fn default() -> Self {
        Self::MANIFEST
    }
}

/// The keys of `[limits]` with their ranges and units.
pub(crate) fn ranges() -> [(&'static str, RangeInclusive<u64>, &'static str); 4] {
    let most = LimitCeiling::MANIFEST;
    [
        ("memory_mib", 1..=most.memory_mib, "MiB"),
        ("cpu_ms", 1..=most.cpu_ms, "milliseconds"),
        ("wall_s", 1..=most.wall_s, "seconds"),
        ("response_mib", 1..=most.response_mib, "MiB"),
    ]
}
