//! The gate through which a plugin's bytes leave, and the only crate that names reqwest.
//!
//! One [`Gate`] per installed plugin holds what the person granted: rules, credentials, caps and
//! one pooled client with its own resolver. Every request of a plugin passes [`GateCall::send`],
//! where *all* policy lives, so that no version shim above it can skip a part of it:
//!
//! 1. the URL is parsed once; what was judged is what is sent ;
//! 2. rules by origin, method and path; headers that are the host's own are refused;
//! 3. credentials are attached after every check, and never reach the plugin;
//! 4. names are resolved once, addresses judged, and only those connected to;
//! 5. redirects are followed here, each hop judged anew, to another origin without credentials;
//! 6. the response is capped, timed, and scanned for every credential.
//!
//! The crate knows nothing of wasmtime, WIT, manifests or actors, and never decides what is
//! granted: it enforces the grant it is given. It spawns nothing: connections live on the tokio
//! runtime that polls the returned futures.

mod address;
mod call;
mod classify;
mod client;
mod config;
mod credentials;
mod download;
mod error;
mod exchange;
mod gate;
mod headers;
mod leak;
mod origin;
mod policy;
mod redirect;
mod request;
mod resolve;
mod response;
mod rule;
mod tap;
mod transport;

pub use config::{
    Caps, ConfigError, Credential, CredentialPlace, GateConfig, Timeouts, TransportKind,
};
pub use download::{Download, DownloadError, download};
pub use error::{HttpError, HttpErrorKind, LeakSite, Violation};
pub use gate::{Gate, GateCall};
pub use leak::holds;
pub use origin::{Host, Origin, Scheme};
pub use request::{BlobSource, BodyPart, HttpRequest, RequestBody};
pub use resolve::{NameResolver, Resolved, SystemResolver};
pub use response::{HttpResponse, ResponseBody};
pub use rule::Rule;
pub use tap::{Tap, Tapped, TappedHeader};
pub use transport::{ByteStream, Transport, TransportRequest, TransportResponse, Trip};
