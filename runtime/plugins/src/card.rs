//! The permission card: everything a plugin may do, in words, and who says so.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use vale_types::Limits;

use crate::addresses::defaults;
use crate::card_places::permissions;
use crate::grant::{Ceiling, Grant};
use crate::limits::LimitsSpec;
use crate::manifest::{CredentialSource, Difference, Manifest, Method};
use crate::problem::Problem;
use crate::resolve::HostVars;
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
    /// The manifest's key, with the place in the list of an address out of a list.
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
    /// Where it may go: origins, or the manifest's placeholders while they are open or list nothing.
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
    /// Makes the card.
    ///
    /// # Examples
    /// ```
    /// use vale_plugins::{CardContext, Ceiling, Grant, HostVars, Manifest, PermissionCard};
    ///
    /// let manifest = Manifest::parse(
    ///     "id = \"org.example.mine\"\nname = \"Mine\"\nversion = \"1.0.0\"\n\
    ///      world = \"valechat:provider/provider-plugin@0.1.0\"\n\
    ///      [[egress]]\norigin = \"https://api.example.com\"\nmethods = [\"POST\"]\n",
    /// )?;
    /// let card = PermissionCard::new(&manifest, &CardContext {
    ///     settings: &serde_json::Map::new(),
    ///     host: &HostVars::default(),
    ///     grant: &Grant::default(),
    ///     ceiling: &Ceiling::default(),
    ///     imports: &[],
    ///     differences: &[],
    /// });
    /// assert!(card.to_string().contains("NOT allowed"), "nobody has agreed yet");
    /// # Ok::<(), vale_plugins::ManifestError>(())
    /// ```
    ///
    /// Works while the local model is off and while settings are wrong or missing:
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

fn import(name: &str) -> ImportLine {
    ImportLine {
        import: printable(name, 100),
        meaning: import_meaning(name).to_owned(),
        said: Said::Component,
    }
}

/// What an import lets a plugin do, with or without a version.
pub(crate) fn import_meaning(name: &str) -> &'static str {
    let path = name.split('@').next().unwrap_or_default();
    match path {
        "valechat:host/http" => "send requests to the hosts on this card, and nowhere else",
        "valechat:host/log" => "write lines to the log",
        "valechat:host/config" => "read its own settings; of keys only whether they are there",
        "valechat:host/clock" => "read the time and wait",
        "valechat:host/random" => "draw random numbers",
        "valechat:host/kv" => "keep small notes of its own between calls",
        "valechat:host/blobs" => "read files and images that are part of its call",
        _ if path.starts_with("valechat:types/") => "data types; does nothing",
        _ => "not offered by ValeChat: a component that uses this is refused before it runs",
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
