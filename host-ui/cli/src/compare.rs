//! Several models answer the same at once; each line says whose it is.

use serde::Serialize;
use tokio::signal::ctrl_c;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use vale_api::{
    Api, ApiError, ApiErrorKind, ChatEvent, ChatRequest, ChatStream, Message, ModelRef, Role,
};

use crate::args::CompareArgs;
use crate::chat::{detour, footer};
use crate::exit::{CANCELLED, Stop, code};
use crate::lines::Lines;
use crate::out::Out;
use crate::{ask, message, open};

/// Models that are asked at once, at most: more than fit on a screen, and a paste gone wrong.
const MAX_MODELS: usize = 16;

pub(crate) async fn run(args: CompareArgs, out: Out) -> Result<(), Stop> {
    let text = message::from(&args.message, false)?.unwrap_or_default();
    if args.model.len() > MAX_MODELS {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            format!("{} models at once are too many.", args.model.len()),
            format!("Name {MAX_MODELS} at most."),
        )
        .into());
    }
    let api = open(&out, ask::passphrase()).await?;
    let models = tokio::select! {
        biased;
        _ = ctrl_c() => return Err(Stop::Told(CANCELLED)),
        models = resolve(&api, &args.model) => models?,
    };
    let request = |model: &ModelRef| ChatRequest {
        model: model.clone(),
        system: args.system.clone(),
        messages: vec![Message::text(Role::User, text.clone())],
        max_output_tokens: args.max_tokens,
        temperature: args.temperature,
    };
    let (events, receiver) = mpsc::channel(64);
    for (number, model) in models.iter().enumerate() {
        tokio::spawn(follow(api.clone(), request(model), number, events.clone()));
    }
    drop(events);
    let worst = tokio::select! {
        biased;
        // The answers' tasks end when nobody receives from them.
        _ = ctrl_c() => CANCELLED,
        worst = draw(receiver, &models, &out) => worst?,
    };
    match worst {
        0 => Ok(()),
        CANCELLED => {
            out.error_words(&ApiError::new(
                ApiErrorKind::Cancelled,
                "The answers were stopped.",
                "",
            ));
            Err(Stop::Told(CANCELLED))
        }
        code => Err(Stop::Told(code)),
    }
}

/// The models by their full names, all looked up at once.
async fn resolve(api: &Api, wanted: &[String]) -> Result<Vec<ModelRef>, ApiError> {
    let mut lookups = JoinSet::new();
    for (number, name) in wanted.iter().cloned().enumerate() {
        let api = api.clone();
        lookups.spawn(async move { (number, api.resolve_model(Some(&name)).await) });
    }
    let mut found = lookups.join_all().await;
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, model)| model).collect()
}

/// Something that one of the answers says.
#[derive(Debug, Serialize)]
struct Said {
    /// Which of them.
    answer: usize,
    #[serde(flatten)]
    event: ChatEvent,
}

/// Follows one answer to its end, whatever the others do.
async fn follow(api: Api, request: ChatRequest, answer: usize, events: mpsc::Sender<Said>) {
    let mut stream: ChatStream = match api.chat(request).await {
        Ok(stream) => stream,
        Err(error) => {
            let event = ChatEvent::Failed {
                error,
                received_anything: false,
                received: vale_api::Received::default(),
            };
            // Nobody may be listening any more.
            let _ = events.send(Said { answer, event }).await;
            return;
        }
    };
    while let Some(event) = stream.next().await {
        if events.send(Said { answer, event }).await.is_err() {
            return;
        }
    }
}

/// Draws what comes until all have ended; the code that the worst of them deserves.
async fn draw(
    mut events: mpsc::Receiver<Said>,
    models: &[ModelRef],
    out: &Out,
) -> Result<u8, Stop> {
    let mut lines = Lines::new(models, out);
    let mut worst = 0;
    while let Some(said) = events.recv().await {
        if let ChatEvent::Failed { error, .. } = &said.event {
            worst = worst.max(code(error.kind));
        }
        if out.json {
            out.event(&said)?;
            continue;
        }
        match &said.event {
            ChatEvent::Text { text } => lines.push(said.answer, text)?,
            ChatEvent::Finished {
                model,
                usage,
                received,
                ..
            } => {
                lines.end(said.answer)?;
                lines.note(said.answer, &footer(model, usage.as_ref(), received));
            }
            ChatEvent::Failed { error, .. } => {
                lines.end(said.answer)?;
                lines.note(
                    said.answer,
                    &format!("{} {}", error.sentence, error.next_step),
                );
            }
            event => {
                if let Some(words) = detour(event) {
                    lines.end(said.answer)?;
                    lines.note(said.answer, &words);
                }
            }
        }
    }
    Ok(worst)
}
