//! The results of measurements, round by round.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::Machine;

/// Outcomes by workload.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) outcomes: BTreeMap<String, Outcome>,
}

/// The measurement of one workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) machine: Machine,
    pub(crate) seconds: u32,
    /// Samples by label of the run, one per round.
    pub(crate) samples: BTreeMap<String, Vec<Sample>>,
    /// Labels of runs that could not be measured, and why.
    pub(crate) missing: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Microseconds of the server's CPU time for a delivery.
    pub(crate) cpu_us: Option<f64>,
    pub(crate) deliveries_per_second: Option<f64>,
    pub(crate) posts_per_second: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) ack_p99_ms: Option<f64>,
    pub(crate) memory_kib: Option<f64>,
    pub(crate) filter_share: Option<f64>,
    /// Lost, doubled, out of order, refused, closed.
    pub(crate) faults: Option<f64>,
}

/// One of a sample's figures.
pub(crate) type Figure = fn(&Sample) -> Option<f64>;

impl Sample {
    /// Reads the output of `natterjack bench --json`.
    pub(crate) fn read(figures: &Value) -> Self {
        let ms = |times: &str, quantile: &str| Some(figures[times][quantile].as_f64()? / 1e3);
        let a_second = |what: &str| Some(figures[what].as_f64()? / figures["seconds"].as_f64()?);
        let faults = ["lost", "doubled", "out_of_order", "refused", "closed"];
        Self {
            cpu_us: figures["server"]["cpu_us_each"].as_f64(),
            deliveries_per_second: a_second("deliveries"),
            posts_per_second: a_second("sent"),
            p50_ms: ms("delivery_us", "p50"),
            p99_ms: ms("delivery_us", "p99"),
            ack_p99_ms: ms("ack_us", "p99"),
            memory_kib: figures["server"]["memory_bytes_each"].as_f64().map(|bytes| bytes / 1024.0),
            filter_share: None,
            faults: faults.iter().map(|fault| figures[*fault].as_f64()).sum(),
        }
    }

    /// A line for the terminal.
    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        for (figure, what) in [
            (self.cpu_us, "µs of CPU a delivery"),
            (self.deliveries_per_second, "deliveries/s"),
            (self.posts_per_second, "posts/s"),
            (self.p99_ms, "ms p99"),
            (self.memory_kib, "KiB each"),
        ] {
            if let Some(figure) = figure {
                // Writing to a String cannot fail.
                let _ = write!(line, "{figure:>10.2} {what}");
            }
        }
        if let Some(faults) = self.faults.filter(|faults| *faults > 0.0) {
            let _ = write!(line, "   {faults} FAULTS");
        }
        line
    }
}

impl Results {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        match fs::read_to_string(file) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} cannot be parsed", file.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    pub(crate) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(crate) fn median(&self, workload: &str, label: &str, figure: Figure) -> Option<f64> {
        median(self.outcomes.get(workload)?.samples.get(label)?.iter().filter_map(figure).collect())
    }

    /// The highest value of all rounds.
    pub(crate) fn most(&self, workload: &str, label: &str, figure: Figure) -> Option<f64> {
        let samples = self.outcomes.get(workload)?.samples.get(label)?;
        samples.iter().filter_map(figure).max_by(f64::total_cmp)
    }
}

impl Outcome {
    pub(crate) fn new(machine: Machine, seconds: u32) -> Self {
        Self { machine, seconds, samples: BTreeMap::new(), missing: BTreeMap::new() }
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { (values[middle - 1] + upper) / 2.0 })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn median_is_the_middle_value_or_the_mean_of_two() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn sample_is_read_from_bench_output() {
        let figures = json!({
            "seconds": 2.0, "sent": 10, "deliveries": 1000, "lost": 1, "doubled": 0, "out_of_order": 0, "refused": 0,
            "closed": 2, "server": {"cpu_us_each": 0.5, "memory_bytes_each": 2048.0},
            "delivery_us": {"p50": 1500, "p99": 2500}, "ack_us": {"p99": 3000},
        });
        let expected = Sample {
            cpu_us: Some(0.5),
            deliveries_per_second: Some(500.0),
            posts_per_second: Some(5.0),
            p50_ms: Some(1.5),
            p99_ms: Some(2.5),
            ack_p99_ms: Some(3.0),
            memory_kib: Some(2.0),
            filter_share: None,
            faults: Some(3.0),
        };
        assert_eq!(Sample::read(&figures), expected);
    }
}
