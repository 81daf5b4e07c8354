//! `kill -9` of a process that indexes: the position is what is in, whenever it comes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::tempdir;
use vale_search::{ConversationKey, Index, Position, Query, Recent, SearchError};

use crate::model::{SCHEMA, everything, key, open, ords};

const KILLS: u32 = 30;

fn child() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap();
    let child = built
        .join("examples/search_child")
        .with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        child.exists(),
        "{} is not built: run the tests of the whole package",
        child.display()
    );
    child
}

/// The messages that are there after the changes of `examples/search_child.rs` up to this one.
fn expected(position: u64) -> BTreeMap<u64, (ConversationKey, u64)> {
    let mut live = BTreeMap::new();
    for lsn in 1..=position {
        if lsn.is_multiple_of(64) && lsn >= 640 {
            let gone = key((lsn - 640) / 64);
            live.retain(|_, (conversation, _)| *conversation != gone);
        } else if lsn.is_multiple_of(7) {
            live.remove(&(lsn - 3));
        } else {
            let ord = if lsn.is_multiple_of(11) { lsn - 5 } else { lsn };
            live.insert(ord, (key(ord / 64), lsn));
        }
    }
    live
}

#[test]
fn a_kill_loses_no_commit_and_leaves_no_half_of_one() {
    let folder = tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(6);
    let mut last = 0;
    let mut unclean = 0;
    for round in 0..KILLS {
        let mut command = Command::new(child());
        command.arg(folder.path()).arg(SCHEMA.to_string());
        let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(running.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).last());
        let millis = if round % 5 == 0 { 40 } else { 900 };
        std::thread::sleep(Duration::from_millis(random.u64(0..millis)));
        running.kill().unwrap();
        let status = running.wait().unwrap();
        assert_eq!(
            status.code(),
            None,
            "round {round}: it ended before it was killed"
        );
        let acknowledged: u64 = match reader.join().unwrap() {
            Some(line) => line.parse().unwrap(),
            None => last,
        };

        let opened = open(folder.path());
        unclean += u32::from(opened.unclean);
        let position = match opened.position {
            Position::At(lsn) => lsn,
            Position::Fresh(why) => {
                assert_eq!(last.max(acknowledged), 0, "round {round}: {why}");
                continue;
            }
        };
        assert!(
            position >= acknowledged,
            "round {round}: {position} < {acknowledged}"
        );
        opened.index.validate_checksum().unwrap();
        let expected = expected(position);
        let there = everything(&opened.index).unwrap();
        let conversations = expected
            .iter()
            .map(|(ord, (conversation, _))| (*ord, *conversation));
        assert_eq!(
            there,
            conversations.collect(),
            "round {round}, position {position}"
        );
        for _ in 0..20 {
            let lsn = random.u64(1..=position);
            let query = Query::new(format!("{lsn} 模型{lsn}"));
            let found = ords(&opened.index, &Recent::new(), &query);
            let written = expected.iter().filter(|(_, (_, by))| *by == lsn);
            let written: Vec<u64> = written.map(|(ord, _)| *ord).collect();
            assert!(
                written.iter().all(|ord| found.contains(ord)),
                "{lsn}: {found:?}"
            );
        }
        last = position;
    }
    println!("{KILLS} kills, {unclean} of them seen as unclean ends, position {last}");
    assert!(last > 0 && unclean > 0);
}

#[test]
fn another_process_is_told_that_the_index_is_in_use() {
    let folder = tempdir().unwrap();
    let mut command = Command::new(child());
    command.arg(folder.path()).arg(SCHEMA.to_string());
    let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let first: u64 = lines.next().unwrap().unwrap().parse().unwrap();
    let error = Index::open(folder.path(), SCHEMA).unwrap_err();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(matches!(&error, SearchError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("in use by another ValeChat"));
    let opened = open(folder.path());
    assert!(matches!(opened.position, Position::At(lsn) if lsn >= first));
}
