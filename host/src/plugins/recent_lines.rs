//! Keeps the latest log lines, overall and per plugin, for operators without access to the server's terminal.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Timestamp, now};

/// Lines kept per plugin; older ones are dropped.
const MAX_LINES_PER_PLUGIN: usize = 200;
/// Lines kept of the whole log.
const MAX_SERVER_LINES: usize = 1000;
/// Plugins whose lines are kept; beyond this, the plugin whose last line is oldest is dropped.
const MAX_PLUGINS: usize = 64;
/// A longer line is truncated.
const MAX_LINE_BYTES: usize = 2048;

/// A line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct RecentLine {
    /// Counts from 1 since the server started, separately for each plugin and for the whole log.
    pub seq: u64,
    pub at: Timestamp,
    pub level: &'static str,
    /// The `tracing` target, which names the module.
    pub target: &'static str,
    /// The plugin that the line is about; only set in the whole log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Box<str>>,
    pub text: String,
}

/// The latest log lines, in bounded memory.
#[derive(Default)]
pub struct RecentLines {
    plugins: Mutex<BTreeMap<Box<str>, Ring>>,
    server: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    last: u64,
    lines: VecDeque<RecentLine>,
}

impl RecentLines {
    /// A `tracing` layer that collects the lines.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self: Arc<Self>) -> impl Layer<S> {
        RecentLinesLayer(self)
    }

    /// The newest `most` lines of a plugin after `after`, oldest first. An `after` above the last number is from before a
    /// restart and counts as 0.
    pub fn of(&self, plugin: &str, after: u64, most: usize) -> Vec<RecentLine> {
        let plugins = self.plugins.lock();
        plugins.get(plugin).map(|ring| ring.newest(after, most)).unwrap_or_default()
    }

    /// The newest `most` lines of the whole log after `after`, oldest first.
    pub fn of_server(&self, after: u64, most: usize) -> Vec<RecentLine> {
        self.server.lock().newest(after, most)
    }

    fn add(&self, plugin: &str, line: RecentLine) {
        let mut plugins = self.plugins.lock();
        if plugins.len() >= MAX_PLUGINS && !plugins.contains_key(plugin) {
            let longest_silent = plugins.iter().min_by_key(|(_, ring)| ring.lines.back().map(|line| line.at));
            if let Some(longest_silent) = longest_silent.map(|(id, _)| id.clone()) {
                plugins.remove(&longest_silent);
            }
        }
        plugins.entry(plugin.into()).or_default().push(line, MAX_LINES_PER_PLUGIN);
    }
}

impl Ring {
    fn newest(&self, after: u64, most: usize) -> Vec<RecentLine> {
        let after = if after > self.last { 0 } else { after };
        let newer = self.lines.iter().filter(|line| line.seq > after);
        let skipped = newer.clone().count().saturating_sub(most);
        newer.skip(skipped).cloned().collect()
    }

    fn push(&mut self, line: RecentLine, most: usize) {
        self.last += 1;
        self.lines.push_back(RecentLine { seq: self.last, ..line });
        if self.lines.len() > most {
            self.lines.pop_front();
        }
    }
}

struct RecentLinesLayer(Arc<RecentLines>);

impl<S: Subscriber> Layer<S> for RecentLinesLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (target, level) = (event.metadata().target(), event.metadata().level().as_str());
        let mut fields = EventFields::default();
        event.record(&mut fields);
        let EventFields { plugin, mut message, rest } = fields;
        message.push_str(&rest);
        if message.len() > MAX_LINE_BYTES {
            message.truncate(message.floor_char_boundary(MAX_LINE_BYTES));
            message.push('…');
        }
        let plugin: Option<Box<str>> = plugin.map(Into::into);
        let line = RecentLine { seq: 0, at: now(), level, target, plugin: plugin.clone(), text: message };
        if let Some(plugin) = plugin.filter(|_| target == "plugin" || target.starts_with("natterjack::plugins")) {
            self.0.add(&plugin, RecentLine { plugin: None, ..line.clone() });
        }
        self.0.server.lock().push(line, MAX_SERVER_LINES);
    }
}

/// An event's plugin, message and other fields.
#[derive(Default)]
struct EventFields {
    plugin: Option<String>,
    message: String,
    rest: String,
}

impl Visit for EventFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "plugin" => self.plugin = Some(format!("{value:?}")),
            "message" => self.message = format!("{value:?}"),
            // Writing to a String cannot fail.
            name => drop(write!(self.rest, " {name}={value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn line(text: impl Into<String>) -> RecentLine {
        RecentLine { seq: 0, at: now(), level: "INFO", target: "plugin", plugin: None, text: text.into() }
    }

    fn texts(lines: &RecentLines, plugin: &str, after: u64, most: usize) -> Vec<String> {
        lines.of(plugin, after, most).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn line_is_kept_under_its_plugin() {
        let lines = Arc::new(RecentLines::default());
        let log = tracing_subscriber::registry().with(lines.clone().layer());
        tracing::subscriber::with_default(log, || {
            tracing::info!(target: "plugin", plugin = %"echo", calls = 2, "hello");
            tracing::info!(target: "plugin", plugin = "groups", "a room");
            tracing::info!(target: "elsewhere", plugin = "echo", "not of plugins");
            tracing::info!(target: "plugin", "of nobody");
        });
        assert_eq!(texts(&lines, "echo", 0, 10), ["hello calls=2"]);
        assert_eq!(texts(&lines, "groups", 0, 10), ["a room"]);
        assert_eq!(lines.of("echo", 0, 10)[0].level, "INFO");
        let all = lines.of_server(0, 10);
        let texts: Vec<_> = all.iter().map(|line| (line.plugin.as_deref(), &*line.text)).collect();
        assert_eq!(texts[2..], [(Some("echo"), "not of plugins"), (None, "of nobody")]);
    }

    #[test]
    fn only_the_newest_lines_are_kept() {
        let lines = RecentLines::default();
        for n in 1..=MAX_LINES_PER_PLUGIN + 3 {
            lines.add("echo", line(n.to_string()));
        }
        let kept = lines.of("echo", 0, usize::MAX);
        assert_eq!((kept.len(), kept[0].seq), (MAX_LINES_PER_PLUGIN, 4));
        assert_eq!(texts(&lines, "echo", 0, 2), ["202", "203"]);
        assert_eq!(texts(&lines, "echo", 202, 10), ["203"]);
        assert_eq!(lines.of("echo", 9999, usize::MAX).len(), MAX_LINES_PER_PLUGIN, "a number of another run");
    }

    #[test]
    fn number_of_plugins_with_kept_lines_is_bounded() {
        let lines = RecentLines::default();
        for n in 0..MAX_PLUGINS + 10 {
            lines.add(&format!("p{n}"), line("hello"));
        }
        assert_eq!(lines.plugins.lock().len(), MAX_PLUGINS);
    }
}
