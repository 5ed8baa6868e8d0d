//! Sign-up, log-in, refresh tokens, and what an access token authorises.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup, database};

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
async fn log_in_accepts_name_or_address_in_any_case() {
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
async fn wrong_password_and_unknown_name_give_the_same_error() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let wrong = server.post("/api/auth/login", None, &json!({"username": ann.name, "password": "not hers"})).await;
    let unknown = server.post("/api/auth/login", None, &json!({"username": "nobody", "password": "not hers"})).await;
    assert_eq!(wrong.0, 401);
    assert_eq!(wrong, unknown);
}

#[tokio::test]
async fn invalid_sign_up_is_refused_with_the_reason() {
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
async fn minimum_password_length_is_configurable() {
    let server = Setup::new().replace("min_password_chars = 1 ", "min_password_chars = 8 ").start().await;
    for (password, expected) in [("1234567", 400), ("ÄÖÜäöü7", 400), ("ÄÖÜäöüß8", 201)] {
        let body = json!({"username": "ann", "password": password});
        let (status, answer) = server.post("/api/auth/signup", None, &body).await;
        assert_eq!(status, expected, "{password}: {answer}");
    }
}

#[tokio::test]
async fn invalid_expired_or_foreign_token_is_refused() {
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
        // An empty token is invalid.
        let code = if token.is_empty() { "bad_request" } else { "unauthenticated" };
        assert_eq!(failure.code(), code, "{token}");
    }
    let failure = server.connect().await.call("connect", json!({"token": expired})).await.unwrap_err();
    assert!(failure.message().contains("expired"), "{}", failure.message());
    assert_eq!(server.get("/api/me", None).await.0, 401);
}

#[tokio::test]
async fn token_in_upgrade_request_authenticates_without_connect() {
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
async fn expired_token_closes_its_connection_with_4401() {
    let server = Setup::new().replace(r#"access_ttl = "24h""#, r#"access_ttl = "2s""#).start().await;
    let mut ann = server.join_as("ann").await;
    ann.expect_event("token.expiring").await;
    assert_eq!(ann.expect_close().await, 4401);
}

#[tokio::test]
async fn log_out_revokes_token_and_closes_its_connections() {
    let server = Server::start().await;
    let account = server.sign_up("ann").await;
    let mut ann = server.log_in(&account).await;
    assert_eq!(server.post("/api/auth/logout", Some(&account.token), &json!({})).await.0, 200);
    assert_eq!(ann.expect_close().await, 4505);
    assert_eq!(server.get("/api/me", Some(&account.token)).await.0, 401);
}

/// Refreshes; the new pair.
async fn refresh(server: &Server, refresh_token: &str) -> Result<(String, String), u16> {
    let body = json!({"refreshToken": refresh_token});
    let (status, answer) = server.post("/api/auth/refresh", None, &body).await;
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    if status == 200 { Ok((text("token"), text("refreshToken"))) } else { Err(status) }
}

/// As if all refreshes so far had been long ago.
async fn long_after(server: &Server) {
    database::execute(&server.setup().database_url(), "UPDATE logins SET rotations = ''").await;
}

#[tokio::test]
async fn repeated_refresh_returns_same_successor_until_it_is_used() {
    let server = Server::start().await;
    let account = server.sign_up("ann").await;
    let (_, first) = refresh(&server, &account.refresh_token).await.unwrap();
    long_after(&server).await;
    for _ in 0..3 {
        let (token, again) = refresh(&server, &account.refresh_token).await.unwrap();
        assert_eq!(again, first);
        assert_eq!(server.get("/api/me", Some(&token)).await.0, 200);
    }
    let stored = "SELECT refresh_hash || ' ' || previous_hash || ' ' || rotations FROM logins";
    let stored = database::texts(&server.setup().database_url(), stored).await;
    assert!(!stored[0].contains(&first) && !stored[0].contains(&account.refresh_token), "{stored:?}");
}

#[tokio::test]
async fn concurrent_refreshes_of_two_tabs_keep_both_logged_in() {
    let server = Server::start().await;
    let account = server.sign_up("ann").await;
    let tabs = join_all((0..10).map(|_| refresh(&server, &account.refresh_token))).await;
    let successors: HashSet<_> = tabs.into_iter().map(|tab| tab.unwrap().1).collect();
    assert_eq!(successors.len(), 1);
    let (token, next) = refresh(&server, successors.iter().next().unwrap()).await.unwrap();
    assert_eq!(server.get("/api/me", Some(&token)).await.0, 200);
    // A delayed request, while another tab was faster.
    let (token, late) = refresh(&server, &account.refresh_token).await.unwrap();
    assert!(successors.contains(&late) && late != next);
    assert_eq!(server.get("/api/me", Some(&token)).await.0, 200);
}

#[tokio::test]
async fn reused_refresh_token_ends_the_login() {
    for age in [2, 5] {
        let server = Server::start().await;
        let account = server.sign_up("ann").await;
        let mut current = (account.token.clone(), account.refresh_token.clone());
        for _ in 0..age {
            current = refresh(&server, &current.1).await.unwrap();
        }
        long_after(&server).await;
        assert_eq!(refresh(&server, &account.refresh_token).await, Err(401));
        assert_eq!(server.get("/api/me", Some(&current.0)).await.0, 401);
        assert_eq!(refresh(&server, &current.1).await, Err(401));
    }
}

#[tokio::test]
async fn refresh_token_of_previous_version_is_accepted() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    // SHA-256 of "opaque".
    let old = "UPDATE logins SET refresh_hash = '6d229884c1268bb0ab32d8da315d0fe52f9147228bd830a37bc9fb28a954940d'";
    database::execute(&server.setup().database_url(), old).await;
    let (_, next) = refresh(&server, "opaque").await.unwrap();
    assert_eq!(refresh(&server, "opaque").await.unwrap().1, next, "repeated");
    let (_, _) = refresh(&server, &next).await.unwrap();
    assert_eq!(refresh(&server, "opaque").await, Err(401));
}

#[tokio::test]
async fn responses_with_tokens_are_not_cacheable() {
    let server = Server::start().await;
    let account = server.sign_up("ann").await;
    let log_in = json!({"username": " ann ", "password": account.password});
    let refresh = json!({"refreshToken": account.refresh_token});
    for (path, body) in [
        ("/api/auth/signup", json!({"username": "bob", "password": "long enough"})),
        ("/register", json!({"username": "tom", "password": "long enough"})),
        ("/api/auth/login", log_in.clone()),
        ("/login", log_in),
        ("/api/auth/refresh", refresh.clone()),
        ("/refresh", refresh),
    ] {
        let answer = reqwest::Client::new().post(server.url(path)).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn token_with_mismatched_account_and_login_is_refused() {
    let server = Setup::new().variable("JWT_SECRET", SECRET).start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let claims = |token: &str| -> Value {
        let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    };
    let mut mixed = claims(&ann.token);
    mixed["sub"] = claims(&bob.token)["sub"].clone();
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let mixed = jsonwebtoken::encode(&Header::default(), &mixed, &key).unwrap();
    for _ in 0..2 {
        assert_eq!(server.get("/api/me", Some(&mixed)).await.0, 401);
        assert_eq!(server.get("/api/me", Some(&ann.token)).await.0, 200);
    }
}

#[tokio::test]
async fn failed_log_ins_throttle_only_that_account() {
    let server = Setup::new().replace("failed_logins_per_minute = 10", "failed_logins_per_minute = 2").start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let wrong = json!({"username": "ann", "password": "not hers"});
    for expected in [401, 401, 429, 429] {
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
async fn repeated_sign_ups_are_throttled_with_retry_after() {
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
