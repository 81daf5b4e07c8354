//! Real disks without room: a small RAM disk, where the system lets us have one.

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use vale_store::{Headroom, JournalOptions, Store, StoreOptions};

use crate::toy::{Toy, ready, set, value};

/// A RAM disk of its own.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(mib: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Process::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "none"])
            .arg(folder.path())
            .output();
        mounted
            .is_ok_and(|out| out.status.success())
            .then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Process::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

fn open(folder: &Path) -> Store {
    let options = StoreOptions {
        journal: JournalOptions {
            segment_bytes: 256 << 10,
        },
        headroom: Headroom {
            refuse: 4 << 20,
            warn: 5 << 20,
        },
        rebuild: false,
    };
    Store::open(folder, options, Arc::new(Toy(1)))
        .unwrap()
        .store
}

/// One life of a store on a disk that fills up; gives how many records it took.
fn fill(folder: &Path, mib: u64) -> u32 {
    let store = open(folder);
    ready(&store);
    let mut written = 0;
    let mut refused = 0;
    while refused < 5 {
        match store.commit_blocking(set(&format!("n{written}"), &[5; 6_000])) {
            Ok(_) => written += 1,
            Err(error) => {
                assert!(error.is_full(), "{mib} MiB: {error}");
                refused += 1;
            }
        }
    }
    // Reading goes on, and so does what frees space.
    assert_eq!(value(&store, "n0").unwrap().len(), 6_000);
    store
        .commit_freeing(set("n0", b"short"))
        .blocking_recv()
        .unwrap()
        .unwrap();
    store.close();
    drop(store);
    let store = open(folder);
    ready(&store);
    assert_eq!(value(&store, "n0").unwrap(), b"short");
    assert_eq!(
        value(&store, &format!("n{}", written - 1)).unwrap().len(),
        6_000
    );
    // sled may have given some space back.
    if let Err(error) = store.commit_blocking(set("more", &[5; 6_000])) {
        assert!(error.is_full(), "{mib} MiB: {error}");
    }
    drop(store);
    written
}

#[test]
fn a_full_disk_is_refused_cleanly_read_on_and_survived() {
    if Small::mount(8).is_none() {
        println!("skipped: a RAM disk could not be mounted here");
        return;
    }
    let runs = if std::env::var_os("VALECHAT_FULL").is_some() {
        100
    } else {
        25
    };
    for run in 0..runs {
        let mib = 7 + run % 30;
        let small = Small::mount(mib).unwrap();
        let folder = small.0.path().join("store");
        let (done, waiting) = mpsc::channel();
        let inside = folder.clone();
        std::thread::spawn(move || done.send(fill(&inside, mib)));
        let written = waiting.recv_timeout(Duration::from_secs(90));
        let written =
            written.unwrap_or_else(|error| panic!("{mib} MiB: {error}: it hangs or failed"));
        // With space it goes on.
        let grown = Process::new("mount")
            .args(["-o", &format!("remount,size={}m", mib + 40)])
            .arg(small.0.path())
            .output();
        assert!(grown.unwrap().status.success());
        let store = open(&folder);
        ready(&store);
        store.commit_blocking(set("more", &[5; 6_000])).unwrap();
        assert_eq!(
            value(&store, &format!("n{}", written - 1)).unwrap().len(),
            6_000
        );
        drop(store);
    }
}
