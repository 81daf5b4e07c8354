//! The suite from beginning to end.

use std::time::Instant;

use vale_plugins::Package;

use crate::bench::Bench;
use crate::recording::Recordings;
use crate::report::{Check, Report, Section, Verdict};
use crate::scenario::{Peak, Scenario};
use crate::{conformance, faults, limits, list_faults, package, speed, tool_faults, tools};

/// How the suite runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only this part, with what it needs of the others.
    pub only: Option<Section>,
    /// Replays of the speed part.
    pub replays: usize,
    /// Calls that the speed part holds open at once.
    pub open_streams: usize,
    /// Longest call, seconds; a manifest that asks for less gets less.
    pub wall_s: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            only: None,
            replays: 30,
            open_streams: 16,
            wall_s: 20,
        }
    }
}

/// Why the suite cannot judge at all.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The file is no plugin.
    #[error(transparent)]
    Package(#[from] vale_plugins::PackageError),
    /// This machine cannot run the sandbox.
    #[error("The suite cannot start on this machine: {0}.")]
    Start(String),
}

/// Runs the suite over a plugin's file. A plugin that cannot be loaded is a report with a failed
/// check, not an error.
///
/// # Errors
/// When the file is no packaged plugin, or this machine runs none.
pub async fn run(
    file: &[u8],
    recordings: &Recordings,
    options: &Options,
) -> Result<Report, SuiteError> {
    let began = Instant::now();
    let package = Package::of_bytes(file)?;
    let workshop = package::Workshop::open()?;
    let mut report = Report {
        id: package.manifest.id.to_string(),
        version: package.manifest.version.to_string(),
        passed: false,
        checks: Vec::new(),
        package: None,
        limits: Vec::new(),
        speed: None,
        took_ms: 0.0,
    };
    let loaded = package::load(&workshop, file, &package).await;
    let could_load = loaded.plugin.is_some();
    if wants(options, Section::Package) || !could_load {
        report.checks.extend(loaded.checks);
    }
    report.package = loaded.report;
    if let Some(plugin) = loaded.plugin {
        let (good, bad) = recordings.parse();
        if wants(options, Section::Conformance) {
            report.checks.extend(bad.into_iter().map(|(name, why)| {
                Check::failed(Section::Conformance, name)
                    .expected("a recording")
                    .got(why)
                    .next_step("Correct the file; the recordings of the examples show how.")
            }));
        }
        let is_provider = plugin.kind().is_provider();
        let mut scenario = Scenario {
            bench: Bench::new(plugin, package.manifest, options.wall_s),
            recordings: good,
            peak: Peak::default(),
        };
        sections(&mut scenario, is_provider, options, &mut report).await;
    }
    report.passed = report.count(Verdict::Failed) == 0;
    report.took_ms = began.elapsed().as_secs_f64() * 1e3;
    Ok(report)
}

fn wants(options: &Options, section: Section) -> bool {
    options.only.is_none_or(|only| only == section)
}

async fn sections(
    scenario: &mut Scenario,
    is_provider: bool,
    options: &Options,
    report: &mut Report,
) {
    // What calls use is learnt while these run.
    for section in [Section::Conformance, Section::Faults, Section::ListFaults] {
        if !wants(options, section) && options.only != Some(Section::Limits) {
            continue;
        }
        let checks = match (section, is_provider) {
            (Section::Conformance, true) => conformance::provider(scenario).await,
            (Section::Conformance, false) => tools::tool(scenario).await,
            (Section::ListFaults, true) => list_faults::provider(scenario).await,
            // What tools there are is asked of no server.
            (Section::ListFaults, false) => continue,
            (_, true) => faults::provider(scenario).await,
            (_, false) => tool_faults::tool(scenario).await,
        };
        if wants(options, section) {
            report.checks.extend(checks);
        }
    }
    if wants(options, Section::Limits) {
        let (uses, checks) = limits::judge(scenario);
        report.limits = uses;
        report.checks.extend(checks);
    }
    if wants(options, Section::Speed) {
        if is_provider {
            let (speed, check) =
                speed::measure(scenario, options.replays, options.open_streams).await;
            report.speed = speed;
            report.checks.push(check);
        } else {
            let skipped = Check::new(Section::Speed, "speed", Verdict::Skipped);
            report.checks.push(skipped.got("a tool streams nothing"));
        }
    }
}
