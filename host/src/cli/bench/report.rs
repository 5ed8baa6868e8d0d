//! Progress on the terminal during a run, and the report as a table or JSON.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::tally::{Faults, Times};
use super::usage::Usage;

/// The minimum interval between updates of the progress line.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// A progress line on the terminal.
pub(super) struct Progress {
    shown: Option<Mutex<Instant>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal().then(|| Mutex::new(Instant::now())) }
    }

    pub(super) fn show(&self, line: impl FnOnce() -> String) {
        let line = line();
        let Some(shown) = &self.shown else { return };
        let mut shown = shown.lock();
        if shown.elapsed() >= PROGRESS_INTERVAL {
            *shown = Instant::now();
            // Errors of a closed terminal are ignored.
            let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
        }
    }

    pub(super) fn end(&self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

pub(super) struct Report {
    scenario: &'static str,
    clients: usize,
    /// The duration of the measurement.
    time: Duration,
    /// Messages or requests in that time.
    pub(super) sent: Option<u64>,
    /// Deliveries of messages in that time.
    pub(super) deliveries: Option<u64>,
    /// Latencies, by name.
    pub(super) times: Vec<(&'static str, Times)>,
    pub(super) faults: Faults,
    cpu: Option<Duration>,
    memory: Option<[u64; 2]>,
}

impl Report {
    pub(super) fn new(scenario: &'static str, clients: usize, time: Duration) -> Self {
        let faults = Faults::default();
        let times = Vec::new();
        Self { scenario, clients, time, sent: None, deliveries: None, times, faults, cpu: None, memory: None }
    }

    /// Sets the CPU time that the server used between these two.
    pub(super) fn cpu(&mut self, before: Option<Usage>, after: Option<Usage>) {
        self.cpu = before.zip(after).map(|(before, after)| after.cpu.saturating_sub(before.cpu));
    }

    pub(super) fn memory(&mut self, before: Option<Usage>, after: Option<Usage>) {
        self.memory = before.zip(after).map(|(before, after)| [before.memory, after.memory]);
    }

    /// Whether there were no faults.
    pub(super) fn is_clean(&self) -> bool {
        let Faults { lost, doubled, out_of_order, refused, closed, .. } = self.faults;
        [lost, doubled, out_of_order, refused, closed].iter().all(|count| *count == 0)
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.time.as_secs_f64().max(f64::EPSILON)
    }

    /// Microseconds of the server's CPU time per delivery, or per message in scenarios without deliveries.
    fn cpu_each(&self) -> Option<f64> {
        let count = self.deliveries.or(self.sent).filter(|count| *count > 0)?;
        Some(self.cpu?.as_secs_f64() * 1e6 / count as f64)
    }

    fn memory_each(&self) -> Option<f64> {
        let [before, after] = self.memory?;
        Some((after as f64 - before as f64) / self.clients.max(1) as f64)
    }

    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "scenario": self.scenario,
            "clients": self.clients,
            "seconds": self.time.as_secs_f64(),
            "sent": self.sent,
            "deliveries": self.deliveries,
            "deliveries_per_second": self.deliveries.map(|count| self.per_second(count)),
            "lost": self.faults.lost,
            "doubled": self.faults.doubled,
            "out_of_order": self.faults.out_of_order,
            "refused": self.faults.refused,
            "closed": self.faults.closed,
            "first_fault": self.faults.first,
            "server": {
                "cpu_seconds": self.cpu.map(|cpu| cpu.as_secs_f64()),
                "cpu_us_each": self.cpu_each(),
                "memory_bytes": self.memory,
                "memory_bytes_each": self.memory_each(),
            },
        });
        for (name, times) in &self.times {
            let us = |quantile| u64::try_from(times.quantile(quantile).as_micros()).unwrap_or(u64::MAX);
            value[format!("{name}_us")] = json!({
                "count": times.count(), "p50": us(0.5), "p99": us(0.99), "p99.9": us(0.999), "max": us(1.0),
            });
        }
        value
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, clients, time, faults, .. } = self;
        writeln!(f, "{scenario}: {clients} clients, {:.1} s", time.as_secs_f64())?;
        for (name, count) in [("sent", self.sent), ("deliveries", self.deliveries)] {
            if let Some(count) = count {
                writeln!(f, "  {name:<12}{count:>12}   {:>12.0} a second", self.per_second(count))?;
            }
        }
        for (name, times) in &self.times {
            if times.count() == 0 {
                continue;
            }
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| ms(times.quantile(quantile)));
            writeln!(f, "  {name:<12}p50 {p50}   p99 {p99}   p99.9 {p999}   max {}", ms(times.max()))?;
        }
        let Faults { lost, doubled, out_of_order, refused, closed, first } = faults;
        writeln!(
            f,
            "  faults      lost {lost}   doubled {doubled}   out of order {out_of_order}   refused {refused}   closed {closed}"
        )?;
        if let Some(first) = first {
            writeln!(f, "              the first: {first}")?;
        }
        if let Some(cpu) = self.cpu {
            write!(f, "  server      {:.2} s of CPU time", cpu.as_secs_f64())?;
            if let Some(each) = self.cpu_each() {
                write!(f, ", {each:.2} µs each")?;
            }
            writeln!(f)?;
        }
        if let (Some([before, after]), Some(each)) = (self.memory, self.memory_each()) {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let (before, after, each) = (mib(before), mib(after), each / 1024.0);
            writeln!(f, "  memory      {before:.1} MiB before, {after:.1} after: {each:.1} KiB a connection")?;
        }
        Ok(())
    }
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
