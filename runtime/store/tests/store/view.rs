//! The view: always the fold of the journal, whoever made it and when.

use std::sync::Arc;

use proptest::prelude::*;
use vale_store::{MemoryRows, Range, Rows as _, Store, StoreOptions, ViewState};

use crate::toy::{LastOfEach, Toy, delete, dump, open, options, ready, set};

fn rebuilt(folder: &std::path::Path) -> Store {
    let options = StoreOptions {
        rebuild: true,
        ..options()
    };
    let opened = Store::open(folder, options, Arc::new(Toy(1))).unwrap();
    assert!(opened.rebuilds.is_some());
    ready(&opened.store);
    opened.store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Written in any grouping, closed and opened anywhere, compacted or not: the rows are the same.
    #[test]
    fn rebuilt_rows_equal_rows_as_they_came(
        steps in prop::collection::vec((0_u8..20, 0_u8..30, 0_usize..200), 1..120)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path()).store;
        let mut there = std::collections::BTreeSet::new();
        for (what, name, length) in steps {
            let name = format!("n{name}");
            match what {
                0 => {
                    drop(store);
                    store = open(folder.path()).store;
                }
                1 => drop(store.compact(&mut LastOfEach::default(), 0.0, true).unwrap()),
                2..6 if there.remove(&name) => drop(store.commit_soon(delete(&name))),
                _ => {
                    there.insert(name.clone());
                    drop(store.commit_soon(set(&name, &vec![what; length])));
                }
            }
        }
        store.commit_blocking(set("last", b"")).unwrap();
        let rows = dump(&store);
        prop_assert!(store.check_view().unwrap());
        let mut memory = MemoryRows::default();
        store.journal().each(1, &mut |frame| {
            // A deletion whose name was compacted away changes nothing.
            drop(memory.fold(&Toy(1), frame));
            Ok(true)
        }).unwrap();
        drop(store);
        let store = rebuilt(folder.path());
        // The queue for others keeps numbers of records that are compacted away; they are not asked for again.
        let without_queue = |mut rows: std::collections::BTreeMap<_, _>| { rows.remove(&4); rows };
        prop_assert_eq!(without_queue(dump(&store)), without_queue(rows.clone()));
        for (table, rows) in without_queue(rows) {
            prop_assert_eq!(memory.range(Range::all(table)).unwrap(), rows);
        }
    }
}

/// Long enough that a rebuild fills its rows in, in the order of their keys, before the writer takes over.
#[test]
fn a_long_journal_rebuilt_gives_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    let mut random = fastrand::Rng::with_seed(9);
    for n in 0_u32..7_000 {
        let name = format!("n{}", random.u32(..900));
        let is_there = random.u8(..4) > 0;
        let command = if is_there {
            set(&name, &n.to_le_bytes().repeat(random.usize(..40)))
        } else {
            delete(&name)
        };
        drop(store.commit_soon(command));
    }
    store.commit_blocking(set("last", b"")).unwrap();
    let (rows, last) = (dump(&store), store.journal().last());
    assert!(last > 5_000, "only {last} records");
    drop(store);
    let store = rebuilt(folder.path());
    assert_eq!(dump(&store), rows);
    assert!(store.check_view().unwrap());
    drop(store);
    let opened = open(folder.path());
    assert_eq!(opened.rebuilds, None);
    assert_eq!(dump(&opened.store), rows);
}

#[test]
fn rows_of_another_shape_are_made_again_while_writing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    for n in 0..5_000 {
        drop(store.commit_soon(set(&format!("n{n}"), &[1; 40])));
    }
    store.commit_blocking(set("last", b"")).unwrap();
    let rows = dump(&store);
    drop(store);
    let opened = Store::open(folder.path(), options(), Arc::new(Toy(2))).unwrap();
    assert!(opened.rebuilds.unwrap().contains("another version"));
    // It writes before there is a view.
    let store = opened.store;
    let lsn = store.commit_blocking(set("during", b"1")).unwrap();
    assert_eq!(lsn, 5_002);
    ready(&store);
    let mut after = dump(&store);
    assert!(
        after
            .get_mut(&1)
            .unwrap()
            .iter()
            .any(|(key, _)| key == b"during")
    );
    assert_eq!(after[&1].len(), rows[&1].len() + 1);
    assert!(store.check_view().unwrap());
}

/// The marks of a machine that went down: an old view and no word of it.
#[test]
fn a_view_that_lost_its_newest_rows_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    store.commit_blocking(set("old", b"1")).unwrap();
    drop(store);
    let copy = tempfile::tempdir().unwrap();
    copy_tree(&folder.path().join("view"), &copy.path().join("view"));
    let store = open(folder.path()).store;
    for n in 0..100 {
        store.commit_blocking(set(&format!("n{n}"), b"2")).unwrap();
    }
    let rows = dump(&store);
    drop(store);
    std::fs::remove_dir_all(folder.path().join("view")).unwrap();
    copy_tree(&copy.path().join("view"), &folder.path().join("view"));
    std::fs::write(folder.path().join("view/OPEN"), "another boot").unwrap();
    let opened = open(folder.path());
    assert_eq!(opened.rebuilds, None);
    assert_eq!(dump(&opened.store), rows);
}

#[test]
fn rebuilds_that_are_asked_for_at_once_come_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    for n in 0..4_000 {
        drop(store.commit_soon(set(&format!("n{n}"), &[1; 40])));
    }
    store.commit_blocking(set("last", b"")).unwrap();
    let rows = dump(&store);
    for _ in 0..4 {
        store.rebuild().unwrap();
    }
    // The view that is there answers meanwhile.
    let finished = || {
        let entries = std::fs::read_dir(folder.path().join("view")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| name.parse::<u32>().ok()).max() >= Some(5)
            && std::fs::read_to_string(folder.path().join("view/CURRENT")).unwrap() == "000005"
    };
    let began = std::time::Instant::now();
    while !finished() && began.elapsed().as_secs() < 100 {
        assert_eq!(store.view(), ViewState::Ready);
        std::thread::yield_now();
    }
    assert!(finished());
    store.commit_blocking(set("more", b"1")).unwrap();
    store.close();
    drop(store);
    let opened = open(folder.path());
    assert_eq!(opened.rebuilds, None);
    assert_eq!(dump(&opened.store)[&1].len(), rows[&1].len() + 1);
}

pub(crate) fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
