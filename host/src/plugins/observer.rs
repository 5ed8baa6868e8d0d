//! Calls the `observer` hook for committed events. Clients do not wait for observers, except for queue space in echo rooms.
//!
//! The hub's events go into one bounded queue, and from there into the queues of each observing plugin, which are bounded and
//! have a task each. A room always uses the same queue of a plugin, so that the plugin receives the room's events in order;
//! a slow plugin or room delays only its own queue. Events that find a queue full are dropped.
//!
//! Echo rooms have queues of their own, from which nothing is dropped: a client there expects an answer, and its
//! posts wait until there is space.

mod call;
mod event;
mod interest;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::event::ObservedEvent;
pub(super) use self::interest::Interest;
use super::Shared;
use super::registry::Registry;
use crate::error::{Error, Result};
use crate::hub::Observed;

/// Events that may wait to be dispatched to plugins.
const MAX_QUEUED_EVENTS: usize = 4096;
/// Messages in echo rooms that may wait to be dispatched to plugins.
const MAX_QUEUED_ECHO_MESSAGES: usize = 1024;
/// Events that may wait in one queue of a plugin.
const MAX_EVENTS_PER_QUEUE: usize = 1024;
/// Queues per plugin, at most one per core.
const MAX_QUEUES_PER_PLUGIN: usize = 8;

/// Dispatches events to the queues of observing plugins.
pub(super) struct Observers {
    shared: Arc<Shared>,
    events: mpsc::Receiver<Observed>,
    queues: HashMap<(Arc<str>, usize), mpsc::Sender<Arc<ObservedEvent>>>,
    queues_per_plugin: usize,
    /// Whether to wait for space in a full queue instead of dropping the event.
    waits_when_full: bool,
    tasks: TaskTracker,
}

impl Observers {
    /// Starts delivering events. After `stop`, events queued until then are still delivered.
    pub(super) fn start(shared: Arc<Shared>, tasks: &TaskTracker, stop: CancellationToken) {
        let hub = &shared.services.hub;
        let queues_per_plugin = available_parallelism().map_or(1, usize::from).min(MAX_QUEUES_PER_PLUGIN);
        for (events, waits_when_full) in
            [(hub.observe_all(MAX_QUEUED_EVENTS), false), (hub.observe_echo_rooms(MAX_QUEUED_ECHO_MESSAGES), true)]
        {
            let (shared, tasks) = (shared.clone(), tasks.clone());
            let observers = Self { shared, events, queues: HashMap::new(), queues_per_plugin, waits_when_full, tasks };
            observers.tasks.clone().spawn(observers.run(stop.clone()));
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        loop {
            let observed = tokio::select! {
                observed = self.events.recv() => observed,
                () = stop.cancelled(), if !self.events.is_closed() => {
                    self.events.close();
                    continue;
                }
            };
            // Dropping the senders ends the queues' tasks after their last event.
            let Some(observed) = observed else { return };
            let registry = self.shared.registry.load_full();
            self.queues.retain(|(plugin, _), _| registry.plugin(plugin).is_some());
            self.dispatch(&registry, observed).await;
        }
    }

    async fn dispatch(&mut self, registry: &Registry, observed: Observed) {
        // Most events interest no observer, so this check comes first.
        let Some(kind) = interest::kind(&observed) else { return };
        if !registry.observers().iter().any(|plugin| plugin.interest.has(kind)) {
            return;
        }
        let event = match event::resolve(&self.shared.services, kind, observed).await {
            Ok(Some(event)) => Arc::new(event),
            Ok(None) => return,
            // The error is logged where it occurred.
            Err(_) => return tracing::warn!("event not delivered to observers: it could not be read"),
        };
        for plugin in event.audience(registry) {
            let queue = usize::try_from(event.order_key % self.queues_per_plugin as u64).unwrap_or(0);
            let key = (plugin.id.clone(), queue);
            let queue = self.queues.entry(key).or_insert_with(|| {
                let (queue, waiting) = mpsc::channel(MAX_EVENTS_PER_QUEUE);
                self.tasks.spawn(run_queue(self.shared.clone(), plugin.id.clone(), waiting));
                queue
            });
            let waiting = if self.waits_when_full {
                // Cannot fail: the queue's task ends only after its sender, which is held here.
                queue.send(event.clone()).await.is_ok()
            } else {
                queue.try_send(event.clone()).is_ok()
            };
            if !waiting {
                tracing::warn!(target: "plugin", plugin = %plugin.id, "observer queue full, dropping event");
            }
        }
    }
}

/// Delivers one event to the interested observers, one after another. Returns whether there was any.
pub(super) async fn deliver_and_wait(shared: &Shared, observed: Observed) -> Result<bool> {
    let registry = shared.registry.load_full();
    let Some(kind) = interest::kind(&observed) else { return Ok(false) };
    let Some(event) = event::resolve(&shared.services, kind, observed).await? else { return Ok(false) };
    let mut any = false;
    for plugin in event.audience(&registry) {
        any = true;
        call::notify(&registry, &shared.services, plugin, &event).await?;
    }
    Ok(any)
}

/// Delivers a queue's events to a plugin, always to its current version.
async fn run_queue(shared: Arc<Shared>, plugin: Arc<str>, mut waiting: mpsc::Receiver<Arc<ObservedEvent>>) {
    while let Some(event) = waiting.recv().await {
        let registry = shared.registry.load_full();
        let Some(plugin) = registry.plugin(&plugin).filter(|plugin| plugin.hooks.observer.is_some()) else { continue };
        // Events during a quarantine are dropped; its start was logged.
        if plugin.health.quarantine().is_some_and(|(_, left)| !left.is_zero()) {
            continue;
        }
        let Ok(_permit) = shared.call_permits.acquire().await else { return };
        match call::notify(&registry, &shared.services, plugin, &event).await {
            // A plugin's fault is logged already.
            Ok(()) | Err(Error::Plugin { .. }) => {}
            Err(error) => {
                let request = event.call.request;
                tracing::warn!(target: "plugin", plugin = %plugin.id, %request, %error, "observer call failed");
            }
        }
    }
}
