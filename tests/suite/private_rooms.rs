//! Access to private rooms: passwords, invitations, and missing or broken guards.

use serde_json::json;

use crate::harness::{Client, Plugin, Server, Setup};

async fn make_room(owner: &mut Client) {
    let room = json!({"name": "cellar", "visibility": "private", "password": "open sesame"});
    owner.call("room.create", room).await.unwrap();
}

async fn try_password(client: &mut Client, password: &str) -> Result<(), String> {
    let joined = client.call("room.join", json!({"room": "cellar", "password": password})).await;
    joined.map(|_| ()).map_err(|failure| failure.code().to_owned())
}

#[tokio::test]
async fn private_room_admits_with_the_right_password_only() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    make_room(&mut ann).await;
    assert!(try_password(&mut bob, "open simsim").await.is_err());
    assert!(bob.call("room.join", json!({"room": "cellar"})).await.is_err());
    assert_eq!(bob.post("cellar", "let me in").await.unwrap_err().code(), "forbidden");

    try_password(&mut bob, "open sesame").await.unwrap();
    bob.post("cellar", "thanks").await.unwrap();
    // Who is in once stays in.
    bob.join("cellar").await;
}

#[tokio::test]
async fn invitation_admits_once() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    make_room(&mut ann).await;
    ann.call("member.invite", json!({"room": "cellar", "account": "bob"})).await.unwrap();
    assert_eq!(bob.expect_event("room.invited").await["data"]["account"]["name"], "bob");
    bob.join("cellar").await;
    bob.call("room.leave", json!({"room": "cellar"})).await.unwrap();
    assert!(bob.call("room.join", json!({"room": "cellar"})).await.is_err());
}

#[tokio::test]
async fn private_room_without_password_plugin_admits_nobody_new() {
    let mut server = Server::start().await;
    let (ann_account, bob_account) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut ann = server.log_in(&ann_account).await;
    make_room(&mut ann).await;
    server.stop().await;
    server.setup().remove(Plugin::RoomPassword);
    server.start_again().await;

    let (mut ann, mut bob) = (server.log_in(&ann_account).await, server.log_in(&bob_account).await);
    assert_eq!(try_password(&mut bob, "open sesame").await, Err("forbidden".into()));
    ann.join("cellar").await;
    // And a room that nobody would guard is not made.
    let room = json!({"name": "vault", "visibility": "private", "password": "open sesame"});
    ann.call("room.create", room).await.unwrap_err();
    assert_eq!(ann.call("room.get", json!({"room": "vault"})).await.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn private_room_with_broken_password_plugin_admits_nobody_new() {
    let setup = Setup::new();
    setup.install_bytes(Plugin::RoomPassword.file_name(), b"this is no component");
    let mut server = setup.start().await;
    server.expect_output("room-password").await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    // By invitation only: it has no password that somebody would have to check.
    ann.call("room.create", json!({"name": "cellar", "visibility": "private"})).await.unwrap();
    assert_eq!(try_password(&mut bob, "open sesame").await, Err("forbidden".into()));
    assert_eq!(try_password(&mut bob, "").await, Err("forbidden".into()));
}

#[tokio::test]
async fn guest_joins_private_room_with_the_password() {
    let server = Server::start().await;
    let (mut ann, mut guest) = (server.join_as("ann").await, server.guest("gus").await);
    make_room(&mut ann).await;
    ann.join("cellar").await;
    assert!(try_password(&mut guest, "wrong").await.is_err());
    try_password(&mut guest, "open sesame").await.unwrap();
    guest.post("cellar", "psst").await.unwrap();
    assert_eq!(ann.expect_message().await, "psst");
}

#[tokio::test]
async fn room_password_attempts_are_throttled() {
    let server = Setup::new()
        .replace("wrong_room_passwords_per_minute = 5", "wrong_room_passwords_per_minute = 2")
        .start()
        .await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    make_room(&mut ann).await;
    let mut codes = Vec::new();
    for guess in ["one", "two", "three", "open sesame"] {
        codes.push(try_password(&mut bob, guess).await.unwrap_err());
    }
    assert_eq!(codes[3], "rate_limited", "{codes:?}");
    let mut eve = server.join_as("eve").await;
    try_password(&mut eve, "open sesame").await.unwrap();
}

#[tokio::test]
async fn private_room_shows_only_name_and_guard_to_strangers() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    let room = json!({"name": "cellar", "visibility": "private", "password": "open sesame", "topic": "wine"});
    ann.call("room.create", room).await.unwrap();
    let whole = ann.call("room.get", json!({"room": "cellar"})).await.unwrap()["room"].clone();
    assert_eq!((&whole["topic"], &whole["members"]), (&json!("wine"), &json!(1)));
    let mut guest = server.guest("gus").await;
    for stranger in [&mut bob, &mut guest] {
        let shown = stranger.call("room.get", json!({"room": "cellar"})).await.unwrap()["room"].clone();
        let want =
            json!({"uid": whole["uid"], "name": "cellar", "kind": "room", "visibility": "private", "guarded": true});
        assert_eq!(shown, want);
    }
    // An invitation shows all of it.
    ann.call("member.invite", json!({"room": "cellar", "account": "bob"})).await.unwrap();
    assert_eq!(bob.call("room.get", json!({"room": "cellar"})).await.unwrap()["room"]["topic"], "wine");
}
