//! `cargo xtask bench --cluster`: one node, the same as a cluster of one, and three nodes, under the same load.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use xtask::postgres::Postgres;
use xtask::tools;

use super::peers::{Machine, Sample, Server, Testbed};
use crate::workspace::Workspace;

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The compared setups.
const SETUPS: [Setup; 3] = [
    Setup { name: "one node", nodes: 1, nats: false },
    Setup { name: "one, NATS on", nodes: 1, nats: true },
    Setup { name: "three nodes", nodes: 3, nats: true },
];

/// The loads: their titles and the arguments of `natterjack bench`.
const LOADS: [(&str, &str); 6] = [
    ("one room of 10, 200 posts/s", "fanout --clients 10 --rate 200"),
    ("one room of 100, 100 posts/s", "fanout --clients 100 --rate 100"),
    ("one room of 500, 20 posts/s", "fanout --clients 500 --rate 20"),
    ("20 rooms of 10, 400 posts/s", "rooms --rooms 20 --members 10 --rate 400"),
    ("200 rooms of 10, 400 posts/s", "rooms --rooms 200 --members 10 --rate 400"),
    ("one room of 100, 16 in flight", "fanout --clients 100 --in-flight 16"),
];

struct Setup {
    name: &'static str,
    nodes: usize,
    nats: bool,
}

pub(crate) fn run(workspace: &Workspace, server: Option<&Path>, rounds: u32, seconds: u32, out: &Path) -> Result<()> {
    tools::install()?;
    let testbed = Testbed::prepare(workspace, server, &[])?;
    let machine = Machine::look(&testbed)?;
    let mut samples: BTreeMap<(usize, usize), Vec<Sample>> = BTreeMap::new();
    for round in 1..=rounds {
        for (l, (load, args)) in LOADS.iter().enumerate() {
            for (s, setup) in SETUPS.iter().enumerate() {
                let sample =
                    measure(&testbed, setup, args, seconds).with_context(|| format!("{load}, {}", setup.name))?;
                println!("round {round}  {load:<30} {:<14} {}", setup.name, sample.line());
                samples.entry((l, s)).or_default().push(sample);
            }
        }
    }
    let file = out.join("cluster.md");
    fs::write(&file, table(&machine, rounds, seconds, &samples))
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("written: {}", file.display());
    Ok(())
}

fn measure(testbed: &Testbed, setup: &Setup, load: &str, seconds: u32) -> Result<Sample> {
    // A fresh database each time.
    let postgres = Postgres::start()?;
    let nats = if setup.nats { Some(Nats::start(&testbed.folder)?) } else { None };
    let folder = tempfile::tempdir_in(&testbed.folder).context("cannot create a folder")?;
    let nodes = (0..setup.nodes)
        .map(|n| node(testbed, &folder, n, &postgres.url(), nats.as_ref().map(|nats| &*nats.url)))
        .collect::<Result<Vec<Server>>>()?;
    let join = |what: &dyn Fn(&Server) -> String| nodes.iter().map(what).collect::<Vec<_>>().join(",");
    let mut bench = testbed.on_load_core(&testbed.natterjack);
    bench.arg("bench").args(load.split_whitespace()).args(["--json", "--time", &format!("{seconds}s")]);
    bench.args(["--url", &join(&|node| node.url.clone()), "--pid", &join(&|node| node.id().to_string())]);
    let result = bench.output().context("`natterjack bench` cannot be started")?;
    let Ok(figures) = serde_json::from_slice::<Value>(&result.stdout) else {
        bail!("natterjack bench: {}", String::from_utf8_lossy(&result.stderr).trim());
    };
    Ok(Sample::read(&figures))
}

fn node(testbed: &Testbed, folder: &TempDir, n: usize, database: &str, nats: Option<&str>) -> Result<Server> {
    let mut command = testbed.natterjack_at(&folder.path().join(format!("node-{n}")));
    command.env("DATABASE_URL", database);
    command.envs(nats.map(|url| ("NATTERJACK__CLUSTER__NATS", url)));
    Server::start(&mut command, &testbed.folder.join(format!("node-{n}.log")))
}

/// A private NATS server.
struct Nats {
    child: Child,
    url: String,
}

impl Nats {
    fn start(folder: &Path) -> Result<Self> {
        let ports = tempfile::tempdir_in(folder).context("cannot create a folder")?;
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut nats = Command::new("nats-server");
        nats.args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"]).arg(ports.path()).env("PATH", path);
        let child =
            nats.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("nats-server cannot be started")?;
        // From here on it is stopped on any error.
        let mut nats = Self { child, url: String::new() };
        let file = ports.path().join(format!("nats-server_{}.ports", nats.child.id()));
        let began = Instant::now();
        while nats.url.is_empty() {
            if began.elapsed() > START_TIMEOUT || nats.child.try_wait()?.is_some() {
                bail!("nats-server did not report its port");
            }
            #[expect(clippy::disallowed_methods, reason = "nothing else goes on in this thread")]
            std::thread::sleep(Duration::from_millis(20));
            nats.url = read_port(&file).unwrap_or_default();
        }
        Ok(nats)
    }
}

fn read_port(file: &Path) -> Option<String> {
    let ports: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    ports["nats"][0].as_str().map(str::to_owned)
}

impl Drop for Nats {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn table(machine: &Machine, rounds: u32, seconds: u32, samples: &BTreeMap<(usize, usize), Vec<Sample>>) -> String {
    let mut text = String::from(
        "# One node, and several\n\nWritten by `cargo xtask bench --cluster`. CPU is that of all nodes together, for each message that arrived at a \
         client, without PostgreSQL's (whose commits wait for no disk here) and NATS's; latency is from when a message was due until it arrived. All nodes share one core, \
         so that three of them are no faster than one: what shows is what it costs to be several.\n\n",
    );
    let head: String = SETUPS.iter().map(|setup| format!(" {}: µs | p50 ms | p99 ms |", setup.name)).collect();
    let rule = " ---: | ---: | ---: |".repeat(SETUPS.len());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| load |{head} faults |\n| --- |{rule} ---: |");
    for (l, (load, _)) in LOADS.iter().enumerate() {
        let mut faults = 0.0;
        let mut row = format!("| {load} |");
        for s in 0..SETUPS.len() {
            let of = samples.get(&(l, s)).map_or(&[][..], Vec::as_slice);
            for figure in [|one: &Sample| one.cpu_us, |one: &Sample| one.p50_ms, |one: &Sample| one.p99_ms] {
                let _ = write!(row, " {} |", median(of.iter().filter_map(figure).collect()));
            }
            faults += of.iter().filter_map(|one| one.faults).sum::<f64>();
        }
        let _ = writeln!(text, "{row} {faults} |");
    }
    let Machine { date, cpu, kernel, versions } = machine;
    let versions: Vec<String> =
        ["natterjack", "rustc"].iter().filter_map(|name| Some(format!("{name} {}", versions.get(*name)?))).collect();
    let versions = versions.join(", ");
    let _ = writeln!(text, "\nMedians of {rounds} rounds of {seconds} s. {date}, {cpu}, {kernel}; {versions}");
    text
}

fn median(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}
