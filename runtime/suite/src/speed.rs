//! How fast a provider is, measured over replays of one recorded answer.

use std::time::Duration;

use vale_sandbox::Step;

use crate::bench::Setting;
use crate::fault_rows::head;
use crate::report::{Check, Section, SpeedReport, Verdict};
use crate::scenario::{Scenario, cannot_run};
use crate::tape::{After, Cut, Reply, Script, Tape};

const SECTION: Section = Section::Speed;
const NAME: &str = "speed";

pub(crate) async fn measure(
    scenario: &Scenario,
    replays: usize,
    open: usize,
) -> (Option<SpeedReport>, Check) {
    let skipped = |why: &str| {
        let check = Check::new(SECTION, NAME, Verdict::Skipped).got(why);
        (None, check)
    };
    let probe = scenario.probe();
    let (Some(http), Some(name)) = (&probe.answer, &probe.name) else {
        return skipped("no recording holds an answer that ends well");
    };
    let with = Setting {
        settings: probe.settings.clone(),
        ..Setting::default()
    };
    let (mut firsts, mut took, mut events) = (Vec::new(), Duration::ZERO, 0_u32);
    let mut guest_bytes = 0;
    for _ in 0..replays.max(1) {
        let tape = Tape::new(Script::Recorded(http.clone()), Cut::Whole);
        let prepared = match scenario.bench.prepare(&tape, &with) {
            Ok(prepared) => prepared,
            Err(why) => return (None, cannot_run(SECTION, NAME.to_owned(), why)),
        };
        let (outcome, used) = scenario.bench.complete(prepared, &probe.request).await;
        let Some(first) = outcome.first_event else {
            return skipped("the recorded answer gave no event");
        };
        firsts.push(first.as_secs_f64() * 1e3);
        took += outcome.took;
        events += u32::try_from(outcome.events.len()).unwrap_or(u32::MAX);
        guest_bytes = guest_bytes.max(used.memory);
    }
    firsts.sort_by(f64::total_cmp);
    let report = SpeedReport {
        recording: name.clone(),
        replays: firsts.len(),
        first_event_p50_ms: quantile(&firsts, 50),
        first_event_p99_ms: quantile(&firsts, 99),
        events_per_s: f64::from(events) / took.as_secs_f64().max(1e-9),
        open_streams: open,
        guest_bytes_a_stream: guest_bytes,
        resident_bytes_a_stream: held_open(scenario, &probe, open).await,
    };
    (Some(report), Check::passed(SECTION, NAME))
}

/// The smallest value that so many percent do not exceed (nearest rank).
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Holds calls open in the middle of the answer and looks what the process gained.
async fn held_open(
    scenario: &Scenario,
    probe: &crate::scenario::Probe,
    count: usize,
) -> Option<u64> {
    let exchange = probe.answer.as_ref()?.first()?;
    let mut part = exchange.response.clone();
    part.body = head(&part.body);
    let with = Setting {
        settings: probe.settings.clone(),
        waits: true,
        ..Setting::default()
    };
    let before = resident()?;
    let mut calls = Vec::new();
    for _ in 0..count {
        let reply = Reply::Answer(part.clone(), After::Silence);
        let tape = Tape::new(Script::Always(reply), Cut::Whole);
        let prepared = scenario.bench.prepare(&tape, &with).ok()?;
        let mut call = scenario
            .bench
            .plugin
            .complete(prepared.context, &probe.request);
        // Its first events are there: it is in the middle.
        match call.next().await {
            Some(Step::Events(_)) => calls.push(call),
            _ => return None,
        }
    }
    let gained = resident()?.saturating_sub(before);
    let calls = u64::try_from(calls.len()).ok()?;
    gained.checked_div(calls)
}

/// Resident memory of this process, bytes; only Linux says it in a file.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 50), 50.0);
        assert_eq!(quantile(&values, 99), 99.0);
        assert_eq!(quantile(&[3.0], 99), 3.0);
        assert_eq!(quantile(&[1.0, 2.0], 50), 1.0);
    }
}
