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
mod install;
mod keys;
mod link;
mod logs;
mod models;
mod new_plugin;
mod package;
mod play_run;
mod play_wire;
mod playground;
mod plugin_life;
mod plugin_settings;
mod plugins;
mod providers;
mod record;
mod redact;
mod status;
mod suite;
mod templates;
mod tools;

pub use answer::{ChatEvent, ToolCallRow, UsageRow};
pub use api::Api;
pub use attach::MAX_ATTACHMENT_BYTES;
pub use bundle::{Bundle, BundleFile, bundle};
pub use catalogue::{ModelEntry, PriceRow, ProviderEntries};
pub use chat::{ChatRequest, ChatStream, Received};
pub use doctor::{Check, CheckStatus, doctor};
pub use draft::{Ask as ConsentAsk, Draft, DraftRequest, KeptKey, PlaceRow};
pub use error::{ApiError, ApiErrorKind};
pub use install::{InstallRequest, PluginDraft, PluginInstalled, Replaced};
pub use keys::{KeyRow, KeyState, KeyStored};
pub use link::Events;
pub use logs::log_file;
pub use new_plugin::{Language, NewPlugin, PluginBegun, new_plugin};
pub use package::{Packed, PluginFile, pack_plugin, plugin_file};
pub use play_run::{Play, PlayCall, PlayEnd, PlayOutcome, PlayRun, PlayStep, PlayUse};
pub use play_wire::Seen;
pub use playground::{PlayDraft, PlayRequest, draft_play};
pub use plugin_life::{PluginLimits, PluginLogLine, PluginRemoved};
pub use plugin_settings::{SettingField, SettingsDraft, SettingsForm};
pub use plugins::{PluginCard, PluginRow};
pub use providers::{ProviderRow, ProviderTest, Removed};
pub use record::{Recorded, Recording, check_recording_free};
pub use status::Status;
pub use suite::{SuiteCheck, SuiteReport, SuiteSection, SuiteVerdict, test_plugin};
pub use tools::{PluginTools, ToolOutcome, ToolPart, ToolRow};

pub use rust_decimal::Decimal;
pub use vale_billing::catalogue::{Capability, Entry, EntryPrice, Filter, Source, Sourced};
pub use vale_billing::{DecimalError, parse_decimal};
pub use vale_host::{
    Ask, BreakerReport, ChildState, Command, HostEvent, KeyStore, Loss, NoHome, NodeReport,
    Passphrase, PassphraseUse, Paths, PermissionCard, PluginRolledBack, Secret, SecretError,
    Vitals,
};
pub use vale_plugins::{Change, LimitCeiling, LimitsSpec, PluginKind, RolledBack};
pub use vale_types::{Event, FinishReason, Message, ModelRef, Part, PluginId, ProviderId, Role};
