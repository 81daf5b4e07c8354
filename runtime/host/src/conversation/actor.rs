//! `ConversationActor`: one open conversation. Takes what is asked of it in its order and starts answers;
//! those go on by themselves.

use std::sync::Arc;

use actix::{Actor, AtomicResponse, Context, Handler, Message, WrapFuture as _};
use tokio::sync::mpsc;
use vale_chat::model::{ModelName, Part};
use vale_chat::ops::send::{After, Then};
use vale_chat::ops::{OpError, Plan, Stamp, again, answer, send};
use vale_chat::{MessageId, Tree};
use vale_types::ModelRef;

use super::answer::{Answering, Driver, attempt_of};
use super::error::ConversationError;
use super::open::Open;
use super::request::{HandedOver, Handles, hand_over, request};
use crate::core::Core;

/// What an answer is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// A new message behind what is shown.
    Say(Vec<Part>),
    /// A new message behind this one; none = at the beginning.
    SayAfter(Option<MessageId>, Vec<Part>),
    /// Another version of a message of the person's, and an answer to it.
    Edit(MessageId, Vec<Part>),
    /// Another version of an answer.
    Regenerate(MessageId),
    /// The rest of an answer that did not come to its end.
    Continue(MessageId),
}

/// Asks for an answer.
#[derive(Debug, Message)]
#[rtype(result = "Result<Answering, ConversationError>")]
pub(crate) struct Ask {
    pub(crate) question: Question,
    pub(crate) model: ModelRef,
}

pub(crate) struct ConversationActor {
    pub(crate) open: Arc<Open>,
    pub(crate) core: Core,
    pub(crate) handles: Arc<dyn Handles>,
}

impl Actor for ConversationActor {
    type Context = Context<Self>;
}

impl Handler<Ask> for ConversationActor {
    // One after the other: what is asked next builds on what this one wrote.
    type Result = AtomicResponse<Self, Result<Answering, ConversationError>>;

    fn handle(&mut self, ask: Ask, _: &mut Context<Self>) -> Self::Result {
        let (open, core) = (Arc::clone(&self.open), self.core.clone());
        let handles = Arc::clone(&self.handles);
        let begin = async move { begin(open, core, handles, ask).await };
        AtomicResponse::new(Box::pin(begin.into_actor(self)))
    }
}

async fn begin(
    open: Arc<Open>,
    core: Core,
    handles: Arc<dyn Handles>,
    ask: Ask,
) -> Result<Answering, ConversationError> {
    let model = ModelName::from(ask.model.clone());
    // The person's words first: they are kept, whatever becomes of the answer.
    let (asked, question) = match ask.question {
        Question::Say(parts) => said(&open, After::Shown, parts).await?,
        Question::SayAfter(None, parts) => said(&open, After::Nothing, parts).await?,
        Question::SayAfter(Some(id), parts) => said(&open, After::Message(id), parts).await?,
        other => (None, Some(other)),
    };
    let (answer, question, attempt) = open
        .change(|tree, stamp| planned(tree, stamp, asked, question, model))
        .await?;
    let stop = open.begun(answer);
    // Files are read where nobody waits.
    let reading = Arc::clone(&open);
    let prepared = tokio::task::spawn_blocking(move || prepare(&reading, answer, &handles)).await;
    let prepared = prepared.unwrap_or(Err(vale_store::StoreError::Closed.into()));
    let prepared = prepared.and_then(|(request, files, begun_with)| {
        let turn = core.send(&ask.model, request)?;
        Ok((turn, files, begun_with))
    });
    let (turn, files, begun_with) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            not_started(&open, answer, attempt, &error).await;
            return Err(error);
        }
    };
    let (sender, steps) = mpsc::unbounded_channel();
    let driver = Driver {
        open,
        answer,
        attempt,
        turn,
        stop,
        steps: sender,
        begun_with,
        _files: files,
    };
    tokio::task::spawn_local(driver.run());
    Ok(Answering {
        message: answer,
        question,
        steps,
    })
}

/// What the model is told, the files of that, and what the answer begins with.
fn prepare(
    open: &Open,
    answer: MessageId,
    handles: &Arc<dyn Handles>,
) -> Result<(vale_types::Request, HandedOver, Vec<Part>), ConversationError> {
    let tree = open.tree().clone();
    let mut request = request(&tree, answer, &open.store)?;
    let files = hand_over(&mut request, &open.store, handles)?;
    let begun_with = tree.message(answer).map(|message| message.parts.clone());
    Ok((request, files, begun_with.unwrap_or_default()))
}

async fn said(
    open: &Open,
    after: After,
    parts: Vec<Part>,
) -> Result<(Option<MessageId>, Option<Question>), ConversationError> {
    let said = open.change(|tree, stamp| {
        let mut plan = send::add_user(tree, after, parts, stamp)?;
        let id = plan.messages.first().copied();
        if let Some(title) = first_words(tree, &plan, stamp) {
            plan.records.push(title);
        }
        Ok((plan, id))
    });
    Ok((said.await?, None))
}

/// The title of a conversation that has none, until a better one comes.
fn first_words(tree: &Tree, plan: &Plan, stamp: &Stamp<'_>) -> Option<vale_chat::Record> {
    if !tree.is_empty() {
        return None;
    }
    let mut with = tree.clone();
    with.apply_all(&plan.records).ok()?;
    vale_chat::title::automatic(&with, None, stamp.now_ms)
}

type Planned = (
    Plan,
    (MessageId, Option<MessageId>, Option<vale_chat::AttemptId>),
);

fn planned(
    tree: &Tree,
    stamp: &mut Stamp<'_>,
    asked: Option<MessageId>,
    question: Option<Question>,
    model: ModelName,
) -> Result<Planned, OpError> {
    let (plan, new_question) = match (asked, question) {
        (Some(asked), _) => (answer::begin(tree, asked, model, stamp)?, Some(asked)),
        (None, Some(Question::Edit(of, parts))) => {
            let plan = send::edit(tree, of, parts, Then::Ask(model), stamp)?;
            let first = (plan.messages.len() > 1).then(|| plan.messages.first().copied());
            (plan, first.flatten())
        }
        (None, Some(Question::Regenerate(of))) => {
            (again::regenerate(tree, of, model, stamp)?, None)
        }
        (None, Some(Question::Continue(of))) => (again::continue_(tree, of, model, stamp)?, None),
        (None, _) => return Err(OpError::Empty),
    };
    let answer = plan.messages.last().copied().ok_or(OpError::Empty)?;
    let attempt = plan.records.iter().find_map(attempt_of);
    Ok((plan, (answer, new_question, attempt)))
}

/// An answer that could not even be asked for ends as failed, and says why.
async fn not_started(
    open: &Open,
    answer: MessageId,
    attempt: Option<vale_chat::AttemptId>,
    error: &ConversationError,
) {
    let last = attempt.map(|attempt| answer::AttemptEnd {
        attempt,
        outcome: vale_chat::model::Outcome::Failed,
        request_sent: Some(false),
        request_id: None,
        usage_json: None,
        error: Some(vale_chat::model::AttemptError {
            kind: "not-started".to_owned(),
            sentence: error.to_string(),
        }),
    });
    let written = open.change(|tree, stamp| {
        let parts = tree.message(answer).map(|message| message.parts.clone());
        let ending = answer::Ending {
            parts: parts.unwrap_or_default(),
            state: vale_chat::model::State::Failed,
            finish: None,
            usage: None,
            model: None,
        };
        Ok((answer::end(tree, answer, last, ending, stamp)?, ()))
    });
    if let Err(error) = written.await {
        tracing::error!(%answer, %error, "the end of an answer was not kept");
    }
    open.over(answer);
}
