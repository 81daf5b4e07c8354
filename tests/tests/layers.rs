//! The architecture's layers (design.md §2, invariants 1, 2 and 5), read from the manifests and
//! the sources. Who breaks one sees here which, and why it is there.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The members of the host's workspace. Without their dependencies, so that no network is needed.
fn packages() -> Vec<Package> {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec();
    let packages = metadata.unwrap().packages;
    assert!(packages.len() > 5, "only {} packages found", packages.len());
    packages
}

/// What a package is built with; not what only its tests use.
fn dependencies(package: &Package) -> BTreeSet<&str> {
    let built_with = package.dependencies.iter().filter(|dependency| {
        matches!(
            dependency.kind,
            DependencyKind::Normal | DependencyKind::Build
        )
    });
    built_with
        .map(|dependency| dependency.name.as_str())
        .collect()
}

/// Invariant 1. `vale-tests` measures the product against a plain client.
#[test]
fn each_engine_is_named_by_one_crate_only() {
    let owners: &[(&[&str], &[&str])] = &[
        (
            &["wasmtime", "wasmtime-wasi", "wasmtime-wasi-http"],
            &["vale-sandbox"],
        ),
        (&["reqwest"], &["vale-egress", "vale-tests"]),
        (
            &[
                "attohttpc",
                "awc",
                "curl",
                "h2",
                "h3",
                "hyper",
                "hyper-rustls",
                "hyper-util",
                "isahc",
                "minreq",
                "quinn",
                "surf",
                "tokio-tungstenite",
                "tungstenite",
                "ureq",
            ],
            &["vale-egress"],
        ),
        (&["sled"], &["vale-store"]),
        (&["tantivy"], &["vale-search"]),
        (&["rmcp"], &["vale-mcp"]),
        (&["actix"], &["vale-host", "vale-tests"]),
        (&["keyring", "keyring-core"], &["vale-secrets"]),
    ];
    for package in packages() {
        for dependency in dependencies(&package) {
            for (engines, owners) in owners {
                assert!(
                    !engines.contains(&dependency) || owners.contains(&package.name.as_str()),
                    "{} depends on {dependency}, which only {owners:?} may",
                    package.name
                );
            }
        }
    }
}

/// Which of our crates a crate may build on, at most. A new crate needs a line here.
#[test]
fn our_crates_build_on_each_other_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("vale-types", &[] as &[&str]),
        ("vale-secrets", &[]),
        ("vale-egress", &["vale-secrets"]),
        // Not `vale-secrets`: a secret never enters the sandbox (invariant 2).
        ("vale-sandbox", &["vale-egress", "vale-types"]),
        ("vale-plugins", &["vale-types"]),
        ("vale-policy", &["vale-types"]),
        ("vale-confine", &[]),
        ("vale-billing", &["vale-types"]),
        ("vale-store", &[]),
        // Rows and imports are of the store; the tree and its operations are pure.
        ("vale-chat", &["vale-store", "vale-types"]),
        ("vale-inference", &[]),
        ("vale-search", &[]),
        // Tests alone: it cuts the power of both.
        ("vale-crash", &["vale-search", "vale-store"]),
        // It stands in the place of the host for one plugin, with made-up keys.
        (
            "vale-suite",
            &[
                "vale-egress",
                "vale-plugins",
                "vale-sandbox",
                "vale-secrets",
                "vale-types",
            ],
        ),
        (
            "vale-host",
            &[
                "vale-billing",
                "vale-chat",
                "vale-confine",
                "vale-egress",
                "vale-plugins",
                "vale-policy",
                "vale-sandbox",
                "vale-search",
                "vale-secrets",
                "vale-store",
                "vale-types",
            ],
        ),
        (
            "vale-api",
            &[
                "vale-billing",
                "vale-chat",
                "vale-host",
                "vale-plugins",
                "vale-secrets",
                "vale-store",
                "vale-suite",
                "vale-types",
            ],
        ),
        // A face knows the commands and events, and nothing beneath them.
        ("vale-cli", &["vale-api", "vale-types"]),
        ("xtask", &[]),
    ]);
    for package in packages() {
        if ["vale-tests", "vale-store-bench"].contains(&package.name.as_str()) {
            continue;
        }
        let Some(allowed) = allowed.get(package.name.as_str()) else {
            panic!(
                "{} has no line in this test: say what it may build on",
                package.name
            );
        };
        let ours = dependencies(&package);
        for dependency in ours.iter().filter(|name| name.starts_with("vale-")) {
            assert!(
                allowed.contains(dependency),
                "{} depends on {dependency}; it may build on {allowed:?}",
                package.name
            );
        }
    }
}

/// The domain model is data: no I/O, no async (design.md §1).
#[test]
fn the_domain_model_depends_on_no_io_and_no_async() {
    let packages = packages();
    let types = packages.iter().find(|package| package.name == "vale-types");
    let data_only = ["rust_decimal", "serde", "serde_json", "thiserror", "uuid"];
    for dependency in dependencies(types.unwrap()) {
        assert!(
            data_only.contains(&dependency),
            "vale-types depends on {dependency}; it is data, and may use {data_only:?}"
        );
    }
}

/// A crate's own sources, with their paths.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no source");
    found
}

/// The identifiers of a source, without those in comments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|word| !word.is_empty())
}

/// Invariant 2, by the source: these crates cannot even say the word.
#[test]
fn no_type_of_the_sandbox_the_domain_or_a_manifest_holds_a_secret() {
    for folder in [
        "runtime/sandbox/src",
        "runtime/types/src",
        "runtime/plugins/src",
    ] {
        for (path, text) in sources(folder) {
            for word in words(&text) {
                assert!(
                    !matches!(word, "Secret" | "vale_secrets" | "expose"),
                    "{} names {word}",
                    path.display()
                );
            }
        }
    }
}

/// Invariant 2: what crosses `host-ui/api` may be serialized, and a secret is never in it.
#[test]
fn no_public_item_of_the_api_mentions_a_secret() {
    for (path, text) in sources("host-ui/api/src") {
        for line in text.lines().map(str::trim_start) {
            let public = line.starts_with("pub ") && !line.starts_with("pub(");
            // A function may take one; it may not give one back.
            let line = match line.split_once("->") {
                Some((_, given)) if line.contains("fn ") => given,
                _ => line,
            };
            assert!(
                !public || words(line).all(|word| word != "Secret"),
                "{}: {line}",
                path.display()
            );
        }
    }
}

/// Invariant 5: a version shim converts. What it may name of the gate is data and errors; rules,
/// origins, credentials, caps and resolvers lie below it, where no shim can skip them.
#[test]
fn a_version_shim_knows_no_policy() {
    let data = [
        "BodyPart",
        "HttpError",
        "HttpErrorKind",
        "HttpRequest",
        "HttpResponse",
        "ResponseBody",
    ];
    let mut shims = 0;
    let mut imports = 0;
    for (path, text) in sources("runtime/sandbox/src") {
        let relative = path
            .strip_prefix(root().join("runtime/sandbox/src"))
            .unwrap();
        if !relative.to_string_lossy().starts_with("v0_") {
            continue;
        }
        shims += 1;
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once("vale_egress::") {
            let names = match after.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap(),
                None => after
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap(),
            };
            for name in words(names) {
                imports += 1;
                assert!(
                    data.contains(&name),
                    "{} uses vale_egress::{name}",
                    path.display()
                );
            }
            rest = after;
        }
        for word in words(&text) {
            let policy = [
                "Rule",
                "Origin",
                "GateConfig",
                "Gate",
                "Credential",
                "NameResolver",
            ];
            assert!(!policy.contains(&word), "{} names {word}", path.display());
            // Nor does it open a way of its own.
            assert!(
                !matches!(
                    word,
                    "TcpStream" | "UdpSocket" | "TcpListener" | "lookup_host"
                ),
                "{} names {word}",
                path.display()
            );
        }
    }
    assert!(
        shims > 0 && imports > 0,
        "the shims moved: {shims} files, {imports} imports"
    );
}
