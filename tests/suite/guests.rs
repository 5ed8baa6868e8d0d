//! Guests, who have no account.

use serde_json::json;

use crate::harness::{Client, Cluster, Server, Setup};

#[tokio::test]
async fn guest_chats_in_a_public_room_under_its_name() {
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
async fn guest_cannot_use_the_name_of_an_account() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    let failure = server.connect().await.call("connect", json!({"guest": "Ann"})).await.unwrap_err();
    assert_eq!(failure.code(), "conflict");
}

#[tokio::test]
async fn guests_can_be_disabled() {
    let server = Setup::new().replace("guests = true", "guests = false").start().await;
    let failure = server.connect().await.call("connect", json!({"guest": "gus"})).await.unwrap_err();
    assert_eq!(failure.code(), "unauthenticated");
}

/// A room that ann owns, with a guest who receives its messages.
async fn den(server: &Server) -> (Client, Client) {
    let (mut ann, mut guest) = (server.join_as("ann").await, server.guest("gus").await);
    ann.call("room.create", json!({"name": "den"})).await.unwrap();
    ann.join("den").await;
    guest.join("den").await;
    ann.expect_event("guest.joined").await;
    (ann, guest)
}

#[tokio::test]
async fn kicked_guest_stops_receiving_messages_and_may_rejoin() {
    let server = Server::start().await;
    let (mut ann, mut guest) = den(&server).await;
    ann.call("guest.kick", json!({"room": "den", "guest": "gus"})).await.unwrap();
    assert_eq!(guest.expect_event("guest.left").await["data"]["guest"]["name"], "gus");
    assert_eq!(ann.expect_event("guest.left").await["data"]["guest"]["name"], "gus");
    assert_eq!(guest.post("den", "still here").await.unwrap_err().code(), "forbidden");
    guest.join("den").await;
    guest.post("den", "back again").await.unwrap();
    let mut bob = server.join_as("bob").await;
    bob.join("den").await;
    assert_eq!(bob.call("guest.kick", json!({"room": "den", "guest": "gus"})).await.unwrap_err().code(), "forbidden");
}

#[tokio::test]
async fn banned_guest_is_kept_out_by_connection_and_address_in_every_dialect_until_it_is_over() {
    let server = Server::start().await;
    let (mut ann, mut guest) = den(&server).await;
    ann.call("guest.ban", json!({"room": "den", "guest": "gus", "for_s": 3600})).await.unwrap();
    guest.expect_event("guest.left").await;
    let room = ann.call("room.get", json!({"room": "den"})).await.unwrap()["room"].clone();
    let mut another = server.guest("gustav").await;
    for client in [&mut guest, &mut another] {
        let failure = client.call("room.join", json!({"room": "den"})).await.unwrap_err();
        assert!(failure.code() == "forbidden" && failure.message().contains("banned"), "{}", failure.message());
    }
    let mut groups = Client::open(&format!("ws://{}/ws/groups", server.address())).await;
    groups.send_text(json!({"type": "first-connect", "name": "gus", "group": "den"}).to_string()).await;
    assert_eq!(groups.next_frame().await["type"], "reject-connect");
    let mut rooms = Client::open(&format!("ws://{}/ws/rooms", server.address())).await;
    let join = json!({"type": "join", "payload": {"name": "gus", "roomId": room["code"], "pass": ""}});
    rooms.send_text(join.to_string()).await;
    assert!(rooms.next_frame().await.to_string().contains("banned"));
    // Never accounts, and no other rooms.
    server.join_as("bob").await.join("den").await;
    another.join("lobby").await;
    ann.call("guest.pardon", json!({"room": "den"})).await.unwrap();
    another.join("den").await;
    ann.call("guest.ban", json!({"room": "den", "guest": "gustav", "for_s": 1})).await.unwrap();
    another.expect_event("guest.left").await;
    // A second later it may come in again.
    while another.call("room.join", json!({"room": "den"})).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    for for_s in [0, 2_592_001] {
        let ban = json!({"room": "den", "guest": "gustav", "for_s": for_s});
        assert_eq!(ann.call("guest.ban", ban).await.unwrap_err().code(), "invalid");
    }
}

#[tokio::test]
async fn plugin_does_not_post_for_a_muted_guest() {
    let server = Server::start().await;
    let (mut ann, mut guest) = den(&server).await;
    guest.post("den", "/me waves").await.unwrap();
    ann.call("guest.mute", json!({"room": "den", "guest": "gus", "for_s": 600})).await.unwrap();
    for (op, args) in [
        ("message.post", json!({"room": "den", "body": "/me spams"})),
        ("message.post", json!({"room": "den", "body": "/roll 9d9"})),
        ("action.post", json!({"room": "den", "text": "spams"})),
        ("dice.roll", json!({"room": "den"})),
    ] {
        let failure = guest.call(op, args.clone()).await.unwrap_err();
        assert!(failure.code() == "forbidden" && failure.message().contains("muted"), "{args}: {}", failure.message());
    }
}

#[tokio::test]
async fn muted_guest_receives_messages_and_cannot_post() {
    let server = Server::start().await;
    let (mut ann, mut guest) = den(&server).await;
    ann.post("den", "/mute-guest 1h gus").await.unwrap();
    let failure = guest.post("den", "hello").await.unwrap_err();
    assert!(failure.code() == "forbidden" && failure.message().contains("muted"), "{}", failure.message());
    assert_eq!(guest.call("typing", json!({"room": "den"})).await.unwrap_err().code(), "forbidden");
    ann.post("den", "quiet now").await.unwrap();
    assert_eq!(guest.expect_message().await, "quiet now");
    // Coming back under another name from the same address changes nothing.
    let mut another = server.guest("gustav").await;
    another.join("den").await;
    assert_eq!(another.post("den", "hello").await.unwrap_err().code(), "forbidden");
}

#[tokio::test]
async fn closing_a_room_to_guests_removes_them() {
    let server = Server::start().await;
    let (mut ann, mut guest) = den(&server).await;
    ann.call("room.guests", json!({"room": "den", "allowed": false})).await.unwrap();
    guest.expect_event("guest.left").await;
    assert_eq!(guest.call("room.join", json!({"room": "den"})).await.unwrap_err().code(), "forbidden");
    assert_eq!(ann.call("room.get", json!({"room": "den"})).await.unwrap()["room"]["guests"], false);
    server.join_as("bob").await.join("den").await;
    ann.call("room.guests", json!({"room": "den", "allowed": true})).await.unwrap();
    guest.join("den").await;
}

#[tokio::test]
async fn banned_account_cannot_return_as_guest_from_its_address() {
    let server = Server::start().await;
    let (mut ann, _guest) = den(&server).await;
    let mut bob = server.join_as("bob").await;
    bob.join("den").await;
    ann.call("member.ban", json!({"room": "den", "account": "bob"})).await.unwrap();
    ann.call("guest.exclude", json!({"room": "den", "account": "bob", "for_s": 3600})).await.unwrap();
    let mut guest = server.guest("not bob").await;
    assert_eq!(guest.call("room.join", json!({"room": "den"})).await.unwrap_err().code(), "forbidden");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn guest_on_another_node_is_banned_there_and_everywhere() {
    let cluster = Cluster::start().await;
    let (first, second) = (cluster.start_node("node-1").await, cluster.start_node("node-2").await);
    let (mut ann, mut guest) = (first.join_as("ann").await, second.guest("gus").await);
    ann.call("room.create", json!({"name": "den"})).await.unwrap();
    ann.join("den").await;
    guest.join("den").await;
    ann.expect_event("guest.joined").await;
    ann.call("guest.ban", json!({"room": "den", "guest": "gus", "for_s": 3600})).await.unwrap();
    guest.expect_event("guest.left").await;
    for node in [&first, &second] {
        let mut another = node.guest("gustav").await;
        assert_eq!(another.call("room.join", json!({"room": "den"})).await.unwrap_err().code(), "forbidden");
    }
    ann.call("guest.pardon", json!({"room": "den"})).await.unwrap();
    // An account that is connected to another node is known only there.
    let _bob = second.join_as("bob").await;
    ann.call("guest.exclude", json!({"room": "den", "account": "bob", "for_s": 3600})).await.unwrap();
    while guest.call("room.join", json!({"room": "den"})).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn guest_cannot_use_the_name_of_a_plugin_or_external_account() {
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
async fn guest_names_are_unique_across_dialects_in_a_room() {
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
async fn groups_are_hidden_from_strangers_where_guests_are_disabled() {
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
        assert!(answer.contains("not allowed") && !answer.contains("lobby"), "{command}: {answer}");
    }
}
