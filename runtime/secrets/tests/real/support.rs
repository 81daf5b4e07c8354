//! Running one test of this binary again, in an environment of its own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Arguments that make a test binary run the ignored test `name` alone.
pub(crate) fn only(name: &str) -> [&str; 4] {
    ["--ignored", "--exact", "--nocapture", name]
}

/// Fails unless the child ran exactly one test and it passed.
pub(crate) fn assert_passed(output: &Output) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && stdout.contains("1 passed; 0 failed");
    assert!(
        passed,
        "{}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
        output.status
    );
}

/// Whether a program of that name is on `PATH`.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Says that a test was skipped, where people and `cargo xtask test` see it.
pub(crate) fn skip(why: &str) {
    println!("SKIPPED: {why}");
    if let Some(log) = std::env::var_os("VALECHAT_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        writeln!(log, "{why}").unwrap();
    }
}

/// A command that sees nothing of the person's session or files: homes in `folder`, no bus, no
/// display.
pub(crate) fn isolated(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (variable, name) in [
        ("HOME", "home"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "run"),
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).unwrap();
        // The desktop's programs refuse a runtime folder that others can enter.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&path, mode).unwrap();
        command.env(variable, path);
    }
    for variable in [
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "GNOME_KEYRING_CONTROL",
    ] {
        command.env_remove(variable);
    }
    command
}
