//! What the host gives to one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vale_egress::Gate;
use vale_types::Limits;

/// Everything a call may see or use. Holds no secret: the gate has them.
#[derive(Clone)]
pub struct CallContext {
    /// The plugin's only way out.
    pub gate: Arc<Gate>,
    /// The settings, a JSON object valid under the manifest's schema.
    pub settings_json: String,
    /// Which credentials exist; never their values.
    pub credentials: Vec<CredentialInfo>,
    /// What the call may use.
    pub limits: Limits,
    /// Where the plugin's log lines go.
    pub log: Arc<dyn LogSink>,
    /// Time and randomness.
    pub ambient: Arc<dyn Ambient>,
    /// Adds up what calls use.
    pub meter: Arc<Meter>,
}

/// What the calls of one plugin have used so far.
#[derive(Debug, Default)]
pub struct Meter {
    cpu_ns: AtomicU64,
    peak_memory: AtomicU64,
}

impl Meter {
    pub(crate) fn add(&self, cpu: Duration, memory: usize) {
        let ns = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_ns.fetch_add(ns, Ordering::Relaxed);
        let memory = u64::try_from(memory).unwrap_or(u64::MAX);
        self.peak_memory.fetch_max(memory, Ordering::Relaxed);
    }

    /// Processor time of all calls that have ended.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed))
    }

    /// The most memory that one call held, bytes.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Ordering::Relaxed)
    }
}

/// A credential's presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialInfo {
    /// As in the manifest.
    pub name: String,
    /// Whether the person has set it.
    pub present: bool,
    /// Whether a call without it is refused.
    pub required: bool,
}

/// Level of a plugin's log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// Worth knowing.
    Info,
    /// For the author.
    Debug,
    /// For the author, in detail.
    Trace,
}

/// Receives a plugin's log lines. Called on the sandbox's threads: must not block.
pub trait LogSink: Send + Sync {
    /// One line.
    fn line(&self, level: LogLevel, text: &str);
}

/// Drops every line.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLog;

impl LogSink for NoLog {
    fn line(&self, _level: LogLevel, _text: &str) {}
}

/// Time and randomness, so that a call can be replayed.
pub trait Ambient: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_unix_ms(&self) -> u64;
    /// Nanoseconds since an arbitrary point; never goes back.
    fn monotonic_ns(&self) -> u64;
    /// Fills the buffer with random bytes.
    ///
    /// # Errors
    /// A sentence, when the operating system has none to give.
    fn random(&self, buffer: &mut [u8]) -> Result<(), String>;
}

/// The machine's own clock and random source.
#[derive(Debug, Clone, Copy)]
pub struct SystemAmbient {
    start: Instant,
}

impl Default for SystemAmbient {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Ambient for SystemAmbient {
    fn now_unix_ms(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), String> {
        getrandom::fill(buffer).map_err(|error| error.to_string())
    }
}
