//! What LM Studio's OpenAI wire takes in other words than OpenAI's.

use std::borrow::Cow;

use vale_sdk::{Error, ErrorKind, OutputFormat, Request, ToolChoice};

/// Any JSON object: LM Studio refuses `json_object` and takes schemas only.
const ANY_OBJECT: &str = r#"{"type":"object"}"#;

/// The request in words that LM Studio takes.
///
/// # Errors
/// `invalid-request` for a tool that is to be called and is not offered.
pub(crate) fn adapted(request: &Request) -> Result<Cow<'_, Request>, Error> {
    let mut request = Cow::Borrowed(request);
    if request.format == OutputFormat::Json {
        request.to_mut().format = OutputFormat::Schema(ANY_OBJECT.into());
    }
    // `tool_choice` is a word here (none, auto, required), so that a tool is named by offering no
    // other.
    if let ToolChoice::Named(name) = request.tool_choice.clone() {
        let request = request.to_mut();
        request.tools.retain(|tool| tool.name == name);
        request.tool_choice = ToolChoice::Any;
        if request.tools.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidRequest(Some("tool-choice".into())),
                format!("The tool \"{name}\" is to be called but not offered; nothing was sent."),
            ));
        }
    }
    Ok(request)
}
