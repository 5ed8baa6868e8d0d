//! A page in headless Chromium, from another origin than the server's.

use std::path::Path;
use std::process::Stdio;

use fantoccini::wd::{Capabilities, TimeoutConfiguration};
use fantoccini::{Client, ClientBuilder};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{INSTALLED, STORIES, python, root};
use crate::harness::{PATIENCE, Setup};

#[tokio::test]
async fn a_page_in_a_browser_gets_what_each_page_promises() {
    let page = Page::serve().await;
    let server = Setup::new().variable("CORS_ORIGIN", &page.origin).start().await;
    let browser = Browser::start().await;
    browser.client.goto(&format!("{}/page.html", page.origin)).await.unwrap();
    for story in STORIES {
        // What a script gives as a promise is waited for.
        let tell = "return window.tell(arguments[0], arguments[1])";
        let told = browser.client.execute(tell, vec![json!(server.url("")), json!(story)]).await.unwrap();
        assert_eq!(told, "as its page says", "{story}: {}", told.as_str().unwrap_or_default());
    }
    browser.end().await;
}

#[tokio::test]
async fn a_page_from_an_origin_that_is_not_allowed_gets_no_connection() {
    let page = Page::serve().await;
    let server = Setup::new().variable("CORS_ORIGIN", "https://elsewhere.example").start().await;
    let browser = Browser::start().await;
    browser.client.goto(&format!("{}/page.html", page.origin)).await.unwrap();
    let tell = "return window.tell(arguments[0], arguments[1])";
    let told = browser.client.execute(tell, vec![json!(server.url("")), json!("rooms")]).await.unwrap();
    assert!(told.as_str().unwrap().contains("no connection to /"), "{told}");
    browser.end().await;
}

/// The page and its scripts, on a server of their own.
struct Page {
    origin: String,
    _server: Child,
    _folder: TempDir,
}

impl Page {
    async fn serve() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = root().join("tests/foreign");
        std::fs::create_dir(folder.path().join("stories")).unwrap();
        let copy = |from: &Path, name: &str| std::fs::copy(from, folder.path().join(name)).unwrap();
        for name in ["page.html", "browser.mjs", "talk.mjs"] {
            copy(&from.join(name), name);
        }
        for story in STORIES {
            let name = format!("stories/{story}.mjs");
            copy(&from.join(&name), &name);
        }
        copy(&INSTALLED.join("node_modules/socket.io-client/dist/socket.io.esm.min.js"), "socket.io.mjs");

        let directory = folder.path().to_str().unwrap();
        let mut server = python(&["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", directory]);
        let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let line = first_line(server.stdout.take().unwrap(), "Serving HTTP").await;
        let port = line.split("port ").nth(1).unwrap().split(' ').next().unwrap();
        Self { origin: format!("http://127.0.0.1:{port}"), _server: server, _folder: folder }
    }
}

/// A headless Chromium with a profile of its own.
struct Browser {
    client: Client,
    _driver: Child,
    _profile: TempDir,
}

impl Browser {
    async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver");
        let mut driver = driver.arg("--port=0").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let line = first_line(driver.stdout.take().unwrap(), "started successfully on port").await;
        let port = line.rsplit(' ').next().unwrap().trim_end_matches('.');
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
        let client = builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await.unwrap();
        let patience = TimeoutConfiguration::new(Some(10 * PATIENCE), Some(PATIENCE), None);
        client.update_timeouts(patience).await.unwrap();
        Self { client, _driver: driver, _profile: profile }
    }

    /// Closes the browser; its driver goes with the test.
    async fn end(self) {
        self.client.close().await.unwrap();
    }
}

/// Waits for the line that says where a program listens. Nothing that it says later is missed by anybody.
async fn first_line(output: impl AsyncRead + Unpin + Send + 'static, text: &str) -> String {
    let mut lines = BufReader::new(output).lines();
    let found = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
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
