//! One process per store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::StoreError;

/// Held as long as the store is open; the system lets it go with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("store.lock");
        let opening = || StoreError::io(format!("opening {}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(opening())?;
        match patiently(
            || file.try_lock(),
            |error| matches!(error, TryLockError::WouldBlock),
        ) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut who = String::new();
                // Only for the sentence.
                drop(file.read_to_string(&mut who));
                let who = who.trim();
                let who = if who.is_empty() {
                    "another process"
                } else {
                    who
                };
                return Err(StoreError::Locked(who.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(opening()(error)),
        }
        let line = format!("process {}\n", std::process::id());
        // The lock holds without it.
        drop(
            file.set_len(0)
                .and_then(|()| file.write_all(line.as_bytes())),
        );
        Ok(Self { _file: file })
    }
}

/// How long a lock is tried: a process that this program starts holds every lock of it from its fork to
/// its exec.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tries until it does not fail that way, or for half a second.
pub(crate) fn patiently<T, E>(
    mut attempt: impl FnMut() -> Result<T, E>,
    is_busy: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let began = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}
