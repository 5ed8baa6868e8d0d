//! Metrics of this process from the operating system, under Prometheus's standard names. Most are missing where there is no
//! `/proc`.

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
        // Counters are integers.
        metrics.counter(PROCESS_CPU, &[]).absolute(cpu as u64);
        metrics.gauge(PROCESS_START, &[]).set(started);
    }
}

fn resident_bytes() -> Option<f64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((pages * rustix::param::page_size() as u64) as f64)
}

/// CPU time used, in seconds, and the process's start time, in seconds since 1970.
fn times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may contain any character.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |field: usize| {
        Some(fields.get(field)?.parse::<u64>().ok()? as f64 / rustix::param::clock_ticks_per_second() as f64)
    };
    let booted = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = booted.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    // Indexes count from the state, which is the third field.
    Some((ticks(11)? + ticks(12)?, booted + ticks(19)?))
}
