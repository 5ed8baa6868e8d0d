//! Outbound HTTP of plugins: only to hosts that the operator allows, and never to private networks.

use serde_json::json;

use crate::harness::{Client, Plugin, Setup};

async fn fetch(client: &mut Client, url: &str) -> (String, String) {
    let failure = client.call("bot.fetch", json!({"url": url})).await.unwrap_err();
    (failure.code().to_owned(), failure.message().to_owned())
}

#[tokio::test]
async fn private_addresses_are_forbidden_in_every_spelling() {
    let setup = Setup::bare().configure(
        r#"
        [plugin.bot]
        grants = ["storage", "rooms", "messages", "push", "timers", "http"]
        http_hosts = ["127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "localhost", "*.localhost"]
        # Elsewhere on the same machines, since a host that could never be reached is a fault of the configuration.
        allow_private = ["127.0.0.1:443", "169.254.169.254:443", "[::1]:443"]
        settings = { commands = true }
        "#,
    );
    setup.install(Plugin::Bot, "bot.wasm");
    let server = setup.start().await;
    let mut ann = server.join_as("ann").await;
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/",
    ] {
        let (code, message) = fetch(&mut ann, url).await;
        assert_eq!(code, "forbidden", "{url}: {message}");
        assert!(message.contains("no public address"), "{url}: {message}");
    }
    let (code, message) = fetch(&mut ann, "https://api.example.org/").await;
    assert_eq!(code, "forbidden");
    assert!(message.contains(r#"[plugin.bot] http_hosts = ["api.example.org"]"#), "{message}");
    assert_eq!(fetch(&mut ann, "http://127.0.0.1:5432/").await.0, "forbidden");
    for malformed in ["ftp://localhost/", "http://ann:secret@localhost/", "localhost", "http://"] {
        assert_eq!(fetch(&mut ann, malformed).await.0, "invalid", "{malformed}");
    }
}

#[tokio::test]
async fn unreachable_allowed_host_is_a_configuration_fault() {
    let setup = Setup::bare().configure("[plugin.bot]\nhttp_hosts = [\"10.0.0.5:11434\"]\n").prepare().await;
    for (command, code) in [("serve", 2), ("check", 1)] {
        let output = setup.command(&[command]).output().await.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.contains("plugin.bot.http_hosts") && said.contains("allow_private = [\"10.0.0.5:11434\"]"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn missing_grant_prevents_loading_and_the_log_shows_the_setting() {
    let setup = Setup::bare().configure(
        r#"
        [plugin.bot]
        grants = ["storage", "rooms", "messages"]
        settings = { commands = true }
        "#,
    );
    setup.install(Plugin::Bot, "bot.wasm");
    let mut server = setup.start().await;
    let why = server.expect_output("not granted").await;
    assert!(why.contains("http, push, timers"), "{why}");
    let line = r#"[plugin.bot] grants = ["storage", "rooms", "messages", "http", "push", "timers"]"#;
    assert!(why.contains(line), "{why}");
    let mut ann = server.join_as("ann").await;
    assert_eq!(ann.call("bot.said", json!({})).await.unwrap_err().code(), "bad_request");
}
