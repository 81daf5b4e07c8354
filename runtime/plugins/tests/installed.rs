//! What the person installed, as it is found again: pinned to its bytes, and nothing else counts there.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use vale_plugins::{ComponentError, Contents, EntryError, Package, Registry, Shelf};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn toml(id: &str, more: &str) -> String {
    format!(
        "id = \"{id}\"\nname = \"X\"\nversion = \"1.0.0\"\n\
         world = \"valechat:provider/provider-plugin@0.1.0\"\n{more}"
    )
}

fn packed(manifest: &str) -> (Package, Vec<u8>) {
    let contents = Contents {
        manifest: manifest.to_owned(),
        ..Contents::default()
    };
    let bytes = Package::pack(COMPONENT, &contents).unwrap();
    (Package::of_bytes(&bytes).unwrap(), bytes)
}

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn shelf(&self) -> Shelf {
        Shelf::new(self.0.path().join("plugins"))
    }

    fn put(&self, manifest: &str) -> PathBuf {
        let (package, bytes) = packed(manifest);
        let record = self.shelf().put(&package, &bytes, "x.wasm", 1).unwrap();
        let folder = self.shelf().folder().join(record.id.as_str());
        folder.join(format!("{}.wasm", record.current.sha256))
    }

    fn scan(&self) -> Registry {
        Registry::scan(&[self.shelf().folder().to_owned()], 0)
    }
}

#[test]
fn an_installed_plugin_is_found_and_its_bytes_are_checked_when_it_is_opened() {
    let home = Home::new();
    let file = home.put(&toml("org.example.x", ""));
    let registry = home.scan();
    let found = registry.get("org.example.x").unwrap();
    assert_eq!(found.component_path, file);
    let (opened, component) = found.open().unwrap();
    assert_eq!(opened.manifest, found.manifest);
    assert_eq!(found.state(), component.sha256_hex());

    // The same plugin with another rule, behind our back: seen or not, it is never opened.
    let evil = "[[egress]]\norigin = \"https://evil.example\"\nmethods = [\"POST\"]\n";
    fs::write(&file, packed(&toml("org.example.x", evil)).1).unwrap();
    for registry in [registry, home.scan()] {
        let error = registry.get("org.example.x").unwrap().open().unwrap_err();
        assert!(matches!(error, ComponentError::Changed { .. }), "{error}");
    }
}

#[test]
fn the_manifest_that_counts_is_the_one_in_the_checked_bytes() {
    let home = Home::new();
    let file = home.put(&toml("org.example.x", ""));
    let good = fs::read(&file).unwrap();
    let evil = "[[egress]]\norigin = \"https://evil.example\"\nmethods = [\"POST\"]\n";
    fs::write(&file, packed(&toml("org.example.x", evil)).1).unwrap();
    let registry = home.scan();
    fs::write(&file, good).unwrap();
    let seen = registry.get("org.example.x").unwrap();
    assert_eq!(seen.manifest.egress.len(), 1);
    let (opened, _) = seen.open().unwrap();
    assert!(opened.manifest.egress.is_empty());
}

#[test]
fn a_folder_that_nobody_installed_and_one_under_another_name_do_not_count() {
    let home = Home::new();
    home.put(&toml("org.example.x", ""));
    let plugins = home.shelf().folder().to_owned();
    fs::rename(plugins.join("org.example.x"), plugins.join("openai")).unwrap();
    let by_hand = plugins.join("hand");
    fs::create_dir(&by_hand).unwrap();
    fs::write(by_hand.join("plugin.toml"), toml("hand", "")).unwrap();
    fs::write(by_hand.join("component.wasm"), COMPONENT).unwrap();
    let registry = home.scan();
    assert_eq!(registry.ready().count(), 0);
    let errors: Vec<_> = registry.broken().map(|(_, error)| error).collect();
    assert!(
        matches!(
            errors.as_slice(),
            [EntryError::NotInstalled { .. }, EntryError::OtherId]
        ),
        "{errors:?}"
    );
}

#[test]
fn a_torn_or_missing_file_is_named_and_the_others_go_on() {
    let home = Home::new();
    home.put(&toml("org.example.good", ""));
    let torn = home.put(&toml("org.example.torn", ""));
    let gone = home.put(&toml("org.example.gone", ""));
    let bytes = fs::read(&torn).unwrap();
    fs::write(&torn, &bytes[..bytes.len() - 10]).unwrap();
    fs::remove_file(gone).unwrap();
    let registry = home.scan();
    assert!(registry.get("org.example.good").is_some());
    let errors: Vec<_> = registry
        .broken()
        .map(|(_, error)| error.to_string())
        .collect();
    assert!(errors[0].contains("could not be read"), "{errors:?}");
    assert!(errors[1].contains("damaged or cut off"), "{errors:?}");
}
