//! Tool calls, which come whole on this wire. Their number and id may be missing or come twice.

use vale_sdk::json::Value;
use vale_sdk::{CallDelta, CallEnd, CallStart, Error, Event};

/// The calls of one answer, numbered from 0 in the order in which they appear.
#[derive(Debug)]
pub(crate) struct Calls {
    ids: Vec<String>,
    /// Makes ids that no other answer of this conversation makes.
    salt: usize,
}

impl Calls {
    pub(crate) fn new(salt: usize) -> Self {
        Self {
            ids: Vec::new(),
            salt,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Tells one call.
    ///
    /// # Errors
    /// `malformed-response` for a call without a name, or with arguments that are no JSON object.
    pub(crate) fn tell(&mut self, call: &Value<'_>, out: &mut Vec<Event>) -> Result<(), Error> {
        let function = call.get("function");
        let name = function.and_then(|function| function.get("name")?.text());
        let name =
            name.ok_or_else(|| Error::malformed("The server sent a tool call without a name."))?;
        let arguments = function.and_then(|function| function.get("arguments"));
        let arguments_json = arguments_json(arguments).ok_or_else(|| {
            Error::malformed(format!(
                "The server sent a call of {name} whose arguments are no JSON object."
            ))
        })?;
        let index = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        let id = call.get("id").and_then(Value::word);
        // Two calls of one id could not be told apart when their results go back.
        let id = id.filter(|id| !self.ids.contains(id));
        let id = id.unwrap_or_else(|| format!("call_{}_{index}", self.salt));
        self.ids.push(id.clone());
        out.extend([
            Event::ToolCallStart(CallStart {
                index,
                id,
                name,
                extras: Vec::new(),
            }),
            Event::ToolCallDelta(CallDelta {
                index,
                arguments_json,
            }),
            Event::ToolCallEnd(CallEnd {
                index,
                signature: None,
                extras: Vec::new(),
            }),
        ]);
        Ok(())
    }
}

/// An object's own text; proxies over other servers send it as a string, as OpenAI does.
fn arguments_json(arguments: Option<&Value<'_>>) -> Option<String> {
    let text = match arguments {
        None => String::new(),
        Some(text @ Value::String(_)) => text.text().unwrap_or_default(),
        Some(value) => value.to_json(),
    };
    if text.trim().is_empty() {
        return Some("{}".into());
    }
    let is_object = Value::parse(text.as_bytes()).is_some_and(|value| value.is_object());
    is_object.then_some(text)
}
