//! Wraps each call of a plugin's hook: asks the circuit breaker, then logs and counts the outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::call::Call;
use super::fault::Fault;
use super::plugin::Plugin;
use super::quarantine::{CallPermit, CircuitBreaker, Transition};
use super::status::PluginStats;
use crate::config::OnFault;
use crate::error::Error;
use crate::latency::Latencies;
use crate::metrics::{CALL_SECONDS, Counter, FAULTS, Histogram, Metrics, QUARANTINED, VERDICTS};

/// A hook that the host calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Commands,
    MessageFilter,
    RoomGuard,
    Observer,
    Timer,
}

/// The outcome of a hook's call, as counted in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A result, an admission, an acceptance, an allowed message.
    Yes,
    /// A denial, a rejection, an error.
    No,
    /// A guard that neither admits nor denies.
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

/// Circuit breaker, call times and fault counts of one version of a plugin.
pub(super) struct PluginHealth {
    breaker: CircuitBreaker,
    /// The fault that opened the circuit breaker.
    reason: Mutex<Option<String>>,
    metrics: Arc<Metrics>,
    /// Call times over all hooks.
    times: Latencies,
    faults: AtomicU64,
    /// Metrics by hook; none for hooks that are not exported.
    hooks: [Option<HookMetrics>; HOOKS.len()],
}

struct HookMetrics {
    time: Histogram,
    /// Counters by verdict.
    verdicts: [Counter; VERDICT_NAMES.len()],
}

impl PluginHealth {
    /// Creates metrics for the exported hooks only.
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
            breaker: CircuitBreaker::new(),
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

    fn record_time(&self, hook: Hook, time: Duration) {
        self.times.record(time);
        if let Some(hooks) = &self.hooks[hook as usize] {
            hooks.time.record(time);
        }
    }

    /// Why the plugin is quarantined, and for how much longer.
    pub(super) fn quarantine(&self) -> Option<(String, Duration)> {
        let left = self.breaker.left(Instant::now())?;
        Some((self.reason.lock().clone().unwrap_or_default(), left))
    }
}

/// One call of a hook, from its start to its outcome.
pub(super) struct GuardedCall<'a> {
    plugin: &'a Plugin,
    hook: Hook,
    permit: CallPermit<'a>,
    since: Instant,
}

impl<'a> GuardedCall<'a> {
    /// Begins a call. Fails with [`Error::Unavailable`] if the plugin is quarantined.
    pub(super) fn begin(plugin: &'a Plugin, hook: Hook) -> Result<Self, Error> {
        let since = Instant::now();
        match plugin.health.breaker.enter(since) {
            Ok(permit) => Ok(Self { plugin, hook, permit, since }),
            Err(left) => Err(Error::Unavailable(format!(
                "the plugin {} failed too often and is not called for now; try again {}",
                plugin.id,
                format_wait(left)
            ))),
        }
    }

    /// Begins a filter's call; none if the filter is quarantined and `on_fault` lets messages pass.
    pub(super) fn begin_filter(plugin: &'a Plugin) -> Result<Option<Self>, Error> {
        match (Self::begin(plugin, Hook::MessageFilter), plugin.on_fault) {
            (Ok(guarded), _) => Ok(Some(guarded)),
            (Err(_), OnFault::Allow) => Ok(None),
            (Err(error), OnFault::Reject) => Err(error),
        }
    }

    /// Records an answer of the plugin, whether positive or negative.
    pub(super) fn answered(self, verdict: Verdict) {
        let health = &self.plugin.health;
        let now = Instant::now();
        health.record_time(self.hook, now - self.since);
        if let Some(hooks) = &health.hooks[self.hook as usize] {
            hooks.verdicts[verdict as usize].increment(1);
        }
        if let Some(transition) = self.permit.answered(now) {
            report(self.plugin, self.hook, transition, "");
        }
    }

    /// Records a fault: logs it for the operator and returns the caller's error.
    pub(super) fn failed(self, call: &Call, fault: &Fault) -> Error {
        let Self { plugin, hook, permit, since } = self;
        let health = &plugin.health;
        let now = Instant::now();
        health.record_time(hook, now - since);
        health.faults.fetch_add(1, Relaxed);
        let labels = [("plugin", &*plugin.id), ("hook", hook.name()), ("reason", fault.kind())];
        health.metrics.counter(FAULTS, &labels).increment(1);
        tracing::warn!(
            target: "plugin", plugin = %plugin.id, version = plugin.version(), export = hook.name(), request = %call.request,
            "plugin call failed: {fault}"
        );
        if fault.is_misconduct()
            && let Some(transition) = permit.failed(now, call.source())
        {
            let reason = fault.to_string();
            report(plugin, hook, transition, &reason);
            *health.reason.lock() = Some(format!("{}: {reason}", hook.name()));
        }
        Error::Plugin { plugin: plugin.id.to_string(), request: call.request }
    }
}

fn report(plugin: &Plugin, hook: Hook, transition: Transition, reason: &str) {
    let (id, version, export) = (&plugin.id, plugin.version(), hook.name());
    let quarantined = plugin.health.metrics.gauge(QUARANTINED, &[("plugin", id)]);
    match transition {
        Transition::Opened(duration) => {
            quarantined.set(1.0);
            tracing::error!(
                target: "plugin", plugin = %id, version, export,
                "plugin quarantined for {}: calls of three callers failed within a minute, last fault: {reason}",
                humantime::format_duration(duration)
            );
        }
        Transition::Reopened(duration) => tracing::error!(
            target: "plugin", plugin = %id, version, export,
            "plugin stays quarantined for {}: probe call failed: {reason}",
            humantime::format_duration(duration)
        ),
        Transition::Closed => {
            quarantined.set(0.0);
            tracing::info!(target: "plugin", plugin = %id, version, export, "plugin quarantine over: probe call succeeded");
        }
    }
}

/// A wait in whole seconds, rounded up.
fn format_wait(left: Duration) -> String {
    match left.as_secs() + u64::from(left.subsec_nanos() > 0) {
        0 => "in a moment".into(),
        seconds => format!("in {}", humantime::format_duration(Duration::from_secs(seconds))),
    }
}
