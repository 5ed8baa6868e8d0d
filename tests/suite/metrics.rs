//! `/metrics`, read by Prometheus's own parser, and its use in `deploy/`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use regex::Regex;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::foreign::python;
use crate::harness::{PATIENCE, Plugin, Server, Setup, SocketIo};

async fn figures(server: &Server) -> String {
    let answer = server.fetch("/metrics").await;
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.unwrap()
}

/// The value of a series, which is 0 if there is none.
fn value(text: &str, series: &str) -> f64 {
    let of = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(of).unwrap_or(0.0)
}

/// A server on which every kind of event has happened.
async fn busy() -> Server {
    let setup = Setup::new().variable("NATTERJACK__LIMITS__ATTEMPTS_BURST", "3");
    setup.install(Plugin::Hostile, "hostile.wasm");
    let server = setup.start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    for n in 0..3 {
        ann.post("lobby", &n.to_string()).await.unwrap();
    }
    for _ in 0..4 {
        server.post("/api/auth/login", None, &json!({"username": "ann", "password": "wrong"})).await;
    }
    let mut silent = server.connect().await;
    silent.send_text("nonsense").await;
    server.get("/api/rooms/nowhere/messages", None).await;
    server.fetch("/no/such/page").await;
    server
}

#[tokio::test]
async fn prometheus_and_promtool_accept_the_metrics() {
    let server = busy().await;
    let text = figures(&server).await;
    let mut lint = python(&["figures.py"]);
    let mut lint = lint.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    lint.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = tokio::time::timeout(PATIENCE, lint.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}\n{text}");
}

#[tokio::test]
async fn plugin_has_series_only_for_its_exported_hooks() {
    let server = Server::start().await;
    let text = figures(&server).await;
    let of_filter = |hook: &str| {
        let label = format!("hook=\"{hook}\"");
        text.lines().any(|line| line.contains("plugin=\"word-filter\"") && line.contains(&label))
    };
    assert!(of_filter("message-filter"), "{text}");
    for hook in ["commands", "room-guard", "observer", "timer"] {
        assert!(!of_filter(hook), "{hook} in {text}");
    }
}

#[tokio::test]
async fn events_are_counted() {
    let server = Setup::new().start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let _silent = server.connect().await;
    let _asking = SocketIo::connect(server.address(), &json!({})).await.unwrap();
    for n in 0..3 {
        ann.post("lobby", &n.to_string()).await.unwrap();
    }
    server.get("/api/rooms/0190d5f0-0000-7000-8000-000000000000/messages", None).await;
    let mut wrong = server.guest("tom").await;
    for _ in 0..2 {
        wrong.call("nonsense", json!({})).await.unwrap_err();
    }
    let mut first = Setup::bare().start().await;
    assert_eq!(value(&figures(&first).await, "natterjack_messages_total"), 0.0, "each server counts its own");
    first.stop().await;
    let text = figures(&server).await;
    for (series, least) in [
        ("natterjack_connections{dialect=\"native\"}", 2.0),
        ("natterjack_connections{dialect=\"none\"}", 1.0),
        ("natterjack_messages_total", 3.0),
        ("natterjack_writer_commit_seconds_count", 1.0),
        ("natterjack_writer_batch_jobs_sum", 3.0),
        ("natterjack_delivery_seconds_count", 3.0),
        ("natterjack_http_requests_total{method=\"POST\",route=\"/api/auth/signup\",status=\"2xx\"}", 1.0),
        ("natterjack_http_requests_total{method=\"GET\",route=\"/ws/native\",status=\"1xx\"}", 3.0),
        ("natterjack_http_requests_total{method=\"GET\",route=\"/api/rooms/{room}/messages\",status=\"4xx\"}", 1.0),
        ("natterjack_http_request_seconds_count{route=\"/api/auth/signup\"}", 1.0),
        ("natterjack_build_info{version=\"0.1.0\"}", 1.0),
        ("process_open_fds", 5.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_start_time_seconds", 1.7e9),
    ] {
        let counted = value(&text, series);
        assert!(counted >= least, "{series} is {counted}, at least {least} was wanted:\n{text}");
    }
}

#[tokio::test]
async fn closes_and_throttled_attempts_are_counted_by_kind() {
    let server = busy().await;
    let mut silent = server.connect().await;
    silent.send_text("{}").await;
    let url = format!("ws://{}/ws", server.address());
    let mut lost = crate::harness::Client::open(&url).await;
    lost.send_text("[]").await;
    assert_eq!(lost.expect_close().await, 4500);
    // Counted once the connection has ended.
    drop(lost);
    let mut tries = 0..1000;
    while value(&figures(&server).await, "natterjack_connections_closed_total{code=\"4500\"}") < 1.0 {
        tries.next().expect("the close is counted");
    }
    assert!(value(&figures(&server).await, "natterjack_throttled_total{what=\"attempt\"}") >= 1.0);
}

#[tokio::test]
async fn request_paths_do_not_create_labels() {
    let server = Setup::bare().start().await;
    let count = |text: &str| text.lines().filter(|line| line.starts_with("natterjack_http_requests_total{")).count();
    server.fetch("/nowhere/0").await;
    server.get("/api/users/0", None).await;
    let before = count(&figures(&server).await);
    for n in 1..30 {
        server.fetch(&format!("/nowhere/{n}")).await;
        server.send("BREW", &format!("/nowhere/{n}"), None, &json!({})).await;
        server.get(&format!("/media/{n}"), None).await;
    }
    // The first scrape itself, another method, and the route of files.
    let after = count(&figures(&server).await);
    assert!(after <= before + 3, "{before} series became {after}");
}

#[tokio::test]
async fn metrics_can_have_their_own_listener_and_token() {
    let token = "0123456789abcdef-of-prometheus";
    let mut server = Setup::bare()
        .variable("NATTERJACK__METRICS__LISTEN", "127.0.0.1:0")
        .variable("NATTERJACK__METRICS__TOKEN", token)
        .start()
        .await;
    let line = server.expect_output("/metrics").await;
    let own = line.split("http://").nth(1).unwrap().trim().to_owned();
    assert_eq!(server.fetch("/metrics").await.status(), 404, "not where everybody is");
    let document = server.get("/api/openapi.json", None).await.1;
    assert!(document["paths"]["/metrics"].is_null());
    let client = reqwest::Client::new();
    let ask = async |token: &str| client.get(format!("http://{own}")).bearer_auth(token).send().await.unwrap();
    assert_eq!(ask("wrong").await.status(), 401);
    let answer = ask(token).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("natterjack_build_info"));
    let other = own.replace("/metrics", "/api/rooms");
    assert_eq!(client.get(format!("http://{other}")).send().await.unwrap().status(), 404, "nothing else there");
}

fn deploy(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)).unwrap()
}

#[tokio::test]
async fn dashboard_and_alerts_use_existing_metrics() {
    let server = busy().await;
    let text = figures(&server).await;
    let known: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let described = include_str!("../../host/src/metrics/names.rs");
    let names = Regex::new(r"\b(natterjack|process)_[a-z_]+").unwrap();
    for file in ["grafana.json", "alerts.yaml"] {
        let content = deploy(file);
        let mut found = 0;
        for name in names.find_iter(&content).map(|found| found.as_str()) {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            // Some only appear once they happen, which is nothing to wait for here.
            let told = known.contains(family) || described.contains(&format!("\"{family}\""));
            assert!(told, "{file} speaks of {name}, and there is no such figure");
            found += 1;
        }
        assert!(found > 5, "{file} speaks of hardly any");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&deploy("grafana.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}

#[test]
fn operators_page_lists_every_metric() {
    let page = include_str!("../../docs/operate.md");
    let names = Regex::new(r#": &str =\s+"([a-z_]+)""#).unwrap();
    let mut found = 0;
    for name in names.captures_iter(include_str!("../../host/src/metrics/names.rs")) {
        assert!(page.contains(&format!("| `{}` |", &name[1])), "{} is not in docs/operate.md", &name[1]);
        found += 1;
    }
    assert!(found > 20);
}
