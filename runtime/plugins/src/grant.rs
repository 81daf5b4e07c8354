//! What a plugin gets: manifest ∩ person ∩ host ceiling.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use vale_types::Limits;

use crate::limits::{LimitCeiling, LimitsSpec};
use crate::manifest::Method;
use crate::origin::{HostClass, Origin};
use crate::resolve::{OriginSource, Resolved, ResolvedCredential, ResolvedRule};

/// What the person agreed to for one installed plugin. The default agrees to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grant {
    /// The plugin came with this program: the addresses that its manifest states, defaults of
    /// settings included, are agreed to. Set by the host, never read from a file.
    #[serde(skip)]
    pub built_in: bool,
    /// Origins the person agreed to.
    pub origins: BTreeSet<Origin>,
    /// The one local server that the person typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_server: Option<Origin>,
    /// Limits the person changed.
    pub limits: LimitsSpec,
}

impl Grant {
    /// What is agreed to for a plugin and for one provider that it answers: both together, the
    /// provider's word first where only one can count.
    #[must_use]
    pub fn and(&self, provider: &Self) -> Self {
        Self {
            built_in: self.built_in || provider.built_in,
            origins: self.origins.union(&provider.origins).cloned().collect(),
            local_server: provider
                .local_server
                .clone()
                .or_else(|| self.local_server.clone()),
            limits: provider.limits.or(self.limits),
        }
    }

    /// The grant of a plugin that came with this program.
    pub fn built_in() -> Self {
        Self {
            built_in: true,
            ..Self::default()
        }
    }
}

/// What the host allows any plugin at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// Methods that may be sent at all.
    pub methods: BTreeSet<Method>,
    /// Whether local servers other than the host's own may be reached.
    pub local_servers: bool,
    /// When set, nothing but these origins (and the host's own model server) is reachable.
    pub only: Option<BTreeSet<Origin>>,
    /// The most of each limit.
    pub limits: LimitCeiling,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self {
            methods: Method::ALL.into_iter().collect(),
            local_servers: true,
            only: None,
            limits: LimitCeiling::default(),
        }
    }
}

/// A place the plugin may reach; what the gate enforces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectiveRule {
    /// The manifest key that asked, as in [`ResolvedRule::key`].
    pub key: String,
    /// Where.
    pub origin: Origin,
    /// As in [`ResolvedRule::path_prefixes`].
    pub path_prefixes: Vec<String>,
    /// At least one.
    pub methods: Vec<Method>,
    /// Only loopback and private addresses are right here; else only global ones.
    pub local_server: bool,
    /// Whose word the address is.
    pub source: OriginSource,
}

/// A credential that the gate attaches, at the addresses that are left.
pub type EffectiveCredential = ResolvedCredential;

/// Why a rule was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum DropReason {
    /// The person has not agreed to this origin.
    NeedsConsent,
    /// It is a local server, and the person has not agreed to it as one.
    NeedsLocalServer,
    /// The manifest states a local address without asking for a local server.
    LocalNotAsked,
    /// Link-local, shared, multicast or unspecified: closed to every plugin.
    Forbidden,
    /// A public IP address in the place of a name: no certificate vouches for it.
    PublicAddress,
    /// The host allows no local servers.
    CeilingLocal,
    /// The host has a list of origins, and this is not on it.
    CeilingOrigin,
    /// The host allows none of the methods.
    CeilingMethods,
}

/// A rule that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The manifest key that asked.
    pub key: String,
    /// Where it would have gone.
    pub origin: Origin,
    /// Whose word the address is.
    pub source: OriginSource,
    /// Why not.
    #[serde(flatten)]
    pub reason: DropReason,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = &self.origin;
        match &self.reason {
            DropReason::NeedsConsent => match &self.source {
                OriginSource::Setting { setting } => write!(
                    f,
                    "{origin} comes from the setting `{setting}` and is not the plugin's own default. Agree to it, or change the setting back."
                ),
                _ => write!(
                    f,
                    "you have not agreed that this plugin reaches {origin}. Agree to it in the plugin's permissions."
                ),
            },
            DropReason::NeedsLocalServer => write!(
                f,
                "{origin} is on this machine, in the private network or not encrypted. Agree to it as this plugin's local server, or use an https:// address."
            ),
            DropReason::LocalNotAsked => write!(
                f,
                "{origin} is a local address, and the plugin's manifest does not ask for a local server. Ask its author to add local_server = true."
            ),
            DropReason::Forbidden => write!(
                f,
                "{origin} is an address that no plugin may reach. Use another one."
            ),
            DropReason::PublicAddress => write!(
                f,
                "{origin} is the number of a public computer, not its name. Use its name with https://."
            ),
            DropReason::CeilingLocal => write!(
                f,
                "{origin} is a local server, and this installation allows none. Ask whoever manages it."
            ),
            DropReason::CeilingOrigin => write!(
                f,
                "{origin} is not on this installation's list of hosts. Ask whoever manages it."
            ),
            DropReason::CeilingMethods => write!(
                f,
                "this installation allows none of the methods asked for at {origin}. Ask whoever manages it."
            ),
        }
    }
}

/// What is left of a manifest, and why the rest is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// What the gate lets through; everything else is refused.
    pub rules: Vec<EffectiveRule>,
    /// What was asked for and left out.
    pub dropped: Vec<Dropped>,
    /// Credentials whose addresses are reachable, with only those addresses.
    pub credentials: Vec<EffectiveCredential>,
    /// What one call may use.
    pub limits: Limits,
}

/// Intersects what the plugin asks for with what the person granted and the host allows.
pub fn effective(resolved: &Resolved, grant: &Grant, ceiling: &Ceiling) -> Effective {
    let mut rules: Vec<EffectiveRule> = Vec::new();
    let mut dropped = Vec::new();
    for rule in &resolved.egress {
        match judge(rule, grant, ceiling) {
            Ok(rule) => rules.push(rule),
            Err(reason) => dropped.push(Dropped {
                key: rule.key.clone(),
                origin: rule.origin.clone(),
                source: rule.source.clone(),
                reason,
            }),
        }
    }
    let credentials = resolved
        .credentials
        .iter()
        .filter_map(|credential| reachable_part(credential, &rules))
        .collect();
    Effective {
        rules,
        dropped,
        credentials,
        limits: ceiling.limits.clamp(grant.limits.over(resolved.limits)),
    }
}

fn judge(
    rule: &ResolvedRule,
    grant: &Grant,
    ceiling: &Ceiling,
) -> Result<EffectiveRule, DropReason> {
    let local_server = if rule.source == OriginSource::HostInfer {
        true
    } else {
        let listed = ceiling
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&rule.origin));
        if !listed {
            return Err(DropReason::CeilingOrigin);
        }
        consented(rule, grant, ceiling)?
    };
    let methods: Vec<Method> = rule
        .methods
        .iter()
        .copied()
        .filter(|method| ceiling.methods.contains(method))
        .collect();
    if methods.is_empty() {
        return Err(DropReason::CeilingMethods);
    }
    Ok(EffectiveRule {
        key: rule.key.clone(),
        origin: rule.origin.clone(),
        path_prefixes: rule.path_prefixes.clone(),
        methods,
        local_server,
        source: rule.source.clone(),
    })
}

/// Whether the person agreed, and if so whether to a local server.
fn consented(rule: &ResolvedRule, grant: &Grant, ceiling: &Ceiling) -> Result<bool, DropReason> {
    let class = HostClass::of(&rule.base);
    let plain = rule.origin.is_plain_http();
    match class {
        HostClass::Forbidden => return Err(DropReason::Forbidden),
        HostClass::Public => return Err(DropReason::PublicAddress),
        HostClass::Name | HostClass::Local => {}
    }
    let granted_local = grant.local_server.as_ref() == Some(&rule.origin);
    let typed = matches!(rule.source, OriginSource::Setting { .. });
    // A person who types a local address says what the manifest could not know.
    let asked_local = rule.local_server || typed;

    if class == HostClass::Local || plain {
        return match (asked_local, ceiling.local_servers, granted_local) {
            (false, ..) => Err(DropReason::LocalNotAsked),
            (_, false, _) => Err(DropReason::CeilingLocal),
            (true, true, true) => Ok(true),
            // What came with this program states its usual local address itself.
            _ if grant.built_in && !typed && rule.local_server => Ok(true),
            (_, _, false) => Err(DropReason::NeedsLocalServer),
        };
    }
    // An https name that the person called a local server (`https://nas.lan`).
    if class == HostClass::Name && granted_local && asked_local {
        return if ceiling.local_servers {
            Ok(true)
        } else {
            Err(DropReason::CeilingLocal)
        };
    }
    let agreed = grant.origins.contains(&rule.origin) || (grant.built_in && !typed);
    if agreed {
        Ok(false)
    } else {
        Err(DropReason::NeedsConsent)
    }
}

/// The credential with only the addresses that some rule reaches; nothing when none is left.
fn reachable_part(
    credential: &ResolvedCredential,
    rules: &[EffectiveRule],
) -> Option<EffectiveCredential> {
    let origins: Vec<_> = credential
        .origins
        .iter()
        .filter(|place| rules.iter().any(|rule| rule.origin == place.origin))
        .cloned()
        .collect();
    (!origins.is_empty()).then(|| EffectiveCredential {
        origins,
        ..credential.clone()
    })
}
