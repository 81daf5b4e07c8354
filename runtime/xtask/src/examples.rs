//! The examples of `plugins/examples`, built as a stranger builds them: each is laid out as the project that
//! `valechat plugin new` writes, outside the checkout, with the contract and (for Rust) the SDK in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::toolchain::Wasm;
use crate::workspace::Workspace;
use crate::{files, guests, model, peers, process, say};

/// The folder of the examples, one a language.
const EXAMPLES: &str = "plugins/examples";
/// The example that is a crate, which has native tests as well.
pub(crate) const RUST: &str = "plugins/examples/rust";
/// The providers and the tools, one a language, as their folders are called.
const LANGUAGES: [&str; 6] = [
    "rust",
    "js",
    "python",
    "tool-rust",
    "tool-js",
    "tool-python",
];
const TOOL: &str = "tool-";
/// The contract: a project has the same folder.
const CONTRACT: &str = "wit";
/// What building in the source folder leaves there, and what git keeps for itself.
const NOT_SOURCE: [&str; 6] = [
    "build",
    "target",
    "node_modules",
    "package-lock.json",
    "__pycache__",
    ".venv",
];
/// The SDK as the example in the checkout names it, and as a project does.
const SDK_HERE: &str = "path = \"../../sdk\"";
const SDK_VENDORED: &str = "path = \"vendor/vale-sdk\"";
/// Holds the hash of all that the component was made of.
const INPUTS: &str = ".inputs";

/// A plugin that was built, or not.
pub(crate) struct Example {
    /// One of [`LANGUAGES`].
    pub(crate) language: &'static str,
    /// The component, or why its toolchain could not be had.
    pub(crate) component: Result<PathBuf>,
}

/// Builds the example of every language whose toolchain is here or to be had.
///
/// # Errors
/// When an example does not build. A toolchain that cannot be installed is no error but part of the result.
pub(crate) fn build(ws: &Workspace, wasm: &Wasm, cache: &Path) -> Result<Vec<Example>> {
    let mut built = Vec::new();
    for language in LANGUAGES {
        let (toolchain, builder): (String, Builder<'_>) = match language.trim_start_matches(TOOL) {
            "rust" => (
                wasm.describe(),
                Box::new(|project| build_rust(ws, wasm, project).map(Ok)),
            ),
            "js" => (
                String::new(),
                Box::new(|project| build_js(ws, cache, project)),
            ),
            _ => (
                String::new(),
                Box::new(|project| build_python(ws, cache, project)),
            ),
        };
        let project = project(ws, language)?;
        let inputs = hash(&project, &toolchain);
        let out = ws.examples().join(language);
        let component = out.join("component.wasm");
        let is_current = || {
            std::fs::read_to_string(out.join(INPUTS)).is_ok_and(|old| old == inputs)
                && component.is_file()
        };
        if !is_current() {
            let folder = ws.target.join("examples-projects").join(language);
            lay_out(&project, &folder)?;
            // Until it is built anew there is none: tests must not take an old one for it.
            remove(&out)?;
            match builder(&folder).with_context(|| format!("the {language} example"))? {
                Ok(bytes) => {
                    files::write_if_changed(&component, &bytes)?;
                    let manifest = project.get(Path::new("plugin.toml"));
                    let manifest = manifest.context("the example has no plugin.toml")?;
                    files::write_if_changed(&out.join("plugin.toml"), manifest)?;
                    files::write_if_changed(&out.join(INPUTS), inputs.as_bytes())?;
                }
                Err(why) => {
                    built.push(Example {
                        language,
                        component: Err(why),
                    });
                    continue;
                }
            }
        }
        built.push(Example {
            language,
            component: Ok(component),
        });
    }
    Ok(built)
}

/// Says what was built and what could not be.
pub(crate) fn say_built(ws: &Workspace, built: &[Example]) {
    for example in built {
        match &example.component {
            Ok(path) => {
                let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
                say(&format!("{} example: {} kB", example.language, size / 1000));
            }
            Err(why) => say(&format!(
                "{} example: not built, its tests are skipped: {why:#}",
                example.language
            )),
        }
    }
    say(&format!("examples in {}", ws.examples().display()));
}

/// Builds the project in a folder to a component. The outer error: it does not build; the inner one: its
/// toolchain is not to be had here.
type Builder<'a> = Box<dyn Fn(&Path) -> Result<Result<Vec<u8>>> + 'a>;

fn build_rust(ws: &Workspace, wasm: &Wasm, project: &Path) -> Result<Vec<u8>> {
    let mut cargo = wasm.cargo_build(ws, "");
    cargo.current_dir(project);
    let artifacts = process::build(cargo.arg("--locked"))?;
    let core = artifacts
        .iter()
        .filter(|artifact| ["echo_provider", "count_tool"].contains(&&*artifact.target))
        .flat_map(|artifact| &artifact.files)
        .find(|file| guests::is_wasm(file))
        .context("cargo built no wasm module")?;
    guests::component(core)
}

fn build_js(ws: &Workspace, cache: &Path, project: &Path) -> Result<Result<Vec<u8>>> {
    let wanted = read(&project.join("package.json"))?;
    let installed = project.join("node_modules/.installed-for");
    let node = match peers::ensure_node(cache) {
        Ok(node) => node,
        Err(why) => return Ok(Err(why)),
    };
    if !std::fs::read(&installed).is_ok_and(|have| have == wanted) {
        say("npm install, for the example in JavaScript");
        if let Err(why) = process::run(node.npm_install(ws).current_dir(project)) {
            return Ok(Err(why));
        }
        files::write_if_changed(&installed, &wanted)?;
    }
    process::run(ws.child(&node.node).arg("build.mjs").current_dir(project))?;
    read(&project.join("build/component.wasm")).map(Ok)
}

fn build_python(ws: &Workspace, cache: &Path, project: &Path) -> Result<Result<Vec<u8>>> {
    let wanted = read(&project.join("requirements.txt"))?;
    let wanted = String::from_utf8(wanted).context("requirements.txt is not text")?;
    let tool = match peers::ensure_python(ws, cache, wanted.trim(), "componentize-py") {
        Ok(tool) => tool,
        Err(why) => return Ok(Err(why)),
    };
    let python = tool.with_file_name(format!("python{}", std::env::consts::EXE_SUFFIX));
    process::run(ws.child(python).arg("build.py").current_dir(project))?;
    read(&project.join("build/component.wasm")).map(Ok)
}

/// Every file of the project that `plugin new` writes for this language, by its path in the project.
type Project = BTreeMap<PathBuf, Vec<u8>>;

fn project(ws: &Workspace, language: &str) -> Result<Project> {
    let mut project = Project::new();
    let source = ws.root.join(EXAMPLES).join(language);
    collect(&source, Path::new(""), &mut project)?;
    collect(&ws.root.join(CONTRACT), Path::new("wit"), &mut project)?;
    if let Some(manifest) = project.get_mut(Path::new("Cargo.toml")) {
        let text = std::str::from_utf8(manifest).context("Cargo.toml is not text")?;
        let vendored = text.replacen(SDK_HERE, SDK_VENDORED, 1);
        anyhow::ensure!(vendored != text, "Cargo.toml does not say {SDK_HERE}");
        *manifest = vendored.into_bytes();
        let (sdk, to) = (ws.root.join("plugins/sdk"), Path::new("vendor/vale-sdk"));
        for part in ["Cargo.toml", "README.md"] {
            project.insert(to.join(part), read(&sdk.join(part))?);
        }
        collect(&sdk.join("src"), &to.join("src"), &mut project)?;
    }
    Ok(project)
}

/// Adds the files of a folder, without what is no source.
fn collect(folder: &Path, to: &Path, project: &mut Project) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{} could not be read", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("{} could not be read", folder.display()))?;
        let name = entry.file_name();
        if NOT_SOURCE.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.path().is_dir() {
            collect(&entry.path(), &to.join(name), project)?;
        } else {
            project.insert(to.join(name), read(&entry.path())?);
        }
    }
    Ok(())
}

/// Writes the project; what an earlier one left is removed, except what was installed for it.
fn lay_out(project: &Project, folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() != "node_modules" {
            remove(&entry.path())?;
        }
    }
    for (path, bytes) in project {
        files::write_if_changed(&folder.join(path), bytes)?;
    }
    Ok(())
}

fn hash(project: &Project, toolchain: &str) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // With its length, so that no two lists of parts run together to the same bytes.
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    part(toolchain.as_bytes());
    for (path, bytes) in project {
        part(path.to_string_lossy().as_bytes());
        part(bytes);
    }
    model::hex(&hash.finalize())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} could not be read", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else if path.exists() {
        std::fs::remove_file(path)
    } else {
        Ok(())
    };
    removed.with_context(|| format!("{} could not be removed", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_stands_by_itself() {
        let ws = Workspace::find().unwrap();
        for (language, source) in [
            ("rust", "src/lib.rs"),
            ("js", "provider.js"),
            ("python", "provider.py"),
        ] {
            let project = project(&ws, language).unwrap();
            let has = |path: &str| project.contains_key(Path::new(path));
            for path in ["plugin.toml", "README.md", "recordings/hello.json", source] {
                assert!(has(path), "{language}: {path}");
            }
            assert!(has("wit/provider/provider.wit"), "{language}");
            let stray = |path: &&PathBuf| {
                path.components()
                    .any(|part| NOT_SOURCE.iter().any(|name| part.as_os_str() == *name))
            };
            assert_eq!(project.keys().find(stray), None, "{language}");
        }
        let rust = project(&ws, "rust").unwrap();
        // Nothing of the checkout's own layout is left in what a stranger builds.
        for manifest in ["Cargo.toml", "vendor/vale-sdk/Cargo.toml"] {
            let text = String::from_utf8(rust[Path::new(manifest)].clone()).unwrap();
            assert!(!text.contains("../"), "{manifest}: {text}");
            assert!(!text.contains("workspace = true"), "{manifest}: {text}");
        }
    }

    #[test]
    fn the_hash_tells_apart_what_differs_in_any_place() {
        let of = |files: &[(&str, &str)], toolchain: &str| {
            let files = files
                .iter()
                .map(|(path, bytes)| (PathBuf::from(path), bytes.as_bytes().to_vec()));
            hash(&files.collect(), toolchain)
        };
        let first = of(&[("a", "bc")], "t");
        assert_eq!(first, of(&[("a", "bc")], "t"));
        for other in [
            of(&[("ab", "c")], "t"),
            of(&[("a", "bd")], "t"),
            of(&[("a", "bc")], "u"),
            of(&[("a", "b"), ("c", "")], "t"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_new_layout_removes_what_an_old_one_left_but_not_what_was_installed() {
        let dir = tempfile::tempdir().unwrap();
        let with = |path: &str| Project::from([(PathBuf::from(path), b"x".to_vec())]);
        lay_out(&with("src/old.rs"), dir.path()).unwrap();
        files::write_if_changed(&dir.path().join("node_modules/x"), b"").unwrap();
        lay_out(&with("src/new.rs"), dir.path()).unwrap();
        assert!(!dir.path().join("src/old.rs").exists());
        assert!(dir.path().join("src/new.rs").is_file());
        assert!(dir.path().join("node_modules/x").is_file());
    }
}
