//! `timer`: plugins are woken when they wanted to be. Timers are in the database; here somebody waits for them.
//!
//! A plugin's timers come due one after the other, those of different plugins at once. Those of a plugin that is
//! not running stay as they are until it is back. In a cluster a node claims a timer before it wakes the plugin, whoever set
//! it; when the node dies, its claim lapses.

mod call;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::call::Woken;
use super::Shared;
use super::plugin::Plugin;
use crate::clock::{Timestamp, now};
use crate::error::{Error, Result};
use crate::protocol::Timer;

/// Timers of a plugin that are looked at together.
const BATCH: u32 = 32;
/// The clock may be set, so it is looked at now and then.
const LOOK: Duration = Duration::from_secs(60);
/// Other nodes of a cluster set timers and die.
const LOOK_IN_CLUSTER: Duration = Duration::from_secs(2);
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
    /// Plugins whose timers have come due while they are quarantined.
    held: HashSet<Arc<str>>,
}

/// Wakes a timer's plugin, due or not.
pub(super) async fn wake_at_once(shared: &Shared, timer: &Timer) -> Result<()> {
    let registry = shared.registry.load_full();
    let plugin = registry.plugin(&timer.plugin).filter(|plugin| plugin.hooks.timer.is_some());
    let plugin = plugin.ok_or_else(|| Error::not_found("the timer's plugin"))?;
    match call::run(&registry, &shared.services, plugin, timer).await? {
        Woken::Done | Woken::Elsewhere => Ok(()),
        Woken::Held => Err(Error::Unavailable(format!("the plugin {} is quarantined", plugin.id))),
    }
}

impl Timers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, jobs: JoinSet::new(), busy: HashMap::new(), held: HashSet::new() }
    }

    /// Until `stop`; what is under way then is ended in order.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let look = if self.shared.clustered { LOOK_IN_CLUSTER } else { LOOK };
        while !stop.is_cancelled() {
            let wait = match self.begin_due(&stop).await {
                Ok(next) => next.map_or(look, Timestamp::remaining).min(look),
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
        let shared = self.shared.clone();
        let (registry, database) = (shared.registry.load_full(), &shared.services.database);
        let mut next: Option<Timestamp> = None;
        for plugin in registry.timers() {
            if self.busy.values().any(|busy| *busy == plugin.id) {
                continue;
            }
            let present = now();
            let due = if shared.clustered {
                database.unclaimed_timers(&plugin.id, present, BATCH).await?
            } else {
                database.due_timers(&plugin.id, present, BATCH).await?
            };
            if due.is_empty() {
                let own = database.next_timer(&plugin.id, present).await?;
                next = next.into_iter().chain(own).min();
                continue;
            }
            if let Some(left) = self.held_for(plugin) {
                next = next.into_iter().chain([now() + left]).min();
                continue;
            }
            let job = self.jobs.spawn(call::wake(self.shared.clone(), due, stop.clone()));
            self.busy.insert(job.id(), plugin.id.clone());
        }
        Ok(next)
    }

    /// For how long a plugin is quarantined. Its timers come due when that is over, and none of their attempts is used up;
    /// when another version takes its place the registry changes, and all is looked at again.
    fn held_for(&mut self, plugin: &Plugin) -> Option<Duration> {
        let left = plugin.health.quarantine().map(|(_, left)| left).filter(|left| !left.is_zero());
        if left.is_none() {
            self.held.remove(&plugin.id);
        } else if self.held.insert(plugin.id.clone()) {
            tracing::info!(target: "plugin", plugin = %plugin.id, "its timers wait until its quarantine is over");
        }
        left
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
    async fn failed(&self, timer: Timer) -> Result<()> {
        let database = &self.shared.services.database;
        // Cancelled or set again meanwhile: a timer of its own.
        let Some(before) = database.timer_failures(&timer).await? else { return Ok(()) };
        let Some(wait) = WAITS.get(before) else {
            tracing::error!(
                target: "plugin", plugin = %timer.plugin, timer = %timer.name.escape_debug(),
                "the timer failed {} times: it is dropped", before + 1
            );
            return database.drop_timer(&timer).await;
        };
        tracing::warn!(
            target: "plugin", plugin = %timer.plugin, timer = %timer.name.escape_debug(),
            "the timer failed: it comes due again in {}", humantime::format_duration(*wait)
        );
        database.postpone_timer(&timer, now() + *wait).await
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::plugins::RecentLines;
    use crate::plugins::testing::World;
    use crate::protocol::{Actor, Change, Unit};

    #[tokio::test]
    async fn a_timer_that_failed_its_last_attempt_is_dropped_and_the_log_says_so() {
        let world = World::new().await;
        let database = &world.services.database;
        let mut timer =
            Timer { plugin: "karma".into(), name: "tick".into(), due_at: now(), payload: "{}".into(), set_by: None };
        let set = Unit::new(Actor::Server, vec![Change::SetTimer(timer.clone())]);
        world.services.writer.commit(set).await.unwrap();
        let timers = Timers::new(world.shared());

        let lines = Arc::new(RecentLines::default());
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone().layer()));
        for _ in WAITS {
            timers.failed(timer.clone()).await.unwrap();
            assert!(!database.has_timer(&timer).await.unwrap(), "it comes due later");
            timer.due_at = database.next_timer("karma", timer.due_at).await.unwrap().unwrap();
        }
        timers.failed(timer.clone()).await.unwrap();
        assert_eq!(database.count_timers("karma").await.unwrap(), 0);
        let said: Vec<String> = lines.of("karma", 0, 10).into_iter().map(|line| line.text).collect();
        assert_eq!(
            said,
            [
                "the timer failed: it comes due again in 2s timer=tick",
                "the timer failed: it comes due again in 20s timer=tick",
                "the timer failed: it comes due again in 2m timer=tick",
                "the timer failed: it comes due again in 10m timer=tick",
                "the timer failed 5 times: it is dropped timer=tick",
            ]
        );
    }

    #[tokio::test]
    async fn a_timer_that_was_set_again_has_all_its_attempts() {
        let world = World::new().await;
        let database = &world.services.database;
        let timer =
            Timer { plugin: "karma".into(), name: "tick".into(), due_at: now(), payload: "{}".into(), set_by: None };
        let set = || Unit::new(Actor::Server, vec![Change::SetTimer(timer.clone())]);
        let timers = Timers::new(world.shared());
        world.services.writer.commit(set()).await.unwrap();
        timers.failed(timer.clone()).await.unwrap();
        // Of one that was set again nothing is put off.
        timers.failed(timer.clone()).await.unwrap();
        let due_at = database.next_timer("karma", timer.due_at).await.unwrap().unwrap();
        let put_off = Timer { due_at, ..timer.clone() };
        assert_eq!(database.timer_failures(&put_off).await.unwrap(), Some(1));
        world.services.writer.commit(set()).await.unwrap();
        assert_eq!(database.timer_failures(&timer).await.unwrap(), Some(0));
    }
}
