//! The conversation, as this wire has it: instructions stand apart, user and assistant take turns,
//! and a tool's result is something that the user says.

use vale_sdk::json::Json;
use vale_sdk::{Error, ErrorKind, Message, Role};

use crate::blocks::{self, Block};
use crate::cache::{self, Lifetime};

/// The `system` blocks and the `messages` of a request.
pub(crate) struct Conversation {
    pub(crate) system: Vec<Json>,
    pub(crate) messages: Vec<Json>,
}

/// One turn while it is put together.
struct Turn {
    role: &'static str,
    blocks: Vec<Block>,
}

/// Rewrites the conversation.
///
/// # Errors
/// `unsupported` for what this wire cannot carry: leaving it out in silence would let the model
/// answer another question. `invalid-request` for a conversation in which nobody says anything.
pub(crate) fn all(messages: &[Message]) -> Result<Conversation, Error> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages {
        let (role, mut found) = match &message.role {
            // The wire has one place for instructions: those from the midst of a conversation
            // count from its start.
            Role::System | Role::Developer => ("system", blocks::instructions(&message.parts)?),
            Role::Assistant => ("assistant", blocks::said(&message.parts)?),
            Role::User | Role::Tool => ("user", blocks::asked(&message.parts)?),
            Role::Other(name) => {
                return Err(Error::unsupported(
                    format!("role {name}"),
                    format!("This provider does not know who \"{name}\" is in a conversation."),
                ));
            }
        };
        let mark = Lifetime::of(&message.cache)?;
        // A message of which nothing is left marks what stands before it.
        let target = match (role, turns.last_mut()) {
            _ if !found.is_empty() => found.last_mut(),
            ("system", _) => system.last_mut(),
            (_, Some(turn)) => turn.blocks.last_mut(),
            (_, None) => None,
        };
        if let Some(block) = target {
            block.mark = mark.or(block.mark);
        }
        match turns.last_mut() {
            _ if role == "system" => system.append(&mut found),
            Some(turn) if turn.role == role => turn.blocks.append(&mut found),
            _ if found.is_empty() => {}
            _ => turns.push(Turn {
                role,
                blocks: found,
            }),
        }
    }
    if turns.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidRequest(Some("messages".into())),
            "The conversation holds no message to answer; nothing was sent.",
        ));
    }
    arrange(&mut turns);
    let said = turns.iter_mut().flat_map(|turn| &mut turn.blocks);
    let mut in_order: Vec<&mut Block> = system.iter_mut().chain(said).collect();
    cache::set_breakpoints(&mut in_order);
    let json =
        |blocks: Vec<Block>| -> Vec<Json> { blocks.into_iter().map(|block| block.json).collect() };
    let messages = turns.into_iter().map(|turn| {
        Json::object()
            .with("role", turn.role)
            .with("content", json(turn.blocks))
    });
    Ok(Conversation {
        messages: messages.collect(),
        system: json(system),
    })
}

/// What the API asks of the order and the end of turns.
fn arrange(turns: &mut [Turn]) {
    for turn in turns.iter_mut() {
        // Results of tools must come before anything else that the user says.
        turn.blocks.sort_by_key(|block| !block.is_tool_result);
    }
    // An answer that the model is to continue must not end in blanks.
    if let Some(turn) = turns.last_mut()
        && turn.role == "assistant"
        && let Some(block) = turn.blocks.last_mut()
    {
        block.trim_end();
    }
}
