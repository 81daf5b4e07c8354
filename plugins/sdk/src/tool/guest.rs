//! The wasm side of a tool: the host's real functions. Kept thin, because only a component runs it.

use wit_bindgen::rt::async_support::StreamResult;

use super::bindings::valechat::host::{blobs, kv};
use super::{BlobError, Described, Host, KvError, Level, Received, Tools};
use crate::bindings::valechat::host::{clock, config, http, log, random};
use crate::context::Context;
use crate::http::HttpReply;
use crate::types::{Blob, Error, HttpError, HttpRequest, ToolCall, ToolResult};

/// Bytes asked for at a time.
const READ_BYTES: usize = 64 * 1024;

/// The export `list-tools`.
///
/// # Errors
/// The list is none that a model could use.
pub fn list<T: Tools>() -> Result<Vec<Described>, Error> {
    super::described::<T>(&context()?)
}

/// The export `invoke`.
///
/// # Errors
/// The call failed.
pub async fn invoke<T: Tools>(call: ToolCall) -> Result<ToolResult, Error> {
    let host = RealHost {
        context: context()?,
    };
    super::invoke::<T, _>(&host, call).await
}

fn context() -> Result<Context, Error> {
    Context::new(config::get(), config::credentials())
}

struct RealHost {
    context: Context,
}

impl Host for RealHost {
    fn context(&self) -> &Context {
        &self.context
    }

    fn now_unix_ms(&self) -> u64 {
        clock::now_unix_ms()
    }

    fn random(&self, len: u32) -> Vec<u8> {
        random::bytes(len)
    }

    fn log(&self, level: Level, message: &str) {
        log::log(level, message);
    }

    async fn send(&self, request: HttpRequest, max_bytes: usize) -> Result<Received, HttpError> {
        let response = http::send(&request).await?;
        let http::Response {
            status,
            url,
            headers,
            body: mut stream,
            end,
        } = response;
        let mut body = Vec::new();
        let mut buffer = Vec::with_capacity(READ_BYTES);
        let is_whole = loop {
            let read;
            (read, buffer) = stream.read(buffer).await;
            body.append(&mut buffer);
            if body.len() > max_bytes {
                body.truncate(max_bytes);
                break false;
            }
            if !matches!(read, StreamResult::Complete(_)) {
                break true;
            }
        };
        // Dropped before its end, the rest is never asked for.
        drop(stream);
        if is_whole {
            end.await?;
        }
        let reply = HttpReply {
            status,
            url,
            headers,
            body,
            received_unix_ms: clock::now_unix_ms(),
        };
        Ok(Received { reply, is_whole })
    }

    fn kv_get(&self, key: &str) -> Option<Vec<u8>> {
        kv::get(key)
    }

    fn kv_set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        kv::set(key, value)
    }

    fn kv_delete(&self, key: &str) {
        kv::delete(key);
    }

    fn kv_list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        kv::list(prefix, after, limit)
    }

    fn blob_read(&self, id: &str, offset: u64, len: u32) -> Result<Vec<u8>, BlobError> {
        blobs::read(id, offset, len)
    }

    fn blob_put(
        &self,
        media_type: &str,
        name: Option<&str>,
        bytes: &[u8],
    ) -> Result<Blob, BlobError> {
        blobs::put(media_type, name, bytes)
    }
}

/// Makes [`Tools`](crate::tool::Tools) the component's export. Once, in the crate's root.
///
/// Natively it does nothing, so that the same crate is tested without wasm.
#[macro_export]
macro_rules! export_tool {
    ($tools:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Exported;
            impl $crate::tool::bindings::exports::valechat::tool::tool::Guest for Exported {
                fn list_tools() -> Result<Vec<$crate::tool::Described>, $crate::Error> {
                    $crate::tool::guest::list::<$tools>()
                }
                async fn invoke(
                    call: $crate::ToolCall,
                ) -> Result<$crate::ToolResult, $crate::Error> {
                    $crate::tool::guest::invoke::<$tools>(call).await
                }
            }
    $crate::tool::bindings::export!(Exported with_types_in $crate::tool::bindings);
        };
    };
}
