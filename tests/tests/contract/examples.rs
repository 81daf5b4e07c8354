//! The three examples that `plugin new` hands out keep the same promises as our own providers.

use std::path::{Path, PathBuf};

use crate::heard::Bench;
use crate::peers::Aimock;
use crate::{check, rows};

/// Where the plugin of one language lies; none where it could not be built.
pub(crate) fn built(language: &str) -> Option<PathBuf> {
    let built = std::env::var_os("VALECHAT_EXAMPLES").unwrap_or_else(|| {
        panic!("VALECHAT_EXAMPLES is not set: run this through `cargo xtask test`")
    });
    let folder = Path::new(&built).join(language);
    folder.join("component.wasm").is_file().then_some(folder)
}

fn behaves_like_ours(language: &str) {
    let Some(built) = built(language) else {
        vale_tests::skip(&format!("the {language} example could not be built here"));
        return;
    };
    // A folder of plugins of its own: all three have the same id.
    let plugins = tempfile::tempdir().unwrap();
    let to = plugins.path().join("echo");
    std::fs::create_dir(&to).unwrap();
    for file in ["plugin.toml", "component.wasm"] {
        std::fs::copy(built.join(file), to.join(file)).unwrap();
    }
    let mock = Aimock::start();
    let url = format!("{}/v1", mock.url());
    let bench = Bench::over(
        plugins.path().to_owned(),
        &[("echo", "com.example.echo", &url, "organization = \"ours\"")],
    );
    let models = bench.models("echo");
    assert!(models.iter().any(|model| model == "gpt-4o"), "{models:?}");
    check(&bench, "echo", "gpt-4o", &rows(&[]));
}

#[test]
fn the_example_in_rust_behaves_like_our_providers() {
    behaves_like_ours("rust");
}

#[test]
fn the_example_in_js_behaves_like_our_providers() {
    behaves_like_ours("js");
}

#[test]
fn the_example_in_python_behaves_like_our_providers() {
    behaves_like_ours("python");
}
