//! Slow commands, exhausted file descriptors, listeners that share a port, and the log of failed log-ins.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{HOSTILE_GRANTS, PATIENCE, Plugin, Server, Setup};

#[tokio::test]
async fn pings_are_answered_during_slow_command_and_answers_keep_order() {
    // Far longer than this test waits for the pong.
    let table = "[plugin.hostile]\nlimits = { call_ms = 60_000 }\n";
    let setup = Setup::bare().replace("[log]", &format!("{table}{HOSTILE_GRANTS}\n[log]"));
    setup.install(Plugin::Hostile, Plugin::Hostile.file_name());
    let server = setup.start().await;
    let mut ann = server.join_as("ann").await;
    ann.send("hostile.do", json!({"deed": "loop"})).await;
    // These commands are queued, and the ping is not.
    for _ in 0..10 {
        ann.send("hostile.do", json!({})).await;
    }
    assert_eq!(ann.ping("there?").await, 0, "nothing is answered before what came first");
}

#[tokio::test]
async fn commands_before_a_close_are_executed_and_answered() {
    let server = Setup::bare().start().await;
    let mut bob = server.join_as("bob").await;
    bob.join("lobby").await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    for n in 0..20 {
        ann.send("message.post", json!({"room": "lobby", "body": n.to_string()})).await;
        ann.send("room.history", json!({"room": "lobby", "limit": 1})).await;
    }
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    ann.send_raw(Message::Close(Some(close))).await;
    for n in 0..20 {
        assert_eq!(bob.expect_message().await, n.to_string());
    }
    assert_eq!(ann.expect_close().await, 1000);
}

/// Connects; none if the server has no place.
async fn connect(server: &Server) -> Option<TcpStream> {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(b"GET /api/server HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.unwrap();
    (status == *b"HTTP/1.1 200").then_some(socket)
}

#[tokio::test]
async fn new_connections_are_refused_when_files_run_out_and_others_continue() {
    let mut server = Setup::bare().before("ulimit -n 300").start().await;
    server.expect_output("limits.connections was lowered from 50000").await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    let mut open = Vec::new();
    while let Some(socket) = connect(&server).await {
        open.push(socket);
        assert!(open.len() < 300, "more connections than files");
    }
    assert!(open.len() > 50, "{} connections were let in", open.len());
    for n in 0..20 {
        ann.post("lobby", &n.to_string()).await.unwrap();
        assert_eq!(bob.expect_message().await, n.to_string());
        ann.call("room.history", json!({"room": "lobby", "limit": 10})).await.unwrap();
    }
    assert_eq!(server.count_output("accept failed"), 0);
    // Others connect as soon as there is room.
    drop(open);
    let let_in =
        async { while reqwest::get(server.url("/api/server")).await.is_ok_and(|answer| answer.status() == 503) {} };
    timeout(PATIENCE, let_in).await.expect("newcomers are let in once others have gone");
    assert_eq!(reqwest::get(server.url("/api/server")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn ipv4_and_ipv6_addresses_share_a_port() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    // One that is free for both at this moment.
    let port = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port();
    let listen = format!("0.0.0.0:{port}, [::]:{port}");
    let setup = Setup::bare().variable("PORT", &port.to_string()).variable("NATTERJACK__SERVER__LISTEN", &listen);
    let _server = setup.start().await;
    for address in ["127.0.0.1", "[::1]"] {
        let answer = reqwest::get(format!("http://{address}:{port}/healthz")).await.unwrap();
        assert_eq!(answer.status(), 200, "{address}");
    }
}

#[tokio::test]
async fn failed_log_ins_are_logged_with_their_address_over_every_transport() {
    let setup = Setup::bare().variable("NATTERJACK__SERVER__TRUSTED_PROXIES", "127.0.0.1");
    let mut server = setup.start().await;
    server.sign_up("ann").await;
    let wrong = json!({"username": "ann", "password": "wrong-and-secret"});
    let request = reqwest::Client::new().post(server.url("/api/auth/login")).json(&wrong);
    assert_eq!(request.header("x-forwarded-for", "198.51.100.7").send().await.unwrap().status(), 401);
    let said = server.expect_output("log-in failed").await;
    assert!(said.contains("address=198.51.100.7") && said.contains("unauthenticated"), "{said}");

    let mark = server.mark();
    let url = format!("ws://{}/ws/groups", server.address());
    let headers = [("x-forwarded-for", "2001:db8::7")];
    let mut client = crate::harness::Client::open_with(&url, &headers).await.unwrap();
    client.send_text(json!({"type": "log_in", "name": "ann", "pwrd": "wrong-and-secret"}).to_string()).await;
    let whole = |line: &str| line.contains("log-in failed") && line.contains("address=2001:db8::7");
    server.expect_after(mark, "where it came from", whole).await;
    assert!(server.output().iter().all(|line| !line.contains("wrong-and-secret")));
}
