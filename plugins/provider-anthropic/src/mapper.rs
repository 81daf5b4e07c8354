//! From this wire's events to the contract's.

use std::collections::BTreeMap;

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::usage::UsageTracker;
use vale_sdk::{
    CallDelta, CallEnd, CallStart, Error, Event, EventMapper, Extra, Finish, FinishReason, Flow,
    Frame, Started, ThinkingEnd, errors,
};

use crate::errors::of_event;
use crate::usage::Counts;

/// Reads one answer.
#[derive(Debug, Default)]
pub struct MessagesMapper {
    /// Some event of this wire came: it is Messages, and not another.
    is_ours: bool,
    response_id: Option<String>,
    model: Option<String>,
    /// Open blocks by their number.
    blocks: BTreeMap<u64, Block>,
    calls: u32,
    text: TextJoiner,
    thinking: TextJoiner,
    counts: Counts,
    usage: UsageTracker,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
}

#[derive(Debug)]
enum Block {
    Text,
    Thinking {
        signature: String,
    },
    Call {
        index: u32,
        joiner: TextJoiner,
        has_arguments: bool,
    },
    /// Of a kind that says nothing to a person.
    Other,
}

impl MessagesMapper {
    fn event(&mut self, kind: &[u8], event: &Value<'_>, out: &mut Vec<Event>) -> Flow {
        let number = event.get("index").and_then(Value::u64).unwrap_or(0);
        match kind {
            b"message_start" => {
                if let Some(message) = event.get("message") {
                    self.start(message, out);
                }
            }
            b"content_block_start" => {
                if let Some(block) = event.get("content_block") {
                    self.open(number, block, out);
                }
            }
            b"content_block_delta" => {
                if let Some(delta) = event.get("delta") {
                    self.delta(number, delta, out);
                }
            }
            b"content_block_stop" => self.close(number, out),
            b"message_delta" => {
                if let Some(delta) = event.get("delta") {
                    self.stopped(delta);
                }
                if let Some(usage) = event.get("usage") {
                    self.count(usage, out);
                }
            }
            b"message_stop" => return Flow::Done,
            b"ping" => out.push(Event::Ping),
            // New kinds come without a new version; they must be ignored.
            _ => {}
        }
        Flow::Continue
    }

    fn start(&mut self, message: &Value<'_>, out: &mut Vec<Event>) {
        self.is_ours = true;
        self.response_id = message.get("id").and_then(Value::text);
        self.model = message.get("model").and_then(Value::text);
        out.push(Event::Started(Started {
            response_id: self.response_id.clone(),
            model: self.model.clone(),
            extras: Vec::new(),
        }));
        if let Some(usage) = message.get("usage") {
            self.count(usage, out);
        }
    }

    fn stopped(&mut self, delta: &Value<'_>) {
        self.is_ours = true;
        if let Some(reason) = delta.get("stop_reason").and_then(Value::text) {
            self.stop_reason = Some(reason);
        }
        if let Some(sequence) = delta.get("stop_sequence").and_then(Value::text) {
            self.stop_sequence = Some(sequence);
        }
    }

    fn count(&mut self, usage: &Value<'_>, out: &mut Vec<Event>) {
        if let Some(usage) = self.counts.take(usage) {
            self.usage.update(usage, out);
        }
    }

    fn open(&mut self, number: u64, block: &Value<'_>, out: &mut Vec<Event>) {
        self.is_ours = true;
        // A server that forgets the end of a block has begun another all the same.
        self.close(number, out);
        let bytes = |name: &str| block.get(name).and_then(Value::bytes);
        let opened = match bytes("type") {
            Some(b"text") => {
                if let Some(text) = bytes("text") {
                    self.text.emit(text, Event::Text, out);
                }
                Block::Text
            }
            Some(b"thinking") => {
                if let Some(text) = bytes("thinking") {
                    self.thinking.emit(text, Event::Thinking, out);
                }
                let signature = block.get("signature").and_then(Value::text);
                Block::Thinking {
                    signature: signature.unwrap_or_default(),
                }
            }
            Some(b"redacted_thinking") => {
                if let Some(data) = block.get("data").and_then(Value::text) {
                    out.push(Event::RedactedThinking(data));
                }
                Block::Other
            }
            Some(b"tool_use") => self.open_call(block, out),
            _ => {
                out.push(Event::Other(Extra::new("content-block", block.to_json())));
                Block::Other
            }
        };
        self.blocks.insert(number, opened);
    }

    fn open_call(&mut self, block: &Value<'_>, out: &mut Vec<Event>) -> Block {
        let text = |name: &str| block.get(name).and_then(Value::text).unwrap_or_default();
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        out.push(Event::ToolCallStart(CallStart {
            index,
            id: text("id"),
            name: text("name"),
            extras: Vec::new(),
        }));
        // Some servers send the whole input here and no pieces after it.
        let input = block
            .get("input")
            .filter(|input| !input.members().is_empty());
        if let Some(input) = input {
            out.push(Event::ToolCallDelta(CallDelta {
                index,
                arguments_json: input.to_json(),
            }));
        }
        Block::Call {
            index,
            joiner: TextJoiner::default(),
            has_arguments: input.is_some(),
        }
    }

    fn delta(&mut self, number: u64, delta: &Value<'_>, out: &mut Vec<Event>) {
        let bytes = |name: &str| delta.get(name).and_then(Value::bytes);
        match bytes("type") {
            Some(b"text_delta") => {
                if let Some(text) = bytes("text") {
                    self.text.emit(text, Event::Text, out);
                }
            }
            Some(b"thinking_delta") => {
                if let Some(text) = bytes("thinking") {
                    self.thinking.emit(text, Event::Thinking, out);
                }
            }
            Some(b"signature_delta") => {
                if let (Some(Block::Thinking { signature }), Some(piece)) = (
                    self.blocks.get_mut(&number),
                    delta.get("signature").and_then(Value::text),
                ) {
                    signature.push_str(&piece);
                }
            }
            Some(b"input_json_delta") => {
                if let (
                    Some(Block::Call {
                        index,
                        joiner,
                        has_arguments,
                    }),
                    Some(piece),
                ) = (self.blocks.get_mut(&number), bytes("partial_json"))
                {
                    let arguments_json = joiner.push(piece);
                    if !arguments_json.is_empty() {
                        *has_arguments |= !arguments_json.trim().is_empty();
                        out.push(Event::ToolCallDelta(CallDelta {
                            index: *index,
                            arguments_json,
                        }));
                    }
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, number: u64, out: &mut Vec<Event>) {
        match self.blocks.remove(&number) {
            Some(Block::Text) => self.text.emit_rest(Event::Text, out),
            Some(Block::Thinking { signature }) => {
                self.thinking.emit_rest(Event::Thinking, out);
                out.push(Event::ThinkingEnd(ThinkingEnd {
                    id: None,
                    signature: (!signature.is_empty()).then_some(signature),
                    extras: Vec::new(),
                }));
            }
            Some(Block::Call {
                index,
                mut joiner,
                has_arguments,
            }) => {
                let mut rest = joiner.finish();
                if !has_arguments && rest.trim().is_empty() {
                    rest = "{}".into();
                }
                if !rest.is_empty() {
                    out.push(Event::ToolCallDelta(CallDelta {
                        index,
                        arguments_json: rest,
                    }));
                }
                out.push(Event::ToolCallEnd(CallEnd {
                    index,
                    signature: None,
                    extras: Vec::new(),
                }));
            }
            Some(Block::Other) | None => {}
        }
    }

    fn reason(&self) -> Result<FinishReason, Error> {
        Ok(match self.stop_reason.as_deref() {
            Some("end_turn" | "stop_sequence") => FinishReason::Stop,
            Some("max_tokens" | "model_context_window_exceeded") => FinishReason::MaxTokens,
            Some("tool_use") => FinishReason::ToolCalls,
            Some("pause_turn") => FinishReason::Paused,
            Some("refusal") => FinishReason::Refusal,
            Some(other) => FinishReason::Other(other.to_string()),
            None if self.calls > 0 => FinishReason::ToolCalls,
            None if self.is_ours => FinishReason::Stop,
            None => {
                return Err(Error::malformed(
                    "The server's answer is not one of Anthropic's Messages API.",
                ));
            }
        })
    }
}

impl EventMapper for MessagesMapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(Flow::Continue);
        }
        if frame.event == b"error" {
            return Err(of_event(data));
        }
        let event = Value::parse(data).filter(Value::is_object);
        let event = event.ok_or_else(|| errors::not_json(data))?;
        let kind = event
            .get("type")
            .and_then(Value::bytes)
            .unwrap_or(frame.event);
        if kind == b"error" || errors::in_stream(&event).is_some() {
            return Err(of_event(data));
        }
        Ok(self.event(kind, &event, out))
    }

    /// The message as one JSON object, as gateways send it that do not stream.
    fn on_whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), Error> {
        let message = Value::parse(body).ok_or_else(|| errors::not_json(body))?;
        let is_message = message.get("type").and_then(Value::bytes) == Some(b"message");
        let content = message.get("content").filter(|content| content.is_array());
        let (true, Some(content)) = (is_message, content) else {
            return Err(of_event(body));
        };
        self.start(&message, out);
        for (number, block) in (0_u64..).zip(content.items()) {
            self.open(number, block, out);
            self.close(number, out);
        }
        self.stopped(&message);
        Ok(())
    }

    fn finish(mut self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        let open: Vec<u64> = self.blocks.keys().copied().collect();
        for number in open {
            self.close(number, out);
        }
        let reason = self.reason()?;
        let sequence = self.stop_sequence.as_deref();
        let extras = sequence.map(|text| Extra::new("stop-sequence", vale_sdk::json::quoted(text)));
        Ok(Finish {
            usage: self.usage.last().cloned(),
            response_id: self.response_id,
            model: self.model,
            extras: extras.into_iter().collect(),
            ..Finish::new(reason)
        })
    }
}
