//! What a `plugin.toml` says, checked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vale_types::{PluginId, ProviderInfo};

use crate::limits::LimitsSpec;
use crate::template::Template;

/// A checked manifest. It says what a plugin *asks* for; what it gets is
/// [`effective`](crate::effective).
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Kebab case, or reverse DNS for other people's.
    pub id: PluginId,
    /// For people.
    pub name: String,
    /// The plugin's own version.
    pub version: semver::Version,
    /// Which contract the component is built against.
    pub world: World,
    /// SPDX expression.
    pub license: Option<String>,
    /// One line for people.
    pub description: Option<String>,
    /// Its page.
    pub homepage: Option<String>,
    /// The folder whose component this plugin uses, when it has none of its own.
    pub component: Option<String>,
    /// A JSON Schema of type `object`: what faces draw a form from.
    pub settings: Value,
    /// The names of the settings in the order of the file, which is the order of the form.
    pub settings_order: Vec<String>,
    /// Keys it needs.
    pub credentials: Vec<CredentialSpec>,
    /// Places it wants to reach.
    pub egress: Vec<EgressSpec>,
    /// Limits it states; the rest are the defaults of [`vale_types::Limits`].
    pub limits: LimitsSpec,
}

impl Manifest {
    /// Where the manifest and the component's `describe` disagree. The manifest wins; the person
    /// is shown the difference.
    pub fn differences(&self, described: &Described) -> Vec<Difference> {
        let mut found = Vec::new();
        if described.name != self.name {
            found.push(Difference {
                field: "name",
                manifest: self.name.clone(),
                component: crate::text::printable(&described.name, MAX_NAME),
            });
        }
        if let (Some(manifest), Some(component)) = (&self.homepage, &described.homepage)
            && manifest != component
        {
            found.push(Difference {
                field: "homepage",
                manifest: manifest.clone(),
                component: crate::text::printable(component, MAX_LINE),
            });
        }
        found
    }
}

/// Longest name of a plugin, characters.
pub(crate) const MAX_NAME: usize = 64;
/// Longest other one-line text, characters.
pub(crate) const MAX_LINE: usize = 500;

/// What a component says about itself in `describe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name for people.
    pub name: String,
    /// Its page.
    pub homepage: Option<String>,
}

impl From<&ProviderInfo> for Described {
    fn from(info: &ProviderInfo) -> Self {
        Self {
            name: info.display_name.clone(),
            homepage: info.homepage.clone(),
        }
    }
}

/// One thing that manifest and component say differently; the manifest's word counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The key of the manifest.
    pub field: &'static str,
    /// What the manifest says.
    pub manifest: String,
    /// What the component says, made safe to print.
    pub component: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the component calls its {} “{}”; the manifest says “{}”, and that is used",
            self.field, self.component, self.manifest
        )
    }
}

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    /// Answers with a model.
    Provider,
    /// Offers functions that a model may call.
    Tool,
}

/// A world of the contract: `valechat:provider/provider-plugin@0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Package `provider` or `tool`.
    pub kind: PluginKind,
    /// The world in the package.
    pub name: String,
    /// Version of the contract. Whether this host speaks it, the sandbox knows.
    pub version: semver::Version,
}

impl FromStr for World {
    type Err = String;

    /// The error completes "`world` …".
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = crate::text::printable(text, 100);
        let parts = text.split_once('@').and_then(|(path, version)| {
            let (package, name) = path.split_once('/')?;
            let (namespace, package) = package.split_once(':')?;
            Some((namespace, package, name, version))
        });
        let Some((namespace, package, name, version)) = parts else {
            return Err(format!(
                "is `{shown}`, not of the form package:name/world@version"
            ));
        };
        let kind = match (namespace, package) {
            ("valechat", "provider") => PluginKind::Provider,
            ("valechat", "tool") => PluginKind::Tool,
            _ => {
                return Err(format!(
                    "is `{shown}`; this host runs worlds of `valechat:provider` and `valechat:tool`"
                ));
            }
        };
        if !crate::text::is_kebab(name) {
            return Err(format!("is `{shown}`, whose world has no valid name"));
        }
        let version = semver::Version::parse(version)
            .map_err(|error| format!("is `{shown}`, whose version is not valid ({error})"))?;
        Ok(Self {
            kind,
            name: name.to_owned(),
            version,
        })
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let package = match self.kind {
            PluginKind::Provider => "provider",
            PluginKind::Tool => "tool",
        };
        write!(f, "valechat:{package}/{}@{}", self.name, self.version)
    }
}

/// A method that a manifest may ask for. CONNECT, TRACE and OPTIONS are not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "RFC 9110 names, nothing to add")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
    ];

    /// As it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the value of a credential comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialSource {
    /// The person gives it; it lies in the keyring.
    #[serde(rename = "person")]
    Person,
    /// The host's own model server makes one for each run; nobody types it.
    #[serde(rename = "host.infer")]
    HostInfer,
}

/// A key that the gate attaches to requests; the plugin never sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSpec {
    /// Its name in the keyring and on the command line.
    pub name: String,
    /// Request header, lower case.
    pub header: String,
    /// The header's value, with `{key}` exactly once.
    pub template: String,
    /// The addresses it may go to; each lies under an egress rule.
    pub origins: Vec<Template>,
    /// Whether calls without it are refused. True unless the manifest says otherwise.
    pub required: bool,
    /// Who provides the value.
    pub source: CredentialSource,
    /// For people: how to get one.
    pub help: Option<String>,
}

/// A place that the plugin wants to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressSpec {
    /// `scheme://host:port` with an optional path, or placeholders for it. One that begins with a list
    /// is a place for each of its items.
    pub origin: Template,
    /// At least one.
    pub methods: Vec<Method>,
    /// Path prefixes below the origin's own path; empty = everything below it.
    pub paths: Vec<String>,
    /// The place is a server on this machine or in the private network.
    pub local_server: bool,
}
