//! A browser that tests drive.

use std::process::Stdio;
use std::str::FromStr;

use fantoccini::wd::{Capabilities, TimeoutConfiguration, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
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
    _driver: Child,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let profile = tempfile::tempdir().expect("it is driven");
        let mut driver = Command::new("chromedriver");
        let mut driver =
            driver.arg("--port=0").stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it is driven");
        let line = first_line(driver.stdout.take().expect("it is driven"), "started successfully on port").await;
        let port = line.rsplit(' ').next().expect("it is driven").trim_end_matches('.');
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
            .expect("it is driven");
        let patience = TimeoutConfiguration::new(Some(10 * PATIENCE), Some(PATIENCE), None);
        client.update_timeouts(patience).await.expect("it is driven");
        Self { client, _driver: driver, _profile: profile }
    }

    /// How large the page is, and whether its user likes it dark.
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

    /// Keeps what is seen, for people to look at.
    pub(crate) async fn screenshot(&self, name: &str) {
        let folder = natterjack().ancestors().nth(2).expect("the target folder").join("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for screenshots");
        let picture = self.client.screenshot().await.expect("a screenshot");
        std::fs::write(folder.join(name).with_extension("png"), picture).expect("the screenshot is written");
    }

    /// Closes the browser; its driver goes with the test.
    pub(crate) async fn end(self) {
        self.client.close().await.expect("it is driven");
    }
}

/// A command of Chromium's own, which WebDriver does not have.
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

/// Waits for the line that says where a program listens. Nothing that it says later is missed by anybody.
pub(crate) async fn first_line(output: impl AsyncRead + Unpin + Send + 'static, text: &str) -> String {
    let mut lines = BufReader::new(output).lines();
    let found = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.expect("it is driven") {
            if line.contains(text) {
                return line;
            }
        }
        panic!("the program ended without `{text}`");
    });
    let line = found.await.unwrap_or_else(|_| panic!("the program never said `{text}`"));
    // Read on, so that it never writes to nobody.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    line
}
