//! ValeChat's own way: `Host::send` through actor, sandbox and gate.

use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;
use vale_host::{Host, HostConfig, Paths, TurnStep};
use vale_types::{Event, Message, ModelRef, Request, Role};

use crate::Result;
use crate::direct::Timing;

pub(crate) struct Ours {
    pub(crate) host: Host,
    _home: TempDir,
}

/// The folder with the built plugins.
pub(crate) fn plugins() -> Result<PathBuf> {
    let folder = std::env::var_os("VALECHAT_PLUGINS");
    Ok(folder
        .ok_or("VALECHAT_PLUGINS is not set: run this through `cargo xtask bench`")?
        .into())
}

impl Ours {
    /// A host with a provider `bench` over this base URL.
    pub(crate) fn start(base_url: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let origin = base_url.trim_end_matches("/v1");
        std::fs::write(
            home.path().join("config.toml"),
            format!(
                "[keys]\nstore = \"file\"\n[policy.limits]\nmax_in_flight = 5000\n[providers.bench]\nplugin = \"openai\"\nsettings = {{ base_url = \"{base_url}\" }}\ngrant = {{ local_server = \"{origin}\" }}\n"
            ),
        )?;
        let mut paths = Paths::under(home.path());
        paths.plugins = vec![plugins()?];
        paths.built_in_plugins = 1;
        let host = Host::start(HostConfig {
            paths,
            ask_passphrase: None,
        })?;
        Ok(Self { host, _home: home })
    }

    pub(crate) fn model(model: &str) -> Result<ModelRef> {
        Ok(format!("bench/{model}").parse()?)
    }

    pub(crate) fn request() -> Request {
        Request {
            messages: vec![Message::text(Role::User, "hi")],
            ..Request::default()
        }
    }

    pub(crate) async fn answer(&self, model: &str) -> Result<Timing> {
        let start = Instant::now();
        let mut turn = self.host.send(&Self::model(model)?, Self::request())?;
        let mut first = None;
        let mut events = 0;
        while let Some(step) = turn.next().await {
            match step {
                TurnStep::Events(batch) => {
                    let texts = batch.iter().filter(|event| matches!(event, Event::Text(_)));
                    let texts = u64::try_from(texts.count())?;
                    if texts > 0 {
                        first.get_or_insert_with(|| start.elapsed());
                        events += texts;
                    }
                }
                TurnStep::End(end) => {
                    end?;
                }
                TurnStep::Attempt(_) => {}
                other => return Err(format!("not at the first attempt: {other:?}").into()),
            }
        }
        Ok(Timing {
            first: first.ok_or("no event")?,
            total: start.elapsed(),
            events,
        })
    }
}
