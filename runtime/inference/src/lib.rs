//! `valechat-infer`: the embedded local model, in a process of its own.
//!
//! # What it is for
//! ValeChat answers without an account, a key or a network, because this program runs a small
//! GGUF model on the CPU and speaks OpenAI's Chat Completions on loopback. It is a process of its
//! own so that a crash, an out-of-memory kill or a slow matrix product is not the host's, and so
//! that it can be built for the machine's CPU level.
//!
//! # How the host talks to it
//! - `valechat-infer --model PATH [--alias ID] [--threads N] [--ctx N] [--idle-unload-s N]`.
//! - stdin: one line `{"token":"…"}`, then nothing. When stdin ends, the process ends at once,
//!   whatever it is doing: that is how it never outlives its host.
//! - stdout: one line, `{"ready":true,"port":…,"model":…,"level":…,"threads":…,"context":…}` or
//!   `{"ready":false,"error":"…"}`. Logs go to stderr and hold no text of a conversation.
//! - HTTP on `127.0.0.1:port`, `Authorization: Bearer <token>` on every request: `/v1/models`,
//!   `/v1/chat/completions`, `/tokenize`, `/health`. A client that disconnects cancels its request.
//! - Exit codes: 0 end of stdin, 2 wrong usage, 3 the model file cannot be used, 4 the system
//!   refused something.
//!
//! # How it works
//! `gguf` reads the file, `tokenizer` and `template` turn a conversation into tokens (`prompt`
//! keeps control tokens typed by a person harmless), `model` computes, `session` writes one
//! answer and keeps the cache for the next, `engine` owns the only generation slot and its thread,
//! `server` and `wire` are HTTP.
//!
//! # What it must not know
//! Nothing of the host: no other crate of the workspace is a dependency. It opens one file and
//! one listening socket on loopback, and connects to nothing.

mod api_error;
mod attention;
mod config;
mod engine;
mod error;
mod gguf;
mod linear;
mod model;
mod ops;
mod prompt;
mod sampler;
mod server;
mod session;
mod start;
mod template;
#[cfg(test)]
mod testing;
mod text;
mod tokenizer;
mod wire;

pub use error::ModelError;
pub use start::{CPU_LEVEL, Options, Server, StartError, default_threads};
