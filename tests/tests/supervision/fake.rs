//! A provider whose illness is dice: everything that a sandbox call, its server or its process can
//! do to a host, on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;
use vale_host::{Answer, Backend, Calls, Core, Step};
use vale_types::{
    AuthKind, Error, ErrorKind, Event, Failure, Fault, FaultClass, Finish, FinishReason,
    LimitScope, Model, NetworkFailure, NetworkKind, Part, ProviderInfo, RateLimit, Request,
    Started,
};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// A whole answer of so many pieces.
    Well(u32),
    /// Nothing ever comes.
    Hang,
    /// So many pieces, then nothing more.
    Stall(u32),
    /// The connection breaks after so many pieces.
    Reset(u32),
    /// The answer ends without its end after so many pieces.
    Truncate(u32),
    /// 429, with the wait that the server asks for, seconds.
    RateLimited(Option<u32>),
    /// 529.
    Overloaded,
    /// 401.
    Refused,
    /// The guest traps after so many pieces.
    Trap(u32),
    /// The actor panics while it handles the message.
    PanicActor,
    /// The task beside the actor panics.
    PanicTask,
    /// The process behind it has died: nobody listens.
    ProcessDied,
}

/// What is seen of all calls of one world.
#[derive(Default)]
pub(crate) struct Seen {
    /// Calls that began, by the request's tag.
    pub(crate) begun: BTreeMap<String, Vec<String>>,
    /// Calls under way, by provider.
    pub(crate) running: BTreeMap<String, i64>,
    /// Calls that began, by provider.
    pub(crate) attempts: BTreeMap<String, u64>,
    /// Probes of half-open breakers under way, by provider.
    probing: BTreeMap<String, u32>,
    /// All probes.
    pub(crate) probes: u64,
}

pub(crate) struct Fake {
    pub(crate) name: String,
    /// How ill it is, 0 to 100.
    pub(crate) illness: u32,
    pub(crate) dice: Mutex<Rng>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// The host, to look at the breaker when a call begins.
    known: Arc<Mutex<Option<Core>>>,
}

impl Fake {
    pub(crate) fn new(
        name: &str,
        illness: u32,
        seed: u64,
        seen: Arc<Mutex<Seen>>,
        known: Arc<Mutex<Option<Core>>>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            illness,
            dice: Mutex::new(Rng::with_seed(seed)),
            seen,
            known,
        }
    }

    fn roll(&self) -> Fate {
        let mut dice = self.dice.lock().unwrap();
        if dice.u32(0..100) >= self.illness {
            return Fate::Well(dice.u32(1..8));
        }
        let pieces = dice.u32(0..4);
        match dice.u32(0..13) {
            0 => Fate::Hang,
            1 => Fate::Stall(pieces),
            2 | 3 => Fate::Reset(pieces),
            4 => Fate::Truncate(pieces),
            5 => Fate::RateLimited(Some(dice.u32(1..200))),
            6 => Fate::RateLimited(None),
            7 => Fate::Overloaded,
            8 => Fate::Refused,
            9 => Fate::Trap(pieces),
            10 => Fate::PanicActor,
            11 => Fate::PanicTask,
            _ => Fate::ProcessDied,
        }
    }
}

impl Backend for Fake {
    fn prepare(&self) -> BoxFuture<'static, Result<Arc<dyn Calls>, Failure>> {
        let fate = self.roll();
        assert!(fate != Fate::PanicActor, "a fault on purpose: the actor");
        let calls = FakeCalls {
            name: self.name.clone(),
            fate,
            seen: Arc::clone(&self.seen),
            known: Arc::clone(&self.known),
        };
        async move {
            assert!(fate != Fate::PanicTask, "a fault on purpose: the task");
            if fate == Fate::ProcessDied {
                return Err(network(NetworkKind::Connect, false));
            }
            Ok(Arc::new(calls) as Arc<dyn Calls>)
        }
        .boxed()
    }
}

struct FakeCalls {
    name: String,
    fate: Fate,
    seen: Arc<Mutex<Seen>>,
    known: Arc<Mutex<Option<Core>>>,
}

impl FakeCalls {
    /// Whether the breaker is half open now, so that this call is its one probe.
    fn is_probe(&self) -> bool {
        let Some(core) = self.known.lock().unwrap().clone() else {
            return false;
        };
        let path = format!("providers/{}", self.name);
        let reports = core.tree().report();
        let report = reports.iter().find(|report| report.path == path).unwrap();
        let mut breakers = report.vitals.breakers.iter();
        breakers.any(|breaker| breaker.state == "half-open")
    }
}

/// A call for as long as somebody holds it.
struct Running {
    name: String,
    seen: Arc<Mutex<Seen>>,
    is_probe: bool,
}

impl Running {
    /// A probe is one until content comes; then the breaker knows.
    fn has_told(&mut self) {
        if std::mem::take(&mut self.is_probe) {
            *self
                .seen
                .lock()
                .unwrap()
                .probing
                .get_mut(&self.name)
                .unwrap() -= 1;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.has_told();
        *self
            .seen
            .lock()
            .unwrap()
            .running
            .get_mut(&self.name)
            .unwrap() -= 1;
    }
}

/// Which request it is: the text of its first message.
pub(crate) fn tag(request: &Request) -> String {
    match request
        .messages
        .first()
        .and_then(|message| message.parts.first())
    {
        Some(Part::Text(text)) => text.clone(),
        other => panic!("no tag: {other:?}"),
    }
}

impl Calls for FakeCalls {
    fn complete(&self, request: &Request) -> Result<Answer, Failure> {
        let is_probe = self.is_probe();
        let running = {
            let mut seen = self.seen.lock().unwrap();
            seen.begun
                .entry(tag(request))
                .or_default()
                .push(self.name.clone());
            *seen.running.entry(self.name.clone()).or_default() += 1;
            *seen.attempts.entry(self.name.clone()).or_default() += 1;
            if is_probe {
                seen.probes += 1;
                let probing = seen.probing.entry(self.name.clone()).or_default();
                *probing += 1;
                assert_eq!(*probing, 1, "two probes at once of {}", self.name);
            }
            Running {
                name: self.name.clone(),
                seen: Arc::clone(&self.seen),
                is_probe,
            }
        };
        Ok(answer(self.fate, running))
    }

    fn models(&self) -> BoxFuture<'static, Result<Vec<Model>, Failure>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn describe(&self) -> BoxFuture<'static, Result<ProviderInfo, Failure>> {
        panic!("not asked here")
    }

    fn count_tokens(&self, _: &Request) -> BoxFuture<'static, Result<u64, Failure>> {
        panic!("not asked here")
    }
}

/// The time to the first event and between events: the healthy provider's latency is known.
pub(crate) const STEP: Duration = Duration::from_millis(50);

fn answer(fate: Fate, running: Running) -> BoxStream<'static, Step> {
    let (pieces, end): (u32, Option<Result<Finish, Failure>>) = match fate {
        Fate::Well(pieces) => (pieces, Some(Ok(finish()))),
        Fate::Hang => return stuck(0, running),
        Fate::Stall(pieces) => return stuck(pieces, running),
        Fate::Reset(pieces) => (pieces, Some(Err(network(NetworkKind::Reset, true)))),
        Fate::Truncate(pieces) => (pieces, Some(Err(network(NetworkKind::Truncated, true)))),
        Fate::RateLimited(wait) => (0, Some(Err(limited(wait)))),
        Fate::Overloaded => (0, Some(Err(error(ErrorKind::Overloaded(None), 529)))),
        Fate::Refused => (0, Some(Err(error(ErrorKind::Auth(AuthKind::Invalid), 401)))),
        Fate::Trap(pieces) => (
            pieces,
            Some(Err(Fault::new(FaultClass::Trap, "on purpose").into())),
        ),
        Fate::PanicActor | Fate::PanicTask | Fate::ProcessDied => panic!("it never began"),
    };
    let end = stream::iter(end).map(Step::End);
    timed(events(pieces).chain(end), running)
}

/// A start, then so many pieces of text.
fn events(pieces: u32) -> impl futures::Stream<Item = Step> + Send {
    let start = (pieces > 0).then(|| Event::Started(Started::default()));
    let texts = (0..pieces).map(|piece| Event::Text(format!("{piece} ")));
    stream::iter(start.into_iter().chain(texts)).map(|event| Step::Events(vec![event]))
}

fn stuck(pieces: u32, running: Running) -> BoxStream<'static, Step> {
    timed(events(pieces).chain(stream::pending()), running)
}

fn timed(
    steps: impl futures::Stream<Item = Step> + Send + 'static,
    mut running: Running,
) -> BoxStream<'static, Step> {
    let begun = Instant::now();
    steps
        .enumerate()
        .then(move |(at, step)| {
            let at = u32::try_from(at).unwrap() + 1;
            tokio::time::sleep_until(begun + STEP * at).map(|()| step)
        })
        .inspect(move |step| {
            if matches!(step, Step::Events(events) if events.iter().any(Event::is_content)) {
                running.has_told();
            }
        })
        .boxed()
}

fn finish() -> Finish {
    Finish {
        reason: FinishReason::Stop,
        usage: None,
        response_id: None,
        model: None,
        extras: Vec::new(),
    }
}

fn network(kind: NetworkKind, request_sent: bool) -> Failure {
    let kind = NetworkFailure { kind, request_sent };
    Error::new(ErrorKind::Network(kind), "on purpose").into()
}

fn error(kind: ErrorKind, status: u16) -> Failure {
    let mut error = Error::new(kind, "on purpose");
    error.http_status = Some(status);
    error.into()
}

fn limited(wait_s: Option<u32>) -> Failure {
    let limit = RateLimit {
        retry_after_ms: wait_s.map(|wait| u64::from(wait) * 1000),
        scope: LimitScope::Requests,
    };
    error(ErrorKind::RateLimited(limit), 429)
}
