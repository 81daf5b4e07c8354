//! What a store holds: the call's context, its meters and its first fault.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use vale_egress::GateCall;
use vale_types::{Fault, FaultClass};
use wasmtime::ResourceLimiter;

use crate::context::{CallContext, LogLevel};
use crate::cpu::CpuMeter;

/// Instances of one component; Python needs eleven (facts/http.md §5, trap 8).
const MAX_INSTANCES: usize = 100;
/// Elements of one table.
const MAX_TABLE_ELEMENTS: usize = 1_000_000;
/// Longest log line that is kept, bytes.
const MAX_LOG_LINE: usize = 4_096;

/// The first fault of a call. What comes later is a consequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstFault(Arc<Mutex<Option<Fault>>>);

impl FirstFault {
    pub(crate) fn set(&self, fault: Fault) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(fault);
    }

    pub(crate) fn get(&self) -> Option<Fault> {
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
    pub(crate) fault: FirstFault,
    pub(crate) cpu: Arc<CpuMeter>,
    pub(crate) bodies: OpenBodies,
    memory_used: usize,
    log_lines: u32,
    log_bytes: u64,
}

impl State {
    pub(crate) fn new(context: CallContext) -> Self {
        Self {
            gate: context.gate.begin_call(),
            context,
            fault: FirstFault::default(),
            cpu: Arc::default(),
            bodies: OpenBodies::default(),
            memory_used: 0,
            log_lines: 0,
            log_bytes: 0,
        }
    }

    /// Notes the fault and gives the error that ends the guest.
    pub(crate) fn fail(&self, class: FaultClass, detail: String) -> wasmtime::Error {
        let fault = Fault::new(class, detail);
        self.fault.set(fault.clone());
        wasmtime::Error::new(fault)
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

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limit_mib = self.context.limits.memory_mib;
        let limit = usize::try_from(limit_mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        let used = self
            .memory_used
            .saturating_add(desired.saturating_sub(current));
        if used > limit {
            return Err(self.fail(
                FaultClass::MemoryLimit,
                format!("it asked for more than {limit_mib} MiB of memory (limit memory_mib)"),
            ));
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            return Err(self.fail(
                FaultClass::MemoryLimit,
                format!("it asked for a table of more than {MAX_TABLE_ELEMENTS} elements"),
            ));
        }
        Ok(true)
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
