//! What a turn tells whoever follows it, and what it keeps of each attempt.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vale_types::{Event, Failure, Finish, ModelRef, Usage};

/// One step of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnStep {
    /// An attempt begins. Nothing of an earlier one was shown.
    Attempt(AttemptNote),
    /// The attempt failed and is repeated after a wait.
    Retry(RetryNote),
    /// Another model takes over.
    Switch(SwitchNote),
    /// What arrived at once.
    Events(Vec<Event>),
    /// The one terminal value, and the last step.
    End(Result<Finish, Failure>),
}

/// An attempt begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptNote {
    /// Who is asked.
    pub model: ModelRef,
    /// Counts the attempts of this turn, from 1.
    pub number: u32,
    /// What the target cannot take and was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Loss>,
}

/// An attempt is repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryNote {
    /// Who failed.
    pub model: ModelRef,
    /// Why.
    pub failure: Failure,
    /// The wait, seconds.
    pub after_s: f64,
    /// The failed attempt may be billed: the request was sent and nothing came back.
    pub possibly_billed: bool,
}

/// Another model takes over, before anything was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchNote {
    /// Who was asked.
    pub from: ModelRef,
    /// Who is asked now.
    pub to: ModelRef,
    /// Why.
    pub failure: Failure,
}

/// Content that a target cannot take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What: `thinking`, `signature`, `image` …
    pub what: String,
    /// Of how many messages.
    pub messages: usize,
    /// Why.
    pub why: String,
}

/// What is known of one attempt when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Its own.
    pub id: Uuid,
    /// Who was asked.
    pub model: ModelRef,
    /// Counts the attempts of this turn, from 1.
    pub number: u32,
    /// When it began.
    pub began: SystemTime,
    /// Seconds until the first content; none = there was none.
    pub first_content_s: Option<f64>,
    /// Seconds until it was over.
    pub seconds: f64,
    /// The last usage that the upstream reported; none = it reported none.
    pub usage: Option<Usage>,
    /// Whether the upstream may have seen the request; none = unknown.
    pub request_sent: Option<bool>,
    /// The upstream's id of the request, where it told one.
    pub request_id: Option<String>,
    /// How it ended; none = it was cancelled.
    pub outcome: Option<Result<(), Failure>>,
}
