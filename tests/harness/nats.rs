//! A private NATS for a cluster: Debian's nats-server on a free port.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use super::PATIENCE;

/// A running nats-server, which is killed when this is dropped.
pub(crate) struct Nats {
    child: Child,
    address: String,
}

impl Nats {
    pub(crate) async fn start() -> Self {
        // With port -1 it chooses a free port and prints it.
        Self::listen("-1").await.unwrap_or_else(|output| panic!("nats-server does not start; its output:\n{output}"))
    }

    /// For `cluster.nats`.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Kills it, which cuts off all clients.
    pub(crate) async fn stop(&mut self) {
        self.child.kill().await.expect("nats-server ends");
    }

    /// Starts it again on the same port.
    pub(crate) async fn start_again(&mut self) {
        let port = self.address.rsplit(':').next().expect("a port").to_owned();
        let mut output = String::new();
        // Another connection of this machine may use the port for a moment.
        for _ in 0..100 {
            match Self::listen(&port).await {
                Ok(started) => return *self = started,
                Err(why) => output = why,
            }
        }
        panic!("nats-server does not start again; its output:\n{output}");
    }

    /// Starts nats-server and waits until it accepts connections; the error is its output.
    async fn listen(port: &str) -> Result<Self, String> {
        // Debian installs it outside of users' PATH.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", port])
            .env("PATH", path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the tests of clusters need nats-server, which `cargo xtask test` installs");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = timeout(PATIENCE, ready(&mut lines)).await.expect("nats-server says something")?;
        // Reads on, so that a full pipe does not block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, address })
    }
}

async fn ready(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<String, String> {
    let (mut address, mut output) = (None, String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, listening)) = line.split_once("Listening for client connections on ") {
            address = Some(listening.trim().to_owned());
        }
        output.push_str(&line);
        output.push('\n');
        if line.contains("Server is ready") {
            return address.ok_or(output);
        }
    }
    Err(output)
}
