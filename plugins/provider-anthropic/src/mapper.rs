//! From this wire's events to the contract's.

use std::collections::BTreeMap;

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::usage::UsageTracker;
use vale_sdk::{
    Error, Event, EventMapper, Extra, Finish, FinishReason, Flow, Frame, Started, errors,
};

use crate::errors::of_event;
use crate::open_block::{OpenBlock, Thinking};
use crate::usage::Counts;

/// Reads one answer.
#[derive(Debug, Default)]
pub struct MessagesMapper {
    /// An event of this wire has come: it is Messages, and not another.
    is_ours: bool,
    started: bool,
    response_id: Option<String>,
    model: Option<String>,
    /// Open blocks by their number.
    blocks: BTreeMap<u64, OpenBlock>,
    calls: u32,
    /// Makes ids that no other answer of this conversation makes.
    salt: usize,
    counts: Counts,
    usage: UsageTracker,
    stop_reason: Option<String>,
    /// `stop_sequence` and `stop_details`, as JSON text.
    stop_extras: Vec<Extra>,
}

impl MessagesMapper {
    /// A mapper for the answer to a conversation of so many messages.
    pub fn new(messages: usize) -> Self {
        Self {
            salt: messages,
            ..Self::default()
        }
    }

    /// One event of this kind.
    fn event(
        &mut self,
        kind: &[u8],
        event: &Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<Flow, Error> {
        let number = event.get("index").and_then(Value::u64).unwrap_or(0);
        let is_known = matches!(
            kind,
            b"message_start"
                | b"content_block_start"
                | b"content_block_delta"
                | b"content_block_stop"
                | b"message_delta"
                | b"message_stop"
        );
        self.is_ours |= is_known && kind != b"message_stop";
        match kind {
            b"ping" => out.push(Event::Ping),
            b"message_stop" => return Ok(Flow::Done),
            // New kinds come without a new version and must be ignored, but no answer begins with
            // one: that is another protocol.
            _ if !self.is_ours => return Err(not_ours()),
            b"message_start" => {
                if let Some(message) = event.get("message") {
                    self.start(message, out);
                }
            }
            b"content_block_start" => {
                if let Some(block) = event.get("content_block") {
                    self.open(number, block, out)?;
                }
            }
            b"content_block_delta" => {
                if let Some(delta) = event.get("delta") {
                    self.delta(number, delta, out)?;
                }
            }
            b"content_block_stop" => self.close(number, out),
            b"message_delta" => {
                if let Some(delta) = event.get("delta") {
                    self.stopped(delta);
                }
                self.count(event, out);
            }
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn start(&mut self, message: &Value<'_>, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            self.response_id = message.get("id").and_then(Value::text);
            self.model = message.get("model").and_then(Value::text);
            out.push(Event::Started(Started {
                response_id: self.response_id.clone(),
                model: self.model.clone(),
                extras: Vec::new(),
            }));
        }
        self.count(message, out);
    }

    /// `stop_reason` and what explains it.
    fn stopped(&mut self, delta: &Value<'_>) {
        if let Some(reason) = delta.get("stop_reason").and_then(Value::text) {
            self.stop_reason = Some(reason);
        }
        for (name, field) in [
            ("stop-sequence", "stop_sequence"),
            ("stop-details", "stop_details"),
        ] {
            if let Some(value) = delta.get(field) {
                self.stop_extras.retain(|extra| extra.name != name);
                self.stop_extras.push(Extra::new(name, value.to_json()));
            }
        }
    }

    fn count(&mut self, holder: &Value<'_>, out: &mut Vec<Event>) {
        let usage = holder.get("usage");
        if let Some(usage) = usage.and_then(|usage| self.counts.take(usage)) {
            self.usage.update(usage, out);
        }
    }

    fn open(&mut self, number: u64, start: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        // A server that forgets an end has begun another block all the same.
        self.close(number, out);
        let done = self.blocks.iter();
        let done = done.filter(|(_, block)| block.ends_with_the_next());
        let done: Vec<u64> = done.map(|(number, _)| *number).collect();
        for number in done {
            self.close(number, out);
        }
        let block = OpenBlock::begin(start, &mut self.calls, self.salt, out)?;
        self.blocks.insert(number, block);
        Ok(())
    }

    fn delta(&mut self, number: u64, delta: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        let bytes = |name: &str| delta.get(name).and_then(Value::bytes).unwrap_or_default();
        let text = || OpenBlock::Text(TextJoiner::default());
        let thinking = || OpenBlock::Thinking(Thinking::default());
        match bytes("type") {
            b"text_delta" => {
                let block = self.blocks.entry(number).or_insert_with(text);
                block.text(bytes("text"), out);
            }
            b"thinking_delta" => {
                let block = self.blocks.entry(number).or_insert_with(thinking);
                block.thinking(bytes("thinking"), out);
            }
            b"signature_delta" => {
                if let Some(signature) = delta.get("signature").and_then(Value::text) {
                    let block = self.blocks.entry(number).or_insert_with(thinking);
                    block.sign(signature);
                }
            }
            b"input_json_delta" => match self.blocks.get_mut(&number) {
                Some(block) => block.input(bytes("partial_json"), out),
                None => {
                    return Err(Error::malformed(
                        "The server sent a piece of a tool call that it never began.",
                    ));
                }
            },
            // Citations, and kinds that come later.
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, number: u64, out: &mut Vec<Event>) {
        if let Some(block) = self.blocks.remove(&number) {
            block.end(out);
        }
    }

    fn reason(&self) -> FinishReason {
        match self.stop_reason.as_deref() {
            // Gateways end a round of calls with other words; the calls are the evidence.
            Some("end_turn" | "stop_sequence" | "tool_use") | None if self.calls > 0 => {
                FinishReason::ToolCalls
            }
            Some("end_turn" | "stop_sequence") | None => FinishReason::Stop,
            Some("max_tokens" | "model_context_window_exceeded") => FinishReason::MaxTokens,
            Some("pause_turn") => FinishReason::Paused,
            Some("refusal") => FinishReason::Refusal,
            Some(other) => FinishReason::Other(other.to_string()),
        }
    }
}

impl EventMapper for MessagesMapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        let data = frame.data.trim_ascii();
        if frame.event == b"error" {
            return Err(of_event(data));
        }
        if data.is_empty() {
            return Ok(Flow::Continue);
        }
        let event = Value::parse(data).filter(Value::is_object);
        let event = event.ok_or_else(|| errors::not_json(data))?;
        let kind = event.get("type").and_then(Value::bytes);
        let kind = kind.unwrap_or(frame.event);
        if kind == b"error" || event.get("error").is_some() {
            return Err(of_event(data));
        }
        self.event(kind, &event, out)
    }

    /// The message as one JSON object, as gateways send it that do not stream.
    fn on_whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), Error> {
        let message = Value::parse(body).ok_or_else(|| errors::not_json(body))?;
        let is_message = message.get("type").and_then(Value::bytes) == Some(b"message");
        let content = message.get("content").filter(|content| content.is_array());
        let (true, Some(content)) = (is_message, content) else {
            return Err(of_event(body));
        };
        self.is_ours = true;
        self.start(&message, out);
        for (number, block) in (0_u64..).zip(content.items()) {
            self.open(number, block, out)?;
            self.close(number, out);
        }
        self.stopped(&message);
        Ok(())
    }

    fn finish(mut self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        if !self.is_ours {
            return Err(not_ours());
        }
        for (_, block) in std::mem::take(&mut self.blocks) {
            block.end(out);
        }
        let reason = self.reason();
        let mut extras = self.stop_extras;
        if self.stop_reason.as_deref() == Some("model_context_window_exceeded") {
            // The contract has one word for both limits; this one is not the request's.
            let json = vale_sdk::json::quoted("model_context_window_exceeded");
            extras.push(Extra::new("stop-reason", json));
        }
        Ok(Finish {
            usage: self.usage.last().cloned(),
            response_id: self.response_id,
            model: self.model,
            extras,
            ..Finish::new(reason)
        })
    }
}

fn not_ours() -> Error {
    Error::malformed(
        "The server's answer is none of Anthropic's Messages API; it may speak another protocol.",
    )
}
