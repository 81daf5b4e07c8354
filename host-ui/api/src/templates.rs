//! What `plugin new` writes, by language: the projects of `plugins/examples` with the contract and, for
//! Rust, the SDK. They are in the program, so that a plugin can be begun without a network.

/// A file of a project: its path in the project, and what it holds.
pub(crate) type File = (&'static str, &'static str);

/// A list of files with what they hold now.
macro_rules! files {
    ($from:literal, $to:literal: $($path:literal)*) => {
        &[$((
            concat!($to, $path),
            include_str!(concat!("../../../", $from, $path)),
        )),*]
    };
}

/// ValeChat's plugin contract, the same for everyone.
pub(crate) const CONTRACT: &[File] = files!("wit/", "wit/":
    "CHANGELOG.md" "README.md" "host/host.wit" "provider/provider.wit" "tool/tool.wit" "types/types.wit");

/// The SDK for Rust.
pub(crate) const SDK: &[File] = files!("plugins/sdk/", "vendor/vale-sdk/":
    "Cargo.toml" "README.md"
    "src/bindings.rs" "src/context.rs" "src/decimal.rs"
    "src/errors/classify.rs" "src/errors/mod.rs" "src/errors/retry.rs" "src/errors/told.rs"
    "src/errors/web_page.rs"
    "src/frame/lines.rs" "src/frame/mod.rs" "src/frame/ndjson.rs" "src/frame/sse.rs"
    "src/guest.rs" "src/http.rs"
    "src/json/mod.rs" "src/json/read.rs" "src/json/write.rs"
    "src/lib.rs" "src/provider.rs" "src/session.rs" "src/testkit.rs" "src/text.rs"
    "src/tool/answer.rs" "src/tool/arguments.rs" "src/tool/bindings.rs" "src/tool/guest.rs"
    "src/tool/host.rs" "src/tool/mod.rs" "src/tool/run.rs" "src/tool/spec.rs" "src/tool/testkit.rs"
    "src/types.rs" "src/usage.rs");

/// The SDK as an example in the checkout names it, and as a project does.
pub(crate) const SDK_HERE: &str = "path = \"../../sdk\"";
pub(crate) const SDK_VENDORED: &str = "path = \"vendor/vale-sdk\"";

pub(crate) const PROVIDER_RUST: &[File] = files!("plugins/examples/rust/", "":
    ".gitignore" "Cargo.lock" "Cargo.toml" "LICENSE" "README.md" "plugin.toml"
    "src/lib.rs" "src/mapper.rs" "src/request.rs" "tests/recordings.rs"
    "recordings/cut.json" "recordings/error-with-200.json" "recordings/hello.json" "recordings/hello.sse"
    "recordings/models.json" "recordings/no-list.json" "recordings/odd-models.json"
    "recordings/rate-limit.json" "recordings/too-long.json"
    "recordings/tool-call.json" "recordings/tool-call.sse" "recordings/web-page.json"
    "recordings/wrong-key.json");

pub(crate) const PROVIDER_JS: &[File] = files!("plugins/examples/js/", "":
    ".gitignore" "LICENSE" "README.md" "build.mjs" "package.json" "plugin.toml" "provider.js" "vale.js"
    "recordings/cut.json" "recordings/error-with-200.json" "recordings/hello.json" "recordings/hello.sse"
    "recordings/models.json" "recordings/no-list.json" "recordings/odd-models.json"
    "recordings/rate-limit.json" "recordings/too-long.json"
    "recordings/tool-call.json" "recordings/tool-call.sse" "recordings/web-page.json"
    "recordings/wrong-key.json");

pub(crate) const PROVIDER_PYTHON: &[File] = files!("plugins/examples/python/", "":
    ".gitignore" "LICENSE" "README.md" "build.py" "plugin.toml" "provider.py" "requirements.txt" "vale.py"
    "recordings/cut.json" "recordings/error-with-200.json" "recordings/hello.json" "recordings/hello.sse"
    "recordings/models.json" "recordings/no-list.json" "recordings/odd-models.json"
    "recordings/rate-limit.json" "recordings/too-long.json"
    "recordings/tool-call.json" "recordings/tool-call.sse" "recordings/web-page.json"
    "recordings/wrong-key.json");

pub(crate) const TOOL_RUST: &[File] = files!("plugins/examples/tool-rust/", "":
    ".gitignore" "Cargo.lock" "Cargo.toml" "LICENSE" "README.md" "plugin.toml" "src/lib.rs"
    "tests/count.rs" "recordings/count.json" "recordings/no-text.json");

pub(crate) const TOOL_JS: &[File] = files!("plugins/examples/tool-js/", "":
    ".gitignore" "LICENSE" "README.md" "build.mjs" "package.json" "plugin.toml" "tool.js"
    "recordings/count.json" "recordings/no-text.json");

pub(crate) const TOOL_PYTHON: &[File] = files!("plugins/examples/tool-python/", "":
    ".gitignore" "LICENSE" "README.md" "build.py" "plugin.toml" "requirements.txt" "tool.py"
    "recordings/count.json" "recordings/no-text.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// What building leaves in a source folder, and what git keeps for itself.
    const NOT_SOURCE: [&str; 6] = [
        "build",
        "target",
        "node_modules",
        "package-lock.json",
        "__pycache__",
        ".venv",
    ];

    fn collect(folder: &Path, to: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if NOT_SOURCE.contains(&name.as_str()) {
                continue;
            }
            if entry.path().is_dir() {
                collect(&entry.path(), &format!("{to}{name}/"), found);
            } else {
                found.insert(format!("{to}{name}"));
            }
        }
    }

    #[test]
    fn the_program_holds_every_file_of_every_example() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (from, to, held) in [
            ("plugins/examples/rust", "", PROVIDER_RUST),
            ("plugins/examples/js", "", PROVIDER_JS),
            ("plugins/examples/python", "", PROVIDER_PYTHON),
            ("plugins/examples/tool-rust", "", TOOL_RUST),
            ("plugins/examples/tool-js", "", TOOL_JS),
            ("plugins/examples/tool-python", "", TOOL_PYTHON),
            ("wit", "wit/", CONTRACT),
        ] {
            let mut there = BTreeSet::new();
            collect(&root.join(from), to, &mut there);
            let held: BTreeSet<String> = held.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(held, there, "{from}: put the difference into templates.rs");
        }
        let mut there = BTreeSet::new();
        for part in ["Cargo.toml", "README.md"] {
            there.insert(format!("vendor/vale-sdk/{part}"));
        }
        collect(
            &root.join("plugins/sdk/src"),
            "vendor/vale-sdk/src/",
            &mut there,
        );
        let held: BTreeSet<String> = SDK.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(
            held, there,
            "plugins/sdk: put the difference into templates.rs"
        );
    }
}
