//! Where an import reads from.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Read and seek in one.
pub(super) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// The bytes of an export.
pub struct Input {
    kind: Kind,
    beside: Option<PathBuf>,
}

enum Kind {
    File(PathBuf),
    Bytes(Arc<[u8]>),
    Stream(Option<Box<dyn Read + Send>>),
}

impl Input {
    /// A file. Its folder is where files beside a JSON Lines export are looked for.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            beside: path.parent().map(Path::to_owned),
            kind: Kind::File(path),
        }
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            kind: Kind::Bytes(bytes.into()),
            beside: None,
        }
    }

    /// Something that is read once, from front to back, such as a pipe. It may not be a zip file.
    #[must_use]
    pub fn stream(stream: impl Read + Send + 'static) -> Self {
        Self {
            kind: Kind::Stream(Some(Box::new(stream))),
            beside: None,
        }
    }

    /// The folder of the file.
    pub(super) fn beside(&self) -> Option<&Path> {
        self.beside.as_deref()
    }

    /// Bytes in all, where that is known.
    pub(super) fn len(&self) -> Option<u64> {
        match &self.kind {
            Kind::File(path) => path.metadata().ok().map(|metadata| metadata.len()),
            Kind::Bytes(bytes) => Some(bytes.len() as u64),
            Kind::Stream(_) => None,
        }
    }

    /// From the front, to move about in. `None`: a stream cannot.
    pub(super) fn seekable(&self) -> io::Result<Option<Box<dyn ReadSeek>>> {
        Ok(match &self.kind {
            Kind::File(path) => Some(Box::new(File::open(path)?)),
            Kind::Bytes(bytes) => Some(Box::new(Cursor::new(Arc::clone(bytes)))),
            Kind::Stream(_) => None,
        })
    }

    /// From the front. A stream is given once.
    pub(super) fn readable(&mut self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &mut self.kind {
            Kind::File(path) => Box::new(File::open(path)?),
            Kind::Bytes(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            Kind::Stream(stream) => stream
                .take()
                .ok_or_else(|| io::Error::other("the stream was read already"))?,
        })
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the export read so far; of a zip, compressed ones.
    pub read: u64,
    /// Bytes there are, where that is known.
    pub total: Option<u64>,
}

/// Told how far an import is; may stop it.
pub type OnProgress = Box<dyn FnMut(Progress) -> ControlFlow<()> + Send>;

/// Told by every reader of one import.
#[derive(Clone)]
pub(super) struct Meter(Arc<Mutex<MeterState>>);

struct MeterState {
    progress: Progress,
    callback: OnProgress,
}

/// The callback asked for an end.
#[derive(Debug, thiserror::Error)]
#[error("the import was stopped")]
pub(super) struct Stopped;

impl Meter {
    pub(super) fn new(total: Option<u64>, callback: OnProgress) -> Self {
        let progress = Progress { read: 0, total };
        Self(Arc::new(Mutex::new(MeterState { progress, callback })))
    }

    pub(super) fn set_total(&self, total: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.progress.total = Some(total);
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.progress.read += bytes as u64;
        let progress = state.progress;
        match (state.callback)(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(io::Error::other(Stopped)),
        }
    }
}

/// Counts what passes.
pub(super) struct Metered<R> {
    pub inner: R,
    pub meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.meter.count(read)?;
        Ok(read)
    }
}
