//! Recovery of clients that fall behind or reconnect.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup};

fn seqs(frames: &[Value]) -> Vec<u64> {
    frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect()
}

/// Rejoins the lobby after this entry; returns the numbers of the missed messages, from the recovery, or from history if the
/// entry is too old.
async fn catch_up(client: &mut Client, since: u64) -> Vec<u64> {
    let joined = client.call("room.join", json!({"room": "lobby", "since": since})).await.unwrap();
    let last = joined["last_seq"].as_u64().unwrap();
    let mut missed = Vec::new();
    while since + (missed.len() as u64) < last {
        if joined["recovered"] == true {
            missed.push(client.expect_event("message.posted").await["seq"].as_u64().unwrap());
        } else {
            let after = missed.last().copied().unwrap_or(since);
            let args = json!({"room": "lobby", "after": after, "limit": 100});
            let page = client.call("room.history", args).await.unwrap();
            missed.extend(seqs(page["messages"].as_array().unwrap()));
        }
    }
    missed
}

#[tokio::test]
async fn slow_client_is_closed_and_recovers_all_missed_messages() {
    const POSTS: u64 = 1000;
    let server = Setup::bare()
        .replace("command_burst = 200", "command_burst = 10000")
        .replace("outbox_frames = 1024", "outbox_frames = 64")
        .start()
        .await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    server.log_in(&ann).await.join("lobby").await;
    // A member who does not listen.
    let mut ann = server.log_in(&ann).await;
    let mut slow = server.log_in(&bob).await;
    let before = slow.join("lobby").await["last_seq"].as_u64().unwrap();

    // More than all buffers between here and there hold, while nothing is read.
    let body = "🐢".repeat(4000);
    for _ in 0..POSTS / 50 {
        let mut sent = Vec::new();
        for _ in 0..50 {
            sent.push(ann.send("message.post", json!({"room": "lobby", "body": body})).await);
        }
        for id in sent {
            ann.answer(id).await.unwrap();
        }
    }
    let (frames, code) = slow.read_to_close().await;
    assert_eq!(code, 4408);
    let mut heard = seqs(&frames);
    assert!((heard.len() as u64) < POSTS);
    let mut bob = server.log_in(&bob).await;
    heard.extend(catch_up(&mut bob, heard.last().copied().unwrap_or(before)).await);
    assert_eq!(heard, (before + 1..=before + POSTS).collect::<Vec<_>>());
    ann.post("lobby", "and on").await.unwrap();
    assert_eq!(bob.expect_message().await, "and on");
}

#[tokio::test]
async fn recovery_larger_than_the_outbox_is_paced_by_the_client() {
    let server = Setup::bare()
        .replace("command_burst = 200", "command_burst = 10000")
        .replace("outbox_frames = 1024", "outbox_frames = 64")
        .start()
        .await;
    let (mut ann, bob) = (server.join_as("ann").await, server.sign_up("bob").await);
    ann.join("lobby").await;
    let since = server.log_in(&bob).await.join("lobby").await["last_seq"].as_u64().unwrap();
    for n in 0..500 {
        ann.post("lobby", &format!("message {n}")).await.unwrap();
    }
    let mut bob = server.log_in(&bob).await;
    let joining = bob.send("room.join", json!({"room": "lobby", "since": since})).await;
    // What happens meanwhile comes after it, once.
    for n in 500..550 {
        ann.post("lobby", &format!("message {n}")).await.unwrap();
    }
    assert_eq!(bob.answer(joining).await.unwrap()["recovered"], true);
    for seq in since + 1..=since + 550 {
        assert_eq!(bob.expect_event("message.posted").await["seq"], seq);
    }
    bob.post("lobby", "still here").await.unwrap();
}

/// Rejoins repeatedly from its last entry, on one connection, until it has received everything up to `last`.
async fn rejoin_repeatedly(server: &Server, name: &str, last: u64) {
    let mut client = server.join_as(name).await;
    let mut seen = client.join("lobby").await["last_seq"].as_u64().unwrap();
    while seen < last {
        let joined = client.call("room.join", json!({"room": "lobby", "since": seen})).await.unwrap();
        assert_eq!(joined["recovered"], true);
        // Before the answer live events continue; after it, everything since is replayed.
        let before = seqs(&client.heard());
        assert_eq!(before, (seen + 1..=seen + before.len() as u64).collect::<Vec<_>>());
        // Some of that, and some of what is new.
        for _ in 0..7 {
            if seen < last {
                let event = client.next_frame().await;
                assert_eq!(event["seq"], seen + 1, "{event}");
                seen += 1;
            }
        }
    }
}

#[tokio::test]
async fn repeated_rejoins_leave_no_gap_and_no_duplicate() {
    const POSTS: u64 = 300;
    const HAMMERS: u64 = 4;
    let server = Setup::bare().replace("command_burst = 200", "command_burst = 10000").start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    // Each of those who come in is an entry, too.
    let last = 1 + HAMMERS + POSTS;
    let hammering =
        join_all((0..HAMMERS).map(async |n| rejoin_repeatedly(&server, &format!("rejoin_repeatedly-{n}"), last).await));
    let posting = async {
        for n in 0..POSTS {
            ann.post("lobby", &format!("message {n}")).await.unwrap();
        }
    };
    tokio::join!(posting, hammering);
}
