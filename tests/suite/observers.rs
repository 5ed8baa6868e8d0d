//! Plugin observers, which react to events after their commit.

use serde_json::json;

use crate::harness::{Client, Plugin, Server, Setup};

const GRANTS: &str = r#"grants = ["storage", "rooms", "messages", "push", "timers", "http"]"#;

/// A server with one bot that has these settings.
async fn with_bot(settings: &str) -> Server {
    let setup = Setup::bare().configure(&format!("[plugin.bot]\n{GRANTS}\nsettings = {{ {settings} }}\n"));
    setup.install(Plugin::Bot, "bot.wasm");
    setup.install(Plugin::Groups, Plugin::Groups.file_name());
    setup.start().await
}

async fn in_lobby(server: &Server, name: &str) -> Client {
    let mut client = server.join_as(name).await;
    client.join("lobby").await;
    client
}

#[tokio::test]
async fn observers_reply_follows_the_message_and_is_marked_as_bot() {
    let server = with_bot(r#"answers = { hello = "hi there" }"#).await;
    let mut ann = in_lobby(&server, "ann").await;
    let posted = ann.post("lobby", "hello").await.unwrap();
    assert_eq!(ann.expect_message().await, "hello");
    let answer = ann.expect_event("message.posted").await;
    assert_eq!(answer["data"]["body"], "hi there");
    assert_eq!(answer["data"]["reply_to"], posted["seq"]);
    assert_eq!(answer["data"]["from"]["name"], "bot");
    assert_eq!(answer["data"]["from"]["bot"], true);
    assert!(answer["seq"].as_u64() > posted["seq"].as_u64());
    assert_eq!(ann.history("lobby").await, ["hello", "hi there"]);
}

#[tokio::test]
async fn observer_receives_a_rooms_events_in_order() {
    let server = with_bot(r#"answers = { "*" = "you said " }"#).await;
    let mut ann = in_lobby(&server, "ann").await;
    for n in 0..30 {
        ann.send("message.post", json!({"room": "lobby", "body": n.to_string()})).await;
    }
    let mut answers = Vec::new();
    while answers.len() < 30 {
        let message = ann.expect_message().await;
        answers.extend(message.strip_prefix("you said ").map(str::to_owned));
    }
    assert_eq!(answers, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_bots_do_not_answer_each_other_for_ever() {
    let setup = Setup::bare()
        .configure(&format!("[plugin.pinger]\n{GRANTS}\nsettings.answers = {{ pong = \"ping\", end = \"ended\" }}\n"))
        .configure(&format!("[plugin.ponger]\n{GRANTS}\nsettings.answers = {{ ping = \"pong\" }}\n"));
    setup.install(Plugin::Bot, "pinger.wasm");
    setup.install(Plugin::Bot, "ponger.wasm");
    let server = setup.start().await;
    let mut ann = in_lobby(&server, "ann").await;
    ann.post("lobby", "ping").await.unwrap();
    // A user's post and five reactions: the observer does not receive the last one.
    for wanted in ["ping", "pong", "ping", "pong", "ping", "pong"] {
        assert_eq!(ann.expect_message().await, wanted);
    }
    // An answer to this means that all earlier events were handled.
    ann.post("lobby", "end").await.unwrap();
    assert_eq!(ann.expect_message().await, "end");
    assert_eq!(ann.expect_message().await, "ended");
}

/// Waits until the bot has reported this; other reports may come between.
async fn expect_report(client: &mut Client, wanted: &str) {
    while client.expect_message().await != wanted {}
}

#[tokio::test]
async fn observer_receives_room_member_and_session_events() {
    let kinds = r#"tells = ["joined", "left", "deleted", "updated", "gone", "opened", "closed"]"#;
    let server = with_bot(kinds).await;
    let mut ann = server.join_as("ann").await;
    // The report of ann's join may precede her subscription, so she also reads history.
    ann.call("room.join", json!({"room": "lobby", "since": 0})).await.unwrap();
    expect_report(&mut ann, "joined ann by ann in lobby").await;

    let bob = server.join_as("bob").await;
    expect_report(&mut ann, "opened  by bob in nowhere").await;
    drop(bob);
    expect_report(&mut ann, "closed  by bob in nowhere").await;

    ann.call("room.create", json!({"name": "pond"})).await.unwrap();
    expect_report(&mut ann, "joined ann by ann in pond").await;
    let mut cyd = server.join_as("cyd").await;
    expect_report(&mut ann, "opened  by cyd in nowhere").await;
    cyd.join("pond").await;
    expect_report(&mut ann, "joined cyd by cyd in pond").await;
    ann.call("member.kick", json!({"room": "pond", "account": "cyd"})).await.unwrap();
    expect_report(&mut ann, "left cyd Kicked by ann in pond").await;
    ann.call("room.update", json!({"room": "pond", "name": "lake"})).await.unwrap();
    expect_report(&mut ann, "updated  by ann in lake").await;
    ann.call("room.delete", json!({"room": "lake"})).await.unwrap();
    expect_report(&mut ann, "gone  by ann in lake").await;
}

#[tokio::test]
async fn failed_observer_call_is_rolled_back_and_logged() {
    let mut server = with_bot(r#"answers = { hello = "hi there" }"#).await;
    let mut ann = in_lobby(&server, "ann").await;
    for body in ["give up", "trap", "hello"] {
        ann.post("lobby", body).await.unwrap();
    }
    for wanted in ["give up", "trap", "hello", "hi there"] {
        assert_eq!(ann.expect_message().await, wanted);
    }
    server.expect_output("it was told to give up").await;
    server.expect_output("it was told to").await;
    assert_eq!(ann.history("lobby").await, ["give up", "trap", "hello", "hi there"]);
}

#[tokio::test]
async fn last_messages_are_observed_before_the_server_stops() {
    let mut server = with_bot(r#"answers = { hello = "hi there" }"#).await;
    let account = server.sign_up("ann").await;
    let mut ann = server.log_in(&account).await;
    ann.join("lobby").await;
    ann.post("lobby", "hello").await.unwrap();
    assert!(server.stop().await.success());
    server.start_again().await;
    let mut ann = server.log_in(&account).await;
    assert_eq!(ann.history("lobby").await, ["hello", "hi there"]);
}
