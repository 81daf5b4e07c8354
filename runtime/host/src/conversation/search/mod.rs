//! Search over everything that was said, on all branches, a moment ago included.
//!
//! The index is derived. Its thread reads the journal from the number that the index knows last; what is
//! newer than its last commit is scanned. Missing, torn or of another version it is made anew, and a search
//! says how far that is. Nothing here is in the way of a write.

mod feed;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vale_chat::rows;
use vale_chat::{ConversationId, MessageId};
use vale_search::{
    CommitPolicy, Filters, Index, Mode, Position, Query, Recent, SearchError, Snippet, Writer,
    snippet,
};
use vale_store::{Lsn, Store, StoreError};

use super::error::ConversationError;
use feed::feed;

/// The shape of what is indexed; another number makes the index anew.
const SCHEMA: u32 = 1;
/// Changes that are told to the index at once.
const BATCH: usize = 500;
/// Changes behind the last commit that are scanned; more of them are waited for by saying so.
const MOST_RECENT: usize = 2_000;
/// How often the journal is looked at when nobody asks.
const LOOK: Duration = Duration::from_secs(1);

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// What the person typed.
    pub text: String,
    /// The newest first instead of the best.
    pub newest: bool,
    /// What a hit must be besides its words.
    pub filters: Filters,
    /// Most hits.
    pub limit: usize,
    /// Hits to skip.
    pub offset: usize,
    /// The last word is still being typed.
    pub is_typing: bool,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where it is.
    pub conversation: ConversationId,
    /// The conversation's title.
    pub title: String,
    /// Which.
    pub message: MessageId,
    /// Who speaks.
    pub role: String,
    /// When it was written, milliseconds since 1970.
    pub time_ms: u64,
    /// The words around the best place.
    pub snippet: Snippet,
    /// Whether it is on the branch that is shown.
    pub is_shown: bool,
}

/// What a search comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchAnswer {
    /// The messages, in the order that was asked for.
    pub found: Vec<Found>,
    /// There are more.
    pub more: bool,
    /// A sentence for the person, where the answer needs one.
    pub note: Option<String>,
}

enum Word {
    /// Index everything that there is, and answer when it is committed.
    CatchUp(Sender<()>),
    /// Words were taken away for ever: no file may hold them.
    Expunge(Sender<()>),
}

/// The search of a store.
pub(crate) struct Search {
    store: Store,
    state: Arc<Mutex<State>>,
    words: Option<Sender<Word>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    index: Option<Index>,
    /// What is newer than the last commit.
    recent: Recent,
    /// The last record that `recent` knows.
    seen: Lsn,
    /// Why there is no index, if so.
    trouble: Option<String>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Search {
    /// Starts the thread that keeps the index in `folder`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(store: Store, folder: PathBuf) -> Result<Self, StoreError> {
        let state = Arc::<Mutex<State>>::default();
        let (words, inbox) = channel();
        let mut keeper = Keeper {
            store: store.clone(),
            state: Arc::clone(&state),
            folder,
        };
        let thread = std::thread::Builder::new()
            .name("search-index".to_owned())
            .spawn(move || keeper.run(&inbox))
            .map_err(|error| StoreError::Io {
                what: "starting a thread".to_owned(),
                error: error.to_string(),
                is_full: false,
            })?;
        Ok(Self {
            store,
            state,
            words: Some(words),
            thread: Some(thread),
        })
    }

    /// Waits until everything that is written by now is in the index.
    pub(crate) fn caught_up(&self) {
        self.tell(Word::CatchUp);
    }

    /// Waits until no file of the index holds what was purged.
    pub(crate) fn expunge(&self) {
        self.tell(Word::Expunge);
    }

    fn tell(&self, word: impl FnOnce(Sender<()>) -> Word) {
        let (done, answer) = channel();
        if let Some(words) = &self.words
            && words.send(word(done)).is_ok()
        {
            // An end of the thread is an answer too.
            let _ = answer.recv();
        }
    }

    /// Searches. Blocks for as long as that takes: milliseconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn search(
        &self,
        request: &SearchRequest,
    ) -> Result<SearchAnswer, ConversationError> {
        let mut query = Query::new(&request.text);
        query.mode = if request.newest {
            Mode::Newest
        } else {
            Mode::Ranked
        };
        query.filters = request.filters.clone();
        query.limit = request.limit;
        query.offset = request.offset;
        query.prefix_last = request.is_typing;
        // Deleted conversations can come back, so that they stay in the index.
        let deleted = self
            .store
            .read(|rows| rows::list(rows, rows::ListGroup::Deleted, None, usize::MAX))?;
        query
            .filters
            .exclude
            .extend(deleted.iter().map(|row| row.id.to_bytes()));
        let (hits, note) = {
            let mut state = lock(&self.state);
            let note = self.look(&mut state)?;
            let Some(index) = &state.index else {
                return Ok(SearchAnswer {
                    note: note.or_else(|| state.trouble.clone()),
                    ..SearchAnswer::default()
                });
            };
            match index.search(&query, &state.recent) {
                Ok(hits) => (hits, note),
                Err(error) => {
                    // The thread makes it anew.
                    drop(index.condemn(&error.to_string()));
                    state.index = None;
                    return Ok(SearchAnswer {
                        note: Some(error.to_string()),
                        ..SearchAnswer::default()
                    });
                }
            }
        };
        let mut answer = SearchAnswer {
            more: hits.more,
            note: note.or_else(|| hits.note.map(str::to_owned)),
            found: Vec::with_capacity(hits.hits.len()),
        };
        for hit in hits.hits {
            let conversation = ConversationId::from_bytes(hit.conversation);
            answer
                .found
                .extend(self.found(conversation, hit.ord, &query)?);
        }
        Ok(answer)
    }

    /// Takes in what was written since the last look; a note when that is too much to wait for.
    fn look(&self, state: &mut State) -> Result<Option<String>, StoreError> {
        if state.index.is_none() {
            return Ok(Some("The search index is being opened.".to_owned()));
        }
        let last = self.store.applied()?;
        let fed = feed(&self.store, state.seen, MOST_RECENT)?;
        let is_behind = fed.through < last;
        for (lsn, change) in fed.changes {
            state.recent.push(lsn, change);
        }
        state.seen = fed.through;
        if is_behind {
            let percent = fed.through.saturating_mul(100) / last.max(1);
            return Ok(Some(format!(
                "The search index is still being made: {percent} %."
            )));
        }
        Ok(None)
    }

    fn found(
        &self,
        conversation: ConversationId,
        ord: Lsn,
        query: &Query,
    ) -> Result<Option<Found>, StoreError> {
        let row = self.store.read(|rows| {
            let message = rows::message_at(rows, conversation, ord)?;
            let about = rows::conversation(rows, conversation)?;
            let Some((message, about)) = message.zip(about) else {
                return Ok(None);
            };
            let leaf = about.conversation.active_leaf;
            let is_shown = match leaf {
                Some(leaf) => rows::is_on_branch(rows, leaf, message.id)?,
                None => true,
            };
            Ok(Some((message, about, is_shown)))
        })?;
        // Purged since the index knew it.
        let Some((row, about, is_shown)) = row else {
            return Ok(None);
        };
        let Some((_, message)) = rows::message(&self.store, row.id)? else {
            return Ok(None);
        };
        Ok(Some(Found {
            conversation,
            title: about.conversation.title,
            message: row.id,
            role: row.role.as_str().to_owned(),
            time_ms: row.created_ms,
            snippet: snippet(&feed::text(&self.store, &message)?, query),
            is_shown,
        }))
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        // The thread ends when nobody can ask it anything.
        drop(self.words.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Keeps the index.
struct Keeper {
    store: Store,
    state: Arc<Mutex<State>>,
    folder: PathBuf,
}

impl Keeper {
    fn run(&mut self, inbox: &Receiver<Word>) {
        let mut writer: Option<Writer> = None;
        let began = Instant::now();
        let mut policy = CommitPolicy::new(began.elapsed());
        let mut at: Lsn = 0;
        loop {
            let (mut done, mut must_commit, mut expunge) = (None, false, false);
            match inbox.recv_timeout(LOOK) {
                Ok(Word::CatchUp(answer)) => (done, must_commit) = (Some(answer), true),
                Ok(Word::Expunge(answer)) => {
                    (done, must_commit, expunge) = (Some(answer), true, true);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => must_commit = true,
            }
            let is_over = done.is_none() && must_commit;
            let outcome = self.step(
                &mut writer,
                &mut policy,
                &mut at,
                began,
                must_commit,
                expunge,
            );
            if let Err(error) = outcome {
                tracing::warn!(%error, "the search index is made anew");
                writer = None;
                let mut state = lock(&self.state);
                if let Some(index) = state.index.take() {
                    drop(index.condemn(&error));
                }
                state.trouble = Some(error);
            }
            if let Some(done) = done {
                // Who asked may be gone.
                let _ = done.send(());
            }
            if is_over {
                if let Some(writer) = writer.take() {
                    drop(writer.close());
                }
                return;
            }
        }
    }

    /// Opens the index where it is not open, and takes in what the journal has.
    fn step(
        &self,
        writer: &mut Option<Writer>,
        policy: &mut CommitPolicy,
        at: &mut Lsn,
        began: Instant,
        must_commit: bool,
        expunge: bool,
    ) -> Result<(), String> {
        let told = |error: SearchError| error.to_string();
        let index = lock(&self.state).index.clone();
        let index = match index {
            Some(index) => index,
            None => {
                *writer = None;
                let index = self.open().map_err(told)?;
                *at = index.position().unwrap_or(0);
                let mut state = lock(&self.state);
                state.recent = Recent::new();
                state.seen = *at;
                state.trouble = None;
                state.index = Some(index.clone());
                index
            }
        };
        loop {
            // While the view is made again there is nothing to tell.
            let Ok(fed) = feed(&self.store, *at, BATCH) else {
                return Ok(());
            };
            let is_more = self.store.applied().is_ok_and(|last| fed.through < last);
            if !fed.changes.is_empty() || expunge {
                let open = match writer.take() {
                    Some(open) => open,
                    None => index.writer().map_err(told)?,
                };
                let open = writer.insert(open);
                open.apply(&fed.changes).map_err(told)?;
                policy.applied(fed.changes.len(), began.elapsed());
            }
            *at = fed.through;
            let is_due = policy.is_due(began.elapsed());
            if let Some(open) = writer.as_mut().filter(|_| must_commit || is_due) {
                if expunge && !is_more {
                    open.expunge().map_err(told)?;
                }
                let committed = open.commit().map_err(told)?;
                policy.committed(began.elapsed());
                let mut state = lock(&self.state);
                state.recent.forget_through(committed.unwrap_or(0));
                state.seen = state.seen.max(committed.unwrap_or(0));
            }
            if !is_more {
                break;
            }
        }
        if writer.is_some()
            && policy.is_idle(began.elapsed())
            && let Some(idle) = writer.take()
        {
            idle.close().map_err(told)?;
        }
        Ok(())
    }

    fn open(&self) -> Result<Index, SearchError> {
        let opened = Index::open(&self.folder, SCHEMA)?;
        if let Position::Fresh(why) = &opened.position {
            tracing::info!(%why, "the search index is made anew");
        }
        if opened.unclean {
            // A merge would give damaged data a checksum that fits.
            let index = opened.index;
            match index.validate_checksum() {
                Err(SearchError::Damaged(_)) => {
                    drop(index);
                    return Ok(Index::open(&self.folder, SCHEMA)?.index);
                }
                checked => checked?,
            }
            return Ok(index);
        }
        Ok(opened.index)
    }
}
