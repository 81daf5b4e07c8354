//! The real backend: a plugin in the sandbox.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use vale_sandbox::{CallContext, LogLevel, LogSink, Meter, Step, SystemAmbient};
use vale_types::{Failure, Model, PluginId, ProviderId, ProviderInfo, Request};

use super::backend::{Answer, Backend, Calls};
use super::prepare::{Prepared, Wiring};

/// A configured plugin.
pub(crate) struct PluginBackend {
    provider: ProviderId,
    wiring: Arc<Wiring>,
    meter: Arc<Meter>,
    /// What was prepared for the last call, kept while it is still right.
    prepared: Arc<tokio::sync::Mutex<Option<Prepared>>>,
}

impl PluginBackend {
    pub(crate) fn new(provider: ProviderId, wiring: Wiring) -> Self {
        Self {
            provider,
            wiring: Arc::new(wiring),
            meter: Arc::default(),
            prepared: Arc::default(),
        }
    }
}

impl Backend for PluginBackend {
    fn prepare(&self) -> BoxFuture<'static, Result<Arc<dyn Calls>, Failure>> {
        let (wiring, kept) = (Arc::clone(&self.wiring), Arc::clone(&self.prepared));
        let (meter, provider) = (Arc::clone(&self.meter), self.provider.clone());
        async move {
            let mut kept = kept.lock().await;
            let prepared = wiring.prepare(kept.take()).await?;
            let prepared = kept.insert(prepared).clone();
            let calls = PluginCalls {
                prepared,
                provider: provider.clone(),
                plugin: wiring.settings.plugin.clone(),
                meter,
            };
            Ok(Arc::new(calls) as Arc<dyn Calls>)
        }
        .boxed()
    }

    fn forget(&self) {
        // One that is being made now is as new as can be.
        if let Ok(mut kept) = self.prepared.try_lock() {
            *kept = None;
        }
    }

    fn key_changes(&self) -> u64 {
        self.wiring.key_changes.load(Ordering::SeqCst)
    }

    fn used(&self) -> Option<(f64, u64)> {
        Some((self.meter.cpu().as_secs_f64(), self.meter.peak_memory()))
    }
}

struct PluginCalls {
    prepared: Prepared,
    provider: ProviderId,
    plugin: PluginId,
    meter: Arc<Meter>,
}

impl PluginCalls {
    fn context(&self) -> CallContext {
        let log = PluginLog {
            provider: Some(self.provider.clone()),
            plugin: self.plugin.clone(),
        };
        self.prepared.context(
            Arc::new(log),
            Arc::new(SystemAmbient::default()),
            Arc::clone(&self.meter),
        )
    }
}

impl Calls for PluginCalls {
    fn complete(&self, request: &Request) -> Result<Answer, Failure> {
        self.prepared.require_credentials()?;
        let call = self.prepared.plugin().complete(self.context(), request);
        let Some(trial) = self.prepared.trial() else {
            return Ok(call.boxed());
        };
        let watched = call.then(move |step| {
            let trial = trial.clone();
            async move {
                match step {
                    Step::End(ended) => Step::End(trial.ended(ended).await),
                    events @ Step::Events(_) => events,
                }
            }
        });
        Ok(watched.boxed())
    }

    fn models(&self) -> BoxFuture<'static, Result<Vec<Model>, Failure>> {
        let (prepared, context) = (self.prepared.clone(), self.context());
        async move {
            prepared.require_credentials()?;
            let ended = prepared.plugin().list_models(context).await;
            prepared.watched(ended).await
        }
        .boxed()
    }

    fn describe(&self) -> BoxFuture<'static, Result<ProviderInfo, Failure>> {
        let (prepared, context) = (self.prepared.clone(), self.context());
        async move {
            let ended = prepared.plugin().describe(context).await;
            prepared.watched(ended).await
        }
        .boxed()
    }

    fn count_tokens(&self, request: &Request) -> BoxFuture<'static, Result<u64, Failure>> {
        let (prepared, context) = (self.prepared.clone(), self.context());
        let request = request.clone();
        async move {
            prepared.require_credentials()?;
            let ended = prepared.plugin().count_tokens(context, &request).await;
            prepared.watched(ended).await
        }
        .boxed()
    }
}

/// A plugin's log lines, in the host's log.
pub(crate) struct PluginLog {
    /// None for a tool.
    pub(crate) provider: Option<ProviderId>,
    pub(crate) plugin: PluginId,
}

impl LogSink for PluginLog {
    fn line(&self, level: LogLevel, text: &str) {
        let provider = self.provider.as_ref().map(ProviderId::as_str);
        let plugin = self.plugin.as_str();
        match level {
            LogLevel::Error => tracing::error!(target: "plugin", provider, plugin, "{text}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", provider, plugin, "{text}"),
            LogLevel::Info => tracing::info!(target: "plugin", provider, plugin, "{text}"),
            LogLevel::Debug => tracing::debug!(target: "plugin", provider, plugin, "{text}"),
            LogLevel::Trace => tracing::trace!(target: "plugin", provider, plugin, "{text}"),
        }
    }
}
