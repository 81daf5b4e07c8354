//! One plugin, ready to be called over a tape: what the composition root does for an installed
//! one, with everything agreed to that it asks for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::watch;
use vale_egress::{
    Caps, Credential, CredentialPlace, Gate, GateConfig, Origin, Rule, Timeouts, TransportKind,
};
use vale_plugins::{
    Ceiling, DropReason, Effective, EffectiveCredential, Grant, HostVars, Manifest, OriginSource,
    effective,
};
use vale_sandbox::{
    Ambient, BlobStore, CallContext, CredentialInfo, KvError, KvStore, LogLevel, LogSink, Meter,
    NoBlobs, Plugin, Step,
};
use vale_secrets::Secret;
use vale_types::{Event, Failure, Finish, Request};

use crate::tape::{Random, Tape};

/// Where the host's own model server would be.
const HOST_INFER: &str = "http://127.0.0.1:7411";
/// The value of every credential.
const KEY: &str = "made-up-key-of-the-suite-0001";
/// How long the gate waits, where nothing but the suite's own script could answer.
const PATIENCE: Duration = Duration::from_millis(60);
/// How long after its end a call may go on: more than the sandbox lets it.
const WIND_UP: Duration = Duration::from_secs(5);
/// Log lines that are kept of a call.
const LAST_LINES: usize = 8;
/// Longest log line that is kept, characters.
const LINE: usize = 400;

/// A loaded plugin.
pub(crate) struct Bench {
    pub(crate) plugin: Plugin,
    pub(crate) manifest: Manifest,
    /// Longest call, seconds.
    pub(crate) wall_s: u64,
    /// Calls so far: each finds other randomness, as it does in life.
    calls: AtomicU64,
}

/// How one call differs from the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setting {
    /// The person's settings.
    pub(crate) settings: Map<String, Value>,
    /// No credential is set.
    pub(crate) without_keys: bool,
    /// The most bytes of all answers; none = as the manifest says.
    pub(crate) response_bytes: Option<u64>,
    /// Silence is waited out: the call is to stay open.
    pub(crate) waits: bool,
}

/// What a call came to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) end: Result<Finish, Failure>,
    /// From the call to its first event.
    pub(crate) first_event: Option<Duration>,
    /// From the call to its end.
    pub(crate) took: Duration,
}

/// What a call used, and its last log lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    pub(crate) memory: u64,
    pub(crate) lines: u64,
    pub(crate) last_lines: Vec<String>,
}

/// A call's context, and what is needed to learn what it used.
pub(crate) struct Prepared {
    pub(crate) context: CallContext,
    meter: Arc<Meter>,
    kept: Arc<Lines>,
    over: watch::Receiver<()>,
}

impl Bench {
    pub(crate) fn new(plugin: Plugin, manifest: Manifest, wall_s: u64) -> Self {
        Self {
            plugin,
            manifest,
            wall_s: wall_s.max(1),
            calls: AtomicU64::new(0),
        }
    }

    /// Everything for one call.
    ///
    /// # Errors
    /// A sentence: the settings do not fit the manifest, or it asks for what cannot be granted.
    pub(crate) fn prepare(&self, tape: &Arc<Tape>, with: &Setting) -> Result<Prepared, String> {
        let host = HostVars {
            infer: HOST_INFER.parse().ok(),
        };
        let resolved = self
            .manifest
            .resolve(&with.settings, &host)
            .map_err(|error| error.to_string())?;
        let grant = agreed(&resolved)?;
        let effective = effective(&resolved, &grant, &Ceiling::default());
        let config = self.gate_config(&effective, tape, with)?;
        let credentials = effective.credentials.iter();
        let infos = credentials.map(|credential| CredentialInfo {
            name: credential.name.clone(),
            present: !with.without_keys,
            required: is_required(&effective, credential),
        });
        let (alive, over) = watch::channel(());
        let (meter, kept) = (Arc::new(Meter::default()), Arc::new(Lines::default()));
        let mut limits = effective.limits;
        limits.wall_s = limits.wall_s.min(self.wall_s);
        let context = CallContext {
            gate: Arc::new(Gate::new(config).map_err(|error| error.to_string())?),
            settings_json: Value::Object(resolved.settings).to_string(),
            credentials: infos.collect(),
            limits,
            log: Arc::new(Sink {
                kept: Arc::clone(&kept),
                _alive: alive,
            }),
            ambient: Arc::new(Fixed::new(self.calls.fetch_add(1, Ordering::Relaxed))),
            meter: Arc::clone(&meter),
            kv: Arc::new(Shelf::default()) as Arc<dyn KvStore>,
            blobs: Arc::new(NoBlobs) as Arc<dyn BlobStore>,
        };
        Ok(Prepared {
            context,
            meter,
            kept,
            over,
        })
    }

    /// Whether some credential must be there when calls are made under these settings.
    pub(crate) fn needs_key(&self, settings: &Map<String, Value>) -> Result<bool, String> {
        let tape = Tape::new(
            crate::tape::Script::Recorded(Vec::new()),
            crate::tape::Cut::Whole,
        );
        let with = Setting {
            settings: settings.clone(),
            ..Setting::default()
        };
        let prepared = self.prepare(&tape, &with)?;
        Ok(prepared
            .context
            .credentials
            .iter()
            .any(|info| info.required))
    }

    fn gate_config(
        &self,
        effective: &Effective,
        tape: &Arc<Tape>,
        with: &Setting,
    ) -> Result<GateConfig, String> {
        let said = |error: vale_egress::ConfigError| error.to_string();
        let mut config = GateConfig::new(self.manifest.id.as_str());
        for rule in &effective.rules {
            let methods = rule.methods.iter().map(|method| method.as_str().to_owned());
            config.rules.push(Rule {
                origin: Origin::parse(rule.origin.as_str()).map_err(said)?,
                methods: methods.collect(),
                path_prefixes: rule.path_prefixes.clone(),
                local_server: rule.local_server,
            });
        }
        for credential in &effective.credentials {
            let mut places = Vec::new();
            for place in &credential.origins {
                places.push(CredentialPlace {
                    origin: Origin::parse(place.origin.as_str()).map_err(said)?,
                    path_prefix: Some(place.path_prefix.clone()),
                });
            }
            let header = credential.header.parse();
            let secret = (!with.without_keys).then(|| Secret::new(KEY.to_owned()));
            config.credentials.push(Credential {
                name: credential.name.clone(),
                header: header.map_err(|_| format!("{} is no header", credential.header))?,
                template: credential.template.clone(),
                places,
                required: is_required(effective, credential),
                secret: secret.transpose().map_err(|error| error.to_string())?,
            });
        }
        let cap = effective.limits.response_mib.saturating_mul(1 << 20);
        config.caps = Caps {
            response_bytes: with.response_bytes.unwrap_or(cap),
            ..Caps::default()
        };
        let total = Duration::from_secs(self.wall_s);
        config.timeouts = Timeouts {
            connect: PATIENCE,
            first_byte: PATIENCE,
            idle: if with.waits { total } else { PATIENCE },
            total,
        };
        config.transport = TransportKind::Recorded(Arc::clone(tape) as _);
        Ok(config)
    }

    /// One completion to its end.
    pub(crate) async fn complete(&self, prepared: Prepared, request: &Request) -> (Outcome, Used) {
        let Prepared {
            context,
            meter,
            kept,
            over,
        } = prepared;
        let began = Instant::now();
        let mut call = self.plugin.complete(context, request);
        let (mut events, mut first_event) = (Vec::new(), None);
        let end = loop {
            match call.next().await {
                Some(Step::Events(batch)) => {
                    first_event.get_or_insert_with(|| began.elapsed());
                    events.extend(batch);
                }
                Some(Step::End(end)) => break end,
                None => break Err(Failure::host("The call is over without an end.")),
            }
        };
        let took = began.elapsed();
        drop(call);
        let outcome = Outcome {
            events,
            end,
            first_event,
            took,
        };
        (outcome, used(&meter, &kept, over).await)
    }

    /// Any other call to its end.
    pub(crate) async fn ask<T>(
        &self,
        prepared: Prepared,
        asks: impl AsyncFnOnce(&Plugin, CallContext) -> T,
    ) -> (T, Used) {
        let answer = asks(&self.plugin, prepared.context).await;
        let used = used(&prepared.meter, &prepared.kept, prepared.over).await;
        (answer, used)
    }
}

/// What a call used, once its store is gone: only then the sandbox adds it up.
async fn used(meter: &Meter, kept: &Lines, mut over: watch::Receiver<()>) -> Used {
    // Ends with an error when the last holder of the log is gone, which is what is awaited.
    let _ = tokio::time::timeout(WIND_UP, over.changed()).await;
    let last = kept.last.lock().unwrap_or_else(PoisonError::into_inner);
    Used {
        cpu: meter.cpu(),
        memory: meter.peak_memory(),
        lines: kept.count.load(Ordering::Relaxed),
        last_lines: last.iter().cloned().collect(),
    }
}

/// The grant of a person who agrees to all that can be agreed to.
fn agreed(resolved: &vale_plugins::Resolved) -> Result<Grant, String> {
    let mut grant = Grant::default();
    for dropped in effective(resolved, &grant, &Ceiling::default()).dropped {
        match dropped.reason {
            DropReason::NeedsConsent => {
                grant.origins.insert(dropped.origin);
            }
            DropReason::NeedsLocalServer => grant.local_server = Some(dropped.origin),
            _ => return Err(dropped.to_string()),
        }
    }
    Ok(grant)
}

/// As the host has it: a local server that the person typed may need no key.
fn is_required(effective: &Effective, credential: &EffectiveCredential) -> bool {
    let typed_local = |origin: &vale_plugins::Origin| {
        effective.rules.iter().any(|rule| {
            rule.origin == *origin
                && rule.local_server
                && matches!(rule.source, OriginSource::Setting { .. })
        })
    };
    let mut places = credential.origins.iter();
    credential.required && !places.all(|place| typed_local(&place.origin))
}

#[derive(Debug, Default)]
struct Lines {
    count: AtomicU64,
    last: Mutex<VecDeque<String>>,
}

/// Keeps the last lines. Dropped with the store that holds it.
struct Sink {
    kept: Arc<Lines>,
    _alive: watch::Sender<()>,
}

impl LogSink for Sink {
    fn line(&self, level: LogLevel, text: &str) {
        self.kept.count.fetch_add(1, Ordering::Relaxed);
        let mut last = self
            .kept
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.len() >= LAST_LINES {
            last.pop_front();
        }
        let text: String = text.chars().take(LINE).collect();
        let level = match level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        };
        last.push_back(format!("{level}: {text}"));
    }
}

/// The same time of day in every call, so that a wait until a date is the same; another random
/// source and another monotonic clock in each, on which no event may depend.
struct Fixed {
    monotonic_ms: AtomicU64,
    random: Mutex<Random>,
}

impl Fixed {
    fn new(call: u64) -> Self {
        let mut random = Random::new(call.wrapping_add(1));
        Self {
            // Within a year.
            monotonic_ms: AtomicU64::new(random.next() >> 30),
            random: Mutex::new(random),
        }
    }
}

impl Ambient for Fixed {
    /// The beginning of 2026.
    fn now_unix_ms(&self) -> u64 {
        1_767_225_600_000
    }

    /// A millisecond later each time.
    fn monotonic_ns(&self) -> u64 {
        let ms = self.monotonic_ms.fetch_add(1, Ordering::Relaxed);
        ms.saturating_mul(1_000_000)
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), String> {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            for (to, from) in chunk.iter_mut().zip(random.next().to_le_bytes()) {
                *to = from;
            }
        }
        Ok(())
    }
}

/// A tool's notes, for one call.
#[derive(Debug, Default)]
struct Shelf(Mutex<BTreeMap<String, Vec<u8>>>);

impl Shelf {
    fn notes(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many bytes as the contract lets a tool keep.
const NOTES: usize = 1 << 20;

impl KvStore for Shelf {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.notes().get(key).cloned())
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        let mut notes = self.notes();
        let others = notes.iter().filter(|(other, _)| *other != key);
        let size: usize = others.map(|(other, value)| other.len() + value.len()).sum();
        if size + key.len() + value.len() > NOTES {
            return Err(KvError::Full);
        }
        notes.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), String> {
        self.notes().remove(key);
        Ok(())
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, String> {
        let notes = self.notes();
        let keys = notes.keys().filter(|key| {
            key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
        });
        Ok(keys.take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else a plugin whose events depend on chance would look like one whose events do not.
    #[test]
    fn each_call_finds_other_randomness_at_the_same_time_of_day() {
        let of = |call| {
            let (ambient, mut bytes) = (Fixed::new(call), [0; 16]);
            ambient.random(&mut bytes).unwrap();
            (ambient.now_unix_ms(), ambient.monotonic_ns(), bytes)
        };
        let (first, second) = (of(0), of(1));
        assert_eq!(first, of(0));
        assert_eq!(first.0, second.0);
        assert_ne!(first.1, second.1);
        assert_ne!(first.2, second.2);
    }
}
