//! Reloads of the configuration while the server runs.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Client, Server, Setup};

/// Changes the file, and waits until the log reports the new value of this key.
async fn change(server: &mut Server, from: &str, to: &str, key: &str) {
    let mark = server.mark();
    server.write_config(|text| {
        assert!(text.contains(from), "there is no `{from}`");
        text.replace(from, to)
    });
    server.expect_after(mark, key, |line| line.contains(key) && line.contains("in force from now on")).await;
}

async fn guest_is_let_in(server: &Server) -> bool {
    server.connect().await.call("connect", json!({"guest": "tom"})).await.is_ok()
}

#[tokio::test]
async fn changed_key_takes_effect_and_is_logged_with_its_old_value() {
    let mut server = Setup::bare().start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    assert!(guest_is_let_in(&server).await);
    change(&mut server, "guests = true", "guests = false", "auth.guests").await;
    assert!(!guest_is_let_in(&server).await);
    let said = server.last_output("auth.guests").unwrap();
    assert!(said.contains("from=\"true\"") && said.contains("to=\"false\""), "{said}");

    change(&mut server, "message_chars = 4000", "message_chars = 5", "limits.message_chars").await;
    assert_eq!(ann.post("lobby", "too long").await.unwrap_err().code(), "too_large");
    let mut bob = server.connect().await;
    let token = server.sign_up("bob").await.token;
    let welcome = bob.call("connect", json!({"token": token})).await.unwrap();
    assert_eq!(welcome["limits"]["message_chars"], 5, "{welcome}");

    let url = format!("ws://{}/ws/native", server.address());
    let from_page = async || Client::open_with(&url, &[("origin", "https://chat.example")]).await.err();
    assert_eq!(from_page().await, Some(403));
    change(&mut server, "origins = []", r#"origins = ["https://chat.example"]"#, "cors.origins").await;
    assert_eq!(from_page().await, None);
}

#[tokio::test]
async fn invalid_file_changes_nothing_and_its_faults_are_logged() {
    let mut server = Setup::bare().start().await;
    server.write_config(|text| {
        let text = text.replace("guests = true", "guests = false").replace("[rooms]", "[roms]");
        text.replace("message_chars = 4000", "message_chars = 0")
    });
    server.expect_output("configuration not reloaded").await;
    for fault in ["limits.message_chars: 0 is out of range", "roms: unknown section; did you mean `rooms`?"] {
        server.expect_output(fault).await;
    }
    assert!(guest_is_let_in(&server).await, "nor what was right in it");
}

#[tokio::test]
async fn restart_only_keys_are_reported_and_others_take_effect() {
    let mut server = Setup::bare().start().await;
    let mark = server.mark();
    server.write_config(|text| {
        text.replace("readers = 4", "readers = 5")
            .replace("format = \"text\"", "format = \"json\"")
            .replace("guests = true", "guests = false")
    });
    for key in ["database.readers", "log.format"] {
        let restart = |line: &str| line.contains(key) && line.contains("takes effect at the next start");
        server.expect_after(mark, key, restart).await;
    }
    server.expect_after(mark, "auth.guests", |line| line.contains("auth.guests") && line.contains("in force")).await;
    assert!(!guest_is_let_in(&server).await);
}

#[tokio::test]
async fn sighup_reloads_file_without_logging_secrets() {
    let secret = "0123456789-hidden-from-all";
    let mut server = Setup::bare().start().await;
    server.signal(Signal::SIGHUP);
    server.expect_output("configuration reloaded, nothing changed").await;
    change(&mut server, "token = \"\"", &format!("token = \"{secret}\""), "metrics.token").await;
    assert_eq!(server.fetch("/metrics").await.status(), 401);
    assert!(server.last_output(secret).is_none());
}

#[tokio::test]
async fn log_level_follows_the_file() {
    let mut server = Setup::bare().start().await;
    assert!(server.last_output("DEBUG").is_none());
    change(&mut server, "level = \"info\"", "level = \"debug\"", "log.level").await;
    server.guest("tom").await;
    server.expect_output("DEBUG").await;
}

#[tokio::test]
async fn changed_throttles_apply_to_the_next_attempt() {
    let mut server = Setup::bare().start().await;
    server.sign_up("ann").await;
    change(&mut server, "attempts_burst = 30", "attempts_burst = 1", "limits.attempts_burst").await;
    let wrong = json!({"username": "ann", "password": "wrong"});
    let (first, _) = server.post("/api/auth/login", None, &wrong).await;
    let (second, _) = server.post("/api/auth/login", None, &wrong).await;
    assert_eq!((first, second), (401, 429));
}

#[tokio::test]
async fn configuration_written_after_start_is_loaded() {
    let setup = Setup::bare().prepare().await;
    let file = setup.path().join("config.toml");
    std::fs::remove_file(&file).unwrap();
    let mut server = Server::on(setup).await;
    server.signal(Signal::SIGHUP);
    server.expect_output("configuration reloaded, nothing changed").await;
    assert!(guest_is_let_in(&server).await);
    std::fs::write(&file, "[auth]\nguests = false\n").unwrap();
    server.expect_output("in force from now on").await;
    assert!(!guest_is_let_in(&server).await);

    let mark = server.mark();
    std::fs::remove_file(&file).unwrap();
    server.expect_after(mark, "that it is gone", |line| line.contains("configuration not reloaded")).await;
}
