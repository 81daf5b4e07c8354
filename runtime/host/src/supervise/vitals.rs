//! What an actor tells of its work.

use serde::{Deserialize, Serialize};

/// Told by the actor's shared part, so that even a busy or dead actor can be looked at. Must not
/// block.
pub trait VitalsSource: Send + Sync {
    /// How it is now.
    fn vitals(&self) -> Vitals;

    /// Forgets what was held against it.
    fn reset(&self) {}
}

/// An actor's work in numbers. What does not apply is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Vitals {
    /// Answers, calls or processes under way.
    #[serde(default)]
    pub in_flight: usize,
    /// Calls that wait for a free place.
    #[serde(default)]
    pub queued: usize,
    /// Its breakers that are not closed and empty, one a model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakers: Vec<BreakerReport>,
    /// What the person must see to, in words: a refused key, an empty account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<String>,
    /// The last failure, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Processor time used, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_s: Option<f64>,
    /// Memory held now, or the most that one call of a plugin held, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The process, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// Attempts so far.
    #[serde(default)]
    pub attempts: u64,
    /// How many of them were no repeats.
    #[serde(default)]
    pub first_attempts: u64,
    /// Failures so far.
    #[serde(default)]
    pub failures: u64,
}

/// A breaker as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreakerReport {
    /// The model that it guards.
    pub model: String,
    /// `closed`, `open`, `half-open`, `rate-limited`.
    pub state: String,
    /// Seconds until it lets a call through again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_in_s: Option<f64>,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// How often it opened.
    pub times_opened: u32,
}
