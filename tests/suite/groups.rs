//! The dialect `groups`: groups and people are known by name, and clients log in over the connection itself.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup};

/// An unauthenticated connection.
async fn open(server: &Server) -> Client {
    Client::open(&format!("ws://{}/ws/groups", server.address())).await
}

async fn say(client: &mut Client, frame: Value) {
    client.send_text(frame.to_string()).await;
}

/// Sends a frame and returns the next received one.
async fn ask(client: &mut Client, frame: Value) -> Value {
    say(client, frame).await;
    client.next_frame().await
}

/// A guest under this name, in this group.
async fn guest(server: &Server, name: &str, group: &str) -> Client {
    let mut client = open(server).await;
    let answer = ask(&mut client, json!({"type": "first-connect", "name": name, "group": group})).await;
    assert_eq!(answer, json!({"type": "acknowledge-connect", "name": name, "Group": group}));
    client
}

fn message(name: &str, group: &str, text: &str) -> Value {
    json!({"type": "message", "name": name, "group": group, "Text": text})
}

#[tokio::test]
async fn lobby_message_reaches_all_guests_and_its_sender() {
    let server = Server::start().await;
    let mut ann = open(&server).await;
    // Without a group; by the first frame, the path says nothing.
    let mut bob = Client::open(&format!("ws://{}/", server.address())).await;
    let answer = ask(&mut ann, json!({"type": "first-connect", "name": "ann"})).await;
    assert_eq!(answer, json!({"type": "acknowledge-connect", "name": "ann", "Group": "lobby"}));
    ask(&mut bob, json!({"type": "first-connect", "name": "bob", "group": "lobby"})).await;
    assert_eq!(ann.next_frame().await, json!({"type": "user-added", "name": "bob", "Group": "lobby"}));

    let hello = message("ann", "lobby", "Hello, World!");
    assert_eq!(ask(&mut ann, hello.clone()).await, hello);
    assert_eq!(bob.next_frame().await, hello);
    let groups = ask(&mut bob, json!({"type": "get_groups"})).await;
    assert_eq!(groups, json!({"type": "active-groups", "groups": ["lobby"]}));
    drop(bob);
    assert_eq!(ann.next_frame().await, json!({"type": "user-removed", "name": "bob", "Group": "lobby"}));
}

#[tokio::test]
async fn created_group_is_joined_and_its_name_is_taken() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (guest(&server, "ann", "lobby").await, open(&server).await);
    let made = ask(&mut ann, json!({"type": "make_group", "group_name": "pond"})).await;
    assert_eq!(made, json!({"type": "acknowledge-connect", "name": "ann", "Group": "pond"}));
    let made = ask(&mut bob, json!({"type": "make_group", "group_name": "moor", "name": "bob"})).await;
    assert_eq!(made, json!({"type": "acknowledge-connect", "name": "bob", "Group": "moor"}));
    let joined = ask(&mut bob, json!({"type": "first-connect", "name": "bob", "group": "pond"})).await;
    assert_eq!(joined["type"], "acknowledge-connect");
    assert_eq!(ann.next_frame().await, json!({"type": "user-added", "name": "bob", "Group": "pond"}));
    let taken = ask(&mut ann, json!({"type": "make_group", "group_name": "Moor"})).await;
    assert_eq!(taken, json!({"type": "err", "err": "group_name: is taken"}));
    let groups = ask(&mut ann, json!({"type": "get_groups"})).await;
    // The one from the start first, then those with the most people.
    assert_eq!(groups["groups"], json!(["lobby", "pond", "moor"]));
}

#[tokio::test]
async fn log_in_by_name_or_id_rejoins_groups() {
    let server = Server::start().await;
    let mut ann = guest(&server, "ann", "lobby").await;
    let sign_up = json!({"type": "sign-up", "name": "dora", "pwrd": "secret", "id": "d-1", "groups": ["lobby"]});
    let mut first = open(&server).await;
    let answer = ask(&mut first, sign_up).await;
    let token = answer["token"].as_str().unwrap().to_owned();
    let who = json!({"name": "dora", "id": "d-1", "groups": ["lobby"]});
    assert_eq!(answer, json!({"type": "sign-up", "data": who, "token": token}));
    assert_eq!(ann.next_frame().await, json!({"type": "user-added", "name": "dora", "Group": "lobby"}));
    assert_eq!(server.get("/api/me", Some(&token)).await.1["username"], "dora");
    drop(first);
    assert_eq!(ann.next_frame().await["type"], "user-removed");

    for name in ["dora", "D-1"] {
        let mut again = open(&server).await;
        let answer = ask(&mut again, json!({"type": "log_in", "name": name, "pwrd": "secret"})).await;
        assert_eq!((&answer["type"], &answer["data"]), (&json!("login-accept"), &who), "{name}");
        assert!(answer["token"].is_string());
        assert_eq!(ann.next_frame().await["type"], "user-added");
        let hello = message("dora", "lobby", "back again");
        assert_eq!(ask(&mut again, hello.clone()).await, hello);
        assert_eq!(ann.next_frame().await, hello);
        drop(again);
        assert_eq!(ann.next_frame().await["type"], "user-removed");
    }
    // A group of one's own is a membership: it is there at the next log-in.
    let mut again = open(&server).await;
    ask(&mut again, json!({"type": "log_in", "name": "dora", "pwrd": "secret"})).await;
    ask(&mut again, json!({"type": "make_group", "group_name": "pond"})).await;
    let mut phone = open(&server).await;
    let answer = ask(&mut phone, json!({"type": "log_in", "name": "dora", "pwrd": "secret"})).await;
    assert_eq!(answer["data"]["groups"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn guest_who_logs_in_becomes_the_account() {
    let server = Server::start().await;
    server.sign_up("dora").await;
    let (mut ann, mut visitor) = (guest(&server, "ann", "lobby").await, guest(&server, "visitor", "lobby").await);
    assert_eq!(ann.next_frame().await["type"], "user-added");
    let answer = ask(&mut visitor, json!({"type": "log_in", "name": "dora", "pwrd": "dora's password"})).await;
    assert_eq!(answer["data"], json!({"name": "dora", "id": "dora", "groups": []}));
    assert_eq!(ann.next_frame().await, json!({"type": "user-removed", "name": "visitor", "Group": "lobby"}));
    let as_before = ask(&mut visitor, json!({"type": "first-connect", "name": "visitor", "group": "lobby"})).await;
    assert_eq!(as_before, json!({"type": "reject-connect", "err": "name: this connection is dora's"}));
    ask(&mut visitor, json!({"type": "first-connect", "name": "dora", "group": "lobby"})).await;
    assert_eq!(ann.next_frame().await, json!({"type": "user-added", "name": "dora", "Group": "lobby"}));
}

#[tokio::test]
async fn refusals_have_the_documented_texts() {
    let server = Server::start().await;
    server.sign_up("dora").await;
    let (_ann, mut bob) = (guest(&server, "ann", "lobby").await, open(&server).await);
    let reject = |err: &str| json!({"type": "reject-connect", "err": err});
    let err = |err: &str| json!({"type": "err", "err": err});
    let nobody = "say who you are first: `first-connect` or `log_in`";
    for (frame, wanted) in [
        (json!({"type": "first-connect", "name": "Ann", "group": "lobby"}), reject("User Exists")),
        (json!({"type": "first-connect", "name": "dora", "group": "lobby"}), reject("User Exists")),
        (json!({"type": "first-connect", "name": "bob", "group": "nowhere"}), reject("there is no group nowhere")),
        (json!({"type": "first-connect", "name": "", "group": "lobby"}), reject("name: is missing")),
        (message("bob", "lobby", "hello?"), err(nobody)),
        (json!({"type": "make_group", "group_name": "pond"}), err(nobody)),
        (json!({"type": "log_in", "name": "dora", "pwrd": "wrong"}), err("wrong-password")),
        (json!({"type": "log_in", "name": "nobody", "pwrd": "wrong"}), err("wrong-password")),
        (json!({"type": "sign-up", "name": "Dora", "pwrd": "x"}), err("Similar IDs")),
        (json!({"type": "sign-up", "name": "eve", "pwrd": "x", "id": "DORA"}), err("Similar IDs")),
        (json!({"type": "sign-up", "name": "eve", "pwrd": ""}), err("pwrd: must not be empty")),
        (json!({"type": "sign-up", "name": "eve", "pwrd": "x", "groups": ["no"]}), err("there is no group no")),
    ] {
        assert_eq!(ask(&mut bob, frame.clone()).await, wanted, "{frame}");
    }
    // Nothing of that bound a name.
    ask(&mut bob, json!({"type": "first-connect", "name": "bob", "group": "lobby"})).await;
    let not_bob = ask(&mut bob, message("ann", "lobby", "it's me")).await;
    assert_eq!(not_bob, err("name: this connection is bob's"));
    let not_there = ask(&mut bob, message("bob", "pond", "hello?")).await;
    assert_eq!(not_there, err("there is no group pond"));
    for frame in ["{", "[]", "5", r#"{"type": 5}"#, r#"{"type": "fly"}"#, r#"{"type": "message", "name": "bob"}"#] {
        bob.send_text(frame).await;
        assert_eq!(bob.next_frame().await["type"], "err", "{frame}");
    }
}

#[tokio::test]
async fn names_and_ids_share_one_namespace_under_concurrency() {
    let server = Server::start().await;
    let attempts = (0..8).map(|i| {
        let server = &server;
        async move {
            let mut client = open(server).await;
            let frame = match i % 2 {
                0 => json!({"type": "sign-up", "name": "same", "pwrd": "x", "id": format!("id{i}")}),
                _ => json!({"type": "sign-up", "name": format!("name{i}"), "pwrd": "x", "id": "Same"}),
            };
            ask(&mut client, frame).await
        }
    });
    let answers = join_all(attempts).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer["type"] == "sign-up");
    assert_eq!(won.len(), 1, "{won:?}");
    assert!(lost.iter().all(|answer| *answer == json!({"type": "err", "err": "Similar IDs"})), "{lost:?}");
    // And a name that somebody takes over REST is no id any more, the other way round likewise.
    server.sign_up("eve").await;
    let mut client = open(&server).await;
    let answer = ask(&mut client, json!({"type": "sign-up", "name": "fay", "pwrd": "x", "id": "eve"})).await;
    assert_eq!(answer["err"], "Similar IDs");
    ask(&mut client, json!({"type": "sign-up", "name": "fay", "pwrd": "x", "id": "gus"})).await;
    let (status, answer) =
        server.post("/api/auth/signup", None, &json!({"username": "Gus", "password": "long enough"})).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("conflict")));
}

#[tokio::test]
async fn echoes_unknown_names_and_listeners_are_configurable() {
    let server = Setup::new()
        .replace("echo = \"all\" ", "echo = \"others\" ")
        .replace("reveal_unknown_users = false", "reveal_unknown_users = true")
        .replace("[dialects.groups]              # clients", "[dialects.groups]\nlisten = [\"127.0.0.1:0\"] # clients")
        .replace("listen = []                    # addresses that speak only", "# addresses that speak only");
    let mut server = server.start().await;
    let line = server.expect_output("(groups)").await;
    let address = line.split("ws://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let mut bob = guest(&server, "bob", "lobby").await;
    // No path, and a first frame that says nothing of a dialect.
    let mut ann = Client::open(&format!("ws://{address}")).await;
    assert_eq!(ask(&mut ann, json!({"hello": "there"})).await["type"], "err");
    ask(&mut ann, json!({"type": "first-connect", "name": "ann"})).await;
    say(&mut ann, message("ann", "lobby", "only you hear that")).await;
    bob.expect_type("message").await;
    let unknown = ask(&mut ann, json!({"type": "log_in", "name": "nobody", "pwrd": "x"})).await;
    assert_eq!(unknown, json!({"type": "recomend-sign_up", "err": "No such user"}), "and no echo before");
}

#[tokio::test]
async fn disabled_guests_require_a_log_in() {
    let server = Setup::new().replace("guests = true ", "guests = false ").start().await;
    let mut client = open(&server).await;
    for frame in [
        json!({"type": "first-connect", "name": "ann"}),
        json!({"type": "make_group", "group_name": "pond", "name": "ann"}),
    ] {
        assert_eq!(ask(&mut client, frame).await["err"], "guests are not allowed on this server; log in first");
    }
    ask(&mut client, json!({"type": "sign-up", "name": "ann", "pwrd": "x"})).await;
    let joined = ask(&mut client, json!({"type": "first-connect", "name": "ann"})).await;
    assert_eq!(joined, json!({"type": "acknowledge-connect", "name": "ann", "Group": "lobby"}));
}

#[tokio::test]
async fn native_member_and_groups_guest_exchange_messages() {
    let server = Server::start().await;
    let mut native = server.join_as("nan").await;
    native.join("lobby").await;
    let mut ann = guest(&server, "ann", "lobby").await;
    native.post("lobby", "from afar").await.unwrap();
    assert_eq!(ann.expect_type("message").await, message("nan", "lobby", "from afar"));
    say(&mut ann, message("ann", "lobby", "and back")).await;
    let heard = loop {
        let event = native.expect_event("message.posted").await;
        if event["data"]["body"] == "and back" {
            break event;
        }
    };
    assert_eq!(heard["data"]["from"], json!({"name": "ann", "guest": true}));
}

#[tokio::test]
async fn log_out_on_another_connection_ends_this_one() {
    let server = Server::start().await;
    let mut ann = open(&server).await;
    let answer = ask(&mut ann, json!({"type": "sign-up", "name": "ann", "pwrd": "x"})).await;
    server.post("/api/auth/logout", answer["token"].as_str(), &json!({})).await;
    assert_eq!(ann.expect_close().await, 4505);
}

#[tokio::test]
async fn empty_room_of_a_guest_is_deleted() {
    let server = Setup::new().replace(r#"guest_rooms_ttl = "24h""#, r#"guest_rooms_ttl = "1s""#).start().await;
    let mut watcher = server.join_as("nan").await;
    let mut ann = guest(&server, "ann", "lobby").await;
    for group in ["left", "kept"] {
        ask(&mut ann, json!({"type": "make_group", "group_name": group})).await;
    }
    watcher.call("room.create", json!({"name": "owned", "visibility": "public"})).await.unwrap();
    watcher.join("left").await;
    let uid = watcher.call("room.get", json!({"room": "left"})).await.unwrap()["room"]["uid"].clone();
    watcher.call("room.leave", json!({"room": "left"})).await.unwrap();
    watcher.join("kept").await;
    drop(ann);
    // A guest in it keeps it, too, until they go; what says that it is gone is the sweep itself.
    let mut server = server;
    server.expect_output(uid.as_str().unwrap()).await;
    let gone = watcher.call("room.get", json!({"room": "left"})).await.unwrap_err();
    assert_eq!(gone.code(), "not_found");
    for group in ["kept", "owned", "lobby"] {
        watcher.call("room.get", json!({"room": group})).await.unwrap();
    }
}
