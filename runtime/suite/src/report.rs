//! What the suite found, as data.

use serde::Serialize;

/// A part of the suite; each can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// The file: size, imports, manifest, compile time.
    Package,
    /// What it makes of recorded answers.
    Conformance,
    /// What its answers make of a network that fails.
    Faults,
    /// What its list of models makes of the same.
    ListFaults,
    /// What calls used of what the manifest allows.
    Limits,
    /// Measured, not judged.
    Speed,
}

impl Section {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 6] = [
        Self::Package,
        Self::Conformance,
        Self::Faults,
        Self::ListFaults,
        Self::Limits,
        Self::Speed,
    ];

    /// The word that a person types and reads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Conformance => "conformance",
            Self::Faults => "faults",
            Self::ListFaults => "list-faults",
            Self::Limits => "limits",
            Self::Speed => "speed",
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it must be.
    Passed,
    /// Works; worth a look.
    Warning,
    /// Not as it must be.
    Failed,
    /// Could not be tried; `got` says why.
    Skipped,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The part that it belongs to.
    pub section: Section,
    /// What was tried.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What would have been right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// The plugin's last log lines, where it broke.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl Check {
    pub(crate) fn new(section: Section, name: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            section,
            name: name.into(),
            verdict,
            expected: None,
            got: None,
            next_step: None,
            log: Vec::new(),
        }
    }

    pub(crate) fn passed(section: Section, name: impl Into<String>) -> Self {
        Self::new(section, name, Verdict::Passed)
    }

    pub(crate) fn failed(section: Section, name: impl Into<String>) -> Self {
        Self::new(section, name, Verdict::Failed)
    }

    pub(crate) fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(what.into());
        self
    }

    pub(crate) fn got(mut self, what: impl Into<String>) -> Self {
        self.got = Some(what.into());
        self
    }

    pub(crate) fn next_step(mut self, what: impl Into<String>) -> Self {
        self.next_step = Some(what.into());
        self
    }

    pub(crate) fn log(mut self, lines: &[String]) -> Self {
        self.log = lines.to_vec();
        self
    }
}

/// What the file is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackageReport {
    /// Size of the file, bytes.
    pub bytes: u64,
    /// `provider` or `tool`.
    pub kind: String,
    /// What it exports of the contract, with versions.
    pub contract: Vec<String>,
    /// What it imports of the host, with versions; packages of types left out.
    pub imports: Vec<String>,
    /// The compiler's time, milliseconds.
    pub compile_ms: f64,
    /// Loading the compiled code from the cache, milliseconds; none = the cache did not serve.
    pub cached_load_ms: Option<f64>,
}

/// What calls used of one limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitUse {
    /// The limit's name in the manifest, or the host's own.
    pub limit: String,
    /// The most that one call used.
    pub used: f64,
    /// What one call may use.
    pub allowed: f64,
    /// Of both.
    pub unit: String,
}

/// Measured over replays of one recording; judged by nobody.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeedReport {
    /// Which recording.
    pub recording: String,
    /// So many replays.
    pub replays: usize,
    /// From the call to the first event, instantiation included: median, milliseconds.
    pub first_event_p50_ms: f64,
    /// The same, 99th percentile.
    pub first_event_p99_ms: f64,
    /// Events of all replays by their time, instantiation included.
    pub events_per_s: f64,
    /// Calls that were held open at once in the middle of the answer.
    pub open_streams: usize,
    /// Linear memory of one call, bytes.
    pub guest_bytes_a_stream: u64,
    /// Memory that this process gained for each open call, bytes; none where it cannot be read.
    pub resident_bytes_a_stream: Option<u64>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The plugin.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Whether nothing failed.
    pub passed: bool,
    /// Every check, in the order in which it ran.
    pub checks: Vec<Check>,
    /// What the file is; none = it could not be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageReport>,
    /// What calls used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitUse>,
    /// How fast it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<SpeedReport>,
    /// The suite's own time, milliseconds.
    pub took_ms: f64,
}

impl Report {
    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        let found = self.checks.iter().filter(|check| check.verdict == verdict);
        found.count()
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        let failed = |check: &&Check| check.verdict == Verdict::Failed;
        self.checks.iter().filter(failed)
    }
}
