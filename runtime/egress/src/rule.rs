//! One granted way out: an origin, its methods and its paths.

use http::Method;
use url::Url;

use crate::address::{AddressClass, classify};
use crate::{ConfigError, Host, Origin, Scheme};

/// Grants requests to one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where to.
    pub origin: Origin,
    /// Methods, in upper case. None given grants nothing, and is refused by [`crate::Gate::new`].
    pub methods: Vec<String>,
    /// Paths, segment by segment: `/v1` grants `/v1` and `/v1/x`, not `/v1x`. None given grants
    /// every path.
    pub path_prefixes: Vec<String>,
    /// A server on this machine or in the private network, typed by the person. Only such a rule
    /// may use `http` or an IP literal, and it reaches nothing but loopback and private addresses.
    pub local_server: bool,
}

impl Rule {
    /// A rule from a base URL: `https://api.openai.com/v1` grants that origin under `/v1`.
    ///
    /// # Errors
    /// [`ConfigError`] if the URL is none, or what it names can never be granted.
    pub fn parse(
        base_url: &str,
        methods: impl IntoIterator<Item = impl Into<String>>,
        local_server: bool,
    ) -> Result<Self, ConfigError> {
        let origin = Origin::parse(base_url)?;
        let path = Url::parse(base_url)
            .map(|url| url.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        let rule = Self {
            origin,
            methods: methods.into_iter().map(Into::into).collect(),
            path_prefixes: if path.is_empty() {
                Vec::new()
            } else {
                vec![path]
            },
            local_server,
        };
        rule.check()?;
        Ok(rule)
    }

    /// Refuses a rule that could never be used, or must never be.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |reason: &str| {
            Err(ConfigError::Rule {
                origin: self.origin.to_string(),
                reason: reason.to_owned(),
            })
        };
        if self.methods.is_empty() {
            return refuse("it names no method, so it would grant nothing");
        }
        if self.methods.iter().any(|name| parse_method(name).is_none()) {
            return refuse("a method is not a plain HTTP method in upper case");
        }
        if self
            .path_prefixes
            .iter()
            .any(|prefix| !prefix.starts_with('/'))
        {
            return refuse("a path must begin with '/'");
        }
        let address = match self.origin.host() {
            Host::Name(_) => None,
            Host::V4(ip) => Some((*ip).into()),
            Host::V6(ip) => Some((*ip).into()),
        };
        match (self.local_server, address.map(classify)) {
            (true, None | Some(AddressClass::Loopback | AddressClass::Private)) => Ok(()),
            (true, Some(_)) => {
                refuse("a local server must be on this machine or in a private network")
            }
            (false, Some(_)) => refuse("an IP address may only be granted as a local server"),
            (false, None) if self.origin.scheme() == Scheme::Http => refuse(
                "plain http may only be granted to a local server; use https, or grant it as one",
            ),
            (false, None) => Ok(()),
        }
    }

    /// Whether the method is granted.
    pub(crate) fn allows_method(&self, method: &Method) -> bool {
        self.methods.iter().any(|name| name == method.as_str())
    }

    /// Whether the path (as in a parsed URL) is granted.
    pub(crate) fn allows_path(&self, path: &str) -> bool {
        self.path_prefixes.is_empty()
            || self
                .path_prefixes
                .iter()
                .any(|prefix| is_below(prefix, path))
    }
}

/// Whether `path` is the prefix itself or below it, segment by segment. `/` has all below it.
pub(crate) fn is_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A method that may be sent at all: CONNECT opens tunnels and TRACE echoes credentials.
pub(crate) fn parse_method(name: &str) -> Option<Method> {
    let method = Method::from_bytes(name.as_bytes()).ok()?;
    let shouted = !name.bytes().any(|b| b.is_ascii_lowercase());
    (shouted && method != Method::CONNECT && method != Method::TRACE).then_some(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_with_a_path_grants_that_path_segment_by_segment() {
        let rule = Rule::parse("https://api.example.com/v1/", ["GET"], false).unwrap();
        for (path, allowed) in [
            ("/v1", true),
            ("/v1/", true),
            ("/v1/models", true),
            ("/v1x", false),
            ("/", false),
            ("/v2/v1", false),
        ] {
            assert_eq!(rule.allows_path(path), allowed, "{path}");
        }
        let rule = Rule::parse("https://api.example.com", ["GET"], false).unwrap();
        assert!(rule.allows_path("/anything"));
    }

    #[test]
    fn what_must_never_be_granted_is_refused_when_the_rule_is_made() {
        for (url, local, fine) in [
            ("https://api.example.com", false, true),
            ("http://api.example.com", false, false),
            ("http://ollama.lan:11434", true, true),
            ("http://127.0.0.1:11434", true, true),
            ("http://[::1]:11434", true, true),
            ("http://192.168.1.7:1234", true, true),
            ("http://[fd12::1]:1234", true, true),
            ("https://127.0.0.1", false, false),
            ("https://1.1.1.1", false, false),
            ("http://1.1.1.1", true, false),
            ("http://169.254.169.254", true, false),
            ("http://[::ffff:169.254.169.254]", true, false),
            ("http://[fe80::1]", true, false),
            ("http://[fd00:ec2::254]", true, false),
            ("http://0.0.0.0:11434", true, false),
            ("http://224.0.0.1", true, false),
        ] {
            assert_eq!(Rule::parse(url, ["GET"], local).is_ok(), fine, "{url}");
        }
        for methods in [
            vec![],
            vec!["CONNECT"],
            vec!["TRACE"],
            vec!["get"],
            vec!["A B"],
        ] {
            assert!(
                Rule::parse("https://a.example", methods.clone(), false).is_err(),
                "{methods:?}"
            );
        }
    }
}
