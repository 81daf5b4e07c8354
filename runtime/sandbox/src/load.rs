//! From bytes to a plugin that can be called: what a component may be, and what it imports.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use crate::cache::{self, Lookup};
use crate::engine::Engine;
use crate::v0_1;

/// Largest component, bytes. componentize-py makes 20 MB.
const MAX_COMPONENT: usize = 128 << 20;

/// How long a caller waits for the compiler. A 20 MB component takes 8 s on two cores.
const LOAD_TIMEOUT: Duration = Duration::from_secs(90);

/// Why a component was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Not WebAssembly at all.
    #[error("this is not a WebAssembly file; a plugin is a component (.wasm)")]
    NotWasm,
    /// WebAssembly, and not a component.
    #[error(
        "this is a core module, not a component; build it with `valechat:provider` bindings and wit-component"
    )]
    CoreModule,
    /// Larger than any plugin needs.
    #[error("the component has {0} bytes; {MAX_COMPONENT} are allowed")]
    TooLarge(usize),
    /// Damaged, or using what this engine does not know.
    #[error("the component is damaged or needs a newer ValeChat: {0}")]
    Invalid(String),
    /// It wants something that no plugin gets.
    #[error("the component imports {0}, which no plugin may have; it was not run")]
    ForbiddenImport(String),
    /// It speaks another version of the contract.
    #[error("the component was built for {found}; this ValeChat speaks valechat:provider@0.1")]
    OtherContract {
        /// The export's name.
        found: String,
    },
    /// It exports no contract that ValeChat knows.
    #[error("the component exports no valechat:provider interface, so it is no provider plugin")]
    NoProvider,
    /// The compiler did not end in time.
    #[error("the component took longer than {} s to compile, so it was given up", LOAD_TIMEOUT.as_secs())]
    TooSlow,
    /// It was cancelled with the engine.
    #[error("the engine was shut down while the plugin was loaded")]
    Stopped,
}

/// Where the machine code came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadedFrom {
    /// The cache.
    Cache,
    /// The compiler. The text says why the cache did not serve, if that is worth knowing.
    Compiler(Option<String>),
}

/// A loaded component. Cheap to clone; holds nothing of any call.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    engine: Engine,
    provider: v0_1::ProviderPluginPre<crate::state::State>,
    /// Where the component has the optional export.
    counting: Option<v0_1::CountingProviderPluginPre<crate::state::State>>,
    imports: Vec<String>,
    exports: Vec<String>,
    sha256: String,
    loaded_from: LoadedFrom,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("sha256", &self.0.sha256)
            .field("loaded_from", &self.0.loaded_from)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// What the component imports, with versions, sorted.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// What it exports, with versions, sorted.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.0.exports
    }

    /// SHA-256 of the component's bytes, lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// Where the machine code came from.
    #[must_use]
    pub fn loaded_from(&self) -> &LoadedFrom {
        &self.0.loaded_from
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn provider(&self) -> &v0_1::ProviderPluginPre<crate::state::State> {
        &self.0.provider
    }

    pub(crate) fn counting(&self) -> Option<&v0_1::CountingProviderPluginPre<crate::state::State>> {
        self.0.counting.as_ref()
    }
}

impl Engine {
    /// Loads a component: from the cache, or through the compiler on the engine's own threads.
    ///
    /// # Errors
    /// When the bytes are no component, or one that this host does not run.
    pub async fn load(&self, wasm: Vec<u8>) -> Result<Plugin, LoadError> {
        let (engine, runtime) = (self.clone(), self.runtime().clone());
        let loading = runtime.clone().spawn(async move {
            let work = runtime.spawn_blocking(move || engine.load_blocking(&wasm));
            tokio::time::timeout(LOAD_TIMEOUT, work).await
        });
        match loading.await {
            Ok(Ok(Ok(loaded))) => loaded,
            Ok(Err(_)) => Err(LoadError::TooSlow),
            Ok(Ok(Err(_))) | Err(_) => Err(LoadError::Stopped),
        }
    }

    fn load_blocking(&self, wasm: &[u8]) -> Result<Plugin, LoadError> {
        check_header(wasm)?;
        let sha256 = cache::sha256(wasm);
        let (component, loaded_from) = self.machine_code(wasm, &sha256)?;
        let (imports, exports) = self.judge(&component)?;
        let invalid = |error: wasmtime::Error| LoadError::Invalid(format!("{error:#}"));
        let instance = self.linker().instantiate_pre(&component).map_err(invalid)?;
        let counting = v0_1::CountingProviderPluginPre::new(instance.clone()).ok();
        let provider = v0_1::ProviderPluginPre::new(instance).map_err(invalid)?;
        Ok(Plugin(Arc::new(Inner {
            engine: self.clone(),
            provider,
            counting,
            imports,
            exports,
            sha256: cache::hex(&sha256),
            loaded_from,
        })))
    }

    fn machine_code(
        &self,
        wasm: &[u8],
        sha256: &[u8; 32],
    ) -> Result<(Component, LoadedFrom), LoadError> {
        let mut note = None;
        if let Some(cache) = self.cache() {
            match cache.load(self.wasm(), sha256) {
                Lookup::Hit(component) => return Ok((component, LoadedFrom::Cache)),
                Lookup::Miss => {}
                Lookup::Refused(why) => {
                    note = Some(format!("the compiled code was not used: {why}"));
                }
            }
        }
        // One at a time: each takes every core already, and gigabytes in the worst case.
        let _one = self.compiling();
        let component = Component::from_binary(self.wasm(), wasm)
            .map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        if let Some(cache) = self.cache()
            && let Err(error) = cache.store(self.wasm(), sha256, &component)
        {
            note = Some(format!("the compiled code could not be kept: {error}"));
        }
        Ok((component, LoadedFrom::Compiler(note)))
    }

    /// Refuses a component that wants more than its world, before anything of it runs.
    fn judge(&self, component: &Component) -> Result<(Vec<String>, Vec<String>), LoadError> {
        let kind = component.component_type();
        let mut imports = Vec::new();
        for (name, item) in kind.imports(self.wasm()) {
            let (interface, version) = split_version(name);
            let types_only = match &item.ty {
                ComponentItem::ComponentInstance(instance) => self.holds_types_only(instance),
                _ => false,
            };
            let known = v0_1::HOST_INTERFACES.contains(&interface)
                || (interface.starts_with("valechat:types/") && types_only);
            if !known || !is_0_1(version) {
                return Err(LoadError::ForbiddenImport(name.to_owned()));
            }
            imports.push(name.to_owned());
        }
        let mut exports: Vec<String> = kind
            .exports(self.wasm())
            .map(|(name, _)| name.to_owned())
            .collect();
        imports.sort();
        exports.sort();
        let provider = exports
            .iter()
            .find(|name| split_version(name).0 == "valechat:provider/provider");
        match provider {
            Some(name) if is_0_1(split_version(name).1) => Ok((imports, exports)),
            Some(name) => Err(LoadError::OtherContract {
                found: name.clone(),
            }),
            None => Err(LoadError::NoProvider),
        }
    }

    fn holds_types_only(&self, instance: &ComponentInstance) -> bool {
        instance
            .exports(self.wasm())
            .all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)))
    }
}

fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// By semver, 0.1.x are one version of the contract.
fn is_0_1(version: &str) -> bool {
    version
        .strip_prefix("0.1.")
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads the eight bytes that every WebAssembly file begins with.
fn check_header(wasm: &[u8]) -> Result<(), LoadError> {
    if wasm.len() > MAX_COMPONENT {
        return Err(LoadError::TooLarge(wasm.len()));
    }
    match wasm.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(LoadError::CoreModule),
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        _ => Err(LoadError::NotWasm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_modules_from_components_from_rubbish() {
        assert_eq!(check_header(b""), Err(LoadError::NotWasm));
        assert_eq!(check_header(b"<html><body>"), Err(LoadError::NotWasm));
        assert_eq!(check_header(b"\0asm\x01\0\0\0"), Err(LoadError::CoreModule));
        assert_eq!(check_header(b"\0asm\x0d\0\x01\0"), Ok(()));
    }

    #[test]
    fn only_patch_versions_are_the_same_contract() {
        for same in ["0.1.0", "0.1.9", "0.1.12"] {
            assert!(is_0_1(same), "{same}");
        }
        for other in ["", "0.1", "0.2.0", "0.1.0-rc.1", "1.0.0", "0.1."] {
            assert!(!is_0_1(other), "{other}");
        }
    }
}
