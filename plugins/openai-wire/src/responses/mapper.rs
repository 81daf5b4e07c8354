//! From this wire's events to the contract's.

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::usage::UsageTracker;
use vale_sdk::{
    Error, Event, EventMapper, Extra, Finish, FinishReason, Flow, Frame, Started, ThinkingEnd,
    errors,
};

use super::failure;
use super::outputs::{Kind, Outputs};
use super::usage;

/// Reads one answer.
#[derive(Debug, Default)]
pub(crate) struct ResponsesMapper {
    started: bool,
    response_id: Option<String>,
    model: Option<String>,
    outputs: Outputs,
    text: TextJoiner,
    thinking: TextJoiner,
    is_thinking: bool,
    refused: bool,
    usage: UsageTracker,
    timings: Option<String>,
    /// How it ended, once that was told.
    ended: Option<FinishReason>,
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
                    self.open(event, item, out);
                }
            }
            b"response.output_text.delta" => {
                if let Some(piece) = text("delta") {
                    let at = self.outputs.at(Kind::Message, event, &Value::Null);
                    self.say(at, piece, out);
                }
            }
            b"response.refusal.delta" => {
                if let Some(piece) = text("delta") {
                    self.refused = true;
                    let at = self.outputs.at(Kind::Message, event, &Value::Null);
                    self.say(at, piece, out);
                }
            }
            b"response.reasoning_summary_part.added" => {
                let at = self.outputs.at(Kind::Reasoning, event, &Value::Null);
                self.paragraph(at, out);
            }
            b"response.reasoning_summary_text.delta" | b"response.reasoning_text.delta" => {
                if let Some(piece) = text("delta") {
                    let at = self.outputs.at(Kind::Reasoning, event, &Value::Null);
                    self.think(at, piece, out);
                }
            }
            b"response.function_call_arguments.delta" => {
                if let Some(piece) = text("delta") {
                    let at = self.outputs.at(Kind::Call, event, &Value::Null);
                    if let Some(item) = self.outputs.get(at) {
                        item.call.piece(piece, out);
                    }
                }
            }
            b"response.function_call_arguments.done" => {
                let at = self.outputs.at(Kind::Call, event, &Value::Null);
                // OpenAI names the function here too.
                self.outputs.call(at, event, out);
                if let (Some(item), Some(whole)) = (
                    self.outputs.get(at),
                    event.get("arguments").and_then(Value::text),
                ) {
                    item.call.whole(&whole, out);
                }
            }
            b"response.output_text.done" | b"response.refusal.done" => {
                let at = self.outputs.at(Kind::Message, event, &Value::Null);
                let unsent = self
                    .outputs
                    .get(at)
                    .is_some_and(|item| item.sent.is_empty());
                self.refused |= text("refusal").is_some();
                if let (true, Some(whole)) = (unsent, text("text").or_else(|| text("refusal"))) {
                    self.say(at, whole, out);
                }
            }
            b"response.output_item.done" => {
                if let Some(item) = event.get("item") {
                    let at = self.outputs.at(Kind::of(item), event, item);
                    self.close(at, item, out)?;
                }
            }
            b"response.completed" | b"response.incomplete" => {
                // llama-server's own speed figures.
                self.timings = event.get("timings").map(Value::to_json);
                if let Some(response) = event.get("response") {
                    self.start(response, out);
                    self.snapshot(response, out)?;
                    self.end(response, kind == b"response.incomplete", out)?;
                }
                return Ok(Flow::Done);
            }
            b"response.failed" => {
                return Err(match event.get("response") {
                    Some(response) => {
                        // What was used is billed all the same.
                        self.count(response, out);
                        failure::of(response)
                    }
                    None => failure::no_reason(),
                });
            }
            b"error" => return Err(failure::of(event)),
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

    fn open(&mut self, event: &Value<'_>, item: &Value<'_>, out: &mut Vec<Event>) {
        let kind = Kind::of(item);
        let at = self.outputs.at(kind, event, item);
        if kind == Kind::Call {
            self.end_thinking(None, None, out);
            self.outputs.call(at, item, out);
        }
    }

    /// An item is whole: what did not come in pieces comes now.
    fn close(&mut self, at: usize, item: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        let Some(open) = self.outputs.get(at) else {
            return Ok(());
        };
        if std::mem::replace(&mut open.is_done, true) {
            return Ok(());
        }
        let sent = std::mem::take(&mut open.sent);
        match Kind::of(item) {
            Kind::Message => {
                let parts = item.get("content").map(Value::items).unwrap_or_default();
                self.refused |= parts.iter().any(|part| part.get("refusal").is_some());
                let texts = parts
                    .iter()
                    .filter_map(|part| part.get("text").or_else(|| part.get("refusal"))?.text());
                let whole: String = texts.collect();
                if let Some(rest) = rest_of(&whole, &sent) {
                    self.text = TextJoiner::default();
                    self.say(at, rest.as_bytes(), out);
                }
            }
            Kind::Reasoning => self.close_reasoning(at, item, &sent, out),
            Kind::Call => {
                self.end_thinking(None, None, out);
                self.outputs.call(at, item, out);
                let whole = item.get("arguments").and_then(Value::text);
                if let Some(open) = self.outputs.get(at) {
                    open.call.end(whole.as_deref(), out)?;
                }
            }
            Kind::Other => {}
        }
        Ok(())
    }

    fn close_reasoning(&mut self, at: usize, item: &Value<'_>, sent: &str, out: &mut Vec<Event>) {
        let parts = |name: &str| {
            let parts = item.get(name).map(Value::items).unwrap_or_default();
            let texts = parts.iter().filter_map(|part| part.get("text")?.text());
            texts.collect::<Vec<_>>().join("\n\n")
        };
        // Whichever of the two came in pieces, else the summary.
        let (summary, content) = (parts("summary"), parts("content"));
        let whole = match summary.is_empty() || !summary.starts_with(sent) {
            true => content,
            false => summary,
        };
        if let Some(rest) = rest_of(&whole, sent) {
            self.thinking = TextJoiner::default();
            self.think(at, rest.as_bytes(), out);
        }
        let id = item.get("id").and_then(Value::text);
        match item.get("encrypted_content").and_then(Value::text) {
            // Sealed without a summary: there is nothing to show, and it must go back.
            Some(sealed) if !self.is_thinking => out.push(Event::RedactedThinking(sealed)),
            sealed => self.end_thinking(id, sealed, out),
        }
    }

    /// The finished answer holds all of it once more: some gateways send nothing else.
    fn snapshot(&mut self, response: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        let items = response.get("output").map(Value::items).unwrap_or_default();
        for (position, item) in items.iter().enumerate() {
            let kind = Kind::of(item);
            let before = items.get(..position).unwrap_or_default();
            let nth = before
                .iter()
                .filter(|other| Kind::of(other) == kind)
                .count();
            let at = self.outputs.nth(kind, nth);
            let at = at.unwrap_or_else(|| self.outputs.at(kind, &Value::Null, item));
            self.close(at, item, out)?;
        }
        Ok(())
    }

    fn say(&mut self, at: usize, text: &[u8], out: &mut Vec<Event>) {
        self.end_thinking(None, None, out);
        let text = self.text.push(text);
        self.note_sent(at, &text);
        if !text.is_empty() {
            out.push(Event::Text(text));
        }
    }

    fn think(&mut self, at: usize, text: &[u8], out: &mut Vec<Event>) {
        self.is_thinking = true;
        let text = self.thinking.push(text);
        self.note_sent(at, &text);
        if !text.is_empty() {
            out.push(Event::Thinking(text));
        }
    }

    /// Keeps what was sent of an item, so that its whole text adds only what is missing.
    fn note_sent(&mut self, at: usize, text: &str) {
        if let Some(item) = self.outputs.get(at) {
            item.sent.push_str(text);
        }
    }

    /// Summaries come in parts, which are paragraphs.
    fn paragraph(&mut self, at: usize, out: &mut Vec<Event>) {
        let has_text = self
            .outputs
            .get(at)
            .is_some_and(|item| !item.sent.is_empty());
        if has_text && self.is_thinking {
            self.think(at, b"\n\n", out);
        }
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

    fn count(&mut self, response: &Value<'_>, out: &mut Vec<Event>) {
        let tier = response.get("service_tier").and_then(Value::text);
        if let Some(wire) = response.get("usage")
            && let Some(usage) = usage::of(wire, tier.as_deref())
        {
            self.usage.update(usage, out);
        }
    }

    fn end(
        &mut self,
        response: &Value<'_>,
        says_incomplete: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), Error> {
        self.count(response, out);
        let why = response
            .get("incomplete_details")
            .and_then(|details| details.get("reason")?.text());
        let status = response.get("status").and_then(Value::text);
        let is_incomplete = says_incomplete || status.as_deref() == Some("incomplete");
        self.ended = Some(match (status.as_deref(), why.as_deref()) {
            (Some("failed"), _) => return Err(failure::of(response)),
            (Some("queued" | "in_progress"), _) if !is_incomplete => {
                return Err(Error::truncated());
            }
            (_, Some("max_output_tokens" | "max_tokens")) => FinishReason::MaxTokens,
            (_, Some("content_filter")) => FinishReason::ContentFilter,
            (Some("cancelled"), _) => FinishReason::Cancelled,
            (_, why) if is_incomplete => {
                FinishReason::Other(why.unwrap_or("incomplete").to_string())
            }
            _ if self.outputs.has_calls() => FinishReason::ToolCalls,
            _ if self.refused => FinishReason::Refusal,
            _ => FinishReason::Stop,
        });
        Ok(())
    }
}

/// What of the whole was not sent yet; none if nothing, or if something else was sent.
fn rest_of<'a>(whole: &'a str, sent: &str) -> Option<&'a str> {
    whole.strip_prefix(sent).filter(|rest| !rest.is_empty())
}

impl EventMapper for ResponsesMapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        let data = frame.data.trim_ascii();
        // Not of this wire, but gateways add it.
        if data == b"[DONE]" || data.is_empty() && frame.event != b"error" {
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
        let has_output = response.get("output").is_some_and(Value::is_array);
        if !(is_response && has_output) {
            return Err(errors::of_frame(body));
        }
        self.start(&response, out);
        self.snapshot(&response, out)?;
        self.end(&response, false, out)
    }

    fn finish(mut self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        self.end_thinking(None, None, out);
        self.text.emit_rest(Event::Text, out);
        let reason = self.ended.ok_or_else(Error::truncated)?;
        self.outputs.end(out)?;
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
