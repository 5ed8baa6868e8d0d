//! CPU time and memory of a process, from `/proc`.

use std::time::Duration;

use anyhow::{Context as _, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Total of all threads.
    pub(super) cpu: Duration,
    /// Resident memory in bytes.
    pub(super) memory: u64,
}

impl Usage {
    /// The total of these processes; `None` without any.
    pub(super) fn of(pids: &[u32]) -> Result<Option<Self>> {
        let mut sum: Option<Self> = None;
        for pid in pids {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .with_context(|| format!("--pid {pid}: no such process on this machine"))?;
            let one = parse(&stat).with_context(|| format!("/proc/{pid}/stat is not understood"))?;
            let sum = sum.get_or_insert_default();
            sum.cpu += one.cpu;
            sum.memory += one.memory;
        }
        Ok(sum)
    }
}

fn parse(stat: &str) -> Option<Usage> {
    // The second field is a name in parentheses, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = field(14)? + field(15)?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Usage {
        cpu: Duration::from_millis(ticks * 1000 / per_second.max(1)),
        memory: field(24)? * rustix::param::page_size() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_and_memory_of_a_process_are_read() {
        let usage = Usage::of(&[std::process::id()]).unwrap().unwrap();
        assert!(usage.memory > 1 << 20, "{usage:?}");
        assert!(Usage::of(&[u32::MAX]).is_err());
        assert_eq!(Usage::of(&[]).unwrap(), None);
    }
}
