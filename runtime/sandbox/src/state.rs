//! What a store holds: the call's context, its meters and its first fault.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use vale_egress::{BodyPart, GateCall, HttpError, HttpErrorKind, HttpRequest};
use vale_types::{Failure, Fault, FaultClass};
use wasmtime::ResourceLimiter;

use crate::blobs::Handles;
use crate::context::{CallContext, LogLevel};
use crate::cpu::CpuMeter;
use crate::inspect::Kind;
use crate::kv::KvMeter;
use crate::tool_rules::shown;

/// Instances of one component; Python needs eleven (facts/http.md §5, trap 8).
const MAX_INSTANCES: usize = 100;
/// Bytes of one table element: a pointer.
const TABLE_ELEMENT: usize = 8;
/// Requests that a guest may have under way at once.
const MAX_HELD_BODIES: u64 = 64;
/// Bytes of their bodies together. They leave the guest's memory when `send` is called, so its own
/// limit does not hold them. As large as one body may be (the gate's cap).
const MAX_HELD_BYTES: u64 = 128 << 20;
/// Longest log line that is kept, bytes.
const MAX_LOG_LINE: usize = 4_096;

/// The first failure that ended a call. What comes later is a consequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstFailure(Arc<Mutex<Option<Failure>>>);

impl FirstFailure {
    pub(crate) fn set(&self, failure: Failure) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(failure);
    }

    pub(crate) fn get(&self) -> Option<Failure> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Response bodies that the guest has neither read to the end nor dropped.
#[derive(Debug, Clone)]
pub(crate) struct OpenBodies(watch::Sender<usize>);

impl Default for OpenBodies {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl OpenBodies {
    /// Counts one body for as long as the guard lives.
    pub(crate) fn open(&self) -> OpenBody {
        self.0.send_modify(|open| *open += 1);
        OpenBody(self.clone())
    }

    /// Returns when none is open.
    pub(crate) async fn none(&self) {
        // Fails only when the sender is gone, which this holds.
        let _ = self.0.subscribe().wait_for(|open| *open == 0).await;
    }
}

/// One open body.
#[derive(Debug)]
pub(crate) struct OpenBody(OpenBodies);

impl Drop for OpenBody {
    fn drop(&mut self) {
        self.0.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// The data of one store.
pub(crate) struct State {
    pub(crate) context: CallContext,
    pub(crate) gate: GateCall,
    pub(crate) failure: FirstFailure,
    pub(crate) cpu: Arc<CpuMeter>,
    pub(crate) bodies: OpenBodies,
    pub(crate) handles: Handles,
    kind: Kind,
    pub(crate) kv: KvMeter,
    held: Arc<Held>,
    memory_used: usize,
    log_lines: u32,
    log_bytes: u64,
}

impl Drop for State {
    fn drop(&mut self) {
        self.context
            .meter
            .add(self.cpu.finished(), self.memory_used);
    }
}

impl State {
    pub(crate) fn new(context: CallContext, kind: Kind) -> Self {
        let handles = match kind {
            Kind::Tool => Handles::of(context.blobs.as_ref()),
            // A provider sees handles and no bytes; the gate knows them.
            Kind::Provider | Kind::CountingProvider => Handles::default(),
        };
        Self {
            gate: context.gate.begin_call(),
            handles,
            kind,
            kv: KvMeter::default(),
            context,
            failure: FirstFailure::default(),
            cpu: Arc::default(),
            bodies: OpenBodies::default(),
            held: Arc::default(),
            memory_used: 0,
            log_lines: 0,
            log_bytes: 0,
        }
    }

    /// Notes the fault and gives the error that ends the guest.
    pub(crate) fn fail(&self, class: FaultClass, detail: String) -> wasmtime::Error {
        self.end_with(Fault::new(class, detail).into())
    }

    /// Notes the failure, a fault or one of the host's own, and gives the error that ends the guest.
    pub(crate) fn end_with(&self, failure: Failure) -> wasmtime::Error {
        self.failure.set(failure.clone());
        wasmtime::Error::new(failure)
    }

    /// A broken rule of the contract.
    pub(crate) fn broken(&self, detail: &str) -> wasmtime::Error {
        self.fail(FaultClass::Protocol, detail.to_owned())
    }

    /// Ends the guest when the gate saw a violation that ends the call.
    pub(crate) fn check_gate(&self) -> wasmtime::Result<()> {
        match self.gate.violation() {
            Some(violation) => Err(self.fail(FaultClass::SecretLeak, violation.to_string())),
            None => Ok(()),
        }
    }

    /// Asked at each epoch tick, on the thread that runs the guest.
    pub(crate) fn check_cpu(&self) -> wasmtime::Result<()> {
        let limit = Duration::from_millis(self.context.limits.cpu_ms);
        if self.cpu.spent() > limit {
            return Err(self.fail(
                FaultClass::CpuLimit,
                format!(
                    "it used more than {} ms of CPU time (limit cpu_ms)",
                    limit.as_millis()
                ),
            ));
        }
        Ok(())
    }

    pub(crate) fn log_line(&mut self, level: LogLevel, text: &str) -> wasmtime::Result<()> {
        let limits = self.context.limits;
        self.log_lines = self.log_lines.saturating_add(1);
        self.log_bytes = self
            .log_bytes
            .saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if self.log_lines > limits.log_lines || self.log_bytes > limits.log_bytes {
            return Err(self.fail(
                FaultClass::LogFlood,
                format!(
                    "it wrote more than {} lines or {} bytes to the log (limits log_lines, log_bytes)",
                    limits.log_lines, limits.log_bytes
                ),
            ));
        }
        let mut end = text.len().min(MAX_LOG_LINE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.context
            .log
            .line(level, text.get(..end).unwrap_or_default());
        Ok(())
    }
}

impl State {
    /// Charges memory, of whatever kind, to the one limit.
    fn grow(&mut self, bytes: usize) -> wasmtime::Result<bool> {
        let limit_mib = self.context.limits.memory_mib;
        let limit = usize::try_from(limit_mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        let used = self.memory_used.saturating_add(bytes);
        if used > limit {
            return Err(self.fail(
                FaultClass::MemoryLimit,
                format!("it asked for more than {limit_mib} MiB of memory (limit memory_mib)"),
            ));
        }
        self.memory_used = used;
        Ok(true)
    }

    /// Lets a request pass that carries no attachment but the call's own. A provider's are known
    /// to the gate alone.
    pub(crate) fn own_handles(&self, request: HttpRequest) -> Result<HttpRequest, HttpError> {
        let foreign = request.body.iter().find_map(|part| match part {
            BodyPart::Blob(id) | BodyPart::BlobBase64(id) | BodyPart::BlobJsonText(id) => {
                (self.kind == Kind::Tool && !self.handles.know(id)).then_some(id)
            }
            BodyPart::Bytes(_) => None,
        });
        match foreign {
            Some(id) => Err(HttpError {
                kind: HttpErrorKind::Denied,
                message: format!("The attachment “{}” is not this call's.", shown(id)),
                request_sent: false,
            }),
            None => Ok(request),
        }
    }

    /// Counts a request body that the host holds until the request is sent.
    pub(crate) fn hold(&self, bytes: u64) -> wasmtime::Result<HeldBody> {
        let held = HeldBody {
            held: Arc::clone(&self.held),
            bytes,
        };
        let bodies = self.held.bodies.fetch_add(1, Ordering::Relaxed);
        let total = self.held.bytes.fetch_add(bytes, Ordering::Relaxed);
        if bodies >= MAX_HELD_BODIES || total.saturating_add(bytes) > MAX_HELD_BYTES {
            return Err(self.fail(
                FaultClass::MemoryLimit,
                format!(
                    "it had more than {MAX_HELD_BODIES} requests or {} MiB of request bodies under way at once",
                    MAX_HELD_BYTES >> 20
                ),
            ));
        }
        Ok(held)
    }
}

/// Request bodies that the host holds for a guest.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bodies: AtomicU64,
    bytes: AtomicU64,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct HeldBody {
    held: Arc<Held>,
    bytes: u64,
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.held.bodies.fetch_sub(1, Ordering::Relaxed);
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(
            desired
                .saturating_sub(current)
                .saturating_mul(TABLE_ELEMENT),
        )
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }
}

#[cfg(test)]
mod tests {
    use vale_egress::{Gate, GateConfig};
    use vale_types::Limits;

    use super::*;
    use crate::context::{NoBlobs, NoKv, NoLog, SystemAmbient};

    #[test]
    fn a_component_of_eleven_instances_fits_as_pythons_do() {
        let state = State::new(
            CallContext {
                gate: Arc::new(Gate::new(GateConfig::new("test")).unwrap()),
                settings_json: "{}".to_owned(),
                credentials: Vec::new(),
                limits: Limits::default(),
                log: Arc::new(NoLog),
                ambient: Arc::new(SystemAmbient::default()),
                meter: Arc::default(),
                kv: Arc::new(NoKv),
                blobs: Arc::new(NoBlobs),
            },
            Kind::Provider,
        );
        // componentize-py makes eleven; a limit of ten refused every Python plugin.
        for allowed in [state.instances(), state.memories(), state.tables()] {
            assert!(allowed >= 11, "{allowed}");
        }
    }
}
