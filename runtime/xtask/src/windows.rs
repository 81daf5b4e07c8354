//! `cargo xtask check-windows`: type-checks the host for Windows on a machine that is none.

use anyhow::{Context, Result, bail};

use crate::toolchain::{self, debian_cargo};
use crate::workspace::Workspace;
use crate::{process, say};

const TARGET: &str = "x86_64-pc-windows-gnu";
/// Build scripts compile C for the target even when Rust is only checked.
const C_COMPILER: &str = "x86_64-w64-mingw32-gcc";
const C_PACKAGE: &str = "gcc-mingw-w64-x86-64";

/// Checks every crate of the host workspace for Windows.
///
/// # Errors
/// When a crate does not check, or what is needed cannot be installed.
pub(crate) fn check(ws: &Workspace) -> Result<()> {
    if !process::succeeds(process::command(C_COMPILER).arg("--version")) {
        toolchain::apt_install(ws, &[C_PACKAGE])
            .with_context(|| format!("{C_COMPILER} is needed: install {C_PACKAGE}"))?;
    }
    let mut cargo = cargo(ws)?;
    // The assembler that aws-lc would want on Windows; its own assembled objects serve a check as well.
    cargo.env("AWS_LC_SYS_PREBUILT_NASM", "1");
    process::run(&mut cargo)
}

fn cargo(ws: &Workspace) -> Result<std::process::Command> {
    let check = ["check", "--workspace", "--target", TARGET];
    let forced = std::env::var("VALECHAT_WASM_TOOLCHAIN").unwrap_or_default();
    if forced != "debian" && (toolchain::active_has(TARGET)? || toolchain::rustup_adds(ws, TARGET)?)
    {
        say(&format!("check for {TARGET} with the active Rust"));
        let mut cargo = ws.cargo("");
        cargo.args(check);
        return Ok(cargo);
    }
    if cfg!(not(target_os = "linux")) {
        bail!("the active Rust has no {TARGET}: `rustup target add {TARGET}`");
    }
    toolchain::debian_rust(ws).with_context(|| {
        format!("no Rust for {TARGET}: `rustup target add {TARGET}`, or Debian's rustc-web")
    })?;
    say(&format!(
        "check for {TARGET} with Debian's Rust, std from source"
    ));
    let mut cargo = debian_cargo(ws, "");
    cargo
        .env("CARGO_TARGET_DIR", ws.target.join("windows-debian"))
        .args(check)
        .args(["-Z", "build-std=std,panic_abort,panic_unwind"]);
    Ok(cargo)
}
