//! The other side: asks the process that runs the host.

use std::io;
use std::time::Duration;

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
    /// Somebody has the socket and says nothing: stopped, most likely.
    Mute,
}

/// How long the other side may take for what it has at hand.
const AT_HAND: Duration = Duration::from_secs(10);

/// A connection, ready for one operation.
pub(crate) struct Connection {
    wire: Wire<Stream>,
    /// A key in this process's environment that the other side has not, or has otherwise.
    own_key: Option<String>,
}

impl Connection {
    pub(crate) async fn open(place: &MeetingPlace) -> Result<Self, NoConnection> {
        let stream = connect(place).await.map_err(|_| NoConnection::Nobody)?;
        let mut wire = Wire::new(stream);
        let ours = Hello::ours();
        let greeted = async {
            wire.write(&ours).await?;
            wire.read::<Hello>().await
        };
        let Ok(greeted) = tokio::time::timeout(super::PATIENCE, greeted).await else {
            return Err(NoConnection::Mute);
        };
        match greeted {
            Ok(Some(hello)) if hello.protocol == PROTOCOL => {
                let mut own = ours.keys.into_iter();
                let own_key = own.find(|(name, digest)| hello.keys.get(name) != Some(digest));
                Ok(Self {
                    wire,
                    own_key: own_key.map(|(name, _)| name),
                })
            }
            Ok(Some(hello)) => Err(NoConnection::Stranger(hello.version)),
            // It ended while it greeted.
            Ok(None) | Err(_) => Err(NoConnection::Nobody),
        }
    }

    /// Refuses what would use a provider's keys, where this process was given another key than the
    /// one that would be used.
    pub(crate) fn with_same_keys(self) -> Result<Self, Failure> {
        match &self.own_key {
            None => Ok(self),
            Some(name) => Err(Failure::host(format!(
                "{name} is set here, but another ValeChat process runs this profile's host and uses the keys of its own environment; end that one, or unset the variable here"
            ))),
        }
    }

    /// One operation with one answer.
    pub(crate) async fn ask<T: DeserializeOwned>(mut self, op: &Op) -> Result<T, Failure> {
        let asked = async {
            self.wire.write(op).await?;
            self.wire.read::<Answer<T>>().await
        };
        answer(asked.await)
    }

    /// One operation whose answer the other side has at hand.
    pub(crate) async fn ask_quickly<T: DeserializeOwned>(self, op: &Op) -> Result<T, Failure> {
        let answer = tokio::time::timeout(AT_HAND, self.ask(op)).await;
        answer.unwrap_or_else(|_| {
            Err(Failure::host(format!(
                "the ValeChat process that runs the host does not answer within {} s",
                AT_HAND.as_secs()
            )))
        })
    }

    /// Keeps an attachment there.
    pub(crate) async fn attach<T: DeserializeOwned>(
        mut self,
        op: &Op,
        bytes: Bytes,
    ) -> Result<T, Failure> {
        let asked = async {
            self.wire.write(op).await?;
            self.wire.write_bytes(bytes).await?;
            self.wire.read::<Answer<T>>().await
        };
        answer(asked.await)
    }

    /// An operation with a stream of answers.
    pub(crate) async fn begin(mut self, op: &Op) -> Result<Self, Failure> {
        match self.wire.write(op).await {
            Ok(()) => Ok(self),
            Err(_) => Err(gone()),
        }
    }

    /// The next step of a turn; an end in any case. A read that is dropped loses nothing.
    pub(crate) async fn step(&mut self) -> TurnStep {
        match self.wire.read::<TurnStep>().await {
            Ok(Some(step)) => step,
            Ok(None) | Err(_) => TurnStep::End(Err(gone())),
        }
    }

    /// The next event; none when the other side has ended.
    pub(crate) async fn event(&mut self) -> Option<HostEvent> {
        self.wire.read::<HostEvent>().await.ok().flatten()
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
