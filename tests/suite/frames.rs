//! Invalid frames of the native protocol: each gets one clear error, and the connection stays open.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, Server, Setup};

async fn error_for(client: &mut Client, frame: &str) -> Value {
    client.send_text(frame).await;
    client.next_frame().await
}

#[tokio::test]
async fn invalid_frame_gets_one_error_and_keeps_the_connection() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    for (frame, code, names) in [
        ("{", "bad_request", "not JSON"),
        ("[]", "bad_request", "object"),
        ("7", "bad_request", "object"),
        (r#"[1,"room.get",{"room":"lobby"}]"#, "bad_request", "object"),
        (r#"{"id":1,"op":"room.get","args":["lobby"]}"#, "bad_request", "args"),
        (r#"{"id":1}"#, "bad_request", "op: is missing"),
        (r#"{"id":{},"op":"commands"}"#, "bad_request", "id: should be"),
        (r#"{"id":1,"op":"message.shout"}"#, "bad_request", "message.shout"),
        (r#"{"id":1,"op":"message.post","args":{"body":"x"}}"#, "bad_request", "room"),
        (r#"{"id":1,"op":"message.post","args":{"room":"lobby","body":5}}"#, "bad_request", "args.body"),
        (r#"{"id":1,"op":"message.post","args":7}"#, "bad_request", "args"),
        (r#"{"id":1,"op":"room.get","args":{"room":"nowhere"}}"#, "not_found", "room"),
        (r#"{"id":1,"op":"room.history","args":{"room":"lobby","limit":201}}"#, "invalid", "limit"),
        (r#"{"id":1,"op":"room.create","args":{"visibility":"public"}}"#, "invalid", "name"),
    ] {
        let answer = error_for(&mut ann, frame).await;
        assert_eq!(answer["error"]["code"], code, "{frame} → {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(names), "{frame} → {answer}");
    }
    let deep = format!(r#"{{"id":1,"op":"room.create","args":{{"name":{}{}}}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert_eq!(error_for(&mut ann, &deep).await["error"]["code"], "bad_request");
    ann.join("lobby").await;
    ann.post("lobby", "still here").await.unwrap();
}

#[tokio::test]
async fn binary_frame_without_utf_8_gets_an_error_and_keeps_the_connection() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.send_raw(Message::binary(b"hello \xFF".to_vec())).await;
    assert_eq!(ann.next_frame().await["error"]["code"], "bad_request");
    ann.join("lobby").await;
}

#[tokio::test]
async fn too_long_or_empty_message_is_refused() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    assert_eq!(ann.post("lobby", &"x".repeat(4001)).await.unwrap_err().code(), "too_large");
    assert_eq!(ann.post("lobby", "  \n ").await.unwrap_err().code(), "invalid");
    assert_eq!(ann.post("lobby", "a\u{0}b").await.unwrap_err().code(), "invalid");
    ann.post("lobby", &"é".repeat(4000)).await.unwrap();
}

#[tokio::test]
async fn frame_over_the_limit_closes_with_1009() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.send_text("x".repeat(70_000)).await;
    assert_eq!(ann.expect_close().await, 1009);
}

#[tokio::test]
async fn commands_before_connect_are_refused() {
    let server = Server::start().await;
    let mut nobody = server.connect().await;
    let failure = nobody.call("room.list", json!({})).await.unwrap_err();
    assert_eq!(failure.code(), "unauthenticated");
}

#[tokio::test]
async fn unauthenticated_connection_is_closed_with_4401() {
    let server = Setup::new().replace(r#"connect_timeout = "10s""#, r#"connect_timeout = "200ms""#).start().await;
    assert_eq!(server.connect().await.expect_close().await, 4401);
}

#[tokio::test]
async fn unknown_dialect_is_closed_with_4500() {
    let server = Server::start().await;
    let mut stranger = Client::open(&format!("ws://{}/ws", server.address())).await;
    let answer = error_for(&mut stranger, "HELO example.org").await;
    assert_eq!(answer["error"]["code"], "bad_request");
    assert_eq!(stranger.expect_close().await, 4500);
}

#[tokio::test]
async fn flooding_client_is_throttled_then_closed_with_4429() {
    let server = Setup::new()
        .replace("command_burst = 200", "command_burst = 5")
        .replace("commands_per_second = 20", "commands_per_second = 1")
        .replace("refusals_before_close = 1000", "refusals_before_close = 10")
        .start()
        .await;
    let mut ann = server.join_as("ann").await;
    for _ in 0..40 {
        ann.send("commands", json!({})).await;
    }
    let mut limited = ann.next_frame().await;
    while limited["error"].is_null() {
        limited = ann.next_frame().await;
    }
    assert_eq!(limited["error"]["code"], "rate_limited");
    assert!(limited["error"]["retry_after_ms"].as_u64().unwrap() <= 1000, "{limited}");
    assert_eq!(ann.expect_close().await, 4429);
}

#[tokio::test]
async fn frame_without_id_is_answered_only_on_failure() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    ann.send_text(r#"{"op":"message.post","args":{"room":"lobby","body":"quiet"}}"#).await;
    assert_eq!(ann.next_frame().await["event"], "message.posted");
    ann.send_text(r#"{"op":"message.post","args":{"room":"lobby","body":""}}"#).await;
    assert_eq!(ann.next_frame().await["error"]["code"], "invalid");
}

#[tokio::test]
async fn nul_in_names_is_refused() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = server.log_in(&ann).await;
    client.join("lobby").await;
    for (op, args) in [
        ("room.get", json!({"room": "\0"})),
        ("room.list", json!({"query": "a\0b"})),
        ("room.list", json!({"cursor": "\0"})),
        ("account.find", json!({"name": "ann\0"})),
        ("direct.open", json!({"account": "\0"})),
        ("search", json!({"query": "a\0"})),
        ("room.create", json!({"name": "po\0nd"})),
        ("room.create", json!({"name": "pond", "topic": "fr\0gs"})),
        ("member.kick", json!({"room": "lobby", "account": "\0"})),
    ] {
        if let Err(failure) = client.call(op, args.clone()).await {
            let codes = ["bad_request", "invalid", "not_found", "forbidden"];
            assert!(codes.contains(&failure.code()), "{op} {args}: {failure:?}");
        }
    }
    for path in ["/api/users?name=%00", "/api/rooms?query=%00", "/api/rooms/%00/messages"] {
        assert!(server.get(path, Some(&ann.token)).await.0 < 500, "{path}");
    }
    let login = json!({"username": "an\0n", "password": "p\0"});
    assert!(server.post("/api/auth/login", None, &login).await.0 < 500);
    // None of this may log an error of the server, which is checked when it stops.
}
