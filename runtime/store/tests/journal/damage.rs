//! A medium that rots: what is broken is named by file and place, what is whole is still there.

use std::collections::BTreeMap;

use vale_store::disk::SimDisk;
use vale_store::{Item, StoreError};

use crate::toy::{open, set};

const RECORDS: u8 = 120;

fn payload(n: u8) -> Vec<u8> {
    // Distinct, and with the magic of a frame in it, which a person may well write.
    [&[n][..], b"VCJ1", &[n; 90]].concat()
}

fn store() -> SimDisk {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    for n in 0..RECORDS {
        journal
            .append(&[set(n, &payload(n)[1..]).into()], 1)
            .unwrap();
    }
    disk
}

/// What a copy comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Intact,
    Told,
    /// The end of the last segment is gone. The journal alone cannot know that it was there; the store
    /// does, by its view (`tests/store`).
    Shorter,
}

/// Opens a damaged copy; whatever it gives is either right or told.
fn classify(disk: &SimDisk, seed: u64) -> Class {
    let (journal, recovery) = match open(disk) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(
                matches!(error, StoreError::Damaged(_) | StoreError::ReadOnly(_)),
                "{error}"
            );
            return Class::Told;
        }
    };
    let reader = journal.reader();
    let mut is_told = !recovery.damage.is_empty();
    if is_told {
        assert!(journal.read_only().is_some(), "seed {seed}");
    }
    let mut whole = BTreeMap::new();
    let mut named = Vec::new();
    reader
        .salvage(&mut |item| {
            match item {
                Item::Frame(frame) => drop(whole.insert(frame.lsn, frame.payload)),
                Item::Damage(damage) => named.push(damage),
            }
            Ok(())
        })
        .unwrap();
    let verified = reader.verify(&mut |_, _| {}).unwrap();
    is_told |= !named.is_empty() || !verified.is_empty();
    for (lsn, found) in &whole {
        let n = u8::try_from(lsn - 1).unwrap();
        assert_eq!(
            *found,
            payload(n),
            "seed {seed}: record {lsn} is silently another"
        );
        assert_eq!(
            reader
                .read(*lsn)
                .map(|frame| frame.payload)
                .unwrap_or(found.clone()),
            *found
        );
    }
    if is_told {
        return Class::Told;
    }
    let mut missing = (1..=u64::from(RECORDS)).filter(|lsn| !whole.contains_key(lsn));
    let Some(first) = missing.next() else {
        return Class::Intact;
    };
    let last_segment_began = reader.last_segment_began();
    assert!(
        first >= last_segment_began && whole.keys().all(|lsn| *lsn < first),
        "seed {seed}: {first} is silently gone, {recovery:?}"
    );
    Class::Shorter
}

#[test]
fn no_damage_is_silent() {
    let mut counts = BTreeMap::new();
    for seed in 0..600 {
        let disk = store();
        let mut random = fastrand::Rng::with_seed(seed);
        let files: Vec<_> = disk.files();
        let file = &files[random.usize(..files.len())];
        let kind = random.u8(..6);
        let what = |bytes: &mut Vec<u8>| {
            if bytes.is_empty() {
                return;
            }
            let at = random.usize(..bytes.len());
            let end = (at + 512).min(bytes.len());
            match kind {
                0 => bytes[at] ^= 1 << random.u8(..8),
                1 => bytes[at..end].fill(0),
                2 => bytes[at..end].fill_with(|| random.u8(..)),
                3 => bytes.truncate(at),
                4 => {
                    let last = bytes.len() - 1 - random.usize(..64.min(bytes.len()));
                    bytes[last] ^= 0x10;
                }
                _ => bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(200)),
            }
        };
        disk.damage(file, what).unwrap();
        *counts.entry(classify(&disk, seed)).or_insert(0) += 1;
    }
    println!("damaged copies: {counts:?}");
    assert_eq!(counts.len(), 3, "{counts:?}");
}

#[test]
fn a_broken_record_is_named_and_all_others_are_read() {
    let disk = store();
    let path = "journal/00000002.vcj";
    disk.damage(path, |bytes| bytes[300] ^= 0x40).unwrap();
    // Sealed segments are not read at every start, so this one is met when it is read.
    let (journal, _) = open(&disk).unwrap();
    let found = journal.reader().verify(&mut |_, _| {}).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].segment, path);
    assert!(
        found[0]
            .to_string()
            .contains("journal/00000002.vcj at byte"),
        "{}",
        found[0]
    );
    let mut frames = 0;
    journal
        .reader()
        .salvage(&mut |item| {
            frames += u32::from(matches!(item, Item::Frame(_)));
            Ok(())
        })
        .unwrap();
    assert_eq!(frames, u32::from(RECORDS) - 1);
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let disk = store();
    vale_store::disk::Disk::remove(&disk, "journal/00000003.vcj").unwrap();
    let (mut journal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.damage.len(), 1, "{recovery:?}");
    let refused = journal.append(&[set(1, b"x").into()], 1);
    assert!(
        matches!(refused, Err(StoreError::ReadOnly(_))),
        "{refused:?}"
    );
}
