//! One world: providers of all degrees of illness, people who ask and sometimes turn away, and
//! the invariants that hold whatever happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::LocalSet;
use tokio::time::Instant;
use vale_host::{ChildState, Core, Fallback, HostEvent, PolicyConfig, Stage, Tree, TurnStep};
use vale_types::{Message, ModelRef, ProviderId, Request, Role};

use crate::fake::{Fake, STEP, Seen};

/// What happened in a world.
#[derive(Debug, Default)]
pub(crate) struct Run {
    requests: u64,
    whole: u64,
    failed: u64,
    cancelled: u64,
    retries: u64,
    switches: u64,
    opened: u64,
    probes: u64,
    crashes: u64,
}

/// What happened in all of them: an invariant that nothing put to the test proves nothing.
#[derive(Debug, Default)]
pub(crate) struct Totals(Run);

impl Totals {
    pub(crate) fn add(&mut self, run: &Run) {
        let all = &mut self.0;
        all.requests += run.requests;
        all.whole += run.whole;
        all.failed += run.failed;
        all.cancelled += run.cancelled;
        all.retries += run.retries;
        all.switches += run.switches;
        all.opened += run.opened;
        all.probes += run.probes;
        all.crashes += run.crashes;
    }

    pub(crate) fn check(&self, seeds: u64) {
        let all = &self.0;
        for (what, count) in [
            ("whole answers", all.whole),
            ("failures", all.failed),
            ("cancelled answers", all.cancelled),
            ("retries", all.retries),
            ("switches", all.switches),
            ("breakers that opened", all.opened),
            ("probes", all.probes),
            ("crashes", all.crashes),
        ] {
            assert!(count >= seeds / 4, "hardly any {what}: {count}");
        }
    }
}

/// How one request went, as its client saw it.
struct Went {
    well: bool,
    ends: u32,
    cancelled: bool,
    whole: bool,
    texts: u32,
    retries: Vec<ProviderId>,
    switches: u64,
    took: Duration,
    begun_before_content: Option<usize>,
    tag: String,
    fell_back: bool,
}

/// The providers of every world.
const NAMES: [&str; 4] = ["well", "sick0", "sick1", "sick2"];

/// Plays one world to its end and checks it.
pub(crate) fn play(seed: u64) -> Run {
    quiet_panics();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let set = LocalSet::new();
    let (run, left) = set.block_on(&runtime, world(seed));
    drop(set);
    assert!(
        left.iter().all(|fake| fake.upgrade().is_none()),
        "somebody still holds a provider"
    );
    run
}

async fn world(seed: u64) -> (Run, Vec<Weak<Fake>>) {
    let begun = Instant::now();
    let mut dice = Rng::with_seed(seed);
    let stage_dice = Mutex::new(dice.fork());
    let stage = Stage::local(move || stage_dice.lock().unwrap().f64());
    let fallback: BTreeMap<String, Vec<ModelRef>> = BTreeMap::from([
        ("sick0/*".to_owned(), vec![model("sick1"), model("well")]),
        ("well/*".to_owned(), Vec::new()),
    ]);
    let core = Core::new(Tree::new(stage), Fallback::try_from(fallback).unwrap());
    let seen = Arc::<Mutex<Seen>>::default();
    let known = Arc::<Mutex<Option<Core>>>::default();
    let mut fakes = Vec::new();
    for name in NAMES {
        let illness = if name == "well" {
            0
        } else {
            dice.u32(10..=100)
        };
        let fake = Arc::new(Fake::new(
            name,
            illness,
            dice.u64(..),
            Arc::clone(&seen),
            Arc::clone(&known),
        ));
        fakes.push(Arc::downgrade(&fake));
        core.add(&id(name), name, policy(name), fake);
    }
    *known.lock().unwrap() = Some(core.clone());
    let mut events = core.tree().events();

    let clients = (0..dice.u32(20..120)).map(|number| {
        let name = dice.choice(NAMES).unwrap();
        let starts = Duration::from_millis(dice.u64(0..300_000));
        let leaves = (dice.u32(0..6) == 0).then(|| Duration::from_millis(dice.u64(0..20_000)));
        let (core, seen) = (core.clone(), Arc::clone(&seen));
        tokio::task::spawn_local(async move {
            tokio::time::sleep(starts).await;
            client(core, name, format!("{number}"), leaves, seen).await
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut run = Run::default();
    let mut repeats = BTreeMap::new();
    for client in clients {
        let went = client.await.unwrap();
        check(&went, &seen, &mut run);
        for provider in went.retries {
            *repeats.entry(provider.to_string()).or_default() += 1;
        }
    }
    check_budgets(&core, &repeats, begun.elapsed());
    core.shut_down(Duration::ZERO).await;
    assert_eq!(core.active(), 0, "a turn is left over");
    for report in core.tree().report() {
        assert_eq!(report.state, ChildState::Stopped, "{report:?}");
    }
    {
        let seen = seen.lock().unwrap();
        assert!(
            seen.running.values().all(|calls| *calls == 0),
            "{:?}",
            seen.running
        );
        run.probes = seen.probes;
    }
    while let Ok(event) = events.try_recv() {
        match event {
            HostEvent::Breaker { state, .. } => run.opened += u64::from(state == "open"),
            HostEvent::Child {
                state: ChildState::Restarting,
                ..
            } => run.crashes += 1,
            _ => {}
        }
    }
    *known.lock().unwrap() = None;
    drop(core);
    // Lets what was told to end do so.
    tokio::time::sleep(Duration::from_secs(1)).await;
    (run, fakes)
}

fn id(name: &str) -> ProviderId {
    name.parse().unwrap()
}

fn model(provider: &str) -> ModelRef {
    ModelRef {
        provider: id(provider),
        model: "m".to_owned(),
    }
}

/// The defaults, mostly; the well provider must not queue, so that its latency is known.
fn policy(name: &str) -> PolicyConfig {
    let mut policy = PolicyConfig::default();
    match name {
        "well" => policy.limits.max_in_flight = 10_000,
        // Tight, so that places and repeats run out.
        "sick2" => {
            policy.limits.max_in_flight = 2;
            policy.limits.max_waiting = 3;
            policy.limits.max_wait_s = 20.0;
            policy.budget.max = 1.0;
            policy.budget.per_minute = 0.2;
            policy.budget.ratio = 0.05;
        }
        _ => {}
    }
    policy
}

async fn client(
    core: Core,
    name: &str,
    tag: String,
    leaves: Option<Duration>,
    seen: Arc<Mutex<Seen>>,
) -> Went {
    let request = Request {
        messages: vec![Message::text(Role::User, tag.clone())],
        ..Request::default()
    };
    let begun = Instant::now();
    let mut went = Went {
        well: name == "well",
        ends: 0,
        cancelled: false,
        whole: false,
        texts: 0,
        retries: Vec::new(),
        switches: 0,
        took: Duration::ZERO,
        begun_before_content: None,
        tag: tag.clone(),
        fell_back: false,
    };
    let mut turn = core.send(&model(name), request).unwrap();
    let leave = async {
        match leaves {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    let mut leave = std::pin::pin!(leave);
    loop {
        let step = tokio::select! {
            biased;
            () = &mut leave => {
                went.cancelled = true;
                break;
            }
            step = turn.next() => step,
        };
        let Some(step) = step else { break };
        assert_eq!(went.ends, 0, "a step after the end: {step:?}");
        match step {
            TurnStep::Attempt(_) | TurnStep::Retry(_) | TurnStep::Switch(_)
                if went.begun_before_content.is_some() =>
            {
                panic!("another attempt after content was shown: {step:?}");
            }
            // A pause that the server asked for is no repeat.
            TurnStep::Retry(note) if note.failure.is_resting() => {}
            TurnStep::Retry(note) => went.retries.push(note.model.provider),
            TurnStep::Switch(_) => {
                went.switches += 1;
                went.fell_back = true;
            }
            TurnStep::Events(events) => {
                if events.iter().any(vale_types::Event::is_content)
                    && went.begun_before_content.is_none()
                {
                    went.begun_before_content =
                        Some(seen.lock().unwrap().begun.get(&tag).map_or(0, Vec::len));
                }
                let texts = events
                    .iter()
                    .filter(|event| matches!(event, vale_types::Event::Text(_)));
                went.texts += u32::try_from(texts.count()).unwrap();
            }
            TurnStep::End(end) => {
                went.ends += 1;
                went.whole = end.is_ok();
            }
            TurnStep::Attempt(_) => {}
        }
    }
    went.took = begun.elapsed();
    went
}

fn check(went: &Went, seen: &Mutex<Seen>, run: &mut Run) {
    run.requests += 1;
    run.retries += u64::try_from(went.retries.len()).unwrap();
    run.switches += went.switches;
    if went.cancelled {
        run.cancelled += 1;
        assert_eq!(went.ends, 0);
    } else {
        assert_eq!(
            went.ends, 1,
            "request {} ended {} times",
            went.tag, went.ends
        );
        if went.whole {
            run.whole += 1;
        } else {
            run.failed += 1;
        }
    }
    if let Some(before) = went.begun_before_content {
        let begun = seen.lock().unwrap().begun[&went.tag].len();
        assert_eq!(
            begun, before,
            "request {}: an attempt after content",
            went.tag
        );
    }
    if went.well && !went.cancelled {
        assert!(
            went.whole,
            "the healthy provider failed request {}",
            went.tag
        );
        assert_eq!((went.retries.len(), went.switches), (0, 0));
        // Its start, its texts, its end.
        assert_eq!(
            went.took.as_millis(),
            (STEP * (went.texts + 2)).as_millis(),
            "the healthy provider was slowed down by its sick neighbours"
        );
    }
}

/// Repeats are paid from the provider's budget.
fn check_budgets(core: &Core, repeats: &BTreeMap<String, u64>, elapsed: Duration) {
    for report in core.tree().report() {
        assert_eq!(
            (report.vitals.in_flight, report.vitals.queued),
            (0, 0),
            "{report:?}"
        );
        let name = report.path.trim_start_matches("providers/");
        let repeats = repeats.get(name).copied().unwrap_or_default();
        let first = report.vitals.first_attempts;
        let bound = policy(name).budget.bound(first, elapsed);
        assert!(
            repeats <= bound,
            "{name}: {repeats} repeats for {first} requests, {bound} allowed"
        );
    }
}

/// Panics on purpose are part of the play and not worth a page each.
fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let words = info.payload();
            let words = words
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| words.downcast_ref::<String>().map(String::as_str));
            if !words.is_some_and(|words| words.contains("on purpose")) {
                usual(info);
            }
        }));
    });
}
