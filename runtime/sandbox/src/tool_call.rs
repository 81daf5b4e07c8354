//! The two calls of a tool, each in a fresh store as a provider's are.

use vale_types::{Error, ErrorKind, Failure, ToolCall, ToolInfo, ToolResult};

use crate::context::CallContext;
use crate::json::is_object;
use crate::load::Plugin;
use crate::state::State;
use crate::{tool_rules, v0_1};

impl Plugin {
    /// Asks the plugin for its tools. Dropping the future cancels the guest.
    ///
    /// # Errors
    /// The tool's own failure, or the plugin's fault: also when a tool's name or schema breaks the
    /// rules, or there are too many.
    pub async fn list_tools(&self, context: CallContext) -> Result<Vec<ToolInfo>, Failure> {
        self.spawned(context, |plugin, store| Box::pin(list_tools(plugin, store)))
            .await
    }

    /// Runs one tool. Dropping the future cancels the guest and closes its connections.
    ///
    /// A tool that ran and failed is a result with `is_error`. The call's signature is the
    /// provider's and is not shown to the tool.
    ///
    /// # Errors
    /// `invalid-request` when the arguments are no JSON object (the guest does not run); the
    /// tool's own failure; the plugin's fault.
    pub async fn invoke(
        &self,
        context: CallContext,
        call: &ToolCall,
    ) -> Result<ToolResult, Failure> {
        if !is_object(&call.arguments_json) {
            let what = ErrorKind::InvalidRequest(Some("arguments".to_owned()));
            return Err(Error::new(what, "The arguments are not a JSON object.").into());
        }
        let call = ToolCall {
            signature: None,
            ..call.clone()
        };
        self.spawned(context, |plugin, store| {
            Box::pin(invoke(plugin, store, call))
        })
        .await
    }
}

async fn list_tools(
    plugin: &Plugin,
    store: &mut wasmtime::Store<State>,
) -> wasmtime::Result<Result<Vec<ToolInfo>, Failure>> {
    let guest = plugin.tool()?.instantiate_async(&mut *store).await?;
    let answer = guest
        .valechat_tool_tool()
        .call_list_tools(&mut *store)
        .await?;
    let limits = &store.data().context.limits;
    Ok(match answer {
        Ok(described) => {
            let tools: Vec<_> = described.into_iter().map(v0_1::tool_info).collect();
            match tool_rules::listing(&tools, limits) {
                Ok(()) => Ok(tools),
                Err(fault) => Err(fault.into()),
            }
        }
        Err(error) => Err(failed(v0_1::error(error), store)),
    })
}

async fn invoke(
    plugin: &Plugin,
    store: &mut wasmtime::Store<State>,
    call: ToolCall,
) -> wasmtime::Result<Result<ToolResult, Failure>> {
    let guest = plugin.tool()?.instantiate_async(&mut *store).await?;
    let tool = guest.valechat_tool_tool();
    let asked = v0_1::tool_call(&call);
    let answer = store
        .run_concurrent(async |accessor| tool.call_invoke(accessor, asked).await)
        .await??;
    let mut result = match answer {
        Ok(result) => v0_1::tool_result(result),
        Err(error) => return Ok(Err(failed(v0_1::error(error), store))),
    };
    let state = store.data();
    let (handles, limits) = (&state.handles, &state.context.limits);
    Ok(
        match tool_rules::result(&call, &result, handles.put_bytes(), limits) {
            Ok(()) => match handles.correct(&mut result) {
                Ok(()) => Ok(result),
                Err(id) => Err(foreign_handle(&id)),
            },
            Err(fault) => Err(fault.into()),
        },
    )
}

fn failed(error: Error, store: &wasmtime::Store<State>) -> Failure {
    match tool_rules::error(&error, &store.data().context.limits) {
        Ok(()) => error.into(),
        Err(fault) => fault.into(),
    }
}

fn foreign_handle(id: &str) -> Failure {
    vale_types::Fault::new(
        vale_types::FaultClass::Protocol,
        format!(
            "its result names the attachment “{}”, which is not this call's",
            tool_rules::shown(id)
        ),
    )
    .into()
}
