//! The recordings that lie beside the examples. What the components make of them, the suite says
//! (`suite.rs`): the same files that `valechat plugin test` replays for whoever starts from one.

use std::path::{Path, PathBuf};

const LANGUAGES: [&str; 3] = ["rust", "js", "python"];

fn folder(language: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples");
    examples.join(language).join("recordings")
}

/// Every file of the folder, by name.
fn files(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    files.collect()
}

#[test]
fn the_examples_differ_in_language_only() {
    let of = |language| {
        let folder = folder(language);
        let manifest = std::fs::read_to_string(folder.with_file_name("plugin.toml")).unwrap();
        (files(&folder), manifest)
    };
    let first = of(LANGUAGES[0]);
    assert!(first.0.len() > 5);
    for language in LANGUAGES {
        assert_eq!(of(language), first, "{language}");
    }
}
