//! People without an account.

use serde_json::json;

use crate::harness::{Client, Server, Setup};

#[tokio::test]
async fn a_guest_talks_in_a_public_room_under_a_name_of_its_own() {
    let server = Server::start().await;
    let (mut ann, mut guest) = (server.join_as("ann").await, server.guest("gus").await);
    ann.join("lobby").await;
    guest.join("lobby").await;
    assert_eq!(ann.expect_event("guest.joined").await["data"]["guest"]["name"], "gus");
    guest.post("lobby", "hello").await.unwrap();
    let heard = ann.expect_event("message.posted").await;
    assert_eq!(heard["data"]["from"], json!({"name": "gus", "guest": true}));
    drop(guest);
    assert_eq!(ann.expect_event("guest.left").await["data"]["guest"]["name"], "gus");
}

#[tokio::test]
async fn a_guest_cannot_use_the_name_of_an_account() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    let failure = server.connect().await.call("connect", json!({"guest": "Ann"})).await.unwrap_err();
    assert_eq!(failure.code(), "conflict");
}

#[tokio::test]
async fn guests_can_be_kept_out() {
    let server = Setup::new().replace("guests = true", "guests = false").start().await;
    let failure = server.connect().await.call("connect", json!({"guest": "gus"})).await.unwrap_err();
    assert_eq!(failure.code(), "unauthenticated");
}

#[tokio::test]
async fn guest_cannot_be_called_like_a_plugin_or_like_somebody_who_logs_in_elsewhere() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    for name in ["word-filter", "Word-Filter", "plugin:echo", "ann@example.org", "42@shop.example", "x＠shop"] {
        let failure = server.connect().await.call("connect", json!({"guest": name})).await.unwrap_err();
        assert!(["conflict", "invalid"].contains(&failure.code()), "{name}: {}", failure.message());
        let mut old = Client::open(&format!("ws://{}/ws/groups", server.address())).await;
        old.send_text(json!({"type": "first-connect", "name": name}).to_string()).await;
        assert_eq!(old.next_frame().await["type"], "reject-connect", "{name}");
    }
}

#[tokio::test]
async fn guest_cannot_pass_for_a_guest_of_another_dialect_in_the_same_room() {
    let server = Server::start().await;
    let mut old = Client::open(&format!("ws://{}/ws/groups", server.address())).await;
    old.send_text(json!({"type": "first-connect", "name": "Gus"}).to_string()).await;
    old.next_frame().await;
    let mut new = server.guest("gus").await;
    let failure = new.call("room.join", json!({"room": "lobby"})).await.unwrap_err();
    assert_eq!(failure.code(), "conflict");
    // The same person on two devices is no such case.
    let (mut one, mut two) = (server.guest("tom").await, server.guest("tom").await);
    one.join("lobby").await;
    two.join("lobby").await;
}

#[tokio::test]
async fn strangers_learn_nothing_of_groups_where_guests_are_kept_out() {
    let server = Setup::new().replace("guests = true", "guests = false").start().await;
    for (path, command) in [
        ("groups", json!({"type": "get_groups"})),
        ("groups", json!({"type": "make_group", "group_name": "x", "name": "gus"})),
        ("groups", json!({"type": "first-connect", "name": "gus"})),
        ("rooms", json!({"type": "query", "payload": {}})),
        ("rooms", json!({"type": "create", "payload": {"name": "x", "visibility": "PUBLIC"}})),
    ] {
        let mut client = Client::open(&format!("ws://{}/ws/{path}", server.address())).await;
        client.send_text(command.to_string()).await;
        let answer = client.next_frame().await.to_string();
        assert!(answer.contains("not let in") && !answer.contains("lobby"), "{command}: {answer}");
    }
}
