//! `valechat-infer`, built for this machine's CPU and kept beside its baseline twin; the host chooses at start.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{files, process};

/// The package and its program.
pub(crate) const PACKAGE: &str = "vale-inference";
const PROGRAM: &str = "valechat-infer";

/// What the program may assume of the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// x86-64 with AVX2, FMA, BMI2 and F16C: candle decodes 71 tokens a second there instead of 25.
    X86V3,
    /// Whatever rustc takes for the target.
    Baseline,
}

impl Level {
    /// The best level that this machine runs.
    pub(crate) fn of_this_machine() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("bmi2")
            && std::is_x86_feature_detected!("f16c")
        {
            return Self::X86V3;
        }
        Self::Baseline
    }

    fn file_name(self) -> String {
        let level = match self {
            Self::X86V3 => "x86-64-v3",
            Self::Baseline => "baseline",
        };
        format!("{PROGRAM}-{level}{}", std::env::consts::EXE_SUFFIX)
    }

    /// cargo, with this level's flags. Other flags need another build folder, or everything is built anew.
    pub(crate) fn cargo(self, ws: &Workspace) -> Command {
        let mut cargo = ws.cargo("");
        if self == Self::X86V3 {
            cargo.env("CARGO_TARGET_DIR", v3_target(&ws.target));
            // Both variables a person may have set; cargo reads the encoded one first.
            match std::env::var("CARGO_ENCODED_RUSTFLAGS") {
                Ok(flags) if !flags.is_empty() => {
                    cargo.env(
                        "CARGO_ENCODED_RUSTFLAGS",
                        format!("{flags}\u{1f}-Ctarget-cpu=x86-64-v3"),
                    );
                }
                _ => {
                    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
                    cargo.env(
                        "RUSTFLAGS",
                        format!("{flags} -C target-cpu=x86-64-v3").trim(),
                    );
                }
            }
        }
        cargo
    }
}

fn v3_target(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push("-infer-v3");
    PathBuf::from(name)
}

/// Builds the program for `level` and lays it into the folder that the host chooses from.
///
/// # Errors
/// When it does not build or cannot be copied.
pub(crate) fn build(ws: &Workspace, level: Level) -> Result<PathBuf> {
    let artifacts = process::build(
        level
            .cargo(ws)
            .args(["build", "-p", PACKAGE, "--bin", PROGRAM]),
    )?;
    let program = process::executable(&artifacts, PROGRAM)?;
    let place = ws.infer().join(level.file_name());
    files::copy_program(&program, &place)
        .context("valechat-infer was built and could not be laid in its place")?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_a_file_and_a_build_folder_of_its_own() {
        assert!(
            Level::X86V3
                .file_name()
                .starts_with("valechat-infer-x86-64-v3")
        );
        assert!(
            Level::Baseline
                .file_name()
                .starts_with("valechat-infer-baseline")
        );
        assert_eq!(
            v3_target(Path::new("/c/target")),
            PathBuf::from("/c/target-infer-v3")
        );
    }
}
