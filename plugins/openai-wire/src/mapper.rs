//! From chunks to events.

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::usage::UsageTracker;
use vale_sdk::{
    Error, ErrorKind, Event, EventMapper, Extra, Finish, FinishReason, Flow, Frame, Started,
    ThinkingEnd, errors,
};

use crate::calls::Calls;
use crate::tokens;

/// Reads one answer.
pub struct ChatMapper {
    started: bool,
    /// Some chunk held a choice: this is Chat Completions, and not another wire.
    has_choices: bool,
    response_id: Option<String>,
    model: Option<String>,
    text: TextJoiner,
    thinking: TextJoiner,
    /// A thinking block is open.
    is_thinking: bool,
    signature: Option<String>,
    thinking_id: Option<String>,
    refused: bool,
    calls: Calls,
    usage: UsageTracker,
    service_tier: Option<String>,
    finish_reason: Option<String>,
    timings: Option<String>,
}

impl ChatMapper {
    /// A mapper for the answer to a conversation of so many messages.
    pub fn new(messages: usize) -> Self {
        Self {
            started: false,
            has_choices: false,
            response_id: None,
            model: None,
            text: TextJoiner::default(),
            thinking: TextJoiner::default(),
            is_thinking: false,
            signature: None,
            thinking_id: None,
            refused: false,
            calls: Calls::new(messages),
            usage: UsageTracker::default(),
            service_tier: None,
            finish_reason: None,
            timings: None,
        }
    }

    fn chunk(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), Error> {
        let chunk = Value::parse(data).filter(Value::is_object);
        let chunk = chunk.ok_or_else(|| errors::not_json(data))?;
        if let Some(error) = errors::in_stream(&chunk) {
            return Err(error);
        }
        self.head(&chunk, out);
        for choice in chunk.get("choices").map(Value::items).unwrap_or_default() {
            self.choice(choice, out);
        }
        if let Some(tier) = chunk.get("service_tier").and_then(Value::text) {
            self.service_tier = Some(tier);
        }
        if let Some(wire) = chunk.get("usage")
            && let Some(usage) = tokens::usage(wire, self.service_tier.as_deref())
        {
            self.usage.update(usage, out);
        }
        // llama-server's own speed figures.
        if let Some(timings) = chunk.get("timings") {
            self.timings = Some(timings.to_json());
        }
        Ok(())
    }

    fn head(&mut self, chunk: &Value<'_>, out: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        self.response_id = chunk.get("id").and_then(Value::text);
        self.model = chunk.get("model").and_then(Value::text);
        // OpenRouter: which upstream answers.
        let provider = chunk.get("provider").filter(|name| name.bytes().is_some());
        out.push(Event::Started(Started {
            response_id: self.response_id.clone(),
            model: self.model.clone(),
            extras: provider
                .map(|name| Extra::new("provider", name.to_json()))
                .into_iter()
                .collect(),
        }));
    }

    fn choice(&mut self, choice: &Value<'_>, out: &mut Vec<Event>) {
        self.has_choices = true;
        // Only one answer was asked for; some servers leave its number out.
        if choice.get("index").and_then(Value::u64).unwrap_or(0) != 0 {
            return;
        }
        if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
            self.delta(delta, out);
        }
        // Repeated by some servers; the first counts.
        if self.finish_reason.is_none() {
            self.finish_reason = choice.get("finish_reason").and_then(Value::text);
        }
    }

    fn delta(&mut self, delta: &Value<'_>, out: &mut Vec<Event>) {
        // llama-server, DeepSeek, LM Studio say the first, OpenRouter and newer vLLM the second;
        // who says both means the same text twice.
        let reasoning = ["reasoning_content", "reasoning"];
        let reasoning = reasoning.iter().find_map(|name| delta.get(name)?.bytes());
        if let Some(text) = reasoning {
            self.think(text, out);
        }
        for detail in delta
            .get("reasoning_details")
            .map(Value::items)
            .unwrap_or_default()
        {
            self.detail(detail, reasoning.is_some(), out);
        }
        if let Some(content) = delta.get("content") {
            self.content(content, out);
        }
        if let Some(refusal) = delta.get("refusal").and_then(Value::bytes) {
            self.refused = true;
            self.say(refusal, out);
        }
        let pieces = delta
            .get("tool_calls")
            .map(Value::items)
            .unwrap_or_default();
        for (position, piece) in pieces.iter().enumerate() {
            self.end_thinking(out);
            self.calls.piece(piece, position, out);
        }
        if let Some(function) = delta.get("function_call") {
            self.end_thinking(out);
            self.calls.legacy(function, out);
        }
    }

    /// `content`: a string, or a list of parts (Mistral's thinking models).
    fn content(&mut self, content: &Value<'_>, out: &mut Vec<Event>) {
        if let Some(text) = content.bytes() {
            self.say(text, out);
        }
        for part in content.items() {
            if let Some(thinking) = part.get("thinking") {
                let inner = thinking.items().iter().filter_map(|part| part.get("text"));
                for text in inner.chain([thinking]).filter_map(Value::bytes) {
                    self.think(text, out);
                }
            }
            if let Some(text) = part.get("text").and_then(Value::bytes) {
                self.say(text, out);
            }
        }
    }

    fn say(&mut self, text: &[u8], out: &mut Vec<Event>) {
        self.end_thinking(out);
        self.text.emit(text, Event::Text, out);
    }

    fn think(&mut self, text: &[u8], out: &mut Vec<Event>) {
        self.is_thinking = true;
        self.thinking.emit(text, Event::Thinking, out);
    }

    /// OpenRouter's reasoning with what must go back unchanged.
    fn detail(&mut self, detail: &Value<'_>, is_told: bool, out: &mut Vec<Event>) {
        let field = |name: &str| detail.get(name).filter(|value| value.bytes().is_some());
        if field("type").and_then(Value::bytes) == Some(b"reasoning.encrypted") {
            if let Some(data) = field("data").and_then(Value::text) {
                self.end_thinking(out);
                out.push(Event::RedactedThinking(data));
            }
            return;
        }
        let text = field("text")
            .or_else(|| field("summary"))
            .and_then(Value::bytes);
        if let (Some(text), false) = (text, is_told) {
            self.think(text, out);
        }
        if let Some(signature) = field("signature").and_then(Value::text) {
            self.is_thinking = true;
            self.signature = Some(signature);
        }
        if let Some(id) = field("id").and_then(Value::text) {
            self.thinking_id = Some(id);
        }
    }

    fn end_thinking(&mut self, out: &mut Vec<Event>) {
        if !std::mem::take(&mut self.is_thinking) {
            return;
        }
        self.thinking.emit_rest(Event::Thinking, out);
        out.push(Event::ThinkingEnd(ThinkingEnd {
            id: self.thinking_id.take(),
            signature: self.signature.take(),
            extras: Vec::new(),
        }));
    }

    fn reason(&self, has_calls: bool) -> Result<FinishReason, Error> {
        Ok(match self.finish_reason.as_deref() {
            Some("length" | "max_tokens") => FinishReason::MaxTokens,
            Some("tool_calls" | "function_call" | "tool_use") => FinishReason::ToolCalls,
            Some("content_filter" | "safety") => FinishReason::ContentFilter,
            Some("error") => {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "The server broke off its answer and gave no reason.",
                ));
            }
            // Several servers end a round of calls with `stop`; without a word, the calls are the
            // evidence.
            Some("stop" | "eos" | "end_turn" | "stop_sequence") | None if has_calls => {
                FinishReason::ToolCalls
            }
            Some("stop" | "eos" | "end_turn" | "stop_sequence") | None if self.refused => {
                FinishReason::Refusal
            }
            Some("stop" | "eos" | "end_turn" | "stop_sequence") => FinishReason::Stop,
            // `[DONE]` after some answer is an end; after nothing at all it says nothing.
            None if self.has_choices => FinishReason::Stop,
            None if self.started => {
                return Err(Error::malformed(
                    "The server's answer holds no choices; it may speak another protocol than Chat \
                     Completions.",
                ));
            }
            None => FinishReason::Other("unknown".into()),
            Some(other) => FinishReason::Other(other.to_string()),
        })
    }
}

impl EventMapper for ChatMapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        let data = frame.data.trim_ascii();
        if data == b"[DONE]" {
            return Ok(Flow::Done);
        }
        if frame.event == b"error" {
            return Err(errors::of_frame(data));
        }
        if !data.is_empty() {
            self.chunk(data, out)?;
        }
        Ok(Flow::Continue)
    }

    fn on_whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), Error> {
        self.chunk(body, out)?;
        if self.finish_reason.is_some() {
            Ok(())
        } else {
            Err(errors::of_frame(body))
        }
    }

    /// Not every server sends `[DONE]`; a finish reason says that the answer is whole.
    fn is_whole_without_marker(&self) -> bool {
        self.finish_reason.is_some()
    }

    fn finish(mut self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        self.end_thinking(out);
        self.text.emit_rest(Event::Text, out);
        let has_calls = !self.calls.is_empty();
        self.calls.end(out)?;
        let reason = self.reason(has_calls)?;
        let timings = self.timings.map(|json| Extra::new("timings", json));
        Ok(Finish {
            usage: self.usage.last().cloned(),
            response_id: self.response_id,
            model: self.model,
            extras: timings.into_iter().collect(),
            ..Finish::new(reason)
        })
    }
}
