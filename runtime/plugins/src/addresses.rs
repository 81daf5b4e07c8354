//! `[[egress]]` and `[[credentials]]`: where a plugin may go, and what is attached on the way.
//!
//! Addresses with placeholders are tried out with the defaults of the settings, so that the author
//! and not the person meets a mistake.

use serde_json::{Map, Value};
use url::Url;

use crate::key_header::{read_header, read_key_template, read_name};
use crate::list::most_items;
use crate::manifest::{CredentialSource, CredentialSpec, EgressSpec, MAX_LINE, Method};
use crate::origin::{HostClass, Origin};
use crate::reader::{At, Table};
use crate::settings::{Kind, kind_of};
use crate::template::{Expanded, Piece, Template};
use crate::text::{did_you_mean, listed, printable};

/// Most `[[egress]]`, `[[credentials]]`, and origins, paths or methods of one entry.
pub(crate) const MAX_ENTRIES: usize = 32;
/// Most places of all `[[egress]]`, and of one credential, with every list as long as it may be.
pub(crate) const MAX_PLACES: u64 = 128;
/// Longest address template or path, characters.
const MAX_ADDRESS: usize = 1000;

const CREDENTIAL_KEYS: [&str; 7] = [
    "name", "header", "template", "origins", "required", "source", "help",
];
const EGRESS_KEYS: [&str; 4] = ["origin", "methods", "paths", "local_server"];
/// A template and its addresses with the defaults of the settings; none while a setting has no
/// default.
pub(crate) type Tried = (Template, Option<Vec<Expanded>>);

/// Reads addresses against the settings that they may use.
pub(crate) struct Addresses {
    properties: Map<String, Value>,
    defaults: Map<String, Value>,
    /// Stands in for the host's model server while a manifest is judged.
    infer: Option<Url>,
}

impl Addresses {
    pub(crate) fn new(schema: &Value) -> Self {
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        Self {
            defaults: defaults(&properties),
            properties,
            infer: stand_in(),
        }
    }

    /// One `[[egress]]`, and its addresses with the defaults where they suffice. `places` counts those
    /// of the entries before it.
    pub(crate) fn read_egress(
        &self,
        table: &Table<'_, '_>,
        places: &mut u64,
    ) -> Option<(EgressSpec, Option<Vec<Expanded>>)> {
        table.only(&EGRESS_KEYS);
        let local_server = table.boolean("local_server").unwrap_or(false);
        let methods = read_methods(table);
        let paths = read_paths(table);
        if !table.has("origin") {
            table.missing("origin", "Write origin = \"https://api.example.com\".");
        }
        let text = table.text("origin", MAX_ADDRESS)?;
        let (origin, trials) = self.read_template(table, "origin", &text)?;
        for trial in trials.iter().flatten() {
            if let Err((what, fix)) = judge(trial, local_server) {
                table.say("origin", what, fix);
            }
        }
        self.count(table, "origin", &origin, places);
        let spec = EgressSpec {
            origin,
            methods,
            paths,
            local_server,
        };
        Some((spec, trials))
    }

    /// Adds the most places that `template` can become.
    fn count(&self, table: &Table<'_, '_>, key: &str, template: &Template, places: &mut u64) {
        let list = leading_list(&self.properties, template);
        let before = *places;
        *places += list.map_or(1, most_items);
        if before <= MAX_PLACES && *places > MAX_PLACES {
            table.say(
                key,
                format!("makes up to {places} places with those before it"),
                format!("At most {MAX_PLACES} fit; write a smaller maxItems."),
            );
        }
    }

    /// One `[[credentials]]`; `reachable` are the egress addresses.
    pub(crate) fn read_credential(
        &self,
        table: &Table<'_, '_>,
        reachable: &[Tried],
    ) -> Option<CredentialSpec> {
        table.only(&CREDENTIAL_KEYS);
        for (key, fix) in [
            ("name", "Write name = \"api-key\"."),
            ("header", "Write header = \"authorization\"."),
            ("template", "Write template = \"Bearer {key}\"."),
            ("origins", "List the addresses that may get it."),
        ] {
            if !table.has(key) {
                table.missing(key, fix);
            }
        }
        let name = read_name(table);
        let header = read_header(table);
        let template = read_key_template(table);
        let required = table.boolean("required").unwrap_or(true);
        let help = table.text("help", MAX_LINE);
        let source = match table.one_of("source", &["host.infer"]) {
            Some(_) => CredentialSource::HostInfer,
            None => CredentialSource::Person,
        };
        let texts = table.texts("origins", MAX_ENTRIES, MAX_ADDRESS)?;
        if texts.is_empty() {
            table.say(
                "origins",
                "names no address",
                "List the addresses that may get the credential.",
            );
        }
        let mut origins = Vec::new();
        let mut places = 0;
        for (index, text) in texts.iter().enumerate() {
            let key = format!("origins[{index}]");
            if let Some(tried) = self.read_template(table, &key, &text.value) {
                self.check_reach(table, &key, source, &tried, reachable);
                self.count(table, &key, &tried.0, &mut places);
                origins.push(tried.0);
            }
        }
        Some(CredentialSpec {
            name: name?,
            header: header?,
            template: template?,
            origins,
            required,
            source,
            help,
        })
    }

    /// Parses an address and tries it out.
    fn read_template(&self, table: &Table<'_, '_>, key: &str, text: &str) -> Option<Tried> {
        let fix =
            "Write an address like https://api.example.com/v1, {settings.NAME} or {host.infer}.";
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(what) => {
                table.say(key, what, fix);
                return None;
            }
        };
        for (index, piece) in template.pieces().iter().enumerate() {
            if let Piece::Setting(name) = piece {
                self.check_setting(table, key, name, index == 0)?;
            }
        }
        let open = template
            .settings()
            .any(|name| !self.defaults.contains_key(name));
        if open {
            return Some((template, None));
        }
        match template.expand(&self.defaults, self.infer.as_ref()) {
            Ok(trials) => Some((template, Some(trials))),
            Err(what) => {
                table.say(key, what, fix);
                None
            }
        }
    }

    fn check_setting(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        name: &str,
        leads: bool,
    ) -> Option<()> {
        let Some(schema) = self.properties.get(name) else {
            let names: Vec<&str> = self.properties.keys().map(String::as_str).collect();
            let fix = if names.is_empty() {
                format!("Declare it: [settings.properties.{name}].")
            } else {
                did_you_mean(name, &names)
            };
            table.say(
                key,
                format!("uses the setting `{name}`, which the manifest does not have"),
                fix,
            );
            return None;
        };
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let is_list = text("type") == Some("array");
        if is_list && !leads {
            table.say(
                key,
                format!("has the list `{name}` in the middle, where one name belongs"),
                "A list of addresses can only begin an address.",
            );
            return None;
        }
        if leads && !is_uri(schema) {
            let place = if is_list { ".items" } else { "" };
            table.say(
                key,
                format!("begins with the setting `{name}`, which is no address"),
                format!("Write format = \"uri\" in [settings.properties.{name}{place}]."),
            );
            return None;
        }
        if !leads && !matches!(text("type"), Some("string" | "integer")) {
            table.say(
                key,
                format!("uses the setting `{name}`, which is no text"),
                "Use a setting of type string or integer.",
            );
            return None;
        }
        Some(())
    }

    /// A credential goes only where the plugin may go, and the host's own token only to the host.
    fn check_reach(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        source: CredentialSource,
        (origin, trials): &Tried,
        reachable: &[Tried],
    ) {
        let trials = trials.as_deref().unwrap_or_default();
        // A list never holds the host's own address; what is open or empty otherwise depends on what
        // the person types, and is judged again when settings are resolved.
        let leaves_host = leading_list(&self.properties, origin).is_some()
            || trials.iter().any(|trial| !trial.from_infer);
        if source == CredentialSource::HostInfer && leaves_host {
            table.say(
                key,
                format!("would send the local model server's token to `{origin}`"),
                "A credential with source = \"host.infer\" goes only to {host.infer}.",
            );
            return;
        }
        let covered = |trial: &Expanded| {
            let wanted = Origin::of(&trial.url);
            reachable.iter().any(|(template, others)| match others {
                None => template == origin,
                Some(others) => others.iter().any(|other| Origin::of(&other.url) == wanted),
            })
        };
        if !trials.iter().all(covered) {
            table.say(
                key,
                format!("is `{origin}`, which no [[egress]] reaches"),
                "Add an [[egress]] for it, or name one that is there.",
            );
        }
    }
}

/// The schema of the list that a template begins with, if it does.
pub(crate) fn leading_list<'p>(
    properties: &'p Map<String, Value>,
    template: &Template,
) -> Option<&'p Map<String, Value>> {
    let schema = properties.get(template.leading_setting()?)?.as_object()?;
    (kind_of(schema) == Kind::Array).then_some(schema)
}

/// Whether a setting's text, or each text of its list, is an address.
fn is_uri(schema: &Value) -> bool {
    let schema = schema.get("items").unwrap_or(schema);
    schema.get("format").is_some_and(|format| format == "uri")
}

/// The defaults that a schema states.
pub(crate) fn defaults(properties: &Map<String, Value>) -> Map<String, Value> {
    properties
        .iter()
        .filter_map(|(name, schema)| Some((name.clone(), schema.get("default")?.clone())))
        .collect()
}

/// An address in the place of a model server that does not run.
pub(crate) fn stand_in() -> Option<Url> {
    Url::parse("http://127.0.0.1:1").ok()
}

/// What an author may ask for without a person having typed anything.
fn judge(trial: &Expanded, local_server: bool) -> Result<(), (String, String)> {
    if trial.from_infer {
        return Ok(());
    }
    let plain = trial.url.scheme() == "http";
    let shown = printable(trial.url.as_str(), 100);
    match HostClass::of(&trial.url) {
        HostClass::Forbidden => Err((
            format!("reaches {shown}, which no plugin may reach"),
            "Link-local, shared, multicast and unspecified addresses are closed.".to_owned(),
        )),
        HostClass::Public => Err((
            format!("reaches {shown}, a public computer by its number"),
            "Write its name with https://.".to_owned(),
        )),
        HostClass::Local | HostClass::Name if local_server => Ok(()),
        HostClass::Local => Err((
            format!("reaches {shown}, on this machine or in the private network"),
            "Add local_server = true if that is meant; the person must then agree.".to_owned(),
        )),
        HostClass::Name if plain => Err((
            format!("reaches {shown} without encryption"),
            "Write https://, or add local_server = true for a server in the private network."
                .to_owned(),
        )),
        HostClass::Name => Ok(()),
    }
}

fn read_methods(table: &Table<'_, '_>) -> Vec<Method> {
    if !table.has("methods") {
        table.missing("methods", "Write methods = [\"GET\", \"POST\"].");
    }
    let names = Method::ALL.map(Method::as_str);
    let mut methods = Vec::new();
    let Some(texts) = table.texts("methods", MAX_ENTRIES, 20) else {
        return methods;
    };
    if texts.is_empty() {
        table.say(
            "methods",
            "is empty",
            format!("Use some of {}.", listed(&names)),
        );
    }
    for (index, text) in texts.iter().enumerate() {
        match Method::ALL
            .into_iter()
            .find(|method| method.as_str() == text.value)
        {
            Some(method) if methods.contains(&method) => {}
            Some(method) => methods.push(method),
            None => table.say(
                &format!("methods[{index}]"),
                format!(
                    "is `{}`, not a method a plugin can have",
                    printable(&text.value, 20)
                ),
                did_you_mean(&text.value.to_ascii_uppercase(), &names),
            ),
        }
    }
    methods
}

fn read_paths(table: &Table<'_, '_>) -> Vec<String> {
    let mut paths = Vec::new();
    let texts: Vec<At<String>> = table
        .texts("paths", MAX_ENTRIES, MAX_ADDRESS)
        .unwrap_or_default();
    if table.has("paths") && texts.is_empty() {
        table.say(
            "paths",
            "names no path",
            "List the paths, or leave the key out to reach everything below the origin.",
        );
    }
    for (index, At { value: path, .. }) in texts.into_iter().enumerate() {
        // What a server may read as another path than it looks is refused.
        let plain = path.starts_with('/')
            && path
                .chars()
                .all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | '\\' | '{' | '}'))
            && !path.contains("//")
            && !path.split('/').any(|part| part == "." || part == "..");
        if plain {
            paths.push(path);
        } else {
            table.say(
                &format!("paths[{index}]"),
                format!("is `{}`, not a plain path", printable(&path, 80)),
                "Begin with / and use neither .., //, ?, # nor %.",
            );
        }
    }
    paths
}
