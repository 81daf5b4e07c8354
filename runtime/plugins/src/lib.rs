//! What is installed, what it asks for and what it is allowed.
//!
//! A plugin is a folder with a `plugin.toml` and a component. This crate reads and judges the
//! first and finds the second: [`Manifest::parse`] turns text into rules, [`Manifest::resolve`]
//! fills in what depends on settings and on the running host, [`effective`] intersects the result
//! with what the person granted and with the host's ceiling, [`PermissionCard`] says all of it in
//! words, and [`Registry`] lists what lies on disk, broken entries included.
//!
//! It must not know wasmtime, reqwest, actors or a keyring: it is values in, values out, and the
//! only thing it touches is the plugin folders, to read them. It never sees a credential's value.
//! What a plugin may do at run time is enforced by the gate and by the sandbox; this crate only
//! decides what they enforce.

mod addresses;
mod card;
mod card_text;
mod grant;
mod key_header;
mod limits;
mod manifest;
mod origin;
mod parse;
mod problem;
mod reader;
mod registry;
mod resolve;
mod schema;
mod settings;
mod template;
mod text;

pub use card::{
    CardContext, CredentialLine, HostLine, HostState, ImportLine, LimitLine, PermissionCard, Said,
    SettingLine,
};
pub use grant::{
    Ceiling, DropReason, Dropped, Effective, EffectiveCredential, EffectiveRule, Grant, effective,
};
pub use limits::{LimitCeiling, LimitsSpec};
pub use manifest::{
    CredentialSource, CredentialSpec, Described, Difference, EgressSpec, Manifest, Method,
    PluginKind, World,
};
pub use origin::{HostClass, Origin};
pub use problem::{ManifestError, Position, Problem};
pub use registry::{
    COMPONENT_FILE, Component, ComponentError, Entry, EntryError, Installed, MANIFEST_FILE,
    MAX_COMPONENT_BYTES, MAX_ENTRIES, Registry,
};
pub use resolve::{
    CredentialOrigin, HostVars, OriginSource, Resolved, ResolvedCredential, ResolvedRule,
};
pub use template::{Piece, Template};
pub use text::MAX_MANIFEST_BYTES;
