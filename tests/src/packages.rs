//! Plugins as files, made of the components that were built for tests.

use std::path::{Path, PathBuf};

use vale_plugins::{Contents, Package};

/// The manifest of a provider with this id and version; `more` is the rest of it.
#[must_use]
pub fn manifest(id: &str, version: &str, more: &str) -> String {
    format!(
        "id = \"{id}\"\nname = \"Test\"\nversion = \"{version}\"\n\
         world = \"valechat:provider/provider-plugin@0.1.0\"\n{more}"
    )
}

/// A plugin's file of a component and a manifest.
///
/// # Panics
/// When they do not make one.
#[must_use]
pub fn packed(component: &[u8], manifest: &str) -> Vec<u8> {
    let contents = Contents {
        manifest: manifest.to_owned(),
        ..Contents::default()
    };
    Package::pack(component, &contents).unwrap()
}

/// The same, written to `folder`.
///
/// # Panics
/// When it cannot be made or written.
#[must_use]
pub fn packed_in(folder: &Path, name: &str, component: &[u8], manifest: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, packed(component, manifest)).unwrap();
    path
}
