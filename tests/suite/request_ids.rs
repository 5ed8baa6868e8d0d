//! Request ids connect a request with its log lines.

use serde_json::{Value, json};

use crate::harness::{Server, Setup};

const ID: &str = "0190d5f0-1234-7000-8000-00000000abcd";

async fn start(level: &str) -> Server {
    Setup::new()
        .replace("level = \"info\"", &format!("level = \"{level}\""))
        .replace("format = \"text\"", "format = \"json\"")
        .start()
        .await
}

/// The first log line that matches.
async fn line(server: &mut Server, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
    server.expect_after(0, what, |line| parse(line).is_some_and(|line| wanted(&line))).await;
    server.find_output(|line| parse(line).filter(|line| wanted(line))).expect("it was there")
}

fn in_span(line: &Value, span: &str, field: &str, value: &str) -> bool {
    line["spans"].as_array().is_some_and(|spans| spans.iter().any(|one| one["name"] == span && one[field] == value))
}

#[tokio::test]
async fn request_keeps_its_id_or_gets_a_new_one() {
    let server = Setup::bare().start().await;
    let client = reqwest::Client::new();
    let ask = async |id: Option<&str>| {
        let mut request = client.get(server.url("/healthz"));
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask(Some(ID)).await, ID);
    // As nginx writes it.
    assert_eq!(ask(Some(&ID.replace('-', ""))).await, ID);
    let (made, other) = (ask(None).await, ask(Some("an id, or so")).await);
    assert!(made.parse::<uuid::Uuid>().is_ok() && other.parse::<uuid::Uuid>().is_ok() && made != other);
}

#[tokio::test]
async fn rest_request_id_is_on_log_lines_of_hooks_and_queries() {
    let mut server = start("info,natterjack=debug,sqlx=debug").await;
    let ann = server.sign_up("ann").await;
    let request = reqwest::Client::new().post(server.url("/api/rooms")).bearer_auth(&ann.token);
    let answer =
        request.header("x-request-id", ID).json(&json!({"name": "pond", "visibility": "public"})).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    let of_request = |line: &Value| in_span(line, "request", "request", ID);
    let answered =
        line(&mut server, "the answer", |line| of_request(line) && line["message"] == "request answered").await;
    for field in ["timestamp", "level", "target", "message"] {
        assert!(answered[field].is_string(), "{field}: {answered}");
    }
    assert_eq!(answered["spans"][0]["route"], "/api/rooms");
    line(&mut server, "a query", |line| of_request(line) && line["target"] == "sqlx::query").await;
    // What the writer makes of it, in one transaction with what others want.
    line(&mut server, "what was stored", |line| of_request(line) && line["message"] == "stored").await;
}

#[tokio::test]
async fn frame_id_is_on_log_lines_of_queries() {
    let mut server = start("info,natterjack=debug,sqlx=debug").await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let query = line(&mut server, "a query of a frame", |line| {
        in_span(line, "frame", "dialect", "native") && line["target"] == "sqlx::query"
    })
    .await;
    let id = query["spans"][0]["request"].as_str().unwrap();
    assert!(id.parse::<uuid::Uuid>().is_ok(), "{query}");
    ann.post("lobby", "hello").await.unwrap();
    let stored = line(&mut server, "what was stored", |line| line["message"] == "stored" && line["seq"].is_u64()).await;
    let id = stored["spans"][0]["request"].as_str().unwrap();
    assert!(id.parse::<uuid::Uuid>().is_ok(), "{stored}");
}
