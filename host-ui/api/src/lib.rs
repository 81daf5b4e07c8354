//! Typed commands and events shared by every face of ValeChat: terminal, window, browser.
//!
//! A face opens an [`Api`], calls its functions and draws what comes back. Everything that goes
//! in or out is plain data that serialises, and every failure is an [`ApiError`]: what happened,
//! what to do next, and a kind that a face can act on.
//!
//! It must not know terminals, windows, HTTP or argument parsing; and it decides nothing about
//! what may leave the machine (that is `vale-egress`, under `vale-host`).

mod answer;
mod api;
mod attach;
mod bundle;
mod catalogue;
mod chat;
mod doctor;
mod draft;
mod error;
mod folders;
mod keys;
mod link;
mod logs;
mod models;
mod plugins;
mod providers;
mod redact;
mod status;

pub use answer::{ChatEvent, ToolCallRow, UsageRow};
pub use api::Api;
pub use attach::MAX_ATTACHMENT_BYTES;
pub use bundle::{Bundle, BundleFile, bundle};
pub use catalogue::{ModelEntry, PriceRow, ProviderEntries};
pub use chat::{ChatRequest, ChatStream, Received};
pub use doctor::{Check, CheckStatus, doctor};
pub use draft::{Ask as ConsentAsk, Draft, DraftRequest, KeptKey, PlaceRow};
pub use error::{ApiError, ApiErrorKind};
pub use keys::{KeyRow, KeyState, KeyStored};
pub use link::Events;
pub use logs::log_file;
pub use plugins::{PluginCard, PluginRow};
pub use providers::{ProviderRow, ProviderTest, Removed};
pub use status::Status;

pub use rust_decimal::Decimal;
pub use vale_billing::catalogue::{Capability, Entry, EntryPrice, Filter, Source, Sourced};
pub use vale_billing::{DecimalError, parse_decimal};
pub use vale_host::{
    Ask, BreakerReport, ChildState, Command, HostEvent, KeyStore, Loss, NoHome, NodeReport,
    Passphrase, PassphraseUse, Paths, PermissionCard, Secret, SecretError, Vitals,
};
pub use vale_types::{FinishReason, Message, ModelRef, Part, PluginId, ProviderId, Role};
