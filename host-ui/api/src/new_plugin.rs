//! Beginning a plugin: a project that builds, in the author's language, under their id and name.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vale_plugins::{Manifest, PluginKind};
use vale_types::PluginId;

use crate::api::blocking;
use crate::error::{ApiError, ApiErrorKind};
use crate::templates::{self, File};

/// A language that there are templates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// Rust, with the SDK; components of some 100 kB.
    Rust,
    /// Python, by componentize-py; components of some 20 MB.
    Python,
    /// JavaScript, by componentize-qjs; components of some 2 MB.
    Js,
}

/// A plugin to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPlugin {
    /// Where; it must not be there yet, or be empty.
    pub folder: PathBuf,
    /// In what.
    pub language: Language,
    /// For what.
    pub kind: PluginKind,
    /// Reverse DNS; none = `com.example.` and the folder's name.
    #[serde(default)]
    pub id: Option<String>,
    /// For people; none = of the id's last part.
    #[serde(default)]
    pub name: Option<String>,
}

/// A plugin that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginBegun {
    /// Its id.
    pub id: PluginId,
    /// Its name.
    pub name: String,
    /// Its folder, as it was given.
    pub folder: PathBuf,
    /// How many files were written.
    pub files: usize,
    /// What to type next, in order: build, test, install.
    pub next: Vec<String>,
}

/// An example: its files, the id and name that stand in it.
struct Template {
    files: &'static [File],
    id: &'static str,
    name: &'static str,
}

/// Writes a plugin's project. Nothing is fetched.
///
/// # Errors
/// When the id or name breaks the manifest's rules, the folder holds something, or it cannot be written.
pub async fn new_plugin(request: NewPlugin) -> Result<PluginBegun, ApiError> {
    blocking(move || begin(&request)).await
}

fn begin(request: &NewPlugin) -> Result<PluginBegun, ApiError> {
    let id = match &request.id {
        Some(id) => id.clone(),
        None => format!("com.example.{}", label(&request.folder)?),
    };
    let name = match &request.name {
        Some(name) => name.trim().to_owned(),
        None => title(&id),
    };
    let files = project(request.language, request.kind, &id, &name)?;
    let manifest = files
        .iter()
        .find(|(path, _)| *path == "plugin.toml")
        .map_or("", |(_, text)| text);
    // The very rules that an install follows.
    let manifest = Manifest::parse(manifest).map_err(|error| {
        ApiError::new(
            ApiErrorKind::Usage,
            format!("A plugin cannot be called so: {error}"),
            "Choose another --id or --name; nothing was written.",
        )
    })?;
    if !manifest.id.as_str().contains('.') {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            format!("“{id}” has no dot; such ids are ValeChat's own."),
            "Choose an id like org.example.name, of a domain that is yours.",
        ));
    }
    let folder = &request.folder;
    make_empty(folder)?;
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    Ok(PluginBegun {
        id: manifest.id,
        name,
        folder: folder.clone(),
        files: files.len(),
        next: next(request.language, folder),
    })
}

/// The folder's own name as the last part of an id.
fn label(folder: &Path) -> Result<String, ApiError> {
    let found = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = found.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let name = name.replace(['_', ' '], "-");
    let fits = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits {
        return Ok(name);
    }
    Err(ApiError::new(
        ApiErrorKind::Usage,
        "The folder's name cannot be part of a plugin's id.",
        "Say it with --id org.example.name.",
    ))
}

/// `org.example.my-chat` → `My chat`.
fn title(id: &str) -> String {
    let last = id.rsplit('.').next().unwrap_or(id).replace('-', " ");
    let mut letters = last.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => last,
    }
}

/// Every file, with the id and name put in.
fn project(
    language: Language,
    kind: PluginKind,
    id: &str,
    name: &str,
) -> Result<Vec<(&'static str, String)>, ApiError> {
    // The name stands in quotes in three languages and in TOML.
    if name.is_empty() || name.contains(['"', '\\']) || name.chars().any(char::is_control) {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            "A plugin's name must not be empty, and holds no quotes, backslashes or line breaks.",
            "Choose another --name.",
        ));
    }
    if id.contains(['"', '\\']) || id.chars().any(char::is_control) {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            "That is no plugin id.",
            "Choose an id like org.example.name: lower-case letters, digits and dashes between dots.",
        ));
    }
    let template = template(language, kind);
    let quoted = (format!("\"{}\"", template.name), format!("\"{name}\""));
    let heading = (format!("# {}\n", template.name), format!("# {name}\n"));
    let own = template.files.iter().map(|(path, text)| {
        let mut text = text.replace(template.id, id);
        match *path {
            "README.md" => text = text.replacen(&heading.0, &heading.1, 1),
            "Cargo.toml" => {
                text = text.replacen(templates::SDK_HERE, templates::SDK_VENDORED, 1);
            }
            "LICENSE" | "Cargo.lock" => {}
            path if path.starts_with("recordings/") => {}
            _ => text = text.replace(&quoted.0, &quoted.1),
        }
        (*path, text)
    });
    let with =
        |files: &'static [File]| files.iter().map(|(path, text)| (*path, (*text).to_owned()));
    let sdk = if language == Language::Rust {
        templates::SDK
    } else {
        &[]
    };
    Ok(own
        .chain(with(templates::CONTRACT))
        .chain(with(sdk))
        .collect())
}

fn template(language: Language, kind: PluginKind) -> Template {
    let files = match (kind, language) {
        (PluginKind::Provider, Language::Rust) => templates::PROVIDER_RUST,
        (PluginKind::Provider, Language::Js) => templates::PROVIDER_JS,
        (PluginKind::Provider, Language::Python) => templates::PROVIDER_PYTHON,
        (PluginKind::Tool, Language::Rust) => templates::TOOL_RUST,
        (PluginKind::Tool, Language::Js) => templates::TOOL_JS,
        (PluginKind::Tool, Language::Python) => templates::TOOL_PYTHON,
    };
    let (id, name) = match kind {
        PluginKind::Provider => ("com.example.echo", "Echo"),
        PluginKind::Tool => ("com.example.count", "Count"),
    };
    Template { files, id, name }
}

/// What to type next: build, test, install.
fn next(language: Language, folder: &Path) -> Vec<String> {
    let build = match language {
        Language::Rust => "cargo build --release --target wasm32-unknown-unknown",
        Language::Js => "npm install && npm run build",
        Language::Python => {
            "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python build.py"
        }
    };
    let folder = folder.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/\\._-:".contains(c);
    let folder = if folder.chars().all(is_plain) {
        folder
    } else {
        format!("\"{folder}\"")
    };
    vec![
        format!("cd {folder} && {build}"),
        "valechat plugin test .".to_owned(),
        "valechat plugin install .".to_owned(),
    ]
}

fn make_empty(folder: &Path) -> Result<(), ApiError> {
    let failed = |error: std::io::Error| cannot_write(folder, &error);
    fs::create_dir_all(folder).map_err(failed)?;
    let mut entries = fs::read_dir(folder).map_err(failed)?;
    if entries.next().is_some() {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            format!("{} is not empty.", folder.display()),
            "Name a folder that is not there yet. Nothing was written.",
        ));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), ApiError> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        // Never over something that came there meanwhile.
        .and_then(|()| fs::File::create_new(path))
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> ApiError {
    ApiError::new(
        ApiErrorKind::Failed,
        format!("{} cannot be written: {error}.", path.display()),
        "Choose another folder, or look at its permissions and the disk.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 3] = [Language::Rust, Language::Js, Language::Python];
    const KINDS: [PluginKind; 2] = [PluginKind::Provider, PluginKind::Tool];

    fn request(folder: PathBuf, id: &str, name: &str) -> NewPlugin {
        NewPlugin {
            folder,
            language: Language::Js,
            kind: PluginKind::Provider,
            id: Some(id.to_owned()),
            name: Some(name.to_owned()),
        }
    }

    #[test]
    fn every_project_carries_its_id_and_name_and_nothing_of_the_examples() {
        for language in LANGUAGES {
            for kind in KINDS {
                let files = project(language, kind, "org.acme.my-one", "Möwe 7").unwrap();
                let mut named = Vec::new();
                for (path, text) in &files {
                    let is_own = !path.starts_with("wit/") && !path.starts_with("vendor/");
                    let template = template(language, kind);
                    assert!(!is_own || !text.contains(template.id), "{path}");
                    let quoted = format!("\"{}\"", template.name);
                    assert!(!is_own || !text.contains(&quoted), "{path}");
                    assert!(!text.contains("path = \"../"), "{path}");
                    if text.contains("Möwe 7") {
                        named.push(*path);
                    }
                }
                // The manifest, the readme and one line of source.
                assert_eq!(named.len(), 3, "{language:?} {kind:?}: {named:?}");
                let manifest = files
                    .iter()
                    .find(|(path, _)| *path == "plugin.toml")
                    .unwrap();
                let manifest = Manifest::parse(&manifest.1).unwrap();
                assert_eq!(manifest.id.as_str(), "org.acme.my-one");
                assert_eq!(manifest.name, "Möwe 7");
                assert_eq!(manifest.world.kind, kind);
            }
        }
    }

    #[test]
    fn ids_and_names_that_a_manifest_refuses_write_nothing() {
        let home = tempfile::tempdir().unwrap();
        for (id, name) in [
            ("echo", "Echo"),
            ("Org.Example.X", "X"),
            ("../../etc", "X"),
            ("org.example/../x", "X"),
            ("org..x", "X"),
            ("org.example.x\"\nname = \"y", "X"),
            ("", "X"),
            ("org.example.x", ""),
            ("org.example.x", "a\"\n[limits]"),
            ("org.example.x", "\\u0000"),
            ("org.example.x", "a\u{202e}b"),
        ] {
            let folder = home.path().join("x");
            let begun = begin(&request(folder.clone(), id, name));
            assert!(begun.is_err(), "{id:?} {name:?}: {begun:?}");
            assert!(!folder.exists(), "{id:?} {name:?}");
        }
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".hidden"), "mine").unwrap();
        let refused = begin(&request(home.path().to_owned(), "org.example.x", "X")).unwrap_err();
        assert!(refused.sentence.contains("not empty"), "{refused:?}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        let file = home.path().join(".hidden");
        assert!(begin(&request(file, "org.example.x", "X")).is_err());
    }

    #[test]
    fn without_an_id_the_folder_names_it() {
        let home = tempfile::tempdir().unwrap();
        let mut asked = request(home.path().join("My_Chat"), "", "");
        (asked.id, asked.name) = (None, None);
        let begun = begin(&asked).unwrap();
        assert_eq!(begun.id.as_str(), "com.example.my-chat");
        assert_eq!(begun.name, "My chat");
        assert!(begun.next[0].starts_with("cd "), "{begun:?}");
        asked.folder = home.path().join("ä!");
        assert!(begin(&asked).unwrap_err().next_step.contains("--id"));
    }
}
