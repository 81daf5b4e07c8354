//! The answer's output items while they come in: known by their id where it is kept, else by
//! their number, else by their kind. Servers rename items between events, leave numbers out, or
//! tell the whole only at the end.

use vale_sdk::json::Value;
use vale_sdk::text::TextJoiner;
use vale_sdk::{CallDelta, CallEnd, CallStart, Error, Event};

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Reasoning,
    Call,
    Other,
}

impl Kind {
    pub(super) fn of(item: &Value<'_>) -> Self {
        match item.get("type").and_then(Value::bytes) {
            Some(b"message") => Self::Message,
            Some(b"reasoning") => Self::Reasoning,
            Some(b"function_call") => Self::Call,
            _ => Self::Other,
        }
    }
}

/// An item that has begun.
#[derive(Debug)]
pub(super) struct Item {
    kind: Kind,
    id: Option<String>,
    number: Option<u64>,
    pub(super) is_done: bool,
    /// What of its text or thinking was sent on.
    pub(super) sent: String,
    pub(super) call: Call,
}

/// The items of one answer, in the order in which they appeared.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    items: Vec<Item>,
}

impl Outputs {
    /// The item of this kind that an event is about; a new one if there is none.
    /// `told` is the item itself, where the event holds it.
    pub(super) fn at(&mut self, kind: Kind, event: &Value<'_>, told: &Value<'_>) -> usize {
        let id = event.get("item_id").or_else(|| told.get("id"));
        let id = id.and_then(Value::text);
        let number = event.get("output_index").and_then(Value::u64);
        let call_id = told.get("call_id").and_then(Value::text);
        let found = |is_it: &dyn Fn(&Item) -> bool| {
            let mut items = self.items.iter();
            items.rposition(|item| item.kind == kind && is_it(item))
        };
        // Another call's id means another call, whatever the item is called.
        let may_be = |item: &Item| match (&call_id, &item.call.id) {
            (Some(told), Some(known)) => told == known,
            _ => true,
        };
        let by_id = || found(&|item| id.is_some() && item.id == id && may_be(item));
        let by_number = || found(&|item| item.number == number && !item.is_done && may_be(item));
        let by_kind = || found(&|item| !item.is_done && may_be(item));
        let at = by_id().or_else(|| match number {
            Some(_) => by_number(),
            None => by_kind(),
        });
        at.unwrap_or_else(|| {
            self.items.push(Item {
                kind,
                id,
                number,
                is_done: false,
                sent: String::new(),
                call: Call::default(),
            });
            self.items.len() - 1
        })
    }

    /// Of the finished answer's items, the one that is `nth` of its kind, if it came before.
    pub(super) fn nth(&self, kind: Kind, nth: usize) -> Option<usize> {
        let of_kind = self.items.iter().enumerate();
        let mut of_kind = of_kind.filter(|(_, item)| item.kind == kind);
        of_kind.nth(nth).map(|(at, _)| at)
    }

    pub(super) fn get(&mut self, at: usize) -> Option<&mut Item> {
        self.items.get_mut(at)
    }

    /// A call as far as it is known now: starts it once it has its name.
    pub(super) fn call(&mut self, at: usize, told: &Value<'_>, out: &mut Vec<Event>) {
        let started = self.items.iter().filter(|item| item.call.index.is_some());
        let next = u32::try_from(started.count()).unwrap_or(u32::MAX);
        let Some(item) = self.items.get_mut(at) else {
            return;
        };
        let text = |name: &str| told.get(name).and_then(Value::text);
        let (call, id) = (&mut item.call, &item.id);
        call.id = call.id.take().or_else(|| text("call_id"));
        call.name = call.name.take().or_else(|| text("name"));
        if call.index.is_some() {
            return;
        }
        if let Some(name) = &call.name {
            call.index = Some(next);
            out.push(Event::ToolCallStart(CallStart {
                index: next,
                // What answers the call; the item's own id is for servers that have no other.
                id: call.id.clone().or_else(|| id.clone()).unwrap_or_default(),
                name: name.clone(),
                extras: Vec::new(),
            }));
            call.flush(out);
        }
    }

    /// Ends what was begun and never finished.
    ///
    /// # Errors
    /// `malformed-response` for a call that was never named.
    pub(super) fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Error> {
        for item in &mut self.items {
            if item.kind == Kind::Call && !item.call.is_ended {
                item.call.end(None, out)?;
            }
        }
        Ok(())
    }

    /// Whether the answer holds a call.
    pub(super) fn has_calls(&self) -> bool {
        self.items.iter().any(|item| item.kind == Kind::Call)
    }
}

/// A function call.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// Its number among the answer's calls, once it has started.
    index: Option<u32>,
    id: Option<String>,
    name: Option<String>,
    joiner: TextJoiner,
    /// The arguments so far, and how many bytes of them were sent on.
    arguments: String,
    sent: usize,
    is_ended: bool,
}

impl Call {
    pub(super) fn piece(&mut self, piece: &[u8], out: &mut Vec<Event>) {
        let text = self.joiner.push(piece);
        self.arguments.push_str(&text);
        self.flush(out);
    }

    /// The arguments as told at the end: adds what did not come in pieces.
    pub(super) fn whole(&mut self, whole: &str, out: &mut Vec<Event>) {
        if let Some(rest) = whole.strip_prefix(self.arguments.as_str()) {
            self.arguments.push_str(rest);
            self.joiner = TextJoiner::default();
            self.flush(out);
        }
    }

    pub(super) fn end(&mut self, whole: Option<&str>, out: &mut Vec<Event>) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_ended, true) {
            return Ok(());
        }
        self.whole(whole.unwrap_or_default(), out);
        let rest = self.joiner.finish();
        self.arguments.push_str(&rest);
        if self.arguments.trim().is_empty() {
            self.arguments.push_str("{}");
        }
        self.flush(out);
        let Some(index) = self.index else {
            return Err(Error::malformed(
                "The server sent a tool call without a name.",
            ));
        };
        out.push(Event::ToolCallEnd(CallEnd {
            index,
            signature: None,
            extras: Vec::new(),
        }));
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<Event>) {
        let unsent = self.arguments.get(self.sent..).unwrap_or_default();
        if let (Some(index), false) = (self.index, unsent.is_empty()) {
            out.push(Event::ToolCallDelta(CallDelta {
                index,
                arguments_json: unsent.to_string(),
            }));
            self.sent = self.arguments.len();
        }
    }
}
