//! What a gate is made from: the grant, as the composition root hands it over.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use url::Url;
use vale_secrets::Secret;

use crate::{BlobSource, NameResolver, Origin, Rule, Tap, Transport};

/// Everything one installed plugin may do on the network.
pub struct GateConfig {
    /// The plugin's id, for log lines and messages.
    pub plugin: String,
    /// What is granted. Nothing else is allowed.
    pub rules: Vec<Rule>,
    /// What the gate attaches to requests.
    pub credentials: Vec<Credential>,
    /// Sizes and counts of one call.
    pub caps: Caps,
    /// Waiting times.
    pub timeouts: Timeouts,
    /// The person's proxy (`http` or `https`), used for all but local servers. Through a proxy the
    /// proxy resolves names, so addresses cannot be pinned. The environment's proxy is never used.
    pub proxy: Option<Url>,
    /// PEM bundles trusted beside the operating system's store.
    pub extra_roots: Vec<Vec<u8>>,
    /// Where [`crate::BodyPart::Blob`] parts come from.
    pub blobs: Option<Arc<dyn BlobSource>>,
    /// Sent as `user-agent` unless the plugin sets one.
    pub user_agent: String,
    /// The network, or something that stands in for it.
    pub transport: TransportKind,
    /// How names become addresses; `None` is the operating system's way.
    pub resolver: Option<Arc<dyn NameResolver>>,
    /// Watches what is sent and received, for the author of a plugin; none for everybody else.
    pub tap: Option<Arc<dyn Tap>>,
}

impl GateConfig {
    /// A gate that allows nothing yet, with default caps and timeouts, on the network.
    #[must_use]
    pub fn new(plugin: impl Into<String>) -> Self {
        Self {
            plugin: plugin.into(),
            rules: Vec::new(),
            credentials: Vec::new(),
            caps: Caps::default(),
            timeouts: Timeouts::default(),
            proxy: None,
            extra_roots: Vec::new(),
            blobs: None,
            user_agent: concat!("ValeChat/", env!("CARGO_PKG_VERSION")).to_owned(),
            transport: TransportKind::Network,
            resolver: None,
            tap: None,
        }
    }
}

/// A credential of the manifest, with its value if the person has set it.
pub struct Credential {
    /// Name in the manifest, for messages.
    pub name: String,
    /// The header it goes into. The plugin may not set this header itself.
    pub header: HeaderName,
    /// The header's value, with `{key}` for the secret, once: `Bearer {key}`.
    pub template: String,
    /// Where it is attached; nowhere else.
    pub places: Vec<CredentialPlace>,
    /// Whether a request without it is refused.
    pub required: bool,
    /// The value.
    pub secret: Option<Secret>,
}

/// Addresses that get a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialPlace {
    /// The server.
    pub origin: Origin,
    /// Only at this path and below it, segment by segment as in [`Rule::path_prefixes`]. Several
    /// tenants may share an origin, and one must not get another's key. `None`: the whole origin.
    pub path_prefix: Option<String>,
}

/// Sizes and counts. Bytes unless said otherwise; per request unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Requests in one call, redirects included.
    pub requests: u64,
    /// A request's body, after base64.
    pub request_body_bytes: u64,
    /// Names and values of the headers that the plugin sets.
    pub request_header_bytes: usize,
    /// Number of headers that the plugin sets.
    pub request_headers: usize,
    /// All response bodies of one call together.
    pub response_bytes: u64,
    /// Names and values of a response's headers.
    pub response_header_bytes: usize,
    /// Number of a response's headers. Above 100, hyper's own limit, it has no effect.
    pub response_headers: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            requests: 256,
            request_body_bytes: 128 << 20,
            request_header_bytes: 32 << 10,
            request_headers: 64,
            response_bytes: 64 << 20,
            response_header_bytes: 64 << 10,
            response_headers: 100,
        }
    }
}

/// Waiting times of one request; a redirect starts them anew, except `total`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// From the end of `connect`'s allowance to the response's head. Long: a model on a small
    /// machine reads a long prompt for minutes.
    pub first_byte: Duration,
    /// Between two chunks of a body, while the plugin waits for one.
    pub idle: Duration,
    /// From the start to the end of the body.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(300),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(600),
        }
    }
}

/// What carries requests once policy let them pass.
#[derive(Clone)]
pub enum TransportKind {
    /// The network, through one pooled client.
    Network,
    /// Recorded or scripted answers: below all policy, so that replay and tests pass the same gate.
    Recorded(Arc<dyn Transport>),
}

/// A grant that makes no sense; found when the gate is made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not the URL of a web origin.
    #[error("'{text}' is not a usable address: {reason}.")]
    Origin {
        /// What was given.
        text: String,
        /// Why not.
        reason: String,
    },
    /// A rule that can never be granted.
    #[error("The permission for {origin} cannot be used: {reason}.")]
    Rule {
        /// The rule's origin.
        origin: String,
        /// Why not.
        reason: String,
    },
    /// A credential that can never be attached.
    #[error("The credential '{name}' cannot be used: {reason}.")]
    Credential {
        /// The credential's name.
        name: String,
        /// Why not; never holds the value.
        reason: String,
    },
    /// A proxy that cannot be used.
    #[error("The proxy setting cannot be used: {0}.")]
    Proxy(String),
    /// A certificate authority that cannot be read.
    #[error("A certificate authority in the settings cannot be used: {0}.")]
    Roots(String),
    /// The HTTP client could not be made.
    #[error("The HTTP client could not be made: {0}.")]
    Client(String),
}
