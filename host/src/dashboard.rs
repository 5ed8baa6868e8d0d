//! What the server does, sampled again and again, so that a chart has a past to show. Only so much is kept.

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

/// How far two samples are apart.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);
/// Ten minutes.
const MAX_SAMPLES: usize = 300;

/// What was measured since the sample before.
#[derive(Clone, Debug)]
pub struct Sample {
    pub at: Timestamp,
    /// Since the sample before.
    pub over: Duration,
    pub connections: usize,
    pub messages: u64,
    pub delivery: Tally,
    /// Those that were called.
    pub plugins: Vec<(Arc<str>, Tally)>,
}

#[derive(Default)]
pub struct DashboardSamples {
    samples: Mutex<VecDeque<Arc<Sample>>>,
}

impl DashboardSamples {
    /// The oldest first.
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

/// What was counted up to a moment.
struct Totals {
    at: Instant,
    messages: u64,
    delivery: Tally,
    /// A plugin that was loaded again counts from nothing.
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
