//! Whether a component keeps to the world that its manifest names: it exports what the world wants
//! and imports nothing that the world lacks. Bindings of several worlds lie in one SDK, so this is asked of
//! every component that is built.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, World, WorldId};

/// The packages of `wit/`, each after those that it uses.
const PACKAGES: [&str; 4] = ["types", "host", "provider", "tool"];

/// The worlds of the contract.
#[derive(Debug)]
pub(crate) struct Contract {
    resolve: Resolve,
}

impl Contract {
    /// Reads `wit/` of the checkout.
    ///
    /// # Errors
    /// When a package is missing or no valid WIT.
    pub(crate) fn read(wit: &Path) -> Result<Self> {
        let mut resolve = Resolve::default();
        for package in PACKAGES {
            let dir = wit.join(package);
            resolve
                .push_dir(&dir)
                .with_context(|| format!("{} could not be read", dir.display()))?;
        }
        Ok(Self { resolve })
    }

    /// Checks a component against a world such as `valechat:tool/tool-plugin@0.1.0`.
    ///
    /// # Errors
    /// When the world is not in the contract, or a sentence that names what does not fit.
    pub(crate) fn check(&self, component: &[u8], world: &str) -> Result<()> {
        let wanted = self
            .find(world)
            .with_context(|| format!("the contract has no world {world}"))?;
        let wanted = Names::of(&self.resolve, wanted);
        let has = match wit_component::decode(component)? {
            DecodedWasm::Component(resolve, world) => Names::of(&resolve, world),
            DecodedWasm::WitPackage(..) => bail!("it is a WIT package and no component"),
        };
        let foreign: Vec<_> = has.imports.difference(&wanted.imports).collect();
        if !foreign.is_empty() {
            bail!("it imports {foreign:?}, which {world} does not have");
        }
        // An optional export, such as `token-count`, is of the world's own package.
        let package = world.split_once('/').map_or(world, |(package, _)| package);
        let fits = |name: &String| {
            wanted.exports.contains(name)
                || name
                    .strip_prefix(package)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        if !has.exports.is_superset(&wanted.exports) || !has.exports.iter().all(fits) {
            bail!(
                "it exports {:?}, and {world} wants {:?}",
                has.exports,
                wanted.exports
            );
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<WorldId> {
        let named = |world: &World| {
            let package = world.package?;
            Some(self.resolve.id_of_name(package, &world.name))
        };
        let mut worlds = self.resolve.worlds.iter();
        let found = worlds.find(|(_, world)| named(world).as_deref() == Some(name));
        found.map(|(id, _)| id)
    }
}

/// What a world imports and exports.
#[derive(Debug)]
struct Names {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

impl Names {
    fn of(resolve: &Resolve, world: WorldId) -> Self {
        let Some(world) = resolve.worlds.get(world) else {
            return Self {
                imports: BTreeSet::new(),
                exports: BTreeSet::new(),
            };
        };
        let names = |items: &mut dyn Iterator<Item = &wit_parser::WorldKey>| {
            items.map(|key| resolve.name_world_key(key)).collect()
        };
        Self {
            imports: names(&mut world.imports.keys()),
            exports: names(&mut world.exports.keys()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
    use wit_parser::{LiftLowerAbi, ManglingAndAbi};

    const TOOL: &str = "valechat:tool/tool-plugin@0.1.0";
    const PROVIDER: &str = "valechat:provider/provider-plugin@0.1.0";
    const COUNTING: &str = "valechat:provider/counting-provider-plugin@0.1.0";

    fn contract() -> Contract {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        Contract::read(&wit).unwrap()
    }

    /// A component that imports and exports all that its world has.
    fn component_of(contract: &Contract, world: &str) -> Vec<u8> {
        let resolve = &contract.resolve;
        let id = contract.find(world).unwrap();
        let mut module = dummy_module(
            resolve,
            id,
            ManglingAndAbi::Legacy(LiftLowerAbi::AsyncCallback),
        );
        embed_component_metadata(&mut module, resolve, id, StringEncoding::UTF8, false).unwrap();
        let mut encoder = ComponentEncoder::default();
        encoder.validate(true);
        encoder.module(&module).unwrap().encode().unwrap()
    }

    #[test]
    fn a_component_fits_its_own_world() {
        let contract = contract();
        for (component, world) in [
            (TOOL, TOOL),
            (PROVIDER, PROVIDER),
            (COUNTING, COUNTING),
            // What it can do beyond its world is the host's to find.
            (COUNTING, PROVIDER),
        ] {
            let component = component_of(&contract, component);
            contract.check(&component, world).unwrap();
        }
    }

    #[test]
    fn a_component_of_another_world_is_refused_with_what_does_not_fit() {
        let contract = contract();
        for (component, world, words) in [
            (TOOL, PROVIDER, "valechat:host/kv@0.1.0"),
            (TOOL, COUNTING, "valechat:host/blobs@0.1.0"),
            (PROVIDER, TOOL, "valechat:types/models@0.1.0"),
            (PROVIDER, COUNTING, "token-count"),
        ] {
            let built = component_of(&contract, component);
            let error = format!("{:#}", contract.check(&built, world).unwrap_err());
            assert!(error.contains(words), "{component} as {world}: {error}");
        }
    }

    #[test]
    fn what_is_no_component_or_no_world_is_an_error() {
        let contract = contract();
        assert!(contract.check(b"\0asm", TOOL).is_err());
        let component = component_of(&contract, TOOL);
        for world in [
            "",
            "tool-plugin",
            "valechat:tool/other@0.1.0",
            "valechat:tool/tool-plugin@9.0.0",
        ] {
            assert!(
                contract.check(&component, world).is_err(),
                "{world:?} passed"
            );
        }
    }
}
