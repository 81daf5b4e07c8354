//! Tool calls out of pieces. Servers number them with gaps or not at all, send the id once or
//! every time, repeat the name or leave it empty, and cut the arguments anywhere.

use std::borrow::Cow;

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::{CallDelta, CallEnd, CallStart, Error, Event};

/// The calls of one answer, numbered from 0 in the order in which they appear.
pub(crate) struct Calls {
    calls: Vec<Call>,
    /// Makes ids that no other answer of this conversation makes.
    salt: usize,
}

struct Call {
    wire_index: Option<u64>,
    /// As the server gives it; none until it does.
    id: Option<String>,
    name: String,
    started: bool,
    /// Arguments that came before the name.
    early: String,
    joiner: TextJoiner,
    /// Whether anything but blanks has been sent on.
    has_arguments: bool,
    shape: Shape,
}

impl Calls {
    pub(crate) fn new(salt: usize) -> Self {
        Self {
            calls: Vec::new(),
            salt,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes one piece of `tool_calls`; `position` is its place in the chunk's list.
    pub(crate) fn piece(&mut self, piece: &Value<'_>, position: usize, out: &mut Vec<Event>) {
        let wire_index = piece.get("index").and_then(Value::u64);
        let id = piece.get("id").and_then(Value::word);
        self.function(wire_index, id, piece.get("function"), position, out);
    }

    /// Takes a piece of the form that came before tool calls, `function_call`.
    pub(crate) fn legacy(&mut self, function: &Value<'_>, out: &mut Vec<Event>) {
        self.function(None, None, Some(function), 0, out);
    }

    fn function(
        &mut self,
        wire_index: Option<u64>,
        id: Option<String>,
        function: Option<&Value<'_>>,
        position: usize,
        out: &mut Vec<Event>,
    ) {
        let field = |name: &str| function.and_then(|function| function.get(name));
        let name = field("name").and_then(Value::text).unwrap_or_default();
        let arguments = field("arguments").map(argument_bytes).unwrap_or_default();
        let at = self.find(wire_index, id.as_deref(), &name, &arguments, position);
        let at = at.unwrap_or_else(|| {
            self.calls.push(Call::new(wire_index));
            self.calls.len() - 1
        });
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        let made_up = format!("call_{}_{at}", self.salt);
        let Some(call) = self.calls.get_mut(at) else {
            return;
        };
        call.id = call.id.take().or(id);
        if call.name.is_empty() {
            call.name = name;
        }
        call.shape.update(&arguments);
        let text = call.joiner.push(&arguments);
        call.early.push_str(&text);
        let can_start = !call.name.is_empty() && (call.id.is_some() || !call.early.is_empty());
        if call.started || can_start {
            call.flush(index, made_up, out);
        }
    }

    /// No more pieces come: starts what waited, completes empty arguments, ends every call.
    ///
    /// # Errors
    /// `malformed-response` for a call that was never named.
    pub(crate) fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Error> {
        for (at, call) in self.calls.iter_mut().enumerate() {
            if call.name.is_empty() {
                return Err(Error::malformed(
                    "The server sent a tool call without a name.",
                ));
            }
            let index = u32::try_from(at).unwrap_or(u32::MAX);
            let rest = call.joiner.finish();
            call.early.push_str(&rest);
            if !call.has_arguments && call.early.trim().is_empty() {
                call.early = "{}".into();
            }
            call.flush(index, format!("call_{}_{at}", self.salt), out);
            out.push(Event::ToolCallEnd(CallEnd {
                index,
                signature: None,
                extras: Vec::new(),
            }));
        }
        self.calls.clear();
        Ok(())
    }

    /// Which call a piece belongs to; none = a new one.
    fn find(
        &self,
        wire_index: Option<u64>,
        id: Option<&str>,
        name: &str,
        arguments: &[u8],
        position: usize,
    ) -> Option<usize> {
        let by_id = || {
            self.calls
                .iter()
                .rposition(|call| id.is_some() && call.id.as_deref() == id)
        };
        // Another id alone is no other call (older vLLM makes a new one for each piece); another
        // id with a name is (servers that number every call 0).
        let is_other = |call: &Call| {
            !name.is_empty() && id.is_some() && call.id.is_some() && call.id.as_deref() != id
        };
        if wire_index.is_some() {
            let at = self
                .calls
                .iter()
                .rposition(|call| call.wire_index == wire_index)?;
            return if self.calls.get(at).is_some_and(is_other) {
                by_id()
            } else {
                Some(at)
            };
        }
        if let Some(at) = by_id() {
            return Some(at);
        }
        let last = self.calls.last()?;
        let begins_anew = !name.is_empty()
            && (is_other(last)
                || !last.name.is_empty() && last.name != name
                || position > 0
                || last.shape.is_whole() && arguments.first() == Some(&b'{'));
        (!begins_anew).then(|| self.calls.len() - 1)
    }
}

impl Call {
    fn new(wire_index: Option<u64>) -> Self {
        Self {
            wire_index,
            id: None,
            name: String::new(),
            started: false,
            early: String::new(),
            joiner: TextJoiner::default(),
            has_arguments: false,
            shape: Shape::default(),
        }
    }

    fn flush(&mut self, index: u32, made_up: String, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(Event::ToolCallStart(CallStart {
                index,
                id: self.id.get_or_insert(made_up).clone(),
                name: self.name.clone(),
                extras: Vec::new(),
            }));
        }
        if !self.early.is_empty() {
            self.has_arguments |= !self.early.trim().is_empty();
            out.push(Event::ToolCallDelta(CallDelta {
                index,
                arguments_json: std::mem::take(&mut self.early),
            }));
        }
    }
}

/// Where a JSON object that comes in pieces stands: enough to know that it is whole.
#[derive(Default)]
struct Shape {
    depth: u32,
    in_string: bool,
    escaped: bool,
    began: bool,
}

impl Shape {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.began = true;
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.began && self.depth == 0 && !self.in_string
    }
}

/// The text of `arguments`: a string's content, an object's own text, nothing else.
fn argument_bytes<'v>(value: &'v Value<'_>) -> Cow<'v, [u8]> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Object(_, text) => Cow::Borrowed(text),
        _ => Cow::default(),
    }
}
