//! The owner's side: serves the host to other faces of the same person.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use vale_host::{Host, TurnStep};
use vale_types::{Failure, ModelRef, Request};

use super::place::{Held, MeetingPlace};
use super::wire::{Answer, Hello, Op, PROTOCOL, Wire};

/// Serves for as long as it lives.
pub(crate) struct Server {
    accepting: JoinHandle<()>,
    /// Answers that other faces receive through this process.
    answers: Arc<watch::Sender<usize>>,
    #[cfg(unix)]
    socket: std::path::PathBuf,
    _held: Held,
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
    pub(crate) fn start(place: &MeetingPlace, held: Held, host: Host) -> io::Result<Self> {
        let answers = Arc::new(watch::Sender::new(0));
        let counted = Arc::clone(&answers);
        #[cfg(unix)]
        {
            let (listener, socket, owner) = unix_listener(place)?;
            let accepting = tokio::spawn(async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) if is_owner(&stream, owner) => {
                            let (host, counted) = (host.clone(), Arc::clone(&counted));
                            tokio::spawn(serve(stream, host, counted));
                        }
                        Ok(_) => {
                            tracing::warn!("another user came to the socket and was sent away")
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a face could not be accepted");
                            // Out of descriptors, most likely: a pause lets some come free.
                            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                        }
                    }
                }
            });
            Ok(Self {
                accepting,
                answers,
                socket,
                _held: held,
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
                loop {
                    if let Err(error) = next.connect().await {
                        tracing::warn!(%error, "a face could not be accepted");
                        continue;
                    }
                    let following = ServerOptions::new()
                        .reject_remote_clients(true)
                        .create(&name);
                    let Ok(following) = following else { return };
                    let stream = std::mem::replace(&mut next, following);
                    tokio::spawn(serve(stream, host.clone(), Arc::clone(&counted)));
                }
            });
            Ok(Self {
                accepting,
                answers,
                _held: held,
            })
        }
    }

    /// Answers that other faces receive through this process now.
    pub(crate) fn answers(&self) -> watch::Receiver<usize> {
        self.answers.subscribe()
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
async fn serve<S>(stream: S, host: Host, answers: Arc<watch::Sender<usize>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Err(error) = conversation(Wire::new(stream), host, &answers).await {
        tracing::debug!(%error, "a face has gone");
    }
}

async fn conversation<S>(
    mut wire: Wire<S>,
    host: Host,
    answers: &watch::Sender<usize>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(hello) = wire.read::<Hello>().await? else {
        return Ok(());
    };
    wire.write(&Hello::ours()).await?;
    if hello.protocol != PROTOCOL {
        return Ok(());
    }
    let Some(op) = wire.read::<Op>().await? else {
        return Ok(());
    };
    match op {
        Op::Send { model, request } => {
            answers.send_modify(|count| *count += 1);
            let ended = turn(&mut wire, &host, &model, *request).await;
            answers.send_modify(|count| *count = count.saturating_sub(1));
            ended
        }
        Op::Models { provider } => unary(&mut wire, host.models(&provider)).await,
        Op::Describe { provider } => unary(&mut wire, host.describe(&provider)).await,
        Op::Count { model, request } => {
            unary(&mut wire, host.core().count_tokens(&model, &request)).await
        }
        Op::Imports { plugin } => unary(&mut wire, host.imports(&plugin)).await,
        Op::Attach { media_type, name } => {
            let Some(bytes) = wire.read_bytes().await? else {
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
            Some(step) => wire.write(&step).await?,
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
            Ok(event) => wire.write(&event).await?,
            // A listener that fell behind goes on with what is new.
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return Ok(()),
        }
    }
}
