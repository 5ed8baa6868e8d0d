//! What the system says of this process, as Prometheus calls it everywhere. Where there is no `/proc` it says nothing.

use std::fs;

use super::{Metrics, PROCESS_CPU, PROCESS_FILES, PROCESS_MAX_FILES, PROCESS_MEMORY, PROCESS_START};

pub(super) fn observe(metrics: &Metrics) {
    let gauges = [
        (PROCESS_MEMORY, resident_bytes()),
        (PROCESS_FILES, fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as f64)),
        (
            PROCESS_MAX_FILES,
            rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map(|most| most as f64),
        ),
    ];
    for (name, value) in gauges {
        if let Some(value) = value {
            metrics.gauge(name, &[]).set(value);
        }
    }
    if let Some((cpu, started)) = times() {
        // Counters count whole things.
        metrics.counter(PROCESS_CPU, &[]).absolute(cpu as u64);
        metrics.gauge(PROCESS_START, &[]).set(started);
    }
}

fn resident_bytes() -> Option<f64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((pages * rustix::param::page_size() as u64) as f64)
}

/// The seconds of CPU used, and when the process started.
fn times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in brackets, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |field: usize| {
        Some(fields.get(field)?.parse::<u64>().ok()? as f64 / rustix::param::clock_ticks_per_second() as f64)
    };
    let booted = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = booted.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    // The fields are counted from the state, the third one.
    Some((ticks(11)? + ticks(12)?, booted + ticks(19)?))
}
