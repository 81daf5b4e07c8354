//! From a call to a result. No I/O: the guest and the test kit run the same code.

use super::answer::Failure;
use super::{Arguments, Described, Host, ToolSpec, Tools};
use crate::context::Context;
use crate::types::{Error, ErrorKind, ResultPart, ToolCall, ToolResult};

/// Longest name of a tool, in characters: what every provider's wire takes.
const MAX_NAME: usize = 64;

/// The tools, checked: names that every provider's wire takes, each once.
///
/// # Errors
/// `internal` naming the tool: it is the plugin's mistake.
pub fn described<T: Tools>(context: &Context) -> Result<Vec<Described>, Error> {
    let specs = T::list(context);
    for (index, spec) in specs.iter().enumerate() {
        let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = spec.name;
        let is_second = specs.iter().take(index).any(|other| other.name == name);
        if is_second || name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_good) {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("The plugin lists a tool called \"{name}\", which no model could call."),
            ));
        }
    }
    Ok(specs.iter().map(ToolSpec::described).collect())
}

/// Runs one call: checks the credentials and the arguments, and makes a result of whatever the
/// tool says.
///
/// # Errors
/// The call failed; a tool that ran and failed is a result with `is-error`.
pub async fn invoke<T: Tools, H: Host>(host: &H, call: ToolCall) -> Result<ToolResult, Error> {
    host.context().require_credentials()?;
    let ToolCall {
        id,
        name,
        arguments_json,
        ..
    } = call;
    let answer = match arguments_of::<T>(host.context(), &name, &arguments_json) {
        Ok(arguments) => T::invoke(host, &name, &arguments).await,
        Err(failure) => Err(failure),
    };
    let (content, extras, is_error) = match answer {
        Ok(answer) => (answer.content, answer.extras, false),
        Err(Failure::Told(sentence)) => (vec![ResultPart::Text(sentence)], Vec::new(), true),
        Err(Failure::Call(error)) => return Err(*error),
    };
    Ok(ToolResult {
        call_id: id,
        name: Some(name),
        content,
        is_error,
        extras,
    })
}

fn arguments_of<T: Tools>(context: &Context, name: &str, json: &str) -> Result<Arguments, Failure> {
    let specs = T::list(context);
    let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
        let names: Vec<_> = specs.iter().map(|spec| spec.name).collect();
        return Err(Failure::told(format!(
            "There is no tool of that name here. The tools: {}.",
            names.join(", ")
        )));
    };
    Arguments::parse(spec, json)
}
