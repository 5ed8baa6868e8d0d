//! Metrics for operators, in Prometheus's text format. Code that counts gets a handle once and keeps it.
//!
//! Label values come from the plugins folder and from fixed lists, never from clients, so their number is bounded.

mod names;
mod process;

pub use metrics::{Counter, Gauge, Histogram};
use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use self::names::*;
use self::names::{DESCRIPTIONS, Kind};

/// Buckets for durations, in seconds. A filter takes microseconds, a command with its commit milliseconds, a call that waits for
/// another service seconds. Alerts compare with one of these bounds, since quantiles between two bounds are guesses.
const SECONDS_BUCKETS: [f64; 21] = [
    1e-6, 2e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5,
    1.0, 2.5, 10.0,
];

/// Buckets for batch sizes, up to the writer's largest batch.
const JOBS_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// All metrics of one server.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

/// Values that are read only when metrics are requested.
pub struct Snapshot {
    /// By dialect.
    pub connections: Vec<(&'static str, usize)>,
    pub messages: u64,
    pub queued_jobs: usize,
    /// Name of each pool, with its connections in use and idle.
    pub database: Vec<(&'static str, usize, usize)>,
    pub database_up: bool,
    pub database_writable: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        // Fails only for an empty list of buckets.
        let builder = PrometheusBuilder::new()
            .set_buckets(&SECONDS_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(WRITER_BATCH.to_owned()), &JOBS_BUCKETS))
            .unwrap_or_default();
        let recorder = builder.build_recorder();
        for (name, kind, what) in DESCRIPTIONS {
            let (name, what) = (*name, *what);
            match kind {
                Kind::Counter => recorder.describe_counter(name.into(), None, what.into()),
                Kind::Gauge => recorder.describe_gauge(name.into(), None, what.into()),
                Kind::Histogram => recorder.describe_histogram(name.into(), None, what.into()),
            }
        }
        let metrics = Self { handle: recorder.handle(), recorder };
        metrics.gauge(BUILD, &[("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        metrics
    }
}

impl Metrics {
    pub fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        self.recorder.register_counter(&key(name, labels), &METADATA)
    }

    pub fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    pub fn histogram(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Histogram {
        self.recorder.register_histogram(&key(name, labels), &METADATA)
    }

    /// Counts a connection that was closed with this code. Clients may choose any code, so unknown ones share a label.
    pub fn closed(&self, code: Option<u16>) {
        const KNOWN_CODES: [u16; 13] = [1000, 1002, 1007, 1009, 1012, 4401, 4408, 4429, 4500, 4504, 4505, 4506, 4507];
        let label =
            code.filter(|code| KNOWN_CODES.contains(code)).map_or_else(|| "other".to_owned(), |code| code.to_string());
        self.counter(CLOSED_CONNECTIONS, &[("code", &label)]).increment(1);
    }

    /// Counts a failed operation, by the dialect or protocol of the request and by the error's code.
    pub fn failed(&self, transport: &'static str, code: &'static str) {
        self.counter(FAILURES, &[("transport", transport), ("code", code)]).increment(1);
    }

    /// Renders all metrics.
    pub fn render(&self, now: &Snapshot) -> String {
        // An f64 is exact up to 2^53.
        for (dialect, open) in &now.connections {
            self.gauge(CONNECTIONS, &[("dialect", dialect)]).set(*open as f64);
        }
        self.counter(MESSAGES, &[]).absolute(now.messages);
        self.gauge(WRITER_QUEUE, &[]).set(now.queued_jobs as f64);
        for (pool, used, idle) in &now.database {
            for (state, count) in [("used", used), ("idle", idle)] {
                self.gauge(DATABASE_CONNECTIONS, &[("pool", pool), ("state", state)]).set(*count as f64);
            }
        }
        self.gauge(DATABASE_UP, &[]).set(f64::from(u8::from(now.database_up)));
        self.gauge(DATABASE_WRITABLE, &[]).set(f64::from(u8::from(now.database_writable)));
        process::observe(self);
        self.handle.render()
    }

    /// Sorts samples into their buckets. Call it regularly: until then each sample takes memory, even if metrics are never read.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(name, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_rendered_with_labels_in_prometheus_format() {
        let metrics = Metrics::default();
        metrics.counter(FAULTS, &[("plugin", "word-filter"), ("hook", "message-filter")]).increment(2);
        metrics.histogram(CALL_SECONDS, &[("plugin", "word-filter"), ("hook", "message-filter")]).record(1.5e-6);
        metrics.run_upkeep();
        let text = metrics.render(&Snapshot {
            connections: vec![("native", 3)],
            messages: 17,
            queued_jobs: 0,
            database: vec![("read", 1, 3)],
            database_up: true,
            database_writable: false,
        });
        for line in [
            "# TYPE natterjack_plugin_faults_total counter",
            "natterjack_plugin_faults_total{plugin=\"word-filter\",hook=\"message-filter\"} 2",
            "natterjack_plugin_call_seconds_bucket{plugin=\"word-filter\",hook=\"message-filter\",le=\"0.000001\"} 0",
            "natterjack_plugin_call_seconds_bucket{plugin=\"word-filter\",hook=\"message-filter\",le=\"0.000002\"} 1",
            "natterjack_connections{dialect=\"native\"} 3",
            "natterjack_database_connections{pool=\"read\",state=\"idle\"} 3",
            "natterjack_database_up 1",
            "natterjack_database_writable 0",
            "natterjack_messages_total 17",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in:\n{text}");
        }
    }
    /// The estimate of Prometheus's `histogram_quantile`.
    fn quantile(text: &str, name: &str, wanted: f64) -> f64 {
        let bucket = |line: &str| {
            let (le, count) = line.strip_prefix(name)?.strip_prefix("_bucket{le=\"")?.split_once("\"} ")?;
            Some((le.parse::<f64>().ok()?, count.parse::<f64>().ok()?))
        };
        let buckets: Vec<(f64, f64)> = text.lines().filter_map(bucket).collect();
        let rank = wanted * buckets.last().unwrap().1;
        let at = buckets.iter().position(|(_, count)| *count >= rank).unwrap();
        let (from, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
        from + (buckets[at].0 - from) * (rank - below) / (buckets[at].1 - below)
    }

    #[test]
    fn commits_of_110_ms_are_not_estimated_at_half_a_second() {
        let metrics = Metrics::default();
        let commits = metrics.histogram(WRITER_COMMIT_SECONDS, &[]);
        (0..1000).for_each(|_| commits.record(0.11));
        metrics.run_upkeep();
        let estimated = quantile(&metrics.handle.render(), WRITER_COMMIT_SECONDS, 0.99);
        assert!((0.1..=0.25).contains(&estimated), "{estimated}");
        (0..100).for_each(|_| commits.record(0.6));
        metrics.run_upkeep();
        assert!(quantile(&metrics.handle.render(), WRITER_COMMIT_SECONDS, 0.99) > 0.5);
    }

    #[test]
    fn alerts_compare_durations_with_bounds_of_buckets() {
        let rules = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/alerts.yaml"));
        let durations = rules.lines().filter(|line| line.contains("histogram_quantile"));
        let bounds: Vec<f64> = durations.map(|line| line.rsplit_once("> ").unwrap().1.parse().unwrap()).collect();
        assert!(!bounds.is_empty());
        assert!(bounds.iter().all(|bound| SECONDS_BUCKETS.contains(bound)), "{bounds:?}");
    }
}
