//! Graceful shutdown, its time limit, and the immediate stop at a second signal.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Plugin, Server, Setup, database};

fn setup(delay: &str, limit: &str) -> Setup {
    let setup = Setup::bare().variable("NATTERJACK__SERVER__SHUTDOWN_DELAY", delay);
    setup.variable("NATTERJACK__SERVER__SHUTDOWN_TIMEOUT", limit)
}

#[tokio::test]
async fn stopping_server_is_unready_first_and_second_signal_ends_it() {
    let mut server = setup("10m", "10m").start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    assert_eq!(server.fetch("/readyz").await.status(), 200);
    server.signal(Signal::SIGTERM);
    server.expect_output("once more stops at once").await;
    while server.fetch("/readyz").await.status() != 503 {}
    assert_eq!(server.fetch("/healthz").await.status(), 200, "it lives");
    ann.post("lobby", "still here").await.unwrap();
    server.join_as("bob").await;
    let status = server.stop().await;
    assert_eq!(status.code(), Some(1), "and says that it was not orderly");
}

#[tokio::test]
async fn clients_get_different_reconnect_delays() {
    let mut server = setup("0s", "10s").start().await;
    let mut clients = Vec::new();
    for n in 0..8 {
        clients.push(server.guest(&format!("guest {n}")).await);
    }
    let closes = async {
        let mut waits = Vec::new();
        for client in &mut clients {
            let (code, reason) = client.expect_close_with_reason().await;
            assert_eq!(code, 1012);
            let reason: serde_json::Value = serde_json::from_str(&reason).unwrap();
            waits.push(reason["reconnect_after_ms"].as_u64().unwrap());
        }
        waits
    };
    let (status, mut waits) = tokio::join!(server.stop(), closes);
    assert_eq!(status.code(), Some(0));
    assert!(waits.iter().all(|wait| *wait < 5000), "{waits:?}");
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 1, "all at once: {waits:?}");
}

#[tokio::test]
async fn client_that_ignores_the_close_is_cut_off() {
    let mut server = setup("0s", "1s").start().await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    let upgrade = "GET /ws/native HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    silent.write_all(upgrade.as_bytes()).await.unwrap();
    silent.readable().await.unwrap();
    assert_eq!(server.stop().await.code(), Some(0));
    assert!(server.last_output("connections did not close in time").is_some());
}

#[tokio::test]
async fn acknowledged_posts_are_stored_and_observed_before_the_stop() {
    const GRANTS: &str = r#"grants = ["storage", "rooms", "messages", "push", "timers", "http"]"#;
    let setup =
        Setup::bare().configure(&format!("[plugin.bot]\n{GRANTS}\nsettings.answers = {{ \"*\" = \"heard \" }}\n"));
    setup.install(Plugin::Bot, "bot.wasm");
    let mut server = setup.start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let mut ids = Vec::new();
    for n in 0..50 {
        ids.push(ann.send("message.post", json!({"room": "lobby", "body": format!("message {n}")})).await);
    }
    for id in ids {
        ann.answer(id).await.unwrap();
    }
    assert_eq!(server.stop().await.code(), Some(0));
    let url = server.setup().database_url();
    let said = "SELECT CAST(COUNT(*) AS TEXT) FROM entries WHERE kind = 'message.posted' AND body LIKE 'message %'";
    let heard =
        "SELECT CAST(COUNT(*) AS TEXT) FROM entries WHERE kind = 'message.posted' AND body LIKE 'heard message %'";
    assert_eq!(database::text(&url, said).await, "50");
    assert_eq!(database::text(&url, heard).await, "50", "each of them was answered");
}

#[tokio::test]
async fn stopping_server_answers_no_further_request_on_a_connection() {
    let mut server: Server = setup("0s", "10s").start().await;
    let idle = TcpStream::connect(server.address()).await.unwrap();
    assert_eq!(server.stop().await.code(), Some(0));
    drop(idle);
}

#[tokio::test]
async fn server_with_closed_output_runs_and_stops_gracefully() {
    let setup = Setup::bare().prepare().await;
    let mut command = setup.command(&["serve"]);
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = loop {
        let line = said.next_line().await.unwrap().expect("it says where it listens");
        if let Some((_, address)) = line.split_once("http://") {
            break address.to_owned();
        }
    };
    drop((said, server.stderr.take()));
    let signal = |signal| kill(Pid::from_raw(server.id().unwrap().try_into().unwrap()), signal).unwrap();
    // Has it say something.
    signal(Signal::SIGHUP);
    let ready = reqwest::get(format!("http://{address}/readyz")).await.unwrap();
    assert_eq!(ready.status(), 200);
    signal(Signal::SIGTERM);
    assert_eq!(timeout(PATIENCE, server.wait()).await.unwrap().unwrap().code(), Some(0));
}
