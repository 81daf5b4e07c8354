//! Why an answer broke off: the codes of this wire that no other has.

use vale_sdk::json::Value;
use vale_sdk::{Error, ErrorKind, errors};

/// Codes of a failed response that blame the request (OpenAI's OpenAPI, `ResponseErrorCode`).
/// Without them they would count as the server's fault, and be tried and paid for again.
const REQUEST: &[&str] = &[
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
    "image_file_too_large",
    "image_parse_error",
    "image_too_large",
    "image_too_small",
    "invalid_base64_image",
    "invalid_image",
    "invalid_image_format",
    "invalid_image_mode",
    "invalid_image_url",
    "invalid_prompt",
    "unsupported_image_media_type",
];

/// The failure that an `error` event or a failed response tells of.
pub(super) fn of(value: &Value<'_>) -> Error {
    let error = errors::in_stream(value).unwrap_or_else(no_reason);
    let kind = match (&error.kind, error.provider_code.as_deref()) {
        (ErrorKind::Internal, Some(code)) if REQUEST.contains(&code) => {
            ErrorKind::InvalidRequest(None)
        }
        (ErrorKind::Internal, Some(code)) if code.contains("policy") => {
            ErrorKind::ContentFilter(Some(code.to_string()))
        }
        (kind, _) => kind.clone(),
    };
    Error { kind, ..error }
}

pub(super) fn no_reason() -> Error {
    Error::new(
        ErrorKind::Internal,
        "The server broke off its answer and gave no reason.",
    )
}
