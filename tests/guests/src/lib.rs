//! What the hostile components share: the bindings, and a script per component instead of the
//! contract's boilerplate.
//!
//! A component implements [`Script`] and names it in [`guest!`](crate::guest). What it does may be
//! steered by the request's model ([`Request::model`]), so that one component covers a family of
//! misdeeds; an unknown word is a trap, so that a misspelt test fails.

#[expect(missing_docs, reason = "generated; `wit/` is its documentation")]
pub mod bindings;
pub mod tool;

pub use bindings::exports::valechat::provider::provider::{
    Error, Event, Finish, Model, ProviderInfo, Request,
};
pub use bindings::valechat::host::{clock, http, log};
pub use bindings::valechat::types::{chat, common, errors, stream_types};
/// What `wit-bindgen` makes of `wit/`.
pub use wit_bindgen::rt::async_support::{
    FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter, yield_async,
};

/// A terminal value.
pub type End = Result<Finish, Error>;
/// What `complete` gives back.
pub type Answer = Result<(StreamReader<Event>, FutureReader<End>), Error>;

/// What a component does.
pub trait Script {
    /// Runs inside every export, before anything else.
    fn before(_model: &str) {}

    /// Answers a completion; runs after `complete` has returned its stream and its future.
    fn answer(request: Request, out: Out) -> impl Future<Output = ()> + 'static;
}

/// The writing ends of an answer.
pub struct Out {
    /// Events.
    pub events: StreamWriter<Event>,
    /// The terminal value.
    pub terminal: FutureWriter<End>,
}

impl Out {
    /// Writes one text event.
    pub async fn text(&mut self, text: impl Into<String>) {
        self.send(vec![Event::Text(text.into())]).await;
    }

    /// Writes one event that only tests read.
    pub async fn note(&mut self, name: &str, value: impl ToString) {
        let json = value.to_string();
        let name = name.to_owned();
        self.send(vec![Event::Other(common::Extra { name, json })])
            .await;
    }

    /// Writes events; what nobody reads is lost.
    pub async fn send(&mut self, events: Vec<Event>) {
        drop(self.events.write_all(events).await);
    }

    /// Ends as an honest provider does: closes the stream, then says how it ended.
    pub async fn finish(self) {
        drop(self.events);
        drop(self.terminal.write(Ok(finished(None))).await);
    }
}

/// A good terminal value.
pub fn finished(usage: Option<stream_types::Usage>) -> Finish {
    Finish {
        reason: stream_types::FinishReason::Stop,
        usage,
        response_id: None,
        model: None,
        extras: Vec::new(),
    }
}

/// A usage snapshot.
pub fn usage(input: u64, output: u64) -> stream_types::Usage {
    stream_types::Usage {
        input: Some(input),
        cache_read: None,
        cache_write_5m: None,
        cache_write_1h: None,
        output: Some(output),
        reasoning: None,
        uses: Vec::new(),
        service_tier: None,
        reported_cost: None,
        raw_json: None,
        extras: Vec::new(),
    }
}

/// The texts of all messages.
pub fn texts(request: &Request) -> Vec<String> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match part {
            chat::Part::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// A stream and a future as an honest provider makes them, with their writing ends.
pub fn channels() -> (Out, StreamReader<Event>, FutureReader<End>) {
    let (events, events_reader) = bindings::wit_stream::new();
    let (terminal, terminal_reader) = bindings::wit_future::new(|| Ok(finished(None)));
    (Out { events, terminal }, events_reader, terminal_reader)
}

/// Starts the script and returns the reading ends.
pub fn start<S: Script>(request: Request) -> Answer {
    let (out, events, terminal) = channels();
    wit_bindgen::spawn_local(S::answer(request, out));
    Ok((events, terminal))
}

/// Exports a [`Script`] as a provider.
#[macro_export]
macro_rules! guest {
    ($script:ty) => {
        struct Exported;
        impl $crate::bindings::exports::valechat::provider::provider::Guest for Exported {
            fn describe() -> $crate::ProviderInfo {
                <$script as $crate::Script>::before("describe");
                $crate::ProviderInfo {
                    display_name: env!("CARGO_CRATE_NAME").to_owned(),
                    homepage: None,
                    extras: Vec::new(),
                }
            }
            async fn list_models() -> Result<Vec<$crate::Model>, $crate::Error> {
                <$script as $crate::Script>::before("list-models");
                Ok(Vec::new())
            }
            async fn complete(request: $crate::Request) -> $crate::Answer {
                <$script as $crate::Script>::before(&request.model);
                $crate::start::<$script>(request)
            }
        }
        $crate::bindings::export!(Exported with_types_in $crate::bindings);
    };
}
