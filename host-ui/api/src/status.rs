//! The supervision tree, for whoever watches it.

use serde::Serialize;
use vale_host::{Command, NodeReport};
use vale_types::{Message, ModelRef, Request, Role};

use crate::api::Api;
use crate::chat::ChatRequest;
use crate::error::{ApiError, ApiErrorKind};
use crate::link::Events;

/// The host as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The process that runs it.
    pub process: Option<u32>,
    /// Whether that is the process that asks.
    pub own: bool,
    /// Its children, group by group.
    pub tree: Vec<NodeReport>,
}

impl Api {
    /// The supervision tree.
    ///
    /// # Errors
    /// When the host cannot be reached.
    pub async fn status(&self) -> Result<Status, ApiError> {
        let tree = self.link.tree().await.map_err(ours)?;
        let own = self.link.is_own().await;
        Ok(Status {
            process: if own {
                Some(std::process::id())
            } else {
                self.link.process()
            },
            own,
            tree,
        })
    }

    /// Asks a child of the tree to restart, drain, reset or stop. `name` is its path, or the last
    /// part of it.
    ///
    /// # Errors
    /// When there is no such child, or several.
    pub async fn command(&self, name: &str, command: Command) -> Result<String, ApiError> {
        let tree = self.link.tree().await.map_err(ours)?;
        let is_meant = |path: &str| path == name || path.rsplit('/').next() == Some(name);
        let meant: Vec<&str> = tree
            .iter()
            .map(|node| node.path.as_str())
            .filter(|path| is_meant(path))
            .collect();
        let all: Vec<&str> = tree.iter().map(|node| node.path.as_str()).collect();
        let path = match meant.as_slice() {
            [path] => (*path).to_owned(),
            [] => {
                return Err(ApiError::new(
                    ApiErrorKind::Usage,
                    format!("Nothing in the tree is called “{name}”."),
                    format!("There are: {}.", all.join(", ")),
                ));
            }
            several => {
                return Err(ApiError::new(
                    ApiErrorKind::Usage,
                    format!("“{name}” could be several."),
                    format!("Name one: {}.", several.join(", ")),
                ));
            }
        };
        if self.link.command(&path, command).await.map_err(ours)? {
            Ok(path)
        } else {
            Err(ApiError::new(
                ApiErrorKind::Failed,
                format!("{path} has ended for good."),
                "Start ValeChat anew.",
            ))
        }
    }

    /// What happens in the host from now on.
    ///
    /// # Errors
    /// When the host cannot be reached.
    pub async fn events(&self) -> Result<Events, ApiError> {
        self.link.events().await.map_err(ours)
    }

    /// Input tokens of a question, counted by the provider without answering it.
    ///
    /// # Errors
    /// When the provider does not count, or cannot be reached.
    pub async fn count_tokens(&self, chat: ChatRequest) -> Result<u64, ApiError> {
        let provider = self.find_provider(chat.model.provider.as_str())?.id;
        let (model, request) = request_of(chat);
        let counted = self.link.count_tokens(&model, request).await;
        counted.map_err(|failure| self.explain(failure, &provider))
    }
}

/// The question as the host takes it.
pub(crate) fn request_of(chat: ChatRequest) -> (ModelRef, Request) {
    let mut messages = Vec::with_capacity(chat.messages.len() + 1);
    if let Some(system) = chat.system {
        messages.push(Message::text(Role::System, system));
    }
    messages.extend(chat.messages);
    let request = Request {
        messages,
        max_output_tokens: chat.max_output_tokens,
        temperature: chat.temperature,
        ..Request::default()
    };
    (chat.model, request)
}

fn ours(failure: vale_types::Failure) -> ApiError {
    ApiError::of_failure(failure, "ValeChat", false)
}
