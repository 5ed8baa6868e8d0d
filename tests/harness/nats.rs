//! A private NATS, as a cluster's nodes share one: a Debian nats-server on a port of its own choice.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use super::PATIENCE;

/// It ends when this is dropped.
pub(crate) struct Nats {
    child: Child,
    address: String,
}

impl Nats {
    pub(crate) async fn start() -> Self {
        // It chooses a port that is free and says which.
        Self::listen("-1").await.unwrap_or_else(|said| panic!("nats-server does not start; it said:\n{said}"))
    }

    /// For `cluster.nats`.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Ends it without warning: whoever is connected is cut off.
    pub(crate) async fn stop(&mut self) {
        self.child.kill().await.expect("nats-server ends");
    }

    /// Starts it again where its clients look for it.
    pub(crate) async fn start_again(&mut self) {
        let port = self.address.rsplit(':').next().expect("a port").to_owned();
        let mut said = String::new();
        // Any connection of this machine may have been given the port meanwhile, and lets go of it again.
        for _ in 0..100 {
            match Self::listen(&port).await {
                Ok(started) => return *self = started,
                Err(why) => said = why,
            }
        }
        panic!("nats-server does not start again; it said:\n{said}");
    }

    /// Waits until it takes connections, or gives what it said when it ended.
    async fn listen(port: &str) -> Result<Self, String> {
        // Debian keeps it where only administrators look.
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
        // It must not be held up by a pipe that nobody reads.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, address })
    }
}

async fn ready(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<String, String> {
    let (mut address, mut said) = (None, String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, listening)) = line.split_once("Listening for client connections on ") {
            address = Some(listening.trim().to_owned());
        }
        said.push_str(&line);
        said.push('\n');
        if line.contains("Server is ready") {
            return address.ok_or(said);
        }
    }
    Err(said)
}
