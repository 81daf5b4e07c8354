//! One request through the whole policy, redirects included. Nothing leaves by another way.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header};
use tokio::time::Instant;
use url::Url;

use crate::call::CallState;
use crate::credentials::{Arrival, Target};
use crate::gate::Shared;
use crate::redirect::{self, MAX_HOPS};
use crate::rule::parse_method;
use crate::{
    BodyPart, HttpError, HttpErrorKind, HttpRequest, HttpResponse, RequestBody, headers, policy,
};

/// A request that may be repeated along redirects.
pub(crate) struct Attempt {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
}

/// The whole of the policy, in order.
pub(crate) async fn exchange(
    call: &Arc<CallState>,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let shared = call.shared();
    let deadline = Instant::now()
        .checked_add(shared.timeouts.total)
        .ok_or_else(|| HttpError::denied("The total timeout is too long."))?;
    let method = parse_method(&request.method).ok_or_else(|| {
        HttpError::denied(format!(
            "'{}' is no method that can be sent.",
            request.method.escape_debug()
        ))
    })?;
    let url = policy::parse_url(&request.url)?;
    let mut granted = policy::judge(&shared.plugin, &shared.rules, &method, &url)?;
    let headers = headers::admit(&request.headers, &shared.caps, &shared.credential_headers)?;
    let body = assemble(shared, request.body).await?;
    let mut attempt = Attempt {
        method,
        url,
        headers,
        body,
    };

    let mut arrival = Arrival::Asked;
    for hop in 0.. {
        call.count_request(hop > 0)?;
        let mut headers = attempt.headers.clone();
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        headers
            .entry(header::USER_AGENT)
            .or_insert_with(|| shared.user_agent.clone());
        let to = Target {
            origin: &granted.origin,
            path: attempt.url.path(),
            arrival,
        };
        shared
            .credentials
            .attach(&to, &mut headers)
            .map_err(|error| after_hop(error, hop))?;
        let watch = shared.watch.as_ref();
        let mut watched =
            watch.map(|watch| watch.begin(&attempt.method, &attempt.url, &headers, &attempt.body));
        let answer = call.round_trip(&attempt, headers, deadline).await;
        let answer = answer.and_then(|answer| {
            call.scan_headers(&answer.headers)?;
            Ok(answer)
        });
        let answer = answer.map_err(|error| {
            let error = call.scrub(error);
            if let Some(watched) = &mut watched {
                watched.failed(&error);
            }
            after_hop(error, hop)
        })?;
        if let Some(watched) = &watched {
            watched.head(answer.status, &answer.headers);
        }
        tracing::info!(
            plugin = shared.plugin, method = %attempt.method, origin = %granted.origin,
            status = answer.status, hop, upstream_request_id = request_id(&answer.headers),
            "answered"
        );
        let next = redirect::next_hop(
            answer.status,
            &answer.headers,
            &attempt.method,
            &attempt.url,
            !attempt.body.is_empty(),
        )?;
        let Some(next) = next else {
            return call.deliver(&attempt.method, &attempt.url, answer, deadline, watched);
        };
        if hop >= MAX_HOPS {
            return Err(redirect::too_many());
        }
        let target = policy::judge(&shared.plugin, &shared.rules, &next.method, &next.url)
            .map_err(|error| after_hop(redirected(error), hop + 1))?;
        if target.local && !granted.local {
            return Err(HttpError::sent(
                HttpErrorKind::Denied,
                format!(
                    "{} redirects to the local server {}.",
                    granted.origin, target.origin
                ),
            ));
        }
        if target.origin != granted.origin {
            headers::keep_across_origins(&mut attempt.headers);
            arrival = Arrival::FromElsewhere;
        } else if arrival == Arrival::Asked {
            arrival = Arrival::Within;
        }
        if !next.with_body {
            attempt.body = RequestBody::default();
            attempt.headers.remove(header::CONTENT_TYPE);
        }
        (attempt.method, attempt.url, granted) = (next.method, next.url, target);
    }
    Err(redirect::too_many())
}

/// The upstream's id of the request, under the names that providers give it: what their support
/// asks for.
fn request_id(headers: &HeaderMap) -> Option<&str> {
    let mut names = ["x-request-id", "request-id", "x-generation-id"].iter();
    names.find_map(|name| headers.get(*name)?.to_str().ok())
}

/// Once one hop was answered, the upstream has seen the request.
fn after_hop(mut error: HttpError, hop: usize) -> HttpError {
    error.request_sent |= hop > 0;
    error
}

fn redirected(mut error: HttpError) -> HttpError {
    error.message = format!("The server redirects elsewhere. {}", error.message);
    error
}

async fn assemble(shared: &Arc<Shared>, parts: Vec<BodyPart>) -> Result<RequestBody, HttpError> {
    let mut body = RequestBody::default();
    for part in parts {
        match part {
            BodyPart::Bytes(bytes) => body.push_raw(bytes),
            BodyPart::Blob(id) => body.push_raw(open_blob(shared, id).await?),
            BodyPart::BlobBase64(id) => body.push_base64(open_blob(shared, id).await?),
            BodyPart::BlobJsonText(id) => {
                let bytes = open_blob(shared, id).await?;
                let text = std::str::from_utf8(&bytes).map_err(|error| {
                    HttpError::denied(format!(
                        "The attachment is no UTF-8 text from byte {} on, so it cannot be sent as text.",
                        error.valid_up_to()
                    ))
                })?;
                body.push_raw(json_escaped(text).into());
            }
        }
        if body.len() > shared.caps.request_body_bytes {
            return Err(HttpError::unsent(
                HttpErrorKind::TooLarge,
                format!(
                    "The request is larger than the limit of {} bytes.",
                    shared.caps.request_body_bytes
                ),
            ));
        }
    }
    Ok(body)
}

/// The inside of a JSON string (RFC 8259, 7).
fn json_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c < ' ' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

async fn open_blob(shared: &Arc<Shared>, id: String) -> Result<bytes::Bytes, HttpError> {
    let Some(blobs) = shared.blobs.clone() else {
        return Err(HttpError::denied("This plugin has no attachments to send."));
    };
    let opened = tokio::task::spawn_blocking(move || blobs.open(&id)).await;
    match opened {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(reason)) => Err(HttpError::denied(format!(
            "The attachment cannot be sent: {reason}"
        ))),
        Err(_) => Err(HttpError::unsent(
            HttpErrorKind::Other("blob".to_owned()),
            "The attachment could not be read.",
        )),
    }
}
