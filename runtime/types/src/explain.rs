//! Every failure as a sentence and a next step (design.md §9).

use serde::Serialize;

use crate::error::{HOST, RESTING};
use crate::{AuthKind, Error, ErrorKind, Failure, Fault, FaultClass, NetworkKind};

/// What a person reads when something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What happened.
    pub sentence: String,
    /// What to do next.
    pub next_step: String,
}

fn explain(sentence: impl Into<String>, next_step: impl Into<String>) -> Explanation {
    Explanation {
        sentence: sentence.into(),
        next_step: next_step.into(),
    }
}

impl Failure {
    /// The failure in words. `provider` is the configured provider's id.
    #[must_use]
    pub fn explain(&self, provider: &str) -> Explanation {
        match self {
            Self::Error(error) => explain_error(error, provider),
            Self::Fault(fault) => explain_fault(fault, provider),
        }
    }
}

fn wait(ms: Option<u64>) -> String {
    match ms {
        Some(ms) => format!("Wait {} s and send it again.", ms.div_ceil(1000)),
        None => "Wait a moment and send it again.".to_owned(),
    }
}

fn explain_error(error: &Error, provider: &str) -> Explanation {
    let said = said(error);
    match &error.kind {
        ErrorKind::Auth(kind) => explain_auth(kind, provider, &said),
        ErrorKind::RateLimited(limit) => explain(
            format!("{provider} limits how much may be sent{said}."),
            format!(
                "{} Nothing was charged for this attempt.",
                wait(limit.retry_after_ms)
            ),
        ),
        ErrorKind::Overloaded(ms) => explain(
            format!("{provider} has no capacity right now{said}."),
            wait(*ms),
        ),
        ErrorKind::ContextLength(limit) => {
            let size = match (limit.requested, limit.limit) {
                (Some(asked), Some(max)) => format!(" ({asked} of {max} tokens)"),
                (None, Some(max)) => format!(" (it takes {max} tokens)"),
                _ => String::new(),
            };
            explain(
                format!("The conversation is longer than this model can read{size}{said}."),
                "Start a new conversation, shorten it, or choose a model with a larger context.",
            )
        }
        ErrorKind::ContentFilter(name) => explain(
            match name {
                Some(name) => format!("{provider}'s content filter “{name}” stopped this{said}."),
                None => format!("{provider}'s content filter stopped this{said}."),
            },
            "Rephrase the message, or use another provider.",
        ),
        ErrorKind::Network(failure) => explain_network(&failure.kind, provider, &said),
        ErrorKind::InvalidRequest(parameter) => explain(
            match parameter {
                Some(name) => format!("{provider} does not accept “{name}” in the request{said}."),
                None => format!("{provider} does not accept the request{said}."),
            },
            "Check the model's settings, or choose another model.",
        ),
        ErrorKind::ModelNotFound => explain(
            format!("{provider} does not offer this model{said}."),
            "See what it offers with `valechat model list`.",
        ),
        ErrorKind::Unsupported(what) => explain(
            format!("{provider} cannot do this: {what}{said}."),
            "Choose another model or provider.",
        ),
        ErrorKind::Cancelled => explain(
            "The answer was cancelled.",
            "What was received so far is kept.",
        ),
        ErrorKind::MalformedResponse => explain(
            format!("{provider} answered something that is not its own protocol{said}."),
            format!(
                "Check the address with `valechat provider list`, then `valechat provider test {provider}`."
            ),
        ),
        ErrorKind::Internal => explain(
            format!("{provider} failed on its side{said}."),
            "Send it again; if it keeps failing, look at the provider's status page.",
        ),
        ErrorKind::Other(kind) if kind == HOST => explain(
            format!("ValeChat itself failed on the way to {provider}{said}."),
            "Send it again; nothing was charged. `valechat status` shows what is wrong.",
        ),
        ErrorKind::Other(kind) if kind == RESTING => explain(
            format!("{provider} is not asked for now{said}."),
            "Wait, choose another model, or try at once with `valechat status reset`.",
        ),
        ErrorKind::Other(kind) => explain(
            format!("{provider} reported “{kind}”{said}."),
            "Send it again, or choose another provider.",
        ),
    }
}

/// The upstream's own words, status and request id, in brackets.
fn said(error: &Error) -> String {
    let mut parts = Vec::new();
    let words = error.message.trim().trim_end_matches('.');
    if !words.is_empty() {
        parts.push(format!("“{words}”"));
    }
    if let Some(status) = error.http_status {
        parts.push(format!("HTTP {status}"));
    }
    if let Some(code) = &error.provider_code {
        parts.push(format!("code {code}"));
    }
    if let Some(id) = &error.provider_request_id {
        parts.push(format!("request {id}"));
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}

fn explain_auth(kind: &AuthKind, provider: &str, said: &str) -> Explanation {
    let set = format!("Set it with `valechat key set {provider}`.");
    match kind {
        AuthKind::Missing => explain(format!("{provider} needs a key and none is set."), set),
        AuthKind::Invalid => explain(format!("{provider} does not accept the key{said}."), set),
        AuthKind::Expired => explain(format!("The key for {provider} has expired{said}."), set),
        AuthKind::Forbidden => explain(
            format!("The key for {provider} may not do this{said}."),
            "Check what the key is allowed to do on the provider's page, or use another model.",
        ),
        AuthKind::QuotaExhausted => explain(
            format!("The account behind the key for {provider} has nothing left to spend{said}."),
            "Top it up on the provider's page, or use another provider.",
        ),
        AuthKind::Other(what) => explain(format!("{provider} refuses the key: {what}{said}."), set),
    }
}

fn explain_network(kind: &NetworkKind, provider: &str, said: &str) -> Explanation {
    let test =
        format!("Check the network and the address, then `valechat provider test {provider}`.");
    match kind {
        NetworkKind::Dns => explain(
            format!("The address of {provider} was not found{said}."),
            test,
        ),
        NetworkKind::Connect => explain(
            format!("Nobody answers at the address of {provider}{said}."),
            "Start the server if it is a local one, or check the address with `valechat provider list`.",
        ),
        NetworkKind::Tls => explain(
            format!("A secure connection to {provider} could not be made{said}."),
            "Check the computer's clock; behind a company proxy, add its certificate under [network] in config.toml.",
        ),
        NetworkKind::Timeout => explain(
            format!("{provider} was silent for too long{said}."),
            "Send it again. What was received so far is kept.",
        ),
        NetworkKind::Reset => explain(
            format!("The connection to {provider} broke{said}."),
            "Send it again. What was received so far is kept.",
        ),
        NetworkKind::Truncated => explain(
            format!("The answer of {provider} was cut off before its end{said}."),
            "What was received so far is kept; send it again for a whole answer.",
        ),
        NetworkKind::TooLarge => explain(
            format!("The answer of {provider} is larger than the plugin's limit{said}."),
            "Raise response_mib for this provider in config.toml if you trust it.",
        ),
        NetworkKind::DeniedByPolicy => explain(
            format!("The plugin of {provider} asked for something that it was not granted{said}."),
            "See what it may reach with `valechat plugin show`.",
        ),
        NetworkKind::Protocol => explain(
            format!("{provider} does not speak HTTP as it should{said}."),
            test,
        ),
        NetworkKind::Other(what) => explain(
            format!("The network failed on the way to {provider}: {what}{said}."),
            test,
        ),
    }
}

fn explain_fault(fault: &Fault, provider: &str) -> Explanation {
    let detail = fault.detail.trim_end_matches('.');
    let limits = format!(
        "Raise it under [providers.{provider}.limits] in config.toml if you trust the plugin, or tell its author."
    );
    match fault.class {
        FaultClass::CpuLimit | FaultClass::MemoryLimit | FaultClass::WallLimit => explain(
            format!("The plugin of {provider} was stopped at a limit: {detail}."),
            limits,
        ),
        FaultClass::EventFlood | FaultClass::LogFlood => explain(
            format!("The plugin of {provider} was stopped because it flooded ValeChat: {detail}."),
            "Nothing else was affected. Tell the plugin's author.",
        ),
        FaultClass::Trap => explain(
            format!("The plugin of {provider} crashed: {detail}."),
            "Nothing else was affected. Send it again; if it crashes again, tell the plugin's author.",
        ),
        FaultClass::Protocol => explain(
            format!("The plugin of {provider} broke the rules of the plugin contract: {detail}."),
            "What was received so far is kept. Tell the plugin's author.",
        ),
        FaultClass::SecretLeak => explain(
            format!(
                "The server of {provider} sent the key back, and ValeChat stopped the call: {detail}."
            ),
            format!(
                "Do not trust that server. Replace the key with `valechat key set {provider}`."
            ),
        ),
        FaultClass::Load => explain(
            format!("The plugin of {provider} cannot be loaded: {detail}."),
            "Reinstall the plugin; `valechat doctor` says more.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContextLimit, LimitScope, NetworkFailure, RateLimit};

    #[test]
    fn every_kind_and_every_fault_is_a_sentence_with_a_next_step() {
        let other = || "odd".to_owned();
        let auth = [
            AuthKind::Missing,
            AuthKind::Invalid,
            AuthKind::Expired,
            AuthKind::Forbidden,
            AuthKind::QuotaExhausted,
            AuthKind::Other(other()),
        ];
        let network = [
            NetworkKind::Dns,
            NetworkKind::Connect,
            NetworkKind::Tls,
            NetworkKind::Timeout,
            NetworkKind::Reset,
            NetworkKind::Truncated,
            NetworkKind::TooLarge,
            NetworkKind::DeniedByPolicy,
            NetworkKind::Protocol,
            NetworkKind::Other(other()),
        ];
        let mut kinds = vec![
            ErrorKind::RateLimited(RateLimit {
                retry_after_ms: Some(1500),
                scope: LimitScope::Requests,
            }),
            ErrorKind::Overloaded(None),
            ErrorKind::ContextLength(ContextLimit {
                limit: Some(4096),
                requested: Some(6031),
            }),
            ErrorKind::ContentFilter(None),
            ErrorKind::ContentFilter(Some(other())),
            ErrorKind::InvalidRequest(None),
            ErrorKind::InvalidRequest(Some(other())),
            ErrorKind::ModelNotFound,
            ErrorKind::Unsupported(other()),
            ErrorKind::Cancelled,
            ErrorKind::MalformedResponse,
            ErrorKind::Internal,
            ErrorKind::Other(other()),
            ErrorKind::Other(HOST.to_owned()),
            ErrorKind::Other(RESTING.to_owned()),
        ];
        kinds.extend(auth.map(ErrorKind::Auth));
        kinds.extend(network.map(|kind| {
            ErrorKind::Network(NetworkFailure {
                kind,
                request_sent: false,
            })
        }));
        let classes = [
            FaultClass::Trap,
            FaultClass::CpuLimit,
            FaultClass::MemoryLimit,
            FaultClass::WallLimit,
            FaultClass::EventFlood,
            FaultClass::LogFlood,
            FaultClass::Protocol,
            FaultClass::SecretLeak,
            FaultClass::Load,
        ];
        let errors = kinds
            .into_iter()
            .map(|kind| Failure::Error(Error::new(kind, "words of the upstream")));
        let faults = classes.map(|class| Failure::Fault(Fault::new(class, class.as_str())));
        let mut sentences = Vec::new();
        for failure in errors.chain(faults) {
            let words = failure.explain("acme");
            for text in [&words.sentence, &words.next_step] {
                assert!(text.ends_with('.'), "{failure:?}: {text}");
                assert!(!text.contains(".."), "{failure:?}: {text}");
            }
            sentences.push(words.sentence);
        }
        let told = sentences.len();
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), told, "each says something of its own");
    }
}
