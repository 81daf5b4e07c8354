//! From this wire's events to the contract's. Items are known by their id: some servers leave out
//! every number.

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::usage::UsageTracker;
use vale_sdk::{
    CallDelta, CallEnd, CallStart, Error, ErrorKind, Event, EventMapper, Finish, FinishReason,
    Flow, Frame, Started, ThinkingEnd, errors,
};

use super::usage;

/// Reads one answer.
#[derive(Debug, Default)]
pub(crate) struct ResponsesMapper {
    started: bool,
    response_id: Option<String>,
    model: Option<String>,
    items: Vec<Item>,
    calls: u32,
    text: TextJoiner,
    thinking: TextJoiner,
    is_thinking: bool,
    refused: bool,
    usage: UsageTracker,
    /// How it ended, once that was told.
    ended: Option<FinishReason>,
}

/// An output item that has begun.
#[derive(Debug)]
struct Item {
    /// Its id, or its number in words where it has none.
    key: String,
    kind: Kind,
    /// Something of it has come in pieces.
    has_pieces: bool,
    is_done: bool,
}

#[derive(Debug)]
enum Kind {
    Message,
    Reasoning,
    Call { index: u32, joiner: TextJoiner },
    Other,
}

impl ResponsesMapper {
    fn event(
        &mut self,
        kind: &[u8],
        event: &Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<Flow, Error> {
        let text = |name: &str| event.get(name).and_then(Value::bytes);
        match kind {
            b"response.created" | b"response.in_progress" | b"response.queued" => {
                if let Some(response) = event.get("response") {
                    self.start(response, out);
                }
            }
            b"response.output_item.added" => {
                if let Some(item) = event.get("item") {
                    self.open(key(event, item), item, out);
                }
            }
            b"response.output_text.delta" => {
                if let Some(piece) = text("delta") {
                    self.piece_of(event);
                    self.say(piece, out);
                }
            }
            b"response.refusal.delta" => {
                if let Some(piece) = text("delta") {
                    self.refused = true;
                    self.piece_of(event);
                    self.say(piece, out);
                }
            }
            b"response.reasoning_summary_part.added" => self.part_of_thinking(event, out),
            b"response.reasoning_summary_text.delta" | b"response.reasoning_text.delta" => {
                if let Some(piece) = text("delta") {
                    self.piece_of(event);
                    self.think(piece, out);
                }
            }
            b"response.function_call_arguments.delta" => {
                if let Some(piece) = text("delta") {
                    self.arguments(event, piece, out);
                }
            }
            b"response.output_item.done" => {
                if let Some(item) = event.get("item") {
                    self.close(&key(event, item), item, out);
                }
            }
            b"response.completed" | b"response.incomplete" => {
                if let Some(response) = event.get("response") {
                    self.start(response, out);
                    self.end(response, out)?;
                }
                return Ok(Flow::Done);
            }
            b"response.failed" => {
                let response = event.get("response");
                return Err(response.map_or_else(no_reason, |response| failed(response)));
            }
            b"error" => return Err(of_error(event)),
            // There are more than fifty kinds, and new ones come without notice.
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn start(&mut self, response: &Value<'_>, out: &mut Vec<Event>) {
        if let Some(model) = response.get("model").and_then(Value::text) {
            self.model = Some(model);
        }
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.response_id = response.get("id").and_then(Value::text);
        out.push(Event::Started(Started {
            response_id: self.response_id.clone(),
            model: self.model.clone(),
            extras: Vec::new(),
        }));
    }

    fn open(&mut self, key: String, item: &Value<'_>, out: &mut Vec<Event>) {
        let text = |name: &str| item.get(name).and_then(Value::text);
        let kind = match item.get("type").and_then(Value::bytes) {
            Some(b"message") => Kind::Message,
            Some(b"reasoning") => Kind::Reasoning,
            Some(b"function_call") => {
                self.end_thinking(None, None, out);
                let index = self.calls;
                self.calls = self.calls.saturating_add(1);
                out.push(Event::ToolCallStart(CallStart {
                    index,
                    // What answers the call; the item's own id does not.
                    id: text("call_id").or_else(|| text("id")).unwrap_or_default(),
                    name: text("name").unwrap_or_default(),
                    extras: Vec::new(),
                }));
                Kind::Call {
                    index,
                    joiner: TextJoiner::default(),
                }
            }
            _ => Kind::Other,
        };
        self.items.push(Item {
            key,
            kind,
            has_pieces: false,
            is_done: false,
        });
    }

    /// The item that an event is about.
    fn item(&mut self, event: &Value<'_>) -> Option<&mut Item> {
        let wanted = key(event, &Value::Null);
        let at = self.items.iter().rposition(|item| item.key == wanted);
        // Some servers name the item otherwise in its pieces: then it is the last one.
        let at = at.or_else(|| self.items.len().checked_sub(1))?;
        self.items.get_mut(at)
    }

    fn piece_of(&mut self, event: &Value<'_>) {
        if let Some(item) = self.item(event) {
            item.has_pieces = true;
        }
    }

    /// Summaries come in parts, which are paragraphs.
    fn part_of_thinking(&mut self, event: &Value<'_>, out: &mut Vec<Event>) {
        let has_pieces = self.item(event).is_some_and(|item| item.has_pieces);
        if has_pieces && self.is_thinking {
            self.think(b"\n\n", out);
        }
    }

    fn arguments(&mut self, event: &Value<'_>, piece: &[u8], out: &mut Vec<Event>) {
        let Some(item) = self.item(event) else { return };
        let Kind::Call { index, joiner } = &mut item.kind else {
            return;
        };
        let arguments_json = joiner.push(piece);
        if !arguments_json.is_empty() {
            item.has_pieces = true;
            out.push(Event::ToolCallDelta(CallDelta {
                index: *index,
                arguments_json,
            }));
        }
    }

    /// An item is whole: what did not come in pieces comes now.
    fn close(&mut self, key: &str, item: &Value<'_>, out: &mut Vec<Event>) {
        let at = self
            .items
            .iter()
            .rposition(|open| open.key == key && !open.is_done);
        let at = at.unwrap_or_else(|| {
            self.open(key.to_string(), item, out);
            self.items.len() - 1
        });
        let Some(open) = self.items.get_mut(at) else {
            return;
        };
        open.is_done = true;
        let has_pieces = open.has_pieces;
        match &mut open.kind {
            Kind::Message if has_pieces => {}
            Kind::Message => {
                for part in item.get("content").map(Value::items).unwrap_or_default() {
                    self.refused |= part.get("refusal").is_some();
                    let text = part.get("text").or_else(|| part.get("refusal"));
                    if let Some(text) = text.and_then(Value::bytes) {
                        self.say(text, out);
                    }
                }
            }
            Kind::Reasoning => self.close_reasoning(item, has_pieces, out),
            Kind::Call { index, joiner } => {
                let index = *index;
                let mut rest = joiner.finish();
                if !has_pieces && rest.is_empty() {
                    let whole = item.get("arguments").and_then(Value::text);
                    rest = whole
                        .filter(|json| !json.trim().is_empty())
                        .unwrap_or("{}".into());
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
            Kind::Other => {}
        }
    }

    fn close_reasoning(&mut self, item: &Value<'_>, has_pieces: bool, out: &mut Vec<Event>) {
        if !has_pieces {
            let parts = ["summary", "content"]
                .iter()
                .filter_map(|name| item.get(name));
            for (at, part) in parts.flat_map(Value::items).enumerate() {
                if let Some(text) = part.get("text").and_then(Value::bytes) {
                    if at > 0 {
                        self.think(b"\n\n", out);
                    }
                    self.think(text, out);
                }
            }
        }
        let sealed = item.get("encrypted_content").and_then(Value::text);
        let sealed = sealed.filter(|sealed| !sealed.is_empty());
        let id = item.get("id").and_then(Value::text);
        match sealed {
            // Sealed without a summary: there is nothing to show, and it must go back.
            Some(sealed) if !self.is_thinking => {
                out.push(Event::RedactedThinking(sealed));
            }
            sealed => self.end_thinking(id, sealed, out),
        }
    }

    fn say(&mut self, text: &[u8], out: &mut Vec<Event>) {
        self.end_thinking(None, None, out);
        self.text.emit(text, Event::Text, out);
    }

    fn think(&mut self, text: &[u8], out: &mut Vec<Event>) {
        self.is_thinking = true;
        self.thinking.emit(text, Event::Thinking, out);
    }

    fn end_thinking(
        &mut self,
        id: Option<String>,
        signature: Option<String>,
        out: &mut Vec<Event>,
    ) {
        if std::mem::take(&mut self.is_thinking) {
            self.thinking.emit_rest(Event::Thinking, out);
            out.push(Event::ThinkingEnd(ThinkingEnd {
                // An id without a seal finds nothing there: nothing was stored.
                id: signature.is_some().then_some(id).flatten(),
                signature,
                extras: Vec::new(),
            }));
        }
    }

    fn end(&mut self, response: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        let tier = response.get("service_tier").and_then(Value::text);
        if let Some(wire) = response.get("usage")
            && let Some(usage) = usage::of(wire, tier.as_deref())
        {
            self.usage.update(usage, out);
        }
        let why = response
            .get("incomplete_details")
            .and_then(|details| details.get("reason")?.text());
        let status = response.get("status").and_then(Value::text);
        self.ended = Some(match (status.as_deref(), why.as_deref()) {
            (_, Some("max_output_tokens" | "max_tokens")) => FinishReason::MaxTokens,
            (_, Some("content_filter")) => FinishReason::ContentFilter,
            (Some("failed"), _) => return Err(failed(response)),
            (Some("cancelled"), _) => FinishReason::Cancelled,
            (Some("incomplete"), Some(other)) => FinishReason::Other(other.to_string()),
            _ if self.calls > 0 => FinishReason::ToolCalls,
            _ if self.refused => FinishReason::Refusal,
            _ => FinishReason::Stop,
        });
        Ok(())
    }
}

/// An item's id; where an event has none, its number.
fn key(event: &Value<'_>, item: &Value<'_>) -> String {
    let id = event.get("item_id").or_else(|| item.get("id"));
    let number = || Some(format!("#{}", event.get("output_index")?.u64()?));
    id.and_then(Value::text).or_else(number).unwrap_or_default()
}

/// `response.failed`: the reason is inside.
fn failed(response: &Value<'_>) -> Error {
    errors::in_stream(response).unwrap_or_else(no_reason)
}

/// `error`: the reason is the event itself, or inside of it.
fn of_error(event: &Value<'_>) -> Error {
    errors::in_stream(event).unwrap_or_else(no_reason)
}

fn no_reason() -> Error {
    Error::new(
        ErrorKind::Internal,
        "The server broke off its answer and gave no reason.",
    )
}

impl EventMapper for ResponsesMapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        let data = frame.data.trim_ascii();
        // Not of this wire, but gateways add it.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(Flow::Continue);
        }
        let event = Value::parse(data).filter(Value::is_object);
        let event = event.ok_or_else(|| errors::not_json(data))?;
        let kind = event.get("type").and_then(Value::bytes);
        match kind {
            Some(kind) => self.event(kind, &event, out),
            None if frame.event.is_empty() || frame.event == b"error" => {
                Err(errors::of_frame(data))
            }
            None => self.event(frame.event, &event, out),
        }
    }

    fn on_whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), Error> {
        let response = Value::parse(body).ok_or_else(|| errors::not_json(body))?;
        let is_response = response.get("object").and_then(Value::bytes) == Some(b"response");
        let output = response.get("output").filter(|output| output.is_array());
        let (true, Some(output)) = (is_response, output) else {
            return Err(errors::of_frame(body));
        };
        self.start(&response, out);
        for (number, item) in output.items().iter().enumerate() {
            self.close(&format!("#{number}"), item, out);
        }
        self.end(&response, out)
    }

    fn finish(mut self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        self.end_thinking(None, None, out);
        self.text.emit_rest(Event::Text, out);
        let reason = self.ended.ok_or_else(Error::truncated)?;
        Ok(Finish {
            usage: self.usage.last().cloned(),
            response_id: self.response_id,
            model: self.model,
            ..Finish::new(reason)
        })
    }
}
