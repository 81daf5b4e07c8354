//! The owner's side: serves the host to other faces of the same person.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinHandle, JoinSet};
use vale_host::{Host, TurnStep};
use vale_types::{Failure, ModelRef, Request};

use super::place::MeetingPlace;
use super::wire::{Answer, Hello, Op, PROTOCOL, Wire};

/// Serves for as long as it lives.
pub(crate) struct Server {
    accepting: JoinHandle<()>,
    answers: Arc<Answers>,
    #[cfg(unix)]
    socket: std::path::PathBuf,
}

/// How long a face may take to say what it wants, and to take what it is sent: one that is stopped
/// must not keep what it holds in the host.
const STALLED: Duration = Duration::from_secs(60);

/// Answers that other faces receive through this process; none = no more are begun.
struct Answers(watch::Sender<Option<usize>>);

/// One of them.
struct Counted<'a>(&'a Answers);

impl Answers {
    fn begin(&self) -> Option<Counted<'_>> {
        let counted = self.0.send_if_modified(|count| {
            if let Some(count) = count {
                *count = count.saturating_add(1);
            }
            count.is_some()
        });
        counted.then_some(Counted(self))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| {
            if let Some(count) = count {
                *count = count.saturating_sub(1);
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        // The next owner removes one that is left over.
        #[cfg(unix)]
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Server {
    /// Begins to serve. Must be called within a runtime.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(crate) fn start(place: &MeetingPlace, host: Host) -> io::Result<Self> {
        let answers = Arc::new(Answers(watch::Sender::new(Some(0))));
        let counted = Arc::clone(&answers);
        #[cfg(unix)]
        {
            let (listener, socket, owner) = unix_listener(place)?;
            let accepting = tokio::spawn(async move {
                // Ends with this task, so that nobody is served once the lock is let go.
                let mut faces = JoinSet::new();
                loop {
                    while faces.try_join_next().is_some() {}
                    match listener.accept().await {
                        Ok((stream, _)) if is_owner(&stream, owner) => {
                            let (host, counted) = (host.clone(), Arc::clone(&counted));
                            faces.spawn(serve(stream, host, counted));
                        }
                        Ok(_) => {
                            tracing::warn!("another user came to the socket and was sent away")
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a face could not be accepted");
                            // Out of descriptors, most likely: a pause lets some come free.
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                }
            });
            Ok(Self {
                accepting,
                answers,
                socket,
            })
        }
        #[cfg(windows)]
        {
            use tokio::net::windows::named_pipe::ServerOptions;
            let name = place.pipe();
            let mut next = ServerOptions::new()
                .first_pipe_instance(true)
                .reject_remote_clients(true)
                .create(&name)?;
            let accepting = tokio::spawn(async move {
                // Ends with this task, so that nobody is served once the lock is let go.
                let mut faces = JoinSet::new();
                loop {
                    while faces.try_join_next().is_some() {}
                    if let Err(error) = next.connect().await {
                        tracing::warn!(%error, "a face could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                    let following = loop {
                        let mut options = ServerOptions::new();
                        match options.reject_remote_clients(true).create(&name) {
                            Ok(following) => break following,
                            Err(error) => {
                                tracing::warn!(%error, "the next face cannot be awaited yet");
                                tokio::time::sleep(Duration::from_millis(50)).await;
                            }
                        }
                    };
                    let stream = std::mem::replace(&mut next, following);
                    faces.spawn(serve(stream, host.clone(), Arc::clone(&counted)));
                }
            });
            Ok(Self { accepting, answers })
        }
    }

    /// Answers that other faces receive through this process now.
    pub(crate) fn answers(&self) -> usize {
        self.answers.0.borrow().unwrap_or(0)
    }

    /// Waits until there are none; from then on none is begun.
    pub(crate) async fn close(&self) {
        let mut answers = self.answers.0.subscribe();
        loop {
            let closed = self.answers.0.send_if_modified(|count| {
                let is_over = *count == Some(0);
                if is_over {
                    *count = None;
                }
                is_over
            });
            if closed || answers.changed().await.is_err() {
                return;
            }
            if answers.borrow_and_update().is_none() {
                return;
            }
        }
    }
}

#[cfg(unix)]
fn unix_listener(
    place: &MeetingPlace,
) -> io::Result<(tokio::net::UnixListener, std::path::PathBuf, u32)> {
    use std::os::unix::fs::PermissionsExt as _;
    let socket = place.socket()?;
    // Whoever made it held the lock, and does no more.
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = tokio::net::UnixListener::bind(&socket)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    Ok((listener, socket, place.owner()?))
}

/// The folder is closed to others already; root and odd file systems are why this is asked too.
#[cfg(unix)]
fn is_owner(stream: &tokio::net::UnixStream, owner: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == owner)
}

/// One connection. An error means that the other side has gone, which needs no answer.
async fn serve<S>(stream: S, host: Host, answers: Arc<Answers>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Err(error) = conversation(Wire::new(stream), host, &answers).await {
        tracing::debug!(%error, "a face has gone");
    }
}

async fn conversation<S>(mut wire: Wire<S>, host: Host, answers: &Answers) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(hello) = soon(wire.read::<Hello>()).await? else {
        return Ok(());
    };
    wire.write(&Hello::ours()).await?;
    if hello.protocol != PROTOCOL {
        return Ok(());
    }
    let Some(op) = soon(wire.read::<Op>()).await? else {
        return Ok(());
    };
    match op {
        Op::Send { model, request } => {
            // None: it goes away, and whoever asks next takes over.
            let Some(_counted) = answers.begin() else {
                return Ok(());
            };
            turn(&mut wire, &host, &model, *request).await
        }
        Op::Models { provider } => unary(&mut wire, host.models(&provider)).await,
        Op::Describe { provider } => unary(&mut wire, host.describe(&provider)).await,
        Op::Count { model, request } => {
            unary(&mut wire, host.core().count_tokens(&model, &request)).await
        }
        Op::Imports { plugin } => unary(&mut wire, host.imports(&plugin)).await,
        Op::Tools { plugin } => unary(&mut wire, host.tools(&plugin)).await,
        Op::Invoke { plugin, call } => unary(&mut wire, host.invoke(&plugin, &call)).await,
        Op::Attach { media_type, name } => {
            let Some(bytes) = soon(wire.read_bytes()).await? else {
                return Ok(());
            };
            let media = host.attach(&media_type, name, bytes);
            wire.write(&Answer::Done(media)).await
        }
        Op::Reload => {
            let reloaded = host.reload();
            let reloaded = reloaded.map_err(|error| Failure::host(error.to_string()));
            unary(&mut wire, async { reloaded }).await
        }
        Op::KeysChanged => {
            host.profile().keys_changed();
            wire.write(&Answer::Done(())).await
        }
        Op::Tree => wire.write(&Answer::Done(host.tree())).await,
        Op::Ask { path, command } => {
            let asked = host.command(&path, command);
            wire.write(&Answer::Done(asked)).await
        }
        Op::Events => events(&mut wire, host.events()).await,
    }
}

/// What a face that runs does at once.
async fn soon<T>(done: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let timed = tokio::time::timeout(STALLED, done).await;
    timed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Runs work for as long as the other side listens.
async fn unary<S, T>(
    wire: &mut Wire<S>,
    work: impl Future<Output = Result<T, Failure>>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: Serialize,
{
    let done = tokio::select! {
        done = work => done,
        _ = wire.read_bytes() => return Ok(()),
    };
    let answer = match done {
        Ok(value) => Answer::Done(value),
        Err(failure) => Answer::Failed(failure),
    };
    wire.write(&answer).await
}

async fn turn<S>(
    wire: &mut Wire<S>,
    host: &Host,
    model: &ModelRef,
    request: Request,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut turn = match host.send(model, request) {
        Ok(turn) => turn,
        Err(failure) => return wire.write(&TurnStep::End(Err(failure))).await,
    };
    loop {
        let step = tokio::select! {
            step = turn.next() => step,
            // It has gone, or says what nobody says: the turn is dropped, which cancels it.
            _ = wire.read_bytes() => return Ok(()),
        };
        match step {
            Some(step) => soon(wire.write(&step)).await?,
            None => return Ok(()),
        }
    }
}

async fn events<S>(
    wire: &mut Wire<S>,
    mut events: broadcast::Receiver<vale_host::HostEvent>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = wire.read_bytes() => return Ok(()),
        };
        match event {
            Ok(event) => soon(wire.write(&event)).await?,
            // A listener that fell behind goes on with what is new.
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return Ok(()),
        }
    }
}
