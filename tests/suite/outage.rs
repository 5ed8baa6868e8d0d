//! Outages of the database. These tests choose their own databases, so they run only in the run on SQLite.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use xtask::postgres::Postgres;

use crate::harness::{Client, Server, Setup, database};

/// Sends posts with these keys, without waiting.
async fn send(client: &mut Client, keys: std::ops::Range<u32>) -> Vec<(u32, u64)> {
    let mut sent = Vec::new();
    for key in keys {
        let args = json!({"room": "lobby", "body": format!("message {key}"), "key": key.to_string()});
        sent.push((key, client.send("message.post", args).await));
    }
    sent
}

/// Adds the acknowledged posts with their numbers; returns the keys of the others, which must have been refused as
/// `unavailable`.
async fn settle(client: &mut Client, sent: Vec<(u32, u64)>, acknowledged: &mut BTreeMap<u32, u64>) -> Vec<u32> {
    let mut refused = Vec::new();
    for (key, id) in sent {
        match client.answer(id).await {
            Ok(answer) => drop(acknowledged.insert(key, answer["seq"].as_u64().unwrap())),
            Err(failure) => {
                assert_eq!(failure.code(), "unavailable", "{}", failure.message());
                refused.push(key);
            }
        }
    }
    refused
}

/// Retries the refused posts under the same keys until all are acknowledged.
async fn retry_until_acknowledged(client: &mut Client, mut refused: Vec<u32>, acknowledged: &mut BTreeMap<u32, u64>) {
    while let Some(key) = refused.first().copied() {
        let sent = send(client, key..key + 1).await;
        match settle(client, sent, acknowledged).await[..] {
            [] => drop(refused.remove(0)),
            // Refused at once while the database is unavailable: retries as a client would, no faster than the limits allow.
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The messages of the lobby by key, each of which must occur once.
async fn stored(client: &mut Client) -> BTreeMap<u32, u64> {
    let page = client.call("room.history", json!({"room": "lobby", "limit": 200})).await.unwrap();
    let messages = page["messages"].as_array().unwrap();
    let key = |message: &Value| message["key"].as_str().unwrap().parse().unwrap();
    let stored: BTreeMap<u32, u64> =
        messages.iter().map(|message| (key(message), message["seq"].as_u64().unwrap())).collect();
    assert_eq!(stored.len(), messages.len(), "one of them is there twice: {messages:?}");
    stored
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_during_postgresql_outage_are_refused_and_succeed_afterwards() {
    if database::postgres().is_some() {
        return;
    }
    let postgres = Postgres::start().expect("PostgreSQL's programs are there");
    let url = database::create(&postgres.url()).await;
    let server = Setup::bare().on_database(&url).start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    let joined = bob.join("lobby").await["last_seq"].as_u64().unwrap();
    let mut acknowledged = BTreeMap::new();
    let sent = send(&mut ann, 0..10).await;
    assert!(settle(&mut ann, sent, &mut acknowledged).await.is_empty());

    // These are in flight when the database stops: some may be acknowledged, and the others must not be.
    let sent = send(&mut ann, 10..60).await;
    postgres.crash().unwrap();
    let mut refused = settle(&mut ann, sent, &mut acknowledged).await;
    let before = acknowledged.len();
    let sent = send(&mut ann, 60..70).await;
    refused.extend(settle(&mut ann, sent, &mut acknowledged).await);
    assert_eq!(acknowledged.len(), before, "there was nowhere to store them");
    assert_eq!(server.get("/readyz", None).await.0, 503);
    assert_eq!(server.get("/healthz", None).await.0, 200);

    postgres.start_again().unwrap();
    retry_until_acknowledged(&mut ann, refused, &mut acknowledged).await;
    assert_eq!(server.get("/readyz", None).await.0, 200);
    assert_eq!(acknowledged.len(), 70);
    assert_eq!(stored(&mut ann).await, acknowledged);
    // The connection is still open, and received all messages in order.
    for seq in joined + 1..=joined + 70 {
        assert_eq!(bob.expect_event("message.posted").await["seq"], seq);
    }
}

/// Sets or removes a limit on the size of files that the server writes.
fn limit_files(server: &Server, bytes: Option<u64>) {
    let id = Pid::from_raw(i32::try_from(server.id()).unwrap());
    prlimit(id, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

/// Whether `/metrics` reports the database as writable, or not, as wanted.
async fn writable(server: &Server, wanted: bool) -> bool {
    let figures = server.fetch("/metrics").await.text().await.unwrap();
    figures.lines().any(|line| line == format!("natterjack_database_writable {}", u8::from(wanted)))
}

#[tokio::test]
async fn full_disk_makes_idle_server_unready_until_space_is_free() {
    if database::postgres().is_some() {
        return;
    }
    let mut server = Setup::bare().before("trap '' XFSZ").start().await;
    assert_eq!(server.get("/readyz", None).await.0, 200);
    limit_files(&server, Some(0));
    // The outcome of the last write counts for a while.
    while server.get("/readyz", None).await.0 == 200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.expect_output("database cannot be written to").await;
    let (status, told) = server.get("/readyz", None).await;
    assert!(status == 503 && told.to_string().contains("cannot be written to (disk full"), "{told}");
    assert_eq!(server.get("/healthz", None).await.0, 200);
    assert!(writable(&server, false).await);
    limit_files(&server, None);
    while server.get("/readyz", None).await.0 == 503 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.expect_output("database can be written to again").await;
}

#[tokio::test]
async fn posts_on_a_full_disk_are_refused_and_succeed_afterwards() {
    if database::postgres().is_some() {
        return;
    }
    // Without the trap, the first write beyond the limit would end the process.
    let mut server = Setup::bare().before("trap '' XFSZ").start().await;
    let account = server.sign_up("ann").await;
    let (mut ann, mut bob) = (server.log_in(&account).await, server.join_as("bob").await);
    ann.join("lobby").await;
    let joined = bob.join("lobby").await["last_seq"].as_u64().unwrap();
    let mut acknowledged = BTreeMap::new();
    let sent = send(&mut ann, 0..10).await;
    assert!(settle(&mut ann, sent, &mut acknowledged).await.is_empty());

    limit_files(&server, Some(0));
    let sent = send(&mut ann, 10..30).await;
    let mut refused = settle(&mut ann, sent, &mut acknowledged).await;
    // And sequentially, each in a transaction of its own.
    for key in 30..35 {
        let sent = send(&mut ann, key..key + 1).await;
        refused.extend(settle(&mut ann, sent, &mut acknowledged).await);
    }
    assert_eq!(acknowledged.len(), 10, "there was no room for them");
    let refusal = ann.post("lobby", "refused").await.unwrap_err();
    assert!(refusal.message().contains("cannot be written to (disk full"), "{}", refusal.message());
    // Writes that bypass the writer are refused as well.
    let login = json!({"username": "ann", "password": account.password});
    let (status, told) = server.post("/api/auth/login", None, &login).await;
    assert!(status == 503 && told.to_string().contains("cannot be written to (disk full"), "{told}");
    assert_eq!(stored(&mut ann).await, acknowledged, "what is there can be read");
    assert_eq!(server.get("/readyz", None).await.0, 503);
    assert!(writable(&server, false).await);

    limit_files(&server, None);
    retry_until_acknowledged(&mut ann, refused, &mut acknowledged).await;
    assert_eq!(acknowledged.len(), 35);
    assert_eq!(server.get("/readyz", None).await.0, 200);
    assert!(writable(&server, true).await);
    server.expect_output("database can be written to again").await;
    let said = |text: &str| server.count_output(text);
    assert_eq!((said("database cannot be written to"), said("the database does not answer")), (1, 0));
    for seq in joined + 1..=joined + 35 {
        assert_eq!(bob.expect_event("message.posted").await["seq"], seq);
    }
    server.kill().await;
    server.start_again().await;
    let mut ann = server.log_in(&account).await;
    assert_eq!(stored(&mut ann).await, acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_postgresql_is_detected_and_recovers() {
    if database::postgres().is_some() {
        return;
    }
    let postgres = Postgres::start().expect("PostgreSQL's programs are there");
    let url = database::create(&postgres.url()).await;
    let mut server = Setup::bare()
        .on_database(&url)
        .variable("NATTERJACK__LIMITS__ATTEMPTS_BURST", "1000")
        .variable("NATTERJACK__LIMITS__COMMAND_BURST", "10000")
        .start()
        .await;
    let account = server.sign_up("ann").await;
    let (mut ann, mut bob) = (server.log_in(&account).await, server.join_as("bob").await);
    ann.join("lobby").await;
    let joined = bob.join("lobby").await["last_seq"].as_u64().unwrap();
    let mut acknowledged = BTreeMap::new();
    let sent = send(&mut ann, 0..10).await;
    assert!(settle(&mut ann, sent, &mut acknowledged).await.is_empty());

    // Some of these may be with PostgreSQL when it stops, and may be stored after all.
    let mut sent = send(&mut ann, 10..40).await;
    postgres.freeze().unwrap();
    sent.extend(send(&mut ann, 40..50).await);
    let began = Instant::now();
    let mut refused = settle(&mut ann, sent, &mut acknowledged).await;
    // The documented limit is 5 seconds; a busy machine gets some more.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    server.expect_output("database does not answer, refusing requests that need it").await;

    // From now on posts are refused at once: dozens of them take less time than a single one would.
    let began = Instant::now();
    for key in 50..80 {
        let sent = send(&mut ann, key..key + 1).await;
        refused.extend(settle(&mut ann, sent, &mut acknowledged).await);
        let history = ann.call("room.history", json!({"room": "lobby", "limit": 10})).await;
        assert_eq!(history.unwrap_err().code(), "unavailable");
        let login = json!({"username": "ann", "password": account.password});
        assert_eq!(server.post("/api/auth/login", None, &login).await.0, 503);
        assert_eq!(server.get("/readyz", None).await.0, 503);
    }
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    let figures = server.fetch("/metrics").await.text().await.unwrap();
    assert!(figures.lines().any(|line| line == "natterjack_database_up 0"), "{figures}");
    let failed = |transport: &str| {
        let series = format!("natterjack_failures_total{{transport=\"{transport}\",code=\"unavailable\"}} ");
        let count =
            figures.lines().find_map(|line| line.strip_prefix(&series)).map(|count| count.parse::<u32>().unwrap());
        count.unwrap_or_default()
    };
    assert!(failed("native") >= 60 && failed("http") >= 30, "{figures}");

    let mark = server.mark();
    postgres.thaw().unwrap();
    server.expect_after(mark, "that it is back", |line| line.contains("database answers again")).await;
    retry_until_acknowledged(&mut ann, refused, &mut acknowledged).await;
    assert_eq!(server.get("/readyz", None).await.0, 200);
    assert_eq!(acknowledged.len(), 80);
    let stored = stored(&mut ann).await;
    assert_eq!(stored, acknowledged, "each is there once");
    for seq in joined + 1..=joined + 80 {
        assert_eq!(bob.expect_event("message.posted").await["seq"], seq);
    }
}
