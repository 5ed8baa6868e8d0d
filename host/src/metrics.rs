//! Figures for operators, in Prometheus's text format. Whoever counts asks for a handle once and keeps it.
//!
//! Labels come from the plugins folder and from fixed lists, never from what people send, so there are only so many.

pub use metrics::{Counter, Gauge, Histogram};
use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// A filter takes microseconds, a command with its commit milliseconds, one that waits for somebody else seconds.
const SECONDS: [f64; 14] = [1e-6, 2e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 5e-3, 2.5e-2, 0.1, 1.0, 10.0];

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

const CONNECTIONS: &str = "natterjack_connections";
const MESSAGES: &str = "natterjack_messages_total";
/// Calls of a plugin's hooks; the `_count` is how many there were.
pub const CALL_SECONDS: &str = "natterjack_plugin_call_seconds";
pub const VERDICTS: &str = "natterjack_plugin_verdicts_total";
pub const FAULTS: &str = "natterjack_plugin_faults_total";
pub const QUARANTINED: &str = "natterjack_plugin_quarantined";
pub const LOADS: &str = "natterjack_plugin_loads_total";

const DESCRIPTIONS: [(&str, &str); 5] = [
    (MESSAGES, "Messages that were posted, by people and by plugins."),
    (VERDICTS, "What a plugin's hook answered."),
    (FAULTS, "Calls in which a plugin trapped, took too long or asked for too much."),
    (LOADS, "Plugins that were loaded, replaced, unloaded or refused."),
    (CALL_SECONDS, "How long calls of a plugin's hook took, those that failed too."),
];

/// All figures of one server.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    connections: Gauge,
    messages: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        // Refused only if there were no buckets.
        let builder = PrometheusBuilder::new().set_buckets(&SECONDS).unwrap_or_default();
        let recorder = builder.build_recorder();
        for (name, what) in DESCRIPTIONS {
            match name {
                CALL_SECONDS => recorder.describe_histogram(name.into(), None, what.into()),
                _ => recorder.describe_counter(name.into(), None, what.into()),
            }
        }
        recorder.describe_gauge(CONNECTIONS.into(), None, "Open WebSocket connections.".into());
        recorder.describe_gauge(
            QUARANTINED.into(),
            None,
            "1 while a plugin is not called because it keeps failing.".into(),
        );
        let connections = recorder.register_gauge(&key(CONNECTIONS, &[]), &METADATA);
        let messages = recorder.register_counter(&key(MESSAGES, &[]), &METADATA);
        Self { handle: recorder.handle(), recorder, connections, messages }
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

    /// All figures as they are now; the hub has these two at hand.
    pub fn render(&self, connections: usize, messages: u64) -> String {
        // Exact up to 2^53.
        self.connections.set(connections as f64);
        self.messages.absolute(messages);
        self.handle.render()
    }

    /// Sorts samples into their buckets. Done now and then: until then each sample takes memory, and nobody may ever ask.
    pub fn tidy(&self) {
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
    fn figures_are_told_with_their_labels_in_prometheus_format() {
        let metrics = Metrics::default();
        metrics.counter(FAULTS, &[("plugin", "word-filter"), ("hook", "message-filter")]).increment(2);
        metrics.histogram(CALL_SECONDS, &[("plugin", "word-filter"), ("hook", "message-filter")]).record(1.5e-6);
        metrics.tidy();
        let text = metrics.render(3, 17);
        for line in [
            "# TYPE natterjack_plugin_faults_total counter",
            "natterjack_plugin_faults_total{plugin=\"word-filter\",hook=\"message-filter\"} 2",
            "natterjack_plugin_call_seconds_bucket{plugin=\"word-filter\",hook=\"message-filter\",le=\"0.000001\"} 0",
            "natterjack_plugin_call_seconds_bucket{plugin=\"word-filter\",hook=\"message-filter\",le=\"0.000002\"} 1",
            "natterjack_connections 3",
            "natterjack_messages_total 17",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} in:\n{text}");
        }
    }
}
