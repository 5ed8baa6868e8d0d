//! What surrounds each call of a plugin's hook: whether it may be made, and what is logged and counted of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::call::Call;
use super::fault::Fault;
use super::plugin::Plugin;
use super::quarantine::{Pass, Record, Step};
use super::status::PluginStats;
use crate::config::OnFault;
use crate::error::Error;
use crate::latency::Latencies;
use crate::metrics::{CALL_SECONDS, Counter, FAULTS, Histogram, Metrics, QUARANTINED, VERDICTS};

/// A hook that is called from outside, by the contract's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Commands,
    MessageFilter,
    RoomGuard,
    Observer,
    Timer,
}

/// What a hook answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A result, an admission, an acceptance, a message let through.
    Yes,
    /// A denial, a rejection, an error.
    No,
    /// A guard without an opinion.
    Abstain,
    Rewrite,
}

const HOOKS: [(Hook, &str); 5] = [
    (Hook::Commands, "commands"),
    (Hook::MessageFilter, "message-filter"),
    (Hook::RoomGuard, "room-guard"),
    (Hook::Observer, "observer"),
    (Hook::Timer, "timer"),
];
const VERDICT_NAMES: [(Verdict, &str); 4] =
    [(Verdict::Yes, "yes"), (Verdict::No, "no"), (Verdict::Abstain, "abstain"), (Verdict::Rewrite, "rewrite")];

impl Hook {
    fn name(self) -> &'static str {
        HOOKS[self as usize].1
    }
}

/// How one version of a plugin has behaved.
pub(super) struct Conduct {
    record: Record,
    /// The fault that the quarantine began with.
    reason: Mutex<Option<String>>,
    metrics: Arc<Metrics>,
    /// Of all hooks together.
    times: Latencies,
    faults: AtomicU64,
    /// By hook.
    hooks: [Option<HookMetrics>; HOOKS.len()],
}

struct HookMetrics {
    time: Histogram,
    /// By verdict.
    verdicts: [Counter; VERDICT_NAMES.len()],
}

impl Conduct {
    /// Of a plugin that exports these; the others have no series.
    pub(super) fn new(metrics: &Arc<Metrics>, plugin: &str, exported: &[&str]) -> Self {
        let hooks = HOOKS.map(|(_, hook)| {
            exported.contains(&hook).then(|| HookMetrics {
                time: metrics.histogram(CALL_SECONDS, &[("plugin", plugin), ("hook", hook)]),
                verdicts: VERDICT_NAMES.map(|(_, verdict)| {
                    metrics.counter(VERDICTS, &[("plugin", plugin), ("hook", hook), ("verdict", verdict)])
                }),
            })
        });
        metrics.gauge(QUARANTINED, &[("plugin", plugin)]).set(0.0);
        Self {
            record: Record::new(),
            reason: Mutex::new(None),
            metrics: metrics.clone(),
            times: Latencies::default(),
            faults: AtomicU64::new(0),
            hooks,
        }
    }

    pub(super) fn stats(&self) -> PluginStats {
        PluginStats { times: self.times.tally(), faults: self.faults.load(Relaxed) }
    }

    fn took(&self, hook: Hook, time: Duration) {
        self.times.record(time);
        if let Some(hooks) = &self.hooks[hook as usize] {
            hooks.time.record(time);
        }
    }

    /// Why it is not called, and for how much longer.
    pub(super) fn quarantine(&self) -> Option<(String, Duration)> {
        let left = self.record.left(Instant::now())?;
        Some((self.reason.lock().clone().unwrap_or_default(), left))
    }
}

/// One call of a hook, from its beginning to what became of it.
pub(super) struct Visit<'a> {
    plugin: &'a Plugin,
    hook: Hook,
    pass: Pass<'a>,
    since: Instant,
}

impl<'a> Visit<'a> {
    /// Begins a call; a quarantined plugin takes none.
    pub(super) fn begin(plugin: &'a Plugin, hook: Hook) -> Result<Self, Error> {
        let since = Instant::now();
        match plugin.conduct.record.enter(since) {
            Ok(pass) => Ok(Self { plugin, hook, pass, since }),
            Err(left) => Err(Error::Unavailable(format!(
                "the plugin {} failed too often and is not called for now; try again {}",
                plugin.id,
                soon(left)
            ))),
        }
    }

    /// Begins a filter's call; none if the message may pass a quarantined filter by.
    pub(super) fn begin_filter(plugin: &'a Plugin) -> Result<Option<Self>, Error> {
        match (Self::begin(plugin, Hook::MessageFilter), plugin.on_fault) {
            (Ok(visit), _) => Ok(Some(visit)),
            (Err(_), OnFault::Allow) => Ok(None),
            (Err(error), OnFault::Reject) => Err(error),
        }
    }

    /// The plugin answered; the answer may have been no.
    pub(super) fn answered(self, verdict: Verdict) {
        let conduct = &self.plugin.conduct;
        let now = Instant::now();
        conduct.took(self.hook, now - self.since);
        if let Some(hooks) = &conduct.hooks[self.hook as usize] {
            hooks.verdicts[verdict as usize].increment(1);
        }
        if let Some(step) = self.pass.answered(now) {
            tell(self.plugin, self.hook, step, "");
        }
    }

    /// The plugin gave no answer: tells the operator why, and gives what to tell the caller.
    pub(super) fn failed(self, call: &Call, fault: &Fault) -> Error {
        let Self { plugin, hook, pass, since } = self;
        let conduct = &plugin.conduct;
        let now = Instant::now();
        conduct.took(hook, now - since);
        conduct.faults.fetch_add(1, Relaxed);
        let labels = [("plugin", &*plugin.id), ("hook", hook.name()), ("reason", fault.kind())];
        conduct.metrics.counter(FAULTS, &labels).increment(1);
        tracing::warn!(
            target: "plugin", plugin = %plugin.id, version = plugin.version(), export = hook.name(), request = %call.request,
            "the plugin failed: {fault}"
        );
        if fault.is_misconduct()
            && let Some(step) = pass.failed(now, call.witness())
        {
            let reason = fault.to_string();
            tell(plugin, hook, step, &reason);
            *conduct.reason.lock() = Some(format!("{}: {reason}", hook.name()));
        }
        Error::Plugin { plugin: plugin.id.to_string(), request: call.request }
    }
}

fn tell(plugin: &Plugin, hook: Hook, step: Step, reason: &str) {
    let (id, version, export) = (&plugin.id, plugin.version(), hook.name());
    let quarantined = plugin.conduct.metrics.gauge(QUARANTINED, &[("plugin", id)]);
    match step {
        Step::Began(term) => {
            quarantined.set(1.0);
            tracing::error!(
                target: "plugin", plugin = %id, version, export,
                "the plugin is quarantined for {}: it failed calls of three people within a minute; the last: {reason}",
                humantime::format_duration(term)
            );
        }
        Step::Prolonged(term) => tracing::error!(
            target: "plugin", plugin = %id, version, export,
            "the plugin stays quarantined for {}: the call that was to show whether it is well failed too: {reason}",
            humantime::format_duration(term)
        ),
        Step::Ended => {
            quarantined.set(0.0);
            tracing::info!(target: "plugin", plugin = %id, version, export, "the plugin is well again: its quarantine is over");
        }
    }
}

/// In whole seconds, rounded up.
fn soon(left: Duration) -> String {
    match left.as_secs() + u64::from(left.subsec_nanos() > 0) {
        0 => "in a moment".into(),
        seconds => format!("in {}", humantime::format_duration(Duration::from_secs(seconds))),
    }
}
