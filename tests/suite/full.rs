//! A server whose connections are all taken, one that may open only few files, and listeners that need the same address.

use std::net::TcpListener;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Client, PATIENCE, Server, Setup};

/// The server's answer to this text, up to the end of the connection.
async fn say(address: &str, said: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(said.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("the server closes").expect("in order");
    String::from_utf8(answer).unwrap()
}

async fn get(address: &str, path: &str, more: &str) -> String {
    say(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n")).await
}

/// Keeps idle connections open.
fn patient(setup: Setup) -> Setup {
    setup.variable("NATTERJACK__LIMITS__CONNECT_TIMEOUT", "10m").variable("NATTERJACK__LIMITS__PING_INTERVAL", "1h")
}

fn with_connections(connections: &str) -> Setup {
    patient(Setup::bare()).variable("NATTERJACK__LIMITS__CONNECTIONS", connections)
}

/// Takes all connections.
async fn fill(server: &Server) -> Vec<Client> {
    let mut open = Vec::new();
    while let Some(client) = Client::try_open(&format!("ws://{}/ws/native", server.address())).await {
        open.push(client);
    }
    open
}

#[tokio::test]
async fn full_server_answers_health_checks_and_administrators_and_refuses_everything_else() {
    let server = with_connections("3").start().await;
    let admin = server.sign_up("ann").await;
    assert!(server.setup().command(&["user", "admin", "ann"]).output().await.unwrap().status.success());
    let (token, address) = (format!("authorization: Bearer {}\r\n", admin.token), server.address());
    // The connection that has just signed up may still be open.
    let mut open = Vec::new();
    timeout(PATIENCE, async {
        while open.len() < 3 {
            open.extend(fill(&server).await);
        }
    })
    .await
    .expect("all connections are free at first");
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = get(address, path, "").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"), "{answer}");
    }
    let answer = get(address, "/api/admin/connections", &token).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let wrong = get(address, "/api/admin/connections", "authorization: Bearer wrong\r\n").await;
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let body = "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n{\"a\":";
    for answer in [
        get(address, "/api/admin/connections", "").await,
        get(address, "/api/server", &token).await,
        get(address, "/", "").await,
        get(address, "/ws/native", upgrade).await,
        say(address, body).await,
        // No complete request within the timeout.
        say(address, "").await,
        say(address, "GET /healthz HTTP/1.1\r\nhost: loc").await,
    ] {
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.contains("retry-after: 5\r\n") && answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("as many connections as it takes"), "{answer}");
    }
    let metrics = get(address, "/metrics", "").await;
    // Filling the server ended with one more connection, which was refused; answered requests are not counted.
    let refused =
        metrics.lines().find_map(|line| line.strip_prefix("natterjack_connections_refused_total{reason=\"full\"} "));
    let refused: usize = refused.unwrap().parse().unwrap();
    assert!(refused >= 8, "{refused}");
    assert_eq!(get(address, "/healthz", "").await.lines().last(), Some("ok"));
    assert!(get(address, "/metrics", "").await.contains(&format!("{{reason=\"full\"}} {refused}\n")));
    // Open connections keep working.
    for client in &mut open {
        assert!(client.try_send("commands", json!({})).await.is_some() && client.try_frame().await.is_some());
    }
}

#[tokio::test]
async fn metrics_listener_answers_while_all_connections_are_taken_and_while_its_own_are() {
    let mut server = with_connections("2").variable("NATTERJACK__METRICS__LISTEN", "127.0.0.1:0").start().await;
    let line = server.expect_output("/metrics").await;
    let own = line.split("http://").nth(1).unwrap().trim().trim_end_matches("/metrics").to_owned();
    let _open = fill(&server).await;
    // More than its limit: the connections after them are answered from the reserve.
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(&own).await.unwrap());
    }
    let answer = get(&own, "/metrics", "connection: close\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("natterjack_build_info"), "{answer}");
    assert!(get(server.address(), "/healthz", "").await.starts_with("HTTP/1.1 200"));
}

/// The fewest files that this server starts with, as its error states.
async fn fewest_files(setup: &Setup) -> u64 {
    let output = setup.command(&["serve"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("raise it with `ulimit -n`, LimitNOFILE= (systemd)"), "{said}");
    let number = said.split("needs at least ").nth(1).and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number: {said}"))
}

#[tokio::test]
async fn start_is_refused_with_too_few_files_and_everything_works_with_the_fewest() {
    let setup = patient(Setup::new()).before("ulimit -n 64").prepare().await;
    let fewest = fewest_files(&setup).await;
    assert!((65..150).contains(&fewest), "{fewest}");
    let check = setup.command(&["check"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("FAULT  files") && said.contains(&format!("at least {fewest} open files")), "{said}");

    let before: &'static str = Box::leak(format!("ulimit -n {fewest}").into_boxed_str());
    let mut server = Server::on(setup.before(before)).await;
    server.expect_output("database.readers was lowered from 4").await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    ann.post("lobby", "few files").await.unwrap();
    let account = server.sign_up("bob").await;
    let client = reqwest::Client::new();
    let upload = client.post(server.url("/api/media")).bearer_auth(&account.token).body(vec![7; 600_000]);
    let answer = upload.header("content-type", "application/octet-stream").send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    // Health checks are answered while all connections are open.
    let _open = fill(&server).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(get(server.address(), path, "").await.starts_with("HTTP/1.1 200"), "{path}");
    }
    ann.post("lobby", "all taken").await.unwrap();
    assert_eq!(server.count_output("accept failed"), 0);
}

#[tokio::test]
async fn address_of_another_program_is_distinguished_from_the_servers_own() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let serve = async |variables: &[(&str, String)]| {
        let setup = variables.iter().fold(Setup::bare(), |setup, (name, value)| setup.variable(name, value));
        let output = setup.command(&["serve"]).output().await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = serve(&[("NATTERJACK__METRICS__LISTEN", taken.to_string())]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("cannot listen on {taken} (metrics.listen)")), "{said}");
    assert!(said.contains("something else listens there"), "{said}");

    let listen = format!("0.0.0.0:{}", taken.port());
    let own = [("NATTERJACK__SERVER__LISTEN", listen), ("NATTERJACK__DIALECTS__GO__LISTEN", taken.to_string())];
    let (code, said) = serve(&[own[0].clone(), own[1].clone(), ("PORT", String::new())]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("dialects.go.listen") && said.contains("is taken by server.listen"), "{said}");
}
