//! What a guest did wrong: faults of the plugin itself, apart from errors of its upstream.

use serde::{Deserialize, Serialize};

/// The class of a guest's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultClass {
    /// The guest trapped (a panic, an unreachable, a bad access).
    Trap,
    /// The guest used up its CPU time.
    CpuLimit,
    /// The guest asked for more memory than it may have.
    MemoryLimit,
    /// The call took too long in all.
    WallLimit,
    /// The guest sent more events or event bytes than allowed.
    EventFlood,
    /// The guest wrote more log than allowed.
    LogFlood,
    /// The guest broke a rule of the contract.
    Protocol,
    /// A credential's value came back to the guest and was stopped at the gate.
    SecretLeak,
    /// The component could not be loaded or instantiated.
    Load,
}

impl FaultClass {
    /// The class as a short word, as it stands in logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::CpuLimit => "cpu-limit",
            Self::MemoryLimit => "memory-limit",
            Self::WallLimit => "wall-limit",
            Self::EventFlood => "event-flood",
            Self::LogFlood => "log-flood",
            Self::Protocol => "protocol",
            Self::SecretLeak => "secret-leak",
            Self::Load => "load",
        }
    }
}

/// A guest's fault. The call is over; the host and other calls are unaffected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("plugin fault ({}): {detail}", class.as_str())]
pub struct Fault {
    /// The class.
    pub class: FaultClass,
    /// What happened, naming the limit that fired and its value.
    pub detail: String,
}

impl Fault {
    /// A fault with its detail.
    pub fn new(class: FaultClass, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
        }
    }
}
