//! A host over providers at given addresses, and what is heard of an answer.

use std::fmt::Write as _;
use std::path::PathBuf;

use vale_host::{Core, Host, HostConfig, Paths, TurnStep};
use vale_types::{
    AuthKind, Error, ErrorKind, Event, Failure, Finish, Message, ModelRef, NetworkKind, Request,
    Role, Usage,
};

/// A host of one test.
pub(crate) struct Bench {
    host: Host,
    runtime: tokio::runtime::Runtime,
    _home: tempfile::TempDir,
}

/// What came of one question.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) thinking: String,
    /// Name and arguments.
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) usage: Option<Usage>,
    /// Batches of events that held text: more than one means that it streamed.
    pub(crate) batches: usize,
    pub(crate) end: Result<Finish, Failure>,
}

impl Heard {
    pub(crate) fn kind(&self) -> Option<&ErrorKind> {
        match &self.end {
            Err(Failure::Error(Error { kind, .. })) => Some(kind),
            _ => None,
        }
    }

    pub(crate) fn is_context_length(&self) -> bool {
        matches!(self.kind(), Some(ErrorKind::ContextLength(_)))
    }

    pub(crate) fn is_network(&self, kinds: &[NetworkKind]) -> bool {
        matches!(self.kind(), Some(ErrorKind::Network(network)) if kinds.contains(&network.kind))
    }

    pub(crate) fn is_refused_key(&self) -> bool {
        matches!(self.kind(), Some(ErrorKind::Auth(AuthKind::Invalid)))
    }
}

impl Bench {
    /// Providers as (id, plugin, address, further settings). Nothing is repeated, so that what is
    /// heard is what one attempt said.
    pub(crate) fn new(providers: &[(&str, &str, &str, &str)]) -> Self {
        let plugins = std::env::var_os("VALECHAT_PLUGINS").unwrap_or_else(|| {
            panic!("VALECHAT_PLUGINS is not set: run this through `cargo xtask test`")
        });
        Self::over(plugins.into(), providers)
    }

    /// The same with the plugins of this folder.
    pub(crate) fn over(plugins: PathBuf, providers: &[(&str, &str, &str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut paths = Paths::under(home.path());
        paths.plugins = vec![plugins];
        paths.built_in_plugins = 1;
        let mut config = "[keys]\nstore = \"file\"\n[policy.retry]\nmax_retries = 0\n[policy.breaker]\nconsecutive_failures = 1000\nfailure_ratio = 1.0\nmin_calls = 1000\nmax_rate_limit_pause_s = 0.001\n".to_owned();
        for (id, plugin, url, more) in providers {
            let origin: Vec<&str> = url.splitn(4, '/').take(3).collect();
            writeln!(
                config,
                "[providers.{id}]\nplugin = \"{plugin}\"\n[providers.{id}.settings]\nbase_url = \"{url}\"\n{more}\n[providers.{id}.grant]\nlocal_server = \"{}\"",
                origin.join("/")
            )
            .unwrap();
        }
        std::fs::write(&paths.config_file, config).unwrap();
        let host = Host::start(HostConfig {
            paths,
            ask_passphrase: None,
        });
        Self {
            host: host.unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            _home: home,
        }
    }

    fn core(&self) -> &Core {
        self.host.core()
    }

    pub(crate) fn models(&self, provider: &str) -> Vec<String> {
        let provider = provider.parse().unwrap();
        let listed = self.runtime.block_on(self.core().models(&provider));
        let listed = listed.unwrap();
        listed.into_iter().map(|model| model.id).collect()
    }

    pub(crate) fn ask(&self, provider: &str, model: &str, message: &str) -> Heard {
        let model = ModelRef {
            provider: provider.parse().unwrap(),
            model: model.to_owned(),
        };
        let request = Request {
            messages: vec![Message::text(Role::User, message)],
            ..Request::default()
        };
        self.runtime.block_on(self.listen(&model, request))
    }

    async fn listen(&self, model: &ModelRef, request: Request) -> Heard {
        let mut heard = Heard {
            text: String::new(),
            thinking: String::new(),
            calls: Vec::new(),
            usage: None,
            batches: 0,
            end: Err(Failure::host("no end came")),
        };
        let mut turn = self.core().send(model, request).unwrap();
        while let Some(step) = turn.next().await {
            match step {
                TurnStep::Events(events) => {
                    let has_text = events.iter().any(|event| matches!(event, Event::Text(_)));
                    heard.batches += usize::from(has_text);
                    for event in events {
                        match event {
                            Event::Text(text) => heard.text.push_str(&text),
                            Event::Thinking(text) => heard.thinking.push_str(&text),
                            Event::ToolCallStart(start) => {
                                heard.calls.push((start.name, String::new()));
                            }
                            Event::ToolCallDelta(delta) => {
                                let at = usize::try_from(delta.index).unwrap();
                                heard.calls[at].1.push_str(&delta.arguments_json);
                            }
                            Event::Usage(usage) => heard.usage = Some(usage),
                            _ => {}
                        }
                    }
                }
                TurnStep::End(end) => heard.end = end,
                _ => {}
            }
        }
        heard
    }
}
