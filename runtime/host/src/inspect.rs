//! What a component is, from its bytes alone.

use vale_plugins::PluginKind;
use vale_sandbox::{Kind, LoadError, inspect};

/// A component that its world allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentShape {
    /// What it is for.
    pub kind: PluginKind,
    /// What it imports, with versions, sorted.
    pub imports: Vec<String>,
}

/// Reads a component's outermost level: nothing is compiled, nothing runs. Whether the rest of it is
/// whole, only loading tells.
///
/// # Errors
/// When it is no component, of a contract that this host does not speak, or imports more than a plugin
/// of its kind may.
pub fn inspect_component(bytes: &[u8]) -> Result<ComponentShape, LoadError> {
    let shape = inspect(bytes)?;
    let kind = match shape.check()? {
        Kind::Provider | Kind::CountingProvider => PluginKind::Provider,
        Kind::Tool => PluginKind::Tool,
    };
    Ok(ComponentShape {
        kind,
        imports: shape.imports,
    })
}
