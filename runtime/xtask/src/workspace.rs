//! Where things lie: the checkout, the build folder, the person's cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The checkout and the folder that everything is built into.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The repository's top folder.
    pub(crate) root: PathBuf,
    /// `CARGO_TARGET_DIR`, or what cargo takes instead; absolute.
    pub(crate) target: PathBuf,
    cargo: OsString,
    library_path: Option<OsString>,
}

impl Workspace {
    /// Finds the checkout that this xtask belongs to and asks cargo for its build folder.
    ///
    /// # Errors
    /// When cargo or rustc cannot be asked.
    pub(crate) fn find() -> Result<Self> {
        // The value at run time is right even where two checkouts share one build folder.
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .filter(|dir| Path::new(dir).join("src/workspace.rs").is_file())
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest_dir)
            .ancestors()
            .nth(2)
            .context("xtask does not lie in runtime/xtask of a checkout")?
            .to_owned();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let metadata = metadata(process::command(&cargo).current_dir(&root))?;
        let target = metadata
            .get("target_directory")
            .and_then(|dir| dir.as_str())
            .map(PathBuf::from)
            .context("cargo metadata names no target directory")?;
        let library_path = library_path_without(&[&target, &sysroot()?]);
        Ok(Self {
            root,
            target,
            cargo,
            library_path,
        })
    }

    /// `cargo`, the one we were started by, in `folder` of the checkout.
    pub(crate) fn cargo(&self, folder: &str) -> Command {
        let mut command = self.child(&self.cargo);
        command.current_dir(self.root.join(folder));
        command
    }

    /// Any other program, with the build folder told and our own traces removed.
    pub(crate) fn child(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = process::command(program);
        command.env("CARGO_TARGET_DIR", &self.target);
        match &self.library_path {
            Some(path) => command.env("LD_LIBRARY_PATH", path),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
        command
    }

    /// The workspace members of the checkout's `folder`, without their dependencies.
    ///
    /// # Errors
    /// When cargo cannot read the workspace.
    pub(crate) fn packages(&self, folder: &str) -> Result<Vec<Package>> {
        let metadata = metadata(&mut self.cargo(folder))?;
        let packages = metadata.get("packages").and_then(|list| list.as_array());
        Ok(packages
            .into_iter()
            .flatten()
            .filter_map(Package::parse)
            .collect())
    }

    /// Whether `folder` of the checkout is a crate or a workspace.
    pub(crate) fn has_crate(&self, folder: &str) -> bool {
        self.root.join(folder).join("Cargo.toml").is_file()
    }

    /// Where the components of the plugins lie, one folder an id.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.target.join("plugins")
    }

    /// Where the components for tests lie.
    pub(crate) fn test_guests(&self) -> PathBuf {
        self.target.join("test-guests")
    }

    /// Where the example plugins lie, one folder a language.
    pub(crate) fn examples(&self) -> PathBuf {
        self.target.join("examples")
    }

    /// Where every built `valechat-infer` lies.
    pub(crate) fn infer(&self) -> PathBuf {
        self.target.join("infer")
    }
}

/// A workspace member.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Cargo's opaque id, as it comes back in build messages.
    pub(crate) id: String,
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// Whether its library is a cdylib: what becomes a component.
    pub(crate) is_guest: bool,
    /// Its examples that are cdylibs.
    pub(crate) guest_examples: Vec<String>,
}

impl Package {
    fn parse(value: &serde_json::Value) -> Option<Self> {
        let has = |target: &serde_json::Value, field: &str, wanted: &str| {
            let list = target.get(field).and_then(|list| list.as_array());
            list.into_iter()
                .flatten()
                .any(|item| item.as_str() == Some(wanted))
        };
        let targets = value.get("targets")?.as_array()?;
        let cdylibs = || {
            targets
                .iter()
                .filter(|target| has(target, "crate_types", "cdylib"))
        };
        Some(Self {
            name: value.get("name")?.as_str()?.to_owned(),
            id: value.get("id")?.as_str()?.to_owned(),
            dir: Path::new(value.get("manifest_path")?.as_str()?)
                .parent()?
                .to_owned(),
            is_guest: cdylibs().any(|target| !has(target, "kind", "example")),
            guest_examples: cdylibs()
                .filter(|target| has(target, "kind", "example"))
                .filter_map(|target| Some(target.get("name")?.as_str()?.to_owned()))
                .collect(),
        })
    }
}

fn metadata(cargo: &mut Command) -> Result<serde_json::Value> {
    let text = process::read(cargo.args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cargo metadata is not JSON")
}

/// The folder of the active Rust toolchain.
///
/// # Errors
/// When rustc cannot be asked.
pub(crate) fn sysroot() -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let path = process::read(process::command(rustc).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(path.trim()))
}

/// `cargo run` puts the toolchain's own libraries on the loader's path; another toolchain would load them.
fn library_path_without(unwanted: &[&Path]) -> Option<OsString> {
    let path = std::env::var_os("LD_LIBRARY_PATH")?;
    let kept: Vec<_> = std::env::split_paths(&path)
        .filter(|entry| !unwanted.iter().any(|folder| entry.starts_with(folder)))
        .collect();
    (!kept.is_empty())
        .then(|| std::env::join_paths(kept).ok())
        .flatten()
}

/// The folder for what is fetched once and shared by later runs.
///
/// `VALECHAT_CACHE` is that folder itself; without it, `valechat` in the platform's cache folder.
///
/// # Errors
/// When the platform's variables name no such folder.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    cache_dir_from(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
        .context("no cache folder is known on this machine: set VALECHAT_CACHE to a folder with 300 MB of space")
}

fn cache_dir_from(var: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if let Some(own) = var("VALECHAT_CACHE") {
        return Some(own);
    }
    let user = if cfg!(windows) {
        var("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join("Library/Caches")))
    } else {
        var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))
    };
    Some(user?.join("valechat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_the_person_then_the_platform() {
        let with = |pairs: &'static [(&str, &str)]| {
            cache_dir_from(|name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| PathBuf::from(value))
            })
        };
        assert_eq!(
            with(&[("VALECHAT_CACHE", "/big"), ("HOME", "/h")]),
            Some("/big".into())
        );
        assert_eq!(with(&[]), None);
        #[cfg(target_os = "linux")]
        {
            assert_eq!(with(&[("HOME", "/h")]), Some("/h/.cache/valechat".into()));
            assert_eq!(
                with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]),
                Some("/x/valechat".into())
            );
        }
    }

    #[test]
    fn a_cdylib_library_and_a_cdylib_example_are_told_apart() {
        let package: serde_json::Value = serde_json::from_str(
            r#"{"name":"g","id":"i","manifest_path":"/w/g/Cargo.toml","targets":[
                {"name":"g","kind":["lib"],"crate_types":["lib"]},
                {"name":"spin","kind":["example"],"crate_types":["cdylib"]},
                {"name":"demo","kind":["example"],"crate_types":["bin"]}]}"#,
        )
        .unwrap();
        let package = Package::parse(&package).unwrap();
        assert!(!package.is_guest);
        assert_eq!(package.guest_examples, ["spin"]);
        assert_eq!(package.dir, PathBuf::from("/w/g"));
    }
}
