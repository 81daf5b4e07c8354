//! The measurements. Ours and the peer's alternate, so that a busy moment meets both.

use std::path::Path;
use std::time::{Duration, Instant};

use vale_host::{Host, HostConfig, Paths, TurnStep};
use vale_sandbox::{CodeCache, Engine, EngineConfig};

use crate::Result;
use crate::direct::Direct;
use crate::ours::{Ours, plugins};
use crate::report::{Report, micros, millis};
use crate::upstream::{self, Process};

/// The value below which `share` of the samples lie.
pub(crate) fn percentile(samples: &mut [Duration], share: f64) -> Duration {
    samples.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((samples.len().saturating_sub(1)) as f64 * share).round() as usize;
    samples.get(index).copied().unwrap_or_default()
}

pub(crate) async fn first_event(upstream: &Process, report: &mut Report) -> Result<()> {
    const ROUNDS: usize = 1_000;
    let (direct, ours) = (
        Direct::new(&upstream.base_url())?,
        Ours::start(&upstream.base_url())?,
    );
    for _ in 0..50 {
        direct.answer("events-20-1").await?;
        ours.answer("events-20-1").await?;
    }
    let (mut peer, mut mine) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        peer.push(direct.answer("events-20-1").await?.first);
        mine.push(ours.answer("events-20-1").await?.first);
    }
    for (name, share, target) in [("p50", 0.5, "< 0.5 ms"), ("p99", 0.99, "< 2 ms")] {
        let (peer, mine) = (percentile(&mut peer, share), percentile(&mut mine, share));
        report.row(
            &format!("first event, {name}, {ROUNDS} calls each"),
            &micros(peer),
            &micros(mine),
            &format!("added {}", micros(mine.saturating_sub(peer))),
            &format!("{target} added"),
        );
    }
    Ok(())
}

pub(crate) async fn throughput(
    upstream: &Process,
    report: &mut Report,
    per_chunk: usize,
    events: usize,
) -> Result<()> {
    const ROUNDS: usize = 5;
    let (direct, ours) = (
        Direct::new(&upstream.base_url())?,
        Ours::start(&upstream.base_url())?,
    );
    let model = format!("events-{events}-{per_chunk}");
    let (mut peer, mut mine) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (timing, into) in [
            (direct.answer(&model).await?, &mut peer),
            (ours.answer(&model).await?, &mut mine),
        ] {
            if timing.events != u64::try_from(events)? {
                return Err(format!("{} of {events} events came", timing.events).into());
            }
            into.push(timing.total);
        }
    }
    let rate = |samples: &mut Vec<Duration>| {
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let events = events as f64;
        events / percentile(samples, 0.5).as_secs_f64() / 1000.0
    };
    let (peer, mine) = (rate(&mut peer), rate(&mut mine));
    report.row(
        &format!("throughput, {per_chunk} event(s) a chunk, {events} events, median of {ROUNDS}"),
        &format!("{peer:.0} k/s"),
        &format!("{mine:.0} k/s"),
        &format!("{:.2} x direct", mine / peer),
        if per_chunk == 1 {
            ">= 0.6 x direct"
        } else {
            ">= 150 k/s"
        },
    );
    Ok(())
}

pub(crate) async fn cancel(upstream: &Process, report: &mut Report) -> Result<()> {
    const ROUNDS: usize = 40;
    let (direct, ours) = (
        Direct::new(&upstream.base_url())?,
        Ours::start(&upstream.base_url())?,
    );
    let closed = format!("http://127.0.0.1:{}/closed", upstream.port());
    let mut samples = Vec::new();
    for _ in 0..ROUNDS {
        let mut turn = ours.host.send(&Ours::model("endless")?, Ours::request())?;
        loop {
            match turn.next().await {
                Some(TurnStep::Attempt(_)) => {}
                Some(TurnStep::Events(_)) => break,
                other => return Err(format!("no event: {other:?}").into()),
            }
        }
        let dropped = upstream::now_ns();
        drop(turn);
        let at = loop {
            let at: u64 = direct.get(&closed).await?.parse()?;
            if at != 0 {
                break at;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        samples.push(Duration::from_nanos(at.saturating_sub(dropped)));
    }
    let (p50, max) = (percentile(&mut samples, 0.5), percentile(&mut samples, 1.0));
    report.row(
        &format!("cancel to upstream socket closed, {ROUNDS} calls"),
        "",
        &format!("{} p50, {} max", micros(p50), micros(max)),
        "",
        "< 100 ms",
    );
    Ok(())
}

pub(crate) async fn load(report: &mut Report) -> Result<()> {
    let wasm = std::fs::read(plugins()?.join("openai/component.wasm"))?;
    let folder = tempfile::tempdir()?;
    let open = || CodeCache::open(&folder.path().join("code"), &folder.path().join("key"));
    let mut cold = Vec::new();
    for _ in 0..5 {
        let engine = Engine::new(EngineConfig::default())?;
        let start = Instant::now();
        engine.load(wasm.clone()).await?;
        cold.push(start.elapsed());
    }
    Engine::new(EngineConfig {
        cache: Some(open()?),
        threads: None,
    })?
    .load(wasm.clone())
    .await?;
    let mut warm = Vec::new();
    for _ in 0..50 {
        let engine = Engine::new(EngineConfig {
            cache: Some(open()?),
            threads: None,
        })?;
        let start = Instant::now();
        engine.load(wasm.clone()).await?;
        warm.push(start.elapsed());
    }
    let size = wasm.len() / 1000;
    report.row(
        &format!("plugin load, provider-openai ({size} kB), AOT cache, p50 of 50"),
        "",
        &millis(percentile(&mut warm, 0.5)),
        "",
        "< 5 ms",
    );
    report.row(
        "plugin load, cold compile, p50 of 5",
        "",
        &millis(percentile(&mut cold, 0.5)),
        "",
        "< 500 ms",
    );
    suite(report).await
}

/// `valechat plugin test` over a provider that never changes: conformance, faults, limits and speed.
async fn suite(report: &mut Report) -> Result<()> {
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/frozen");
    let file = std::fs::read(frozen.join("provider-0.1.0.wasm"))?;
    let recordings = vale_suite::Recordings::read(&frozen.join("recordings-0.1.0"))?;
    let run = vale_suite::run(&file, &recordings, &vale_suite::Options::default()).await?;
    report.row(
        &format!(
            "conformance suite over a provider, {} checks",
            run.checks.len()
        ),
        "",
        &format!("{:.1} s", run.took_ms / 1e3),
        "cold compile included",
        "",
    );
    Ok(())
}

/// Proportional set size of a process, kB.
pub(crate) fn pss_kb(process: &str) -> Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .ok_or("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Idle, five plugins loaded, the local model's process running with its model unloaded.
pub(crate) async fn memory(report: &mut Report) -> Result<()> {
    let before = pss_kb("self")?;
    let home = tempfile::tempdir()?;
    // A file that is not there holds no key; a keyring that does not answer is an error.
    std::fs::write(
        home.path().join("config.toml"),
        "[keys]\nstore = \"file\"\n",
    )?;
    let mut paths = Paths::under(home.path());
    paths.plugins = vec![plugins()?];
    paths.built_in_plugins = 1;
    let of_user = Paths::of_this_user()?;
    (paths.infer, paths.model, paths.confine) = (of_user.infer, of_user.model, of_user.confine);
    let host = Host::start(HostConfig {
        paths,
        ask_passphrase: None,
    })?;
    for summary in host.profile().providers() {
        if summary.plugin.as_str() != "local" {
            host.describe(&summary.id).await?;
        }
    }
    host.models(&"local".parse()?).await?;
    let child = host
        .infer_process()
        .await
        .ok_or("the local model's process does not run")?;
    let (host_kb, infer_kb) = (pss_kb("self")?.saturating_sub(before), tree_pss_kb(child)?);
    report.row(
        "memory (PSS), idle, the 5 plugins loaded, model not loaded",
        "",
        &format!("{} MB", (host_kb + infer_kb + before) / 1000),
        &format!(
            "host adds {} MB, valechat-infer and its keepers {} MB, this bench's own {} MB",
            host_kb / 1000,
            infer_kb / 1000,
            before / 1000
        ),
        "< 80 MB",
    );
    Ok(())
}

/// A process and its descendants.
fn tree_pss_kb(process: u32) -> Result<u64> {
    let mut total = pss_kb(&process.to_string())?;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let children = std::fs::read_to_string(thread?.path().join("children"))?;
        for child in children.split_whitespace() {
            total += tree_pss_kb(child.parse()?)?;
        }
    }
    Ok(total)
}

pub(crate) fn start(report: &mut Report) -> Result<()> {
    let Some(valechat) = std::env::var_os("VALECHAT_BIN") else {
        report.row(
            "process start to ready",
            "",
            "not measured: VALECHAT_BIN is not set",
            "",
            "< 200 ms",
        );
        return Ok(());
    };
    let home = tempfile::tempdir()?;
    let run = || {
        let start = Instant::now();
        let done = std::process::Command::new(&valechat)
            .args(["provider", "list", "--json"])
            .env("VALECHAT_HOME", home.path())
            .env("VALECHAT_KEY_OPENAI", "sk-not-used-0123456789")
            .output();
        match done {
            Ok(output) if output.status.success() => Ok(start.elapsed()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
            Err(error) => Err(error.into()),
        }
    };
    run()?;
    let mut samples = (0..20).map(|_| run()).collect::<Result<Vec<_>>>()?;
    report.row(
        "process start, host up, `provider list`, exit; p50 of 20",
        "",
        &millis(percentile(&mut samples, 0.5)),
        "",
        "< 200 ms",
    );
    Ok(())
}
