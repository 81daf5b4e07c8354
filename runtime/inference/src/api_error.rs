//! Errors in the shape that OpenAI clients understand.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::error::ModelError;

/// An answer that says why there is no answer.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
    /// Further fields of the error object.
    extra: Vec<(&'static str, usize)>,
    retry_after_s: Option<u8>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: String) -> Self {
        Self {
            status,
            message,
            kind,
            param: None,
            code: None,
            extra: Vec::new(),
            retry_after_s: None,
        }
    }

    /// 400: the request itself is wrong; `param` names the field.
    pub(crate) fn invalid(message: String, param: Option<&'static str>) -> Self {
        Self {
            param,
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
        }
    }

    /// 401.
    pub(crate) fn unauthorized() -> Self {
        let message = "The bearer token is missing or wrong. The host that started this process has the right one.";
        Self {
            code: Some("invalid_api_key"),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "authentication_error",
                message.to_owned(),
            )
        }
    }

    /// 404 for a path.
    pub(crate) fn no_such_path() -> Self {
        let message = "There is no such path. This server has /v1/models, /v1/chat/completions, /tokenize and /health.";
        let kind = "invalid_request_error";
        Self::new(StatusCode::NOT_FOUND, kind, message.to_owned())
    }

    /// 405.
    pub(crate) fn wrong_method() -> Self {
        let message = "This path does not take this method.".to_owned();
        let kind = "invalid_request_error";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, kind, message)
    }

    /// 404 for a model.
    pub(crate) fn no_such_model(wanted: &str, have: &str) -> Self {
        let message =
            format!("The model `{wanted}` does not exist here; this server runs `{have}`.");
        Self {
            param: Some("model"),
            code: Some("model_not_found"),
            ..Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
        }
    }

    /// 400: no room for the prompt and one more token.
    pub(crate) fn too_long(prompt_tokens: usize, context: usize) -> Self {
        let message = format!(
            "The conversation has {prompt_tokens} tokens, and the model's context of {context} must hold it and the answer. Shorten it or start a new one."
        );
        Self {
            param: Some("messages"),
            code: Some("context_length_exceeded"),
            extra: vec![("n_prompt_tokens", prompt_tokens), ("n_ctx", context)],
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
        }
    }

    /// 413.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than {limit} bytes.");
        let kind = "invalid_request_error";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, kind, message)
    }

    /// 503: the queue is full.
    pub(crate) fn overloaded() -> Self {
        let message = "The embedded model already has as many requests waiting as it takes. Try again shortly.";
        Self {
            code: Some("server_is_overloaded"),
            retry_after_s: Some(2),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "server_error",
                message.to_owned(),
            )
        }
    }

    /// 500: the generation thread is gone, or a task of ours was lost.
    pub(crate) fn internal(what: &str) -> Self {
        let message =
            format!("The model server failed: {what}. Try again; if it stays, restart it.");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "server_error", message)
    }

    /// The field at fault.
    #[cfg(test)]
    pub(crate) fn param(&self) -> Option<&'static str> {
        self.param
    }

    /// The JSON body; also sent as the last chunk when a stream breaks.
    pub(crate) fn body(&self) -> Value {
        let mut error = json!({
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        });
        if let Some(fields) = error.as_object_mut() {
            for (key, value) in &self.extra {
                fields.insert((*key).to_owned(), json!(value));
            }
        }
        json!({"error": error})
    }
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        Self {
            code: Some("inference_failed"),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                error.to_string(),
            )
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
