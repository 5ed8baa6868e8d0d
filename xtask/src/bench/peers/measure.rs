//! Measures one server under one load.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::command::output;

use super::contender::Contender;
use super::results::Sample;
use super::server::Server;
use super::testbed::Testbed;
use super::workloads::Run;

pub(crate) fn measure(testbed: &Testbed, run: &Run, seconds: u32) -> Result<Sample> {
    if run.contender == Contender::OneRow {
        return one_row(testbed, seconds);
    }
    let server = run.contender.start(testbed)?;
    let mut bench = testbed.on_load_core(&testbed.natterjack);
    bench.arg("bench").args(run.load.split_whitespace());
    if run.contender != Contender::Natterjack {
        bench.args(["--speech", run.contender.speech()]);
    }
    bench.args(["--json", "--time", &format!("{seconds}s"), "--url", &server.url, "--pid", &server.id().to_string()]);
    // Ignores the exit status: faults are in the figures.
    let result = bench.output().context("`natterjack bench` cannot be started")?;
    let text = String::from_utf8_lossy(&result.stdout);
    let Ok(figures) = serde_json::from_str::<Value>(&text) else {
        bail!("natterjack bench: {}", String::from_utf8_lossy(&result.stderr).trim());
    };
    let mut sample = Sample::read(&figures);
    if run.contender == Contender::Natterjack {
        sample.filter_share = filter_share(&figures, &metrics(&server)?);
    }
    Ok(sample)
}

fn one_row(testbed: &Testbed, seconds: u32) -> Result<Sample> {
    let database = tempfile::tempdir_in(&testbed.folder).context("cannot create a folder")?;
    let mut python: Command = testbed.on_server_core("python3");
    python.arg(testbed.folder.join("one_row.py")).arg(database.path().join("rows.db")).arg(seconds.to_string());
    let rows = output(&mut python)?.trim().parse().context("one_row.py printed no number")?;
    Ok(Sample { posts_per_second: Some(rows), ..Sample::default() })
}

fn metrics(server: &Server) -> Result<String> {
    let mut socket = TcpStream::connect(&server.url)?;
    write!(socket, "GET /metrics HTTP/1.0\r\nHost: {}\r\n\r\n", server.url)?;
    let mut text = String::new();
    socket.read_to_string(&mut text).context("the server's metrics cannot be read")?;
    Ok(text)
}

/// The word filter's share of the CPU time: its median time per message, times the messages sent. The median, because a call that
/// is interrupted by another thread takes longer by the clock without costing more.
fn filter_share(figures: &Value, metrics: &str) -> Option<f64> {
    let each = median(metrics, "natterjack_plugin_call_seconds", "plugin=\"word-filter\",hook=\"message-filter\"")?;
    let cpu = figures["server"]["cpu_seconds"].as_f64().filter(|cpu| *cpu > 0.0)?;
    Some(each * figures["sent"].as_f64()? / cpu)
}

/// The median of a histogram, assuming that samples are spread evenly within their bucket.
fn median(metrics: &str, name: &str, labels: &str) -> Option<f64> {
    let head = format!("{name}_bucket{{{labels},le=\"");
    let buckets: Vec<(f64, f64)> = metrics
        .lines()
        .filter_map(|line| {
            let (up_to, count) = line.strip_prefix(&head)?.split_once("\"} ")?;
            Some((up_to.parse().ok()?, count.parse().ok()?))
        })
        .collect();
    let half = buckets.last()?.1 / 2.0;
    let at = buckets.iter().position(|(_, count)| *count >= half && half > 0.0)?;
    let (from, before) = at.checked_sub(1).map_or((0.0, 0.0), |below| buckets[below]);
    let (to, count) = buckets[at];
    Some(from + (to - from) * (half - before) / (count - before))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filter_share_is_median_time_times_messages_by_cpu_time() {
        let bucket = |plugin: &str, le: &str, count: u32| {
            let labels = format!("plugin=\"{plugin}\",hook=\"message-filter\",le=\"{le}\"");
            format!("natterjack_plugin_call_seconds_bucket{{{labels}}} {count}\n")
        };
        let buckets = [("0.000001", 100), ("0.000002", 500), ("0.000005", 900), ("+Inf", 1000)];
        let of = |plugin| buckets.map(|(le, count)| bucket(plugin, le, count)).concat();
        let metrics = bucket("slash", "0.000001", 7) + &of("word-filter");
        let figures = json!({"sent": 5000, "server": {"cpu_seconds": 0.5}});
        assert!((filter_share(&figures, &metrics).unwrap() - 0.02).abs() < 1e-9);
        assert_eq!(filter_share(&figures, ""), None);
        assert_eq!(filter_share(&figures, &bucket("word-filter", "+Inf", 0)), None);
    }
}
