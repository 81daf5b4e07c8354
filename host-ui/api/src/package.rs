//! Plugins as files: reading one without running it, and making one of a project.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vale_host::{PermissionCard, inspect_component};
use vale_plugins::{
    CardContext, Ceiling, Contents, Grant, MAX_PACKAGE_BYTES, Package, PluginKind, readable,
    sha256_hex,
};
use vale_types::PluginId;

use crate::api::blocking;
use crate::draft::shape_of_host;
use crate::error::{ApiError, ApiErrorKind};
use crate::install::agreement;

/// Longest readme or licence that is handed on, characters: as long as a file may have.
const MAX_TEXT: usize = 256 * 1024;

/// What a plugin's file holds.
#[derive(Debug, Clone, Serialize)]
pub struct PluginFile {
    /// What it would be allowed, once agreed; nothing of it is.
    pub card: PermissionCard,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Size, bytes.
    pub bytes: u64,
    /// Its readme, safe to print.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readme: Option<String>,
    /// Its licence's text, safe to print.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Width and height of its icon, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<(u32, u32)>,
    /// Whether the place of the signature is taken. Nothing checks it yet.
    pub has_signature: bool,
}

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// The plugin.
    pub id: PluginId,
    /// Its version.
    pub version: String,
    /// The file.
    pub path: PathBuf,
    /// Its size, bytes.
    pub bytes: u64,
}

/// A file that was read and fits together.
pub(crate) struct Opened {
    pub(crate) file: Vec<u8>,
    pub(crate) package: Package,
    pub(crate) imports: Vec<String>,
}

/// What a plugin's file, or its project, holds. Nothing of it is compiled or run, and no host is
/// needed.
///
/// # Errors
/// When it is no plugin that this ValeChat would run.
pub async fn plugin_file(path: &Path) -> Result<PluginFile, ApiError> {
    let path = path.to_owned();
    let opened = blocking(move || open(&path)).await?;
    let package = &opened.package;
    let settings = serde_json::Map::new();
    // As it would stand once agreed; a plugin that needs settings first shows what is open.
    let agreed = agreement(&package.manifest, &settings, &Grant::default(), false);
    let grant = agreed.map_or_else(|_| Grant::default(), |(_, grant)| grant);
    let card = PermissionCard::new(
        &package.manifest,
        &CardContext {
            settings: &settings,
            host: &shape_of_host(),
            grant: &grant,
            ceiling: &Ceiling::default(),
            imports: &opened.imports,
            differences: &[],
        },
    );
    let shown = |text: &Option<String>| text.as_ref().map(|text| readable(text, MAX_TEXT));
    Ok(PluginFile {
        card,
        sha256: sha256_hex(&opened.file),
        bytes: opened.file.len() as u64,
        readme: shown(&package.readme),
        license: shown(&package.license),
        icon: package.icon_size(),
        has_signature: package.has_signature,
    })
}

/// Makes one file of a plugin's project. `to`: where; none = `<id>-<version>.wasm` beside the component.
///
/// # Errors
/// When a part is missing or has mistakes, or the file cannot be written.
pub async fn pack_plugin(folder: &Path, to: Option<&Path>) -> Result<Packed, ApiError> {
    let (folder, to) = (folder.to_owned(), to.map(Path::to_owned));
    blocking(move || {
        let (file, beside) = pack(&folder)?;
        let package =
            Package::of_bytes(&file).map_err(|error| unfit(&folder, error.to_string()))?;
        let manifest = &package.manifest;
        let path =
            to.unwrap_or_else(|| beside.join(format!("{}-{}.wasm", manifest.id, manifest.version)));
        fs::write(&path, &file).map_err(|error| {
            ApiError::new(
                ApiErrorKind::Failed,
                format!("{} cannot be written: {error}.", path.display()),
                "Choose another place with --output.",
            )
        })?;
        Ok(Packed {
            id: manifest.id.clone(),
            version: manifest.version.to_string(),
            path,
            bytes: file.len() as u64,
        })
    })
    .await
}

/// A plugin's file, or its project put together; its parts fit each other.
pub(crate) fn open(path: &Path) -> Result<Opened, ApiError> {
    let file = if path.is_dir() {
        pack(path)?.0
    } else {
        read(path, "Give the path of a plugin's .wasm file.")?
    };
    // First what is no component at all, in the sandbox's words, which know more of them.
    let shape = inspect_component(&file).map_err(|error| unfit(path, format!("{error}.")))?;
    let package = Package::of_bytes(&file).map_err(|error| unfit(path, error.to_string()))?;
    let world = &package.manifest.world;
    if world.kind != shape.kind {
        return Err(unfit(
            path,
            format!(
                "its manifest says that it is {}, and the component is {}.",
                said(world.kind),
                said(shape.kind)
            ),
        ));
    }
    Ok(Opened {
        file,
        package,
        imports: shape.imports,
    })
}

fn unfit(path: &Path, what: String) -> ApiError {
    ApiError::new(
        ApiErrorKind::Plugin,
        format!("{} is no plugin that ValeChat runs: {what}", path.display()),
        "Nothing was changed. Get the file again, or ask its author.",
    )
}

fn said(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Provider => "a provider",
        PluginKind::Tool => "a tool",
    }
}

fn read(path: &Path, next_step: &str) -> Result<Vec<u8>, ApiError> {
    let failed = |what: String| {
        ApiError::new(
            ApiErrorKind::Usage,
            format!("{} cannot be read: {what}.", path.display()),
            next_step,
        )
    };
    let found = fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !found.is_file() {
        return Err(failed("it is no file".to_owned()));
    }
    if found.len() > MAX_PACKAGE_BYTES {
        return Err(failed(format!(
            "it has {} MiB, and {} are the most",
            found.len() >> 20,
            MAX_PACKAGE_BYTES >> 20
        )));
    }
    fs::read(path).map_err(|error| failed(error.to_string()))
}

/// Puts a project together: `plugin.toml`, the component, and the texts where they are there. Also
/// the folder that the component lies in.
fn pack(folder: &Path) -> Result<(Vec<u8>, PathBuf), ApiError> {
    let missing = |what: &str, next: &str| {
        ApiError::new(
            ApiErrorKind::Usage,
            format!("{} holds no {what}.", folder.display()),
            next,
        )
    };
    let text = |names: &[&str]| {
        let found = names.iter().map(|name| folder.join(name));
        found
            .into_iter()
            .find_map(|path| fs::read_to_string(path).ok())
    };
    let manifest = text(&["plugin.toml"]).ok_or_else(|| {
        missing(
            "plugin.toml that can be read",
            "Give a plugin's file or the folder of its project.",
        )
    })?;
    let path = component(folder).ok_or_else(|| {
        missing(
            "component.wasm, neither there nor in `build`",
            "Build the plugin first; its README says how.",
        )
    })?;
    let component = wrapped(read(&path, "Build the plugin again.")?)
        .map_err(|error| unfit(&path, format!("{error}.")))?;
    let contents = Contents {
        manifest,
        readme: text(&["README.md"]),
        license: text(&["LICENSE", "LICENSE.txt", "LICENSE.md"]),
        icon: fs::read(folder.join("icon.png")).ok(),
    };
    let packed =
        Package::pack(&component, &contents).map_err(|error| unfit(folder, error.to_string()))?;
    let beside = path.parent().unwrap_or(folder).to_owned();
    Ok((packed, beside))
}

/// Where toolchains leave what they built: ours in `build`, cargo in its target folder.
fn component(folder: &Path) -> Option<PathBuf> {
    let fixed = ["component.wasm", "build/component.wasm"].map(|name| folder.join(name));
    if let Some(found) = fixed.into_iter().find(|path| path.is_file()) {
        return Some(found);
    }
    let cargo = folder.join("target/wasm32-unknown-unknown/release");
    let built = fs::read_dir(cargo)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    built
        .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
        .max_by_key(|path| fs::metadata(path).and_then(|found| found.modified()).ok())
}

/// A component as it is, and a core module of a Rust guest made one.
fn wrapped(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    const CORE_MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];
    if !bytes.starts_with(&CORE_MODULE) {
        return Ok(bytes);
    }
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| format!("the module cannot be made a component: {error:#}"))
}
