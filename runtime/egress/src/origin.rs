//! Scheme, host and port: the unit in which reaching out is granted.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::ConfigError;

/// The scheme of an [`Origin`]; no other is ever sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text: only to a local server.
    Http,
    /// TLS.
    Https,
}

/// The host of an [`Origin`], as `url` normalises it (lower case, punycode, canonical IPv4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name.
    Name(String),
    /// An IPv4 literal.
    V4(Ipv4Addr),
    /// An IPv6 literal.
    V6(Ipv6Addr),
}

/// Scheme, host and port. Compared exactly; no wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

impl Origin {
    /// Takes scheme, host and port of an absolute `http` or `https` URL; path, query and fragment
    /// are ignored, so a base URL names its origin.
    ///
    /// # Errors
    /// [`ConfigError::Origin`] if it is no such URL, or carries a user name or password.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let parsed = Url::parse(url).map_err(|error| ConfigError::Origin {
            text: url.to_owned(),
            reason: error.to_string(),
        })?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(ConfigError::Origin {
                text: "(not shown)".to_owned(),
                reason: "it holds a user name or password; store those as a credential".to_owned(),
            });
        }
        Self::of(&parsed).ok_or_else(|| ConfigError::Origin {
            text: url.to_owned(),
            reason: "it must begin with http:// or https:// and name a host".to_owned(),
        })
    }

    /// The origin of a parsed URL; `None` for any other scheme or without a host.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let host = match url.host()? {
            url::Host::Domain(name) => Host::Name(name.to_owned()),
            url::Host::Ipv4(ip) => Host::V4(ip),
            url::Host::Ipv6(ip) => Host::V6(ip),
        };
        Some(Self {
            scheme,
            host,
            port: url.port_or_known_default()?,
        })
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, also when it is the scheme's default.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(ip) => ip.fmt(f),
            Self::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// As a URL without a path; the scheme's default port is left out.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_normalised_so_that_equal_origins_compare_equal() {
        for (left, right) in [
            (
                "https://API.example.com",
                "https://api.example.com:443/v1?x#y",
            ),
            ("http://localhost:80", "http://LOCALHOST/"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://2130706433:1234", "http://127.0.0.1:1234"),
            ("http://0x7f.1:1234", "http://127.0.0.1:1234"),
            ("https://[0:0::1]", "https://[::1]"),
        ] {
            assert_eq!(Origin::parse(left).unwrap(), Origin::parse(right).unwrap());
        }
        for (left, right) in [
            ("https://example.com", "http://example.com"),
            ("https://example.com", "https://example.com:8443"),
            ("https://example.com", "https://example.com."),
            ("https://example.com", "https://www.example.com"),
        ] {
            assert_ne!(Origin::parse(left).unwrap(), Origin::parse(right).unwrap());
        }
    }

    #[test]
    fn what_is_no_web_origin_is_refused() {
        for text in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "file:///etc/passwd",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
        let error = Origin::parse("https://me:hunter2@example.com").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn an_origin_is_shown_as_a_person_would_type_it() {
        for text in [
            "https://api.example.com",
            "http://127.0.0.1:11434",
            "https://[::1]:8443",
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), text);
        }
    }
}
