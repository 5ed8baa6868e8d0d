//! Each error code that a client can provoke, over REST and over the native protocol.

use serde_json::{Value, json};

use crate::harness::{Server, Setup};

/// Sends a REST request; returns its status and error code.
async fn rest(server: &Server, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, String) {
    let (status, answer) = server.send(method, path, token, body).await;
    let error = answer["error"].as_object().unwrap_or_else(|| panic!("an error of {method} {path}: {answer}"));
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    (status, error["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn rest_errors_have_their_code_and_status() {
    let server = Setup::new().start().await;
    let ann = server.sign_up("ann").await;
    let token = Some(ann.token.as_str());
    let none = json!({});
    let taken = json!({"username": "ann", "password": "x"});
    let empty = json!({"username": "", "password": "x"});
    let large = json!({"username": "x".repeat(100_000), "password": "x"});
    let nobody = json!({"username": "nobody", "password": "x"});
    for (method, path, token, body, status, code) in [
        ("POST", "/api/auth/login", None, &none, 400, "bad_request"),
        ("GET", "/api/me", None, &none, 401, "unauthenticated"),
        ("POST", "/api/auth/login", None, &nobody, 401, "unauthenticated"),
        ("GET", "/api/admin/accounts", token, &none, 403, "forbidden"),
        ("GET", "/api/rooms/nowhere/messages", token, &none, 404, "not_found"),
        ("GET", "/api/nowhere", token, &none, 404, "not_found"),
        ("POST", "/api/auth/signup", None, &taken, 400, "conflict"),
        ("POST", "/api/auth/signup", None, &empty, 400, "invalid"),
        ("POST", "/api/auth/signup", None, &large, 413, "too_large"),
    ] {
        assert_eq!(rest(&server, method, path, token, body).await, (status, code.to_owned()), "{method} {path}");
    }
    // As many as may come at once, and then one more.
    let mut last = (401, String::new());
    for _ in 0..=30 {
        last = rest(&server, "POST", "/api/auth/login", None, &nobody).await;
    }
    assert_eq!(last, (429, "rate_limited".to_owned()));
}

#[tokio::test]
async fn native_errors_have_their_code() {
    let setup = Setup::new().replace(r#"action = "mask""#, r#"action = "reject""#);
    let server = setup.replace("commands_per_second = 20", "commands_per_second = 1").start().await;
    let failure = server.connect().await.call("room.list", json!({})).await.unwrap_err();
    assert_eq!(failure.code(), "unauthenticated");
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    ann.join("lobby").await;
    bob.join("pond").await;
    for (op, args, code) in [
        ("nothing.known", json!({}), "bad_request"),
        ("room.join", json!({"room": 7}), "bad_request"),
        ("room.update", json!({"room": "lobby", "topic": "frogs"}), "forbidden"),
        ("room.get", json!({"room": "nowhere"}), "not_found"),
        ("room.create", json!({"name": "POND"}), "conflict"),
        ("message.post", json!({"room": "lobby", "body": " "}), "invalid"),
        ("message.post", json!({"room": "lobby", "body": "x".repeat(5000)}), "too_large"),
        ("message.post", json!({"room": "lobby", "body": "darn"}), "rejected"),
    ] {
        let failure = ann.call(op, args.clone()).await.unwrap_err();
        assert_eq!(failure.code(), code, "{op} {args}: {}", failure.message());
        assert!(!failure.message().is_empty(), "{op}");
    }
    let mut last = 0;
    for _ in 0..=400 {
        last = bob.send("room.get", json!({"room": "pond"})).await;
    }
    assert_eq!(bob.answer(last).await.unwrap_err().code(), "rate_limited");
}
