//! What is installed, what it asks for and what it is allowed.
//!
//! A plugin is one file, a component with its manifest inside ([`Package`]), or a folder with a
//! `plugin.toml` and a component. This crate reads and judges the manifest and finds the component:
//! [`Manifest::parse`] turns text into rules, [`Manifest::resolve`] fills in what depends on settings
//! and on the running host, [`effective`] intersects the result with what the person granted and with
//! the host's ceiling, [`PermissionCard`] says all of it in words, [`changes`] says what an update asks
//! for in addition, [`Shelf`] keeps what the person installed, and [`Registry`] lists what lies on
//! disk, broken entries included.
//!
//! It must not know wasmtime, reqwest, actors or a keyring: it is values in, values out, and the
//! only thing it touches is the plugin folders. It never sees a credential's value.
//! What a plugin may do at run time is enforced by the gate and by the sandbox; this crate only
//! decides what they enforce.

mod addresses;
mod card;
mod card_places;
mod card_text;
mod changes;
mod grant;
mod installed;
mod key_header;
mod limits;
mod list;
mod manifest;
mod origin;
mod package;
mod parse;
mod problem;
mod reader;
mod record;
mod registry;
mod resolve;
mod schema;
mod sections;
mod settings;
mod shelf;
mod template;
mod text;
mod text_rule;

pub use card::{
    CardContext, CredentialLine, HostLine, HostState, ImportLine, LimitLine, PermissionCard, Said,
    SettingLine,
};
pub use changes::{Change, Version, changes};
pub use grant::{
    Ceiling, DropReason, Dropped, Effective, EffectiveCredential, EffectiveRule, Grant, effective,
};
pub use installed::{Component, ComponentError, Installed, MAX_COMPONENT_BYTES, sha256_hex};
pub use limits::{LimitCeiling, LimitsSpec};
pub use manifest::{
    CredentialSource, CredentialSpec, Described, Difference, EgressSpec, Manifest, Method,
    PluginKind, World,
};
pub use origin::{HostClass, Origin};
pub use package::{Contents, MAX_ICON_BYTES, MAX_ICON_SIDE, MAX_TEXT_BYTES, Package, PackageError};
pub use problem::{ManifestError, Position, Problem};
pub use record::{Record, Release, RolledBack, TRIAL_CALLS, Verdict, condemns};
pub use registry::{COMPONENT_FILE, Entry, EntryError, MANIFEST_FILE, MAX_ENTRIES, Registry};
pub use resolve::{
    CredentialOrigin, HostVars, OriginSource, Resolved, ResolvedCredential, ResolvedRule,
};
pub use sections::FileError;
pub use shelf::{MAX_PACKAGE_BYTES, RECORD_FILE, Shelf, ShelfError};
pub use template::{Piece, Template};
pub use text::{MAX_MANIFEST_BYTES, readable};
