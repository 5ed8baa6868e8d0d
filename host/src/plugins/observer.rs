//! `observer`: told of what has happened, once it has. Nobody waits for an observer.
//!
//! What the hub saw goes into one bounded queue; from there into the lanes of each observing plugin, each a bounded
//! queue with a task of its own. A room always takes the same lane of a plugin, so that the plugin sees the room's
//! events in their order; another plugin, or another room, need not wait for a slow one.
//!
//! Sessions have a queue and lanes of their own, which nothing falls out of: whoever speaks there wants an answer, and
//! waits before speaking until there is place.

mod call;
mod event;
mod interest;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::event::Told;
pub(super) use self::interest::Interest;
use super::Shared;
use super::registry::Registry;
use crate::error::{Error, Result};
use crate::hub::Observed;

/// Events that may wait until it is known whom they concern.
const QUEUE: usize = 4096;
/// Messages in sessions that may be on their way to those who answer.
const SESSIONS: usize = 1024;
/// Events that may wait for one plugin, in each lane.
const LANE: usize = 1024;
/// More cores than this do not work for one plugin at once.
const LANES: usize = 8;

/// Hands events to those who observe.
pub(super) struct Observers {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Observed>,
    broadcaster: HashMap<(Arc<str>, usize), mpsc::Sender<Arc<Told>>>,
    lanes_each: usize,
    /// Whether a full lane is waited for.
    patient: bool,
    tasks: TaskTracker,
}

impl Observers {
    /// From now on, everything that happens is told. After `stop`, what has happened until then.
    pub(super) fn start(shared: Arc<Shared>, tasks: &TaskTracker, stop: CancellationToken) {
        let hub = &shared.services.hub;
        let lanes_each = available_parallelism().map_or(1, usize::from).min(LANES);
        for (queue, patient) in [(hub.observe_all(QUEUE), false), (hub.observe_sessions(SESSIONS), true)] {
            let (shared, tasks) = (shared.clone(), tasks.clone());
            let observers = Self { shared, queue, broadcaster: HashMap::new(), lanes_each, patient, tasks };
            observers.tasks.clone().spawn(observers.run(stop.clone()));
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        loop {
            let observed = tokio::select! {
                observed = self.queue.recv() => observed,
                () = stop.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
            };
            // With the lanes' senders their tasks end, when they have told all.
            let Some(observed) = observed else { return };
            let registry = self.shared.registry.load_full();
            self.broadcaster.retain(|(plugin, _), _| registry.plugin(plugin).is_some());
            self.tell(&registry, observed).await;
        }
    }

    async fn tell(&mut self, registry: &Registry, observed: Observed) {
        // Most of what happens is of no interest to anybody: that costs no more than this.
        let Some(kind) = interest::kind(&observed) else { return };
        if !registry.observers().iter().any(|plugin| plugin.interest.has(kind)) {
            return;
        }
        let told = match event::told(&self.shared.services, kind, observed).await {
            Ok(Some(told)) => Arc::new(told),
            Ok(None) => return,
            // It was logged where it went wrong.
            Err(_) => return tracing::warn!("observers miss an event that could not be read"),
        };
        for plugin in told.audience(registry) {
            let lane = usize::try_from(told.order % self.lanes_each as u64).unwrap_or(0);
            let key = (plugin.id.clone(), lane);
            let lane = self.broadcaster.entry(key).or_insert_with(|| {
                let (lane, waiting) = mpsc::channel(LANE);
                self.tasks.spawn(work(self.shared.clone(), plugin.id.clone(), waiting));
                lane
            });
            let waiting = if self.patient {
                // A lane ends with its sender, which is ours.
                lane.send(told.clone()).await.is_ok()
            } else {
                lane.try_send(told.clone()).is_ok()
            };
            if !waiting {
                tracing::warn!(target: "plugin", plugin = %plugin.id, "the observer cannot keep up: it misses an event");
            }
        }
    }
}

/// Tells all those whom it interests of one event, one after the other; whether there was any.
pub(super) async fn tell_at_once(shared: &Shared, observed: Observed) -> Result<bool> {
    let registry = shared.registry.load_full();
    let Some(kind) = interest::kind(&observed) else { return Ok(false) };
    let Some(told) = event::told(&shared.services, kind, observed).await? else { return Ok(false) };
    let mut any = false;
    for plugin in told.audience(&registry) {
        any = true;
        call::tell(&registry, &shared.services, plugin, &told).await?;
    }
    Ok(any)
}

/// Tells one plugin, whatever version of it runs, of one event after the other.
async fn work(shared: Arc<Shared>, plugin: Arc<str>, mut waiting: mpsc::Receiver<Arc<Told>>) {
    while let Some(told) = waiting.recv().await {
        let registry = shared.registry.load_full();
        let Some(plugin) = registry.plugin(&plugin).filter(|plugin| plugin.hooks.observer.is_some()) else { continue };
        // It misses what happens until it is well; the log told when that began.
        if plugin.health.quarantine().is_some_and(|(_, left)| !left.is_zero()) {
            continue;
        }
        let Ok(_turn) = shared.calls.acquire().await else { return };
        match call::tell(&registry, &shared.services, plugin, &told).await {
            // Of a plugin's failure the log knows more already.
            Ok(()) | Err(Error::Plugin { .. }) => {}
            Err(error) => {
                let request = told.call.request;
                tracing::warn!(target: "plugin", plugin = %plugin.id, %request, "what the observer did came to nothing: {error}");
            }
        }
    }
}
