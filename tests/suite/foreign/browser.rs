//! The dialects in headless Chromium, from a page of another origin.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Child;

use super::{STORIES, python};
use crate::harness::{Browser, INSTALLED, Setup, first_line, root};

#[tokio::test]
async fn browser_page_works_with_every_dialect() {
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
async fn page_of_a_disallowed_origin_cannot_connect() {
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
