//! The loop that keeps one child alive.
//!
//! actix's own supervisor dies with a panicking actor's task. Here the actor's future runs inside
//! ours and its panic is caught, so that a new life with a new context can follow.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext as _, Context};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use vale_policy::restart::{RestartDecision, Restarts};

use super::child::{Inner, Place, Restart};
use super::life::{Life, words};
use super::node::{ChildState, Command};

/// How one life of a child ended.
enum Ending {
    /// By itself.
    Stopped,
    /// By a panic, with its words.
    Crashed(String),
    /// Because it was asked to.
    Asked(Command),
}

/// What comes after a life.
enum Next {
    Start,
    Wait(Duration),
    /// Left alone for so long.
    GiveUp(Duration),
    End,
}

pub(super) async fn keep<A>(inner: Arc<Inner<A>>, mut commands: UnboundedReceiver<Command>)
where
    A: Actor<Context = Context<A>>,
{
    let mut restarts = Restarts::new(inner.spec.intensity.clone());
    loop {
        let ending = live(&inner, &mut commands, &mut restarts).await;
        match after(&inner, ending, &mut restarts) {
            Next::Start => {}
            Next::Wait(wait) => {
                inner.place.send_replace(Place::Coming);
                if !pause(wait, &mut commands).await {
                    return end(&inner);
                }
            }
            Next::GiveUp(wait) => {
                if !pause(wait, &mut commands).await {
                    return end(&inner);
                }
                restarts = Restarts::new(inner.spec.intensity.clone());
            }
            Next::End => return end(&inner),
        }
    }
}

/// One life, from a new context to its end.
async fn live<A>(
    inner: &Inner<A>,
    commands: &mut UnboundedReceiver<Command>,
    restarts: &mut Restarts,
) -> Ending
where
    A: Actor<Context = Context<A>>,
{
    let context = Context::<A>::new();
    let address = context.address();
    let made = std::panic::catch_unwind(AssertUnwindSafe(|| (inner.make)()));
    let actor = match made {
        Ok(actor) => actor,
        Err(panic) => return Ending::Crashed(words(&*panic)),
    };
    let mut life = Life::new(context.into_future(actor));
    // Kept here too: an actor that nobody can reach ends by itself.
    inner.place.send_replace(Place::Up(address.clone()));
    inner.node.enter(ChildState::Running, None, None);
    let stable = tokio::time::sleep(inner.spec.intensity.stable_after);
    let mut stable = std::pin::pin!(stable);
    let mut is_stable = false;
    let _reachable = address;
    loop {
        tokio::select! {
            // In this order, so that a simulation repeats.
            biased;
            ended = &mut life => {
                return match ended {
                    Ok(()) => Ending::Stopped,
                    Err(words) => Ending::Crashed(words),
                };
            }
            () = &mut stable, if !is_stable => {
                is_stable = true;
                restarts.on_stable();
            }
            command = commands.recv() => match command {
                Some(Command::Drain) => {
                    inner.place.send_replace(Place::Away(
                        "takes no new work; `valechat status restart` lets it work again".to_owned(),
                    ));
                    inner.node.enter(ChildState::Draining, None, None);
                }
                Some(Command::Reset) => restarts.on_stable(),
                Some(command @ (Command::Restart | Command::Stop)) => return Ending::Asked(command),
                None => return Ending::Asked(Command::Stop),
            },
        }
    }
}

fn after<A>(inner: &Inner<A>, ending: Ending, restarts: &mut Restarts) -> Next
where
    A: Actor<Context = Context<A>>,
{
    let crash = match ending {
        Ending::Asked(Command::Stop) => return Next::End,
        Ending::Asked(_) => {
            inner
                .node
                .enter(ChildState::Restarting, Some(Duration::ZERO), None);
            return Next::Start;
        }
        Ending::Stopped if inner.spec.restart == Restart::Permanent => None,
        Ending::Crashed(words) if inner.spec.restart != Restart::Temporary => Some(words),
        Ending::Stopped | Ending::Crashed(_) => return Next::End,
    };
    let why = match &crash {
        Some(words) => format!("it crashed: {words}"),
        None => "it ended by itself".to_owned(),
    };
    match restarts.on_exit(Instant::now().into_std(), inner.stage.roll()) {
        RestartDecision::Restart { after } => {
            tracing::warn!(child = inner.node.path, why, ?after, "restarting");
            inner
                .node
                .enter(ChildState::Restarting, Some(after), Some(why));
            Next::Wait(after)
        }
        RestartDecision::Escalate => {
            let wait = inner.group.escalated(&inner.node, inner.stage.roll());
            tracing::error!(child = inner.node.path, why, ?wait, "it keeps ending");
            inner.place.send_replace(Place::Away(format!(
                "keeps crashing and is left alone for {} s ({why}); `valechat status` shows it",
                wait.as_secs()
            )));
            inner.node.enter(ChildState::Failed, Some(wait), Some(why));
            Next::GiveUp(wait)
        }
    }
}

/// Waits; a restart or a reset ends the wait early. False when it was asked to end for good.
async fn pause(wait: Duration, commands: &mut UnboundedReceiver<Command>) -> bool {
    let mut wait = std::pin::pin!(tokio::time::sleep(wait));
    loop {
        tokio::select! {
            biased;
            () = &mut wait => return true,
            command = commands.recv() => match command {
                Some(Command::Restart | Command::Reset) => return true,
                Some(Command::Drain) => {}
                Some(Command::Stop) | None => return false,
            },
        }
    }
}

fn end<A>(inner: &Inner<A>)
where
    A: Actor<Context = Context<A>>,
{
    inner
        .place
        .send_replace(Place::Away("has ended".to_owned()));
    inner.node.enter(ChildState::Stopped, None, None);
}
