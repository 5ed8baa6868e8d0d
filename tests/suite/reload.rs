//! Reloads of plugins while people chat.

use serde_json::json;

use crate::harness::{Client, Plugin, Server};

/// Posts until the server answers as wanted: clients are not notified of a reload.
async fn post_until(
    client: &mut Client,
    body: &str,
    wanted: impl Fn(&Result<serde_json::Value, crate::harness::Failure>) -> bool,
) {
    let deadline = tokio::time::Instant::now() + crate::harness::PATIENCE;
    while tokio::time::Instant::now() < deadline {
        let answer = client.post("lobby", body).await;
        if wanted(&answer) {
            return;
        }
    }
    panic!("`{body}` was never answered as wanted");
}

#[tokio::test]
async fn replaced_filter_applies_without_disconnects() {
    let mut server = crate::harness::Setup::new()
        .replace("commands_per_second = 20", "commands_per_second = 100000")
        .replace("command_burst = 200", "command_burst = 100000")
        .start()
        .await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    ann.post("lobby", "darn this casino").await.unwrap();
    assert_eq!(bob.expect_message().await, "**** this casino");

    // Another plugin under the word filter's name: words are free now, casinos are not.
    server.setup().install(Plugin::NoAds, Plugin::WordFilter.file_name());
    post_until(&mut ann, "casino", |answer| answer.as_ref().is_err_and(|failure| failure.code() == "rejected")).await;
    server.expect_output("word-filter").await;
    ann.post("lobby", "darn").await.unwrap();
    while bob.expect_message().await != "darn" {}

    // And back again.
    server.setup().install(Plugin::WordFilter, Plugin::WordFilter.file_name());
    post_until(&mut ann, "casino", Result::is_ok).await;
    ann.post("lobby", "so darn lucky").await.unwrap();
    while bob.expect_message().await != "so **** lucky" {}
}

#[tokio::test]
async fn repeated_filter_reloads_lose_and_duplicate_nothing() {
    let mut server = crate::harness::Setup::new()
        .replace("commands_per_second = 20", "commands_per_second = 100000")
        .replace("command_burst = 200", "command_burst = 100000")
        .start()
        .await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    let mut posted = 0;
    for round in 0..4 {
        let before = server.count_output("word-filter");
        let next = if round % 2 == 0 { Plugin::NoAds } else { Plugin::WordFilter };
        server.setup().install(next, Plugin::WordFilter.file_name());
        // Talk until the log speaks of the reload, and a little on.
        let mut after = 20;
        while after > 0 {
            ann.post("lobby", &format!("message {posted}")).await.unwrap();
            posted += 1;
            if server.count_output("word-filter") > before {
                after -= 1;
            }
        }
        server.expect_more_output("word-filter", before).await;
    }
    for n in 0..posted {
        assert_eq!(bob.expect_message().await, format!("message {n}"));
    }
}

#[tokio::test]
async fn broken_file_keeps_the_old_filter_and_is_logged() {
    let mut server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let before = server.count_output("word-filter");
    server.setup().install_bytes(Plugin::WordFilter.file_name(), b"\0asm no more");
    server.expect_more_output("word-filter", before).await;
    ann.post("lobby", "darn").await.unwrap();
    assert_eq!(ann.expect_message().await, "****");
}

#[tokio::test]
async fn new_settings_apply_to_the_next_message() {
    let mut server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let before = server.count_output("word-filter");
    server.write_config(|text| text.replace(r#"["darn"]"#, r#"["drat"]"#));
    server.expect_more_output("word-filter", before).await;
    ann.post("lobby", "darn and drat").await.unwrap();
    assert_eq!(ann.expect_message().await, "darn and ****");
}

#[tokio::test]
async fn invalid_settings_keep_the_old_ones_and_are_logged() {
    let mut server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    server.write_config(|text| text.replace(r#"action = "mask""#, r#"action = "shout""#));
    server.expect_output("shout").await;
    server.write_config(|text| text.replace("[log]", "[lgo]"));
    server.expect_output("lgo").await;
    ann.post("lobby", "darn").await.unwrap();
    assert_eq!(ann.expect_message().await, "****");
}

#[tokio::test]
async fn removed_plugin_is_unloaded_and_new_one_is_loaded() {
    let mut server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let before = server.count_output("groups");
    server.setup().remove(Plugin::Groups);
    server.expect_more_output("groups", before).await;
    let failure = ann.call("room.create", json!({"name": "pond"})).await.unwrap_err();
    assert_eq!(failure.code(), "bad_request");

    let before = server.count_output("groups");
    server.setup().install(Plugin::Groups, Plugin::Groups.file_name());
    server.expect_more_output("groups", before).await;
    ann.call("room.create", json!({"name": "pond"})).await.unwrap();
}
