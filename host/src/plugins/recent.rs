//! The last lines that the log has of each plugin, for operators who are not at the server's terminal.

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

/// Of each plugin; older lines are forgotten.
const LINES: usize = 200;
/// With more plugins than this, those that were silent longest are forgotten.
const PLUGINS: usize = 64;
/// A longer line is cut.
const LINE_BYTES: usize = 2048;

/// A line that a plugin wrote, or that the server wrote about it.
#[derive(Clone, Debug, Serialize)]
pub struct RecentLine {
    /// 1, 2, 3 … for each plugin since the server started.
    pub seq: u64,
    pub at: Timestamp,
    pub level: &'static str,
    pub text: String,
}

/// The lines kept; all memory it takes is bounded.
#[derive(Default)]
pub struct RecentLines {
    plugins: Mutex<BTreeMap<Box<str>, Ring>>,
}

#[derive(Default)]
struct Ring {
    last: u64,
    lines: VecDeque<RecentLine>,
}

impl RecentLines {
    /// What listens to the log: all that plugins say, and what the server says of them.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self: Arc<Self>) -> impl Layer<S> {
        Listener(self)
    }

    /// The newest `most` lines after `after`, oldest first. A number from before a restart is no line of ours: then all count.
    pub fn of(&self, plugin: &str, after: u64, most: usize) -> Vec<RecentLine> {
        let plugins = self.plugins.lock();
        let Some(ring) = plugins.get(plugin) else { return Vec::new() };
        let after = if after > ring.last { 0 } else { after };
        let newer = ring.lines.iter().filter(|line| line.seq > after);
        let skipped = newer.clone().count().saturating_sub(most);
        newer.skip(skipped).cloned().collect()
    }

    fn add(&self, plugin: &str, level: &'static str, text: String) {
        let mut plugins = self.plugins.lock();
        if plugins.len() >= PLUGINS && !plugins.contains_key(plugin) {
            let silent = plugins.iter().min_by_key(|(_, ring)| ring.lines.back().map(|line| line.at));
            if let Some(silent) = silent.map(|(id, _)| id.clone()) {
                plugins.remove(&silent);
            }
        }
        let ring = plugins.entry(plugin.into()).or_default();
        ring.last += 1;
        ring.lines.push_back(RecentLine { seq: ring.last, at: now(), level, text });
        if ring.lines.len() > LINES {
            ring.lines.pop_front();
        }
    }
}

struct Listener(Arc<RecentLines>);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        if target != "plugin" && !target.starts_with("natterjack::plugins") {
            return;
        }
        let mut said = Said::default();
        event.record(&mut said);
        let Said { plugin: Some(plugin), mut message, rest } = said else { return };
        message.push_str(&rest);
        if message.len() > LINE_BYTES {
            message.truncate(message.floor_char_boundary(LINE_BYTES));
            message.push('…');
        }
        self.0.add(&plugin, event.metadata().level().as_str(), message);
    }
}

/// An event's fields.
#[derive(Default)]
struct Said {
    plugin: Option<String>,
    message: String,
    rest: String,
}

impl Visit for Said {
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

    fn texts(lines: &RecentLines, plugin: &str, after: u64, most: usize) -> Vec<String> {
        lines.of(plugin, after, most).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_line_is_kept_under_its_plugin() {
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
    }

    #[test]
    fn only_the_newest_lines_are_kept() {
        let lines = RecentLines::default();
        for n in 1..=LINES + 3 {
            lines.add("echo", "INFO", n.to_string());
        }
        let kept = lines.of("echo", 0, usize::MAX);
        assert_eq!((kept.len(), kept[0].seq), (LINES, 4));
        assert_eq!(texts(&lines, "echo", 0, 2), ["202", "203"]);
        assert_eq!(texts(&lines, "echo", 202, 10), ["203"]);
        assert_eq!(lines.of("echo", 9999, usize::MAX).len(), LINES, "a number of another run");
    }

    #[test]
    fn plugins_that_come_and_go_do_not_pile_up() {
        let lines = RecentLines::default();
        for n in 0..PLUGINS + 10 {
            lines.add(&format!("p{n}"), "INFO", "hello".into());
        }
        assert_eq!(lines.plugins.lock().len(), PLUGINS);
    }
}
