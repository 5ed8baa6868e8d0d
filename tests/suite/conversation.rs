//! Basic conversation over the native protocol: order, idempotency keys, history, membership.

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn members_receive_numbered_messages_in_order() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    let created = ann.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    let room = created["room"]["uid"].as_str().unwrap().to_owned();
    ann.join(&room).await;
    bob.join(&room).await;

    let mut seqs = Vec::new();
    for body in ["one", "two", "three"] {
        seqs.push(ann.post(&room, body).await.unwrap()["seq"].as_u64().unwrap());
    }
    bob.post(&room, "four").await.unwrap();

    assert_eq!(seqs, [seqs[0], seqs[0] + 1, seqs[0] + 2]);
    for member in [&mut ann, &mut bob] {
        for (i, body) in ["one", "two", "three", "four"].into_iter().enumerate() {
            let event = member.expect_event("message.posted").await;
            assert_eq!(event["data"]["body"], body);
            assert_eq!(event["seq"], seqs[0] + i as u64);
            assert_eq!(event["room"], room);
        }
    }
}

#[tokio::test]
async fn answer_precedes_event_for_the_sender() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let id = ann.send("message.post", json!({"room": "lobby", "body": "hi", "key": "k1"})).await;
    let first = ann.next_frame().await;
    assert_eq!(first["id"], id, "{first}");
    assert_eq!(first["ok"]["duplicate"], false);
    let event = ann.next_frame().await;
    assert_eq!(event["event"], "message.posted");
    assert_eq!(event["seq"], first["ok"]["seq"]);
    assert_eq!(event["data"]["key"], "k1");
    assert_eq!(event["data"]["from"]["name"], "ann");
}

#[tokio::test]
async fn post_repeated_with_its_key_is_stored_once() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let post = json!({"room": "lobby", "body": "once", "key": "the same"});
    let first = ann.call("message.post", post.clone()).await.unwrap();
    let again = ann.call("message.post", post.clone()).await.unwrap();
    assert_eq!(again["seq"], first["seq"]);
    assert_eq!(again["duplicate"], true);

    // Also when both are on their way at once.
    let both = json!({"room": "lobby", "body": "twice", "key": "another"});
    let ids = [ann.send("message.post", both.clone()).await, ann.send("message.post", both).await];
    let answers = [ann.answer(ids[0]).await.unwrap(), ann.answer(ids[1]).await.unwrap()];
    assert_eq!(answers[0]["seq"], answers[1]["seq"]);
    assert_eq!(ann.history("lobby").await, ["once", "twice"]);
}

#[tokio::test]
async fn burst_of_posts_keeps_order() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    let bodies: Vec<String> = (0..150).map(|n| format!("message {n}")).collect();
    for body in &bodies {
        ann.send("message.post", json!({"room": "lobby", "body": body})).await;
    }
    for body in &bodies {
        assert_eq!(bob.expect_message().await, *body);
    }
}

#[tokio::test]
async fn history_survives_restart() {
    let mut server = Server::start().await;
    let account = server.sign_up("ann").await;
    let mut ann = server.log_in(&account).await;
    ann.join("lobby").await;
    ann.post("lobby", "before").await.unwrap();
    assert!(server.stop().await.success());

    server.start_again().await;
    let mut ann = server.log_in(&account).await;
    assert_eq!(ann.history("lobby").await, ["before"]);
}

#[tokio::test]
async fn acknowledged_posts_survive_a_kill() {
    let mut server = Server::start().await;
    let account = server.sign_up("ann").await;
    let mut ann = server.log_in(&account).await;
    ann.join("lobby").await;
    for n in 0..20 {
        ann.post("lobby", &format!("message {n}")).await.unwrap();
    }
    server.kill().await;

    server.start_again().await;
    let mut ann = server.log_in(&account).await;
    let expected: Vec<String> = (0..20).map(|n| format!("message {n}")).collect();
    assert_eq!(ann.history("lobby").await, expected);
}

#[tokio::test]
async fn rejoin_replays_missed_entries_before_live_events() {
    let server = Server::start().await;
    let bob_account = server.sign_up("bob").await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let mut bob = server.log_in(&bob_account).await;
    let seen = bob.join("lobby").await["last_seq"].as_u64().unwrap();
    drop(bob);
    for body in ["missed", "missed too"] {
        ann.post("lobby", body).await.unwrap();
    }

    let mut bob = server.log_in(&bob_account).await;
    let joined = bob.call("room.join", json!({"room": "lobby", "since": seen})).await.unwrap();
    assert_eq!(joined["recovered"], true);
    ann.post("lobby", "new").await.unwrap();
    for (i, body) in ["missed", "missed too", "new"].into_iter().enumerate() {
        let event = bob.expect_event("message.posted").await;
        assert_eq!(event["data"]["body"], body);
        assert_eq!(event["seq"], seen + 1 + i as u64);
    }
}

#[tokio::test]
async fn non_member_cannot_post_read_or_list_members() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    for (op, args) in [
        ("message.post", json!({"room": "lobby", "body": "hi"})),
        ("room.history", json!({"room": "lobby"})),
        ("room.members", json!({"room": "lobby"})),
    ] {
        let failure = ann.call(op, args).await.unwrap_err();
        assert_eq!(failure.code(), "forbidden", "{op}");
    }
}

#[tokio::test]
async fn member_who_left_stops_receiving_messages() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    assert_eq!(ann.expect_event("member.added").await["data"]["account"]["name"], "bob");

    bob.call("room.leave", json!({"room": "lobby"})).await.unwrap();
    let removed = ann.expect_event("member.removed").await;
    assert_eq!(removed["data"]["account"]["name"], "bob");
    assert_eq!(removed["data"]["why"], "left");
    ann.post("lobby", "gone?").await.unwrap();
    let heard = bob.settle().await;
    assert!(heard.iter().all(|frame| frame["event"] != "message.posted"), "{heard:?}");
}

#[tokio::test]
async fn single_slash_calls_command_and_double_slash_is_text() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let created = ann.post("lobby", "/create pond public").await.unwrap();
    assert_eq!(created["result"]["room"]["name"], "pond", "{created}");
    let unknown = ann.post("lobby", "/jion pond").await.unwrap_err();
    assert!(unknown.message().contains("//jion"), "{}", unknown.message());
    ann.post("lobby", "//shrug").await.unwrap();
    assert_eq!(ann.history("lobby").await, ["/shrug"]);
}

#[tokio::test]
async fn kicked_member_receives_reason_and_no_further_messages() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    ann.join("pond").await;
    bob.join("pond").await;

    let refused = bob.post("pond", "/kick ann").await.unwrap_err();
    assert_eq!(refused.code(), "forbidden");
    ann.post("pond", "/kick bob too loud").await.unwrap();
    let removed = bob.expect_event("member.removed").await;
    assert_eq!((&removed["data"]["why"], &removed["data"]["reason"]), (&json!("kicked"), &json!("too loud")));
    ann.post("pond", "peace").await.unwrap();
    assert_eq!(bob.post("pond", "hey").await.unwrap_err().code(), "forbidden");
    assert!(bob.settle().await.iter().all(|frame| frame["event"] != "message.posted"));
}

#[tokio::test]
async fn concurrent_creation_of_one_room_name_succeeds_once() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    let create = |name: &str| json!({"name": name, "visibility": "public"});
    let (first, second) =
        tokio::join!(ann.call("room.create", create("Pond")), bob.call("room.create", create("pond")));
    let failures: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    assert_eq!(failures.len(), 1, "one wins");
    assert_eq!(failures[0].code(), "conflict");
}
