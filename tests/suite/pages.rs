//! The embedded web pages and the client module.

mod accessible;
mod chat;
mod console;
mod dialogs;
mod visitor;

use std::collections::BTreeSet;

use reqwest::header;
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{INSTALLED, PATIENCE, Server, Setup, natterjack, root};

#[tokio::test]
async fn root_page_allows_only_own_scripts() {
    let server = Server::start().await;
    let page = server.fetch("/").await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    for rule in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");

    // What has not changed is not sent again.
    let tag = page.headers()[header::ETAG].clone();
    let again = |tags: String| reqwest::Client::new().get(server.url("/")).header(header::IF_NONE_MATCH, tags).send();
    let tag = tag.to_str().unwrap();
    for known in [tag.to_owned(), format!("\"other\", {tag}")] {
        let answer = again(known).await.unwrap();
        assert_eq!(answer.status(), 304);
        assert_eq!(answer.headers()[header::ETAG], tag);
        assert_eq!(answer.bytes().await.unwrap(), "");
    }
    assert_eq!(again("\"other\"".to_owned()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn pages_reference_only_existing_files() {
    let server = Server::start().await;
    let named = regex::Regex::new(r#"(?:src|href|from)(?:=| )"((?:/web/|\./)[^"]+)""#).unwrap();
    let (mut seen, mut next) = (BTreeSet::new(), vec!["/".to_owned(), "/admin".to_owned()]);
    while let Some(path) = next.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let file = server.fetch(&path).await;
        assert_eq!(file.status(), 200, "{path}");
        let kind = file.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let wanted = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(kind, wanted, "{path}");
        let text = file.text().await.unwrap();
        let folder = path.rsplit_once('/').unwrap().0;
        next.extend(named.captures_iter(&text).map(|found| match found[1].strip_prefix("./") {
            Some(beside) => format!("{folder}/{beside}"),
            None => found[1].to_owned(),
        }));
    }
    assert!(seen.len() > 30 && seen.contains("/web/client/index.js"), "{seen:?}");
    for outside in
        ["/web/", "/web/chat", "/web/nothing.js", "/web/..%2fCargo.toml", "/web/chat/%2e%2e/%2e%2e/Cargo.toml"]
    {
        assert_eq!(server.fetch(outside).await.status(), 404, "{outside}");
    }
}

#[test]
fn page_modules_do_not_turn_text_into_markup_or_code() {
    let ways = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "new Function"];
    let mut folders = vec![root().join("host/web"), root().join("client/src")];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("vendor") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "js") {
                let text = std::fs::read_to_string(&path).unwrap();
                looked_at += 1;
                for way in ways {
                    assert!(!text.contains(way), "{} has {way}", path.display());
                }
            }
        }
    }
    assert!(looked_at > 30);
}

#[tokio::test]
async fn vendored_files_match_their_published_hashes() {
    let package = INSTALLED.join("node_modules/htm");
    for (ours, theirs) in [("preact.js", "preact/standalone.module.js"), ("LICENSE", "LICENSE")] {
        let ours = std::fs::read(root().join("host/web/vendor/htm").join(ours)).unwrap();
        assert_eq!(ours, std::fs::read(package.join(theirs)).unwrap(), "{theirs} was edited by hand");
    }
}

#[tokio::test]
async fn server_route_is_public() {
    let server = Setup::new().replace("guests = true", "guests = false").start().await;
    let (status, told) = server.get("/api/server", None).await;
    assert_eq!(status, 200);
    let limits = json!({"password_chars": 1, "message_chars": 4000, "media_bytes": 10_485_760});
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(told, json!({"name": "Natterjack", "version": version, "guests": false, "limits": limits}));
}

#[tokio::test]
async fn client_module_passes_its_tests() {
    node_tests("client", "test/client.test.js").await;
}

#[tokio::test]
async fn chat_page_parts_pass_their_node_tests() {
    node_tests("tests/suite/pages", "parts.test.mjs").await;
}

/// Runs tests that are written in JavaScript.
async fn node_tests(folder: &str, file: &str) {
    let mut tests = Command::new("node");
    tests.args(["--test", file]).current_dir(root().join(folder)).kill_on_drop(true);
    // Before version 22 Node.js has no WebSocket of its own.
    tests.env("NATTERJACK", natterjack()).env("NODE_PATH", INSTALLED.join("node_modules"));
    let output = timeout(10 * PATIENCE, tests.output()).await.expect("the tests come to an end").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
