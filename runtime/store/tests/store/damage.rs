//! Damage to any file of a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vale_store::StoreError;

use crate::toy::{dump, open, ready, set, try_open};
use crate::view::copy_tree;

fn files(folder: &Path, of: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, of));
        } else if path.to_str().unwrap().contains(of) && path.metadata().unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn damage(path: &Path, random: &mut fastrand::Rng) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = random.usize(..bytes.len());
    let end = (at + 4096).min(bytes.len());
    match random.u8(..6) {
        0 => bytes[at] ^= 1 << random.u8(..8),
        1 => bytes[at..end].fill(0),
        2 => bytes[at..end].fill_with(|| random.u8(..)),
        3 => bytes.truncate(at),
        4 => {
            let last = bytes
                .len()
                .saturating_sub(1 + random.usize(..4096.min(bytes.len())));
            bytes[last] ^= 0x10;
        }
        _ => {
            let from = bytes.len().saturating_sub(4096);
            bytes[from..].fill(0);
        }
    }
    std::fs::write(path, bytes).unwrap();
}

/// The view is derived: whatever is done to its files, the store comes up with all rows.
#[test]
fn a_damaged_view_costs_nothing() {
    let original = tempfile::tempdir().unwrap();
    let store = open(original.path()).store;
    for n in 0..3_000 {
        drop(store.commit_soon(set(&format!("name {n}"), &[n as u8; 120])));
    }
    store.commit_blocking(set("last", b"")).unwrap();
    let rows = dump(&store);
    drop(store);
    let mut outcomes = BTreeMap::new();
    for seed in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        copy_tree(original.path(), folder.path());
        let mut random = fastrand::Rng::with_seed(seed);
        let there = files(folder.path(), "/view/");
        let file = &there[random.usize(..there.len())];
        damage(file, &mut random);
        // As after a power cut: it was open in another boot.
        std::fs::write(folder.path().join("view/OPEN"), "another boot").unwrap();
        let opened = try_open(folder.path()).unwrap();
        ready(&opened.store);
        assert_eq!(dump(&opened.store), rows, "seed {seed}: {}", file.display());
        *outcomes.entry(opened.rebuilds.is_some()).or_insert(0) += 1;
    }
    println!("damaged views: {outcomes:?} (true: rebuilt)");
    assert!(outcomes[&true] > 20, "{outcomes:?}");
}

/// The end of the journal is gone, and the view knows that it was there.
#[test]
fn confirmed_records_that_are_gone_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    for n in 0..50 {
        store
            .commit_blocking(set(&format!("name {n}"), &[7; 50]))
            .unwrap();
    }
    drop(store);
    let segments = files(folder.path(), ".vcj");
    let last = segments.last().unwrap();
    let bytes = std::fs::read(last).unwrap();
    std::fs::write(last, &bytes[..bytes.len() - 500]).unwrap();
    let opened = try_open(folder.path()).unwrap();
    let why = opened.read_only.unwrap();
    assert!(
        why.contains("records that were confirmed are gone"),
        "{why}"
    );
    let refused = opened.store.commit_blocking(set("more", b"x"));
    assert!(
        matches!(refused, Err(StoreError::ReadOnly(_))),
        "{refused:?}"
    );
    // What is whole is read.
    ready(&opened.store);
    assert!(dump(&opened.store)[&1].len() > 40);
}
