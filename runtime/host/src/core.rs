//! The supervised providers and the turns over them: everything that needs no profile, no disk
//! and no sandbox. A simulation runs this with backends of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use vale_billing::catalogue::{Capability, Override};
use vale_policy::PolicyConfig;
use vale_types::{
    Capabilities, Failure, Fault, FaultClass, Model, ModelRef, ProviderId, ProviderInfo, Request,
};

use crate::provider::{Backend, Calls, Health, ProviderActor, Ready};
use crate::settings::Fallback;
use crate::supervise::{Child, ChildSpec, Command, Escalation, Group, HostEvent, Tree};
use crate::turn::{Loss, Turn, convert};

/// How long each group of actors may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Core(Arc<Inner>);

struct Inner {
    tree: Tree,
    group: Arc<Group>,
    providers: RwLock<BTreeMap<ProviderId, Provider>>,
    fallback: RwLock<Fallback>,
    /// What models are known to do, from the last listing of each provider.
    known: Mutex<BTreeMap<ModelRef, Capabilities>>,
    /// What the person says of models.
    models: RwLock<BTreeMap<ModelRef, Override>>,
    closing: AtomicBool,
    cancel: CancellationToken,
    active: watch::Sender<usize>,
}

/// A provider, while it is configured and for as long as a call to it is being prepared.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) child: Child<ProviderActor>,
    pub(crate) health: Arc<Health>,
    /// Providers of one maker understand each other's seals.
    maker: String,
    _end: Arc<EndWithLast>,
}

/// Ends the actor once nobody needs it any more.
struct EndWithLast(Child<ProviderActor>);

impl Drop for EndWithLast {
    fn drop(&mut self) {
        self.0.command(Command::Stop);
    }
}

impl Core {
    /// No providers yet.
    #[must_use]
    pub fn new(tree: Tree, fallback: Fallback) -> Self {
        let group = tree.group("providers", Escalation::Isolate);
        Self(Arc::new(Inner {
            tree,
            group,
            providers: RwLock::default(),
            fallback: RwLock::new(fallback),
            known: Mutex::default(),
            models: RwLock::default(),
            closing: AtomicBool::new(false),
            cancel: CancellationToken::new(),
            active: watch::Sender::new(0),
        }))
    }

    /// Adds a provider under supervision. `maker`: providers of one maker understand each other's
    /// sealed thinking; a plugin's id and its address. One that is there already is replaced.
    pub fn add(
        &self,
        id: &ProviderId,
        maker: impl Into<String>,
        policy: PolicyConfig,
        backend: Arc<dyn Backend>,
    ) {
        let health = Health::new(
            id.clone(),
            policy,
            self.0.tree.bus().clone(),
            Arc::clone(&backend),
        );
        let spec = ChildSpec::permanent(id.as_str(), "provider");
        let child = self.0.tree.start(&self.0.group, spec, move || {
            ProviderActor::new(Arc::clone(&backend))
        });
        child.tell_vitals(health.clone());
        let provider = Provider {
            _end: Arc::new(EndWithLast(child.clone())),
            child,
            health,
            maker: maker.into(),
        };
        let mut providers = self
            .0
            .providers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let replaced = providers.insert(id.clone(), provider);
        // Its end may come with the drop, and is nothing to hold the lock for.
        drop(providers);
        drop(replaced);
    }

    /// Takes a provider away. Answers under way go on to their end, also those that wait for a
    /// place or are being prepared.
    pub fn remove(&self, id: &ProviderId) {
        let mut providers = self
            .0
            .providers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let removed = providers.remove(id);
        drop(providers);
        drop(removed);
    }

    /// Who answers when somebody cannot, from now on.
    pub fn set_fallback(&self, fallback: Fallback) {
        *self
            .0
            .fallback
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fallback;
    }

    /// What the person says of models, from now on.
    pub fn set_models(&self, models: BTreeMap<ModelRef, Override>) {
        *self
            .0
            .models
            .write()
            .unwrap_or_else(PoisonError::into_inner) = models;
    }

    /// Whether a model can do something; none = nobody says.
    fn can(&self, model: &ModelRef, capability: Capability) -> Option<bool> {
        let said = {
            let models = self.0.models.read();
            let models = models.unwrap_or_else(PoisonError::into_inner);
            models
                .get(model)
                .and_then(|said| said.capability(capability))
        };
        said.or_else(|| {
            let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(model).map(|reported| capability.of(reported))
        })
    }

    /// The supervision tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.0.tree
    }

    pub(crate) fn find(&self, id: &ProviderId) -> Option<Provider> {
        self.0
            .providers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    pub(crate) fn health(&self, id: &ProviderId) -> Option<Arc<Health>> {
        self.find(id).map(|found| found.health)
    }

    pub(crate) fn no_provider(&self, id: &ProviderId) -> Failure {
        let providers = self
            .0
            .providers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let known: Vec<_> = providers.keys().map(ProviderId::as_str).collect();
        Fault::new(
            FaultClass::Load,
            format!(
                "there is no provider “{id}”; there are: {}",
                known.join(", ")
            ),
        )
        .into()
    }

    /// Starts one answer. What fails later is in the turn.
    ///
    /// # Errors
    /// When there is no such provider, or the host is shutting down.
    pub fn send(&self, model: &ModelRef, request: Request) -> Result<Turn, Failure> {
        if self.0.closing.load(Ordering::SeqCst) {
            return Err(Failure::host("ValeChat is shutting down"));
        }
        if self.find(&model.provider).is_none() {
            return Err(self.no_provider(&model.provider));
        }
        let fallbacks = {
            let fallback = self.0.fallback.read();
            fallback
                .unwrap_or_else(PoisonError::into_inner)
                .chain(model)
        };
        let active = Active::new(&self.0.active);
        Ok(Turn::new(
            self.clone(),
            model.clone(),
            fallbacks,
            request,
            active,
        ))
    }

    /// What calls of a provider need, prepared.
    ///
    /// # Errors
    /// The provider's failure.
    pub(crate) async fn ready(&self, id: &ProviderId) -> Result<Arc<dyn Calls>, Failure> {
        let found = self.find(id).ok_or_else(|| self.no_provider(id))?;
        let ready = found.child.call(Ready).await.and_then(|ready| ready);
        ready.inspect_err(|failure| found.health.note(failure))
    }

    /// The provider's models. What they can do is remembered for conversions.
    ///
    /// # Errors
    /// The upstream's failure or the plugin's fault.
    pub async fn models(&self, id: &ProviderId) -> Result<Vec<Model>, Failure> {
        let listed = match self.ready(id).await {
            Ok(calls) => calls.models().await,
            Err(failure) => return Err(failure),
        };
        if let Some(health) = self.health(id) {
            match &listed {
                Ok(_) => health.well(),
                Err(failure) => health.note(failure),
            }
        }
        let models = listed?;
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        for model in &models {
            if let Some(capabilities) = model.capabilities {
                let model = ModelRef {
                    provider: id.clone(),
                    model: model.id.clone(),
                };
                known.insert(model, capabilities);
            }
        }
        Ok(models)
    }

    /// What the plugin says about itself.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn describe(&self, id: &ProviderId) -> Result<ProviderInfo, Failure> {
        self.ready(id).await?.describe().await
    }

    /// Input tokens of a request, counted without generating.
    ///
    /// # Errors
    /// `unsupported` where the provider does not count; the upstream's failure or the plugin's
    /// fault.
    pub async fn count_tokens(&self, model: &ModelRef, request: &Request) -> Result<u64, Failure> {
        let mut request = request.clone();
        request.model.clone_from(&model.model);
        self.convert(&mut request, model);
        let calls = self.ready(&model.provider).await?;
        calls.count_tokens(&request).await
    }

    /// Rewrites a request for its target; says what could not be kept.
    pub(crate) fn convert(&self, request: &mut Request, target: &ModelRef) -> Vec<Loss> {
        let maker = |id: &ProviderId| self.find(id).map(|found| found.maker);
        let own = maker(&target.provider);
        let same = |origin: &ModelRef| {
            origin.provider == target.provider || (own.is_some() && maker(&origin.provider) == own)
        };
        convert(request, &same, &|capability| self.can(target, capability))
    }

    pub(crate) fn cancelled(&self) -> WaitForCancellationFutureOwned {
        self.0.cancel.clone().cancelled_owned()
    }

    /// Turns under way.
    #[must_use]
    pub fn active(&self) -> usize {
        *self.0.active.borrow()
    }

    /// Ends in order: takes no new work, lets turns end until `drain` is over, cancels the rest,
    /// then ends the actors.
    pub async fn shut_down(&self, drain: Duration) {
        if !self.0.closing.swap(true, Ordering::SeqCst) {
            self.0.tree.bus().tell(HostEvent::ShuttingDown);
        }
        let mut active = self.0.active.subscribe();
        // Fails only when the sender is gone, which this holds.
        let _ = tokio::time::timeout(drain, active.wait_for(|turns| *turns == 0)).await;
        self.0.cancel.cancel();
        self.0.tree.stop(STOP_LIMIT).await;
    }
}

/// Counts a turn for as long as it lives.
pub(crate) struct Active(watch::Sender<usize>);

impl Active {
    fn new(turns: &watch::Sender<usize>) -> Self {
        turns.send_modify(|turns| *turns += 1);
        Self(turns.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.send_modify(|turns| *turns = turns.saturating_sub(1));
    }
}
