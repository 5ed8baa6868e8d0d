//! Direct messages to deleted, disabled and blocking accounts are refused.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Account, Client, Plugin, Server, Setup, database};

async fn user(setup: &Setup, args: &[&str]) {
    let output = setup.command(&[&["user"], args].concat()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn number(server: &Server, account: &Account) -> i64 {
    server.get("/api/me", Some(&account.token)).await.1["number"].as_i64().unwrap()
}

/// The errors for a post of `from` to `to` in every dialect with direct messages.
async fn refusals(server: &Server, from: &Account, to: &Account, room: &str, number: i64) -> Vec<String> {
    let mut native = server.log_in(from).await;
    let mut codes = vec![native.post(room, "hello?").await.unwrap_err().code().to_owned()];
    let mut direct = Client::open(&format!("ws://{}/ws/direct", server.address())).await;
    direct.send_text(json!({"event": "authenticate", "token": from.token}).to_string()).await;
    direct.expect_event("userStatus").await;
    direct.send_text(json!({"event": "message", "receiverId": to.id, "message": "hello?"}).to_string()).await;
    codes.push(direct.expect_event("error").await["code"].as_str().unwrap().to_owned());
    let bearer = format!("Bearer {}", from.token);
    let url = format!("ws://{}/ws", server.address());
    let mut go = Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap();
    go.send_text(json!({"receiver_id": number, "message": "hello?"}).to_string()).await;
    codes.push(go.expect_type("error").await["code"].as_str().unwrap().to_owned());
    codes
}

async fn direct_room(client: &mut Client, with: &str) -> String {
    let opened = client.call("direct.open", json!({"account": with})).await.unwrap();
    opened["room"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn post_to_a_disabled_or_deleted_account_is_forbidden_in_every_dialect() {
    let server = Server::start().await;
    let (ann, bob, cyd) = (server.sign_up("ann").await, server.sign_up("bob").await, server.sign_up("cyd").await);
    let mut of_ann = server.log_in(&ann).await;
    let (with_bob, with_cyd) = (direct_room(&mut of_ann, "bob").await, direct_room(&mut of_ann, "cyd").await);
    of_ann.post(&with_bob, "before").await.unwrap();
    let (b, c) = (number(&server, &bob).await, number(&server, &cyd).await);
    user(server.setup(), &["disable", "bob"]).await;
    user(server.setup(), &["delete", "cyd"]).await;
    for (other, room, number) in [(&bob, &with_bob, b), (&cyd, &with_cyd, c)] {
        assert_eq!(refusals(&server, &ann, other, room, number).await, ["forbidden"; 3]);
    }
    assert_eq!(of_ann.call("typing", json!({"room": with_bob})).await.unwrap_err().code(), "forbidden");
    // Plugins cannot post for them either.
    for (op, args) in [
        ("message.post", json!({"room": with_bob, "body": "/me waves"})),
        ("action.post", json!({"room": with_bob, "text": "waves"})),
        ("dice.roll", json!({"room": with_cyd})),
    ] {
        assert_eq!(of_ann.call(op, args.clone()).await.unwrap_err().code(), "forbidden", "{args}");
    }
    // Earlier messages stay readable.
    assert_eq!(of_ann.history(&with_bob).await, ["before"]);
    let found = of_ann.call("account.find", json!({"name": "bob"})).await.unwrap();
    assert_eq!(found["account"]["disabled"], true);
    let (_, found) = server.get("/api/users?name=bob", Some(&ann.token)).await;
    assert_eq!(found["disabled"], true);
    user(server.setup(), &["enable", "bob"]).await;
    of_ann.post(&with_bob, "again").await.unwrap();
    let found = of_ann.call("account.find", json!({"name": "bob"})).await.unwrap();
    assert_eq!(found["account"].get("disabled"), None);
}

#[tokio::test]
async fn direct_room_with_disabled_account_is_refused() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    server.sign_up("bob").await;
    user(server.setup(), &["disable", "bob"]).await;
    assert_eq!(ann.call("direct.open", json!({"account": "bob"})).await.unwrap_err().code(), "forbidden");
}

#[tokio::test]
async fn blocked_account_is_refused_like_one_that_writes_to_a_disabled_account() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut of_ann, mut of_bob) = (server.log_in(&ann).await, server.log_in(&bob).await);
    let room = direct_room(&mut of_ann, "bob").await;
    let posted = of_bob.post(&room, "hello").await.unwrap();
    of_ann.call("account.block", json!({"account": "bob"})).await.unwrap();
    let listed = of_ann.call("account.blocked", json!({})).await.unwrap();
    assert_eq!(listed, json!({"accounts": [{"id": bob.id, "name": "bob"}], "next": null}));

    let a = number(&server, &ann).await;
    assert_eq!(refusals(&server, &bob, &ann, &room, a).await, ["forbidden"; 3]);
    let refused = of_bob.post(&room, "hello?").await.unwrap_err();
    assert!(!refused.message().contains("block"), "{}", refused.message());
    // Other commands do not reach the blocking account either.
    let seq = &posted["seq"];
    for (op, args) in [
        ("message.edit", json!({"room": room, "seq": seq, "body": "hello?"})),
        ("message.react", json!({"room": room, "seq": seq, "emoji": "👍", "on": true})),
        ("typing", json!({"room": room})),
    ] {
        assert_eq!(of_bob.call(op, args).await.unwrap_err().code(), "forbidden", "{op}");
    }
    of_bob.call("message.delete", json!({"room": room, "seq": seq})).await.unwrap();
    // The blocking account cannot write either, and gets the reason.
    assert!(of_ann.post(&room, "so there").await.unwrap_err().message().contains("unblock"));
    // In other rooms both post as before.
    for client in [&mut of_ann, &mut of_bob] {
        client.join("lobby").await;
        client.post("lobby", "hello all").await.unwrap();
    }
    of_ann.call("account.unblock", json!({"account": bob.id})).await.unwrap();
    of_bob.post(&room, "friends again").await.unwrap();
    assert_eq!(of_ann.call("account.block", json!({"account": "ann"})).await.unwrap_err().code(), "invalid");
}

#[tokio::test]
async fn blocks_over_rest_are_listed_and_limited() {
    let server = Setup::new().replace("blocked_per_account = 1000", "blocked_per_account = 1").start().await;
    let (ann, bob, cyd) = (server.sign_up("ann").await, server.sign_up("bob").await, server.sign_up("cyd").await);
    let token = Some(ann.token.as_str());
    let path = |account: &Account| format!("/api/me/blocked/{}", account.id);
    for status in [200, 200] {
        assert_eq!(server.put(&path(&bob), token, Vec::new()).await.0, status);
    }
    let (status, refused) = server.put(&path(&cyd), token, Vec::new()).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("conflict")), "{refused}");
    let (_, listed) = server.get("/api/me/blocked", token).await;
    assert_eq!((&listed["accounts"][0]["uid"], &listed["next"]), (&json!(bob.id), &json!(null)), "{listed}");
    assert_eq!(server.delete(&path(&bob), token).await.0, 200);
    assert_eq!(server.get("/api/me/blocked", token).await.1["accounts"], json!([]));
    assert_eq!(server.put("/api/me/blocked/0198c0de-0000-7000-8000-000000000000", token, Vec::new()).await.0, 404);
    assert_eq!(server.get("/api/me/blocked", None).await.0, 401);
}

#[tokio::test]
async fn hidden_direct_room_reappears_with_the_next_message() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    let room = direct_room(&mut ann, "bob").await;
    bob.post(&room, "hello").await.unwrap();
    let listed = async |client: &mut Client| {
        let unread = client.call("unread", json!({})).await.unwrap();
        unread["rooms"].as_array().unwrap().iter().any(|one| one["room"]["uid"] == json!(room))
    };
    assert!(listed(&mut ann).await);
    ann.call("direct.hide", json!({"room": room})).await.unwrap();
    assert!(!listed(&mut ann).await && listed(&mut bob).await);
    bob.call("message.react", json!({"room": room, "seq": 3, "emoji": "👍", "on": true})).await.unwrap();
    assert!(!listed(&mut ann).await, "a reaction is no message");
    bob.post(&room, "are you there?").await.unwrap();
    assert!(listed(&mut ann).await);
    ann.join("lobby").await;
    assert_eq!(ann.call("direct.hide", json!({"room": "lobby"})).await.unwrap_err().code(), "forbidden");
}

#[tokio::test]
async fn room_with_a_deleted_rooms_name_does_not_recover_its_log() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    for _ in 0..2 {
        ann.call("room.create", json!({"name": "pond"})).await.unwrap();
        ann.join("pond").await;
        bob.join("pond").await;
        for n in 0..5 {
            ann.post("pond", &n.to_string()).await.unwrap();
        }
        bob.call("room.leave", json!({"room": "pond"})).await.unwrap();
        let room = ann.call("room.get", json!({"room": "pond"})).await.unwrap()["room"]["uid"].clone();
        let by_uid = bob.call("room.join", json!({"room": room, "since": 3})).await.unwrap();
        assert_eq!(by_uid["recovered"], true);
        ann.call("room.delete", json!({"room": "pond"})).await.unwrap();
    }
    ann.call("room.create", json!({"name": "pond"})).await.unwrap();
    ann.join("pond").await;
    for n in 0..5 {
        ann.post("pond", &n.to_string()).await.unwrap();
    }
    let by_name = bob.call("room.join", json!({"room": "pond", "since": 3})).await.unwrap();
    assert_eq!(by_name["recovered"], false);
}

#[tokio::test]
async fn timer_does_not_post_where_its_account_may_not_post_any_more() {
    let setup = Setup::new().configure("[plugin.bot]\ngrants = [\"storage\", \"rooms\", \"messages\", \"push\", \"timers\", \"http\"]\nsettings = { commands = true }");
    setup.install(Plugin::Bot, "bot.wasm");
    let mut server = setup.start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut of_ann, mut of_bob) = (server.log_in(&ann).await, server.log_in(&bob).await);
    let direct = direct_room(&mut of_ann, "bob").await;
    let mut rooms = vec![direct.as_str(), "lobby"];
    for room in ["kicks", "bans", "mutes"] {
        of_bob.call("room.create", json!({"name": room})).await.unwrap();
        rooms.push(room);
    }
    of_ann.join("lobby").await;
    for room in &rooms {
        if *room != direct {
            of_ann.join(room).await;
        }
        of_ann.call("reminder.set", json!({"room": room, "in_s": 3600, "text": "tea"})).await.unwrap();
    }
    of_bob.call("account.block", json!({"account": "ann"})).await.unwrap();
    for (op, room) in [("member.kick", "kicks"), ("member.ban", "bans")] {
        of_bob.call(op, json!({"room": room, "account": "ann"})).await.unwrap();
    }
    of_bob.call("member.mute", json!({"room": "mutes", "account": "ann", "for_s": 3600})).await.unwrap();
    for room in [direct.as_str(), "mutes"] {
        let refused = of_ann.call("reminder.set", json!({"room": room, "in_s": 9, "text": "tea"})).await.unwrap_err();
        assert_eq!(refused.code(), "forbidden", "{room}");
    }
    server.kill().await;
    // The timers now belong to another plugin, which checks nothing before it posts, and are due at once.
    let due = "UPDATE timers SET plugin = 'bot', due_at = 0, payload = '{\"again\":0,' || substr(payload, 2)";
    database::execute(&server.setup().database_url(), due).await;
    server.start_again().await;
    server.expect_output("the timer is dropped, since it would fail again").await;
    let mut of_ann = server.log_in(&ann).await;
    of_ann.call("room.join", json!({"room": "lobby", "since": 0})).await.unwrap();
    assert_eq!(of_ann.expect_message().await, "tea");
    let url = server.setup().database_url();
    while !database::texts(&url, "SELECT name FROM timers").await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(database::texts(&url, "SELECT body FROM entries WHERE body IS NOT NULL").await, ["tea"]);
}
