//! A sandbox, a call in it, and everything that came out.

use std::sync::Arc;

use vale_egress::{Gate, GateConfig};
use vale_sandbox::{
    Call, CallContext, Engine, EngineConfig, NoBlobs, NoKv, NoLog, Plugin, Step, SystemAmbient,
};
use vale_types::{Event, Failure, FaultClass, Finish, Limits, Message, Request, Role};

use crate::{guest, soon};

/// An engine with two threads and no cache.
pub struct Sandboxed {
    /// The engine.
    pub engine: Engine,
}

impl Default for Sandboxed {
    fn default() -> Self {
        let config = EngineConfig {
            threads: Some(2),
            ..EngineConfig::default()
        };
        Self {
            engine: Engine::new(config).unwrap(),
        }
    }
}

impl Sandboxed {
    /// Loads a component of `tests/guests`.
    ///
    /// # Panics
    /// When it is not there, or is refused.
    pub async fn load(&self, name: &str) -> Plugin {
        self.engine.load(guest(name)).await.unwrap()
    }
}

/// A call's context: this gate, these limits, nothing else.
#[must_use]
pub fn context(gate: Gate, limits: Limits) -> CallContext {
    CallContext {
        gate: Arc::new(gate),
        settings_json: "{}".to_owned(),
        credentials: Vec::new(),
        limits,
        log: Arc::new(NoLog),
        ambient: Arc::new(SystemAmbient::default()),
        meter: Arc::default(),
        kv: Arc::new(NoKv),
        blobs: Arc::new(NoBlobs),
    }
}

/// A gate that allows nothing.
///
/// # Panics
/// Never, as long as an empty grant is one.
#[must_use]
pub fn closed_gate() -> Gate {
    Gate::new(GateConfig::new("test")).unwrap()
}

/// A request: `model` steers a hostile guest, each text is one message.
#[must_use]
pub fn request(model: &str, texts: &[&str]) -> Request {
    Request {
        model: model.to_owned(),
        messages: texts
            .iter()
            .map(|text| Message::text(Role::User, *text))
            .collect(),
        ..Request::default()
    }
}

/// What came out of a call.
#[derive(Debug)]
pub struct Outcome {
    /// All events, in order.
    pub events: Vec<Event>,
    /// The terminal value.
    pub end: Result<Finish, Failure>,
}

impl Outcome {
    /// All text, joined.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.events.iter().filter_map(|event| match event {
            Event::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The values of the notes of this name that the guest `reach` left.
    #[must_use]
    pub fn notes(&self, name: &str) -> Vec<&str> {
        let notes = self.events.iter().filter_map(|event| match event {
            Event::Other(extra) if extra.name == name => Some(extra.json.as_str()),
            _ => None,
        });
        notes.collect()
    }

    /// The fault that ended the call.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[must_use]
    pub fn fault(&self) -> (FaultClass, &str) {
        match &self.end {
            Err(Failure::Fault(fault)) => (fault.class, &fault.detail),
            other => panic!("no fault, but {other:?}, after {:?}", self.text()),
        }
    }
}

/// Reads a call to its end.
pub async fn outcome(call: &mut Call) -> Outcome {
    let reading = async {
        let mut events = Vec::new();
        loop {
            match call.next().await {
                Some(Step::Events(batch)) => events.extend(batch),
                Some(Step::End(end)) => return Outcome { events, end },
                None => panic!("the call is over without a terminal value"),
            }
        }
    };
    soon("the end of a call", reading).await
}

/// Runs one call to its end.
pub async fn run(plugin: &Plugin, context: CallContext, request: &Request) -> Outcome {
    outcome(&mut plugin.complete(context, request)).await
}
