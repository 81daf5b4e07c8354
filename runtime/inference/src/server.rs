//! HTTP on loopback: authentication, routes, and answers as one JSON or as a stream of events.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request, State, rejection::BytesRejection},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    api_error::ApiError,
    engine::Engine,
    prompt::{PromptError, prompt_tokens},
    session::{Event, Job},
    template::ChatTemplate,
    tokenizer::Tokenizer,
    wire::{AnswerHead, ChatRequest, Usage},
};

/// Longest answer where the request names no limit, in tokens: small models may never stop by themselves.
const DEFAULT_MAX_TOKENS: usize = 1024;
/// Largest request body, in bytes.
const BODY_LIMIT: usize = 8 << 20;

/// What every request handler needs.
pub(crate) struct App {
    pub(crate) token: String,
    pub(crate) model: String,
    pub(crate) context: usize,
    pub(crate) trained_context: usize,
    /// Seconds since 1970 at which the server started.
    pub(crate) created: u64,
    pub(crate) engine: Engine,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) template: ChatTemplate,
}

/// All routes; none of them answers without the token.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .route("/tokenize", post(tokenize))
        .route("/health", get(health))
        .fallback(async || ApiError::no_such_path())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            authenticate,
        ))
        .with_state(app)
}

async fn authenticate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_at_checked(b"Bearer ".len()))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
        .map_or(&[][..], |(_, token)| token);
    if bool::from(given.ct_eq(app.token.as_bytes())) {
        next.run(request).await
    } else {
        ApiError::unauthorized().into_response()
    }
}

async fn health(State(app): State<Arc<App>>) -> Json<Value> {
    let mut health = json!(app.engine.health());
    if let Some(fields) = health.as_object_mut() {
        fields.insert("status".to_owned(), json!("ok"));
    }
    Json(health)
}

async fn models(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({
        "object": "list",
        "data": [{
            "id": app.model,
            "object": "model",
            "created": app.created,
            "owned_by": "local",
            "context_length": app.context,
            "meta": {
                "n_ctx": app.context,
                "n_ctx_train": app.trained_context,
                "n_vocab": app.tokenizer.vocab(),
            },
        }],
    }))
}

#[derive(Deserialize)]
struct TokenizeRequest {
    content: String,
    /// Whether control tokens in the content are control tokens.
    #[serde(default = "yes")]
    parse_special: bool,
}

fn yes() -> bool {
    true
}

async fn tokenize(
    State(app): State<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let body = read(body)?;
    off_the_loop(move || {
        let request: TokenizeRequest = serde_json::from_slice(&body).map_err(|error| {
            ApiError::invalid(
                format!("The body is not a tokenize request: {error}."),
                None,
            )
        })?;
        let tokens = if request.parse_special {
            app.tokenizer.encode_trusted(&request.content)?
        } else {
            app.tokenizer.encode_plain(&request.content)?
        };
        Ok(Json(json!({"tokens": tokens})))
    })
    .await
}

async fn chat(
    State(app): State<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = read(body)?;
    let prepared = {
        let app = Arc::clone(&app);
        off_the_loop(move || Prepared::new(&app, &body)).await?
    };
    let (head, streams, prompt) = (prepared.head, prepared.stream, prepared.job.prompt.len());
    let mut events = app
        .engine
        .submit(prepared.job)
        .map_err(|_| ApiError::overloaded())?;
    // The status line waits for the slot and the model, so that a model that cannot be loaded is
    // a 500 and not a broken stream.
    let cached = match events.recv().await {
        Some(Event::Started { cached }) => cached,
        Some(Event::Failed(error)) => return Err(error.into()),
        Some(Event::Text(_) | Event::Done { .. }) | None => return Err(lost()),
    };
    let answer = Answer {
        head,
        usage: Usage {
            prompt,
            cached,
            completion: 0,
        },
        events,
    };
    if streams {
        Ok(answer.stream())
    } else {
        answer.whole().await
    }
}

fn lost() -> ApiError {
    ApiError::internal("the generation thread ended")
}

/// The body, or why it could not be taken.
fn read(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::too_large(BODY_LIMIT)
        } else {
            ApiError::invalid("The request body could not be read.".to_owned(), None)
        }
    })
}

/// Runs what may take long (megabytes to tokenise) on a blocking thread.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(ApiError::internal("a request could not be read")))
}

/// A request that was checked and tokenised.
struct Prepared {
    head: AnswerHead,
    stream: bool,
    job: Job,
}

impl Prepared {
    fn new(app: &App, body: &[u8]) -> Result<Self, ApiError> {
        let request = ChatRequest::parse(body)?;
        let model = request.model.as_deref().ok_or_else(|| {
            ApiError::invalid("The request names no `model`.".to_owned(), Some("model"))
        })?;
        if model != app.model {
            return Err(ApiError::no_such_model(model, &app.model));
        }
        request.check_supported()?;
        let sampling = request.sampling(random()?)?;
        let stops = request.stops()?;
        let max_tokens = request.max_tokens()?.unwrap_or(DEFAULT_MAX_TOKENS);
        let messages = request.template_messages()?;
        let prompt = match prompt_tokens(&messages, &app.template, &app.tokenizer) {
            Ok(tokens) => tokens,
            Err(PromptError::Refused(why)) => return Err(ApiError::invalid(why, Some("messages"))),
            Err(PromptError::Failed(error)) => return Err(error.into()),
        };
        if prompt.is_empty() {
            let why = "The messages and the model's chat template make an empty prompt.";
            return Err(ApiError::invalid(why.to_owned(), Some("messages")));
        }
        if prompt.len() >= app.context {
            return Err(ApiError::too_long(prompt.len(), app.context));
        }
        Ok(Self {
            head: AnswerHead {
                id: format!("chatcmpl-{:016x}{:016x}", random()?, random()?),
                model: app.model.clone(),
                created: crate::start::unix_seconds(),
                with_usage: request.wants_usage_chunk(),
            },
            stream: request.stream == Some(true),
            job: Job {
                prompt,
                max_tokens,
                stops,
                sampling,
            },
        })
    }
}

fn random() -> Result<u64, ApiError> {
    getrandom::u64().map_err(|_| ApiError::internal("the system gave no random numbers"))
}

/// An answer that has begun.
struct Answer {
    head: AnswerHead,
    usage: Usage,
    events: UnboundedReceiver<Event>,
}

impl Answer {
    async fn whole(mut self) -> Result<Response, ApiError> {
        let mut text = String::new();
        loop {
            match self.events.recv().await {
                Some(Event::Started { .. }) => {}
                Some(Event::Text(more)) => text.push_str(&more),
                Some(Event::Done {
                    finish,
                    completion_tokens,
                }) => {
                    self.usage.completion = completion_tokens;
                    let answer = self.head.completion(&text, finish, self.usage);
                    return Ok(Json(answer).into_response());
                }
                Some(Event::Failed(error)) => return Err(error.into()),
                None => return Err(lost()),
            }
        }
    }

    /// Server-sent events. Dropping the body drops the receiver, which cancels the job.
    fn stream(self) -> Response {
        let opening = self.head.chunk(
            &json!({"role": "assistant", "content": "", "refusal": null}),
            None,
        );
        let first = stream::iter([Ok::<_, Infallible>(sse(&opening))]);
        let rest = stream::unfold(Some(self), |answer| async {
            let mut answer = answer?;
            let event = answer.events.recv().await;
            let (frames, more) = answer.frames(event);
            Some((Ok(frames), more.then_some(answer)))
        });
        let body = Body::from_stream(futures::StreamExt::chain(first, rest));
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The frames of one event, and whether more will follow.
    fn frames(&mut self, event: Option<Event>) -> (Bytes, bool) {
        match event {
            Some(Event::Started { .. }) => (Bytes::new(), true),
            Some(Event::Text(text)) => {
                (sse(&self.head.chunk(&json!({"content": text}), None)), true)
            }
            Some(Event::Done {
                finish,
                completion_tokens,
            }) => {
                self.usage.completion = completion_tokens;
                let mut frames = sse(&self.head.chunk(&json!({}), Some(finish))).to_vec();
                if self.head.with_usage {
                    frames.extend(sse(&self.head.usage_chunk(self.usage)));
                }
                frames.extend(b"data: [DONE]\n\n");
                (frames.into(), false)
            }
            Some(Event::Failed(error)) => (sse(&ApiError::from(error).body()), false),
            None => (sse(&lost().body()), false),
        }
    }
}

fn sse(data: &Value) -> Bytes {
    format!("data: {data}\n\n").into()
}
