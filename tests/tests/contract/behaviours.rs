//! The table.

use vale_types::{ErrorKind, FinishReason, NetworkKind};

use crate::heard::Heard;

/// What is said, and what must be heard.
#[derive(Clone, Copy)]
pub(crate) struct Behaviour {
    pub(crate) name: &'static str,
    /// Steers the peer: see `tests/fixtures/aimock`.
    pub(crate) message: &'static str,
    pub(crate) check: fn(&Heard) -> Result<(), String>,
}

fn must(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn whole(heard: &Heard, reason: &FinishReason) -> Result<(), String> {
    match &heard.end {
        Ok(finish) => must(finish.reason == *reason, "it ended for another reason"),
        Err(failure) => Err(format!("it failed: {failure}")),
    }
}

/// Every row holds on every wire that can show it at all.
pub(crate) const ALL: &[Behaviour] = &[
    Behaviour {
        name: "an answer arrives whole",
        message: "hello",
        check: |heard| {
            must(
                heard.text == "Hello from aimock. How can I help?",
                "the text differs",
            )?;
            whole(heard, &FinishReason::Stop)
        },
    },
    Behaviour {
        name: "tokens are counted",
        message: "hello",
        check: |heard| {
            let usage = heard.usage.as_ref().ok_or("no usage")?;
            must(usage.input_total() == 21, "the input differs")?;
            must(usage.output_total() == 9, "the output differs")
        },
    },
    Behaviour {
        name: "characters that are cut across chunks arrive whole",
        message: "unicode",
        check: |heard| {
            must(heard.text == "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok", "the text differs")?;
            whole(heard, &FinishReason::Stop)
        },
    },
    Behaviour {
        name: "thinking is told apart from the answer",
        message: "reason",
        check: |heard| {
            must(heard.thinking == "Step by step.", "the thinking differs")?;
            must(heard.text == "The answer is 42.", "the text differs")
        },
    },
    Behaviour {
        name: "several tool calls come with their arguments",
        message: "weather",
        check: |heard| {
            let json = |text: &str| serde_json::from_str::<serde_json::Value>(text);
            let calls: Vec<_> = heard
                .calls
                .iter()
                .map(|(name, arguments)| (name.as_str(), json(arguments).unwrap_or_default()))
                .collect();
            let expected = [
                ("get_weather", serde_json::json!({"city": "Paris"})),
                ("get_time", serde_json::json!({"tz": "CET"})),
            ];
            must(calls == expected, "the calls differ")?;
            must(heard.text == "Checking.", "the text differs")?;
            whole(heard, &FinishReason::ToolCalls)
        },
    },
    Behaviour {
        name: "a long answer arrives whole",
        message: "big",
        check: |heard| {
            must(heard.text == "abcd ".repeat(2000), "the text differs")?;
            whole(heard, &FinishReason::Stop)
        },
    },
    Behaviour {
        name: "429 is a rate limit",
        message: "rate",
        check: |heard| {
            must(
                matches!(heard.kind(), Some(ErrorKind::RateLimited(_))),
                "another kind",
            )
        },
    },
    Behaviour {
        name: "529 is an overload",
        message: "overload",
        check: |heard| {
            must(
                matches!(heard.kind(), Some(ErrorKind::Overloaded(_))),
                "another kind",
            )
        },
    },
    Behaviour {
        name: "401 is a refused key",
        message: "wrong-key",
        check: |heard| must(heard.is_refused_key(), "another kind"),
    },
    Behaviour {
        name: "an answer that is cut is a failure and keeps its text",
        message: "trunc",
        check: |heard| {
            must(!heard.text.is_empty(), "the text is lost")?;
            must(
                "This will be cut short in the middle of the text, well before its end."
                    .starts_with(&heard.text),
                "the text differs",
            )?;
            must(
                heard.is_network(&[NetworkKind::Truncated, NetworkKind::Reset]),
                "another kind",
            )
        },
    },
    Behaviour {
        name: "a connection that breaks in mid-stream is a failure and keeps its text",
        message: "hangup",
        check: |heard| {
            must(!heard.text.is_empty(), "the text is lost")?;
            must(
                heard.is_network(&[NetworkKind::Truncated, NetworkKind::Reset]),
                "another kind",
            )
        },
    },
    Behaviour {
        name: "a connection that breaks before the answer is a failure of the network",
        message: "drop",
        check: |heard| {
            must(heard.text.is_empty(), "there is text")?;
            must(
                heard.is_network(&[
                    NetworkKind::Truncated,
                    NetworkKind::Reset,
                    NetworkKind::Connect,
                    NetworkKind::Protocol,
                ]),
                "another kind",
            )
        },
    },
    Behaviour {
        name: "rubbish instead of an answer is malformed",
        message: "malformed",
        check: |heard| {
            must(
                matches!(heard.kind(), Some(ErrorKind::MalformedResponse)),
                "another kind",
            )
        },
    },
];
