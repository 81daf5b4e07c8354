//! The network: one pooled reqwest client that does nothing on its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use url::Url;

use crate::classify::{Stage, classify_error};
use crate::resolve::Pinning;
use crate::{
    ConfigError, GateConfig, Origin, Scheme, SystemResolver, Transport, TransportRequest,
    TransportResponse, Trip,
};

/// Idle connections kept per origin: enough for a burst to find its connections again, few enough
/// that a server's limit on them is not reached.
const IDLE_PER_HOST: usize = 32;

/// Notices a peer that vanished while a long answer is awaited.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// What HTTP/2 adds to each header field when it counts a list's size (RFC 9113 §6.5.2).
const H2_FIELD_OVERHEAD: usize = 32;

pub(crate) struct Network {
    client: reqwest::Client,
}

impl Network {
    pub(crate) fn new(config: &GateConfig) -> Result<Self, ConfigError> {
        let lookup = config
            .resolver
            .clone()
            .unwrap_or_else(|| Arc::new(SystemResolver));
        let proxy_host = config
            .proxy
            .as_ref()
            .and_then(|url| url.host_str().map(str::to_owned));
        let header_list = config
            .caps
            .response_header_bytes
            .saturating_add(H2_FIELD_OVERHEAD.saturating_mul(config.caps.response_headers));
        #[expect(clippy::disallowed_methods, reason = "this is the gate's own client")]
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .dns_resolver(Pinning::new(lookup, &config.rules, proxy_host))
            .connect_timeout(config.timeouts.connect)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .tcp_keepalive(TCP_KEEPALIVE)
            .http2_max_header_list_size(u32::try_from(header_list).unwrap_or(u32::MAX));
        if let Some(url) = &config.proxy {
            builder = builder.proxy(proxy(url, config)?);
        }
        let mut roots = Vec::new();
        for pem in &config.extra_roots {
            let bundle = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| ConfigError::Roots(deepest(&error)))?;
            if bundle.is_empty() {
                return Err(ConfigError::Roots("it holds no PEM certificate".to_owned()));
            }
            roots.extend(bundle);
        }
        if speaks_tls(config) {
            builder = builder.tls_certs_merge(roots);
        } else {
            // A machine without any certificate authority must still reach its local model.
            builder = builder.tls_certs_only(roots);
        }
        let client = builder.build().map_err(|error| {
            ConfigError::Client(format!(
                "{}; if this system has no certificate authorities, install them (on Debian: \
                 ca-certificates) or name one in the settings",
                deepest(&error)
            ))
        })?;
        Ok(Self { client })
    }
}

/// Whether anything that is granted needs a trust store.
fn speaks_tls(config: &GateConfig) -> bool {
    let granted = config
        .rules
        .iter()
        .any(|rule| rule.origin.scheme() == Scheme::Https);
    granted
        || config
            .proxy
            .as_ref()
            .is_some_and(|url| url.scheme() == "https")
}

/// The person's proxy for everything but local servers.
fn proxy(url: &Url, config: &GateConfig) -> Result<reqwest::Proxy, ConfigError> {
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(ConfigError::Proxy(
            "it must begin with http:// or https:// and name a host".to_owned(),
        ));
    }
    let local: HashSet<Origin> = config
        .rules
        .iter()
        .filter(|rule| rule.local_server)
        .map(|rule| rule.origin.clone())
        .collect();
    let url = url.clone();
    Ok(reqwest::Proxy::custom(move |target| {
        let direct = Origin::of(target).is_some_and(|origin| local.contains(&origin));
        (!direct).then(|| url.clone())
    }))
}

fn deepest(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

impl Transport for Network {
    fn round_trip(&self, request: TransportRequest) -> Trip {
        let TransportRequest {
            method,
            url,
            headers,
            body,
        } = request;
        let host: Arc<str> = Origin::of(&url)
            .map_or_else(String::new, |origin| origin.to_string())
            .into();
        // The judged `Url` itself: a text would be parsed a second time.
        let mut outgoing = reqwest::Request::new(method, url);
        *outgoing.headers_mut() = headers;
        if !body.is_empty() {
            *outgoing.body_mut() = Some(reqwest::Body::wrap(body.into_http_body()));
        }
        let answer = self.client.execute(outgoing);
        Box::pin(async move {
            let response = answer
                .await
                .map_err(|error| classify_error(&error, Stage::Head, &host))?;
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            let body = response
                .bytes_stream()
                .map_err(move |error| classify_error(&error, Stage::Body, &host))
                .boxed();
            Ok(TransportResponse {
                status,
                headers,
                body,
            })
        })
    }
}
