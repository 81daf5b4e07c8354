//! `valechat:host` 0.1 as the guest calls it.

use wasmtime::component::{Access, FutureReader, HasSelf};

use super::bindings::valechat::host::{clock, config, http, log, random};
use super::bindings::valechat::types::{chat, common, errors, models, stream_types};
use super::body::PendingResponse;
use super::convert::http_request;
use crate::context::LogLevel;
use crate::state::State;

/// Bytes that one call of `random.bytes` gives at most (wit/host/host.wit).
const MAX_RANDOM: u32 = 65_536;

impl common::Host for State {}
impl errors::Host for State {}
impl chat::Host for State {}
impl stream_types::Host for State {}
impl models::Host for State {}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Error => LogLevel::Error,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Info => LogLevel::Info,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Trace => LogLevel::Trace,
        };
        self.log_line(level, &message)
    }
}

impl config::Host for State {
    fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.settings_json.clone())
    }

    fn credentials(&mut self) -> wasmtime::Result<Vec<config::CredentialInfo>> {
        let infos = self
            .context
            .credentials
            .iter()
            .map(|info| config::CredentialInfo {
                name: info.name.clone(),
                present: info.present,
                required: info.required,
                extras: Vec::new(),
            });
        Ok(infos.collect())
    }
}

impl clock::Host for State {
    fn now_unix_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.context.ambient.now_unix_ms())
    }

    fn monotonic_ns(&mut self) -> wasmtime::Result<u64> {
        Ok(self.context.ambient.monotonic_ns())
    }
}

impl random::Host for State {
    fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        if len > MAX_RANDOM {
            return Err(self.broken(&format!(
                "it asked for {len} random bytes at once; {MAX_RANDOM} are allowed"
            )));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        self.context
            .ambient
            .random(&mut bytes)
            .map_err(wasmtime::Error::msg)?;
        Ok(bytes)
    }
}

impl http::Host for State {}

impl http::HostWithStore<State> for HasSelf<State> {
    fn send(
        mut store: Access<'_, State, Self>,
        request: http::Request,
    ) -> wasmtime::Result<FutureReader<Result<http::Response, http::Error>>> {
        let bytes = request.body.iter().map(|part| match part {
            http::BodyPart::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            _ => 0,
        });
        let held = store.get().hold(bytes.fold(0, u64::saturating_add))?;
        let request = http_request(request).and_then(|request| store.get().own_handles(request));
        let gate = store.get().gate.clone();
        let sent = async move {
            match request {
                Ok(request) => gate.send(request).await,
                Err(error) => Err(error),
            }
        };
        FutureReader::new(&mut store, PendingResponse::new(Box::pin(sent), held))
    }
}
