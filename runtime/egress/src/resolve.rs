//! From a name to the addresses that may be connected to.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::address::{AddressClass, classify};
use crate::{Host, Rule};

/// Addresses of a name, or why there are none.
pub type Resolved = std::io::Result<Vec<IpAddr>>;

/// Looks up names; replaceable so that tests decide where a name leads.
pub trait NameResolver: Send + Sync {
    /// All addresses of `name`. They are judged afterwards; none is trusted for being returned.
    fn lookup(&self, name: String) -> BoxFuture<'static, Resolved>;
}

/// The operating system's way (hosts file, resolver, VPN).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl NameResolver for SystemResolver {
    fn lookup(&self, name: String) -> BoxFuture<'static, Resolved> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// No address of the name may be connected to.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{name} leads to {address}, {what}; {advice}")]
pub(crate) struct BlockedAddress {
    name: String,
    address: IpAddr,
    what: &'static str,
    advice: &'static str,
}

/// A name that has no address.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the name {name} has no address ({reason})")]
pub(crate) struct NoAddress {
    name: String,
    reason: String,
}

/// What a name may lead to. The client's resolver is told names only, so a name is judged by all
/// rules that mention it: it is local only if every one of them is a local server.
#[derive(Clone)]
pub(crate) struct Pinning {
    lookup: Arc<dyn NameResolver>,
    local: Arc<HashSet<String>>,
    /// The person's proxy; it may be anywhere, the person chose it.
    proxy: Option<String>,
}

impl Pinning {
    pub(crate) fn new(
        lookup: Arc<dyn NameResolver>,
        rules: &[Rule],
        proxy: Option<String>,
    ) -> Self {
        Self {
            lookup,
            local: Arc::new(local_names(rules)),
            proxy,
        }
    }

    async fn resolve(
        self,
        name: String,
    ) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = self
            .lookup
            .lookup(name.clone())
            .await
            .map_err(|error| NoAddress {
                name: name.clone(),
                reason: error.to_string(),
            })?;
        let local = self.local.contains(&name);
        let any = !local && self.proxy.as_ref() == Some(&name);
        let mut blocked = None;
        let mut allowed = Vec::with_capacity(found.len());
        for address in found {
            match (classify(address), local) {
                _ if any => allowed.push(address),
                (AddressClass::Global, false)
                | (AddressClass::Loopback | AddressClass::Private, true) => allowed.push(address),
                (class, _) => {
                    blocked.get_or_insert((address, class));
                }
            }
        }
        match (allowed.is_empty(), blocked) {
            (false, _) => Ok(allowed),
            (true, Some((address, class))) => Err(Box::new(BlockedAddress {
                name,
                address,
                what: class.describe(),
                advice: match (local, class) {
                    (true, AddressClass::Global) => {
                        "a local server must be on this machine or in a private network"
                    }
                    (_, AddressClass::Forbidden(_)) => "plugins may never connect there",
                    _ => "only a permission for a local server reaches such an address",
                },
            })),
            (true, None) => Err(Box::new(NoAddress {
                name,
                reason: "the answer was empty".to_owned(),
            })),
        }
    }
}

fn local_names(rules: &[Rule]) -> HashSet<String> {
    let named = |local: bool| {
        rules
            .iter()
            .filter(move |rule| rule.local_server == local)
            .filter_map(|rule| match rule.origin.host() {
                Host::Name(name) => Some(name.clone()),
                Host::V4(_) | Host::V6(_) => None,
            })
    };
    let public: HashSet<_> = named(false).collect();
    named(true).filter(|name| !public.contains(name)).collect()
}

impl reqwest::dns::Resolve for Pinning {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let this = self.clone();
        // Host names in URLs are lower case already; a trailing dot stays, as in the rules.
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let addresses = Pinning::resolve(this, name).await?;
            let pinned = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(pinned) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<IpAddr>);
    impl NameResolver for Fixed {
        fn lookup(&self, _: String) -> BoxFuture<'static, Resolved> {
            let addresses = self.0.clone();
            Box::pin(async move { Ok(addresses) })
        }
    }

    async fn leads_to(
        rules: &[Rule],
        proxy: Option<&str>,
        addresses: &[&str],
    ) -> Result<Vec<String>, String> {
        let fixed = Fixed(addresses.iter().map(|a| a.parse().unwrap()).collect());
        let pinning = Pinning::new(Arc::new(fixed), rules, proxy.map(str::to_owned));
        match Pinning::resolve(pinning, "box.example".to_owned()).await {
            Ok(ips) => Ok(ips.iter().map(ToString::to_string).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn public() -> Rule {
        Rule::parse("https://box.example", ["GET"], false).unwrap()
    }
    fn local() -> Rule {
        Rule::parse("http://box.example:11434", ["GET"], true).unwrap()
    }

    #[tokio::test]
    async fn a_public_name_keeps_only_its_global_addresses() {
        let found = leads_to(
            &[public()],
            None,
            &["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"],
        )
        .await;
        assert_eq!(found.unwrap(), ["1.1.1.1", "2606:4700::1111"]);
        let error = leads_to(&[public()], None, &["127.0.0.1"])
            .await
            .unwrap_err();
        assert!(
            error.contains("box.example") && error.contains("127.0.0.1"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_local_name_reaches_loopback_and_private_addresses_only() {
        let found = leads_to(
            &[local()],
            None,
            &[
                "127.0.0.1",
                "192.168.1.9",
                "169.254.169.254",
                "1.1.1.1",
                "fe80::1",
                "fd00:ec2::254",
            ],
        )
        .await;
        assert_eq!(found.unwrap(), ["127.0.0.1", "192.168.1.9"]);
        assert!(
            leads_to(&[local()], None, &["169.254.169.254"])
                .await
                .is_err()
        );
        assert!(leads_to(&[local()], None, &["1.1.1.1"]).await.is_err());
    }

    #[tokio::test]
    async fn a_name_with_a_public_and_a_local_rule_counts_as_public() {
        let rules = [public(), local()];
        assert!(leads_to(&rules, None, &["127.0.0.1"]).await.is_err());
        assert_eq!(
            leads_to(&rules, None, &["1.1.1.1"]).await.unwrap(),
            ["1.1.1.1"]
        );
    }

    #[tokio::test]
    async fn the_persons_proxy_may_be_anywhere() {
        assert!(
            leads_to(&[], Some("box.example"), &["10.0.0.1"])
                .await
                .is_ok()
        );
        assert!(
            leads_to(&[], Some("other.example"), &["10.0.0.1"])
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn an_empty_answer_is_no_address() {
        assert!(
            leads_to(&[public()], None, &[])
                .await
                .unwrap_err()
                .contains("no address")
        );
    }
}
