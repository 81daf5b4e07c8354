//! The wasm side: everything that calls the host. Kept thin, because only a component runs it.

pub use wit_bindgen::rt::async_support::{FutureReader, StreamReader};
use wit_bindgen::rt::async_support::{FutureWriter, StreamResult, StreamWriter};

use crate::bindings::valechat::host::{clock, config, http};
use crate::bindings::{wit_future, wit_stream};
use crate::context::Context;
use crate::frame::Flow;
use crate::http::HttpReply;
use crate::provider::Provider;
use crate::session::Session;
use crate::types::{Error, ErrorKind, Event, Finish, HttpError, HttpRequest, Model, Request};

/// Bytes asked for at a time.
const READ_BYTES: usize = 64 * 1024;
/// The largest list of models, in bytes; OpenRouter's is about 1 MB.
const MAX_LIST_BYTES: usize = 8 * 1024 * 1024;
/// How much of an error's body is read, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// How much is read behind the terminal marker, so that the connection can be used again.
const MAX_TAIL_BYTES: usize = 64 * 1024;

/// The export `list-models`.
///
/// # Errors
/// What kept the list from being read.
pub async fn list_models<P: Provider>() -> Result<Vec<Model>, Error> {
    let context = context()?;
    context.require_credentials()?;
    let response = send(P::models_request(&context)?).await?;
    if !is_success(response.status) {
        return Err(error_of::<P>(response).await);
    }
    let reply = whole(response, MAX_LIST_BYTES).await?;
    P::parse_models(&context, &reply)
}

/// The export `complete`.
///
/// # Errors
/// What refused the request before any event.
pub async fn complete<P: Provider>(
    request: Request,
) -> Result<(StreamReader<Event>, FutureReader<Result<Finish, Error>>), Error> {
    let context = context()?;
    context.require_credentials()?;
    let http_request = P::completion_request(&context, &request)?;
    let session = Session::new(P::FRAMING, P::mapper(&context, &request));
    drop(request);
    let response = send(http_request).await?;
    if !is_success(response.status) {
        return Err(error_of::<P>(response).await);
    }
    let (events, events_reader) = wit_stream::new();
    let (terminal, terminal_reader) = wit_future::new(|| {
        Err(Error::new(
            ErrorKind::Internal,
            "The plugin stopped without saying how the answer ended.",
        ))
    });
    wit_bindgen::spawn_local(pump(session, response, events, terminal));
    Ok((events_reader, terminal_reader))
}

/// Reads the body to its end, one batch of events a read, then tells the terminal value.
async fn pump<M: crate::EventMapper>(
    mut session: Session<M>,
    response: http::Response,
    mut events: StreamWriter<Event>,
    terminal: FutureWriter<Result<Finish, Error>>,
) {
    let request_id = crate::errors::request_id(&head(&response));
    let http::Response { mut body, end, .. } = response;
    let mut buffer = Vec::with_capacity(READ_BYTES);
    let mut batch = Vec::new();
    let mut is_open;
    let result = loop {
        let status;
        (status, buffer) = body.read(buffer).await;
        let pushed = session.push(&buffer, &mut batch);
        buffer.clear();
        if !batch.is_empty()
            && !events
                .write_all(std::mem::take(&mut batch))
                .await
                .is_empty()
        {
            // Nobody listens any more.
            return;
        }
        is_open = matches!(status, StreamResult::Complete(_));
        match pushed {
            Err(error) => break Err(error),
            Ok(Flow::Done) => break session.finish(Ok(()), &mut batch),
            Ok(Flow::Continue) if is_open => {}
            Ok(Flow::Continue) => break session.finish(end_of(end).await, &mut batch),
        }
    };
    if !batch.is_empty() && !events.write_all(batch).await.is_empty() {
        return;
    }
    drop(events);
    // Reading on after the end was told would trap.
    let has_tail = is_open && result.is_ok();
    let result = result.map_err(|error| Error {
        provider_request_id: error.provider_request_id.or(request_id),
        ..error
    });
    // A host that has gone away needs no answer.
    _ = terminal.write(result).await;
    if has_tail {
        drain(body, buffer).await;
    }
}

/// Reads the few bytes behind the terminal marker: a body read to its end lets the host keep the
/// connection. The answer is out already, and the host may end the call at any time.
async fn drain(mut body: StreamReader<u8>, mut buffer: Vec<u8>) {
    let mut left = MAX_TAIL_BYTES;
    loop {
        buffer.clear();
        let status;
        (status, buffer) = body.read(buffer).await;
        left = left.saturating_sub(buffer.len());
        if left == 0 || !matches!(status, StreamResult::Complete(_)) {
            return;
        }
    }
}

fn context() -> Result<Context, Error> {
    Context::new(config::get(), config::credentials())
}

async fn send(request: HttpRequest) -> Result<http::Response, Error> {
    Ok(http::send(&request).await?)
}

async fn end_of(end: FutureReader<Result<(), HttpError>>) -> Result<(), HttpError> {
    end.await
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A failed reply: what can be read of its body says why. A body cut short still tells something.
async fn error_of<P: Provider>(response: http::Response) -> Error {
    let mut reply = head(&response);
    let mut body = response.body;
    let mut buffer = Vec::with_capacity(READ_BYTES);
    while reply.body.len() < MAX_ERROR_BYTES {
        let status;
        (status, buffer) = body.read(buffer).await;
        reply.body.append(&mut buffer);
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    P::error_from_reply(&reply)
}

async fn whole(response: http::Response, max: usize) -> Result<HttpReply, Error> {
    let mut reply = head(&response);
    let http::Response { mut body, end, .. } = response;
    let mut buffer = Vec::with_capacity(READ_BYTES);
    loop {
        let status;
        (status, buffer) = body.read(buffer).await;
        reply.body.append(&mut buffer);
        if reply.body.len() > max {
            return Err(crate::frame::too_large(max));
        }
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    end_of(end).await?;
    Ok(reply)
}

fn head(response: &http::Response) -> HttpReply {
    HttpReply {
        status: response.status,
        headers: response.headers.clone(),
        body: Vec::new(),
        received_unix_ms: clock::now_unix_ms(),
    }
}

/// Makes a [`Provider`](crate::Provider) the component's export. Once, in the crate's root.
///
/// Natively it does nothing, so that the same crate is tested without wasm.
#[macro_export]
macro_rules! export_provider {
    ($provider:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Exported;
            impl $crate::bindings::exports::valechat::provider::provider::Guest for Exported {
                fn describe() -> $crate::ProviderInfo {
                    <$provider as $crate::Provider>::describe()
                }
                async fn list_models() -> Result<Vec<$crate::Model>, $crate::Error> {
                    $crate::guest::list_models::<$provider>().await
                }
                async fn complete(
                    request: $crate::Request,
                ) -> Result<
                    (
                        $crate::guest::StreamReader<$crate::Event>,
                        $crate::guest::FutureReader<Result<$crate::Finish, $crate::Error>>,
                    ),
                    $crate::Error,
                > {
                    $crate::guest::complete::<$provider>(request).await
                }
            }
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}
