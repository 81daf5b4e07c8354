//! A Rust toolchain that builds wasm32: the active one, rustup's, or Debian's packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Workspace};
use crate::{process, say};

const WASM: &str = "wasm32-unknown-unknown";
/// Debian's Rust packages that carry the standard library's source.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// Older wasm linkers do not know the object features that this Rust emits.
const OLDEST_LLD: u32 = 19;

/// How guests are compiled.
#[derive(Debug)]
pub(crate) enum Wasm {
    /// The active toolchain has the target.
    Active,
    /// Debian's toolchain, which compiles the standard library from source and links with this linker.
    Debian {
        /// The path of `wasm-ld-N`.
        linker: PathBuf,
    },
}

impl Wasm {
    /// Finds a toolchain, or installs one: the active one, then rustup, then Debian's packages.
    ///
    /// `VALECHAT_WASM_TOOLCHAIN` set to `installed`, `rustup` or `debian` tries that way only.
    ///
    /// # Errors
    /// A sentence that says what to install.
    pub(crate) fn ensure(ws: &Workspace) -> Result<Self> {
        let forced = std::env::var("VALECHAT_WASM_TOOLCHAIN").unwrap_or_default();
        match forced.as_str() {
            "" => {}
            "installed" if active_has(WASM)? => return Ok(Self::Active),
            "installed" => {
                bail!("VALECHAT_WASM_TOOLCHAIN=installed, but the active Rust has no {WASM} target")
            }
            "rustup" if rustup_adds(ws, WASM)? => return Ok(Self::Active),
            "rustup" => bail!("VALECHAT_WASM_TOOLCHAIN=rustup, but rustup could not add {WASM}"),
            "debian" => return debian(ws).map(|linker| Self::Debian { linker }),
            other => bail!(
                "VALECHAT_WASM_TOOLCHAIN is {other:?}: use installed, rustup or debian, or leave it out"
            ),
        }
        if active_has(WASM)? || rustup_adds(ws, WASM)? {
            return Ok(Self::Active);
        }
        let linker = debian(ws).map_err(|why| {
            why.context(format!(
                "the plugins need Rust's {WASM} target. Install it with `rustup target add {WASM}`, \
                 or install your system's package for it, and run this again"
            ))
        })?;
        Ok(Self::Debian { linker })
    }

    /// One line for the person.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Active => format!("the active Rust toolchain, with {WASM}"),
            Self::Debian { linker } => {
                format!("Debian's rustc-web, std from source, {}", linker.display())
            }
        }
    }

    /// `cargo build --release` for wasm in `folder` of the checkout.
    pub(crate) fn cargo_build(&self, ws: &Workspace, folder: &str) -> Command {
        let mut cargo = match self {
            Self::Active => {
                let mut cargo = ws.cargo(folder);
                cargo.env("CARGO_TARGET_DIR", ws.target.join("guests"));
                cargo.args(["build", "--release", "--target", WASM]);
                cargo
            }
            Self::Debian { linker } => {
                let mut cargo = debian_cargo(ws, folder);
                cargo
                    .env("CARGO_TARGET_DIR", ws.target.join("guests-debian"))
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                    .args([
                        "build",
                        "--release",
                        "--target",
                        WASM,
                        "-Z",
                        "build-std=std,panic_abort",
                    ]);
                cargo
            }
        };
        // Flags that a person set for the host's CPU would break, or at least change, the guests.
        cargo
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo
    }
}

/// `/usr/bin/cargo` with Debian's compiler, allowed to build the standard library from source.
pub(crate) fn debian_cargo(ws: &Workspace, folder: &str) -> Command {
    let mut cargo = ws.child("/usr/bin/cargo");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let entries = std::iter::once(PathBuf::from("/usr/bin")).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(entries) {
        cargo.env("PATH", path);
    }
    cargo
        .current_dir(ws.root.join(folder))
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC_WRAPPER");
    cargo
}

/// Whether the active toolchain holds the standard library of `target`.
///
/// # Errors
/// When rustc cannot be asked.
pub(crate) fn active_has(target: &str) -> Result<bool> {
    Ok(holds_std(
        &workspace::sysroot()?
            .join("lib/rustlib")
            .join(target)
            .join("lib"),
    ))
}

fn holds_std(lib: &Path) -> bool {
    std::fs::read_dir(lib).is_ok_and(|entries| {
        entries.filter_map(Result::ok).any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    })
}

/// Asks rustup, where there is one, for `target`; true when the active toolchain then has it.
///
/// # Errors
/// When rustc cannot be asked.
pub(crate) fn rustup_adds(ws: &Workspace, target: &str) -> Result<bool> {
    if !process::succeeds(process::command("rustup").arg("--version")) {
        return Ok(false);
    }
    say(&format!("rustup target add {target}"));
    // A failure is not the end: another way may work, and the last one explains itself.
    Ok(
        process::run(ws.child("rustup").args(["target", "add", target])).is_ok()
            && active_has(target)?,
    )
}

/// Installs what is missing of Debian's toolchain and returns its wasm linker.
fn debian(ws: &Workspace) -> Result<PathBuf> {
    debian_rust(ws)?;
    if newest_wasm_linker().is_none() {
        apt_install(ws, &["lld-19"]).or_else(|_| apt_install(ws, &["lld"]))?;
    }
    newest_wasm_linker().with_context(|| {
        format!("no wasm linker (wasm-ld-{OLDEST_LLD} or newer): install the package lld-19")
    })
}

/// Makes sure that Debian's Rust with the standard library's source is installed.
///
/// # Errors
/// When this is no Debian, or the packages are missing and cannot be installed.
pub(crate) fn debian_rust(ws: &Workspace) -> Result<()> {
    if !is_debian(&std::fs::read_to_string("/etc/os-release").unwrap_or_default()) {
        bail!("this system is not Debian or Ubuntu, so its packages could not be tried");
    }
    let missing: Vec<_> = DEBIAN_PACKAGES
        .into_iter()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        apt_install(ws, &missing)
    }
}

/// Whether a Debian package is installed and configured.
pub(crate) fn is_installed(package: &str) -> bool {
    let mut query = process::command("dpkg-query");
    query
        .args(["-W", "-f", "${db:Status-Abbrev}", package])
        .stderr(std::process::Stdio::null());
    query
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"ii"))
}

/// Installs Debian packages when we are root.
///
/// # Errors
/// The command to type, when we are not root or it fails.
pub(crate) fn apt_install(ws: &Workspace, packages: &[&str]) -> Result<()> {
    let by_hand = format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    );
    let user = process::read(process::command("id").arg("-u"))?;
    if user.trim() != "0" {
        bail!("packages are missing and only root may install them: run `sudo {by_hand}`");
    }
    say(&by_hand);
    let apt = || {
        let mut apt = ws.child("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
        apt
    };
    process::run(apt().arg("update"))
        .and_then(|()| {
            process::run(
                apt()
                    .args(["install", "-y", "--no-install-recommends"])
                    .args(packages),
            )
        })
        .with_context(|| format!("packages could not be installed: try `{by_hand}` by hand"))
}

fn newest_wasm_linker() -> Option<PathBuf> {
    let names = std::fs::read_dir("/usr/bin")
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.file_name());
    let version = newest_lld(names.map(|name| name.to_string_lossy().into_owned()))?;
    Some(PathBuf::from(format!("/usr/bin/wasm-ld-{version}")))
}

fn newest_lld(names: impl Iterator<Item = String>) -> Option<u32> {
    names
        .filter_map(|name| name.strip_prefix("wasm-ld-")?.parse().ok())
        .filter(|version| *version >= OLDEST_LLD)
        .max()
}

fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        })
        .flat_map(|ids| ids.trim_matches('"').split_whitespace())
        .any(|id| id == "debian" || id == "ubuntu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_what_derives_from_it_is_known() {
        assert!(is_debian("NAME=x\nID=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nHOME_URL=debian\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn the_newest_linker_that_is_new_enough_is_taken() {
        let newest = |names: &[&str]| newest_lld(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(
            newest(&[
                "wasm-ld-14",
                "wasm-ld-19",
                "wasm-ld-21",
                "wasm-ld",
                "ld.lld-22"
            ]),
            Some(21)
        );
        assert_eq!(newest(&["wasm-ld-14"]), None);
    }

    #[test]
    fn a_folder_without_a_standard_library_is_no_target() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!holds_std(dir.path()));
        assert!(!holds_std(&dir.path().join("absent")));
        std::fs::write(dir.path().join("libstd-0123.rlib"), b"").unwrap();
        assert!(holds_std(dir.path()));
    }
}
