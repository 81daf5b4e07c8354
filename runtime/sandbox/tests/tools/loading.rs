//! What is no tool, or wants more than a tool's world, is refused before any of it runs; and what
//! a component is can be seen without compiling it.

use std::path::Path;

use vale_sandbox::{Kind, LoadError, inspect};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

use crate::support::{engine, guest};

/// `wit/<folder>/<folder>.wit`, with `valechat:<folder>` at this version.
fn contract(folder: &str, version: &str) -> String {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let text = std::fs::read_to_string(wit.join(folder).join(format!("{folder}.wit"))).unwrap();
    text.replace(
        &format!("package valechat:{folder}@0.1.0"),
        &format!("package valechat:{folder}@{version}"),
    )
}

/// A component that does nothing, of this world, over a tool package of this version.
fn component(version: &str, body: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    for text in [
        contract("types", "0.1.0"),
        contract("host", "0.1.0"),
        contract("provider", "0.1.0"),
        contract("tool", version),
    ] {
        resolve.push_str("contract.wit", &text).unwrap();
    }
    let world = format!("package test:hostile;\n world w {{ {body} }}");
    let package = resolve.push_str("test.wit", &world).unwrap();
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

fn tool(extra: &str) -> Vec<u8> {
    component(
        "0.1.0",
        &format!("include valechat:tool/tool-plugin@0.1.0; {extra}"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_has_kv_and_blobs_and_nothing_beyond_its_world() {
    let engine = engine();
    let plugin = engine.load(tool("")).await.unwrap();
    assert_eq!(plugin.kind(), Kind::Tool);
    for import in ["valechat:host/kv@0.1.0", "valechat:host/blobs@0.1.0"] {
        assert!(
            plugin.imports().iter().any(|name| name == import),
            "{import}"
        );
    }
    for (extra, import) in [
        ("import run: func();", "run"),
        ("import sneaky: interface { f: func(); }", "sneaky"),
    ] {
        let refused = engine.load(tool(extra)).await.unwrap_err();
        assert_eq!(refused, LoadError::ForbiddenImport(import.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_wants_a_tools_state_is_refused_before_it_runs() {
    let engine = engine();
    for import in ["valechat:host/kv@0.1.0", "valechat:host/blobs@0.1.0"] {
        let body = format!("include valechat:provider/provider-plugin@0.1.0; import {import};");
        let refused = engine.load(component("0.1.0", &body)).await.unwrap_err();
        assert_eq!(refused, LoadError::ForbiddenImport(import.to_owned()));
        assert!(refused.to_string().contains("was not run"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_both_is_refused() {
    let both = "include valechat:provider/provider-plugin@0.1.0; \
                include valechat:tool/tool-plugin@0.1.0;";
    let refused = engine().load(component("0.1.0", both)).await.unwrap_err();
    assert_eq!(refused, LoadError::TwoKinds);
    assert!(refused.to_string().contains("two components"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_of_another_contract_is_told_from_rubbish() {
    let engine = engine();
    for (version, advice) in [
        ("0.2.0", "update ValeChat"),
        ("1.0.0", "update ValeChat"),
        ("0.1.0-rc.1", "newer version of the plugin"),
    ] {
        let body = format!("include valechat:tool/tool-plugin@{version};");
        let refused = engine.load(component(version, &body)).await.unwrap_err();
        let found = format!("valechat:tool/tool@{version}");
        let said = refused.to_string();
        assert_eq!(
            refused,
            LoadError::OtherContract {
                found: found.clone()
            }
        );
        for words in [found.as_str(), "valechat:tool@0.1", advice] {
            assert!(said.contains(words), "{said}");
        }
    }
    let body = "include valechat:tool/tool-plugin@0.1.7;";
    assert!(
        engine.load(component("0.1.7", body)).await.is_ok(),
        "a patch is the same contract"
    );
    let other = component("0.1.0", "export run: func();");
    assert_eq!(engine.load(other).await.unwrap_err(), LoadError::NoPlugin);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_broken_file_has_its_own_sentence() {
    let engine = engine();
    let wasm = guest("tool");
    let mut sentences = Vec::new();
    for (bytes, refused) in [
        (Vec::new(), LoadError::Empty),
        (wasm[..6].to_vec(), LoadError::Truncated(6)),
        (
            wasm[..wasm.len() / 2].to_vec(),
            LoadError::Truncated(wasm.len() / 2),
        ),
        (
            wasm[..wasm.len() - 1].to_vec(),
            LoadError::Truncated(wasm.len() - 1),
        ),
        (
            b"<!doctype html><title>404</title>".to_vec(),
            LoadError::NotWasm,
        ),
        (b"\0asm\x01\0\0\0".to_vec(), LoadError::CoreModule),
    ] {
        assert_eq!(engine.load(bytes.clone()).await.unwrap_err(), refused);
        assert_eq!(inspect(&bytes), Err(refused.clone()));
        sentences.push(refused.to_string());
    }
    sentences.sort();
    sentences.dedup();
    assert_eq!(sentences.len(), 6, "{sentences:?}");
}

#[test]
fn inspecting_says_what_loading_would() {
    let shape = inspect(&guest("tool")).unwrap();
    assert_eq!(shape.kind(), Ok(Kind::Tool));
    assert_eq!(
        shape.contracts().collect::<Vec<_>>(),
        [("valechat:tool/tool", "0.1.0")]
    );
    assert_eq!(shape.exports, ["valechat:tool/tool@0.1.0"]);
    for import in [
        "valechat:host/blobs@0.1.0",
        "valechat:host/http@0.1.0",
        "valechat:host/kv@0.1.0",
    ] {
        assert!(
            shape.imports.iter().any(|name| name == import),
            "{:?}",
            shape.imports
        );
    }
    let provider = inspect(&guest("honest")).unwrap();
    assert_eq!(provider.kind(), Ok(Kind::Provider));
    assert!(!provider.imports.iter().any(|name| name.contains("/kv@")));
}

#[test]
fn damage_anywhere_is_an_answer_and_never_a_crash() {
    let wasm = guest("tool");
    let (mut refused, mut read) = (0, 0);
    for at in 0..wasm.len().min(4_000) {
        for bits in [0x01, 0x80, 0xff] {
            let mut damaged = wasm.clone();
            damaged[at] ^= bits;
            match inspect(&damaged) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 10, "{refused} refused, {read} read");
}
