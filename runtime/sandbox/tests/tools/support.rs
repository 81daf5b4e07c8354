//! An engine, a call's context, and the stores behind it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vale_egress::{Gate, GateConfig};
use vale_sandbox::{
    BlobError, BlobStore, CallContext, Engine, EngineConfig, KvError, KvStore, LogLevel, LogSink,
    NoBlobs, NoKv, NoLog, Plugin, SystemAmbient,
};
use vale_types::{Blob, Failure, FaultClass, Limits, ResultPart, ToolCall, ToolResult};

/// The bytes of a component of `tests/guests`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let folder = match std::env::var_os("VALECHAT_TEST_GUESTS") {
        Some(folder) => PathBuf::from(folder),
        // <target>/debug/deps/<test>
        None => {
            let test = std::env::current_exe().unwrap();
            test.ancestors().nth(3).unwrap().join("test-guests")
        }
    };
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{} cannot be read ({error}); `cargo xtask plugins --test-guests` builds it",
            path.display()
        )
    })
}

pub(crate) fn engine() -> Engine {
    Engine::new(EngineConfig {
        threads: Some(2),
        ..EngineConfig::default()
    })
    .unwrap()
}

pub(crate) async fn load(engine: &Engine, name: &str) -> Plugin {
    engine.load(guest(name)).await.unwrap()
}

/// Small enough to be reached quickly, large enough for an honest tool.
pub(crate) fn limits() -> Limits {
    Limits {
        memory_mib: 16,
        cpu_ms: 500,
        wall_s: 60,
        log_lines: 1_000,
        event_bytes: 1 << 20,
        ..Limits::default()
    }
}

pub(crate) fn context() -> CallContext {
    CallContext {
        gate: Arc::new(Gate::new(GateConfig::new("test")).unwrap()),
        settings_json: "{}".to_owned(),
        credentials: Vec::new(),
        limits: limits(),
        log: Arc::new(NoLog),
        ambient: Arc::new(SystemAmbient::default()),
        meter: Arc::default(),
        kv: Arc::new(NoKv),
        blobs: Arc::new(NoBlobs),
    }
}

pub(crate) fn call(name: &str, arguments: &[(&str, &str)]) -> ToolCall {
    let members: Vec<_> = arguments
        .iter()
        .map(|(name, value)| format!("\"{name}\":\"{value}\""))
        .collect();
    ToolCall {
        id: "call_1".to_owned(),
        name: name.to_owned(),
        arguments_json: format!("{{{}}}", members.join(",")),
        signature: Some("sealed".to_owned()),
    }
}

/// All text of a result.
pub(crate) fn text(result: &ToolResult) -> String {
    let texts = result.content.iter().filter_map(|part| match part {
        ResultPart::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

pub(crate) fn fault<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> (FaultClass, String) {
    match outcome {
        Err(Failure::Fault(fault)) => (fault.class, fault.detail),
        other => panic!("no fault, but {other:?}"),
    }
}

/// Awaits what must happen, and fails the test if it does not.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(120), future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within two minutes"),
    }
}

/// Keeps lines.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, _level: LogLevel, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// State in memory, with a total.
pub(crate) struct Kept {
    values: Mutex<BTreeMap<String, Vec<u8>>>,
    max_bytes: usize,
}

impl Kept {
    pub(crate) fn up_to(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            values: Mutex::default(),
            max_bytes,
        })
    }

    pub(crate) fn values(&self) -> BTreeMap<String, Vec<u8>> {
        self.values.lock().unwrap().clone()
    }
}

impl KvStore for Kept {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        let mut values = self.values.lock().unwrap();
        let others = values.iter().filter(|(other, _)| *other != key);
        let used: usize = others.map(|(key, value)| key.len() + value.len()).sum();
        if used + key.len() + value.len() > self.max_bytes {
            return Err(KvError::Full);
        }
        values.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), String> {
        self.values.lock().unwrap().remove(key);
        Ok(())
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, String> {
        let values = self.values.lock().unwrap();
        let keys = values.keys().filter(|key| {
            key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
        });
        Ok(keys.take(limit).cloned().collect())
    }
}

/// Attachments in memory. It would give any of them to anybody: that it does not is the sandbox's
/// doing.
#[derive(Default)]
pub(crate) struct Attachments {
    /// Handles of this call.
    given: Vec<Blob>,
    bytes: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Attachments {
    /// `given` are this call's; `foreign` are there, and another call's.
    pub(crate) fn new(given: &[(&str, &[u8])], foreign: &[(&str, &[u8])]) -> Arc<Self> {
        let all = given.iter().chain(foreign);
        let bytes = all.map(|(id, bytes)| ((*id).to_owned(), bytes.to_vec()));
        Arc::new(Self {
            given: given.iter().map(|(id, bytes)| blob(id, bytes)).collect(),
            bytes: Mutex::new(bytes.collect()),
        })
    }

    pub(crate) fn bytes(&self, id: &str) -> Option<Vec<u8>> {
        self.bytes.lock().unwrap().get(id).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }
}

fn blob(id: &str, bytes: &[u8]) -> Blob {
    Blob {
        id: id.to_owned(),
        media_type: "text/plain".to_owned(),
        size: bytes.len() as u64,
        name: None,
    }
}

impl BlobStore for Attachments {
    fn given(&self) -> Vec<Blob> {
        self.given.clone()
    }

    fn read(&self, id: &str, offset: u64, len: usize) -> Result<Vec<u8>, BlobError> {
        let bytes = self.bytes(id).ok_or(BlobError::Unknown)?;
        let from = usize::try_from(offset).unwrap();
        // The sandbox promises a range that lies within.
        Ok(bytes.get(from..from + len).unwrap().to_vec())
    }

    fn put(&self, media_type: &str, name: Option<&str>, bytes: Vec<u8>) -> Result<Blob, BlobError> {
        let mut all = self.bytes.lock().unwrap();
        let id = format!("put-{}", all.len());
        let blob = Blob {
            media_type: media_type.to_owned(),
            name: name.map(str::to_owned),
            ..blob(&id, &bytes)
        };
        all.insert(id, bytes);
        Ok(blob)
    }
}
