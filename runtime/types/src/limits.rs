//! What one plugin call may use.

use serde::{Deserialize, Serialize};

/// Limits of one call. The first four come from the manifest and can be changed by the person;
/// the rest guard the host against floods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of all instances together, MiB.
    pub memory_mib: u64,
    /// CPU time of the guest, milliseconds. Waiting for the network uses none.
    pub cpu_ms: u64,
    /// Wall-clock time from start to terminal value, seconds.
    pub wall_s: u64,
    /// Bytes of all response bodies together, MiB.
    pub response_mib: u64,
    /// Lines to the log.
    pub log_lines: u32,
    /// Bytes to the log.
    pub log_bytes: u64,
    /// Events.
    pub events: u64,
    /// Bytes of event text.
    pub event_bytes: u64,
}

impl Default for Limits {
    /// The design's defaults (design.md §4). The flood guards are sized so that a model at
    /// 1,000 tokens a second for ten minutes stays below them.
    fn default() -> Self {
        Self {
            memory_mib: 64,
            cpu_ms: 10_000,
            wall_s: 600,
            response_mib: 64,
            log_lines: 1_000,
            log_bytes: 1 << 20,
            events: 1_000_000,
            event_bytes: 64 << 20,
        }
    }
}
