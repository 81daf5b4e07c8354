//! The other side: asks the process that runs the host.

use std::io;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use vale_host::{HostEvent, TurnStep};
use vale_types::Failure;

use super::place::MeetingPlace;
use super::wire::{Answer, Hello, Op, PROTOCOL, Wire};

#[cfg(unix)]
type Stream = tokio::net::UnixStream;
#[cfg(windows)]
type Stream = tokio::net::windows::named_pipe::NamedPipeClient;

/// Why a connection was not made.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// Nobody listens.
    Nobody,
    /// Somebody listens who speaks otherwise; in words.
    Stranger(String),
}

/// A connection, ready for one operation.
pub(crate) struct Connection(Wire<Stream>);

impl Connection {
    pub(crate) async fn open(place: &MeetingPlace) -> Result<Self, NoConnection> {
        let stream = connect(place).await.map_err(|_| NoConnection::Nobody)?;
        let mut wire = Wire::new(stream);
        let greeted = async {
            wire.write(&Hello::ours()).await?;
            wire.read::<Hello>().await
        };
        match greeted.await {
            Ok(Some(hello)) if hello.protocol == PROTOCOL => Ok(Self(wire)),
            Ok(Some(hello)) => Err(NoConnection::Stranger(hello.version)),
            // It ended while it greeted.
            Ok(None) | Err(_) => Err(NoConnection::Nobody),
        }
    }

    /// One operation with one answer.
    pub(crate) async fn ask<T: DeserializeOwned>(mut self, op: &Op) -> Result<T, Failure> {
        let asked = async {
            self.0.write(op).await?;
            self.0.read::<Answer<T>>().await
        };
        answer(asked.await)
    }

    /// Keeps an attachment there.
    pub(crate) async fn attach<T: DeserializeOwned>(
        mut self,
        op: &Op,
        bytes: Bytes,
    ) -> Result<T, Failure> {
        let asked = async {
            self.0.write(op).await?;
            self.0.write_bytes(bytes).await?;
            self.0.read::<Answer<T>>().await
        };
        answer(asked.await)
    }

    /// An operation with a stream of answers.
    pub(crate) async fn begin(mut self, op: &Op) -> Result<Self, Failure> {
        match self.0.write(op).await {
            Ok(()) => Ok(self),
            Err(_) => Err(gone()),
        }
    }

    /// The next step of a turn; an end in any case. A read that is dropped loses nothing.
    pub(crate) async fn step(&mut self) -> TurnStep {
        match self.0.read::<TurnStep>().await {
            Ok(Some(step)) => step,
            Ok(None) | Err(_) => TurnStep::End(Err(gone())),
        }
    }

    /// The next event; none when the other side has ended.
    pub(crate) async fn event(&mut self) -> Option<HostEvent> {
        self.0.read::<HostEvent>().await.ok().flatten()
    }
}

fn answer<T>(read: io::Result<Option<Answer<T>>>) -> Result<T, Failure> {
    match read {
        Ok(Some(Answer::Done(value))) => Ok(value),
        Ok(Some(Answer::Failed(failure))) => Err(failure),
        Ok(None) | Err(_) => Err(gone()),
    }
}

/// The other process ended in the middle of it.
fn gone() -> Failure {
    Failure::host("the ValeChat process that ran this for you has ended; what had arrived is kept")
}

#[cfg(unix)]
async fn connect(place: &MeetingPlace) -> io::Result<Stream> {
    Stream::connect(place.socket()?).await
}

#[cfg(windows)]
async fn connect(place: &MeetingPlace) -> io::Result<Stream> {
    use tokio::net::windows::named_pipe::ClientOptions;
    /// `ERROR_PIPE_BUSY`: all instances are taken at this moment.
    const BUSY: i32 = 231;
    loop {
        match ClientOptions::new().open(place.pipe()) {
            Err(error) if error.raw_os_error() == Some(BUSY) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            opened => return opened,
        }
    }
}
