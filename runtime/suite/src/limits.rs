//! What calls used of what one call may use.

use vale_types::Limits;

use crate::report::{Check, LimitUse, Section, Verdict};
use crate::scenario::Scenario;

const SECTION: Section = Section::Limits;
/// Less room than this is too little for a longer answer than the recorded ones.
const ROOM: f64 = 2.0;

pub(crate) fn judge(scenario: &Scenario) -> (Vec<LimitUse>, Vec<Check>) {
    let peak = scenario.peak;
    if peak.calls == 0 {
        let none = Check::new(SECTION, "what calls use", Verdict::Skipped);
        return (Vec::new(), vec![none.got("no call was made")]);
    }
    let limits = scenario.bench.manifest.limits.over(Limits::default());
    let uses = vec![
        used(
            "memory_mib",
            megabytes(peak.memory),
            number(limits.memory_mib),
            "MiB",
        ),
        used(
            "cpu_ms",
            peak.cpu.as_secs_f64() * 1e3,
            number(limits.cpu_ms),
            "ms",
        ),
        used(
            "log_lines",
            number(peak.lines),
            f64::from(limits.log_lines),
            "lines",
        ),
    ];
    let checks = uses.iter().map(|used| {
        let text = format!("{:.1} of {} {}", used.used, used.allowed, used.unit);
        let (verdict, next) = if used.used > used.allowed {
            (Verdict::Failed, "Use less, or ask for more in [limits] of plugin.toml.")
        } else if used.used * ROOM > used.allowed {
            (
                Verdict::Warning,
                "A longer answer may not fit: use less, or ask for more in [limits] of plugin.toml.",
            )
        } else {
            return Check::passed(SECTION, &used.limit).got(text);
        };
        Check::new(SECTION, &used.limit, verdict)
            .expected(format!("room for {ROOM} times as much"))
            .got(text)
            .next_step(next)
    });
    let checks = checks.collect();
    (uses, checks)
}

fn used(limit: &str, used: f64, allowed: f64, unit: &str) -> LimitUse {
    LimitUse {
        limit: limit.to_owned(),
        used,
        allowed,
        unit: unit.to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn number(value: u64) -> f64 {
    value as f64
}

fn megabytes(bytes: u64) -> f64 {
    number(bytes) / f64::from(1 << 20)
}
