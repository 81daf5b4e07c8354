//! Damaged copies of an index: found, remade, and never believed once they were checked.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tempfile::tempdir;
use vale_search::{Change, Fresh, Index, Position, Query, Recent};

use crate::model::{SCHEMA, doc, everything, open, ords};

const COPIES: usize = 120;
const MESSAGES: u64 = 3_000;

/// An index of several segments with deletions, and its position.
fn base(folder: &Path) -> u64 {
    let index = open(folder).index;
    let mut writer = index.writer().unwrap();
    for ord in 1..=MESSAGES {
        let text = format!(
            "message {ord} alpha{} beta 模型{} {}",
            ord % 97,
            ord % 13,
            "pad ".repeat(20)
        );
        writer
            .apply(&[(ord, Change::Put(doc(ord, &text)))])
            .unwrap();
        if ord % 900 == 0 {
            writer.commit().unwrap();
        }
    }
    for ord in (10..MESSAGES).step_by(10) {
        writer
            .apply(&[(MESSAGES + ord, Change::Remove { ord })])
            .unwrap();
    }
    let position = writer.commit().unwrap().unwrap();
    writer.close().unwrap();
    position
}

fn queries() -> Vec<Query> {
    let texts = [
        "alpha7",
        "beta -alpha3",
        "\"message 77\"",
        "模型1",
        "1234",
        "模",
        "\"beta 模型\"",
        "-alpha1",
    ];
    let queries = texts.into_iter().map(|text| Query {
        limit: 1_000,
        ..Query::new(text)
    });
    queries.collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

/// Damages one file, weighted by size; every tenth time `meta.json`, every tenth the list of files.
fn damage(files: &Path, round: usize, random: &mut fastrand::Rng) -> (PathBuf, &'static str) {
    let mut all: Vec<(PathBuf, u64)> = Vec::new();
    for entry in fs::read_dir(files).unwrap() {
        let entry = entry.unwrap();
        let size = entry.metadata().unwrap().len();
        if size > 0 {
            all.push((entry.path(), size));
        }
    }
    all.sort();
    let path = match round % 10 {
        0 => files.join("meta.json"),
        5 => files.join(".managed.json"),
        // Small files (deletions, field norms) get their turn too.
        1 | 2 => all[random.usize(..all.len())].0.clone(),
        _ => {
            let mut at = random.u64(..all.iter().map(|(_, size)| size).sum::<u64>());
            let hit = all.iter().find(|(_, size)| match at.checked_sub(*size) {
                Some(rest) => {
                    at = rest;
                    false
                }
                None => true,
            });
            hit.unwrap().0.clone()
        }
    };
    let mut bytes = fs::read(&path).unwrap();
    let before = bytes.clone();
    let at = random.usize(..bytes.len());
    let end = bytes.len().min(at + [512, 4096][random.usize(..2)]);
    let mut how = "flip";
    while bytes == before {
        how = match random.u8(..5) {
            0 | 1 => {
                bytes[at] ^= 1 << random.u8(..8);
                "flip"
            }
            2 => {
                bytes[at..end].fill(0);
                "zeros"
            }
            3 => {
                bytes[at..end].fill_with(|| random.u8(..));
                "noise"
            }
            _ => {
                bytes.truncate(at);
                "cut"
            }
        };
    }
    fs::write(&path, bytes).unwrap();
    (path, how)
}

#[test]
fn a_damaged_index_is_never_believed_once_it_was_checked() {
    let original = tempdir().unwrap();
    let position = base(original.path());
    let (truth, all) = {
        let index = open(original.path()).index;
        let answers = queries()
            .into_iter()
            .map(|query| ords(&index, &Recent::new(), &query));
        (answers.collect::<Vec<_>>(), everything(&index).unwrap())
    };
    assert!(truth.iter().all(|ords| !ords.is_empty()), "{truth:?}");
    let answer = |index: &Index, query: &Query| {
        let hits = index.search(query, &Recent::new())?;
        let mut ords: Vec<u64> = hits.hits.iter().map(|hit| hit.ord).collect();
        ords.sort_unstable();
        Ok::<_, vale_search::SearchError>(ords)
    };

    let mut random = fastrand::Rng::with_seed(20);
    let (mut remade, mut condemned, mut harmless, mut wrong) = (0, 0, 0, 0);
    for round in 0..COPIES {
        let folder = tempdir().unwrap();
        copy(original.path(), folder.path());
        let (path, how) = damage(&folder.path().join("files"), round, &mut random);
        let place = format!("round {round}: {how} in {}", path.display());
        let opened = catch_unwind(AssertUnwindSafe(|| open(folder.path()))).expect(&place);
        let index = opened.index;
        match opened.position {
            Position::Fresh(why) => {
                assert!(
                    matches!(why, Fresh::Unreadable(_) | Fresh::Missing),
                    "{place}: {why:?}"
                );
                assert!(index.is_empty(), "{place}");
                remade += 1;
                continue;
            }
            Position::At(lsn) => assert_eq!(lsn, position, "{place}"),
        }
        // Before the check an answer may be wrong or an error, but never a panic.
        for (query, truth) in queries().iter().zip(&truth) {
            let answer = catch_unwind(AssertUnwindSafe(|| answer(&index, query))).expect(&place);
            wrong += u32::from(answer.is_ok_and(|answer| answer != *truth));
        }
        let checked = catch_unwind(AssertUnwindSafe(|| index.validate_checksum())).expect(&place);
        match checked {
            Ok(()) => {
                for (query, truth) in queries().iter().zip(&truth) {
                    assert_eq!(
                        answer(&index, query).unwrap(),
                        *truth,
                        "{place}: {}",
                        query.text
                    );
                }
                assert_eq!(everything(&index).unwrap(), all, "{place}");
                harmless += 1;
            }
            Err(error) => {
                drop(index);
                let opened = open(folder.path());
                let condemned_now = matches!(opened.position, Position::Fresh(Fresh::Condemned(_)));
                assert!(condemned_now, "{place}: {error}");
                assert!(opened.index.is_empty());
                drop(opened);
                // And once only.
                let again = Index::open(folder.path(), SCHEMA).unwrap().position;
                assert_eq!(again, Position::Fresh(Fresh::Uncommitted), "{place}");
                condemned += 1;
            }
        }
    }
    println!(
        "{COPIES} damaged copies: {remade} remade at once, {condemned} condemned by the check, \
         {harmless} unharmed; {wrong} wrong answers before the check, 0 after"
    );
    assert!(remade > 0 && condemned > 0);
}

#[test]
fn any_bit_of_the_small_files_is_noticed_at_once() {
    let original = tempdir().unwrap();
    base(original.path());
    for name in ["meta.json", ".managed.json"] {
        let path = original.path().join("files").join(name);
        let whole = fs::read(&path).unwrap();
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20 {
            let folder = tempdir().unwrap();
            copy(original.path(), folder.path());
            let mut bytes = whole.clone();
            let at = random.usize(..bytes.len());
            bytes[at] ^= 1 << random.u8(..8);
            fs::write(folder.path().join("files").join(name), bytes).unwrap();
            let position = open(folder.path()).position;
            assert!(
                matches!(position, Position::Fresh(Fresh::Unreadable(_))),
                "{name}, byte {at}"
            );
        }
    }
}
