//! The database goes away and comes back. These choose their own databases, so once is enough: in the run on SQLite.

use std::collections::BTreeMap;

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

/// The posts that were acknowledged go to the others with their numbers; gives back the keys of the rest, each of which
/// must have been refused as `unavailable`.
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

/// Posts again and again what was refused, under the same keys, until all is acknowledged.
async fn insist(client: &mut Client, mut refused: Vec<u32>, acknowledged: &mut BTreeMap<u32, u64>) {
    while let Some(key) = refused.first().copied() {
        let sent = send(client, key..key + 1).await;
        if settle(client, sent, acknowledged).await.is_empty() {
            refused.remove(0);
        }
    }
}

/// The messages of the lobby by number: all keys that there are, each of them once.
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
async fn while_postgresql_is_away_nothing_is_acknowledged_and_once_it_is_back_all_goes_on() {
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

    // These are on their way when it goes: some may be acknowledged and the others must not be.
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
    insist(&mut ann, refused, &mut acknowledged).await;
    assert_eq!(server.get("/readyz", None).await.0, 200);
    assert_eq!(acknowledged.len(), 70);
    assert_eq!(stored(&mut ann).await, acknowledged);
    // The same connection as before, and it heard every one of them, in their order.
    for seq in joined + 1..=joined + 70 {
        assert_eq!(bob.expect_event("message.posted").await["seq"], seq);
    }
}

/// Lets the server write to files no more, or again.
fn limit_files(server: &Server, bytes: Option<u64>) {
    let id = Pid::from_raw(i32::try_from(server.id()).unwrap());
    prlimit(id, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_acknowledged_and_once_there_is_room_all_goes_on() {
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
    // And one after the other, each in a transaction of its own.
    for key in 30..35 {
        let sent = send(&mut ann, key..key + 1).await;
        refused.extend(settle(&mut ann, sent, &mut acknowledged).await);
    }
    assert_eq!(acknowledged.len(), 10, "there was no room for them");
    assert_eq!(stored(&mut ann).await, acknowledged, "what is there can be read");

    limit_files(&server, None);
    insist(&mut ann, refused, &mut acknowledged).await;
    assert_eq!(acknowledged.len(), 35);
    for seq in joined + 1..=joined + 35 {
        assert_eq!(bob.expect_event("message.posted").await["seq"], seq);
    }
    server.kill().await;
    server.start_again().await;
    let mut ann = server.log_in(&account).await;
    assert_eq!(stored(&mut ann).await, acknowledged);
}
