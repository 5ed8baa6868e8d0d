//! `timer`: plugins are woken when they wanted to be. Timers are in the database; here somebody waits for them.
//!
//! A plugin's timers come due one after the other, those of different plugins at once. Those of a plugin that is
//! not running stay as they are until it is back.

mod call;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::clock::{Timestamp, now};
use crate::error::{Error, Result};
use crate::protocol::Timer;

/// Timers of a plugin that are looked at together.
const BATCH: u32 = 32;
/// The clock may be set, so it is looked at now and then.
const LOOK: Duration = Duration::from_secs(60);
/// After an error of the host's own.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a timer that failed waits for its next attempt; after the last of them it is dropped.
const WAITS: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(20), Duration::from_secs(120), Duration::from_secs(600)];

/// Waits for timers and wakes their plugins.
pub(super) struct Timers {
    shared: Arc<Shared>,
    /// What is under way, by plugin: each gives back the timers that failed.
    jobs: JoinSet<Vec<Timer>>,
    busy: HashMap<Id, Arc<str>>,
    /// Timers that have failed before: how often, and when they come due again.
    failures: HashMap<(Arc<str>, String), (usize, Timestamp)>,
}

impl Timers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, jobs: JoinSet::new(), busy: HashMap::new(), failures: HashMap::new() }
    }

    /// Until `stop`; what is under way then is ended in order.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.begin_due(&stop).await {
                Ok(next) => next.map_or(LOOK, Timestamp::remaining).min(LOOK),
                Err(_) => PAUSE,
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.shared.services.timers_changed.notified() => {}
                Some(done) = self.jobs.join_next_with_id() => self.end(done).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
        while let Some(done) = self.jobs.join_next_with_id().await {
            self.end(done).await;
        }
    }

    /// Wakes the plugins whose timers have come due. Gives the next moment when there is something to do.
    async fn begin_due(&mut self, stop: &CancellationToken) -> Result<Option<Timestamp>> {
        let registry = self.shared.registry.load_full();
        let database = &self.shared.services.database;
        let mut next: Option<Timestamp> = None;
        for plugin in registry.timers() {
            if self.busy.values().any(|busy| *busy == plugin.id) {
                continue;
            }
            let due = database.due_timers(&plugin.id, now(), BATCH).await?;
            if due.is_empty() {
                let own = database.next_timer(&plugin.id).await?;
                next = next.into_iter().chain(own).min();
                continue;
            }
            let job = self.jobs.spawn(call::wake(self.shared.clone(), due, stop.clone()));
            self.busy.insert(job.id(), plugin.id.clone());
        }
        Ok(next)
    }

    async fn end(&mut self, done: Result<(Id, Vec<Timer>), JoinError>) {
        match done {
            Ok((id, failed)) => {
                for timer in failed {
                    if let Err(error) = self.failed(timer).await {
                        tracing::error!("a timer that failed cannot be put off: {error}");
                    }
                }
                self.busy.remove(&id);
            }
            Err(error) => {
                tracing::error!(%error, "a plugin could not be woken");
                self.busy.remove(&error.id());
            }
        }
    }

    /// Puts a timer off that failed, or drops it when it has failed often enough.
    async fn failed(&mut self, timer: Timer) -> Result<(), Error> {
        let key = (timer.plugin.clone(), timer.name.clone());
        let database = &self.shared.services.database;
        let before = match self.failures.remove(&key) {
            // Set again since: a timer of its own.
            Some((_, due_at)) if due_at != timer.due_at => 0,
            Some((failures, _)) => failures,
            None => 0,
        };
        let Some(wait) = WAITS.get(before) else {
            tracing::error!(
                target: "plugin", plugin = %timer.plugin, timer = %timer.name.escape_debug(),
                "the timer failed {} times: it is dropped", before + 1
            );
            return database.drop_timer(&timer).await;
        };
        let again = now() + *wait;
        tracing::warn!(
            target: "plugin", plugin = %timer.plugin, timer = %timer.name.escape_debug(),
            "the timer failed: it comes due again in {}", humantime::format_duration(*wait)
        );
        database.postpone_timer(&timer, again).await?;
        // Some were cancelled or set again, and their failures are of no use to anybody.
        self.failures.retain(|_, (_, due_at)| *due_at + LOOK > timer.due_at);
        self.failures.insert(key, (before + 1, again));
        Ok(())
    }
}
