//! Accounts of an external issuer, whose tokens are signed with a shared secret.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{chats, connect, open, say, status, tell, texts};
use crate::harness::{Client, Server, Setup};

const SECRET: &str = "what the shop and this server share";

async fn server() -> Server {
    Setup::new()
        .replace("issuer = \"\"", "issuer = \"shop\"")
        .replace("\nsecret = \"\"", &format!("\nsecret = \"{SECRET}\""))
        .start()
        .await
}

fn in_an_hour() -> u64 {
    jsonwebtoken::get_current_timestamp() + 600
}

fn signed(claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A token as the issuer signs them.
fn token(id: &str) -> String {
    signed(&json!({"id": id, "role": "customer", "exp": in_an_hour()}), SECRET)
}

async fn enter(server: &Server, token: &str) -> Client {
    let mut client = open(server).await;
    say(&mut client, json!({"event": "authenticate", "token": token})).await;
    client
}

/// A connection of the issuer's account with this id.
async fn customer(server: &Server, id: &str) -> Client {
    let mut client = enter(server, &token(id)).await;
    assert_eq!(client.expect_event("userStatus").await, status(id, true));
    client
}

#[tokio::test]
async fn external_accounts_know_each_other_by_issuer_ids() {
    let server = server().await;
    let (mut of_ann, mut of_bob) = (customer(&server, "65fA01").await, customer(&server, "65fB02").await);
    assert_eq!(of_ann.expect_event("userStatus").await, status("65fB02", true));
    let told = tell(&mut of_ann, "65fB02", "hi").await;
    assert_eq!((&told["senderId"], &told["receiverId"]), (&json!("65fA01"), &json!("65fB02")));
    assert_eq!(of_bob.expect_event("message").await["data"], told);
    say(&mut of_bob, json!({"event": "unReadMessages", "receiverId": "65fA01"})).await;
    assert_eq!(of_bob.expect_event("unReadMessages").await["data"]["messages"], json!([told]));
    // Ids are case-sensitive.
    let mut other = customer(&server, "65fa01").await;
    say(&mut other, json!({"event": "fetchChats", "receiverId": "65fB02"})).await;
    other.expect_event("noRoomFound").await;
    drop(of_bob);
    assert_eq!(other.expect_event("userStatus").await, status("65fB02", false));
    say(&mut of_ann, json!({"event": "message", "receiverId": "nobody", "message": "hi"})).await;
    assert_eq!(of_ann.expect_event("error").await["code"], "not_found");
    say(&mut of_ann, json!({"event": "message", "receiverId": "65fA01", "message": "hi"})).await;
    assert_eq!(of_ann.expect_event("error").await["code"], "invalid", "to oneself");
}

#[tokio::test]
async fn external_and_local_accounts_exchange_messages() {
    let server = server().await;
    let ann = server.sign_up("ann").await;
    let mut of_ann = connect(&server, &ann).await;
    let mut of_seven = customer(&server, "7").await;
    let seven = of_ann.expect_event("userStatus").await["data"]["userId"].clone();
    let seven = seven.as_str().unwrap();
    assert!(uuid::Uuid::parse_str(seven).is_ok(), "here its id is a uid: {seven}");
    let told = tell(&mut of_seven, &ann.id, "hello from the shop").await;
    assert_eq!((&told["senderId"], &told["receiverId"]), (&json!("7"), &json!(ann.id)));
    let heard = of_ann.expect_event("message").await;
    assert_eq!((&heard["data"]["senderId"], &heard["data"]["receiverId"]), (&json!(seven), &json!(ann.id)));
    tell(&mut of_ann, seven, "hello to the shop").await;
    let answer = of_seven.expect_event("message").await;
    assert_eq!((&answer["data"]["senderId"], &answer["data"]["receiverId"]), (&json!(ann.id), &json!("7")));
    assert_eq!(texts(&chats(&mut of_seven, &ann.id).await), ["hello from the shop", "hello to the shop"]);

    let mut native = server.log_in(&ann).await;
    let found = native.call("account.find", json!({"name": "7@shop"})).await.unwrap();
    assert_eq!((&found["account"]["id"], &found["account"]["online"]), (&json!(seven), &json!(true)));
}

#[tokio::test]
async fn issuer_id_equal_to_a_local_id_is_another_account() {
    let server = server().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut of_ann = connect(&server, &ann).await;
    tell(&mut of_ann, &bob.id, "for bob's eyes").await;
    for id in [&*ann.id, "ann", "1", "ann@example.org"] {
        let mut false_ann = customer(&server, id).await;
        say(&mut false_ann, json!({"event": "fetchChats", "receiverId": bob.id})).await;
        false_ann.expect_event("noRoomFound").await;
        let uid = of_ann.expect_event("userStatus").await["data"]["userId"].clone();
        assert_ne!(uid, ann.id, "those who log in here cannot be told another's id");
        tell(&mut false_ann, &bob.id, "I am ann").await;
    }
    // It has no password to log in with, and ann still has hers.
    for (name, status) in [("ann@shop", 401), ("1", 401), ("ann", 200), ("ann@example.org", 200)] {
        let body = json!({"username": name, "password": ann.password});
        assert_eq!(server.post("/api/auth/login", None, &body).await.0, status, "{name}");
    }
    let mut of_bob = connect(&server, &bob).await;
    assert_eq!(texts(&chats(&mut of_bob, &ann.id).await), ["for bob's eyes"]);
}

#[tokio::test]
async fn invalid_issuer_tokens_and_other_dialects_are_refused() {
    let server = server().await;
    let good = json!({"id": "7", "exp": in_an_hour()});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(&claims, SECRET)
    };
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpZCI6IjciLCJleHAiOjk5OTk5OTk5OTl9.";
    for (token, told) in [
        (signed(&good, "some other secret of that length …"), "not valid"),
        (with("iss", json!("elsewhere")), "not valid"),
        (with("iss", json!("natterjack")), "not valid"),
        (with("exp", json!(1_700_000_000)), "expired"),
        (with("aud", json!("somebody")), "another audience"),
        (with("id", json!("")), "`id` is not an id"),
        (signed(&json!({"id": "7"}), SECRET), "`exp`"),
        (signed(&json!({"exp": in_an_hour()}), SECRET), "does not identify an account"),
        (none.to_owned(), "not valid"),
    ] {
        let (frames, code) = enter(&server, &token).await.read_to_close().await;
        assert_eq!((frames.len(), &frames[0]["code"], code), (1, &json!("unauthenticated"), 4401), "{told}");
        assert!(frames[0]["message"].as_str().unwrap().contains(told), "{told}: {frames:?}");
    }
    let bearer = format!("Bearer {}", token("7"));
    let at = |path: &str| format!("ws://{}{path}", server.address());
    let mut client = Client::open_with(&at("/ws/direct"), &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(client.next_frame().await, status("7", true));
    for path in ["/", "/ws/go", "/ws/native"] {
        assert_eq!(Client::open_with(&at(path), &[("authorization", &bearer)]).await.err(), Some(401), "{path}");
    }
    assert_eq!(server.get("/api/me", Some(&token("7"))).await.0, 401);
}

#[tokio::test]
async fn external_tokens_work_on_a_dedicated_listener() {
    let setup = Setup::new()
        .replace("[dialects.direct]\nlisten = []", "[dialects.direct]\nlisten = [\"127.0.0.1:0\"]")
        .replace("issuer = \"\"", "issuer = \"shop\"")
        .variable("JWT_SECRET", SECRET);
    let mut server = setup.start().await;
    let line = server.expect_output("(direct)").await;
    let address = line.split("ws://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let bearer = format!("Bearer {}", token("7"));
    let mut client = Client::open_with(&format!("ws://{address}"), &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(client.next_frame().await, status("7", true));
}

#[tokio::test]
async fn external_tokens_are_refused_without_a_configured_issuer() {
    let server = Setup::new().variable("JWT_SECRET", SECRET).start().await;
    assert_eq!(enter(&server, &token("7")).await.read_to_close().await.1, 4401);
}

#[tokio::test]
async fn issuer_sharing_our_secret_is_still_distinguished() {
    let setup = Setup::new().replace("issuer = \"\"", "issuer = \"shop\"").variable("JWT_SECRET", SECRET);
    let server = setup.start().await;
    let ann = server.sign_up("ann").await;
    connect(&server, &ann).await;
    let mut client = customer(&server, "7").await;
    tell(&mut client, &ann.id, "hi").await;
    let forged = json!({"iss": "natterjack", "aud": "natterjack", "sub": ann.id, "exp": in_an_hour(), "nbf": 0});
    assert_eq!(enter(&server, &signed(&forged, SECRET)).await.read_to_close().await.1, 4401);
}

#[tokio::test]
async fn disabled_external_account_is_refused_until_enabled() {
    let server = server().await;
    let mut client = customer(&server, "7").await;
    let user = async |action: &str, name: &str| {
        let output = server.setup().command(&["user", action, name]).output().await.unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (done, said) = user("disable", "7@shop").await;
    assert!(done, "{said}");
    assert_eq!(client.expect_close().await, 4504);
    let (frames, code) = enter(&server, &token("7")).await.read_to_close().await;
    assert_eq!((&frames[0]["code"], code), (&json!("forbidden"), 4504));
    assert!(user("enable", "7@shop").await.0);
    customer(&server, "7").await;
    let (done, said) = user("token", "7@shop").await;
    assert!(!done && said.contains("external issuer"), "{said}");
}

#[tokio::test]
async fn concurrent_first_log_ins_create_one_external_account() {
    let server = server().await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(enter(&server, &token("7")).await);
    }
    for client in &mut clients {
        assert_eq!(client.expect_event("userStatus").await, status("7", true));
    }
    customer(&server, "8").await;
    tell(&mut clients[0], "8", "hi").await;
    for client in &mut clients[1..] {
        client.expect_event("message").await;
    }
}

#[tokio::test]
async fn invalid_issuer_configuration_is_reported() {
    for (section, told) in [
        ("issuer = \"natterjack\"", "this server's own tokens"),
        ("issuer = \"a@b\"", "no @"),
        ("issuer = \"shop\"", "nothing to check its tokens with"),
        ("issuer = \"shop\"\nsecret = \"short\"", "5 bytes"),
        ("audience = \"chat\"", "there is no `issuer`"),
        ("isuer = \"shop\"", "did you mean `issuer`"),
    ] {
        let setup = Setup::bare();
        std::fs::write(setup.path().join("config.toml"), format!("[auth.external]\n{section}\n")).unwrap();
        let output = setup.command(&["check"]).output().await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success() && said.contains("auth.external") && said.contains(told), "{section}: {said}");
    }
}
