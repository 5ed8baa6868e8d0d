//! One server under one load.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::command::output;

use super::contender::Contender;
use super::ground::Ground;
use super::results::Sample;
use super::server::Server;
use super::workloads::Run;

pub(crate) fn measure(ground: &Ground, run: &Run, seconds: u32) -> Result<Sample> {
    if run.contender == Contender::OneRow {
        return one_row(ground, seconds);
    }
    let server = run.contender.start(ground)?;
    let mut bench = ground.on_load_core(&ground.natterjack);
    bench.arg("bench").args(run.load.split_whitespace());
    if run.contender != Contender::Natterjack {
        bench.args(["--speech", run.contender.speech()]);
    }
    bench.args(["--json", "--time", &format!("{seconds}s"), "--url", &server.url, "--pid", &server.id().to_string()]);
    // What went wrong is in the figures, too.
    let said = bench.output().context("`natterjack bench` cannot be started")?;
    let text = String::from_utf8_lossy(&said.stdout);
    let Ok(figures) = serde_json::from_str::<Value>(&text) else {
        bail!("natterjack bench: {}", String::from_utf8_lossy(&said.stderr).trim());
    };
    let mut sample = Sample::read(&figures);
    if run.contender == Contender::Natterjack {
        sample.filter_share = filter_share(&figures, &metrics(&server)?);
    }
    Ok(sample)
}

fn one_row(ground: &Ground, seconds: u32) -> Result<Sample> {
    let database = tempfile::tempdir_in(&ground.folder).context("cannot make a folder")?;
    let mut python: Command = ground.on_server_core("python3");
    python.arg(ground.folder.join("one_row.py")).arg(database.path().join("rows.db")).arg(seconds.to_string());
    let rows = output(&mut python)?.trim().parse().context("one_row.py tells no number")?;
    Ok(Sample { posts_per_second: Some(rows), ..Sample::default() })
}

fn metrics(server: &Server) -> Result<String> {
    let mut socket = TcpStream::connect(&server.url)?;
    write!(socket, "GET /metrics HTTP/1.0\r\nHost: {}\r\n\r\n", server.url)?;
    let mut text = String::new();
    socket.read_to_string(&mut text).context("the server's metrics cannot be read")?;
    Ok(text)
}

/// The word filter's part of the CPU time: its time for a message, for each message that was sent.
fn filter_share(figures: &Value, metrics: &str) -> Option<f64> {
    let of = |what: &str| {
        let name = format!("natterjack_plugin_call_seconds_{what}{{");
        let line = metrics.lines().find(|line| {
            line.starts_with(&name)
                && line.contains("plugin=\"word-filter\"")
                && line.contains("hook=\"message-filter\"")
        })?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    let each = of("sum")? / of("count").filter(|count| *count > 0.0)?;
    let cpu = figures["server"]["cpu_seconds"].as_f64().filter(|cpu| *cpu > 0.0)?;
    Some(each * figures["sent"].as_f64()? / cpu)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_filter_s_share_is_its_time_for_each_message_of_the_cpu_time() {
        let metrics = "natterjack_plugin_call_seconds_sum{plugin=\"slash\",hook=\"commands\"} 9\n\
            natterjack_plugin_call_seconds_sum{plugin=\"word-filter\",hook=\"message-filter\"} 0.002\n\
            natterjack_plugin_call_seconds_count{plugin=\"word-filter\",hook=\"message-filter\"} 1000\n";
        let figures = json!({"sent": 5000, "server": {"cpu_seconds": 0.5}});
        assert!((filter_share(&figures, metrics).unwrap() - 0.02).abs() < 1e-9);
        assert_eq!(filter_share(&figures, ""), None);
    }
}
