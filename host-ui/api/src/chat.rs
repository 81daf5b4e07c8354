//! One answer: from a request to a stream of events.

use std::collections::VecDeque;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use vale_host::{AttemptNote, DEFAULT_MODEL_FILE, TurnStep};
use vale_types::{Collector, Event, Failure, Message, ModelRef, Usage};

use crate::answer::{ChatEvent, UsageRow};
use crate::api::Api;
use crate::error::ApiError;
use crate::link::Steps;
use crate::status::request_of;

/// A question to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// Who answers.
    pub model: ModelRef,
    /// Instructions, put before the conversation.
    #[serde(default)]
    pub system: Option<String>,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// At most so many tokens.
    #[serde(default)]
    pub max_output_tokens: Option<u32>,
    /// Sampling temperature.
    #[serde(default)]
    pub temperature: Option<f64>,
}

/// How much of an answer arrived.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Received {
    /// Characters of text.
    pub characters: u64,
    /// Output tokens, where the upstream reported them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Seconds since the request.
    pub seconds: f64,
    /// Seconds until the first piece of content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_content_seconds: Option<f64>,
}

/// An answer under way. Dropping it cancels it.
pub struct ChatStream {
    api: Api,
    steps: Steps,
    /// Who answers now.
    model: ModelRef,
    ready: VecDeque<ChatEvent>,
    collector: Collector,
    usage: Option<Usage>,
    received: Received,
    begun: Instant,
    has_started: bool,
    has_ended: bool,
}

impl Api {
    /// Starts an answer.
    ///
    /// # Errors
    /// When it could not be started at all; what fails later comes as [`ChatEvent::Failed`].
    pub async fn chat(&self, chat: ChatRequest) -> Result<ChatStream, ApiError> {
        let begun = Instant::now();
        let provider = self.find_provider(chat.model.provider.as_str())?.id;
        let (model, request) = request_of(chat);
        let steps = self
            .link
            .send(&model, request)
            .await
            .map_err(|failure| self.explain(failure, &provider))?;
        Ok(ChatStream {
            api: self.clone(),
            steps,
            model,
            ready: VecDeque::new(),
            collector: Collector::default(),
            usage: None,
            received: Received::default(),
            begun,
            has_started: false,
            has_ended: false,
        })
    }

    /// Whether this is the tiny model that came with the program, which is there to show that
    /// everything works and should not be trusted with facts.
    #[must_use]
    pub fn is_demo_model(&self, model: &ModelRef) -> bool {
        self.uses_local_model(&model.provider)
            && self
                .profile
                .model_file()
                .file_name()
                .is_some_and(|name| name == DEFAULT_MODEL_FILE)
    }
}

impl ChatStream {
    /// The model that was asked.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The next event; `None` after the last. May be dropped at any await point without losing
    /// an event.
    pub async fn next(&mut self) -> Option<ChatEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            match self.steps.next().await {
                Some(TurnStep::Events(events)) => {
                    for event in &events {
                        self.take(event);
                    }
                }
                Some(TurnStep::Attempt(note)) => self.attempt(note),
                Some(TurnStep::Retry(note)) => {
                    let error = self.api.explain(note.failure, &note.model.provider);
                    self.ready.push_back(ChatEvent::Retrying {
                        model: note.model,
                        after_seconds: note.after_s,
                        possibly_billed: note.possibly_billed,
                        error,
                    });
                }
                Some(TurnStep::Switch(note)) => {
                    let error = self.api.explain(note.failure, &note.from.provider);
                    self.ready.push_back(ChatEvent::Switched {
                        from_price: self.api.price_row(&note.from),
                        to_price: self.api.price_row(&note.to),
                        from: note.from,
                        to: note.to,
                        error,
                    });
                }
                Some(TurnStep::End(end)) => self.end(end),
                None => self.has_ended = true,
            }
        }
    }

    /// The next event if it is here already: lets a face write a network read's worth at once.
    pub fn try_next(&mut self) -> Option<ChatEvent> {
        self.ready.pop_front()
    }

    /// Stops the answer; says what had arrived.
    #[must_use]
    pub fn cancel(mut self) -> ChatEvent {
        ChatEvent::Cancelled {
            received: self.count(),
        }
    }

    /// What arrived so far as the assistant's message; nothing when nothing did.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        let mut message = self.collector.message()?;
        message.origin = Some(self.model.clone());
        Some(message)
    }

    fn attempt(&mut self, note: AttemptNote) {
        self.model = note.model;
        if !note.left_out.is_empty() {
            self.ready.push_back(ChatEvent::LeftOut {
                model: self.model.clone(),
                what: note.left_out,
            });
        }
    }

    fn take(&mut self, event: &Event) {
        if let Event::Started(started) = event {
            self.start(started.model.clone());
        } else if event.is_content() {
            self.start(None);
            if self.received.first_content_seconds.is_none() {
                self.received.first_content_seconds = Some(self.begun.elapsed().as_secs_f64());
            }
        }
        if let Some(call) = self.collector.take(event) {
            self.ready.push_back(ChatEvent::ToolCall(call.into()));
        }
        match event {
            Event::Text(text) => {
                let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
                self.received.characters = self.received.characters.saturating_add(characters);
                self.ready.push_back(ChatEvent::Text { text: text.clone() });
            }
            Event::Thinking(text) => {
                self.ready
                    .push_back(ChatEvent::Thinking { text: text.clone() });
            }
            Event::Usage(usage) => {
                self.usage = Some(usage.clone());
                self.ready.push_back(ChatEvent::Usage {
                    usage: usage.into(),
                });
            }
            _ => {}
        }
    }

    fn start(&mut self, upstream_model: Option<String>) {
        if !self.has_started {
            self.has_started = true;
            self.ready.push_back(ChatEvent::Started {
                model: self.model.clone(),
                upstream_model,
            });
        }
    }

    fn end(&mut self, end: Result<vale_types::Finish, Failure>) {
        self.has_ended = true;
        let event = match end {
            Ok(finish) => {
                if finish.usage.is_some() {
                    self.usage = finish.usage;
                }
                self.start(finish.model);
                ChatEvent::Finished {
                    reason: finish.reason,
                    model: self.model.clone(),
                    usage: self.usage.as_ref().map(UsageRow::from),
                    received: self.count(),
                }
            }
            Err(failure) => {
                let provider = self.model.provider.clone();
                ChatEvent::Failed {
                    error: self.api.explain(failure, &provider),
                    received_anything: self.collector.message().is_some(),
                    received: self.count(),
                }
            }
        };
        self.ready.push_back(event);
    }

    fn count(&mut self) -> Received {
        self.received.seconds = self.begun.elapsed().as_secs_f64();
        self.received.tokens = self
            .usage
            .as_ref()
            .filter(|usage| usage.output.is_some() || usage.reasoning.is_some())
            .map(Usage::output_total);
        self.received.clone()
    }
}
