//! What another version of a plugin asks for that this one does not: in words, and in detail.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use vale_types::Limits;

use crate::addresses::{defaults, leading_list, stand_in};
use crate::card::import_meaning;
use crate::manifest::{CredentialSource, CredentialSpec, Manifest, Method};
use crate::resolve::{HostVars, OriginSource, ResolvedRule, Resolver};
use crate::template::Template;
use crate::text::printable;

/// One difference between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Whether the newer one may do something that the older one may not: then the person is asked.
    pub widens: bool,
    /// For people: completes "it …".
    pub words: String,
    /// What stands in the manifests or imports, before and after.
    pub detail: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.words, self.detail)
    }
}

/// One version, as far as permissions go.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// What its component imports.
    pub imports: &'a [String],
}

/// Every difference in what two versions may do, the widening ones first.
#[must_use]
pub fn changes(before: Version<'_>, after: Version<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    places(before.manifest, after.manifest, &mut found);
    credentials(before.manifest, after.manifest, &mut found);
    imports(before.imports, after.imports, &mut found);
    limits(before.manifest, after.manifest, &mut found);
    found.sort_by_key(|change| !change.widens);
    found
}

/// A place with its rights, as it stands with the defaults of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    address: String,
    methods: Vec<Method>,
    prefixes: Vec<String>,
    local_server: bool,
}

impl Place {
    fn of(manifest: &Manifest) -> Vec<Self> {
        let properties = manifest.properties();
        let filled = defaults(&properties);
        let host = HostVars { infer: stand_in() };
        let resolver = Resolver::new(manifest, &filled, &host);
        let mut places = Vec::new();
        for (index, spec) in manifest.egress.iter().enumerate() {
            let rules = resolver.rules(index, spec);
            let is_typed = spec.origin.leading_setting().is_some() || rules.is_err();
            places.extend(rules.into_iter().flatten().map(Self::of_rule));
            // What a person may type, or has typed, is a place of its own beside the default: a right
            // at the default through another rule is none there.
            if is_typed {
                places.push(Self {
                    address: typed_address(&properties, &spec.origin),
                    methods: spec.methods.clone(),
                    prefixes: spec.paths.clone(),
                    local_server: spec.local_server,
                });
            }
        }
        places
    }

    fn of_rule(rule: ResolvedRule) -> Self {
        Self {
            address: if rule.source == OriginSource::HostInfer {
                "ValeChat's own model".to_owned()
            } else {
                rule.origin.as_str().to_owned()
            },
            methods: rule.methods,
            prefixes: rule.path_prefixes,
            local_server: rule.local_server,
        }
    }

    /// Whether this place allows all that `other` does.
    fn covers(&self, other: &Self) -> bool {
        let under = |path: &String| {
            self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| is_below(path, prefix))
        };
        self.address == other.address
            && (self.local_server || !other.local_server)
            && other
                .methods
                .iter()
                .all(|method| self.methods.contains(method))
            && if other.prefixes.is_empty() {
                self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| prefix == "/")
            } else {
                other.prefixes.iter().all(under)
            }
    }

    fn detail(&self) -> String {
        let methods: Vec<_> = self.methods.iter().map(|method| method.as_str()).collect();
        let paths = if self.prefixes.is_empty() {
            "/".to_owned()
        } else {
            self.prefixes.join(", ")
        };
        let local = if self.local_server {
            ", local server"
        } else {
            ""
        };
        format!("{} {} {paths}{local}", self.address, methods.join(", "))
    }
}

/// By whole segments, as the gate matches.
fn is_below(path: &str, prefix: &str) -> bool {
    prefix == "/"
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn places(before: &Manifest, after: &Manifest, found: &mut Vec<Change>) {
    let (old, new) = (Place::of(before), Place::of(after));
    for place in &new {
        if old.iter().any(|known| known.covers(place)) {
            continue;
        }
        let same = old.iter().find(|known| known.address == place.address);
        found.push(Change {
            widens: true,
            words: match same {
                Some(_) => format!("may do more at {}", place.address),
                None => format!("may also reach {}", place.address),
            },
            detail: match same {
                Some(known) => format!("before: {}; after: {}", known.detail(), place.detail()),
                None => place.detail(),
            },
        });
    }
    for place in &old {
        if !new.iter().any(|kept| kept.covers(place)) {
            found.push(Change {
                widens: false,
                words: if new.iter().any(|kept| kept.address == place.address) {
                    format!("may do less at {}", place.address)
                } else {
                    format!("no longer reaches {}", place.address)
                },
                detail: place.detail(),
            });
        }
    }
}

/// How a key is sent, with the defaults of the settings.
#[derive(PartialEq)]
struct KeyUse {
    written: String,
    places: BTreeSet<String>,
}

impl KeyUse {
    fn of(manifest: &Manifest, spec: &CredentialSpec) -> Self {
        let properties = manifest.properties();
        let filled = defaults(&properties);
        let host = HostVars { infer: stand_in() };
        let resolver = Resolver::new(manifest, &filled, &host);
        let typed = |template: &&Template| template.leading_setting().is_some();
        let mut places: BTreeSet<String> = spec
            .origins
            .iter()
            .filter(typed)
            .map(|template| typed_address(&properties, template))
            .collect();
        match resolver.credential(spec, &rules(manifest)) {
            Ok(resolved) => places.extend(
                resolved
                    .iter()
                    .flat_map(|resolved| &resolved.origins)
                    .map(|place| format!("{}{}", place.origin.as_str(), place.path_prefix)),
            ),
            Err(_) => places.extend(spec.origins.iter().map(ToString::to_string)),
        }
        Self {
            written: format!("{}: {}", spec.header, spec.template),
            places,
        }
    }
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<&str> = self.places.iter().map(String::as_str).collect();
        write!(f, "{} to {}", self.written, places.join(", "))
    }
}

fn credentials(before: &Manifest, after: &Manifest, found: &mut Vec<Change>) {
    for spec in &after.credentials {
        let old = before
            .credentials
            .iter()
            .find(|known| known.name == spec.name && known.source == spec.source);
        let now = KeyUse::of(after, spec);
        let Some(old) = old else {
            found.push(Change {
                widens: true,
                words: match spec.source {
                    CredentialSource::Person => format!("asks for a key “{}”", spec.name),
                    CredentialSource::HostInfer => "uses ValeChat's own model".to_owned(),
                },
                detail: now.to_string(),
            });
            continue;
        };
        let was = KeyUse::of(before, old);
        if was == now {
            continue;
        }
        let is_less = was.written == now.written && now.places.is_subset(&was.places);
        let how = if is_less {
            "to fewer places"
        } else {
            "differently"
        };
        found.push(Change {
            widens: !is_less,
            words: format!("sends the key “{}” {how}", spec.name),
            detail: format!("before: {was}; after: {now}"),
        });
    }
    for spec in &before.credentials {
        if !after.credentials.iter().any(|kept| kept.name == spec.name) {
            found.push(Change {
                widens: false,
                words: format!("no longer asks for the key “{}”", spec.name),
                detail: spec.header.clone(),
            });
        }
    }
}

fn rules(manifest: &Manifest) -> Vec<ResolvedRule> {
    let filled = defaults(&manifest.properties());
    let host = HostVars { infer: stand_in() };
    let resolver = Resolver::new(manifest, &filled, &host);
    let specs = manifest.egress.iter().enumerate();
    specs
        .filter_map(|(index, spec)| resolver.rules(index, spec).ok())
        .flatten()
        .collect()
}

/// In the place of addresses that only the person knows.
fn typed_address(properties: &Map<String, Value>, template: &Template) -> String {
    if leading_list(properties, template).is_some() {
        format!("every address that {template} lists")
    } else {
        format!("the address in {template}")
    }
}

/// Interfaces without their version: a newer patch of the contract is no other right.
fn interfaces(imports: &[String]) -> Vec<&str> {
    imports
        .iter()
        .map(|name| name.split('@').next().unwrap_or(name))
        .filter(|name| !name.starts_with("valechat:types/"))
        .collect()
}

fn imports(before: &[String], after: &[String], found: &mut Vec<Change>) {
    let (old, new) = (interfaces(before), interfaces(after));
    for name in new.iter().filter(|name| !old.contains(name)) {
        found.push(Change {
            widens: true,
            words: format!("may also {}", import_meaning(name)),
            detail: format!("imports {}", printable(name, 100)),
        });
    }
    for name in old.iter().filter(|name| !new.contains(name)) {
        found.push(Change {
            widens: false,
            words: format!("no longer may {}", import_meaning(name)),
            detail: format!("no longer imports {}", printable(name, 100)),
        });
    }
}

fn limits(before: &Manifest, after: &Manifest, found: &mut Vec<Change>) {
    let base = Limits::default();
    let (old, new) = (before.limits.over(base), after.limits.over(base));
    for (what, key, unit, old, new) in [
        (
            "memory",
            "memory_mib",
            "MiB",
            old.memory_mib,
            new.memory_mib,
        ),
        ("processor time", "cpu_ms", "ms", old.cpu_ms, new.cpu_ms),
        ("time", "wall_s", "s", old.wall_s, new.wall_s),
        (
            "data",
            "response_mib",
            "MiB",
            old.response_mib,
            new.response_mib,
        ),
    ] {
        if old != new {
            let more = if new > old { "more" } else { "less" };
            found.push(Change {
                widens: new > old,
                words: format!("may use {more} {what} in a call"),
                detail: format!("{key}: {old} {unit} before, {new} {unit} after"),
            });
        }
    }
}
