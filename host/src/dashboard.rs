//! Periodic samples of the server's activity for the dashboard's charts; the last ten minutes are kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::{Timestamp, now};
use crate::hub::Hub;
use crate::latency::Tally;
use crate::plugins::{LoadId, Plugins};

/// The interval between two samples.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);
/// How many samples are kept: ten minutes.
const MAX_SAMPLES: usize = 300;

/// Measurements since the previous sample.
#[derive(Clone, Debug)]
pub struct Sample {
    pub at: Timestamp,
    /// Time since the previous sample.
    pub over: Duration,
    pub connections: usize,
    pub messages: u64,
    pub delivery: Tally,
    /// Call times of the plugins that were called.
    pub plugins: Vec<(Arc<str>, Tally)>,
}

/// The latest samples.
#[derive(Default)]
pub struct DashboardSamples {
    samples: Mutex<VecDeque<Arc<Sample>>>,
}

impl DashboardSamples {
    /// All samples, oldest first.
    pub fn samples(&self) -> Vec<Arc<Sample>> {
        self.samples.lock().iter().cloned().collect()
    }

    /// Samples until `stop`.
    pub async fn run(self: Arc<Self>, hub: Arc<Hub>, plugins: Arc<Plugins>, stop: CancellationToken) {
        let mut before = Totals::of(&hub, &plugins);
        let mut tick = tokio::time::interval_at(before.at + SAMPLE_INTERVAL, SAMPLE_INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let totals = Totals::of(&hub, &plugins);
            self.add(totals.since(&before, hub.count()));
            before = totals;
        }
    }

    fn add(&self, sample: Sample) {
        let mut samples = self.samples.lock();
        samples.push_back(Arc::new(sample));
        if samples.len() > MAX_SAMPLES {
            samples.pop_front();
        }
    }
}

/// Counts since the server's start, at one moment.
struct Totals {
    at: Instant,
    messages: u64,
    delivery: Tally,
    /// By load: a plugin that was loaded again starts at zero.
    plugins: HashMap<LoadId, Tally>,
}

impl Totals {
    fn of(hub: &Hub, plugins: &Plugins) -> Self {
        let plugins = plugins.call_times().collect();
        Self { at: Instant::now(), messages: hub.posted(), delivery: hub.deliveries(), plugins }
    }

    fn since(&self, before: &Self, connections: usize) -> Sample {
        let called = |(load, tally): (&LoadId, &Tally)| {
            let tally = before.plugins.get(load).map_or_else(|| tally.clone(), |before| tally.since(before));
            (tally.count() > 0).then(|| (load.plugin.clone(), tally))
        };
        let mut plugins: Vec<_> = self.plugins.iter().filter_map(called).collect();
        plugins.sort_by(|(one, _), (other, _)| one.cmp(other));
        Sample {
            at: now(),
            over: self.at - before.at,
            connections,
            messages: self.messages.saturating_sub(before.messages),
            delivery: self.delivery.since(&before.delivery),
            plugins,
        }
    }
}
