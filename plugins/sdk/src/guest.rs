//! The wasm side: everything that calls the host. Kept thin, because only a component runs it.

pub use wit_bindgen::rt::async_support::{FutureReader, StreamReader};
use wit_bindgen::rt::async_support::{FutureWriter, StreamResult, StreamWriter};

use crate::bindings::valechat::host::{clock, config, http};
use crate::bindings::{wit_future, wit_stream};
use crate::context::Context;
use crate::frame::Flow;
use crate::http::HttpReply;
use crate::provider::{Listing, Provider};
use crate::session::Session;
use crate::types::{Error, ErrorKind, Event, Finish, HttpError, HttpRequest, Model, Request};

/// Bytes asked for at a time.
const READ_BYTES: usize = 64 * 1024;
/// The largest list of models, in bytes; OpenRouter's is about 1 MB.
const MAX_LIST_BYTES: usize = 8 * 1024 * 1024;
/// How many requests one listing may take: Ollama needs one for each model.
const MAX_LIST_REQUESTS: usize = 256;
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
    let mut replies = Vec::new();
    loop {
        match P::list_step(&context, &replies)? {
            Listing::Done(models) => return Ok(models),
            Listing::Ask(_) if replies.len() >= MAX_LIST_REQUESTS => {
                return Err(Error::malformed(format!(
                    "The server's list of models did not end after {MAX_LIST_REQUESTS} requests."
                )));
            }
            Listing::Ask(request) => replies.push(reply_to(request).await?),
        }
    }
}

/// The export `count-tokens`.
///
/// # Errors
/// What kept the tokens from being counted; `unsupported` where the provider does not count.
pub async fn count_tokens<P: Provider>(request: Request) -> Result<u64, Error> {
    let context = context()?;
    context.require_credentials()?;
    let reply = reply_to(P::count_request(&context, &request)?).await?;
    if reply.is_success() {
        P::parse_count(&context, &reply)
    } else {
        Err(P::error_from_reply(&reply))
    }
}

/// A whole reply; of a failure's body, what can be read.
async fn reply_to(request: HttpRequest) -> Result<HttpReply, Error> {
    let response = send(request).await?;
    if is_success(response.status) {
        whole(response, MAX_LIST_BYTES).await
    } else {
        Ok(failed(response).await)
    }
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
    P::error_from_reply(&failed(response).await)
}

async fn failed(response: http::Response) -> HttpReply {
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
    reply
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
        url: response.url.clone(),
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
            impl $crate::bindings::exports::valechat::provider::token_count::Guest for Exported {
                async fn count_tokens(request: $crate::Request) -> Result<u64, $crate::Error> {
                    $crate::guest::count_tokens::<$provider>(request).await
                }
            }
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}
