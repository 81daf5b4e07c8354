//! The permission card: everything a plugin may do, in words, and who says so.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use vale_types::Limits;

use crate::addresses::{defaults, stand_in};
use crate::grant::{Ceiling, Grant, effective};
use crate::limits::LimitsSpec;
use crate::manifest::{CredentialSource, Difference, Manifest, Method};
use crate::problem::Problem;
use crate::resolve::{HostVars, OriginSource, Resolved, ResolvedRule, Resolver, egress_key};
use crate::text::printable;

/// What a card is made from besides the manifest.
#[derive(Debug, Clone, Copy)]
pub struct CardContext<'a> {
    /// The person's settings of this plugin, unchecked.
    pub settings: &'a Map<String, Value>,
    /// What the host knows now.
    pub host: &'a HostVars,
    /// What the person agreed to.
    pub grant: &'a Grant,
    /// What the host allows.
    pub ceiling: &'a Ceiling,
    /// What the component imports, as the component itself lists it.
    pub imports: &'a [String],
    /// Where the component's `describe` disagrees, if it was asked.
    pub differences: &'a [Difference],
}

/// Whose word a line is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Said {
    /// The component: read from its imports, so it cannot be untrue.
    Component,
    /// The manifest's own text.
    Manifest,
    /// The manifest's default of a setting.
    Default {
        /// The setting.
        setting: String,
    },
    /// A setting that the person changed.
    Setting {
        /// The setting.
        setting: String,
    },
    /// The person.
    Person,
    /// This host's own value.
    Host,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component => f.write_str("component"),
            Self::Manifest => f.write_str("manifest"),
            Self::Default { setting } => write!(f, "manifest, default of setting {setting}"),
            Self::Setting { setting } => write!(f, "your setting {setting}"),
            Self::Person => f.write_str("you"),
            Self::Host => f.write_str("ValeChat"),
        }
    }
}

/// Whether a place can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum HostState {
    /// Yes.
    Allowed {
        /// As a server on this machine or in the private network.
        local_server: bool,
    },
    /// Asked for and not given.
    Refused {
        /// Why, and what to do: a sentence.
        why: String,
    },
    /// The address depends on something that is not there yet.
    Open {
        /// What: a sentence.
        why: String,
    },
}

/// A place that the plugin asks to reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostLine {
    /// The origin, or the manifest's placeholder while it has none.
    pub address: String,
    /// Path prefixes; empty while the address is open.
    pub path_prefixes: Vec<String>,
    /// Methods that may be sent; those asked for, while it may not be reached.
    pub methods: Vec<Method>,
    /// The manifest's key.
    pub key: String,
    /// Whose word the address is.
    pub said: Said,
    /// Whether it may be reached.
    #[serde(flatten)]
    pub state: HostState,
}

/// A key that is attached for the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialLine {
    /// Its name.
    pub name: String,
    /// Request header.
    pub header: String,
    /// Where it may go: origins, or the manifest's placeholders while they are open.
    pub origins: Vec<String>,
    /// Whether calls without it are refused.
    pub required: bool,
    /// Who provides it.
    pub source: CredentialSource,
    /// How to get one.
    pub help: Option<String>,
    /// Always the manifest.
    pub said: Said,
}

/// Something that the component uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportLine {
    /// The interface, as the component names it.
    pub import: String,
    /// In words.
    pub meaning: String,
    /// Always the component.
    pub said: Said,
}

/// A limit of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitLine {
    /// The manifest's key, which names the unit.
    pub key: &'static str,
    /// The value in force.
    pub value: u64,
    /// Its unit.
    pub unit: &'static str,
    /// Who set it.
    pub said: Said,
}

/// A setting and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingLine {
    /// Its name.
    pub name: String,
    /// The value in force; nothing when it has none.
    pub value: Option<Value>,
    /// Who set it.
    pub said: Said,
}

/// Everything a plugin may do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PermissionCard {
    /// Id.
    pub id: String,
    /// For people.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The contract.
    pub world: String,
    /// SPDX expression.
    pub license: Option<String>,
    /// One line.
    pub description: Option<String>,
    /// Its page.
    pub homepage: Option<String>,
    /// Where it asks to go.
    pub hosts: Vec<HostLine>,
    /// What is attached for it.
    pub credentials: Vec<CredentialLine>,
    /// What it uses of the host.
    pub imports: Vec<ImportLine>,
    /// What one call may use.
    pub limits: Vec<LimitLine>,
    /// Its settings.
    pub settings: Vec<SettingLine>,
    /// Where the component disagrees with the manifest; the manifest's word counts.
    pub differences: Vec<Difference>,
    /// Mistakes in the settings; the card then shows the defaults.
    pub problems: Vec<Problem>,
}

impl PermissionCard {
    /// Makes the card. Works while the local model is off and while settings are wrong or missing:
    /// what is open is shown as open.
    pub fn new(manifest: &Manifest, context: &CardContext<'_>) -> Self {
        let (filled, given, problems) = match manifest.validate_settings(context.settings) {
            Ok(filled) => (filled, context.settings.clone(), Vec::new()),
            Err(error) => (
                defaults(&manifest.properties()),
                Map::new(),
                error.problems().to_vec(),
            ),
        };
        let (hosts, credentials, limits) = permissions(manifest, context, &filled);
        Self {
            id: manifest.id.to_string(),
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            world: manifest.world.to_string(),
            license: manifest.license.clone(),
            description: manifest.description.clone(),
            homepage: manifest.homepage.clone(),
            hosts,
            credentials,
            imports: context.imports.iter().map(|name| import(name)).collect(),
            limits: limit_lines(&manifest.limits, &context.grant.limits, limits),
            settings: setting_lines(manifest, &filled, &given),
            differences: context.differences.to_vec(),
            problems,
        }
    }
}

fn permissions(
    manifest: &Manifest,
    context: &CardContext<'_>,
    filled: &Map<String, Value>,
) -> (Vec<HostLine>, Vec<CredentialLine>, Limits) {
    // While the local model is off its address does not matter: the card names it in words.
    let host = HostVars {
        infer: context.host.infer.clone().or_else(stand_in),
    };
    let resolver = Resolver::new(manifest, filled, &host);
    let rules: Vec<Result<ResolvedRule, String>> = manifest
        .egress
        .iter()
        .enumerate()
        .map(|(index, spec)| resolver.rule(index, spec))
        .collect();
    let known: Vec<ResolvedRule> = rules.iter().flatten().cloned().collect();
    let mut credentials = Vec::new();
    let mut attached = Vec::new();
    for spec in &manifest.credentials {
        let resolved = resolver.credential(spec, &known).ok();
        credentials.push(CredentialLine {
            name: spec.name.clone(),
            header: spec.header.clone(),
            origins: resolved.as_ref().map_or_else(
                || spec.origins.iter().map(ToString::to_string).collect(),
                |resolved| {
                    let shown = |place: &crate::CredentialOrigin| {
                        infer_or(place.is_host_infer, place.origin.as_str())
                    };
                    resolved.origins.iter().map(shown).collect()
                },
            ),
            required: spec.required,
            source: spec.source,
            help: spec.help.clone(),
            said: Said::Manifest,
        });
        attached.extend(resolved);
    }
    let outcome = effective(
        &Resolved {
            egress: known,
            credentials: attached,
            settings: filled.clone(),
            limits: manifest.limits.over(Limits::default()),
        },
        context.grant,
        context.ceiling,
    );

    let mut hosts = Vec::new();
    for (index, (spec, rule)) in manifest.egress.iter().zip(&rules).enumerate() {
        let key = egress_key(index);
        hosts.push(match rule {
            Err(why) => HostLine {
                address: spec.origin.to_string(),
                path_prefixes: spec.paths.clone(),
                methods: spec.methods.clone(),
                said: Said::Manifest,
                state: HostState::Open {
                    why: format!("{key} {why}."),
                },
                key,
            },
            Ok(rule) => {
                let allowed = outcome.rules.iter().find(|allowed| allowed.key == key);
                let dropped = outcome.dropped.iter().find(|dropped| dropped.key == key);
                HostLine {
                    address: infer_or(rule.source == OriginSource::HostInfer, rule.origin.as_str()),
                    path_prefixes: rule.path_prefixes.clone(),
                    methods: allowed.map_or(&rule.methods, |rule| &rule.methods).clone(),
                    said: said(&rule.source),
                    state: match (allowed, dropped) {
                        (Some(rule), _) => HostState::Allowed {
                            local_server: rule.local_server,
                        },
                        (None, dropped) => HostState::Refused {
                            why: dropped.map(ToString::to_string).unwrap_or_default(),
                        },
                    },
                    key,
                }
            }
        });
    }
    (hosts, credentials, outcome.limits)
}

fn infer_or(is_infer: bool, origin: &str) -> String {
    if is_infer {
        "ValeChat's own model on this machine".to_owned()
    } else {
        origin.to_owned()
    }
}

fn said(source: &OriginSource) -> Said {
    match source {
        OriginSource::Manifest => Said::Manifest,
        OriginSource::Default { setting } => Said::Default {
            setting: setting.clone(),
        },
        OriginSource::Setting { setting } => Said::Setting {
            setting: setting.clone(),
        },
        OriginSource::HostInfer => Said::Host,
    }
}

fn import(name: &str) -> ImportLine {
    let path = name.split('@').next().unwrap_or_default();
    let meaning = match path {
        "valechat:host/http" => "send requests to the hosts on this card, and nowhere else",
        "valechat:host/log" => "write lines to the log",
        "valechat:host/config" => "read its own settings; of keys only whether they are there",
        "valechat:host/clock" => "read the time and wait",
        "valechat:host/random" => "draw random numbers",
        "valechat:host/kv" => "keep small notes of its own between calls",
        "valechat:host/blobs" => "read files and images that are part of its call",
        _ if path.starts_with("valechat:types/") => "data types; does nothing",
        _ => "not offered by ValeChat: a component that uses this is refused before it runs",
    };
    ImportLine {
        import: printable(name, 100),
        meaning: meaning.to_owned(),
        said: Said::Component,
    }
}

fn limit_lines(manifest: &LimitsSpec, person: &LimitsSpec, limits: Limits) -> Vec<LimitLine> {
    let line = |key, unit, value, stated: Option<u64>, changed: Option<u64>| LimitLine {
        key,
        value,
        unit,
        said: match (changed, stated) {
            (Some(wanted), _) if wanted == value => Said::Person,
            (None, Some(wanted)) if wanted == value => Said::Manifest,
            // A default, or the ceiling cut it.
            _ => Said::Host,
        },
    };
    vec![
        line(
            "memory_mib",
            "MiB",
            limits.memory_mib,
            manifest.memory_mib,
            person.memory_mib,
        ),
        line(
            "cpu_ms",
            "ms",
            limits.cpu_ms,
            manifest.cpu_ms,
            person.cpu_ms,
        ),
        line("wall_s", "s", limits.wall_s, manifest.wall_s, person.wall_s),
        line(
            "response_mib",
            "MiB",
            limits.response_mib,
            manifest.response_mib,
            person.response_mib,
        ),
    ]
}

fn setting_lines(
    manifest: &Manifest,
    filled: &Map<String, Value>,
    given: &Map<String, Value>,
) -> Vec<SettingLine> {
    manifest
        .settings_order
        .iter()
        .map(|name| SettingLine {
            name: name.clone(),
            value: filled.get(name).cloned(),
            said: if given.contains_key(name) {
                Said::Person
            } else {
                Said::Manifest
            },
        })
        .collect()
}
