//! The tool plugins of a host, each under supervision, and their calls.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use vale_sandbox::{BlobStore, KvStore, Meter, SystemAmbient};
use vale_types::{
    Failure, Fault, FaultClass, Media, PluginId, ResultPart, ToolCall, ToolInfo, ToolResult,
};

use super::actor::{Kept, Prepare, ToolActor};
use super::blobs::CallBlobs;
use super::kv::FileKv;
use crate::network::Blobs;
use crate::provider::{PluginLog, Prepared, Wiring};
use crate::supervise::{Child, ChildSpec, Command, Escalation, Group, Tree, Vitals, VitalsSource};

/// Calls of one tool plugin at once; more wait. Ours: a model rarely asks for more than a few, and each
/// may take the manifest's memory.
const AT_ONCE: usize = 16;

/// All tool plugins.
pub(crate) struct Tools {
    tree: Tree,
    group: Arc<Group>,
    running: Mutex<BTreeMap<PluginId, Tool>>,
}

/// How a tool plugin is set up; when it changes, another actor takes over.
pub(crate) struct ToolWiring {
    /// Tells one setup from another.
    pub(crate) setup: String,
    pub(crate) wiring: Wiring,
    pub(crate) blobs: Blobs,
    pub(crate) kv: std::path::PathBuf,
}

#[derive(Clone)]
struct Tool {
    setup: String,
    wiring: Arc<Wiring>,
    kept: Kept,
    shared: Arc<Shared>,
    child: Child<ToolActor>,
    _end: Arc<EndWithLast>,
}

/// Ends the actor once no call needs it any more.
struct EndWithLast(Child<ToolActor>);

impl Drop for EndWithLast {
    fn drop(&mut self) {
        self.0.command(Command::Stop);
    }
}

/// What outlives the actor's crashes.
struct Shared {
    plugin: PluginId,
    kv: Arc<FileKv>,
    blobs: Blobs,
    meter: Arc<Meter>,
    places: Semaphore,
    queued: AtomicUsize,
    calls: AtomicU64,
    failures: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl VitalsSource for Shared {
    fn vitals(&self) -> Vitals {
        let last_error = self.last_error.lock();
        let calls = self.calls.load(Ordering::Relaxed);
        Vitals {
            in_flight: AT_ONCE.saturating_sub(self.places.available_permits()),
            queued: self.queued.load(Ordering::Relaxed),
            last_error: last_error.unwrap_or_else(PoisonError::into_inner).clone(),
            cpu_s: Some(self.meter.cpu().as_secs_f64()),
            memory: Some(self.meter.peak_memory()),
            attempts: calls,
            first_attempts: calls,
            failures: self.failures.load(Ordering::Relaxed),
            ..Vitals::default()
        }
    }
}

impl Tools {
    pub(crate) fn new(tree: Tree) -> Self {
        let group = tree.group("tools", Escalation::Isolate);
        Self {
            tree,
            group,
            running: Mutex::default(),
        }
    }

    /// Takes over what is installed and switched on. Calls under way end as they began.
    pub(crate) fn apply(&self, wanted: BTreeMap<PluginId, ToolWiring>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = Vec::new();
        let before = std::mem::take(&mut *running);
        let mut before: BTreeMap<PluginId, Tool> = before;
        for (id, wired) in wanted {
            let kept = before.remove(&id);
            let tool = match kept {
                Some(tool) if tool.setup == wired.setup => tool,
                kept => {
                    let kv = kept.as_ref().map(|tool| Arc::clone(&tool.shared.kv));
                    gone.extend(kept);
                    self.start(&id, wired, kv)
                }
            };
            running.insert(id, tool);
        }
        gone.extend(before.into_values());
        drop(running);
        // Their end may come with the drop, and is nothing to hold the lock for.
        drop(gone);
    }

    fn start(&self, id: &PluginId, wired: ToolWiring, kv: Option<Arc<FileKv>>) -> Tool {
        let ToolWiring {
            setup,
            wiring,
            blobs,
            kv: path,
        } = wired;
        let wiring = Arc::new(wiring);
        let spec = ChildSpec::permanent(id.as_str(), "tool");
        let kept = Kept::default();
        let (own, made) = (Arc::clone(&wiring), Arc::clone(&kept));
        let child = self.tree.start(&self.group, spec, move || {
            ToolActor::new(Arc::clone(&own), Arc::clone(&made))
        });
        let shared = Arc::new(Shared {
            plugin: id.clone(),
            // One map for one file, whatever actor comes and goes.
            kv: kv.unwrap_or_else(|| Arc::new(FileKv::new(path))),
            blobs,
            meter: Arc::default(),
            places: Semaphore::new(AT_ONCE),
            queued: AtomicUsize::new(0),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            last_error: Mutex::default(),
        });
        child.tell_vitals(shared.clone());
        Tool {
            setup,
            wiring,
            kept,
            shared,
            _end: Arc::new(EndWithLast(child.clone())),
            child,
        }
    }

    /// The plugins that offer tools.
    pub(crate) fn plugins(&self) -> Vec<PluginId> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.keys().cloned().collect()
    }

    fn find(&self, id: &PluginId) -> Result<Tool, Failure> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(id).cloned().ok_or_else(|| {
            let known: Vec<&str> = running.keys().map(PluginId::as_str).collect();
            Fault::new(
                FaultClass::Load,
                format!(
                    "there is no tool plugin “{id}”; there are: {}",
                    known.join(", ")
                ),
            )
            .into()
        })
    }

    /// What a plugin's tools are.
    ///
    /// # Errors
    /// The plugin's fault, or why it cannot be used.
    pub(crate) async fn infos(&self, id: &PluginId) -> Result<Vec<ToolInfo>, Failure> {
        let tool = self.find(id)?;
        let done = async {
            let prepared = tool.prepared().await?;
            let context = tool.context(&prepared, Arc::new(vale_sandbox::NoBlobs));
            let ended = prepared.plugin().list_tools(context).await;
            prepared.watched(ended).await
        };
        tool.noted(done.await)
    }

    /// Calls one tool. Dropping the future cancels it.
    ///
    /// # Errors
    /// What kept the call from running; a tool that ran and failed says so in its result.
    pub(crate) async fn invoke(
        &self,
        id: &PluginId,
        call: &ToolCall,
    ) -> Result<ToolResult, Failure> {
        let tool = self.find(id)?;
        let done = async {
            let _place = tool.place().await?;
            let prepared = tool.prepared().await?;
            prepared.require_credentials()?;
            let blobs = Arc::new(CallBlobs::new(tool.shared.blobs.clone()));
            let context = tool.context(&prepared, blobs.clone());
            tool.shared.calls.fetch_add(1, Ordering::Relaxed);
            let ended = prepared.plugin().invoke(context, call).await;
            blobs.keep_only(&ended.as_ref().map_or_else(|_| Vec::new(), handles));
            tool.save().await?;
            prepared.watched(ended).await
        };
        tool.noted(done.await)
    }
}

impl Tool {
    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Failure> {
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        let place = self.shared.places.acquire().await;
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        place.map_err(|_| Failure::host("the tool is being replaced"))
    }

    /// What a call needs: what the last one had while the actor runs and it is right still, else from the
    /// actor. Asking it each time would cost two changes of threads, a quarter of a short call.
    async fn prepared(&self) -> Result<Prepared, Failure> {
        // Locked: it is being made, and the actor waits for that.
        let kept = self.kept.try_lock().ok().and_then(|kept| kept.clone());
        match kept {
            Some(kept) if self.child.is_up() && self.wiring.is_right_still(&kept) => Ok(kept),
            _ => self.child.call(Prepare).await?,
        }
    }

    fn context(&self, prepared: &Prepared, blobs: Arc<dyn BlobStore>) -> vale_sandbox::CallContext {
        let log = PluginLog {
            provider: None,
            plugin: self.shared.plugin.clone(),
        };
        let mut context = prepared.context(
            Arc::new(log),
            Arc::new(SystemAmbient::default()),
            Arc::clone(&self.shared.meter),
        );
        context.kv = Arc::clone(&self.shared.kv) as Arc<dyn KvStore>;
        context.blobs = blobs;
        context
    }

    /// What the call kept is on disk before its end is told.
    async fn save(&self) -> Result<(), Failure> {
        let kv = Arc::clone(&self.shared.kv);
        if !kv.is_dirty() {
            return Ok(());
        }
        let saved = tokio::task::spawn_blocking(move || kv.save()).await;
        saved
            .unwrap_or_else(|error| Err(error.to_string()))
            .map_err(Failure::host)
    }

    fn noted<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &done {
            self.shared.failures.fetch_add(1, Ordering::Relaxed);
            let mut last = self
                .shared
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *last = Some(failure.to_string());
        }
        done
    }
}

/// The attachments that a result names.
fn handles(result: &ToolResult) -> Vec<&str> {
    result
        .content
        .iter()
        .filter_map(|part| match part {
            ResultPart::Image(Media::Blob(blob)) | ResultPart::File(Media::Blob(blob)) => {
                Some(blob.id.as_str())
            }
            _ => None,
        })
        .collect()
}
