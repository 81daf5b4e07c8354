//! What goes over the socket between a face and the process that runs the host.
//!
//! Length-prefixed JSON. One connection does one operation: a hello each way, the operation, then
//! its answers. Closing the connection cancels the operation, as dropping a turn does at home.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use vale_host::Command;
use vale_plugins::sha256_hex;
use vale_types::{Failure, ModelRef, PluginId, ProviderId, Request, ToolCall};

/// Changes when an older process could misunderstand a newer one.
pub(crate) const PROTOCOL: u32 = 1;
/// The largest frame: an attachment, with room to spare.
const MAX_FRAME: usize = 64 << 20;

/// The first frame of both sides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    /// Of ValeChat, for the person.
    pub(crate) version: String,
    /// Keys in this process's environment: the variable's name, and a digest that tells whether
    /// two are the same.
    #[serde(default)]
    pub(crate) keys: BTreeMap<String, String>,
}

impl Hello {
    pub(crate) fn ours() -> Self {
        Self {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            keys: environment_keys(),
        }
    }
}

fn environment_keys() -> BTreeMap<String, String> {
    let variables = std::env::vars_os();
    let keys = variables.filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with("VALECHAT_KEY_").then(|| {
            let digest = sha256_hex(value.as_encoded_bytes());
            (name, digest)
        })
    });
    keys.collect()
}

/// What a face asks of the process that runs the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Op {
    Send {
        model: ModelRef,
        request: Box<Request>,
    },
    Models {
        provider: ProviderId,
    },
    Describe {
        provider: ProviderId,
    },
    Count {
        model: ModelRef,
        request: Box<Request>,
    },
    Imports {
        plugin: PluginId,
    },
    Tools {
        plugin: PluginId,
    },
    Invoke {
        plugin: PluginId,
        call: ToolCall,
    },
    /// The bytes follow in a frame of their own.
    Attach {
        media_type: String,
        name: Option<String>,
    },
    Reload,
    KeysChanged,
    Tree,
    Ask {
        path: String,
        command: Command,
    },
    Events,
}

/// An answer to an operation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer<T> {
    Done(T),
    Failed(Failure),
}

/// A connection that speaks frames.
pub(crate) struct Wire<S>(Framed<S, LengthDelimitedCodec>);

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        let codec = LengthDelimitedCodec::builder()
            .max_frame_length(MAX_FRAME)
            .new_codec();
        Self(Framed::new(stream, codec))
    }

    pub(crate) async fn write<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let json = serde_json::to_vec(value).map_err(io::Error::other)?;
        self.0.send(Bytes::from(json)).await
    }

    pub(crate) async fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.0.send(bytes).await
    }

    /// The next frame; none at the end.
    pub(crate) async fn read<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.read_bytes().await? {
            None => Ok(None),
            Some(frame) => serde_json::from_slice(&frame)
                .map(Some)
                .map_err(io::Error::other),
        }
    }

    pub(crate) async fn read_bytes(&mut self) -> io::Result<Option<Bytes>> {
        self.0
            .next()
            .await
            .transpose()
            .map(|frame| frame.map(|frame| frame.freeze()))
    }
}
