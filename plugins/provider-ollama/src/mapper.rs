//! From lines to events.

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::usage::UsageTracker;
use vale_sdk::{
    Error, Event, EventMapper, Extra, Finish, FinishReason, Flow, Frame, Started, ThinkingEnd,
    Usage, errors,
};

use crate::calls::Calls;
use crate::errors::of_line;

/// Reads one answer.
#[derive(Debug)]
pub struct ChatMapper {
    started: bool,
    model: Option<String>,
    text: TextJoiner,
    thinking: TextJoiner,
    is_thinking: bool,
    calls: Calls,
    /// The context that was asked for, in tokens; none where it says nothing.
    context: Option<u64>,
    usage: UsageTracker,
    done_reason: Option<String>,
    timings: Vec<Extra>,
}

impl ChatMapper {
    /// A mapper for the answer to a conversation of so many messages within such a context.
    pub fn new(messages: usize, context: Option<u64>) -> Self {
        Self {
            started: false,
            model: None,
            text: TextJoiner::default(),
            thinking: TextJoiner::default(),
            is_thinking: false,
            calls: Calls::new(messages),
            context,
            usage: UsageTracker::default(),
            done_reason: None,
            timings: Vec::new(),
        }
    }

    fn line(&mut self, line: &Value<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        if let Some(error) = of_line(line) {
            return Err(error);
        }
        let message = line.get("message").filter(|message| message.is_object());
        let is_done = line.get("done").and_then(Value::bool);
        if message.is_none() && is_done.is_none() {
            return Err(Error::malformed(
                "The server's answer is not one of Ollama's chat API.",
            ));
        }
        if !self.started {
            self.started = true;
            self.model = line.get("model").and_then(Value::text);
            out.push(Event::Started(Started {
                response_id: None,
                model: self.model.clone(),
                extras: Vec::new(),
            }));
        }
        if let Some(message) = message {
            self.message(message, out)?;
        }
        if is_done != Some(true) {
            return Ok(Flow::Continue);
        }
        self.done_reason = line.get("done_reason").and_then(Value::text);
        if let Some(usage) = counts(line) {
            self.usage.update(usage, out);
        }
        self.timings = [
            "total_duration",
            "load_duration",
            "prompt_eval_duration",
            "eval_duration",
        ]
        .iter()
        .filter_map(|name| Some(Extra::new(*name, line.get(name)?.to_json())))
        .collect();
        Ok(Flow::Done)
    }

    fn message(&mut self, message: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        let bytes = |name: &str| message.get(name).and_then(Value::bytes);
        // Proxies over other servers keep those servers' name for it.
        if let Some(text) = bytes("thinking").or_else(|| bytes("reasoning_content")) {
            self.is_thinking = true;
            self.thinking.emit(text, Event::Thinking, out);
        }
        if let Some(text) = bytes("content") {
            self.end_thinking(out);
            self.text.emit(text, Event::Text, out);
        }
        let calls = message
            .get("tool_calls")
            .map(Value::items)
            .unwrap_or_default();
        for call in calls {
            self.end_thinking(out);
            self.calls.tell(call, out)?;
        }
        Ok(())
    }

    fn end_thinking(&mut self, out: &mut Vec<Event>) {
        if std::mem::take(&mut self.is_thinking) {
            self.thinking.emit_rest(Event::Thinking, out);
            out.push(Event::ThinkingEnd(ThinkingEnd {
                id: None,
                signature: None,
                extras: Vec::new(),
            }));
        }
    }
}

/// Tokens of the last line; a count that is 0 or missing was not made (Ollama leaves out a zero,
/// and the prompt's when it comes from its cache).
fn counts(line: &Value<'_>) -> Option<Usage> {
    let count = |name: &str| line.get(name)?.u64().filter(|count| *count > 0);
    let (input, output) = (count("prompt_eval_count"), count("eval_count"));
    (input.is_some() || output.is_some()).then(|| Usage {
        input,
        output,
        ..Usage::unknown()
    })
}

/// What the counts say about a context of so many tokens. A prompt that fills it has been cut, by
/// a server that ignores `truncate`; an answer that fills the rest ended for want of room, though
/// Ollama's word for it is that of a limit on the answer.
fn filled(usage: &Usage, context: u64) -> Option<&'static str> {
    let prompt = usage.input?;
    if prompt >= context {
        Some("prompt-cut-at")
    } else if usage.total() >= context {
        Some("context-full-at")
    } else {
        None
    }
}

impl EventMapper for ChatMapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(Flow::Continue);
        }
        let line = Value::parse(data).filter(Value::is_object);
        let line = line.ok_or_else(|| errors::not_json(data))?;
        self.line(&line, out)
    }

    fn finish(mut self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        self.end_thinking(out);
        self.text.emit_rest(Event::Text, out);
        let reason = match self.done_reason.as_deref() {
            Some("length") => FinishReason::MaxTokens,
            // It says `stop` after calls too.
            _ if !self.calls.is_empty() => FinishReason::ToolCalls,
            Some("stop") | None => FinishReason::Stop,
            Some(other) => FinishReason::Other(other.to_string()),
        };
        let usage = self.usage.last().cloned();
        let mut extras = self.timings;
        if let (Some(usage), Some(context)) = (&usage, self.context) {
            extras.extend(filled(usage, context).map(|name| Extra::new(name, context.to_string())));
        }
        Ok(Finish {
            usage,
            model: self.model,
            extras,
            ..Finish::new(reason)
        })
    }
}
