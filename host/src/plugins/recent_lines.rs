//! The last lines of the log, and the last that it has of each plugin, for operators who are not at the server's terminal.

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
/// Of all that is logged.
const SERVER_LINES: usize = 1000;
/// With more plugins than this, those that were silent longest are forgotten.
const PLUGINS: usize = 64;
/// A longer line is cut.
const LINE_BYTES: usize = 2048;

/// A line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct RecentLine {
    /// 1, 2, 3 … for each plugin, and for all lines together, since the server started.
    pub seq: u64,
    pub at: Timestamp,
    pub level: &'static str,
    /// Where in the server it was said.
    pub target: &'static str,
    /// Who it is about, among all lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Box<str>>,
    pub text: String,
}

/// The lines kept; all memory it takes is bounded.
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
    /// What listens to the log: all that plugins say, and what the server says of them.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self: Arc<Self>) -> impl Layer<S> {
        Listener(self)
    }

    /// The newest `most` lines after `after`, oldest first. A number from before a restart is no line of ours: then all count.
    pub fn of(&self, plugin: &str, after: u64, most: usize) -> Vec<RecentLine> {
        let plugins = self.plugins.lock();
        plugins.get(plugin).map(|ring| ring.newest(after, most)).unwrap_or_default()
    }

    /// The same of everything that is logged.
    pub fn of_server(&self, after: u64, most: usize) -> Vec<RecentLine> {
        self.server.lock().newest(after, most)
    }

    fn add(&self, plugin: &str, line: RecentLine) {
        let mut plugins = self.plugins.lock();
        if plugins.len() >= PLUGINS && !plugins.contains_key(plugin) {
            let silent = plugins.iter().min_by_key(|(_, ring)| ring.lines.back().map(|line| line.at));
            if let Some(silent) = silent.map(|(id, _)| id.clone()) {
                plugins.remove(&silent);
            }
        }
        plugins.entry(plugin.into()).or_default().push(line, LINES);
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

struct Listener(Arc<RecentLines>);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (target, level) = (event.metadata().target(), event.metadata().level().as_str());
        let mut said = Said::default();
        event.record(&mut said);
        let Said { plugin, mut message, rest } = said;
        message.push_str(&rest);
        if message.len() > LINE_BYTES {
            message.truncate(message.floor_char_boundary(LINE_BYTES));
            message.push('…');
        }
        let plugin: Option<Box<str>> = plugin.map(Into::into);
        let line = RecentLine { seq: 0, at: now(), level, target, plugin: plugin.clone(), text: message };
        if let Some(plugin) = plugin.filter(|_| target == "plugin" || target.starts_with("natterjack::plugins")) {
            self.0.add(&plugin, RecentLine { plugin: None, ..line.clone() });
        }
        self.0.server.lock().push(line, SERVER_LINES);
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

    fn line(text: impl Into<String>) -> RecentLine {
        RecentLine { seq: 0, at: now(), level: "INFO", target: "plugin", plugin: None, text: text.into() }
    }

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
        let all = lines.of_server(0, 10);
        let told: Vec<_> = all.iter().map(|line| (line.plugin.as_deref(), &*line.text)).collect();
        assert_eq!(told[2..], [(Some("echo"), "not of plugins"), (None, "of nobody")]);
    }

    #[test]
    fn only_the_newest_lines_are_kept() {
        let lines = RecentLines::default();
        for n in 1..=LINES + 3 {
            lines.add("echo", line(n.to_string()));
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
            lines.add(&format!("p{n}"), line("hello"));
        }
        assert_eq!(lines.plugins.lock().len(), PLUGINS);
    }
}
