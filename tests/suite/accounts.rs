//! Signing up, logging in, and what a token opens.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::harness::{Client, Server, Setup};

const SECRET: &str = "a signing key that only this test knows";

/// A token signed with the server's own key that ended a minute ago.
fn expired_token(account: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a token needs the wall clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": "natterjack", "aud": "natterjack", "sub": account, "sid": account, "jti": account,
        "iat": now - 120, "nbf": now - 120, "exp": now - 60,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

#[tokio::test]
async fn who_signed_up_can_log_in_by_name_or_address_in_any_case() {
    let server = Server::start().await;
    let ann = server.sign_up("Ann").await;
    for who in [json!({"username": "ann"}), json!({"username": "ANN"}), json!({"email": "ann@EXAMPLE.org"})] {
        let mut body = who.clone();
        body["password"] = json!(ann.password);
        let (status, answer) = server.post("/api/auth/login", None, &body).await;
        assert_eq!(status, 200, "{who}: {answer}");
        assert_eq!(answer["user"]["id"], ann.id);
        assert!(answer["user"]["number"].is_i64(), "{answer}");
        assert!(answer["token"].is_string() && answer["refreshToken"].is_string());
    }
    let (status, me) = server.get("/api/me", Some(&ann.token)).await;
    assert_eq!((status, &me["username"]), (200, &json!("Ann")));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_read_the_same() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let wrong = server.post("/api/auth/login", None, &json!({"username": ann.name, "password": "not hers"})).await;
    let unknown = server.post("/api/auth/login", None, &json!({"username": "nobody", "password": "not hers"})).await;
    assert_eq!(wrong.0, 401);
    assert_eq!(wrong, unknown);
}

#[tokio::test]
async fn a_bad_signing_up_says_what_is_wrong() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    for (body, code, names) in [
        (json!({"username": "ANN", "password": "long enough"}), "conflict", "name"),
        (json!({"username": "bob", "password": "long enough", "email": "Ann@example.org"}), "conflict", "e-mail"),
        (json!({"username": "bob", "password": ""}), "invalid", "password"),
        (json!({"username": "", "password": "long enough"}), "invalid", "username"),
        (json!({"username": "b\u{202e}b", "password": "long enough"}), "invalid", "username"),
        (json!({"username": "b@b", "password": "long enough"}), "invalid", "username"),
        (json!({"username": "b＠b", "password": "long enough"}), "invalid", "username"),
        (json!({"username": "bob", "password": "long enough", "email": "bob"}), "invalid", "email"),
        (json!({"username": "bob"}), "bad_request", "password"),
        (json!({"username": 7, "password": "long enough"}), "bad_request", "username"),
        (json!(["bob"]), "bad_request", "body"),
    ] {
        let (status, answer) = server.post("/api/auth/signup", None, &body).await;
        assert_eq!(status, 400, "{body} → {answer}");
        assert_eq!(answer["error"]["code"], code, "{body} → {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(names), "{body} → {answer}");
    }
}

#[tokio::test]
async fn the_shortest_password_is_the_operators_to_choose() {
    let server = Setup::new().replace("min_password_chars = 1 ", "min_password_chars = 8 ").start().await;
    for (password, expected) in [("1234567", 400), ("ÄÖÜäöü7", 400), ("ÄÖÜäöüß8", 201)] {
        let body = json!({"username": "ann", "password": password});
        let (status, answer) = server.post("/api/auth/signup", None, &body).await;
        assert_eq!(status, expected, "{password}: {answer}");
    }
}

#[tokio::test]
async fn a_bad_expired_or_foreign_token_opens_nothing() {
    let server = Setup::new().variable("JWT_SECRET", SECRET).start().await;
    let ann = server.sign_up("ann").await;
    let expired = expired_token(&ann.id);
    let tampered = format!("{}x", ann.token);
    let url = format!("ws://{}/ws/native", server.address());
    for token in [expired.as_str(), tampered.as_str(), "nonsense", ""] {
        assert_eq!(server.get("/api/me", Some(token)).await.0, 401, "{token}");
        let header = format!("Bearer {token}");
        assert_eq!(Client::open_with(&url, &[("authorization", &header)]).await.err(), Some(401), "{token}");
        let failure = server.connect().await.call("connect", json!({"token": token})).await.unwrap_err();
        assert_eq!(failure.code(), "unauthenticated", "{token}");
    }
    let failure = server.connect().await.call("connect", json!({"token": expired})).await.unwrap_err();
    assert!(failure.message().contains("expired"), "{}", failure.message());
    assert_eq!(server.get("/api/me", None).await.0, 401);
}

#[tokio::test]
async fn a_token_in_the_upgrade_request_needs_no_connect() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let url = format!("ws://{}/ws/native", server.address());
    let bearer = format!("Bearer {}", ann.token);
    let subprotocols = format!("natterjack.v1, bearer, {}", ann.token);
    for header in [("authorization", bearer.as_str()), ("sec-websocket-protocol", subprotocols.as_str())] {
        let mut client = Client::open_with(&url, &[header]).await.unwrap();
        client.join("lobby").await;
    }
}

#[tokio::test]
async fn a_token_that_ends_closes_its_connection_with_4401() {
    let server = Setup::new().replace(r#"access_ttl = "24h""#, r#"access_ttl = "2s""#).start().await;
    let mut ann = server.join_as("ann").await;
    ann.expect_event("token.expiring").await;
    assert_eq!(ann.expect_close().await, 4401);
}

#[tokio::test]
async fn logging_out_ends_the_token_and_its_connections_at_once() {
    let server = Server::start().await;
    let account = server.sign_up("ann").await;
    let mut ann = server.log_in(&account).await;
    assert_eq!(server.post("/api/auth/logout", Some(&account.token), &json!({})).await.0, 200);
    assert_eq!(ann.expect_close().await, 4505);
    assert_eq!(server.get("/api/me", Some(&account.token)).await.0, 401);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_login() {
    let server = Server::start().await;
    let account = server.sign_up("ann").await;
    let first = json!({"refreshToken": account.refresh_token});
    let (status, fresh) = server.post("/api/auth/refresh", None, &first).await;
    assert_eq!(status, 200, "{fresh}");
    assert_eq!(server.get("/api/me", fresh["token"].as_str()).await.0, 200);

    assert_eq!(server.post("/api/auth/refresh", None, &first).await.0, 401);
    assert_eq!(server.get("/api/me", fresh["token"].as_str()).await.0, 401);
    let second = json!({"refreshToken": fresh["refreshToken"]});
    assert_eq!(server.post("/api/auth/refresh", None, &second).await.0, 401);
}

#[tokio::test]
async fn guessing_a_password_gets_slow_for_that_account_only() {
    let server = Setup::new().replace("failed_logins_per_minute = 10", "failed_logins_per_minute = 2").start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let wrong = json!({"username": "ann", "password": "not hers"});
    for expected in [401, 401, 401, 429] {
        assert_eq!(server.post("/api/auth/login", None, &wrong).await.0, expected);
    }
    let right = json!({"username": "ANN", "password": ann.password});
    assert_eq!(
        server.post("/api/auth/login", None, &right).await.0,
        429,
        "not even the right one, or guessing would go on"
    );
    let other = json!({"username": "bob", "password": bob.password});
    assert_eq!(server.post("/api/auth/login", None, &other).await.0, 200);
}

#[tokio::test]
async fn signing_up_by_the_dozen_is_refused_with_a_time_to_wait() {
    let server = Setup::new().replace("attempts_burst = 30", "attempts_burst = 2").start().await;
    server.sign_up("one").await;
    server.sign_up("two").await;
    let third = json!({"username": "three", "password": "long enough"});
    let url = server.url("/api/auth/signup");
    let answer = reqwest::Client::new().post(url).json(&third).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}
