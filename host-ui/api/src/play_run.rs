//! Calls of a plugin that is tried: what is seen of one, what comes of it, what it used.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use vale_host::{Call, Manifest, Meter, Playground, Step, Under};
use vale_plugins::PluginKind;
use vale_suite::{Asked, Recorder, RecordingDraft};
use vale_types::{
    Event, Failure, FaultClass, Finish, FinishReason, Message, Model, PluginId, ToolInfo,
    ToolResult,
};

use crate::answer::UsageRow;
use crate::error::{ApiError, ApiErrorKind};
use crate::play_wire::{Seen, Sender, ShownLog, Watcher};
use crate::tools::{ToolOutcome, ToolRow, outcome, row};

/// How long after its end a call may go on: more than the sandbox lets it.
const WIND_UP: Duration = Duration::from_secs(5);

/// What is asked of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub enum PlayCall {
    /// An answer. The last message is the person's.
    Complete {
        /// The model.
        model: String,
        /// The conversation.
        messages: Vec<Message>,
    },
    /// The models that there are.
    ListModels,
    /// The tools that there are.
    ListTools,
    /// One call of a tool.
    Invoke {
        /// The tool.
        tool: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PlayOutcome {
    /// An answer that went well.
    Answered {
        /// Why it ended.
        reason: FinishReason,
        /// Tokens, where the upstream reported them.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<UsageRow>,
    },
    /// Models, by their ids.
    Models {
        /// In the plugin's order.
        models: Vec<String>,
    },
    /// Tools.
    Tools {
        /// In the plugin's order.
        tools: Vec<ToolRow>,
    },
    /// A tool's result.
    Tool {
        /// It.
        result: ToolOutcome,
    },
    /// The call failed.
    Failed {
        /// Why, in words.
        error: ApiError,
    },
}

/// What a call used of what it may use.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayUse {
    /// Which limit, as plugin.toml names it.
    pub limit: &'static str,
    /// What was used.
    pub used: f64,
    /// What is allowed.
    pub allowed: f64,
    /// Of both.
    pub unit: &'static str,
}

/// The end of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayEnd {
    /// What came of it.
    pub outcome: PlayOutcome,
    /// What it used, in the order of plugin.toml.
    pub used: Vec<PlayUse>,
}

/// The next thing of a call under way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PlayStep {
    /// It is over. The last step.
    Done(PlayEnd),
    /// Something was seen.
    #[serde(untagged)]
    Seen(Seen),
}

/// A plugin that is being tried.
pub struct Play {
    pub(crate) id: PluginId,
    pub(crate) file: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) settings: Map<String, Value>,
    pub(crate) playground: Arc<Playground>,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) sender: Sender,
    pub(crate) seen: mpsc::UnboundedReceiver<Seen>,
    /// What was heard of the last call.
    pub(crate) last: Option<Heard>,
    /// Takes exchanges down, where they are to be.
    pub(crate) recorder: Option<Arc<Recorder>>,
}

/// What came of a call, in the words of a recording.
pub(crate) struct Heard {
    pub(crate) expect: Value,
    /// The plugin's fault, which no recording can expect.
    pub(crate) fault: Option<(FaultClass, ApiError)>,
}

/// A call under way. Dropping it cancels it.
pub struct PlayRun<'p> {
    play: &'p mut Play,
    work: Work,
    meter: Arc<Meter>,
    lines: Arc<AtomicU64>,
    over: watch::Receiver<()>,
    began: Instant,
    /// To its end.
    took: Duration,
    events: Vec<Event>,
    /// Events that were not told yet.
    unsaid: VecDeque<Event>,
}

/// What any call but a completion comes to.
enum Answer {
    Models(Result<Vec<Model>, Failure>),
    Tools(Result<Vec<ToolInfo>, Failure>),
    Tool(Result<ToolResult, Failure>),
}

enum Work {
    Completion(Call),
    Other(BoxFuture<'static, Answer>),
    /// The end is known; what the plugin still does is waited for, until then.
    WindingUp(PlayOutcome, tokio::time::Instant),
    /// Nothing more comes but what was sent already.
    Draining(PlayOutcome),
    Over,
}

/// What a call under way did next.
enum Did {
    Said(Vec<Event>),
    Completed(Result<Finish, Failure>),
    Answered(Answer),
    IsOver,
    IsDrained,
}

impl Play {
    /// Whether it is a provider or a tool.
    #[must_use]
    pub fn kind(&self) -> PluginKind {
        self.manifest.world.kind
    }

    /// Starts a call.
    ///
    /// # Errors
    /// When a provider is asked what only a tool can do, or the other way round; when a key is missing.
    pub fn start(&mut self, call: PlayCall) -> Result<PlayRun<'_>, ApiError> {
        let needs = match &call {
            PlayCall::Complete { .. } | PlayCall::ListModels => PluginKind::Provider,
            PlayCall::ListTools | PlayCall::Invoke { .. } => PluginKind::Tool,
        };
        if needs != self.kind() {
            return Err(wrong_kind(&self.id, self.kind()));
        }
        self.last = None;
        let (alive, over) = watch::channel(());
        let (meter, lines) = (Arc::new(Meter::default()), Arc::new(AtomicU64::new(0)));
        let under = Under {
            log: Arc::new(ShownLog::new(
                self.sender.clone(),
                Arc::clone(&lines),
                alive,
            )),
            meter: Arc::clone(&meter),
        };
        let playground = Arc::clone(&self.playground);
        let work = match call {
            PlayCall::Complete { model, messages } => {
                let request = Asked::request(model, messages);
                let call = self.playground.complete(under, &request);
                Work::Completion(call.map_err(|failure| self.explain(failure))?)
            }
            PlayCall::ListModels => {
                Work::Other(async move { Answer::Models(playground.models(under).await) }.boxed())
            }
            PlayCall::ListTools => {
                Work::Other(async move { Answer::Tools(playground.tools(under).await) }.boxed())
            }
            PlayCall::Invoke { tool, arguments } => {
                let call = Asked::tool_call(&tool, &arguments);
                Work::Other(
                    async move { Answer::Tool(playground.invoke(under, &call).await) }.boxed(),
                )
            }
        };
        self.watcher.take_received();
        Ok(PlayRun {
            play: self,
            work,
            meter,
            lines,
            over,
            began: Instant::now(),
            took: Duration::ZERO,
            events: Vec::new(),
            unsaid: VecDeque::new(),
        })
    }

    fn explain(&self, failure: Failure) -> ApiError {
        ApiError::of_failure(failure, self.id.as_str(), false)
    }

    fn heard(&mut self, expect: Value, failure: Option<&Failure>) {
        let fault = match failure {
            Some(Failure::Fault(fault)) => {
                let failure = Failure::Fault(fault.clone());
                Some((fault.class, self.explain(failure)))
            }
            _ => None,
        };
        self.last = Some(Heard { expect, fault });
    }

    /// What came of a completion.
    fn completed(&mut self, events: &[Event], end: Result<Finish, Failure>) -> PlayOutcome {
        self.heard(RecordingDraft::heard(events, &end), end.as_ref().err());
        match end {
            Ok(finish) => PlayOutcome::Answered {
                reason: finish.reason,
                usage: finish.usage.as_ref().map(UsageRow::from),
            },
            Err(failure) => PlayOutcome::Failed {
                error: self.explain(failure),
            },
        }
    }

    /// What came of a call that is no completion.
    fn answered(&mut self, answer: Answer, seconds: f64) -> PlayOutcome {
        let failed = |error| PlayOutcome::Failed { error };
        match answer {
            Answer::Models(listed) => {
                self.heard(RecordingDraft::heard_models(&listed), listed.as_ref().err());
                match listed {
                    Ok(models) => PlayOutcome::Models {
                        models: models.into_iter().map(|model| model.id).collect(),
                    },
                    Err(failure) => failed(self.explain(failure)),
                }
            }
            Answer::Tools(Ok(tools)) => PlayOutcome::Tools {
                tools: tools.into_iter().map(|tool| row(&self.id, tool)).collect(),
            },
            Answer::Tools(Err(failure)) => failed(self.explain(failure)),
            Answer::Tool(answer) => {
                self.heard(RecordingDraft::heard_answer(&answer), answer.as_ref().err());
                match answer {
                    Ok(result) => PlayOutcome::Tool {
                        result: outcome(result, seconds),
                    },
                    Err(failure) => failed(self.explain(failure)),
                }
            }
        }
    }
}

impl PlayRun<'_> {
    /// The next step; none after [`PlayStep::Done`].
    pub async fn next(&mut self) -> Option<PlayStep> {
        loop {
            if let Some(event) = self.unsaid.pop_front() {
                return Some(PlayStep::Seen(Seen::Event { event }));
            }
            let did = tokio::select! {
                // What led to an event is told before it.
                biased;
                Some(seen) = self.play.seen.recv() => return Some(PlayStep::Seen(seen)),
                did = advance(&mut self.work, &mut self.over) => did?,
            };
            let outcome = match did {
                Did::Said(events) => {
                    self.events.extend(events.iter().cloned());
                    self.unsaid.extend(events);
                    continue;
                }
                Did::IsOver | Did::IsDrained => {
                    match std::mem::replace(&mut self.work, Work::Over) {
                        Work::Draining(outcome) => {
                            let used = self.used();
                            return Some(PlayStep::Done(PlayEnd { outcome, used }));
                        }
                        Work::WindingUp(outcome, _) => self.work = Work::Draining(outcome),
                        _ => return None,
                    }
                    continue;
                }
                Did::Completed(end) => self.play.completed(&self.events, end),
                Did::Answered(answer) => {
                    let seconds = self.began.elapsed().as_secs_f64();
                    self.play.answered(answer, seconds)
                }
            };
            self.took = self.began.elapsed();
            self.work = Work::WindingUp(outcome, tokio::time::Instant::now() + WIND_UP);
        }
    }

    fn used(&self) -> Vec<PlayUse> {
        let limits = self.play.playground.limits();
        let of = |limit, used, allowed: u64, unit| PlayUse {
            limit,
            used,
            allowed: number(allowed),
            unit,
        };
        let mib = |bytes: u64| number(bytes) / f64::from(1 << 20);
        let cpu_ms = self.meter.cpu().as_secs_f64() * 1e3;
        let received = self.play.watcher.take_received();
        let events = self.events.len() as u64;
        let lines = self.lines.load(Ordering::Relaxed);
        vec![
            of(
                "memory_mib",
                mib(self.meter.peak_memory()),
                limits.memory_mib,
                "MiB",
            ),
            of("cpu_ms", cpu_ms, limits.cpu_ms, "ms"),
            of("wall_s", self.took.as_secs_f64(), limits.wall_s, "s"),
            of("response_mib", mib(received), limits.response_mib, "MiB"),
            of("log_lines", number(lines), limits.log_lines.into(), "lines"),
            of("events", number(events), limits.events, "events"),
        ]
    }
}

async fn advance(work: &mut Work, over: &mut watch::Receiver<()>) -> Option<Did> {
    Some(match work {
        Work::Completion(call) => match call.next().await {
            Some(Step::Events(events)) => Did::Said(events),
            Some(Step::End(end)) => Did::Completed(end),
            None => Did::Completed(Err(Failure::host("the call is over without an end"))),
        },
        Work::Other(answer) => Did::Answered(answer.await),
        Work::WindingUp(_, until) => {
            // Ends with an error when the last holder of the log is gone, which is what is awaited.
            let _ = tokio::time::timeout_at(*until, over.changed()).await;
            Did::IsOver
        }
        Work::Draining(_) => Did::IsDrained,
        Work::Over => return None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn number(value: u64) -> f64 {
    value as f64
}

fn wrong_kind(id: &PluginId, kind: PluginKind) -> ApiError {
    let (is, next) = match kind {
        PluginKind::Provider => (
            "a provider, not a tool",
            "Give it a message: `valechat plugin run FILE \"Hello\"`.",
        ),
        PluginKind::Tool => (
            "a tool, not a provider",
            "Call one of its tools: `valechat plugin run FILE --tool NAME --args '{…}'`.",
        ),
    };
    ApiError::new(ApiErrorKind::Usage, format!("{id} is {is}."), next)
}
