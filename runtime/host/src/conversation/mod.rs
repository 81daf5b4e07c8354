//! Stored conversations: what a person says and what comes back is on the disk before it counts.
//!
//! [`Conversations::ask`] → `ConversationActor` (plans, journals) → [`Turn`](crate::Turn) (the attempt
//! loop) → steps, each journalled before the next. What must outlive a crash of an actor is in `Open`.

mod actor;
mod answer;
mod error;
mod open;
mod request;
mod search;

pub use actor::Question;
pub use answer::Answering;
pub use error::ConversationError;
pub use request::Handles;
pub use search::{Found, SearchAnswer, SearchRequest};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use vale_chat::model::{Conversation, ModelName};
use vale_chat::ops::{OpError, Plan, Stamp};
use vale_chat::record::{ConversationCreated, ConversationPurged};
use vale_chat::rows::{self, ChatSweep};
use vale_chat::{ConversationId, MessageId, Record, SystemIds, Tree};
use vale_store::{CompactReport, Store};
use vale_types::ModelRef;

use crate::core::Core;
use crate::supervise::{Child, ChildSpec, Command, Escalation, Group};
use actor::{Ask, ConversationActor};
use open::{Open, now_ms};

/// So many idle conversations stay open; the one that was used longest ago goes first.
const MOST_IDLE: usize = 32;

/// The conversations of a profile. Cheap to clone.
#[derive(Clone)]
pub struct Conversations(Arc<Inner>);

struct Inner {
    store: Store,
    core: Core,
    handles: Arc<dyn Handles>,
    group: Arc<Group>,
    open: Mutex<OpenSet>,
    /// Held while one is being opened, so that it is opened once.
    opening: tokio::sync::Mutex<()>,
    search: Option<Arc<search::Search>>,
}

#[derive(Default)]
struct OpenSet {
    by_id: BTreeMap<ConversationId, Held>,
    used: u64,
}

#[derive(Clone)]
struct Held {
    open: Arc<Open>,
    child: Child<ConversationActor>,
    used: u64,
}

/// A conversation that begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewConversation {
    /// Whom it is with.
    pub model: Option<ModelRef>,
    /// Instructions, put before everything.
    pub system_prompt: Option<String>,
    /// How models are asked.
    pub settings: vale_chat::model::Settings,
    /// Its title; none = one is made.
    pub title: Option<String>,
}

impl Conversations {
    /// Over a store, with the providers of `core`; the search index is kept in the folder `index`.
    ///
    /// # Errors
    /// When the index's thread cannot be started.
    pub fn new(
        store: Store,
        core: Core,
        handles: Arc<dyn Handles>,
        index: Option<std::path::PathBuf>,
    ) -> Result<Self, vale_store::StoreError> {
        let search = index
            .map(|folder| search::Search::start(store.clone(), folder))
            .transpose()?;
        let group = core.tree().group("conversations", Escalation::Isolate);
        Ok(Self(Arc::new(Inner {
            store,
            core,
            handles,
            group,
            open: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            search: search.map(Arc::new),
        })))
    }

    /// Searches everything that was said.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn search(&self, request: SearchRequest) -> Result<SearchAnswer, ConversationError> {
        let Some(search) = self.0.search.clone() else {
            return Ok(SearchAnswer {
                note: Some("This host keeps no search index.".to_owned()),
                ..SearchAnswer::default()
            });
        };
        let searched = tokio::task::spawn_blocking(move || search.search(&request)).await;
        searched.unwrap_or(Err(vale_store::StoreError::Closed.into()))
    }

    /// Waits until everything that was written by now is in the index.
    pub async fn search_caught_up(&self) {
        if let Some(search) = self.0.search.clone() {
            // Its end is an answer too.
            drop(tokio::task::spawn_blocking(move || search.caught_up()).await);
        }
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// After a start: answers that the last process left open are ended as interrupted, with what had come
    /// of them. Gives how many conversations that were.
    ///
    /// # Errors
    /// The store's.
    pub async fn recover(&self) -> Result<usize, ConversationError> {
        let interrupted = self.0.store.read(rows::open_answers)?;
        let mut count = 0;
        for id in interrupted {
            let held = self.held(id).await?;
            count += usize::from(!held.open.is_busy());
        }
        Ok(count)
    }

    /// Begins a conversation.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(&self, new: NewConversation) -> Result<ConversationId, ConversationError> {
        let now = now_ms();
        let id = ConversationId::new(now, &mut SystemIds);
        let mut conversation = Conversation::new(id, now);
        conversation.model = new.model.map(ModelName::from);
        conversation.system_prompt = new.system_prompt;
        conversation.settings = new.settings;
        if let Some(title) = new.title {
            conversation.title = title;
            conversation.title_source = vale_chat::model::TitleSource::Typed;
        }
        let record = Record::from(ConversationCreated { conversation });
        self.0.store.commit(rows::command(&[record])?).await?;
        Ok(id)
    }

    /// Asks for an answer. What was said is on the disk when this returns, and so is that it is being
    /// answered; the answer goes on whether or not anybody listens.
    ///
    /// # Errors
    /// When it makes no sense here, or could not be kept.
    pub async fn ask(
        &self,
        id: ConversationId,
        question: Question,
        model: Option<ModelRef>,
    ) -> Result<Answering, ConversationError> {
        let held = self.held(id).await?;
        let model = match model {
            Some(model) => model,
            None => {
                let own = held.open.tree().conversation().model.clone();
                own.ok_or(ConversationError::NoModel)?.try_into()?
            }
        };
        held.child.call(Ask { question, model }).await?
    }

    /// Stops an answer, or all answers of a conversation; false when there is none.
    #[must_use]
    pub fn stop(&self, id: ConversationId, answer: Option<MessageId>) -> bool {
        let held = self.open_set().by_id.get(&id).cloned();
        held.is_some_and(|held| held.open.stop(answer))
    }

    /// Changes a conversation by a pure operation of `vale_chat::ops`, or by records of its own.
    ///
    /// # Errors
    /// When the operation refuses, or the store.
    pub async fn change<T>(
        &self,
        id: ConversationId,
        plan: impl FnOnce(&Tree, &mut Stamp<'_>) -> Result<(Plan, T), OpError>,
    ) -> Result<T, ConversationError> {
        self.held(id).await?.open.change(plan).await
    }

    /// A conversation as it is now.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub async fn tree(&self, id: ConversationId) -> Result<Tree, ConversationError> {
        Ok(self.held(id).await?.open.tree().clone())
    }

    /// Takes a conversation away for ever: every segment of the journal that holds a word of it is written
    /// anew at once, and files that only it used are removed. Backups made before still hold it.
    ///
    /// # Errors
    /// The store's. The conversation is gone from sight even then; what is left on the disk goes with the
    /// next compaction.
    pub async fn purge(&self, id: ConversationId) -> Result<CompactReport, ConversationError> {
        let found = self.0.store.read(|rows| rows::conversation(rows, id))?;
        found.ok_or(ConversationError::NotFound(id))?;
        let held = self.open_set().by_id.remove(&id);
        if let Some(held) = held {
            held.open.stop(None);
            held.child.command(Command::Stop);
        }
        let record = Record::from(ConversationPurged {
            conversation: id,
            at_ms: now_ms(),
        });
        let written = self.0.store.commit_freeing(rows::command(&[record])?);
        written
            .await
            .map_err(|_| vale_store::StoreError::Closed)??;
        let (store, search) = (self.0.store.clone(), self.0.search.clone());
        let swept = tokio::task::spawn_blocking(move || {
            let report = store.compact(&mut ChatSweep::default(), 0.0, true)?;
            let in_use = store.read(rows::blobs_in_use)?;
            store.blobs().collect(&in_use, true)?;
            // sled keeps what was in a row until its pages are written anew.
            store.rebuild()?;
            if let Some(search) = search {
                search.expunge();
            }
            Ok::<_, vale_store::StoreError>(report)
        });
        Ok(swept.await.map_err(|_| vale_store::StoreError::Closed)??)
    }

    /// The conversations that are open now.
    #[must_use]
    pub fn open_now(&self) -> BTreeSet<ConversationId> {
        self.open_set().by_id.keys().copied().collect()
    }

    fn open_set(&self) -> std::sync::MutexGuard<'_, OpenSet> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An open conversation; opens it where it is not.
    async fn held(&self, id: ConversationId) -> Result<Held, ConversationError> {
        if let Some(held) = self.use_open(id) {
            return Ok(held);
        }
        let _opening = self.0.opening.lock().await;
        if let Some(held) = self.use_open(id) {
            return Ok(held);
        }
        let open = Open::load(self.0.store.clone(), id).await?;
        let (kept, core) = (Arc::clone(&open), self.0.core.clone());
        let handles = Arc::clone(&self.0.handles);
        let spec = ChildSpec::permanent(id.to_string(), "conversation");
        let tree = self.0.core.tree();
        let child = tree.start(&self.0.group, spec, move || ConversationActor {
            open: Arc::clone(&kept),
            core: core.clone(),
            handles: Arc::clone(&handles),
        });
        let mut set = self.open_set();
        set.used += 1;
        let held = Held {
            open,
            child,
            used: set.used,
        };
        set.by_id.insert(id, held.clone());
        passivate(&mut set, id);
        Ok(held)
    }

    fn use_open(&self, id: ConversationId) -> Option<Held> {
        let mut set = self.open_set();
        set.used += 1;
        let used = set.used;
        let held = set.by_id.get_mut(&id)?;
        held.used = used;
        Some(held.clone())
    }
}

/// Who holds an open conversation that nobody uses: the set, its actor, and what makes that anew.
const OWNERS: usize = 3;

/// Lets go of the idle conversations that were used longest ago. Nothing is lost: they are on the disk.
fn passivate(set: &mut OpenSet, but: ConversationId) {
    let mut idle: Vec<_> = set
        .by_id
        .iter()
        .filter(|(id, held)| {
            // A second copy, opened while somebody still has this one, would know other things.
            **id != but && !held.open.is_busy() && Arc::strong_count(&held.open) <= OWNERS
        })
        .map(|(id, held)| (held.used, *id))
        .collect();
    idle.sort_unstable();
    for (_, id) in idle.iter().take(idle.len().saturating_sub(MOST_IDLE)) {
        if let Some(held) = set.by_id.remove(id) {
            held.child.command(Command::Stop);
        }
    }
}
