//! From bytes to a plugin that can be called: what a component may be, and what it imports.

use std::sync::Arc;
use std::time::Duration;

use vale_types::{Failure, Fault, FaultClass};
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use crate::cache::{self, Lookup};
use crate::engine::Engine;
use crate::inspect::{self, Kind, MAX_COMPONENT, Shape, split_version};
use crate::state::State;
use crate::v0_1;

/// How long a caller waits for the compiler. A 20 MB component takes 8 s on two cores.
const LOAD_TIMEOUT: Duration = Duration::from_secs(90);

/// Why a component was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No bytes.
    #[error("the file is empty; download or build it again")]
    Empty,
    /// The beginning of a component. The number: bytes that are there.
    #[error("the file ends in the middle, after {0} bytes; download or copy it again")]
    Truncated(usize),
    /// Not WebAssembly at all.
    #[error("this is not a WebAssembly file; a plugin is a component (.wasm)")]
    NotWasm,
    /// WebAssembly, and not a component.
    #[error(
        "this is a core WebAssembly module, not a component; make it one with the plugin SDK or wit-component"
    )]
    CoreModule,
    /// Larger than any plugin needs.
    #[error("the component has {0} bytes; {MAX_COMPONENT} are allowed")]
    TooLarge(usize),
    /// Damaged, or using what this engine does not know.
    #[error("the component is damaged or needs a newer ValeChat: {0}")]
    Invalid(String),
    /// It wants something that no plugin gets.
    #[error("the component imports {0}, which no plugin of its kind may have; it was not run")]
    ForbiddenImport(String),
    /// It speaks another version of the contract.
    #[error("{}", other_contract(found))]
    OtherContract {
        /// The export's name, with its version.
        found: String,
    },
    /// It exports no contract that ValeChat knows.
    #[error(
        "the component exports neither valechat:provider nor valechat:tool, so it is no plugin of ValeChat"
    )]
    NoPlugin,
    /// It exports two contracts.
    #[error(
        "the component is a provider and a tool at once, and a plugin is one of them; build it as two components"
    )]
    TwoKinds,
    /// The compiler did not end in time.
    #[error("the component took longer than {} s to compile, so it was given up", LOAD_TIMEOUT.as_secs())]
    TooSlow,
    /// It was cancelled with the engine.
    #[error("the engine was shut down while the plugin was loaded")]
    Stopped,
}

/// What to do about a component of another version of the contract.
fn other_contract(found: &str) -> String {
    let (interface, version) = split_version(found);
    let package = interface.split('/').next().unwrap_or_default();
    let speaks =
        format!("the component was built for {found} and this ValeChat speaks {package}@0.1");
    if inspect::is_newer(version) {
        format!("{speaks}; update ValeChat, or install an older version of the plugin")
    } else {
        format!("{speaks}; install a newer version of the plugin")
    }
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
    calls: Calls,
    imports: Vec<String>,
    exports: Vec<String>,
    sha256: String,
    loaded_from: LoadedFrom,
}

/// What can be called, by kind.
enum Calls {
    Provider {
        provider: v0_1::ProviderPluginPre<State>,
        /// Where the component has the optional export.
        counting: Option<v0_1::CountingProviderPluginPre<State>>,
    },
    Tool(v0_1::ToolPluginPre<State>),
}

impl Calls {
    fn new(engine: &Engine, kind: Kind, component: &Component) -> wasmtime::Result<Self> {
        let instance = engine.linker(kind).instantiate_pre(component)?;
        Ok(match kind {
            Kind::Provider => Self::Provider {
                provider: v0_1::ProviderPluginPre::new(instance)?,
                counting: None,
            },
            Kind::CountingProvider => Self::Provider {
                counting: v0_1::CountingProviderPluginPre::new(instance.clone()).ok(),
                provider: v0_1::ProviderPluginPre::new(instance)?,
            },
            Kind::Tool => Self::Tool(v0_1::ToolPluginPre::new(instance)?),
        })
    }
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

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.0.calls {
            Calls::Provider { counting: None, .. } => Kind::Provider,
            Calls::Provider { .. } => Kind::CountingProvider,
            Calls::Tool(_) => Kind::Tool,
        }
    }

    pub(crate) fn provider(&self) -> wasmtime::Result<&v0_1::ProviderPluginPre<State>> {
        match &self.0.calls {
            Calls::Provider { provider, .. } => Ok(provider),
            Calls::Tool(_) => Err(self.is_no("provider")),
        }
    }

    pub(crate) fn counting(&self) -> Option<&v0_1::CountingProviderPluginPre<State>> {
        match &self.0.calls {
            Calls::Provider { counting, .. } => counting.as_ref(),
            Calls::Tool(_) => None,
        }
    }

    pub(crate) fn tool(&self) -> wasmtime::Result<&v0_1::ToolPluginPre<State>> {
        match &self.0.calls {
            Calls::Tool(tool) => Ok(tool),
            Calls::Provider { .. } => Err(self.is_no("tool")),
        }
    }

    /// A call that this kind does not have.
    fn is_no(&self, wanted: &str) -> wasmtime::Error {
        let is = self.kind().as_str();
        let what = format!("the component is a {is}, and was called as a {wanted}");
        wasmtime::Error::new(Failure::from(Fault::new(FaultClass::Load, what)))
    }
}

impl Engine {
    /// Loads a component: from the cache, or through the compiler on the engine's own threads.
    ///
    /// # Errors
    /// When the bytes are no component, or one that this host does not run.
    ///
    /// # Examples
    /// ```
    /// use vale_sandbox::{Engine, EngineConfig, LoadError};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let engine = Engine::new(EngineConfig::default())?;
    /// let refused = engine.load(b"<html>".to_vec()).await;
    /// assert_eq!(refused.err(), Some(LoadError::NotWasm));
    /// # Ok::<(), vale_sandbox::EngineError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        // Before the compiler, which a hostile component could keep busy for a minute.
        let shape = inspect::inspect(wasm)?;
        let kind = shape.check()?;
        let sha256 = cache::sha256(wasm);
        let (component, loaded_from) = self.machine_code(wasm, &sha256)?;
        self.judge(kind, &component)?;
        let calls = Calls::new(self, kind, &component)
            .map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        Ok(Plugin(Arc::new(Inner {
            engine: self.clone(),
            calls,
            imports: shape.imports,
            exports: shape.exports,
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

    /// Refuses a component that wants more than its world, before anything of it runs: by the
    /// compiler's word, which knows what hides behind a name.
    fn judge(&self, kind: Kind, component: &Component) -> Result<(), LoadError> {
        for (name, item) in component.component_type().imports(self.wasm()) {
            let types_only = match &item.ty {
                ComponentItem::ComponentInstance(instance) => self.holds_types_only(instance),
                _ => false,
            };
            if !may_import(kind, name) || !(types_only || offered(kind, split_version(name).0)) {
                return Err(LoadError::ForbiddenImport(name.to_owned()));
            }
        }
        Ok(())
    }

    fn holds_types_only(&self, instance: &ComponentInstance) -> bool {
        instance
            .exports(self.wasm())
            .all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)))
    }
}

impl Shape {
    /// What the component is for, where it imports nothing by name that a plugin of that kind may not
    /// have. What hides behind a name, only [`Engine::load`] sees.
    ///
    /// # Errors
    /// As [`Self::kind`], and [`LoadError::ForbiddenImport`].
    pub fn check(&self) -> Result<Kind, LoadError> {
        let kind = self.kind()?;
        match self.imports.iter().find(|name| !may_import(kind, name)) {
            Some(name) => Err(LoadError::ForbiddenImport(name.clone())),
            None => Ok(kind),
        }
    }
}

/// Whether a plugin of this kind may import something of this name.
fn may_import(kind: Kind, name: &str) -> bool {
    let (interface, version) = split_version(name);
    inspect::is_0_1(version)
        && (offered(kind, interface) || interface.starts_with("valechat:types/"))
}

fn offered(kind: Kind, interface: &str) -> bool {
    v0_1::HOST_INTERFACES.contains(&interface)
        || (kind == Kind::Tool && v0_1::TOOL_INTERFACES.contains(&interface))
}
