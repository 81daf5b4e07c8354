//! A host without a profile: one provider that plays what a test puts on its list, and a store in a folder.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use vale_chat::rows::ChatFold;
use vale_host::{
    Answer, Backend, Calls, Conversations, Core, Handles, Stage, Step, Tree, TurnStep,
};
use vale_policy::PolicyConfig;
use vale_store::{Store, StoreOptions, ViewState};
use vale_types::{Event, Failure, Finish, FinishReason, Model, ProviderInfo, Request, Usage};

/// What a call does.
#[derive(Clone)]
pub(crate) enum Play {
    /// These pieces, then the end.
    Say(&'static [&'static str]),
    /// Thinking, then text.
    Think(&'static str, &'static str),
    /// Fails before anything came.
    Fail(Failure),
    /// These pieces, then a failure.
    Break(&'static [&'static str], Failure),
    /// These pieces, then nothing for ever; the bell tells that they were taken.
    Hang(&'static [&'static str], Arc<Notify>),
}

#[derive(Default)]
pub(crate) struct Player {
    pub(crate) plays: Mutex<VecDeque<Play>>,
    pub(crate) requests: Mutex<Vec<Request>>,
}

impl Player {
    pub(crate) fn put(&self, plays: impl IntoIterator<Item = Play>) {
        self.plays.lock().unwrap().extend(plays);
    }

    pub(crate) fn last_request(&self) -> Request {
        self.requests.lock().unwrap().last().unwrap().clone()
    }
}

struct PlayedBy(Arc<Player>);

impl Backend for PlayedBy {
    fn prepare(&self) -> BoxFuture<'static, Result<Arc<dyn Calls>, Failure>> {
        let calls = PlayedBy(Arc::clone(&self.0));
        async move { Ok(Arc::new(calls) as Arc<dyn Calls>) }.boxed()
    }
}

impl Calls for PlayedBy {
    fn complete(&self, request: &Request) -> Result<Answer, Failure> {
        self.0.requests.lock().unwrap().push(request.clone());
        let play = self.0.plays.lock().unwrap().pop_front().unwrap();
        let said = |pieces: &'static [&'static str]| {
            let steps = pieces
                .iter()
                .map(|piece| Step::Events(vec![Event::Text((*piece).to_owned())]));
            stream::iter(steps)
        };
        Ok(match play {
            Play::Say(pieces) => said(pieces)
                .chain(stream::iter([Step::End(Ok(finish()))]))
                .boxed(),
            Play::Think(thinking, text) => stream::iter([
                Step::Events(vec![Event::Thinking(thinking.to_owned())]),
                Step::Events(vec![Event::Text(text.to_owned())]),
                Step::End(Ok(finish())),
            ])
            .boxed(),
            Play::Fail(failure) => return Err(failure),
            Play::Break(pieces, failure) => said(pieces)
                .chain(stream::iter([Step::End(Err(failure))]))
                .boxed(),
            Play::Hang(pieces, bell) => {
                let rest = stream::once(async move {
                    bell.notify_one();
                    std::future::pending::<Step>().await
                });
                said(pieces).chain(rest).boxed()
            }
        })
    }

    fn models(&self) -> BoxFuture<'static, Result<Vec<Model>, Failure>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn describe(&self) -> BoxFuture<'static, Result<ProviderInfo, Failure>> {
        let info = ProviderInfo {
            display_name: "Played".to_owned(),
            homepage: None,
            extras: Vec::new(),
        };
        async move { Ok(info) }.boxed()
    }

    fn count_tokens(&self, _: &Request) -> BoxFuture<'static, Result<u64, Failure>> {
        async { Ok(1) }.boxed()
    }
}

pub(crate) fn finish() -> Finish {
    Finish {
        reason: FinishReason::Stop,
        usage: Some(Usage {
            input: Some(3),
            output: Some(5),
            ..Usage::default()
        }),
        response_id: None,
        model: None,
        extras: Vec::new(),
    }
}

/// Keeps files as the gate would.
#[derive(Default)]
pub(crate) struct Files(pub(crate) Mutex<Vec<(String, Bytes)>>);

impl Handles for Files {
    fn keep(&self, bytes: Bytes) -> String {
        let mut files = self.0.lock().unwrap();
        let handle = format!("handle-{}", files.len());
        files.push((handle.clone(), bytes));
        handle
    }
    fn forget(&self, handle: &str) {
        self.0.lock().unwrap().retain(|(kept, _)| kept != handle);
    }
}

pub(crate) struct World {
    pub(crate) conversations: Conversations,
    pub(crate) player: Arc<Player>,
    pub(crate) files: Arc<Files>,
    pub(crate) core: Core,
}

pub(crate) fn open_store(folder: &Path) -> Store {
    let store = Store::open(folder, StoreOptions::default(), Arc::new(ChatFold))
        .unwrap()
        .store;
    while matches!(store.view(), ViewState::Rebuilding(_)) {
        std::thread::yield_now();
    }
    store
}

/// Runs `work` with a host over the store in `folder`, as one process would.
pub(crate) fn process<F: Future<Output = ()>>(folder: &Path, work: impl FnOnce(World) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let set = LocalSet::new();
    let store = open_store(folder);
    set.block_on(&runtime, async {
        let core = Core::new(
            Tree::new(Stage::local(|| 0.0)),
            vale_host::Fallback::default(),
        );
        let player = Arc::<Player>::default();
        for id in ["one", "two"] {
            let backend = Arc::new(PlayedBy(Arc::clone(&player)));
            core.add(&id.parse().unwrap(), id, PolicyConfig::default(), backend);
        }
        let files = Arc::<Files>::default();
        let index = Some(folder.join("index"));
        let conversations =
            Conversations::new(store.clone(), core.clone(), files.clone(), index).unwrap();
        work(World {
            conversations,
            player,
            files,
            core,
        })
        .await;
    });
    drop(set);
    drop(runtime);
    store.close();
}

/// Reads an answer to its end: its text, and how it ended.
pub(crate) async fn read(
    answering: &mut vale_host::Answering,
) -> (String, Result<Finish, Failure>) {
    let mut text = String::new();
    while let Some(step) = answering.next().await {
        match step {
            TurnStep::Events(events) => {
                for event in events {
                    if let Event::Text(piece) = event {
                        text.push_str(&piece);
                    }
                }
            }
            TurnStep::End(end) => return (text, end),
            _ => {}
        }
    }
    (text, Err(Failure::host("no end")))
}
