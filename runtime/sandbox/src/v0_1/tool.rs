//! The tool's world: conversions, and `kv` and `blobs` as the guest calls them.

use vale_types as t;

use super::bindings::valechat::types::chat;
use super::convert::{extra_in, extras_in};
use super::tools::exports::valechat::tool::tool::Described;
use super::tools::valechat::host::{blobs, kv};
use crate::context::{BlobError, KvError};
use crate::state::State;

// ---- host to guest ----

pub(crate) fn tool_call(call: &t::ToolCall) -> chat::ToolCall {
    chat::ToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments_json: call.arguments_json.clone(),
        signature: call.signature.clone(),
    }
}

fn blob_out(blob: t::Blob) -> chat::Blob {
    chat::Blob {
        id: blob.id,
        media_type: blob.media_type,
        size: blob.size,
        name: blob.name,
    }
}

fn kv_error(error: KvError) -> kv::Error {
    match error {
        KvError::Full => kv::Error::Full,
        KvError::TooLarge => kv::Error::TooLarge,
        KvError::Other(why) => kv::Error::Other(why),
    }
}

fn blob_error(error: BlobError) -> blobs::Error {
    match error {
        BlobError::Unknown => blobs::Error::Unknown,
        BlobError::TooLarge => blobs::Error::TooLarge,
        BlobError::Other(why) => blobs::Error::Other(why),
    }
}

// ---- guest to host ----

pub(crate) fn tool_info(tool: Described) -> t::ToolInfo {
    t::ToolInfo {
        def: t::ToolDef {
            name: tool.def.name,
            description: tool.def.description,
            input_schema_json: tool.def.input_schema_json,
            extras: extras_in(tool.def.extras),
        },
        title: tool.title,
        hints: t::ToolHints {
            read_only: tool.hints.read_only,
            destructive: tool.hints.destructive,
            idempotent: tool.hints.idempotent,
            open_world: tool.hints.open_world,
        },
        output_schema_json: tool.output_schema_json,
        extras: extras_in(tool.extras),
    }
}

pub(crate) fn tool_result(result: chat::ToolResult) -> t::ToolResult {
    t::ToolResult {
        call_id: result.call_id,
        name: result.name,
        content: result.content.into_iter().map(result_part).collect(),
        is_error: result.is_error,
        extras: extras_in(result.extras),
    }
}

fn result_part(part: chat::ResultPart) -> t::ResultPart {
    match part {
        chat::ResultPart::Text(text) => t::ResultPart::Text(text),
        chat::ResultPart::Image(source) => t::ResultPart::Image(media(source)),
        chat::ResultPart::File(source) => t::ResultPart::File(media(source)),
        chat::ResultPart::Json(json) => t::ResultPart::Json(json),
        chat::ResultPart::Other(extra) => t::ResultPart::Other(extra_in(extra)),
    }
}

fn media(media: chat::Media) -> t::Media {
    match media {
        chat::Media::Blob(blob) => t::Media::Blob(t::Blob {
            id: blob.id,
            media_type: blob.media_type,
            size: blob.size,
            name: blob.name,
        }),
        chat::Media::Url(url) => t::Media::Url(url),
        chat::Media::Other(extra) => t::Media::Other(extra_in(extra)),
    }
}

// ---- the host's side ----

impl kv::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.kv_get(&key)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), kv::Error>> {
        Ok(self.kv_set(&key, &value).map_err(kv_error))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.kv_delete(&key)
    }

    fn list(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<String>> {
        self.kv_list(&prefix, after.as_deref(), limit)
    }
}

impl blobs::Host for State {
    fn read(
        &mut self,
        id: String,
        offset: u64,
        len: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, blobs::Error>> {
        Ok(self.blob_read(&id, offset, len).map_err(blob_error))
    }

    fn put(
        &mut self,
        media_type: String,
        name: Option<String>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<chat::Blob, blobs::Error>> {
        let put = self.blob_put(&media_type, name.as_deref(), bytes);
        Ok(put.map(blob_out).map_err(blob_error))
    }
}
