//! `plugin.toml` → [`Manifest`]: every key checked, every mistake with its place.

use toml::de::DeTable;
use url::Url;

use crate::addresses::{Addresses, MAX_ENTRIES};
use crate::limits::{LimitsSpec, ranges};
use crate::manifest::{CredentialSpec, MAX_LINE, MAX_NAME, Manifest};
use crate::problem::ManifestError;
use crate::reader::{Source, Table};
use crate::schema;
use crate::text::{MAX_MANIFEST_BYTES, is_kebab, is_plugin_id, printable};

/// Syntax mistakes after the third are mostly echoes of the first.
const MAX_SYNTAX_PROBLEMS: usize = 3;

const KEYS: [&str; 12] = [
    "id",
    "name",
    "version",
    "world",
    "license",
    "description",
    "homepage",
    "component",
    "settings",
    "credentials",
    "egress",
    "limits",
];
impl Manifest {
    /// Reads and checks the text of a `plugin.toml`.
    ///
    /// # Errors
    /// Every mistake that was found, in the order of the file. Syntax mistakes hide the others.
    pub fn parse(toml_text: &str) -> Result<Self, ManifestError> {
        let source = Source::new(toml_text);
        if toml_text.len() > MAX_MANIFEST_BYTES {
            source.say(
                "",
                None,
                format!("the manifest has {} bytes", toml_text.len()),
                format!("At most {MAX_MANIFEST_BYTES} fit."),
            );
            return source.into_problems().finish(None);
        }
        let (document, mistakes) = DeTable::parse_recoverable(toml_text);
        for mistake in mistakes.iter().take(MAX_SYNTAX_PROBLEMS) {
            source.say(
                "",
                Some(mistake.span().map_or(0, |span| span.start)),
                format!(
                    "this is not valid TOML: {}",
                    printable(mistake.message(), 200)
                ),
                "Mend the line, or compare it with a manifest that works.",
            );
        }
        let manifest = if source.is_clean() {
            read(&Table::root(&source, &document))
        } else {
            None
        };
        source.into_problems().finish(manifest)
    }
}

/// The whole document; nothing when a key without which there is no manifest is wrong.
fn read(root: &Table<'_, '_>) -> Option<Manifest> {
    root.only(&KEYS);
    for (key, fix) in [
        (
            "id",
            "Write id = \"my-plugin\", or reverse DNS like \"org.example.my-plugin\".",
        ),
        ("name", "Write the name that people see."),
        ("version", "Write version = \"0.1.0\"."),
        (
            "world",
            "Write world = \"valechat:provider/provider-plugin@0.1.0\".",
        ),
    ] {
        if !root.has(key) {
            root.missing(key, fix);
        }
    }
    let id = read_id(root);
    let name = root.text("name", MAX_NAME);
    let version = read_version(root);
    let world = read_world(root);
    let license = root.text("license", MAX_LINE);
    let description = root.text("description", MAX_LINE);
    let homepage = read_homepage(root);
    let component = read_component(root);
    let (settings, settings_order) = root.table("settings").map_or_else(
        || (schema::empty(), Vec::new()),
        |table| schema::read(&table),
    );
    let limits = root
        .table("limits")
        .map(|table| read_limits(&table))
        .unwrap_or_default();

    let addresses = Addresses::new(&settings);
    let mut egress = Vec::new();
    let mut reachable = Vec::new();
    let mut places = 0;
    for table in root.tables("egress", MAX_ENTRIES) {
        if let Some((spec, trials)) = addresses.read_egress(&table, &mut places) {
            reachable.push((spec.origin.clone(), trials));
            egress.push(spec);
        }
    }
    let mut credentials: Vec<CredentialSpec> = Vec::new();
    for table in root.tables("credentials", MAX_ENTRIES) {
        if let Some(spec) = addresses.read_credential(&table, &reachable) {
            if credentials.iter().any(|earlier| earlier.name == spec.name) {
                table.say(
                    "name",
                    format!("is `{}`, as another credential's", spec.name),
                    "Give each credential its own name.",
                );
            }
            credentials.push(spec);
        }
    }

    Some(Manifest {
        id: id?,
        name: name?,
        version: version?,
        world: world?,
        license,
        description,
        homepage,
        component,
        settings,
        settings_order,
        credentials,
        egress,
        limits,
    })
}

fn read_id(root: &Table<'_, '_>) -> Option<vale_types::PluginId> {
    let id = root.text("id", MAX_LINE)?;
    if is_plugin_id(&id) {
        return id.parse().ok();
    }
    root.say(
        "id",
        format!("is `{}`", printable(&id, 80)),
        "Use lower-case letters, digits and dashes (`my-plugin`), or reverse DNS \
         (`org.example.my-plugin`), at most 64 characters and no device name.",
    );
    None
}

fn read_version(root: &Table<'_, '_>) -> Option<semver::Version> {
    let text = root.text("version", 64)?;
    match semver::Version::parse(&text) {
        Ok(version) => Some(version),
        Err(error) => {
            root.say(
                "version",
                format!(
                    "is `{}`, not a semantic version ({error})",
                    printable(&text, 64)
                ),
                "Write three numbers: \"0.1.0\".",
            );
            None
        }
    }
}

fn read_world(root: &Table<'_, '_>) -> Option<crate::World> {
    match root.text("world", 200)?.parse() {
        Ok(world) => Some(world),
        Err(what) => {
            let what: String = what;
            root.say(
                "world",
                what,
                "Write the world that the component was built for, such as \
                 \"valechat:provider/provider-plugin@0.1.0\".",
            );
            None
        }
    }
}

fn read_homepage(root: &Table<'_, '_>) -> Option<String> {
    let text = root.text("homepage", MAX_LINE)?;
    let is_web = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    if !is_web {
        root.say(
            "homepage",
            "is not a web address",
            "Write an address that begins with https://.",
        );
    }
    is_web.then_some(text)
}

fn read_component(root: &Table<'_, '_>) -> Option<String> {
    let text = root.text("component", MAX_LINE)?;
    let good = is_plugin_id(&text) || is_kebab(&text);
    if !good {
        root.say(
            "component",
            format!(
                "is `{}`, not the name of a plugin folder",
                printable(&text, 80)
            ),
            "Name the folder whose component this plugin uses, such as \"provider-openai\".",
        );
    }
    good.then_some(text)
}

fn read_limits(table: &Table<'_, '_>) -> LimitsSpec {
    let ranges = ranges();
    let keys: Vec<&str> = ranges.iter().map(|(key, ..)| *key).collect();
    table.only(&keys);
    let [memory_mib, cpu_ms, wall_s, response_mib] =
        ranges.map(|(key, range, unit)| table.integer(key, range, unit));
    LimitsSpec {
        memory_mib,
        cpu_ms,
        wall_s,
        response_mib,
    }
}
