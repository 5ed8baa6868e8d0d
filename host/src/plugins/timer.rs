//! Calls the `timer` hook when timers come due. Timers are stored in the database; this task waits for the next one.
//!
//! A plugin's timers run one after another, those of different plugins concurrently. Timers of a plugin that is not running
//! stay stored until it runs again. In a cluster a node claims a timer by a lease before it calls the plugin, whichever node
//! set it; the lease expires if the node dies.

mod call;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::call::TimerOutcome;
use super::Shared;
use super::plugin::Plugin;
use crate::clock::{Timestamp, now};
use crate::error::{Error, Result};
use crate::protocol::Timer;

/// Due timers of a plugin that are read at once.
const MAX_TIMERS_PER_BATCH: u32 = 32;
/// The longest sleep between polls, since the wall clock may be adjusted.
const POLL_INTERVAL: Duration = Duration::from_secs(60);
/// The same in a cluster, since other nodes set timers and die.
const CLUSTER_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Delay after a database error.
const ERROR_DELAY: Duration = Duration::from_secs(5);
/// Delays between the attempts of a timer that fails; after the last attempt it is dropped.
const RETRY_DELAYS: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(20), Duration::from_secs(120), Duration::from_secs(600)];

/// Waits for timers and calls their plugins.
pub(super) struct Timers {
    shared: Arc<Shared>,
    /// One job per plugin with due timers; its result is the timers that failed.
    jobs: JoinSet<Vec<Timer>>,
    busy: HashMap<Id, Arc<str>>,
    /// Quarantined plugins with due timers, as already logged.
    quarantined: HashSet<Arc<str>>,
}

/// Calls a timer's plugin, due or not.
pub(super) async fn run_now(shared: &Shared, timer: &Timer) -> Result<()> {
    let registry = shared.registry.load_full();
    let plugin = registry.plugin(&timer.plugin).filter(|plugin| plugin.hooks.timer.is_some());
    let plugin = plugin.ok_or_else(|| Error::not_found("the timer's plugin"))?;
    match call::run(&registry, &shared.services, plugin, timer).await? {
        TimerOutcome::Done | TimerOutcome::ClaimedByOtherNode => Ok(()),
        TimerOutcome::Quarantined => Err(Error::Unavailable(format!("the plugin {} is quarantined", plugin.id))),
    }
}

impl Timers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, jobs: JoinSet::new(), busy: HashMap::new(), quarantined: HashSet::new() }
    }

    /// Runs until `stop`, then waits for the jobs in flight.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let poll_interval = if self.shared.clustered { CLUSTER_POLL_INTERVAL } else { POLL_INTERVAL };
        while !stop.is_cancelled() {
            let wait = match self.begin_due(&stop).await {
                Ok(next) => next.map_or(poll_interval, Timestamp::remaining).min(poll_interval),
                Err(_) => ERROR_DELAY,
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.shared.services.timers_changed.notified() => {}
                Some(done) = self.jobs.join_next_with_id() => self.job_ended(done).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
        while let Some(done) = self.jobs.join_next_with_id().await {
            self.job_ended(done).await;
        }
    }

    /// Starts jobs for plugins with due timers. Returns when the next timer is due.
    async fn begin_due(&mut self, stop: &CancellationToken) -> Result<Option<Timestamp>> {
        let shared = self.shared.clone();
        let (registry, database) = (shared.registry.load_full(), &shared.services.database);
        let mut next: Option<Timestamp> = None;
        for plugin in registry.timers() {
            if self.busy.values().any(|busy| *busy == plugin.id) {
                continue;
            }
            let current = now();
            let due = if shared.clustered {
                database.unclaimed_timers(&plugin.id, current, MAX_TIMERS_PER_BATCH).await?
            } else {
                database.due_timers(&plugin.id, current, MAX_TIMERS_PER_BATCH).await?
            };
            if due.is_empty() {
                let own = database.next_timer(&plugin.id, current).await?;
                next = next.into_iter().chain(own).min();
                continue;
            }
            if let Some(left) = self.quarantine_left(plugin) {
                next = next.into_iter().chain([now() + left]).min();
                continue;
            }
            let job = self.jobs.spawn(call::run_all(self.shared.clone(), due, stop.clone()));
            self.busy.insert(job.id(), plugin.id.clone());
        }
        Ok(next)
    }

    /// The rest of a plugin's quarantine. Its timers wait for the end without using up attempts; if another version is loaded
    /// meanwhile, the registry change triggers a new poll.
    fn quarantine_left(&mut self, plugin: &Plugin) -> Option<Duration> {
        let left = plugin.health.quarantine().map(|(_, left)| left).filter(|left| !left.is_zero());
        if left.is_none() {
            self.quarantined.remove(&plugin.id);
        } else if self.quarantined.insert(plugin.id.clone()) {
            tracing::info!(target: "plugin", plugin = %plugin.id, "plugin quarantined, timers wait until quarantine is over");
        }
        left
    }

    async fn job_ended(&mut self, done: Result<(Id, Vec<Timer>), JoinError>) {
        match done {
            Ok((id, failed)) => {
                for timer in failed {
                    if let Err(error) = self.retry_or_drop(timer).await {
                        tracing::error!(%error, "cannot postpone failed timer");
                    }
                }
                self.busy.remove(&id);
            }
            Err(error) => {
                tracing::error!(%error, "timer job failed");
                self.busy.remove(&error.id());
            }
        }
    }

    /// Schedules the next attempt of a failed timer, or drops it after its last attempt.
    async fn retry_or_drop(&self, timer: Timer) -> Result<()> {
        let database = &self.shared.services.database;
        // None if it was cancelled or set again meanwhile.
        let Some(failures) = database.timer_failures(&timer).await? else { return Ok(()) };
        let Some(wait) = RETRY_DELAYS.get(failures) else {
            tracing::error!(
                target: "plugin", plugin = %timer.plugin, timer = %timer.name.escape_debug(), attempts = failures + 1,
                "timer failed, dropping it"
            );
            return database.drop_timer(&timer).await;
        };
        tracing::warn!(
            target: "plugin", plugin = %timer.plugin, timer = %timer.name.escape_debug(),
            retry_in = %humantime::format_duration(*wait), "timer failed, retrying"
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
    async fn timer_that_fails_its_last_attempt_is_dropped_and_logged() {
        let world = World::new().await;
        let database = &world.services.database;
        let mut timer =
            Timer { plugin: "karma".into(), name: "tick".into(), due_at: now(), payload: "{}".into(), set_by: None };
        let set = Unit::new(Actor::Server, vec![Change::SetTimer(timer.clone())]);
        world.services.writer.commit(set).await.unwrap();
        let timers = Timers::new(world.shared());

        let lines = Arc::new(RecentLines::default());
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone().layer()));
        for _ in RETRY_DELAYS {
            timers.retry_or_drop(timer.clone()).await.unwrap();
            assert!(!database.has_timer(&timer).await.unwrap(), "it comes due later");
            timer.due_at = database.next_timer("karma", timer.due_at).await.unwrap().unwrap();
        }
        timers.retry_or_drop(timer.clone()).await.unwrap();
        assert_eq!(database.count_timers("karma").await.unwrap(), 0);
        let logged: Vec<String> = lines.of("karma", 0, 10).into_iter().map(|line| line.text).collect();
        assert_eq!(
            logged,
            [
                "timer failed, retrying timer=tick retry_in=2s",
                "timer failed, retrying timer=tick retry_in=20s",
                "timer failed, retrying timer=tick retry_in=2m",
                "timer failed, retrying timer=tick retry_in=10m",
                "timer failed, dropping it timer=tick attempts=5",
            ]
        );
    }

    #[tokio::test]
    async fn timer_that_was_set_again_has_all_its_attempts() {
        let world = World::new().await;
        let database = &world.services.database;
        let timer =
            Timer { plugin: "karma".into(), name: "tick".into(), due_at: now(), payload: "{}".into(), set_by: None };
        let set = || Unit::new(Actor::Server, vec![Change::SetTimer(timer.clone())]);
        let timers = Timers::new(world.shared());
        world.services.writer.commit(set()).await.unwrap();
        timers.retry_or_drop(timer.clone()).await.unwrap();
        // Has no effect: the timer has a new due time already.
        timers.retry_or_drop(timer.clone()).await.unwrap();
        let due_at = database.next_timer("karma", timer.due_at).await.unwrap().unwrap();
        let postponed = Timer { due_at, ..timer.clone() };
        assert_eq!(database.timer_failures(&postponed).await.unwrap(), Some(1));
        world.services.writer.commit(set()).await.unwrap();
        assert_eq!(database.timer_failures(&timer).await.unwrap(), Some(0));
    }
}
