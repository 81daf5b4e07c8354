//! What a face sees of an answer.

use serde::Serialize;
use vale_host::Loss;
use vale_types::{Event, FinishReason, Message, ModelRef, Part, Role, Thinking, ToolCall, Usage};

use crate::catalogue::PriceRow;
use crate::chat::Received;
use crate::error::ApiError;

/// One event of an answer. After `finished`, `failed` or `cancelled` there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ChatEvent {
    /// The attempt failed before anything was shown, and is repeated.
    Retrying {
        /// Who is asked again.
        model: ModelRef,
        /// After so many seconds.
        after_seconds: f64,
        /// The failed attempt may be billed: it was sent, and nothing came back.
        possibly_billed: bool,
        /// Why.
        error: ApiError,
    },
    /// Another model takes over before anything was shown, as the fallback list says.
    Switched {
        /// Who was asked.
        from: ModelRef,
        /// Who is asked now.
        to: ModelRef,
        /// Why.
        error: ApiError,
        /// What the one who was asked costs; none = unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        from_price: Option<PriceRow>,
        /// What the one who answers costs; none = unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        to_price: Option<PriceRow>,
    },
    /// Content that the model cannot take and that was left out of what it got.
    LeftOut {
        /// The model.
        model: ModelRef,
        /// What.
        what: Vec<Loss>,
    },
    /// The answer has begun.
    Started {
        /// The model that was asked.
        model: ModelRef,
        /// The model that answers, as the upstream names it.
        #[serde(skip_serializing_if = "Option::is_none")]
        upstream_model: Option<String>,
    },
    /// The next piece of thinking.
    Thinking {
        /// The piece.
        text: String,
    },
    /// The next piece of text.
    Text {
        /// The piece.
        text: String,
    },
    /// The model wants a tool to be run.
    ToolCall(ToolCallRow),
    /// Tokens so far.
    Usage {
        /// A cumulative snapshot.
        usage: UsageRow,
    },
    /// The answer is whole.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// The model that was asked.
        model: ModelRef,
        /// Tokens, where the upstream reported them.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<UsageRow>,
        /// What arrived.
        received: Received,
    },
    /// The answer failed.
    Failed {
        /// Why, in words.
        error: ApiError,
        /// Whether some of it arrived before.
        received_anything: bool,
        /// What arrived.
        received: Received,
    },
    /// The person cancelled.
    Cancelled {
        /// What arrived.
        received: Received,
    },
}

/// A model's wish to run a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCallRow {
    /// Ties the result to the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

/// Tokens of an answer in disjoint buckets; a bucket that nobody reported is left out, never 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// All input, cached or not.
    pub input_total: u64,
    /// All output, with reasoning.
    pub output_total: u64,
    /// Input that came from no cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Input read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Input written to the cache for about five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<u64>,
    /// Input written to the cache for about an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Output without reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Output spent on thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
}

impl From<&Usage> for UsageRow {
    fn from(usage: &Usage) -> Self {
        Self {
            input_total: usage.input_total(),
            output_total: usage.output_total(),
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
            output: usage.output,
            reasoning: usage.reasoning,
        }
    }
}

/// Collects an answer's events into the message that goes back with the next turn.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    parts: Vec<Part>,
    open_calls: Vec<(u32, ToolCall)>,
    thinking_open: bool,
}

impl Collector {
    /// Takes in one event; gives a tool call when it is whole.
    pub(crate) fn take(&mut self, event: &Event) -> Option<ToolCallRow> {
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
                let row = ToolCallRow {
                    id: call.id.clone(),
                    name: call.name.clone(),
                    arguments: call.arguments_json.clone(),
                };
                self.parts.push(Part::ToolCall(call));
                return Some(row);
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

    /// The message, or nothing when nothing arrived.
    pub(crate) fn message(&self) -> Option<Message> {
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
    use vale_types::{CallDelta, CallEnd, CallStart, ThinkingEnd};

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
            (call.name.as_str(), call.arguments.as_str()),
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
