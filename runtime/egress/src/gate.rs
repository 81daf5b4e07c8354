//! The gate of one plugin, and one call through it.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue};

use crate::call::CallState;
use crate::client::Network;
use crate::credentials::Credentials;
use crate::exchange::exchange;
use crate::leak::Scanner;
use crate::tap::Watch;
use crate::{
    BlobSource, Caps, ConfigError, GateConfig, HttpError, HttpRequest, HttpResponse, Rule,
    Timeouts, Transport, TransportKind, Violation,
};

/// What one installed plugin may do on the network, and its connections. Long-lived: its pool is
/// what makes a call cheap.
pub struct Gate {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) plugin: String,
    pub(crate) rules: Vec<Rule>,
    pub(crate) credentials: Credentials,
    pub(crate) credential_headers: Vec<HeaderName>,
    pub(crate) scanner: Option<Scanner>,
    pub(crate) caps: Caps,
    pub(crate) timeouts: Timeouts,
    pub(crate) blobs: Option<Arc<dyn BlobSource>>,
    pub(crate) user_agent: HeaderValue,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) watch: Option<Watch>,
}

impl Gate {
    /// Checks the grant and makes the client.
    ///
    /// # Examples
    /// ```
    /// use vale_egress::{Gate, GateConfig, Rule};
    ///
    /// let mut config = GateConfig::new("org.example.mine");
    /// config.rules = vec![Rule::parse("https://api.example.com/v1", ["POST"], false)?];
    /// let gate = Gate::new(config)?;
    /// # drop(gate);
    /// # Ok::<(), vale_egress::ConfigError>(())
    /// ```
    ///
    /// Blocks for as long as reading the trust store takes.
    ///
    /// # Errors
    /// [`ConfigError`] if a rule, credential, proxy or certificate can never be used.
    pub fn new(config: GateConfig) -> Result<Self, ConfigError> {
        config.rules.iter().try_for_each(Rule::check)?;
        let credentials = Credentials::new(&config.credentials)?;
        let scanner = Scanner::new(&config.credentials)
            .map_err(|error| ConfigError::Client(error.to_string()))?;
        let user_agent = HeaderValue::from_str(&config.user_agent)
            .map_err(|_| ConfigError::Client("the user agent is no header value".to_owned()))?;
        let transport: Arc<dyn Transport> = match &config.transport {
            TransportKind::Network => Arc::new(Network::new(&config)?),
            TransportKind::Recorded(transport) => Arc::clone(transport),
        };
        let shared = Shared {
            plugin: config.plugin,
            rules: config.rules,
            credential_headers: credentials.headers(),
            credentials,
            scanner,
            caps: config.caps,
            timeouts: config.timeouts,
            blobs: config.blobs,
            user_agent,
            transport,
            watch: config.tap.map(Watch::new),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Opens the account of one plugin call.
    #[must_use]
    pub fn begin_call(&self) -> GateCall {
        GateCall {
            state: Arc::new(CallState::new(Arc::clone(&self.shared))),
        }
    }
}

/// One plugin call: its requests and response bytes are counted together. Cheap to clone.
#[derive(Clone)]
pub struct GateCall {
    state: Arc<CallState>,
}

impl GateCall {
    /// Judges, sends, and returns the answer once its head is there. Dropping the future, or the
    /// body, ends the exchange; nothing goes on in the background. Must be polled on a tokio
    /// runtime, where the connection then lives.
    ///
    /// # Errors
    /// [`HttpError`], with whether the upstream may have seen the request.
    pub fn send(
        &self,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpResponse, HttpError>> + Send + 'static {
        let call = Arc::clone(&self.state);
        let sending: BoxFuture<'static, _> = Box::pin(async move {
            let ended = call.ended();
            let result = tokio::select! {
                biased;
                () = ended.cancelled() => Err(call.violation_error()),
                result = exchange(&call, request) => result,
            };
            result.map_err(|error| call.scrub(error))
        });
        sending
    }

    /// What this call must not survive, once it happened.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        self.state.violation()
    }

    /// Waits until [`violation`](Self::violation) is set; for ever if it never is.
    pub fn violated(&self) -> impl Future<Output = ()> + Send + 'static {
        self.state.ended().cancelled_owned()
    }
}
