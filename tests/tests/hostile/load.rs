//! What is no provider plugin, or wants more than its world, is refused before any of it runs.

use std::path::Path;

use vale_sandbox::LoadError;
use vale_tests::{Sandboxed, guest};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// `wit/<folder>/<folder>.wit`.
fn contract(folder: &str) -> String {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    std::fs::read_to_string(wit.join(folder).join(format!("{folder}.wit"))).unwrap()
}

/// A component that does nothing, of the world `w` in `world`, over this provider package.
fn component(provider: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    for text in [&contract("types"), &contract("host"), provider] {
        resolve.push_str("contract.wit", text).unwrap();
    }
    let package = resolve.push_str("test.wit", world).unwrap();
    let world = resolve.select_world(&[package], Some("w")).unwrap();
    let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let mut module = dummy_module(&resolve, world, abi);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

fn provider_with(extra: &str) -> Vec<u8> {
    let world = format!(
        "package test:hostile;\n world w {{ include valechat:provider/provider-plugin@0.1.0; \
         {extra} }}"
    );
    component(&contract("provider"), &world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_imports_more_than_its_world_is_refused() {
    let engine = Sandboxed::default().engine;
    assert!(
        engine.load(provider_with("")).await.is_ok(),
        "the plain world loads"
    );
    for (extra, import) in [
        ("import valechat:host/kv@0.1.0;", "valechat:host/kv@0.1.0"),
        (
            "import valechat:host/blobs@0.1.0;",
            "valechat:host/blobs@0.1.0",
        ),
        ("import run: func();", "run"),
        ("import sneaky: interface { f: func(); }", "sneaky"),
    ] {
        let refused = engine.load(provider_with(extra)).await.unwrap_err();
        assert_eq!(
            refused,
            LoadError::ForbiddenImport(import.to_owned()),
            "{extra}"
        );
        assert!(refused.to_string().contains("was not run"), "{refused}");
    }
    for (foreign, import) in [
        (
            "package wasi:cli@0.2.0 { interface environment { get-environment: func() -> \
             list<tuple<string, string>>; } }",
            "wasi:cli/environment@0.2.0",
        ),
        (
            "package wasi:sockets@0.2.0 { interface network { resource network; } }",
            "wasi:sockets/network@0.2.0",
        ),
        // Types may be imported; functions under their name may not.
        (
            "package valechat:types@0.1.9 { interface sneaky { f: func(); } }",
            "valechat:types/sneaky@0.1.9",
        ),
        (
            "package valechat:host@0.2.0 { interface http { f: func(); } }",
            "valechat:host/http@0.2.0",
        ),
    ] {
        let world = format!(
            "package test:hostile;\n {foreign}\n world w {{ \
             include valechat:provider/provider-plugin@0.1.0; import {import}; }}"
        );
        let wasm = component(&contract("provider"), &world);
        let refused = engine.load(wasm).await.unwrap_err();
        assert_eq!(refused, LoadError::ForbiddenImport(import.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_another_contract_is_refused_by_its_version() {
    let engine = Sandboxed::default().engine;
    let of_version = |version: &str| {
        let provider = contract("provider").replace(
            "valechat:provider@0.1.0",
            &format!("valechat:provider@{version}"),
        );
        let world = format!(
            "package test:hostile;\n world w {{ include valechat:provider/provider-plugin@{version}; }}"
        );
        component(&provider, &world)
    };
    for version in ["0.2.0", "1.0.0", "0.1.0-rc.1"] {
        let refused = engine.load(of_version(version)).await.unwrap_err();
        let found = format!("valechat:provider/provider@{version}");
        assert_eq!(refused, LoadError::OtherContract { found });
        assert!(refused.to_string().contains("0.1"), "{refused}");
    }
    assert!(
        engine.load(of_version("0.1.7")).await.is_ok(),
        "a patch is the same contract"
    );

    let world = "package test:hostile;\n world w { export run: func(); }";
    let refused = engine.load(component(&contract("provider"), world)).await;
    assert_eq!(refused.unwrap_err(), LoadError::NoPlugin);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_component_is_refused() {
    let engine = Sandboxed::default().engine;
    let wasm = guest("honest");
    for length in [0, 4, 7, 8, 9, 1_000, wasm.len() / 2, wasm.len() - 1] {
        let cut = wasm.get(..length).unwrap().to_vec();
        let refused = engine.load(cut).await.unwrap_err();
        assert!(
            matches!(
                refused,
                LoadError::Empty | LoadError::Truncated(_) | LoadError::NoPlugin
            ),
            "{length}: {refused:?}"
        );
    }
    let core = b"\0asm\x01\0\0\0".to_vec();
    assert_eq!(engine.load(core).await.unwrap_err(), LoadError::CoreModule);
    let page = b"<!doctype html><title>404</title>".to_vec();
    assert_eq!(engine.load(page).await.unwrap_err(), LoadError::NotWasm);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_component_is_refused_or_still_a_component_and_never_a_crash() {
    let engine = Sandboxed::default().engine;
    let wasm = guest("honest");
    // Most flips of a byte of code still validate; those of the structure must be refused.
    let mut refused = 0;
    for at in (8..2_000).step_by(97) {
        let mut damaged = wasm.clone();
        *damaged.get_mut(at).unwrap() ^= 0x55;
        refused += usize::from(engine.load(damaged).await.is_err());
    }
    assert!(refused > 0);
    assert!(engine.load(wasm).await.is_ok());
}
