//! Users' changes to their own accounts: log-out, password, name, address, deletion.

use serde_json::{Value, json};

use crate::harness::{Account, Client, Server, Setup};

/// Another login of this account.
async fn log_in_again(server: &Server, account: &Account) -> Account {
    let body = json!({"username": account.name, "password": account.password});
    let (status, answer) = server.post("/api/auth/login", None, &body).await;
    assert_eq!(status, 200, "{answer}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Account { token: text(&answer["token"]), refresh_token: text(&answer["refreshToken"]), ..account.clone() }
}

async fn is_in(server: &Server, account: &Account) -> bool {
    server.get("/api/me", Some(&account.token)).await.0 == 200
}

async fn can_refresh(server: &Server, account: &Account) -> bool {
    server.post("/api/auth/refresh", None, &json!({"refreshToken": account.refresh_token})).await.0 == 200
}

async fn delete(server: &Server, account: &Account) -> (u16, Value) {
    server.send("DELETE", "/api/me", Some(&account.token), &json!({"password": account.password})).await
}

/// A room of this client's own.
async fn make_room(client: &mut Client, name: &str) {
    client.call("room.create", json!({"name": name, "visibility": "public"})).await.unwrap();
}

async fn roles(client: &mut Client, room: &str) -> Vec<(String, String)> {
    let answer = client.call("room.members", json!({"room": room})).await.unwrap();
    let members = answer["members"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut roles: Vec<_> = members.map(|member| (text(&member["account"]["name"]), text(&member["role"]))).collect();
    roles.sort();
    roles
}

#[tokio::test]
async fn log_out_everywhere_ends_all_logins_and_connections() {
    let server = Setup::bare().start().await;
    let (first, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let second = log_in_again(&server, &first).await;
    let mut clients = [server.log_in(&first).await, server.log_in(&second).await];
    let mut other = server.log_in(&bob).await;
    assert_eq!(server.post("/api/auth/logout-all", Some(&first.token), &json!({})).await.0, 200);
    for client in &mut clients {
        assert_eq!(client.expect_close().await, 4505);
    }
    for login in [&first, &second] {
        assert!(!is_in(&server, login).await && !can_refresh(&server, login).await);
    }
    assert!(is_in(&server, &bob).await);
    other.join("lobby").await;
    assert!(is_in(&server, &log_in_again(&server, &first).await).await);
}

#[tokio::test]
async fn password_change_ends_all_other_logins() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let elsewhere = log_in_again(&server, &ann).await;
    let (mut here, mut there) = (server.log_in(&ann).await, server.log_in(&elsewhere).await);
    let change = json!({"password": ann.password, "newPassword": "another password"});
    let (status, answer) = server.post("/api/auth/password", Some(&ann.token), &change).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(there.expect_close().await, 4505);
    assert!(!is_in(&server, &elsewhere).await && !can_refresh(&server, &elsewhere).await);
    here.join("lobby").await;
    assert!(is_in(&server, &ann).await && can_refresh(&server, &ann).await);

    let old = json!({"username": "ann", "password": ann.password});
    assert_eq!(server.post("/api/auth/login", None, &old).await.0, 401);
    log_in_again(&server, &Account { password: "another password".into(), ..ann }).await;
}

#[tokio::test]
async fn password_change_needs_the_current_password_and_is_throttled() {
    let server = Setup::bare().replace("failed_logins_per_minute = 10", "failed_logins_per_minute = 2").start().await;
    let ann = server.sign_up("ann").await;
    let wrong = json!({"password": "not hers", "newPassword": "another password"});
    let (status, answer) = server.post("/api/auth/password", Some(&ann.token), &wrong).await;
    assert_eq!((status, &answer["error"]["code"]), (403, &json!("forbidden")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("current password"), "{answer}");
    let delete_wrong = json!({"password": "not hers"});
    assert_eq!(server.send("DELETE", "/api/me", Some(&ann.token), &delete_wrong).await.0, 403);
    assert_eq!(server.post("/api/auth/password", Some(&ann.token), &wrong).await.0, 429);
    // The front door counts the same failures.
    let right = json!({"username": "ann", "password": ann.password});
    assert_eq!(server.post("/api/auth/login", None, &right).await.0, 429);
    assert_eq!(delete(&server, &ann).await.0, 429);
    assert!(is_in(&server, &ann).await);

    for (body, code, told) in [
        (json!({"password": "x"}), "bad_request", "newPassword"),
        (json!({"newPassword": "x"}), "bad_request", "password"),
    ] {
        let (status, answer) = server.post("/api/auth/password", Some(&ann.token), &body).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(told), "{answer}");
    }
}

#[tokio::test]
async fn new_name_takes_effect_and_frees_the_old_one() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let mut client = server.log_in(&ann).await;
    client.join("lobby").await;
    client.post("lobby", "hello").await.unwrap();
    let (status, me) = server.send("PATCH", "/api/me", Some(&ann.token), &json!({"username": "Anna"})).await;
    assert_eq!((status, &me["username"], &me["email"]), (200, &json!("Anna"), &json!("ann@example.org")), "{me}");
    assert_eq!(server.get("/api/me", Some(&ann.token)).await.1["username"], "Anna");
    let (_, page) = server.get("/api/rooms/lobby/messages", Some(&ann.token)).await;
    assert_eq!(page["messages"][0]["from"]["name"], "Anna", "{page}");
    let mut again = server.connect().await;
    let connected = again.call("connect", json!({"token": ann.token})).await.unwrap();
    assert_eq!(connected["account"]["name"], "Anna");
    log_in_again(&server, &Account { name: "anna".into(), ..ann }).await;
    let body = json!({"username": "ann", "password": "somebody else"});
    assert_eq!(server.post("/api/auth/signup", None, &body).await.0, 201);
}

#[tokio::test]
async fn email_address_can_be_changed_and_removed() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let by_address = |address: &str| json!({"email": address, "password": ann.password});
    let change = json!({"email": "ann@new.example"});
    assert_eq!(server.send("PATCH", "/api/me", Some(&ann.token), &change).await.1["email"], "ann@new.example");
    assert_eq!(server.post("/api/auth/login", None, &by_address("ann@example.org")).await.0, 401);
    assert_eq!(server.post("/api/auth/login", None, &by_address("ann@new.example")).await.0, 200);
    let (status, me) = server.send("PATCH", "/api/me", Some(&ann.token), &json!({"email": null})).await;
    assert_eq!((status, &me["email"], &me["username"]), (200, &Value::Null, &json!("ann")), "{me}");
    assert_eq!(server.post("/api/auth/login", None, &by_address("ann@new.example")).await.0, 401);
    assert_eq!(server.send("PATCH", "/api/me", Some(&ann.token), &json!({})).await.1, me);
}

#[tokio::test]
async fn taken_or_malformed_values_change_nothing() {
    let server = Setup::bare().start().await;
    let (ann, _bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    for (change, code, told) in [
        (json!({"username": "BOB"}), "conflict", "name"),
        (json!({"email": "Bob@example.org"}), "conflict", "e-mail"),
        (json!({"username": "new", "email": "bob@example.org"}), "conflict", "e-mail"),
        (json!({"username": ""}), "invalid", "username"),
        (json!({"username": "a@b"}), "invalid", "username"),
        (json!({"username": "Deleted Account"}), "invalid", "username"),
        (json!({"email": "ann"}), "invalid", "email"),
        (json!({"username": 7}), "bad_request", "username"),
    ] {
        let (status, answer) = server.send("PATCH", "/api/me", Some(&ann.token), &change).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{change} → {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(told), "{change} → {answer}");
    }
    let (_, me) = server.get("/api/me", Some(&ann.token)).await;
    assert_eq!((&me["username"], &me["email"]), (&json!("ann"), &json!("ann@example.org")));
    // One's own name in another case is no conflict.
    assert_eq!(server.send("PATCH", "/api/me", Some(&ann.token), &json!({"username": "Ann"})).await.0, 200);
}

#[tokio::test]
async fn deleted_account_is_logged_out_and_its_messages_stay_anonymous() {
    let server = Setup::bare().start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut anns, mut bobs) = (server.log_in(&ann).await, server.log_in(&bob).await);
    anns.join("lobby").await;
    bobs.join("lobby").await;
    anns.post("lobby", "hello").await.unwrap();
    let before = bobs.call("room.get", json!({"room": "lobby"})).await.unwrap();

    assert_eq!(delete(&server, &ann).await.0, 200);
    assert_eq!(anns.expect_close().await, 4505);
    let left = bobs.expect_event("member.removed").await;
    assert_eq!(left["data"]["account"]["id"], json!(ann.id), "{left}");
    assert_eq!(left["data"]["account"]["name"], "deleted account", "{left}");
    let after = bobs.call("room.get", json!({"room": "lobby"})).await.unwrap();
    let count = |answer: &Value| answer["room"]["members"].as_u64().unwrap();
    assert_eq!(count(&after), count(&before) - 1, "{after}");

    assert!(!is_in(&server, &ann).await && !can_refresh(&server, &ann).await);
    for who in [json!({"username": "ann"}), json!({"email": "ann@example.org"}), json!({"username": ann.id})] {
        let mut body = who;
        body["password"] = json!(ann.password);
        assert_eq!(server.post("/api/auth/login", None, &body).await.0, 401, "{body}");
    }
    let (_, page) = server.get("/api/rooms/lobby/messages", Some(&bob.token)).await;
    let message = &page["messages"][0];
    assert_eq!((&message["body"], &message["from"]["name"]), (&json!("hello"), &json!("deleted account")), "{page}");
    for name in ["ann", ann.id.as_str(), "deleted%20account"] {
        assert_eq!(server.get(&format!("/api/users?name={name}"), Some(&bob.token)).await.0, 404, "{name}");
    }
    // The name and the address are free again, for a different account.
    assert_ne!(server.sign_up("ann").await.id, ann.id);
}

#[tokio::test]
async fn deleted_owners_rooms_pass_to_the_next_member() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut anns = server.log_in(&ann).await;
    let (bob, cyd) = (server.sign_up("bob").await, server.sign_up("cyd").await);
    let (mut bobs, mut cyds) = (server.log_in(&bob).await, server.log_in(&cyd).await);
    for room in ["moderated", "plain", "empty"] {
        make_room(&mut anns, room).await;
    }
    for room in ["moderated", "plain"] {
        bobs.join(room).await;
        cyds.join(room).await;
    }
    let role = json!({"room": "moderated", "account": cyd.id, "role": "moderator"});
    anns.call("member.role", role).await.unwrap();
    assert_eq!(delete(&server, &ann).await.0, 200);

    let owned = |name: &str, role: &str| (name.to_owned(), role.to_owned());
    assert_eq!(roles(&mut cyds, "moderated").await, [owned("bob", "member"), owned("cyd", "owner")]);
    assert_eq!(roles(&mut cyds, "plain").await, [owned("bob", "owner"), owned("cyd", "member")]);
    bobs.join("empty").await;
    assert_eq!(roles(&mut bobs, "empty").await, [owned("bob", "member")]);
}
