//! Limits on connections, and slow clients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{Client, PATIENCE, Server, Setup, SocketIo};

/// A server with small connection limits.
fn small(limits: &[(&str, &str)]) -> Setup {
    limits
        .iter()
        .fold(Setup::bare(), |setup, (key, value)| setup.variable(&format!("NATTERJACK__LIMITS__{key}"), value))
}

/// Opens a connection, sends this text, and returns what the server sends until it closes.
async fn say(server: &Server, said: &str) -> String {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(said.as_bytes()).await.unwrap();
    rest(socket).await
}

async fn rest(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("the server closes").expect("it says goodbye");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let server = small(&[("REQUEST_TIMEOUT", "300ms")]).start().await;
    for said in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-more: "] {
        let answer = say(&server, said).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{said:?}: {answer}");
    }
    // An answered request leaves the connection open, for as long as the next one takes at the most.
    let answer = say(&server, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
}

#[tokio::test]
async fn missing_body_is_answered_with_408() {
    let server = small(&[("REQUEST_TIMEOUT", "300ms")]).start().await;
    let ann = server.sign_up("ann").await;
    for (path, token) in [("/api/auth/login", ""), ("/api/media", &*ann.token)] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 100\r\n\r\n{{"
        );
        let answer = say(&server, &head).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("too slow"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_refused() {
    let server = Setup::bare().start().await;
    let answer = say(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{answer}");
}

#[tokio::test]
async fn connection_over_the_total_limit_gets_503_with_retry_after() {
    let server = small(&[("CONNECTIONS", "2")]).start().await;
    let (mut ann, mut bob) = (server.guest("ann").await, server.guest("bob").await);
    let answer = say(&server, "GET /api/server HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nretry-after: 5\r\n") && answer.contains("as many connections as it takes"),
        "{answer}"
    );
    for client in [&mut ann, &mut bob] {
        client.call("commands", json!({})).await.unwrap();
    }
    // A closed connection makes room.
    bob.close().await;
    let mut tries = 0..1000;
    while Client::try_open(&format!("ws://{}/ws/native", server.address())).await.is_none() {
        tries.next().expect("the place of one who went is free");
    }
}

#[tokio::test]
async fn connection_over_the_address_limit_gets_429() {
    let server = small(&[("CONNECTIONS_PER_ADDRESS", "2")])
        .variable("NATTERJACK__SERVER__TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let url = format!("ws://{}/ws/native", server.address());
    let open = async |from: &str| Client::open_with(&url, &[("x-forwarded-for", from)]).await;
    let _one = open("192.0.2.1").await.ok().unwrap();
    let headers = [("x-forwarded-for", "192.0.2.1")];
    let _two = SocketIo::connect_with(server.address(), &json!({}), &headers).await.unwrap();
    assert_eq!(open("192.0.2.1").await.err(), Some(429));
    let refused = SocketIo::connect_with(server.address(), &json!({}), &headers).await.err().unwrap();
    assert!(refused.contains("too many connections from this address"), "{refused}");
    assert!(open("192.0.2.2").await.is_ok());
    let metrics = server.fetch("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("natterjack_connections_refused_total{reason=\"address\"} 2"), "{metrics}");
}

#[tokio::test]
async fn connection_over_the_account_limit_is_refused() {
    let server = small(&[("CONNECTIONS_PER_ACCOUNT", "2")]).start().await;
    let ann = server.sign_up("ann").await;
    let (mut one, two) = (server.log_in(&ann).await, server.log_in(&ann).await);
    let mut three = server.connect().await;
    three.send("connect", json!({"token": ann.token})).await;
    assert_eq!(three.expect_close().await, 4507);
    one.call("commands", json!({})).await.unwrap();
    server.join_as("bob").await;
    // It counts those that are there.
    two.close().await;
    let mut tries = 0..1000;
    loop {
        let mut again = server.connect().await;
        let id = again.send("connect", json!({"token": ann.token})).await;
        match again.try_frame().await {
            Some(frame) if frame["id"] == id && !frame["ok"].is_null() => break,
            _ => tries.next().expect("the place of one that went is free"),
        };
    }
}

/// Runs Debian's slowhttptest in one of its modes for some seconds.
fn slowhttptest(server: &Server, args: &[&str]) -> Command {
    xtask::tools::install().expect("slowhttptest is there, or can be installed");
    let mut attack = Command::new("slowhttptest");
    attack
        .args(args)
        .args(["-c", "300", "-r", "300", "-l", "6", "-p", "3"])
        .current_dir(server.path())
        .kill_on_drop(true);
    attack
}

/// The resident memory of the server's process, in KiB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_do_not_block_others() {
    let server = small(&[("REQUEST_TIMEOUT", "2s")]).start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let before = resident(&server);
    let (login, document) = (server.url("/api/auth/login"), server.url("/api/openapi.json"));
    let mut attacks = [
        slowhttptest(&server, &["-H", "-i", "1", "-u", &document]),
        slowhttptest(&server, &["-B", "-i", "1", "-s", "8192", "-t", "POST", "-u", &login]),
        slowhttptest(&server, &["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "5", "-k", "3", "-u", &document]),
    ];
    let over = AtomicBool::new(false);
    let attack = async {
        let [headers, bodies, readers] = &mut attacks;
        let outputs = tokio::join!(headers.output(), bodies.output(), readers.output());
        over.store(true, Ordering::Relaxed);
        outputs
    };
    let talk = async {
        let mut answered = 0;
        while !over.load(Ordering::Relaxed) {
            assert_eq!(server.fetch("/readyz").await.status(), 200);
            timeout(PATIENCE, ann.post("lobby", "still here")).await.expect("an answer").unwrap();
            answered += 1;
            // Not faster than a connection may.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        answered
    };
    let (outputs, answered) = tokio::join!(attack, talk);
    for output in [outputs.0, outputs.1, outputs.2] {
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.contains("slow HTTP test status"), "{said}");
    }
    assert!(answered > 0);
    // 900 connections at a time: a request's buffer and a part of the answer each.
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 900 * 192, "{grown} KiB for 900 slow connections");
}
