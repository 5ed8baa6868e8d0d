//! A headless browser, driven by WebDriver.

use std::process::Stdio;
use std::str::FromStr;

use fantoccini::wd::{Capabilities, TimeoutConfiguration, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{PATIENCE, natterjack};

/// A headless Chromium with a profile of its own.
pub(crate) struct Browser {
    pub(crate) client: Client,
    /// The id of Chromium's process, until it is closed.
    process: Option<i32>,
    _driver: Child,
    _profile: TempDir,
}

impl Drop for Browser {
    /// Kills the browser of a failed test: its driver cannot end it any more.
    fn drop(&mut self) {
        if let Some(process) = self.process {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    }
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut driver = Command::new("chromedriver");
        let mut driver =
            driver.arg("--port=0").stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("chromedriver runs");
        let line = first_line(driver.stdout.take().expect("piped"), "started successfully on port").await;
        let port = line.rsplit(' ').next().expect("a port").trim_end_matches('.');
        let profile_flag = format!("--user-data-dir={}", profile.path().display());
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile_flag,
        ];
        let capabilities: Capabilities =
            [("goog:chromeOptions".to_owned(), json!({"args": flags}))].into_iter().collect();
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let client = builder
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the browser does as it is told");
        let patience = TimeoutConfiguration::new(Some(10 * PATIENCE), Some(PATIENCE), None);
        client.update_timeouts(patience).await.expect("the browser does as it is told");
        let process = client.capabilities().and_then(|all| all.get("goog:processID")?.as_i64());
        let process = process.and_then(|id| i32::try_from(id).ok());
        Self { client, process, _driver: driver, _profile: profile }
    }

    /// Sets the size of the page and the preferred colour scheme.
    pub(crate) async fn look(&self, width: u32, height: u32, dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    async fn devtools(&self, command: &'static str, params: Value) {
        self.client.issue_cmd(Devtools { command, params }).await.expect("Chromium does it");
    }

    /// Saves a screenshot, for people to look at.
    pub(crate) async fn screenshot(&self, name: &str) {
        let folder = natterjack().ancestors().nth(2).expect("the target folder").join("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for screenshots");
        let picture = self.client.screenshot().await.expect("a screenshot");
        std::fs::write(folder.join(name).with_extension("png"), picture).expect("the screenshot is written");
    }

    /// Closes the browser; its driver goes with the test.
    pub(crate) async fn end(mut self) {
        self.process = None;
        self.client.clone().close().await.expect("the browser does as it is told");
    }
}

/// A command of the Chrome DevTools Protocol.
#[derive(Debug)]
struct Devtools {
    command: &'static str,
    params: Value,
}

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({"cmd": self.command, "params": self.params}).to_string()))
    }
}

/// Waits for a line of a program's output that contains this text; later output is discarded.
pub(crate) async fn first_line(output: impl AsyncRead + Unpin + Send + 'static, text: &str) -> String {
    let mut lines = BufReader::new(output).lines();
    let found = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.expect("the browser does as it is told") {
            if line.contains(text) {
                return line;
            }
        }
        panic!("the program ended without `{text}`");
    });
    let line = found.await.unwrap_or_else(|_| panic!("the program never said `{text}`"));
    // Reads on, so that the program's pipe stays open.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    line
}
