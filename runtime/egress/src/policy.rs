//! Whether a URL and method are granted.

use http::Method;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::address::{AddressClass, classify};
use crate::{Host, HttpError, Origin, Rule, Scheme};

/// Longer URLs are refused by common servers and proxies; no provider needs them.
const MAX_URL_BYTES: usize = 16 << 10;

/// Rounds of percent-decoding that a path may need before it stops changing.
const MAX_DECODE_ROUNDS: usize = 4;

const ODD_PATH: &str =
    "its path holds '.' or '..' segments, a backslash or a control character, plain or encoded";

/// A URL that a rule allows.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) origin: Origin,
    pub(crate) local: bool,
}

/// Parses a plugin's URL, once: the result is judged and sent, the text never looked at again.
pub(crate) fn parse_url(text: &str) -> Result<Url, HttpError> {
    let refuse = |reason: &str| Err(HttpError::denied(format!("The URL was refused: {reason}.")));
    if text.len() > MAX_URL_BYTES {
        return refuse("it is longer than 16 KiB");
    }
    // The parser would drop or rewrite these without a word.
    if text.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace()) {
        return refuse("it holds a backslash, white space or a control character");
    }
    let mut url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return refuse(&error.to_string()),
    };
    let after_scheme = text
        .get(url.scheme().len()..)
        .and_then(|rest| rest.strip_prefix("://"));
    let Some(rest) = after_scheme.filter(|rest| !rest.starts_with('/')) else {
        return refuse("it must be absolute, such as https://api.example.com/v1");
    };
    let raw_path = rest.split(['?', '#']).next().unwrap_or_default();
    if is_ambiguous(raw_path) {
        return refuse(ODD_PATH);
    }
    url.set_fragment(None);
    Ok(url)
}

/// Judges a parsed URL and method against the rules.
pub(crate) fn judge(
    plugin: &str,
    rules: &[Rule],
    method: &Method,
    url: &Url,
) -> Result<Granted, HttpError> {
    let refuse = |reason: String| Err(HttpError::denied(reason));
    let Some(origin) = Origin::of(url) else {
        return refuse(format!(
            "Only https can be requested, not '{}:'.",
            url.scheme().escape_debug()
        ));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("A URL may not hold a user name or password.".to_owned());
    }
    if is_ambiguous(url.path()) {
        return refuse(format!("The URL was refused: {ODD_PATH}."));
    }
    let mut same_origin = rules.iter().filter(|rule| rule.origin == origin).peekable();
    if same_origin.peek().is_none() {
        return refuse(format!(
            "The plugin '{plugin}' has no permission to reach {origin}. {}",
            allowed(rules)
        ));
    }
    let Some(rule) = same_origin
        .clone()
        .find(|rule| rule.allows_method(method) && rule.allows_path(url.path()))
    else {
        let what = if same_origin.any(|rule| rule.allows_path(url.path())) {
            format!("use {method} there")
        } else {
            format!("reach the path {} there", url.path())
        };
        return refuse(format!(
            "The plugin '{plugin}' may reach {origin}, but has no permission to {what}."
        ));
    };
    if origin.scheme() == Scheme::Http && !rule.local_server {
        return refuse(format!(
            "Plain http is allowed to local servers only, not to {origin}."
        ));
    }
    let literal = match origin.host() {
        Host::Name(_) => None,
        Host::V4(ip) => Some(classify((*ip).into())),
        Host::V6(ip) => Some(classify((*ip).into())),
    };
    match (literal, rule.local_server) {
        (None, _) | (Some(AddressClass::Loopback | AddressClass::Private), true) => Ok(Granted {
            local: rule.local_server,
            origin,
        }),
        (Some(class), _) => refuse(format!(
            "{origin} is {}; only a permission for a local server reaches an IP address, and only \
             on this machine or in a private network.",
            class.describe()
        )),
    }
}

fn allowed(rules: &[Rule]) -> String {
    if rules.is_empty() {
        return "It may reach nothing.".to_owned();
    }
    let mut origins: Vec<_> = rules.iter().map(|rule| rule.origin.to_string()).collect();
    origins.dedup();
    format!("It may reach: {}.", origins.join(", "))
}

/// Whether a server that decodes (once or again) before it splits could see `.` or `..`, or a
/// character that it takes for a separator or an end.
fn is_ambiguous(path: &str) -> bool {
    let mut current = path.as_bytes().to_vec();
    for _ in 0..MAX_DECODE_ROUNDS {
        let dotted = current
            .split(|b| matches!(b, b'/' | b'\\'))
            // A parameter after ';' is cut off by some servers: `/..;/`.
            .map(|segment| segment.split(|b| *b == b';').next().unwrap_or_default())
            .any(|segment| matches!(segment, b"." | b".."));
        if dotted || current.iter().any(|b| *b == b'\\' || b.is_ascii_control()) {
            return true;
        }
        let decoded = percent_decode_str(&String::from_utf8_lossy(&current)).collect::<Vec<u8>>();
        if decoded == current {
            return false;
        }
        current = decoded;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HttpErrorKind;

    fn rules() -> Vec<Rule> {
        vec![
            Rule::parse("https://api.example.com/v1", ["GET", "POST"], false).unwrap(),
            Rule::parse("https://bücher.example", ["GET"], false).unwrap(),
            Rule::parse("http://127.0.0.1:11434", ["POST"], true).unwrap(),
            Rule::parse("http://ollama.lan:11434", ["GET"], true).unwrap(),
        ]
    }

    fn verdict(method: &str, url: &str) -> Result<Granted, HttpError> {
        let url = parse_url(url)?;
        judge("test", &rules(), &method.parse().unwrap(), &url)
    }

    #[test]
    fn what_is_granted_passes() {
        for (method, url) in [
            ("GET", "https://api.example.com/v1"),
            (
                "POST",
                "https://API.example.com:443/v1/chat/completions?x=..#frag",
            ),
            ("GET", "https://api.example.com/v1/models/org%2Fname"),
            ("GET", "https://api.example.com/v1/a..b/...%20"),
            ("GET", "https://xn--bcher-kva.example/"),
            ("GET", "https://BÜCHER.example/"),
            ("POST", "http://127.0.0.1:11434/api/chat"),
            ("GET", "http://ollama.lan:11434/"),
        ] {
            verdict(method, url).unwrap_or_else(|error| panic!("{url}: {error}"));
        }
    }

    #[test]
    fn what_is_not_granted_is_denied_with_a_sentence() {
        for (method, url) in [
            ("GET", "https://evil.example/v1"),
            ("GET", "http://api.example.com/v1"),
            ("GET", "https://api.example.com:8443/v1"),
            ("GET", "https://api.example.com./v1"),
            ("GET", "https://api.example.com.evil.example/v1"),
            ("DELETE", "https://api.example.com/v1"),
            ("GET", "https://api.example.com/v1x"),
            ("GET", "https://api.example.com/"),
            ("GET", "https://user@api.example.com/v1"),
            ("GET", "https://user:pw@api.example.com/v1"),
            ("GET", "https://api.example.com@evil.example/v1"),
            ("GET", "https://api.example.com/v1/../admin"),
            ("GET", "https://api.example.com/v1/%2e%2e/admin"),
            ("GET", "https://api.example.com/v1/.%2E/admin"),
            ("GET", "https://api.example.com/v1/%252e%252e/admin"),
            ("GET", "https://api.example.com/v1/..%2fadmin"),
            ("GET", "https://api.example.com/v1/..%5cadmin"),
            ("GET", "https://api.example.com/v1/..;/admin"),
            ("GET", "https://api.example.com/v1/./x"),
            ("GET", "https://api.example.com/v1\\..\\admin"),
            ("GET", "https://api.example.com\\@evil.example/v1"),
            ("GET", "https://api.example.com/v1/%00"),
            ("GET", "https://api.example.com/v1/a\nb"),
            ("GET", " https://api.example.com/v1"),
            ("GET", "https:api.example.com/v1"),
            ("GET", "https:/api.example.com/v1"),
            ("GET", "https:///api.example.com/v1"),
            ("GET", "//api.example.com/v1"),
            ("GET", "/v1"),
            ("GET", ""),
            ("GET", "ftp://api.example.com/v1"),
            ("GET", "file:///etc/passwd"),
            ("GET", "data:text/plain,hi"),
            ("GET", "http://127.0.0.1:11434/"),
            ("POST", "http://localhost:11434/"),
            ("POST", "http://[::1]:11434/"),
            ("POST", "http://[::ffff:127.0.0.1]:11434/"),
            ("POST", "http://127.0.0.2:11434/"),
            ("POST", "http://169.254.169.254/latest/meta-data/"),
        ] {
            let error = verdict(method, url).expect_err(url);
            assert_eq!(error.kind, HttpErrorKind::Denied, "{url}");
            assert!(
                !error.request_sent && error.message.ends_with('.'),
                "{}",
                error.message
            );
        }
    }

    /// Trap 1: what one parser reads as a name, another reads as an address.
    #[test]
    fn trap_1_every_spelling_of_an_address_is_judged_as_what_is_connected_to() {
        for spelling in [
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "127.0.0.1",
            "①27.0.0.1",
        ] {
            let url = parse_url(&format!("http://{spelling}:11434/x")).unwrap();
            assert_eq!(url.host_str(), Some("127.0.0.1"), "{spelling}");
            assert!(
                judge("test", &rules(), &Method::POST, &url).is_ok(),
                "{spelling}"
            );
            let https = parse_url(&format!("https://{spelling}/v1")).unwrap();
            assert!(
                judge("test", &rules(), &Method::GET, &https).is_err(),
                "{spelling}"
            );
        }
    }

    /// Trap 2: an IP literal never reaches the resolver, so a rule alone must not let it through.
    #[test]
    fn trap_2_an_ip_literal_is_judged_even_where_a_rule_names_it() {
        for (origin, local) in [
            ("https://169.254.169.254", true),
            ("https://[::ffff:169.254.169.254]", true),
            ("https://[64:ff9b::7f00:1]", true),
            ("https://127.0.0.1", false),
            ("https://1.1.1.1", true),
            ("https://1.1.1.1", false),
            ("https://0.0.0.0", true),
        ] {
            let rule = Rule {
                origin: Origin::parse(origin).unwrap(),
                methods: vec!["GET".to_owned()],
                path_prefixes: Vec::new(),
                local_server: local,
            };
            let url = parse_url(origin).unwrap();
            let error = judge("test", &[rule], &Method::GET, &url).unwrap_err();
            assert_eq!(error.kind, HttpErrorKind::Denied, "{origin}");
        }
    }
}
