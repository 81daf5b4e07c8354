//! Backups, and putting one back.

use std::collections::BTreeSet;

use vale_store::{BlobHash, restore};

use crate::toy::{LastOfEach, dump, open, set, value};

#[test]
fn a_backup_brings_back_the_day_it_was_made() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("store");
    let store = open(&folder).store;
    for n in 0..1_000 {
        drop(store.commit_soon(set(&format!("n{}", n % 300), &[n as u8; 200])));
    }
    let picture = store.blobs().put(b"a picture").unwrap();
    store
        .commit_blocking(set("picture", picture.to_string().as_bytes()))
        .unwrap();
    let then = dump(&store);
    let backup = store.backup(1_000, "by hand", 7).unwrap();
    assert_eq!(backup.last, 1_001);
    // Life goes on: more is written, compacted, an attachment is dropped.
    for n in 0..1_000 {
        drop(store.commit_soon(set(&format!("n{}", n % 10), &[1; 200])));
    }
    store.commit_blocking(set("picture", b"none")).unwrap();
    store
        .compact(&mut LastOfEach::default(), 0.0, true)
        .unwrap();
    assert_eq!(
        store.blobs().collect(&BTreeSet::new(), true).unwrap(),
        (1, 9)
    );
    assert!(store.blobs().get(picture).is_err());
    drop(store);

    let old = restore(&folder, &backup).unwrap();
    let opened = open(&folder);
    assert_eq!(opened.recovery.damage, []);
    assert_eq!(dump(&opened.store), then);
    let found = value(&opened.store, "picture").unwrap();
    let hash: BlobHash = std::str::from_utf8(&found).unwrap().parse().unwrap();
    assert_eq!(opened.store.blobs().get(hash).unwrap(), b"a picture");
    // It goes on from there, keeps its backups, and what was replaced is not thrown away.
    opened.store.commit_blocking(set("later", b"x")).unwrap();
    assert_eq!(
        opened.store.backups().unwrap(),
        std::slice::from_ref(&backup)
    );
    drop(opened);
    let replaced = open(&old).store;
    assert_eq!(value(&replaced, "picture").unwrap(), b"none");
    // And once more: what was written since did not reach into the backup.
    restore(&folder, &backup).unwrap();
    assert_eq!(dump(&open(&folder).store), then);
}

#[test]
fn the_newest_seven_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    for day in 1..=10 {
        store.commit_blocking(set("day", &[day as u8])).unwrap();
        store.backup(day, "daily", 7).unwrap();
    }
    let days: Vec<u64> = store
        .backups()
        .unwrap()
        .iter()
        .map(|backup| backup.made_ms)
        .collect();
    assert_eq!(days, [4, 5, 6, 7, 8, 9, 10]);
    let folders = std::fs::read_dir(folder.path().join("backups"))
        .unwrap()
        .count();
    assert_eq!(folders, 7);
    assert!(
        store.backup(10, "again", 7).is_err(),
        "one is never overwritten"
    );
}

#[test]
fn a_damaged_backup_is_not_put_in_place() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("store");
    let store = open(&folder).store;
    store.commit_blocking(set("a", &[1; 400])).unwrap();
    let backup = store.backup(1, "by hand", 7).unwrap();
    store.commit_blocking(set("b", b"2")).unwrap();
    drop(store);
    let path = folder.join("backups/1/journal/00000001.vcj");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let refused = restore(&folder, &backup).unwrap_err();
    println!("{refused}");
    assert_eq!(value(&open(&folder).store, "b").unwrap(), b"2");
}
