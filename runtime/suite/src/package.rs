//! The file: what it is, what it imports, how long the compiler takes.

use std::time::Instant;

use vale_plugins::Package;
use vale_sandbox::{CodeCache, Engine, EngineConfig, LoadedFrom, Plugin, inspect};

use crate::report::{Check, PackageReport, Section, Verdict};
use crate::suite::SuiteError;

const SECTION: Section = Section::Package;

/// A plugin that was loaded twice, where it could be.
pub(crate) struct Loaded {
    pub(crate) plugin: Option<Plugin>,
    pub(crate) report: Option<PackageReport>,
    pub(crate) checks: Vec<Check>,
}

/// An engine with a cache of its own, so that the first load is cold.
pub(crate) struct Workshop {
    engine: Engine,
    _folder: tempfile::TempDir,
}

impl Workshop {
    pub(crate) fn open() -> Result<Self, SuiteError> {
        let folder = tempfile::tempdir().map_err(|error| SuiteError::Start(error.to_string()))?;
        let cache = CodeCache::open(&folder.path().join("code"), &folder.path().join("key"))
            .map_err(|error| SuiteError::Start(error.to_string()))?;
        let config = EngineConfig {
            cache: Some(cache),
            ..EngineConfig::default()
        };
        let engine = Engine::new(config).map_err(|error| SuiteError::Start(error.to_string()))?;
        Ok(Self {
            engine,
            _folder: folder,
        })
    }
}

pub(crate) async fn load(workshop: &Workshop, file: &[u8], package: &Package) -> Loaded {
    const NAME: &str = "the component loads";
    let began = Instant::now();
    let cold = workshop.engine.load(file.to_vec()).await;
    let compile_ms = began.elapsed().as_secs_f64() * 1e3;
    let plugin = match cold {
        Ok(plugin) => plugin,
        Err(error) => {
            let check = Check::failed(SECTION, NAME).got(error.to_string());
            return Loaded {
                plugin: None,
                report: None,
                checks: vec![check.next_step("Build it again for the contract in wit/.")],
            };
        }
    };
    let began = Instant::now();
    let again = workshop.engine.load(file.to_vec()).await;
    let cached = again.is_ok_and(|plugin| *plugin.loaded_from() == LoadedFrom::Cache);
    let cached_load_ms = cached.then(|| began.elapsed().as_secs_f64() * 1e3);
    let contract = inspect(file).map_or_else(
        |_| Vec::new(),
        |shape| {
            let contracts = shape.contracts();
            contracts
                .map(|(name, version)| format!("{name}@{version}"))
                .collect()
        },
    );
    let is_code = |name: &&String| !name.starts_with("valechat:types/");
    let report = PackageReport {
        bytes: file.len() as u64,
        kind: plugin.kind().as_str().to_owned(),
        contract,
        imports: plugin.imports().iter().filter(is_code).cloned().collect(),
        compile_ms,
        cached_load_ms,
    };
    let mut checks = vec![Check::passed(SECTION, NAME).got(format!(
        "{} KiB, compiled in {compile_ms:.0} ms",
        file.len() / 1024
    ))];
    checks.extend(manifest(package, &plugin));
    Loaded {
        plugin: Some(plugin),
        report: Some(report),
        checks,
    }
}

/// Where the manifest and the component do not fit, or a person would be told too little.
fn manifest(package: &Package, plugin: &Plugin) -> Vec<Check> {
    let manifest = &package.manifest;
    let mut checks = Vec::new();
    let says_provider = manifest.world.kind == vale_plugins::PluginKind::Provider;
    if says_provider == plugin.kind().is_provider() {
        checks.push(Check::passed(
            SECTION,
            "plugin.toml names the component's kind",
        ));
    } else {
        checks.push(
            Check::failed(SECTION, "plugin.toml names the component's kind")
                .expected(plugin.kind().as_str())
                .got(manifest.world.to_string())
                .next_step("Correct `world` in plugin.toml."),
        );
    }
    let asks = |interface: &str| {
        let name = format!("valechat:host/{interface}@");
        plugin
            .imports()
            .iter()
            .any(|import| import.starts_with(&name))
    };
    if asks("http") && manifest.egress.is_empty() {
        checks.push(
            Check::new(SECTION, "the network", Verdict::Warning)
                .got("the component imports http, and plugin.toml asks for no address")
                .next_step("Add [[egress]], or leave http out."),
        );
    }
    if !asks("http") && !manifest.egress.is_empty() {
        checks.push(
            Check::new(SECTION, "the network", Verdict::Warning)
                .got("plugin.toml asks for addresses, and the component imports no http")
                .next_step("Take [[egress]] away: people are asked for what is never used."),
        );
    }
    for (what, there) in [
        (
            "licence",
            manifest.license.is_some() || package.license.is_some(),
        ),
        ("description", manifest.description.is_some()),
    ] {
        if !there {
            checks.push(
                Check::new(SECTION, format!("a {what}"), Verdict::Warning)
                    .got("none")
                    .next_step("People see it before they install; add it to plugin.toml."),
            );
        }
    }
    checks
}
