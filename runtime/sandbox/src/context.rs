//! What the host gives to one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vale_egress::Gate;
use vale_types::{Blob, Limits};

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
    /// The state of this plugin. Only a tool can reach it.
    pub kv: Arc<dyn KvStore>,
    /// The attachments of this call, made for it alone. Only a tool can reach them.
    pub blobs: Arc<dyn BlobStore>,
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

/// Why a value was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvError {
    /// What this plugin keeps has reached the manifest's cap.
    Full,
    /// This value or key alone is larger than the cap.
    TooLarge,
    /// A sentence for the plugin's author.
    Other(String),
}

/// Small state of one plugin, kept between calls.
///
/// Called on the sandbox's threads, in the middle of a guest's computation: a short wait for a
/// disk is fine, a wait for a lock that others hold for long, or for a person, is not. Calls of
/// the same plugin may come at the same time.
///
/// Keys are any Unicode of 1 to 512 bytes, compared byte by byte: never file names. The sandbox
/// caps keys, single values and the number of keys in a listing; the total is this trait's to
/// cap, with [`KvError::Full`]. An `Err(String)` says that the store itself failed: it ends the
/// call as a failure of the host, not of the plugin.
pub trait KvStore: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// A sentence, when the store failed.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String>;

    /// Keeps a value, in place of an older one; all of it or nothing.
    ///
    /// # Errors
    /// [`KvError`]; the plugin is told.
    fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError>;

    /// Forgets a key. One that is not there is no failure.
    ///
    /// # Errors
    /// A sentence, when the store failed.
    fn delete(&self, key: &str) -> Result<(), String>;

    /// The first `limit` keys that begin with `prefix` and come after `after`, in byte order.
    ///
    /// # Errors
    /// A sentence, when the store failed.
    fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, String>;
}

/// Keeps nothing and says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKv;

impl KvStore for NoKv {
    fn get(&self, _key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    fn set(&self, _key: &str, _value: &[u8]) -> Result<(), KvError> {
        Err(KvError::Other(
            "This plugin was given no place to keep state.".to_owned(),
        ))
    }

    fn delete(&self, _key: &str) -> Result<(), String> {
        Ok(())
    }

    fn list(
        &self,
        _prefix: &str,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}

/// Why bytes were not given or not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobError {
    /// No such handle.
    Unknown,
    /// More than a cap allows.
    TooLarge,
    /// A sentence for the plugin's author.
    Other(String),
}

/// The attachments of one call, and the place for what it makes.
///
/// Called on the sandbox's threads, in the middle of a guest's computation: reading a file is
/// fine, a wait for the network, a person or a lock that others hold for long is not.
///
/// The sandbox asks for [`Self::given`] once, at the start, and lets the guest read only those and
/// what [`Self::put`] gave it in the same call. It also checks offsets and lengths, and counts
/// what is put against the call's cap on output (`event_bytes`).
pub trait BlobStore: Send + Sync {
    /// The attachments that this call may read.
    fn given(&self) -> Vec<Blob>;

    /// `len` bytes from `offset`; the range lies within the blob's size.
    ///
    /// # Errors
    /// [`BlobError`]; the plugin is told.
    fn read(&self, id: &str, offset: u64, len: usize) -> Result<Vec<u8>, BlobError>;

    /// Keeps bytes and gives them a new handle, which no other blob of this call has.
    ///
    /// # Errors
    /// [`BlobError`]; the plugin is told.
    fn put(&self, media_type: &str, name: Option<&str>, bytes: Vec<u8>) -> Result<Blob, BlobError>;
}

/// Has nothing and takes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBlobs;

impl BlobStore for NoBlobs {
    fn given(&self) -> Vec<Blob> {
        Vec::new()
    }

    fn read(&self, _id: &str, _offset: u64, _len: usize) -> Result<Vec<u8>, BlobError> {
        Err(BlobError::Unknown)
    }

    fn put(
        &self,
        _media_type: &str,
        _name: Option<&str>,
        _bytes: Vec<u8>,
    ) -> Result<Blob, BlobError> {
        Err(BlobError::Other(
            "This call was given no place for attachments.".to_owned(),
        ))
    }
}
