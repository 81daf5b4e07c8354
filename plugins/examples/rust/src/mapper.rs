//! From the wire's chunks to events.

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::usage::{UsageTracker, remainder};
use vale_sdk::{
    CallDelta, CallEnd, CallStart, Error, Event, EventMapper, Finish, FinishReason, Flow, Frame,
    Started, Usage, errors,
};

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Mapper {
    text: TextJoiner,
    thinking: TextJoiner,
    /// Of each tool call, whether it has arguments.
    calls: Vec<bool>,
    usage: UsageTracker,
    started: Option<Started>,
    reason: Option<String>,
}

impl EventMapper for Mapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        if frame.data == b"[DONE]" {
            return Ok(Flow::Done);
        }
        let chunk = Value::parse(frame.data).filter(Value::is_object);
        let chunk = chunk.ok_or_else(|| errors::not_json(frame.data))?;
        if let Some(error) = errors::in_stream(&chunk) {
            return Err(error);
        }
        if self.started.is_none() {
            let started = Started {
                response_id: chunk.get("id").and_then(Value::text),
                model: chunk.get("model").and_then(Value::text),
                extras: Vec::new(),
            };
            out.push(Event::Started(started.clone()));
            self.started = Some(started);
        }
        if let Some(choice) = chunk.get("choices").and_then(|all| all.items().first()) {
            if let Some(delta) = choice.get("delta") {
                self.delta(delta, out)?;
            }
            let reason = choice.get("finish_reason").and_then(Value::text);
            self.reason = reason.or_else(|| self.reason.take());
        }
        if let Some(counts) = chunk.get("usage").filter(|counts| counts.is_object()) {
            self.usage.update(usage(counts), out);
        }
        Ok(Flow::Continue)
    }

    fn finish(mut self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        self.thinking.emit_rest(Event::Thinking, out);
        self.text.emit_rest(Event::Text, out);
        for (index, has_arguments) in (0..).zip(&self.calls) {
            if !has_arguments {
                out.push(arguments(index, "{}".to_owned()));
            }
            out.push(Event::ToolCallEnd(CallEnd {
                index,
                signature: None,
                extras: Vec::new(),
            }));
        }
        let reason = match self.reason.as_deref() {
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::MaxTokens,
            Some("tool_calls") => FinishReason::ToolCalls,
            Some("content_filter") => FinishReason::ContentFilter,
            other => FinishReason::Other(other.unwrap_or("unknown").to_owned()),
        };
        let started = self.started;
        Ok(Finish {
            usage: self.usage.last().cloned(),
            response_id: started
                .as_ref()
                .and_then(|started| started.response_id.clone()),
            model: started.and_then(|started| started.model),
            ..Finish::new(reason)
        })
    }
}

impl Mapper {
    fn delta(&mut self, delta: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        if let Some(piece) = delta.get("reasoning_content").and_then(Value::bytes) {
            self.thinking.emit(piece, Event::Thinking, out);
        }
        if let Some(piece) = delta.get("content").and_then(Value::bytes) {
            self.text.emit(piece, Event::Text, out);
        }
        let pieces = delta
            .get("tool_calls")
            .map(Value::items)
            .unwrap_or_default();
        pieces.iter().try_for_each(|piece| self.call(piece, out))
    }

    fn call(&mut self, piece: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        let odd = || {
            Error::malformed("The server sent a piece of a tool call without its number or name.")
        };
        let index = piece.get("index").and_then(Value::u64).ok_or_else(odd)?;
        let index = u32::try_from(index).map_err(|_| odd())?;
        let function = |name: &str| piece.get("function")?.get(name)?.text();
        let at = usize::try_from(index).map_err(|_| odd())?;
        if at == self.calls.len() {
            self.calls.push(false);
            out.push(Event::ToolCallStart(CallStart {
                index,
                id: piece.get("id").and_then(Value::text).ok_or_else(odd)?,
                name: function("name").ok_or_else(odd)?,
                extras: Vec::new(),
            }));
        }
        let has_arguments = self.calls.get_mut(at).ok_or_else(odd)?;
        if let Some(text) = function("arguments").filter(|text| !text.is_empty()) {
            *has_arguments = true;
            out.push(arguments(index, text));
        }
        Ok(())
    }
}

fn arguments(index: u32, arguments_json: String) -> Event {
    Event::ToolCallDelta(CallDelta {
        index,
        arguments_json,
    })
}

/// The wire counts cached tokens within the prompt; our buckets hold every token once.
fn usage(counts: &Value<'_>) -> Usage {
    let count = |name: &str| counts.get(name)?.u64();
    let detail = |group: &str, name: &str| counts.get(group)?.get(name)?.u64();
    let cached = detail("prompt_tokens_details", "cached_tokens");
    let reasoned = detail("completion_tokens_details", "reasoning_tokens");
    let without =
        |total: Option<u64>, part: Option<u64>| Some(remainder(total?, part.unwrap_or(0), false));
    Usage {
        input: without(count("prompt_tokens"), cached),
        cache_read: cached,
        output: without(count("completion_tokens"), reasoned),
        reasoning: reasoned,
        raw_json: Some(counts.to_json()),
        ..Usage::unknown()
    }
}
