//! Plugin timers: restarts, unloaded plugins, rollbacks.

use serde_json::{Value, json};

use crate::harness::{Client, Plugin, Server, Setup};

async fn start() -> Server {
    let setup = Setup::new().configure(
        r#"
        [plugin.bot]
        grants = ["storage", "rooms", "messages", "push", "timers", "http"]
        settings = { commands = true }
        "#,
    );
    setup.install(Plugin::Bot, "bot.wasm");
    setup.start().await
}

async fn set(client: &mut Client, name: &str, text: &str, again: u32) -> Value {
    let args = json!({"room": "lobby", "name": name, "text": text, "again": again});
    client.call("bot.alarm", args).await.unwrap()["set"].clone()
}

#[tokio::test]
async fn timer_fires_when_due() {
    let server = start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    ann.post("lobby", "/remind 1s tea").await.unwrap();
    assert_eq!(ann.expect_message().await, "@ann: tea");
}

#[tokio::test]
async fn timer_survives_restart() {
    let mut server = start().await;
    let account = server.sign_up("ann").await;
    let mut ann = server.log_in(&account).await;
    let seen = ann.join("lobby").await["last_seq"].clone();
    ann.post("lobby", "/remind 1s tea").await.unwrap();
    server.kill().await;
    server.start_again().await;
    let mut ann = server.log_in(&account).await;
    ann.call("room.join", json!({"room": "lobby", "since": seen})).await.unwrap();
    while ann.expect_message().await != "@ann: tea" {}
}

#[tokio::test]
async fn timers_wait_for_an_unloaded_plugin() {
    let mut server = start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    set(&mut ann, "a", "back again", 0).await;
    server.setup().remove(Plugin::Bot);
    server.expect_output("plugin unloaded").await;
    server.setup().install(Plugin::Bot, "bot.wasm");
    assert_eq!(ann.expect_message().await, "back again");
}

#[tokio::test]
async fn call_sees_its_own_timer_changes() {
    let server = start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let later = json!({"room": "lobby", "in_s": 3600, "text": "no concern of the bot"});
    ann.call("reminder.set", later).await.unwrap();
    assert_eq!(set(&mut ann, "b", "never", 0).await, json!(["b"]));
    let left = ann.call("bot.cancel", json!({"name": "b"})).await.unwrap();
    assert_eq!(left["set"], json!([]));
    assert_eq!(ann.call("bot.cancel", json!({"name": "b"})).await.unwrap()["set"], json!([]));
    // Were the other one not gone, it would come first.
    set(&mut ann, "c", "once", 0).await;
    assert_eq!(ann.expect_message().await, "once");
}

#[tokio::test]
async fn timer_can_reschedule_itself() {
    let server = start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    set(&mut ann, "tick", "tick", 1).await;
    for _ in 0..2 {
        assert_eq!(ann.expect_message().await, "tick");
    }
    assert_eq!(ann.call("bot.cancel", json!({"name": "x"})).await.unwrap()["set"], json!([]));
}

#[tokio::test]
async fn failed_timer_is_rolled_back_and_fires_again() {
    let mut server = start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    set(&mut ann, "f", "fail", 0).await;
    server.expect_output("retry_in=2s").await;
    server.expect_output("retry_in=20s").await;
    assert!(ann.history("lobby").await.is_empty());
}

#[tokio::test]
async fn a_timer_that_would_fail_again_is_dropped_at_once_and_the_log_says_why() {
    let mut server = start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    set(&mut ann, "bad", "\u{202E}txet", 0).await;
    server.expect_output("the timer is dropped, since it would fail again").await;
    assert_eq!(ann.call("bot.cancel", json!({"name": "x"})).await.unwrap()["set"], json!([]));
    let said: Vec<String> = server.output().into_iter().filter(|line| line.contains("timer=bad")).collect();
    assert!(said.len() == 1 && said[0].contains("plugin=bot") && said[0].contains("code=\"invalid\""), "{said:?}");
    assert!(!said[0].contains("WARN"), "{said:?}");
}

#[tokio::test]
async fn a_reminder_of_what_could_not_be_posted_is_refused_when_it_is_set() {
    let server = start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    for text in ["tea\0", "\u{202E}aet", "\u{200B}"] {
        let args = json!({"room": "lobby", "in_s": 60, "text": text});
        assert_eq!(ann.call("reminder.set", args).await.unwrap_err().code(), "invalid", "{text:?}");
    }
}
