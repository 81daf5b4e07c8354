//! A content block of an answer, from its start over its pieces to its end.

use vale_sdk::json::{Value, quoted};
use vale_sdk::text::TextJoiner;
use vale_sdk::{CallDelta, CallEnd, CallStart, Error, Event, Extra, ThinkingEnd};

use crate::blocks::CONTENT_BLOCK;

/// A block that has begun and not ended.
#[derive(Debug)]
pub(crate) enum OpenBlock {
    Text(TextJoiner),
    Thinking(Thinking),
    Call(Call),
    /// Of a kind that the contract has no word for: a search that the server makes, its results,
    /// and whatever comes next.
    Other(Other),
}

#[derive(Debug, Default)]
pub(crate) struct Thinking {
    joiner: TextJoiner,
    has_text: bool,
    signature: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Call {
    index: u32,
    joiner: TextJoiner,
    /// The input as the block's start has it; counts if no pieces follow.
    whole: Option<String>,
    has_pieces: bool,
}

#[derive(Debug)]
pub(crate) struct Other {
    /// The block as its start has it, as JSON text.
    start: String,
    /// The pieces of its input.
    input: Vec<u8>,
}

impl OpenBlock {
    /// Begins a block as its start has it.
    ///
    /// # Errors
    /// `malformed-response` for a tool call without a name.
    pub(crate) fn begin(
        start: &Value<'_>,
        calls: &mut u32,
        salt: usize,
        out: &mut Vec<Event>,
    ) -> Result<Self, Error> {
        let bytes = |name: &str| start.get(name).and_then(Value::bytes);
        let mut block = match bytes("type") {
            Some(b"text") => Self::Text(TextJoiner::default()),
            Some(b"thinking") => Self::Thinking(Thinking::default()),
            Some(b"tool_use") => Self::Call(Call::begin(start, calls, salt, out)?),
            _ => Self::Other(Other {
                start: start.to_json(),
                input: Vec::new(),
            }),
        };
        match &mut block {
            Self::Text(_) => block.text(bytes("text").unwrap_or_default(), out),
            Self::Thinking(thinking) => {
                thinking.piece(bytes("thinking").unwrap_or_default(), out);
                thinking.signature = start.get("signature").and_then(Value::text);
            }
            Self::Call(_) | Self::Other(_) => {}
        }
        Ok(block)
    }

    /// A piece of text; of no use to another block than a text.
    pub(crate) fn text(&mut self, piece: &[u8], out: &mut Vec<Event>) {
        if let Self::Text(joiner) = self {
            joiner.emit(piece, Event::Text, out);
        }
    }

    /// A piece of thinking.
    pub(crate) fn thinking(&mut self, piece: &[u8], out: &mut Vec<Event>) {
        if let Self::Thinking(thinking) = self {
            thinking.piece(piece, out);
        }
    }

    /// The seal of this thinking. It comes whole; of two the last counts, as in the official SDKs.
    pub(crate) fn sign(&mut self, signature: String) {
        if let Self::Thinking(thinking) = self {
            thinking.signature = Some(signature);
        }
    }

    /// A piece of a tool's input.
    pub(crate) fn input(&mut self, piece: &[u8], out: &mut Vec<Event>) {
        match self {
            Self::Call(call) => call.piece(piece, out),
            Self::Other(other) => other.input.extend_from_slice(piece),
            Self::Text(_) | Self::Thinking(_) => {}
        }
    }

    /// Whether the next block ends this one even if the server forgets to say so.
    pub(crate) fn ends_with_the_next(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Thinking(_))
    }

    /// Ends the block.
    pub(crate) fn end(self, out: &mut Vec<Event>) {
        match self {
            Self::Text(mut joiner) => joiner.emit_rest(Event::Text, out),
            Self::Thinking(thinking) => thinking.end(out),
            Self::Call(call) => call.end(out),
            Self::Other(other) => other.end(out),
        }
    }
}

impl Thinking {
    fn piece(&mut self, piece: &[u8], out: &mut Vec<Event>) {
        self.has_text |= !piece.is_empty();
        self.joiner.emit(piece, Event::Thinking, out);
    }

    fn end(mut self, out: &mut Vec<Event>) {
        self.joiner.emit_rest(Event::Thinking, out);
        // A seal without text must go back too: some models think and show nothing.
        if self.has_text || self.signature.is_some() {
            out.push(Event::ThinkingEnd(ThinkingEnd {
                id: None,
                signature: self.signature,
                extras: Vec::new(),
            }));
        }
    }
}

impl Call {
    fn begin(
        start: &Value<'_>,
        calls: &mut u32,
        salt: usize,
        out: &mut Vec<Event>,
    ) -> Result<Self, Error> {
        let text = |name: &str| start.get(name).and_then(Value::text);
        let name = text("name")
            .ok_or_else(|| Error::malformed("The server sent a tool call without a name."))?;
        let index = *calls;
        *calls = calls.saturating_add(1);
        out.push(Event::ToolCallStart(CallStart {
            index,
            // The salt keeps a made-up id apart from those of the rounds before.
            id: text("id").unwrap_or_else(|| format!("toolu_{salt}_{index}")),
            name,
            extras: Vec::new(),
        }));
        let input = start.get("input");
        let input = input.filter(|input| !input.members().is_empty());
        Ok(Self {
            index,
            joiner: TextJoiner::default(),
            whole: input.map(Value::to_json),
            has_pieces: false,
        })
    }

    fn piece(&mut self, piece: &[u8], out: &mut Vec<Event>) {
        let text = self.joiner.push(piece);
        self.has_pieces |= !text.trim().is_empty();
        self.say(text, out);
    }

    fn end(mut self, out: &mut Vec<Event>) {
        let rest = self.joiner.finish();
        self.has_pieces |= !rest.is_empty();
        self.say(rest, out);
        if !self.has_pieces {
            let whole = self.whole.take().unwrap_or_else(|| "{}".into());
            self.say(whole, out);
        }
        out.push(Event::ToolCallEnd(CallEnd {
            index: self.index,
            signature: None,
            extras: Vec::new(),
        }));
    }

    fn say(&self, arguments_json: String, out: &mut Vec<Event>) {
        if !arguments_json.is_empty() {
            out.push(Event::ToolCallDelta(CallDelta {
                index: self.index,
                arguments_json,
            }));
        }
    }
}

impl Other {
    fn end(self, out: &mut Vec<Event>) {
        let Some(start) = Value::parse(self.start.as_bytes()) else {
            return;
        };
        let kind = start.get("type").and_then(Value::bytes);
        if kind == Some(b"redacted_thinking") {
            if let Some(data) = start.get("data").and_then(Value::text) {
                out.push(Event::RedactedThinking(data));
            }
            return;
        }
        out.push(Event::Other(Extra::new(CONTENT_BLOCK, self.whole(&start))));
    }

    /// The block with the input that came in pieces, so that it can go back as it is.
    fn whole(&self, start: &Value<'_>) -> String {
        let Some(input) = Value::parse(&self.input) else {
            return self.start.clone();
        };
        let is_input = |name: &[u8]| name == b"input";
        let kept = start.members().iter().filter(|(name, _)| !is_input(name));
        let mut members: Vec<String> = kept
            .map(|(name, value)| {
                let name = quoted(&String::from_utf8_lossy(name));
                format!("{name}:{}", value.to_json())
            })
            .collect();
        members.push(format!("\"input\":{}", input.to_json()));
        format!("{{{}}}", members.join(","))
    }
}
