//! Which headers a plugin may set, and which of a response it may see.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::{Caps, HttpError, HttpErrorKind};

/// Headers that are the host's own: they carry credentials, decide where a request goes or how it
/// is framed, or say who asks.
const FORBIDDEN: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-api-key",
    // Some servers obey these instead of the method and path that were judged.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

const FORBIDDEN_PREFIXES: &[&str] = &["proxy-", "sec-", "x-forwarded-"];

/// Dropped from responses: cookies are never kept, the others belong to the connection.
const DROPPED: &[HeaderName] = &[
    header::SET_COOKIE,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
];
const DROPPED_NAMES: &[&str] = &["set-cookie2", "keep-alive", "proxy-connection"];

/// The plugin's headers, if it may set them all.
pub(crate) fn admit(
    wanted: &[(String, String)],
    caps: &Caps,
    credential_headers: &[HeaderName],
) -> Result<HeaderMap, HttpError> {
    let bytes: usize = wanted
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if wanted.len() > caps.request_headers || bytes > caps.request_header_bytes {
        return Err(HttpError::unsent(
            HttpErrorKind::TooLarge,
            format!(
                "The request has {} headers of {bytes} bytes; at most {} of {} bytes are allowed.",
                wanted.len(),
                caps.request_headers,
                caps.request_header_bytes
            ),
        ));
    }
    let mut headers = HeaderMap::with_capacity(wanted.len());
    for (name, value) in wanted {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            HttpError::denied(format!("'{}' is no header name.", name.escape_debug()))
        })?;
        if is_forbidden(&parsed) || credential_headers.contains(&parsed) {
            return Err(HttpError::denied(format!(
                "A plugin may not set the header '{parsed}': it is the host's own. Credentials are \
                 declared in the manifest and attached by the host."
            )));
        }
        let value = HeaderValue::from_str(value).map_err(|_| {
            HttpError::denied(format!(
                "The value of the header '{parsed}' holds a line break or another control character."
            ))
        })?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// Judged with `_` as `-`: some servers fold the two together.
fn is_forbidden(name: &HeaderName) -> bool {
    let folded = name.as_str().replace('_', "-");
    FORBIDDEN.contains(&folded.as_str())
        || FORBIDDEN_PREFIXES
            .iter()
            .any(|prefix| folded.starts_with(prefix))
}

/// Whether the gate sets this header itself, so that no credential may use it.
pub(crate) fn is_framing(name: &HeaderName) -> bool {
    const CREDENTIALS: &[&str] = &["authorization", "cookie", "x-api-key"];
    is_forbidden(name) && !CREDENTIALS.contains(&name.as_str())
}

/// What a redirect to another origin keeps: nothing that could be meant for the first alone.
pub(crate) fn keep_across_origins(headers: &mut HeaderMap) {
    let kept = [header::ACCEPT, header::ACCEPT_LANGUAGE, header::USER_AGENT];
    let names: Vec<_> = headers
        .keys()
        .filter(|name| !kept.contains(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// The response headers as the plugin sees them, if they are within the caps and the body is
/// neither encoded (the byte cap would count the wrong bytes) nor longer than what is left.
pub(crate) fn receive(
    headers: &HeaderMap,
    caps: &Caps,
    has_body: bool,
    bytes_left: u64,
) -> Result<Vec<(String, String)>, HttpError> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > caps.response_headers || bytes > caps.response_header_bytes {
        return Err(HttpError::sent(
            HttpErrorKind::TooLarge,
            format!(
                "The answer has {} headers of {bytes} bytes; at most {} of {} bytes are allowed.",
                headers.len(),
                caps.response_headers,
                caps.response_header_bytes
            ),
        ));
    }
    for name in [header::CONTENT_ENCODING, header::TRANSFER_ENCODING] {
        for value in headers.get_all(&name) {
            let encoded = value.as_bytes().split(|b| *b == b',').any(|coding| {
                let coding = coding.trim_ascii().to_ascii_lowercase();
                !matches!(coding.as_slice(), b"" | b"identity" | b"chunked")
            });
            if encoded {
                return Err(HttpError::sent(
                    HttpErrorKind::Protocol,
                    format!(
                        "The server answered with {name}: {}, which was not asked for.",
                        String::from_utf8_lossy(value.as_bytes()).escape_debug()
                    ),
                ));
            }
        }
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if let Some(length) = announced.filter(|length| has_body && *length > bytes_left) {
        return Err(HttpError::sent(
            HttpErrorKind::TooLarge,
            format!(
                "The answer announces {length} bytes; this call may receive {bytes_left} more."
            ),
        ));
    }
    Ok(headers
        .iter()
        .filter(|(name, _)| !DROPPED.contains(name) && !DROPPED_NAMES.contains(&name.as_str()))
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit_one(name: &str, value: &str) -> Result<HeaderMap, HttpError> {
        let credential = [HeaderName::from_static("x-goog-api-key")];
        admit(
            &[(name.to_owned(), value.to_owned())],
            &Caps::default(),
            &credential,
        )
    }

    #[test]
    fn headers_of_the_host_are_refused_by_name_in_any_spelling() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "Proxy-Connection",
            "COOKIE",
            "host",
            "Content-Length",
            "content_length",
            "x-api-key",
            "X_Api_Key",
            "transfer-encoding",
            "connection",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "keep-alive",
            "accept-encoding",
            "sec-fetch-site",
            "x-forwarded-for",
            "forwarded",
            "x-http-method-override",
            "x-original-url",
            "x-goog-api-key",
            "X-Goog-Api-Key",
        ] {
            let error = admit_one(name, "1").unwrap_err();
            assert_eq!(error.kind, HttpErrorKind::Denied, "{name}");
            assert!(
                error.message.contains(&name.to_ascii_lowercase()),
                "{}",
                error.message
            );
            assert!(!error.request_sent);
        }
        for name in [
            "content-type",
            "accept",
            "openai-organization",
            "anthropic-version",
            "x-title",
        ] {
            assert!(admit_one(name, "1").is_ok(), "{name}");
        }
    }

    #[test]
    fn line_breaks_cannot_smuggle_a_second_header() {
        for value in ["a\r\nauthorization: x", "a\nb", "a\rb", "a\0b", "\r\n"] {
            assert_eq!(
                admit_one("x-note", value).unwrap_err().kind,
                HttpErrorKind::Denied
            );
        }
        for name in ["", "x note", "x:note", "x\r\nhost", "x\u{e9}", ":authority"] {
            assert_eq!(
                admit_one(name, "1").unwrap_err().kind,
                HttpErrorKind::Denied,
                "{name:?}"
            );
        }
    }

    #[test]
    fn count_and_size_of_headers_are_capped() {
        let caps = Caps {
            request_headers: 2,
            request_header_bytes: 10,
            ..Caps::default()
        };
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert!(admit(&[header("a", "1"), header("a", "2")], &caps, &[]).is_ok());
        for headers in [
            vec![header("a", "1"), header("b", "2"), header("c", "3")],
            vec![header("a", "0123456789")],
        ] {
            let error = admit(&headers, &caps, &[]).unwrap_err();
            assert_eq!(error.kind, HttpErrorKind::TooLarge);
        }
    }

    #[test]
    fn a_response_keeps_its_headers_but_not_its_cookies() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        headers.append("connection", HeaderValue::from_static("close"));
        headers.append("retry-after", HeaderValue::from_static("3"));
        let seen = receive(&headers, &Caps::default(), true, 10).unwrap();
        assert_eq!(seen, [("retry-after".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn a_length_over_what_is_left_is_refused_at_once_unless_there_is_no_body() {
        let mut headers = HeaderMap::new();
        headers.append("content-length", HeaderValue::from_static("11"));
        let error = receive(&headers, &Caps::default(), true, 10).unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::TooLarge);
        assert!(receive(&headers, &Caps::default(), true, 11).is_ok());
        assert!(receive(&headers, &Caps::default(), false, 10).is_ok());
    }
}
