//! Guests: built for wasm, turned into components, laid out as plugins.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::toolchain::Wasm;
use crate::workspace::Workspace;
use crate::world::Contract;
use crate::{files, process, say};

/// The guest workspace in the checkout.
pub(crate) const PLUGINS: &str = "plugins";
/// The workspace of the tiny components that tests run.
pub(crate) const TEST_GUESTS: &str = "tests/guests";

/// Builds every plugin and lays it out as `<build folder>/plugins/<id>/{plugin.toml,component.wasm}`.
///
/// Returns the ids.
///
/// # Errors
/// When a guest does not build, is no valid component, or a manifest is unusable.
pub(crate) fn build_plugins(ws: &Workspace, wasm: &Wasm) -> Result<Vec<String>> {
    let packages = ws.packages(PLUGINS)?;
    let guests: Vec<_> = packages.iter().filter(|package| package.is_guest).collect();
    let mut components = BTreeMap::new();
    if !guests.is_empty() {
        let mut cargo = wasm.cargo_build(ws, PLUGINS);
        cargo.arg("--lib");
        for guest in &guests {
            cargo.args(["-p", &guest.name]);
        }
        for artifact in process::build(&mut cargo)? {
            let Some(guest) = guests.iter().find(|guest| guest.id == artifact.package_id) else {
                continue;
            };
            if let Some(core) = artifact.files.iter().find(|file| is_wasm(file)) {
                components.insert(guest.name.clone(), component(core)?);
            }
        }
    }

    let contract = Contract::read(&ws.root.join("wit"))?;
    let mut sources = BTreeMap::new();
    for folder in sorted_folders(&ws.root.join(PLUGINS))? {
        let manifest = folder.join("plugin.toml");
        if !manifest.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&manifest)
            .with_context(|| format!("{} could not be read", manifest.display()))?;
        let head =
            Head::parse(&text).with_context(|| format!("{} is not usable", manifest.display()))?;
        let own = packages
            .iter()
            .find(|package| same_folder(&package.dir, &folder));
        let name = head
            .component
            .or_else(|| own.map(|package| package.name.clone()))
            .with_context(|| {
                format!(
                    "{} lies beside no crate, so it must say `component = \"a crate's name\"`",
                    manifest.display()
                )
            })?;
        let bytes = components.get(&name).with_context(|| {
            format!(
                "{}: no crate of the guest workspace called {name} makes a component",
                manifest.display()
            )
        })?;
        contract
            .check(bytes, &head.world)
            .with_context(|| format!("{name} does not fit the world of {}", manifest.display()))?;
        if sources.insert(head.id.clone(), (text, bytes)).is_some() {
            bail!(
                "two plugins have the id {:?}; the second is {}",
                head.id,
                manifest.display()
            );
        }
    }

    let out = ws.plugins();
    for (id, (manifest, bytes)) in &sources {
        files::write_if_changed(&out.join(id).join("component.wasm"), bytes)?;
        files::write_if_changed(&out.join(id).join("plugin.toml"), manifest.as_bytes())?;
    }
    remove_stale(&out, |name| sources.contains_key(name))?;
    Ok(sources.into_keys().collect())
}

/// Builds the components for tests as `<build folder>/test-guests/<example>.wasm`; returns their names.
///
/// # Errors
/// When one does not build or is no valid component.
pub(crate) fn build_test_guests(ws: &Workspace, wasm: &Wasm) -> Result<Vec<String>> {
    let packages = ws.packages(TEST_GUESTS)?;
    let mut cargo = wasm.cargo_build(ws, TEST_GUESTS);
    let examples: Vec<_> = packages
        .iter()
        .flat_map(|package| &package.guest_examples)
        .collect();
    if examples.is_empty() {
        bail!("{TEST_GUESTS} has no example with `crate-type = [\"cdylib\"]`");
    }
    for example in &examples {
        cargo.args(["--example", example]);
    }
    let out = ws.test_guests();
    let mut made = Vec::new();
    for artifact in process::build(&mut cargo)? {
        if !examples.contains(&&artifact.target) {
            continue;
        }
        if let Some(core) = artifact.files.iter().find(|file| is_wasm(file)) {
            files::write_if_changed(
                &out.join(format!("{}.wasm", artifact.target)),
                &component(core)?,
            )?;
            made.push(artifact.target);
        }
    }
    made.sort();
    remove_stale(&out, |name| {
        made.iter().any(|example| name == format!("{example}.wasm"))
    })?;
    Ok(made)
}

/// Says what was built, for the person at the terminal.
pub(crate) fn say_built(what: &str, names: &[String], place: &Path) {
    say(&format!(
        "{} {what} in {}: {}",
        names.len(),
        place.display(),
        names.join(", ")
    ));
}

/// The component of a core module.
///
/// # Errors
/// When the file cannot be read or the module keeps to no world.
pub(crate) fn component(core: &Path) -> Result<Vec<u8>> {
    let module =
        std::fs::read(core).with_context(|| format!("{} could not be read", core.display()))?;
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("{} could not be made a component", core.display()))
}

/// What the layout needs of a manifest; the rest is the host's to judge.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    id: String,
    world: String,
    component: Option<String>,
}

impl Head {
    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text)?;
        let text_of = |key: &str| {
            table
                .get(key)
                .and_then(|value| value.as_str())
                .map(str::to_owned)
        };
        let id = text_of("id").context("it has no `id = \"…\"`")?;
        // The id becomes a folder's name.
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if id.is_empty() || id.starts_with('.') || !id.chars().all(fits) {
            bail!(
                "the id {id:?} must be lower-case letters, digits, `-` and `.`, and must not begin with `.`"
            );
        }
        let world = text_of("world").context("it has no `world = \"…\"`")?;
        Ok(Self {
            id,
            world,
            component: text_of("component"),
        })
    }
}

/// Whether this is a core module, by its name.
pub(crate) fn is_wasm(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension == "wasm")
}

fn same_folder(left: &Path, right: &Path) -> bool {
    matches!((left.canonicalize(), right.canonicalize()), (Ok(left), Ok(right)) if left == right)
}

fn sorted_folders(parent: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(parent)
        .with_context(|| format!("{} could not be read", parent.display()))?;
    let mut folders: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}

/// Removes what an earlier build laid out and this one did not; temporary files of a parallel run stay.
fn remove_stale(out: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(out) else {
        return Ok(());
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || wanted(&name) {
            continue;
        }
        let path = entry.path();
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.with_context(|| {
            format!("{} is out of date and could not be removed", path.display())
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_manifest_names_id_and_component() {
        let head = Head::parse(
            "id = \"local\"\nworld = \"w\"\ncomponent = \"provider-openai\"\n[settings]\nid = \"no\"\n",
        )
        .unwrap();
        assert_eq!(
            head,
            Head {
                id: "local".into(),
                world: "w".into(),
                component: Some("provider-openai".into())
            }
        );
        assert_eq!(
            Head::parse("id = \"org.example.x-1\"\nworld = \"w\"")
                .unwrap()
                .component,
            None
        );
    }

    #[test]
    fn an_id_that_is_no_plain_folder_name_is_refused() {
        for id in ["", "..", ".hidden", "a/b", "a\\\\b", "Upper", "sp ace", "ü"] {
            assert!(
                Head::parse(&format!("id = \"{id}\"\nworld = \"w\"")).is_err(),
                "{id:?} passed"
            );
        }
        for text in [
            "",
            "id = 3",
            "id = \"a",
            "[settings]\nid = \"a\"",
            "id = \"a\"",
            "id = \"a\"\nworld = 1",
        ] {
            assert!(Head::parse(text).is_err(), "{text:?} passed");
        }
    }

    #[test]
    fn only_stale_outputs_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["keep", "stale"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join(".x.tmp"), b"").unwrap();
        remove_stale(dir.path(), |name| name == "keep").unwrap();
        assert!(dir.path().join("keep").is_dir());
        assert!(!dir.path().join("stale").exists());
        assert!(dir.path().join(".x.tmp").exists());
        remove_stale(&dir.path().join("absent"), |_| true).unwrap();
    }

    #[test]
    fn what_is_no_wasm_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.wasm");
        std::fs::write(&file, b"\0asm no").unwrap();
        let error = format!("{:#}", component(&file).unwrap_err());
        assert!(error.contains("x.wasm"), "{error}");
    }
}
