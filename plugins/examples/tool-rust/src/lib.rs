//! A tool that counts, which models do badly.
//!
//! Every call runs in a fresh instance, so nothing survives from one to the next. What you change:
//! `list` says what the tools take, `invoke` does it.

use vale_sdk::Context;
use vale_sdk::tool::{Answer, Arguments, Failure, Hints, Host, Param, ToolSpec, Tools};

/// The plugin's tools.
#[derive(Debug)]
pub struct Count;

impl Tools for Count {
    fn list(_: &Context) -> Vec<ToolSpec> {
        let count = ToolSpec::new(
            "count",
            "Counts the characters, words and lines of a text exactly, and how often something occurs in it.",
        )
        .title("Count")
        .hints(Hints::pure())
        .param(Param::text("text", "The text").required().max_chars(1_000_000))
        .param(Param::text("find", "What to look for, as it is written; may be left out"));
        vec![count]
    }

    async fn invoke<H: Host>(
        _: &H,
        _: &str,
        arguments: &Arguments,
    ) -> Result<Answer, Failure> {
        let text = arguments.need_text("text")?;
        let mut told = format!(
            "{} characters, {} words, {} lines.",
            text.chars().count(),
            text.split_whitespace().count(),
            text.lines().count()
        );
        if let Some(wanted) = arguments.text("find") {
            if wanted.is_empty() {
                // The model reads this sentence and may call again.
                return Err(Failure::told("find must not be empty."));
            }
            let times = text.matches(wanted).count();
            told.push_str(&format!(" \"{wanted}\" occurs {times} times."));
        }
        Ok(Answer::text(told))
    }
}

vale_sdk::export_tool!(Count);
