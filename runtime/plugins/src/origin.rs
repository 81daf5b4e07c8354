//! `scheme://host:port`, and what kind of place a host is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// `scheme://host[:port]` of an http or https address in its one canonical spelling (lower case,
/// default port left out), so that comparing strings compares origins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// The origin of an http or https address; nothing for any other scheme.
    pub fn of(url: &Url) -> Option<Self> {
        matches!(url.scheme(), "http" | "https").then(|| Self(url.origin().ascii_serialization()))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `http://`, which is not encrypted.
    pub fn is_plain_http(&self) -> bool {
        self.0.starts_with("http://")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = String;

    /// A path, query or credentials in the text are refused: an origin has none. The error is a
    /// sentence.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = base_url(text)?;
        if url.path() != "/" {
            return Err(format!(
                "`{}` has a path; an origin ends after the host and port",
                crate::text::printable(text, 200)
            ));
        }
        Self::of(&url).ok_or_else(|| "an origin begins with https:// or http://".to_owned())
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

/// What an address says about its host before any name is looked up. A first judgement, so that a
/// person hears early what can never work; the gate judges again, on every address it connects to,
/// and its finer table has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostClass {
    /// A public IP address: the gate takes those by name only.
    Public,
    /// A host name: only resolving it tells.
    Name,
    /// This machine or the private network: `localhost`, loopback, RFC 1918, unique
    /// local IPv6, and 100.64.0.0/10 (RFC 6598), which overlay networks use.
    Local,
    /// Never reachable, whoever asks: link-local (cloud metadata lives there), unspecified,
    /// multicast, reserved, and the metadata services outside those.
    Forbidden,
}

impl HostClass {
    /// The class of the host of `url`; an address without a host is forbidden.
    pub fn of(url: &Url) -> Self {
        match url.host() {
            Some(Host::Domain(name)) => Self::of_name(name),
            Some(Host::Ipv4(address)) => Self::of_v4(address),
            Some(Host::Ipv6(address)) => Self::of_v6(address),
            None => Self::Forbidden,
        }
    }

    fn of_name(name: &str) -> Self {
        let name = name.trim_end_matches('.');
        if name == "localhost" || name.ends_with(".localhost") {
            Self::Local
        } else {
            Self::Name
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        // Alibaba Cloud's and Azure's metadata services lie in space that is otherwise usable.
        const METADATA: [Ipv4Addr; 2] = [
            Ipv4Addr::new(100, 100, 100, 200),
            Ipv4Addr::new(168, 63, 129, 16),
        ];
        let [first, second, ..] = address.octets();
        let shared = first == 100 && second & 0xc0 == 64;
        if METADATA.contains(&address) {
            Self::Forbidden
        } else if address.is_loopback() || address.is_private() || shared {
            Self::Local
        } else if address.is_link_local()
            || address.is_multicast()
            || address.is_documentation()
            || first == 0
            || first >= 240
        {
            Self::Forbidden
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if let Some(inner) = address.to_ipv4_mapped() {
            return Self::of_v4(inner);
        }
        // AWS and Google keep metadata services inside the unique-local space.
        let metadata = matches!(address.segments(), [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..]);
        if metadata {
            Self::Forbidden
        } else if address.is_loopback() || address.is_unique_local() {
            Self::Local
        } else if address.is_unspecified()
            || address.is_multicast()
            || address.is_unicast_link_local()
        {
            Self::Forbidden
        } else {
            Self::Public
        }
    }
}

/// Longest address that a manifest or a setting may hold, bytes.
const MAX_URL_BYTES: usize = 2048;

/// Parses an address that requests will be built on: http or https, a host, no user name, no
/// query, no fragment. The error completes "`key` …".
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let shown = crate::text::printable(text, 200);
    if text.len() > MAX_URL_BYTES {
        return Err(format!("is longer than {MAX_URL_BYTES} bytes"));
    }
    if text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
    {
        return Err(format!(
            "`{shown}` holds a space, a control character or a backslash"
        ));
    }
    let url =
        Url::parse(text).map_err(|error| format!("`{shown}` is not a web address ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{shown}` is not an https:// or http:// address"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("`{shown}` names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password, which an address must not".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "`{shown}` has a query or a fragment, which a base address cannot have"
        ));
    }
    Ok(url)
}

/// The path of a base address without its trailing slash: empty for the root.
pub(crate) fn path_prefix(url: &Url) -> String {
    url.path().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_origin_has_one_spelling() {
        for text in [
            "https://API.OpenAI.com",
            "https://api.openai.com:443",
            "https://api.openai.com/",
        ] {
            assert_eq!(
                text.parse::<Origin>().unwrap().as_str(),
                "https://api.openai.com"
            );
        }
        assert_eq!(
            "http://[::1]:8080".parse::<Origin>().unwrap().as_str(),
            "http://[::1]:8080"
        );
        for bad in [
            "https://a.example/v1",
            "ftp://a.example",
            "https://user@a.example",
            "a.example",
            "https://a.example?x=1",
            "https:\\\\a.example",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_are_classed_by_what_their_address_says() {
        use HostClass::{Forbidden, Local, Name, Public};
        for (url, class) in [
            ("http://127.0.0.1:8080", Local),
            ("http://localhost", Local),
            ("http://a.localhost", Local),
            ("http://192.168.1.5", Local),
            ("http://10.0.0.1", Local),
            ("http://[::1]", Local),
            ("http://[fd00::1]", Local),
            ("http://[::ffff:127.0.0.1]", Local),
            ("http://0x7f.1", Local),
            ("http://169.254.169.254", Forbidden),
            ("http://[::ffff:169.254.169.254]", Forbidden),
            ("http://[fe80::1]", Forbidden),
            ("http://0.0.0.0", Forbidden),
            ("http://[::]", Forbidden),
            ("http://100.64.0.1", Local),
            ("http://100.100.100.200", Forbidden),
            ("http://[fd00:ec2::254]", Forbidden),
            ("http://224.0.0.1", Forbidden),
            ("https://1.1.1.1", Public),
            ("https://api.openai.com", Name),
            ("http://nas", Name),
        ] {
            assert_eq!(HostClass::of(&Url::parse(url).unwrap()), class, "{url}");
        }
    }
}
