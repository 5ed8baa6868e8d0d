//! Posts and pushes of plugins: atomic per call, and filtered by other plugins.

use serde_json::{Value, json};

use crate::harness::{Client, Plugin, Server, Setup};

async fn start() -> Server {
    let setup = Setup::bare().configure(
        r#"
        [plugin.bot]
        grants = ["storage", "rooms", "messages", "push", "timers", "http"]
        settings = { commands = true }
        "#,
    );
    setup.install(Plugin::Bot, "bot.wasm");
    for plugin in [Plugin::Groups, Plugin::NoAds, Plugin::WordFilter] {
        setup.install(plugin, plugin.file_name());
    }
    setup.start().await
}

async fn in_lobby(server: &Server, name: &str) -> Client {
    let mut client = server.join_as(name).await;
    client.join("lobby").await;
    client
}

async fn said(client: &mut Client) -> Value {
    client.call("bot.said", json!({})).await.unwrap()["count"].clone()
}

#[tokio::test]
async fn filters_of_other_plugins_rewrite_a_bots_posts() {
    let server = start().await;
    let mut ann = in_lobby(&server, "ann").await;
    ann.call("bot.say", json!({"room": "lobby", "text": "darn"})).await.unwrap();
    assert_eq!(ann.expect_message().await, "****");
    assert_eq!(said(&mut ann).await, 1);
}

#[tokio::test]
async fn rejected_post_fails_the_whole_call() {
    let server = start().await;
    let mut ann = in_lobby(&server, "ann").await;
    let failure = ann.call("bot.say", json!({"room": "lobby", "text": "to the casino", "times": 2})).await.unwrap_err();
    assert_eq!((failure.code(), failure.message()), ("rejected", "no ads here"));
    assert_eq!(said(&mut ann).await, 0);
    assert!(ann.history("lobby").await.is_empty());
}

#[tokio::test]
async fn invalid_posts_of_a_bot_are_refused() {
    let server = start().await;
    let mut ann = in_lobby(&server, "ann").await;
    for (args, code) in [
        (json!({"room": "lobby", "text": "  "}), "invalid"),
        (json!({"room": "lobby", "text": "x".repeat(4001)}), "too_large"),
        (json!({"room": "lobby", "text": "x", "times": 21}), "too_large"),
        (json!({"room": "lobby", "text": "x", "answers": 99}), "not_found"),
    ] {
        assert_eq!(ann.call("bot.say", args).await.unwrap_err().code(), code);
    }
    assert_eq!(said(&mut ann).await, 0);
    ann.call("bot.say", json!({"room": "lobby", "text": "/kick bob", "times": 20})).await.unwrap();
    assert_eq!(ann.expect_message().await, "/kick bob");
}

#[tokio::test]
async fn muted_member_cannot_post_through_a_bot() {
    let server = start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "pond"})).await.unwrap();
    bob.join("pond").await;
    ann.call("member.mute", json!({"room": "pond", "account": "bob", "for_s": 600})).await.unwrap();
    let failure = bob.call("bot.say", json!({"room": "pond", "text": "x"})).await.unwrap_err();
    assert_eq!(failure.code(), "forbidden");
    ann.call("bot.say", json!({"room": "pond", "text": "x"})).await.unwrap();
}

#[tokio::test]
async fn call_sees_its_own_deletions() {
    let server = start().await;
    let mut ann = in_lobby(&server, "ann").await;
    let mut seqs = Vec::new();
    for body in ["one", "two", "three"] {
        seqs.push(ann.post("lobby", body).await.unwrap()["seq"].clone());
    }
    let left = ann.call("bot.delete", json!({"room": "lobby", "seq": seqs[1]})).await.unwrap();
    assert_eq!(left["messages"], json!(["ann: one", "ann: three"]));
    assert_eq!(ann.expect_event("message.deleted").await["data"]["message"], seqs[1]);
    assert_eq!(ann.history("lobby").await, ["one", "three"]);
    let again = ann.call("bot.delete", json!({"room": "lobby", "seq": seqs[1]})).await.unwrap_err();
    assert_eq!(again.code(), "not_found");
    let last = ann.call("bot.history", json!({"room": "lobby", "limit": 1})).await.unwrap();
    assert_eq!(last["messages"], json!(["ann: three"]));
}

#[tokio::test]
async fn pushed_events_reach_their_targets() {
    let server = start().await;
    let account = server.sign_up("ann").await;
    let (mut here, mut there) = (server.log_in(&account).await, server.log_in(&account).await);
    let mut bob = in_lobby(&server, "bob").await;
    here.join("lobby").await;
    for to in ["connection", "account", "room"] {
        let args = json!({"room": "lobby", "to": to, "name": "wave", "data": to});
        here.call("bot.push", args).await.unwrap();
    }
    // In their order, and each nothing but its own.
    for wanted in ["connection", "account", "room"] {
        assert_eq!(here.expect_event("plugin.bot.wave").await["data"]["text"], wanted);
    }
    let in_room = bob.expect_event("plugin.bot.wave").await;
    assert_eq!(in_room["data"]["text"], "room");
    assert!(in_room["room"].is_string());
    assert_eq!(there.expect_event("plugin.bot.wave").await["data"]["text"], "account");
    assert!(there.settle().await.is_empty());

    let unnamed = json!({"room": "lobby", "to": "room", "name": "Wave!", "data": ""});
    assert_eq!(here.call("bot.push", unnamed).await.unwrap_err().code(), "invalid");
    let heavy = json!({"room": "lobby", "to": "room", "name": "wave", "data": "x".repeat(17_000)});
    assert_eq!(here.call("bot.push", heavy).await.unwrap_err().code(), "too_large");
}

#[tokio::test]
async fn plugin_can_list_commands() {
    let server = start().await;
    let mut ann = server.join_as("ann").await;
    let answer = ann.call("bot.commands", json!({})).await.unwrap();
    let names: Vec<&str> = answer["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.contains(&"bot.commands") && names.contains(&"room.create"));
    assert!(names.is_sorted());
}
