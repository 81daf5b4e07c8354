//! A backup while the journal goes on.

use std::io;
use std::sync::{Arc, Mutex};

use vale_store::disk::{Disk, DiskFile, Entry, SimDisk};
use vale_store::{Command, Journal, make_backup};

use crate::toy::{LastOfEach, State, open, set};

fn command(n: u8) -> Command {
    set(n % 12, &[n; 100]).into()
}

type Meanwhile = Box<dyn FnMut() + Send>;

/// Something else happens whenever a file of the backup is made.
struct Busy(SimDisk, Mutex<Meanwhile>);

impl std::fmt::Debug for Busy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Busy")
            .field(&self.0)
            .finish_non_exhaustive()
    }
}

impl Disk for Busy {
    fn create_folder(&self, path: &str) -> io::Result<()> {
        self.0.create_folder(path)
    }
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        self.0.list(folder)
    }
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        (self.1.lock().unwrap())();
        self.0.create(path)
    }
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.0.open(path)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }
    fn remove_folder(&self, path: &str) -> io::Result<()> {
        self.0.remove_folder(path)
    }
    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        (self.1.lock().unwrap())();
        self.0.link(from, to)
    }
    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.0.sync_folder(folder)
    }
    fn free_space(&self) -> io::Result<u64> {
        self.0.free_space()
    }
}

/// Makes a backup, with something done to the journal before each of its files; it must hold what was
/// there when it began, and a store restored from it must go on.
fn backup_while(mut meanwhile: impl FnMut(&mut Journal) + Send + 'static) {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    // Sealed segments, and one that is written to.
    let written: Vec<Command> = (0..50).map(command).collect();
    for command in &written {
        journal.append(std::slice::from_ref(command), 1).unwrap();
    }
    let reader = journal.reader();
    let writer: Arc<Mutex<Journal>> = Arc::new(Mutex::new(journal));
    let meanwhile = move || meanwhile(&mut writer.lock().unwrap());
    let busy = Busy(disk.clone(), Mutex::new(Box::new(meanwhile)));
    let backup = make_backup(&busy, &reader, 7, "daily").unwrap();
    assert_eq!(backup.last, 50);
    // Where a restore would put it.
    let restored = SimDisk::new();
    restored.create_folder("journal").unwrap();
    let prefix = format!("{}/", backup.folder());
    for path in disk.files() {
        let Some(name) = path.strip_prefix(&prefix) else {
            continue;
        };
        let from = disk.open(&path).unwrap();
        let mut bytes = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
        from.read_at(0, &mut bytes).unwrap();
        restored.create(name).unwrap().write_at(0, &bytes).unwrap();
    }
    let (mut journal, recovery) = open(&restored).unwrap();
    assert_eq!((recovery.damage, recovery.removed), (vec![], vec![]));
    assert_eq!(State::of(&journal.reader()), State::of_commands(&written));
    // And goes on from there.
    journal.append(&[command(60)], 1).unwrap();
    drop(journal);
    let (journal, recovery) = open(&restored).unwrap();
    assert_eq!((recovery.damage, journal.last()), (vec![], 51));
}

#[test]
fn a_backup_is_whole_when_segments_are_sealed_while_it_is_made() {
    backup_while(|journal| {
        journal.append(&[command(99)], 1).unwrap();
        journal.roll(1).unwrap();
    });
}

#[test]
fn a_backup_is_whole_when_segments_are_compacted_while_it_is_made() {
    backup_while(|journal| {
        journal.append(&[command(99)], 1).unwrap();
        let reader = journal.reader();
        let compacted = reader.compact(&mut LastOfEach::default(), 2 << 10, 0.0);
        journal.publish(compacted.unwrap()).unwrap();
    });
}
