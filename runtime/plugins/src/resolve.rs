//! A manifest with settings and host values filled in: concrete addresses.

use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;
use vale_types::Limits;

use crate::addresses::defaults;
use crate::manifest::{CredentialSource, CredentialSpec, EgressSpec, Manifest, Method};
use crate::origin::{Origin, path_prefix};
use crate::problem::{ManifestError, Problems};
use crate::template::{Expanded, Template, expand_uri};

/// What only the running host knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostVars {
    /// Where the host's own model server listens now; `None` while it does not.
    pub infer: Option<Url>,
}

/// Where an address comes from, and so whose word it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum OriginSource {
    /// The manifest's own text.
    Manifest,
    /// The manifest's default of a setting; the person left it (or typed the same origin). Of a list:
    /// one of the default's origins.
    Default {
        /// The setting.
        setting: String,
    },
    /// A setting whose origin is not the manifest's default: needs the person's consent.
    Setting {
        /// The setting.
        setting: String,
    },
    /// `{host.infer}`: the host's own model server, which needs no consent.
    HostInfer,
}

/// A place the plugin asks to reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResolvedRule {
    /// The manifest key that says it, each rule's own: `egress[0].origin`, and `egress[0].origin[2]`
    /// for the third address of a list.
    pub key: String,
    /// The address with its path.
    pub base: Url,
    /// Its origin.
    pub origin: Origin,
    /// At least one, each beginning with `/`, without a trailing slash unless it is the root.
    /// Matched by whole segments: `/v1` covers `/v1` and `/v1/models`, not `/v10`.
    pub path_prefixes: Vec<String>,
    /// At least one.
    pub methods: Vec<Method>,
    /// The manifest asks for a server on this machine or in the private network.
    pub local_server: bool,
    /// Whose word the address is.
    pub source: OriginSource,
}

/// An address that may get a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialOrigin {
    /// Where.
    pub origin: Origin,
    /// Only below this path; `/` is everything.
    pub path_prefix: String,
    /// The address is the host's own model server.
    pub is_host_infer: bool,
}

/// A credential with concrete addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResolvedCredential {
    /// Its name in the keyring.
    pub name: String,
    /// Request header, lower case.
    pub header: String,
    /// The header's value, with `{key}` exactly once.
    pub template: String,
    /// At least one.
    pub origins: Vec<CredentialOrigin>,
    /// Whether calls without it are refused.
    pub required: bool,
    /// Who provides the value.
    pub source: CredentialSource,
    /// How to get one.
    pub help: Option<String>,
}

/// What a plugin asks for under given settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Where it wants to go.
    pub egress: Vec<ResolvedRule>,
    /// What is attached there.
    pub credentials: Vec<ResolvedCredential>,
    /// What the plugin reads as its settings: checked, defaults and `{host.infer}` filled in.
    pub settings: Map<String, Value>,
    /// The manifest's limits over the defaults.
    pub limits: Limits,
}

impl Manifest {
    /// Fills in `settings` and what the host knows.
    ///
    /// # Errors
    /// Every mistake in the settings, or every address that cannot be filled in, such as
    /// `{host.infer}` while no local model runs.
    pub fn resolve(
        &self,
        settings: &Map<String, Value>,
        host: &HostVars,
    ) -> Result<Resolved, ManifestError> {
        let filled = self.validate_settings(settings)?;
        let mut problems = Problems::default();
        let resolver = Resolver::new(self, &filled, host);
        let mut note = |key: String, what: String| {
            problems.say(key, what, "Change the setting, or start what it needs.");
        };

        let mut egress = Vec::new();
        for (index, spec) in self.egress.iter().enumerate() {
            match resolver.rules(index, spec) {
                Ok(rules) => egress.extend(rules),
                Err(what) => note(egress_key(index), what),
            }
        }
        let mut credentials = Vec::new();
        for (index, spec) in self.credentials.iter().enumerate() {
            match resolver.credential(spec, &egress) {
                Ok(credential) => credentials.extend(credential),
                Err(what) => note(format!("credentials[{index}].origins"), what),
            }
        }
        let mut expanded = filled.clone();
        for (name, value) in &mut expanded {
            if let (true, Value::String(text)) = (self.is_uri(name), &mut *value) {
                match expand_uri(text, host.infer.as_ref()) {
                    Ok(address) => *text = address,
                    Err(what) => note(format!("settings.{name}"), what),
                }
            }
        }
        problems.or(Resolved {
            egress,
            credentials,
            settings: expanded,
            limits: self.limits.over(Limits::default()),
        })
    }

    fn is_uri(&self, setting: &str) -> bool {
        self.properties()
            .get(setting)
            .and_then(|schema| schema.get("format"))
            .is_some_and(|format| format == "uri")
    }
}

/// The key of the `index`th egress rule.
pub(crate) fn egress_key(index: usize) -> String {
    format!("egress[{index}].origin")
}

/// Fills in one manifest's addresses.
pub(crate) struct Resolver<'m> {
    filled: &'m Map<String, Value>,
    defaults: Map<String, Value>,
    host: &'m HostVars,
}

impl<'m> Resolver<'m> {
    /// `filled` are checked settings with their defaults.
    pub(crate) fn new(
        manifest: &Manifest,
        filled: &'m Map<String, Value>,
        host: &'m HostVars,
    ) -> Self {
        Self {
            filled,
            defaults: defaults(&manifest.properties()),
            host,
        }
    }

    /// One `[[egress]]`: a rule, or as many as the list has that it begins with. The error completes
    /// "`egress[i].origin` …".
    pub(crate) fn rules(
        &self,
        index: usize,
        spec: &EgressSpec,
    ) -> Result<Vec<ResolvedRule>, String> {
        let by_default = self.default_origins(&spec.origin);
        spec.origin
            .expand(self.filled, self.host.infer.as_ref())?
            .into_iter()
            .map(|expanded| {
                let origin = origin_of(&expanded.url)?;
                let source = source(&spec.origin, &expanded, &origin, &by_default);
                let key = match expanded.item {
                    None => egress_key(index),
                    Some(item) => format!("{}[{item}]", egress_key(index)),
                };
                Ok(rule(key, spec, expanded.url, origin, source))
            })
            .collect()
    }

    /// Where a template leads while nobody touches the settings.
    fn default_origins(&self, template: &Template) -> Vec<Origin> {
        let expanded = template.expand(&self.defaults, self.host.infer.as_ref());
        expanded
            .unwrap_or_default()
            .iter()
            .filter(|expanded| !expanded.from_infer)
            .filter_map(|expanded| Origin::of(&expanded.url))
            .collect()
    }

    /// One credential; nothing while all the addresses that it goes to are those of empty lists. The
    /// error completes "`credentials[i].origins` …".
    pub(crate) fn credential(
        &self,
        spec: &CredentialSpec,
        reachable: &[ResolvedRule],
    ) -> Result<Option<ResolvedCredential>, String> {
        let mut places = Vec::new();
        for template in &spec.origins {
            places.extend(template.expand(self.filled, self.host.infer.as_ref())?);
        }
        if places.is_empty() {
            return Ok(None);
        }
        let mut origins = Vec::new();
        for expanded in places {
            let origin = origin_of(&expanded.url)?;
            if spec.source == CredentialSource::HostInfer && !expanded.from_infer {
                return Err(format!(
                    "would send the local model server's own token to {origin}"
                ));
            }
            if !reachable.iter().any(|rule| rule.origin == origin) {
                return Err(format!(
                    "names {origin}, which the plugin does not ask to reach"
                ));
            }
            origins.push(CredentialOrigin {
                origin,
                path_prefix: rooted(path_prefix(&expanded.url)),
                is_host_infer: expanded.from_infer,
            });
        }
        Ok(Some(ResolvedCredential {
            name: spec.name.clone(),
            header: spec.header.clone(),
            template: spec.template.clone(),
            origins,
            required: spec.required,
            source: spec.source,
            help: spec.help.clone(),
        }))
    }
}

fn rule(
    key: String,
    spec: &EgressSpec,
    base: Url,
    origin: Origin,
    source: OriginSource,
) -> ResolvedRule {
    let base_path = path_prefix(&base);
    let mut path_prefixes: Vec<String> = spec
        .paths
        .iter()
        .map(|path| rooted(format!("{base_path}{path}")))
        .collect();
    if path_prefixes.is_empty() {
        path_prefixes.push(rooted(base_path));
    }
    ResolvedRule {
        key,
        base,
        origin,
        path_prefixes,
        methods: spec.methods.clone(),
        local_server: spec.local_server || source == OriginSource::HostInfer,
        source,
    }
}

fn source(
    template: &Template,
    expanded: &Expanded,
    origin: &Origin,
    by_default: &[Origin],
) -> OriginSource {
    if expanded.from_infer {
        return OriginSource::HostInfer;
    }
    match template.settings().next().map(str::to_owned) {
        None => OriginSource::Manifest,
        Some(setting) if by_default.contains(origin) => OriginSource::Default { setting },
        Some(setting) => OriginSource::Setting { setting },
    }
}

fn origin_of(url: &Url) -> Result<Origin, String> {
    Origin::of(url).ok_or_else(|| "is not an https:// or http:// address".to_owned())
}

/// A path prefix without its trailing slash; the root is `/`.
fn rooted(path: String) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        "/".to_owned()
    } else {
        trimmed.to_owned()
    }
}
