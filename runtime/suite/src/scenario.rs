//! What the parts of the suite share: the plugin, its recordings, and what was used so far.

use std::time::Duration;

use serde_json::{Map, Value};
use vale_types::{Message, Request, Role};

use crate::bench::{Bench, Outcome, Setting, Used};
use crate::heard;
use crate::recording::{Call, Exchange, Recording};
use crate::report::{Check, Section};
use crate::tape::{Cut, Script, Tape};

/// One run of the suite.
pub(crate) struct Scenario {
    pub(crate) bench: Bench,
    pub(crate) recordings: Vec<Recording>,
    pub(crate) peak: Peak,
}

/// The most that one call used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peak {
    /// Of calls whose answer came in one piece.
    pub(crate) cpu: Duration,
    pub(crate) memory: u64,
    pub(crate) lines: u64,
    pub(crate) calls: u64,
}

impl Peak {
    pub(crate) fn note(&mut self, used: &Used, cut: Cut) {
        if cut == Cut::Whole {
            self.cpu = self.cpu.max(used.cpu);
        }
        self.memory = self.memory.max(used.memory);
        self.lines = self.lines.max(used.lines);
        self.calls += 1;
    }
}

/// The call that faults and speed are tried with.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    /// The recording's name; none = the suite's own plain question.
    pub(crate) name: Option<String>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) request: Request,
    /// What answers it, where that is recorded.
    pub(crate) answer: Option<Vec<Exchange>>,
}

impl Scenario {
    /// The first recorded answer that ends well, else the first completion, else a plain question.
    pub(crate) fn probe(&self) -> Probe {
        let completions = self.recordings.iter().filter_map(|recording| {
            let Call::Complete(request) = &recording.call else {
                return None;
            };
            Some((recording, request))
        });
        let ends_well = |recording: &Recording| recording.expect.get("finish").is_some();
        let good = completions
            .clone()
            .find(|(recording, _)| ends_well(recording));
        match good.or_else(|| completions.clone().next()) {
            Some((recording, request)) => Probe {
                name: Some(recording.name.clone()),
                settings: recording.settings.clone(),
                request: (**request).clone(),
                answer: ends_well(recording).then(|| recording.http.clone()),
            },
            None => Probe {
                name: None,
                settings: Map::new(),
                request: Request {
                    model: "model".to_owned(),
                    messages: vec![Message::text(Role::User, "Say hello.")],
                    ..Request::default()
                },
                answer: None,
            },
        }
    }

    /// One completion of a recording.
    pub(crate) async fn replay(
        &mut self,
        recording: &Recording,
        request: &Request,
        cut: Cut,
    ) -> Result<(Outcome, Used, Vec<String>), String> {
        let tape = Tape::new(Script::Recorded(recording.http.clone()), cut);
        let with = Setting {
            settings: recording.settings.clone(),
            ..Setting::default()
        };
        let prepared = self.bench.prepare(&tape, &with)?;
        let (outcome, used) = self.bench.complete(prepared, request).await;
        self.peak.note(&used, cut);
        Ok((outcome, used, tape.strays()))
    }
}

/// A call that the manifest or the settings do not let happen.
pub(crate) fn cannot_run(section: Section, name: String, why: String) -> Check {
    Check::failed(section, name)
        .expected("a call that the manifest allows")
        .got(why)
        .next_step("Make the recording's settings and plugin.toml fit each other.")
}

/// How a call ended, for people.
pub(crate) fn ended(outcome: &Outcome) -> String {
    match &outcome.end {
        Ok(_) => {
            let seen: String = heard::seen(&outcome.events).chars().take(60).collect();
            format!("a good end after “{seen}”")
        }
        Err(failure) => format!("{} ({failure})", heard::error_name(failure)),
    }
}
