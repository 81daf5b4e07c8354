//! From events to the message that they make.

use crate::{Event, Message, Part, Role, Thinking, ToolCall};

/// Collects an answer's events into the message that goes back with the next turn.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    parts: Vec<Part>,
    open_calls: Vec<(u32, ToolCall)>,
    thinking_open: bool,
}

impl Collector {
    /// Takes in one event; gives a tool call when it is whole.
    pub fn take(&mut self, event: &Event) -> Option<ToolCall> {
        match event {
            Event::Text(piece) => match self.parts.last_mut() {
                Some(Part::Text(text)) => text.push_str(piece),
                _ => self.parts.push(Part::Text(piece.clone())),
            },
            Event::Thinking(piece) => self.thinking(piece),
            Event::ThinkingEnd(end) => {
                if !self.thinking_open {
                    self.thinking("");
                }
                self.thinking_open = false;
                if let Some(Part::Thinking(block)) = self.last_thinking() {
                    block.id.clone_from(&end.id);
                    block.signature.clone_from(&end.signature);
                }
            }
            Event::RedactedThinking(data) => {
                self.parts.push(Part::RedactedThinking(data.clone()));
            }
            Event::ToolCallStart(start) => self.open_calls.push((
                start.index,
                ToolCall {
                    id: start.id.clone(),
                    name: start.name.clone(),
                    arguments_json: String::new(),
                    signature: None,
                },
            )),
            Event::ToolCallDelta(delta) => {
                if let Some((_, call)) = self
                    .open_calls
                    .iter_mut()
                    .find(|(index, _)| *index == delta.index)
                {
                    call.arguments_json.push_str(&delta.arguments_json);
                }
            }
            Event::ToolCallEnd(end) => {
                let at = self
                    .open_calls
                    .iter()
                    .position(|(index, _)| *index == end.index)?;
                let (_, mut call) = self.open_calls.remove(at);
                call.signature.clone_from(&end.signature);
                self.parts.push(Part::ToolCall(call.clone()));
                return Some(call);
            }
            Event::Started(_) | Event::Usage(_) | Event::Ping | Event::Other(_) => {}
        }
        None
    }

    fn thinking(&mut self, piece: &str) {
        if self.thinking_open
            && let Some(Part::Thinking(block)) = self.last_thinking()
        {
            block.text.push_str(piece);
            return;
        }
        self.thinking_open = true;
        self.parts.push(Part::Thinking(Thinking {
            id: None,
            text: piece.to_owned(),
            signature: None,
        }));
    }

    fn last_thinking(&mut self) -> Option<&mut Part> {
        self.parts
            .iter_mut()
            .rev()
            .find(|part| matches!(part, Part::Thinking(_)))
    }

    /// What arrived so far, without tool calls that are not whole.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The message, or nothing when nothing arrived.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        if self.parts.is_empty() {
            return None;
        }
        let mut message = Message::text(Role::Assistant, "");
        message.parts.clone_from(&self.parts);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CallDelta, CallEnd, CallStart, ThinkingEnd};

    #[test]
    fn an_answer_goes_back_as_it_came_with_signatures_and_whole_calls() {
        let mut collector = Collector::default();
        let events = [
            Event::Thinking("h".into()),
            Event::Thinking("m".into()),
            Event::ThinkingEnd(ThinkingEnd {
                signature: Some("sig".into()),
                ..ThinkingEnd::default()
            }),
            Event::Text("a".into()),
            Event::Text("b".into()),
            Event::ToolCallStart(CallStart {
                index: 0,
                id: "c0".into(),
                name: "look".into(),
                extras: Vec::new(),
            }),
            Event::ToolCallDelta(CallDelta {
                index: 0,
                arguments_json: "{\"a\":".into(),
            }),
            Event::ToolCallDelta(CallDelta {
                index: 0,
                arguments_json: "1}".into(),
            }),
        ];
        for event in &events {
            assert_eq!(collector.take(event), None);
        }
        let end = Event::ToolCallEnd(CallEnd {
            index: 0,
            signature: Some("s2".into()),
            extras: Vec::new(),
        });
        let call = collector.take(&end).unwrap();
        assert_eq!(
            (call.name.as_str(), call.arguments_json.as_str()),
            ("look", "{\"a\":1}")
        );
        let parts = collector.message().unwrap().parts;
        assert_eq!(parts.len(), 3);
        assert!(
            matches!(&parts[0], Part::Thinking(t) if t.text == "hm" && t.signature.as_deref() == Some("sig"))
        );
        assert!(matches!(&parts[1], Part::Text(text) if text == "ab"));
        assert!(matches!(&parts[2], Part::ToolCall(c) if c.signature.as_deref() == Some("s2")));
    }

    #[test]
    fn nothing_received_is_no_message() {
        let mut collector = Collector::default();
        assert_eq!(collector.take(&Event::Ping), None);
        assert_eq!(collector.message(), None);
    }
}
