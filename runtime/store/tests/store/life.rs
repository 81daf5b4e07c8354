//! Writing, reading, closing, opening again.

use vale_store::{StoreError, ViewState};

use crate::toy::{SET, delete, dump, open, record, set, try_open, value};

#[test]
fn what_was_confirmed_is_there_after_closing_and_opening() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path());
    assert!(opened.recovery.is_new);
    let store = opened.store;
    for n in 0..500 {
        store
            .commit_blocking(set(&format!("name {}", n % 50), &[n as u8; 300]))
            .unwrap();
    }
    store.commit_blocking(delete("name 7")).unwrap();
    assert_eq!(value(&store, "name 8").unwrap(), [458_u32 as u8; 300]);
    assert_eq!(value(&store, "name 7"), None);
    let rows = dump(&store);
    drop(store);
    let opened = open(folder.path());
    assert_eq!(opened.rebuilds, None);
    assert_eq!(opened.recovery, vale_store::Recovery::default());
    assert_eq!(dump(&opened.store), rows);
    assert_eq!(
        opened.store.frame(501).unwrap().payload,
        delete("name 7").records[0].payload
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_together_share_a_write_and_each_hears_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for n in 0..50 {
                    let name = format!("{task}/{n}");
                    numbers.push((name.clone(), store.commit(set(&name, b"x")).await.unwrap()));
                }
                numbers
            })
        })
        .collect();
    let mut all = std::collections::BTreeSet::new();
    for task in tasks {
        for (name, lsn) in task.await.unwrap() {
            assert!(all.insert(lsn), "two commands have number {lsn}");
            let frame = store.frame(lsn).unwrap();
            assert_eq!(frame.payload[1..=name.len()], *name.as_bytes());
        }
    }
    assert_eq!(all.len(), 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_makes_no_sense_is_refused_alone_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    let waiting: Vec<_> = (0..40)
        .map(|n| {
            let command = match n % 4 {
                // A whole command is refused for one of its records.
                1 => vale_store::Command {
                    records: vec![record(SET, &format!("half {n}"), b"x"), record(9, "", b"")],
                },
                2 => delete("nobody"),
                _ => set(&format!("good {n}"), b"x"),
            };
            store.commit_soon(command)
        })
        .collect();
    for (n, answer) in waiting.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        match n % 4 {
            2 => assert!(
                matches!(answer, Err(StoreError::Record { .. })),
                "{answer:?}"
            ),
            _ => drop(answer.unwrap()),
        }
    }
    assert_eq!(store.journal().last(), 20 + 20);
    let rows = dump(&store);
    store.close();
    drop(store);
    let options = vale_store::StoreOptions {
        rebuild: true,
        ..crate::toy::options()
    };
    let again = vale_store::Store::open(
        folder.path(),
        options,
        std::sync::Arc::new(crate::toy::Toy(1)),
    );
    let again = again.unwrap().store;
    crate::toy::ready(&again);
    assert_eq!(dump(&again), rows);
}

#[test]
fn text_that_may_wait_is_written_with_the_next_command_and_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    let early = store.commit_soon(set("a", b"1"));
    assert_eq!(store.commit_blocking(set("b", b"2")).unwrap(), 2);
    assert_eq!(early.blocking_recv().unwrap().unwrap(), 1);
    // Alone it is written once its time has come: the answer is awaited, however long that takes.
    let alone = store.commit_soon(set("c", b"3"));
    assert_eq!(alone.blocking_recv().unwrap().unwrap(), 3);
    let many: Vec<_> = (0..5)
        .map(|n| store.commit_soon(set("d", &[n; 400])))
        .collect();
    for answer in many {
        answer.blocking_recv().unwrap().unwrap();
    }
    assert_eq!(store.journal().last(), 8);
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    let refused = try_open(folder.path()).map(|_| ()).unwrap_err();
    let who = format!("process {}", std::process::id());
    assert!(
        matches!(&refused, StoreError::Locked(by) if *by == who),
        "{refused}"
    );
    store.close();
    drop(store);
    assert_eq!(open(folder.path()).store.view(), ViewState::Ready);
}

#[test]
fn a_closed_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    store.commit_blocking(set("a", b"1")).unwrap();
    let other = store.clone();
    store.close();
    let refused = other.commit_blocking(set("b", b"2"));
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let refused = other.read(|rows| rows.get(1, b"a"));
    assert!(
        matches!(refused, Err(StoreError::ViewDead(_))),
        "{refused:?}"
    );
}

#[test]
fn a_record_that_is_too_large_is_refused_before_it_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).store;
    let refused = store.commit_blocking(set("a", &vec![0; vale_store::MAX_PAYLOAD]));
    assert!(
        matches!(refused, Err(StoreError::TooLarge(17))),
        "{refused:?}"
    );
    store
        .commit_blocking(set("a", &vec![0; vale_store::MAX_PAYLOAD - 2]))
        .unwrap();
    assert_eq!(
        value(&store, "a").unwrap().len(),
        vale_store::MAX_PAYLOAD - 2
    );
}
