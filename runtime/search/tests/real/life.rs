//! Opening, writing, replaying, closing.

use std::fs;

use tempfile::tempdir;
use vale_search::{Change, Fresh, Index, Position, Query, Recent, SearchError};

use crate::model::{SCHEMA, doc, everything, index_of, key, open, ords};

fn find(index: &Index, text: &str) -> Vec<u64> {
    ords(index, &Recent::new(), &Query::new(text))
}

#[test]
fn an_index_says_what_is_in_it() {
    let folder = tempdir().unwrap();
    let folder = folder.path().join("deep/in/a folder");
    let position = |schema| Index::open(&folder, schema).unwrap().position;
    assert_eq!(position(SCHEMA), Position::Fresh(Fresh::Missing));
    assert_eq!(position(SCHEMA), Position::Fresh(Fresh::Uncommitted));
    {
        let index = index_of(&folder, &["one", "two"]);
        assert_eq!((index.position(), index.len()), (Some(2), 2));
    }
    assert_eq!(position(SCHEMA), Position::At(2));
    assert_eq!(position(SCHEMA + 1), Position::Fresh(Fresh::OtherVersion));
    assert_eq!(position(SCHEMA), Position::Fresh(Fresh::Uncommitted));
    drop(index_of(&folder, &["one"]));
    open(&folder)
        .index
        .condemn("a search met nonsense")
        .unwrap();
    let condemned = Fresh::Condemned("a search met nonsense".to_owned());
    assert_eq!(position(SCHEMA), Position::Fresh(condemned));
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(position(SCHEMA), Position::Fresh(Fresh::Missing));
}

#[test]
fn an_index_is_open_once() {
    let folder = tempdir().unwrap();
    let index = index_of(folder.path(), &["one"]);
    let clone = index.clone();
    let refused = || Index::open(folder.path(), SCHEMA).map(|opened| opened.position);
    assert!(matches!(refused(), Err(SearchError::Locked { .. })));
    drop(index);
    assert!(matches!(refused(), Err(SearchError::Locked { .. })));
    let writer = clone.writer().unwrap();
    let second = clone.writer().unwrap_err();
    assert!(matches!(second, SearchError::Write(_)), "{second}");
    drop(clone);
    assert!(matches!(refused(), Err(SearchError::Locked { .. })));
    drop(writer);
    assert_eq!(refused().unwrap(), Position::At(1));
}

#[test]
fn applying_the_same_changes_again_changes_nothing() {
    let folder = tempdir().unwrap();
    let opened = open(folder.path());
    let index = opened.index;
    let changes = vec![
        (1, Change::Put(doc(1, "first draft"))),
        (2, Change::Put(doc(2, "second"))),
        (3, Change::Put(doc(1, "first again"))),
        (4, Change::Put(doc(70, "other place"))),
        (5, Change::Remove { ord: 2 }),
        (6, Change::RemoveConversation(key(1))),
        (7, Change::Put(doc(71, "other place again"))),
    ];
    let check = || {
        assert_eq!(find(&index, "first"), [1]);
        assert!(find(&index, "draft").is_empty() && find(&index, "second").is_empty());
        assert_eq!(find(&index, "place"), [71]);
        assert_eq!((index.len(), index.position()), (2, Some(7)));
    };
    let mut writer = index.writer().unwrap();
    writer.apply(&changes).unwrap();
    writer.apply(&changes).unwrap();
    assert_eq!(writer.commit().unwrap(), Some(7));
    check();
    for from in 0..changes.len() {
        writer.apply(&changes[from..]).unwrap();
        writer.commit().unwrap();
        check();
    }
}

#[test]
fn every_commit_keeps_the_position() {
    let folder = tempdir().unwrap();
    let index = open(folder.path()).index;
    let mut writer = index.writer().unwrap();
    assert_eq!(writer.commit().unwrap(), None);
    for lsn in 1..=40 {
        writer.apply(&[(lsn, Change::Put(doc(lsn, "x")))]).unwrap();
        assert_eq!(writer.commit().unwrap(), Some(lsn));
        assert_eq!(writer.commit().unwrap(), Some(lsn));
    }
    // Merges commit on their own.
    writer.close().unwrap();
    let mut writer = index.writer().unwrap();
    assert_eq!(writer.commit().unwrap(), Some(40));
    drop(writer);
    drop(index);
    assert_eq!(open(folder.path()).position, Position::At(40));
}

#[test]
fn what_is_not_committed_is_forgotten_and_nothing_more() {
    let folder = tempdir().unwrap();
    let index = index_of(folder.path(), &["one"]);
    let mut writer = index.writer().unwrap();
    writer.apply(&[(2, Change::Put(doc(2, "two")))]).unwrap();
    assert_eq!(writer.uncommitted(), 1);
    drop(writer);
    drop(index);
    let opened = open(folder.path());
    assert_eq!((opened.position, opened.unclean), (Position::At(1), false));
    assert_eq!(everything(&opened.index).unwrap().len(), 1);
}

#[test]
fn an_unclean_end_is_seen() {
    let folder = tempdir().unwrap();
    drop(index_of(folder.path(), &["one"]));
    assert!(!open(folder.path()).unclean);
    // A process that dies runs no destructor.
    let index = open(folder.path()).index;
    let writer = index.writer().unwrap();
    assert!(folder.path().join("writing").exists());
    drop(writer);
    drop(index);
    fs::write(folder.path().join("writing"), "").unwrap();
    let opened = open(folder.path());
    assert!(opened.unclean && opened.position == Position::At(1));
    opened.index.validate_checksum().unwrap();
}

#[test]
fn what_a_killed_process_left_is_in_nobodys_way() {
    let folder = tempdir().unwrap();
    drop(index_of(folder.path(), &["one", "two", "three"]));
    let files = folder.path().join("files");
    let names = || {
        let entries = fs::read_dir(&files).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    let segment = names()
        .into_iter()
        .find(|name| name.ends_with(".term"))
        .unwrap();
    let segment = segment.trim_end_matches(".term");
    // Lists of deletions of commits that never were, under every name that the next may take.
    for stamp in 1..100 {
        fs::write(files.join(format!("{segment}.{stamp}.del")), "torn").unwrap();
    }
    fs::write(files.join(".tmpAbCdEf"), "torn").unwrap();
    let index = open(folder.path()).index;
    assert!(
        !names()
            .iter()
            .any(|name| name.ends_with(".del") || name.starts_with(".tmp"))
    );
    let mut writer = index.writer().unwrap();
    writer.apply(&[(4, Change::Remove { ord: 2 })]).unwrap();
    assert_eq!(writer.commit().unwrap(), Some(4));
    assert_eq!(everything(&index).unwrap().len(), 2);
}
