//! Many streams, slow streams, and what the supervised path costs by itself.

use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, Message};
use vale_host::{ChildSpec, Escalation};
use vale_policy::breaker::{Breaker, BreakerConfig, Outcome};

use crate::Result;
use crate::direct::Direct;
use crate::measure::{percentile, pss_kb};
use crate::ours::Ours;
use crate::report::{Report, micros};
use crate::upstream::Process;

/// Processor time of all threads of this process so far (proc(5): the first figure of schedstat).
fn cpu() -> Result<Duration> {
    let mut total = 0_u64;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let spent = text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
        total += spent.unwrap_or_default();
    }
    Ok(Duration::from_nanos(total))
}

/// The processor time of one stream at the pace of a fast model.
pub(crate) async fn slow_stream(upstream: &Process, report: &mut Report) -> Result<()> {
    const SECONDS: u32 = 10;
    let (direct, ours) = (
        Direct::new(&upstream.base_url())?,
        Ours::start(&upstream.base_url())?,
    );
    let model = format!("paced-{}-100", SECONDS * 100);
    let percent = |before: Duration, after: Duration| {
        let spent = after.saturating_sub(before);
        spent.as_secs_f64() / f64::from(SECONDS) * 100.0
    };
    // The connections are made and the plugin is loaded.
    direct.answer("events-20-1").await?;
    ours.answer("events-20-1").await?;
    let before = cpu()?;
    direct.answer(&model).await?;
    let peer = percent(before, cpu()?);
    let before = cpu()?;
    ours.answer(&model).await?;
    let mine = percent(before, cpu()?);
    report.row(
        &format!("CPU of one stream at 100 token/s, over {SECONDS} s"),
        &format!("{peer:.2} % of a core"),
        &format!("{mine:.2} % of a core"),
        "this whole process",
        "< 1 %",
    );
    Ok(())
}

/// A thousand answers at once.
pub(crate) async fn many_streams(upstream: &Process, report: &mut Report) -> Result<()> {
    const STREAMS: usize = 1000;
    let ours = Ours::start(&upstream.base_url())?;
    ours.answer("events-20-1").await?;
    let before = pss_kb("self")?;
    let begun = Instant::now();
    let mut answers = tokio::task::JoinSet::new();
    let ours = std::sync::Arc::new(ours);
    for _ in 0..STREAMS {
        let ours = std::sync::Arc::clone(&ours);
        answers.spawn(async move { ours.answer("paced-60-10").await });
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let during = pss_kb("self")?;
    let (mut failed, mut first) = (0, Vec::new());
    while let Some(answer) = answers.join_next().await {
        match answer? {
            Ok(timing) if timing.events == 60 => first.push(timing.first),
            _ => failed += 1,
        }
    }
    let each = during.saturating_sub(before) / u64::try_from(STREAMS)?;
    report.row(
        &format!("{STREAMS} streams at once, 10 events/s each"),
        "",
        &format!("{failed} failed, {each} KB each"),
        &format!(
            "first event p99 {}, all in {:.1} s",
            micros(percentile(&mut first, 0.99)),
            begun.elapsed().as_secs_f64()
        ),
        "0 failed, < 300 KB each",
    );
    Ok(())
}

struct Echo;

impl Actor for Echo {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hop;

impl Handler<Hop> for Echo {
    type Result = ();
    fn handle(&mut self, _: Hop, _: &mut Context<Self>) {}
}

/// What one message to a supervised actor and back costs, and one question to a breaker.
pub(crate) async fn hops(upstream: &Process, report: &mut Report) -> Result<()> {
    const HOPS: usize = 20_000;
    let ours = Ours::start(&upstream.base_url())?;
    let tree = ours.host.core().tree();
    let group = tree.group("bench", Escalation::Isolate);
    let child = tree.start(&group, ChildSpec::permanent("echo", "echo"), || Echo);
    child.call(Hop).await?;
    let mut samples = Vec::with_capacity(HOPS);
    for _ in 0..HOPS {
        let begun = Instant::now();
        child.call(Hop).await?;
        samples.push(begun.elapsed());
    }
    report.row(
        &format!("a message to a supervised actor and back, p50 and p99 of {HOPS}"),
        "",
        &format!(
            "{} / {}",
            micros(percentile(&mut samples, 0.5)),
            micros(percentile(&mut samples, 0.99))
        ),
        "between two threads",
        "",
    );
    const CHECKS: u32 = 1_000_000;
    let mut breaker = Breaker::new(BreakerConfig::default());
    let now = Instant::now();
    let begun = Instant::now();
    for _ in 0..CHECKS {
        if let Ok(permit) = breaker.admit(std::hint::black_box(now)) {
            breaker.record(permit, Outcome::Success, now);
        }
    }
    let each = begun.elapsed() / CHECKS;
    report.row(
        "a breaker's leave and its record",
        "",
        &format!("{} ns", each.as_nanos()),
        "",
        "",
    );
    Ok(())
}
