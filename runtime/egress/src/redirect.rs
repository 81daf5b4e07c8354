//! Where a redirect leads, before the policy judges it.

use http::{HeaderMap, Method, header};
use url::Url;

use crate::HttpError;

/// Redirects followed for one request.
pub(crate) const MAX_HOPS: usize = 3;

/// The next request of a chain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Whether the body goes along.
    pub(crate) with_body: bool,
}

/// The request that a response asks for instead; `None` if it is no redirect (then the plugin
/// gets the response as it is).
pub(crate) fn next_hop(
    status: u16,
    headers: &HeaderMap,
    method: &Method,
    url: &Url,
    has_body: bool,
) -> Result<Option<Hop>, HttpError> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(header::LOCATION) else {
        return Ok(None);
    };
    let target = location
        .to_str()
        .ok()
        .and_then(|text| url.join(text).ok())
        .map(|mut target| {
            target.set_fragment(None);
            target
        });
    let Some(target) = target else {
        return Err(denied(
            "The server redirects to something that is no address.",
        ));
    };
    if !matches!(target.scheme(), "http" | "https") {
        return Err(denied(format!(
            "The server redirects to a '{}:' address.",
            target.scheme()
        )));
    }
    let safe = *method == Method::GET || *method == Method::HEAD;
    let same_origin = target.origin() == url.origin();
    match status {
        303 => Ok(Some(Hop {
            method: if safe { method.clone() } else { Method::GET },
            url: target,
            with_body: false,
        })),
        // A POST that turns into a GET would lose its body without a word.
        301 | 302 if !safe => Err(denied(format!(
            "The server says that this address has moved to {}. A {method} is not repeated there \
             by itself; set the new address in the settings.",
            shown(&target)
        ))),
        _ if has_body && !same_origin => Err(denied(format!(
            "The server redirects a {method} to {}; its content is not sent to another server.",
            shown(&target)
        ))),
        _ => Ok(Some(Hop {
            method: method.clone(),
            url: target,
            with_body: has_body,
        })),
    }
}

/// Without user, query and fragment: they may hold anything.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// A refusal after a request was already answered.
fn denied(message: impl Into<String>) -> HttpError {
    HttpError::sent(crate::HttpErrorKind::Denied, message)
}

/// The refusal when a chain does not end.
pub(crate) fn too_many() -> HttpError {
    denied(format!("The server redirected more than {MAX_HOPS} times."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn hop(
        status: u16,
        method: Method,
        location: &str,
        has_body: bool,
    ) -> Result<Option<Hop>, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_str(location).unwrap());
        let url = Url::parse("https://a.example/x/y?q=1").unwrap();
        next_hop(status, &headers, &method, &url, has_body)
    }

    #[test]
    fn methods_and_bodies_follow_only_where_that_is_safe() {
        let same = "/z";
        let other = "https://b.example/z";
        for (status, method, location, body, expected) in [
            (301, Method::GET, other, false, Some((Method::GET, false))),
            (302, Method::HEAD, same, false, Some((Method::HEAD, false))),
            (303, Method::POST, same, true, Some((Method::GET, false))),
            (307, Method::POST, same, true, Some((Method::POST, true))),
            (308, Method::PUT, same, true, Some((Method::PUT, true))),
            (307, Method::POST, other, true, None),
            (308, Method::POST, "http://a.example/z", true, None),
            (301, Method::POST, same, true, None),
            (302, Method::DELETE, same, false, None),
        ] {
            let found = hop(status, method.clone(), location, body).ok().flatten();
            assert_eq!(
                found.map(|hop| (hop.method, hop.with_body)),
                expected,
                "{status} {method}"
            );
        }
    }

    #[test]
    fn only_web_addresses_are_followed() {
        for location in [
            "file:///etc/passwd",
            "data:,x",
            "ftp://a.example/",
            "https://",
            "http://[",
        ] {
            assert!(
                hop(302, Method::GET, location, false).is_err(),
                "{location}"
            );
        }
        let url = hop(302, Method::GET, "\\\\evil.example\\x", false)
            .unwrap()
            .unwrap()
            .url;
        assert_eq!(url.as_str(), "https://evil.example/x");
        assert_eq!(hop(304, Method::GET, "/z", false).unwrap(), None);
        assert_eq!(hop(200, Method::GET, "/z", false).unwrap(), None);
    }
}
