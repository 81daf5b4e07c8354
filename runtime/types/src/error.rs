//! How a provider, a tool or the network can fail. Mirrors `valechat:types/errors`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Extra, Fault, FaultClass};

/// What is wrong with a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthKind {
    /// None was given.
    Missing,
    /// The upstream does not accept it.
    Invalid,
    /// It ran out.
    Expired,
    /// It is valid and may not do this.
    Forbidden,
    /// It is valid and has nothing left to spend.
    QuotaExhausted,
    /// A kind that this version does not know.
    Other(String),
}

/// What a rate limit counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitScope {
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
    /// Requests at once.
    Concurrent,
    /// Money.
    Spend,
    /// A scope that this version does not know.
    Other(String),
}

/// Where the network failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// The name does not resolve.
    Dns,
    /// Nobody answers at the address.
    Connect,
    /// The secure connection could not be made.
    Tls,
    /// Silence for too long.
    Timeout,
    /// The connection broke.
    Reset,
    /// The answer ended before its end.
    Truncated,
    /// The answer is larger than allowed.
    TooLarge,
    /// The gate refused.
    DeniedByPolicy,
    /// The peer does not speak HTTP as it should.
    Protocol,
    /// A kind that this version does not know.
    Other(String),
}

/// A rate limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// The wait that the upstream asks for, milliseconds.
    pub retry_after_ms: Option<u64>,
    /// What is limited.
    pub scope: LimitScope,
}

/// A prompt that does not fit, in tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextLimit {
    /// What the model takes.
    pub limit: Option<u64>,
    /// What was asked.
    pub requested: Option<u64>,
}

/// A failure below HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFailure {
    /// Where.
    pub kind: NetworkKind,
    /// Whether the upstream may have seen the request: a repeat could be billed twice.
    pub request_sent: bool,
}

/// The closed set of failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The credential.
    Auth(AuthKind),
    /// Too much, too fast.
    RateLimited(RateLimit),
    /// No capacity now; the wait that the upstream asks for, milliseconds.
    Overloaded(Option<u64>),
    /// The prompt does not fit.
    ContextLength(ContextLimit),
    /// The provider's filter, with its name where known.
    ContentFilter(Option<String>),
    /// Below HTTP.
    Network(NetworkFailure),
    /// The request, with the parameter where known.
    InvalidRequest(Option<String>),
    /// No such model.
    ModelNotFound,
    /// What was asked for and is not offered.
    Unsupported(String),
    /// Somebody cancelled.
    Cancelled,
    /// The upstream broke its own protocol.
    MalformedResponse,
    /// The upstream failed.
    Internal,
    /// A kind that this version does not know.
    Other(String),
}

/// A failure that a provider reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The upstream's own words, or a sentence of the plugin's.
    pub message: String,
    /// HTTP status, if one came.
    pub http_status: Option<u16>,
    /// The upstream's error code, verbatim.
    pub provider_code: Option<String>,
    /// The upstream's request id, for support.
    pub provider_request_id: Option<String>,
    /// What the upstream itself says about a repeat.
    pub retryable: Option<bool>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

impl Error {
    /// An error of this kind with these words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            http_status: None,
            provider_code: None,
            provider_request_id: None,
            retryable: None,
            extras: Vec::new(),
        }
    }
}

/// The kind of [`Failure::host`].
pub(crate) const HOST: &str = "host";
/// The kind of [`Failure::resting`].
pub(crate) const RESTING: &str = "resting";

/// How a call failed: its upstream, or the plugin itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The upstream failed, or refused.
    #[error(transparent)]
    Error(#[from] Error),
    /// The plugin failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Failure {
    /// A call that somebody cancelled.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::Error(Error::new(ErrorKind::Cancelled, "The call was cancelled."))
    }

    /// ValeChat itself failed: not the provider's illness, and nothing was sent.
    #[must_use]
    pub fn host(what: impl Into<String>) -> Self {
        let mut error = Error::new(ErrorKind::Other(HOST.to_owned()), what);
        error.retryable = Some(true);
        error.into()
    }

    /// ValeChat does not ask this provider for now; `what` says why and until when.
    #[must_use]
    pub fn resting(what: impl Into<String>) -> Self {
        let mut error = Error::new(ErrorKind::Other(RESTING.to_owned()), what);
        error.retryable = Some(false);
        error.into()
    }

    /// Whether this is [`Self::resting`].
    #[must_use]
    pub fn is_resting(&self) -> bool {
        matches!(self, Self::Error(error) if matches!(&error.kind, ErrorKind::Other(kind) if kind == RESTING))
    }

    /// Whether the same request may succeed if it is sent again.
    ///
    /// Follows the official SDKs' policy (facts: 408, 409, 429, 5xx and connection errors), unless
    /// the upstream says otherwise. Says nothing of whether a repeat could be billed twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Error(error) => match error.retryable {
                Some(said) => said && !matches!(error.kind, ErrorKind::Cancelled),
                None => error.kind.is_retryable(),
            },
            // A fault repeats with the same input; only time may have been short by chance.
            Self::Fault(fault) => matches!(fault.class, FaultClass::WallLimit),
        }
    }

    /// The wait that the upstream asks for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Error(error) = self else {
            return None;
        };
        let wait = match &error.kind {
            ErrorKind::RateLimited(limit) => limit.retry_after_ms,
            ErrorKind::Overloaded(wait) => *wait,
            _ => None,
        };
        wait.map(Duration::from_millis)
    }

    /// Whether this failure speaks against the provider's health. Credential and billing errors
    /// need the person's attention, a rate limit is obeyed and counted apart, and a bad request
    /// or a cancellation is nobody's illness.
    #[must_use]
    pub fn counts_for_breaker(&self) -> bool {
        match self {
            Self::Fault(_) => true,
            Self::Error(error) => match &error.kind {
                ErrorKind::Overloaded(_) | ErrorKind::MalformedResponse | ErrorKind::Internal => {
                    true
                }
                ErrorKind::Network(failure) => !matches!(
                    failure.kind,
                    NetworkKind::DeniedByPolicy | NetworkKind::TooLarge
                ),
                _ => false,
            },
        }
    }
}

impl ErrorKind {
    fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited(_) | Self::Overloaded(_) | Self::Internal => true,
            Self::Network(failure) => matches!(
                failure.kind,
                NetworkKind::Dns
                    | NetworkKind::Connect
                    | NetworkKind::Timeout
                    | NetworkKind::Reset
                    | NetworkKind::Truncated
            ),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: ErrorKind) -> Failure {
        Failure::Error(Error::new(kind, "x"))
    }

    fn network(kind: NetworkKind) -> ErrorKind {
        ErrorKind::Network(NetworkFailure {
            kind,
            request_sent: true,
        })
    }

    #[test]
    fn policy_bits_follow_the_kind() {
        let table = [
            (ErrorKind::Auth(AuthKind::Invalid), false, false),
            (
                ErrorKind::RateLimited(RateLimit {
                    retry_after_ms: Some(1500),
                    scope: LimitScope::Requests,
                }),
                true,
                false,
            ),
            (ErrorKind::Overloaded(None), true, true),
            (network(NetworkKind::Connect), true, true),
            (network(NetworkKind::Tls), false, true),
            (network(NetworkKind::DeniedByPolicy), false, false),
            (ErrorKind::MalformedResponse, false, true),
            (ErrorKind::Internal, true, true),
            (ErrorKind::Cancelled, false, false),
            (ErrorKind::ModelNotFound, false, false),
        ];
        for (kind, retryable, counts) in table {
            let failure = failure(kind.clone());
            assert_eq!(failure.is_retryable(), retryable, "{kind:?}");
            assert_eq!(failure.counts_for_breaker(), counts, "{kind:?}");
        }
    }

    #[test]
    fn the_upstreams_own_word_on_a_repeat_wins() {
        let mut error = Error::new(ErrorKind::Internal, "x");
        error.retryable = Some(false);
        assert!(!Failure::Error(error.clone()).is_retryable());
        error.kind = ErrorKind::InvalidRequest(None);
        error.retryable = Some(true);
        assert!(Failure::Error(error).is_retryable());
    }
}
