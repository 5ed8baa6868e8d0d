//! Nodes of a cluster behave as one server: messages, presence, moderation and log-ins apply on all of them.

use std::collections::HashSet;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Client, Cluster, Server, Setup};

async fn nodes<const N: usize>() -> (Cluster, [Server; N]) {
    let cluster = Cluster::start().await;
    let mut nodes = Vec::new();
    for n in 0..N {
        nodes.push(cluster.start_node(&format!("node-{n}")).await);
    }
    let nodes = nodes.try_into().unwrap_or_else(|_| unreachable!("as many as asked for"));
    (cluster, nodes)
}

/// Waits for this many messages; returns their numbers and texts.
async fn hear(client: &mut Client, messages: usize) -> Vec<(u64, String)> {
    let mut heard = Vec::new();
    while heard.len() < messages {
        let event = client.expect_event("message.posted").await;
        heard.push((event["seq"].as_u64().unwrap(), event["data"]["body"].as_str().unwrap().to_owned()));
    }
    heard
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn messages_reach_all_nodes_once_and_in_order() {
    const EACH: usize = 40;
    let (_cluster, nodes) = nodes::<3>().await;
    let mut people = Vec::new();
    for (node, name) in nodes.iter().zip(["ann", "bob", "cyd"]) {
        let mut client = node.join_as(name).await;
        client.join("lobby").await;
        people.push(client);
    }
    for n in 0..EACH {
        for (client, name) in people.iter_mut().zip(["ann", "bob", "cyd"]) {
            client.send("message.post", json!({"room": "lobby", "body": format!("{name} {n}")})).await;
        }
    }
    let mut orders = Vec::new();
    for client in &mut people {
        orders.push(hear(client, 3 * EACH).await);
    }
    let numbers: Vec<u64> = orders[0].iter().map(|(seq, _)| *seq).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(orders[0].iter().map(|(_, body)| body).collect::<HashSet<_>>().len(), 3 * EACH);
    assert!(orders.iter().all(|order| *order == orders[0]), "{orders:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn reconnect_on_another_node_recovers_missed_messages() {
    let (_cluster, [first, second]) = nodes().await;
    let ann = first.sign_up("ann").await;
    let mut before = first.log_in(&ann).await;
    let joined = before.join("lobby").await;
    let seen = joined["last_seq"].as_u64().unwrap();
    before.close().await;
    let mut bob = first.join_as("bob").await;
    bob.join("lobby").await;
    bob.post("lobby", "while you were away").await.unwrap();
    let mut after = second.log_in(&ann).await;
    let answer = after.call("room.join", json!({"room": "lobby", "since": seen})).await.unwrap();
    assert_eq!(answer["recovered"], true);
    assert_eq!(after.expect_message().await, "while you were away");
    bob.post("lobby", "and now").await.unwrap();
    assert_eq!(after.expect_message().await, "and now");
    // Its refresh token is good there too, and history is the same.
    let body = json!({"refreshToken": ann.refresh_token});
    let (status, answer) = second.post("/api/auth/refresh", None, &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(after.history("lobby").await, bob.history("lobby").await);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn account_on_several_nodes_is_online_until_its_last_connection_closes() {
    let (_cluster, [first, second, mut third]) = nodes().await;
    let ann = second.sign_up("ann").await;
    let mut watcher = first.join_as("watcher").await;
    let watched = watcher.call("presence.watch", json!({"accounts": [ann.id]})).await.unwrap();
    assert_eq!(watched["accounts"][0]["online"], false, "{watched}");
    let there = second.log_in(&ann).await;
    assert_eq!(watcher.expect_event("presence").await["data"]["online"], true);
    let also = third.log_in(&ann).await;
    there.close().await;
    // The node is killed: she is offline once its lease expires, and not before.
    third.kill().await;
    assert_eq!(watcher.expect_event("presence").await["data"]["online"], false);
    let told = watcher.settle().await;
    assert!(told.iter().all(|frame| frame["event"] != "presence"), "{told:?}");
    drop(also);
    let _back = second.log_in(&ann).await;
    assert_eq!(watcher.expect_event("presence").await["data"]["online"], true);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn resumed_node_restores_presence_and_catches_up() {
    let (_cluster, [first, second]) = nodes().await;
    let ann = second.sign_up("ann").await;
    let mut there = second.log_in(&ann).await;
    there.join("lobby").await;
    let mut watcher = first.join_as("watcher").await;
    watcher.join("lobby").await;
    watcher.call("presence.watch", json!({"accounts": [ann.id]})).await.unwrap();
    second.signal(Signal::SIGSTOP);
    watcher.post("lobby", "she cannot hear this yet").await.unwrap();
    assert_eq!(watcher.expect_event("presence").await["data"]["online"], false);
    second.signal(Signal::SIGCONT);
    assert_eq!(watcher.expect_event("presence").await["data"]["online"], true);
    assert_eq!(there.expect_message().await, "she cannot hear this yet");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn log_out_and_disable_close_connections_on_every_node() {
    let cluster = Cluster::start().await;
    // By notification, not by polling.
    let start = |name| {
        let setup = Setup::new().variable("NATTERJACK__AUTH__RECHECK_INTERVAL", "1h");
        cluster.node(name, setup).start()
    };
    let (first, second) = (start("first").await, start("second").await);
    let (ann, bob) = (first.sign_up("ann").await, first.sign_up("bob").await);
    let admin = first.administrator("root").await;
    let (mut ann_there, mut bob_there) = (second.log_in(&ann).await, second.log_in(&bob).await);
    let (status, answer) = first.post("/api/auth/logout", Some(&ann.token), &json!({})).await;
    assert!((200..300).contains(&status), "{status} {answer}");
    assert_eq!(ann_there.expect_close().await, 4505);
    let path = format!("/api/admin/accounts/{}/disable", bob.id);
    let (status, answer) = first.post(&path, Some(&admin.token), &json!({})).await;
    assert!((200..300).contains(&status), "{status} {answer}");
    assert_eq!(bob_there.expect_close().await, 4504);
    // The old token is refused there.
    let failure = second.connect().await.call("connect", json!({"token": ann.token})).await.unwrap_err();
    assert_eq!(failure.code(), "unauthenticated");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn moderation_applies_on_every_node() {
    let (_cluster, [first, second]) = nodes().await;
    let mut owner = first.join_as("owner").await;
    let room = owner.call("room.create", json!({"name": "pond"})).await.unwrap()["room"]["uid"].clone();
    let (mut ann, mut bob) = (second.join_as("ann").await, second.join_as("bob").await);
    for client in [&mut ann, &mut bob] {
        client.call("room.join", json!({"room": room})).await.unwrap();
    }
    owner.call("member.mute", json!({"room": room, "account": "ann", "for_s": 600})).await.unwrap();
    let failure = ann.call("message.post", json!({"room": room, "body": "quack"})).await.unwrap_err();
    assert_eq!(failure.code(), "forbidden", "{}", failure.message());
    owner.call("member.ban", json!({"room": room, "account": "bob"})).await.unwrap();
    assert_eq!(bob.expect_event("member.removed").await["data"]["account"]["name"], "bob");
    let failure = bob.call("message.post", json!({"room": room, "body": "quack"})).await.unwrap_err();
    assert_eq!(failure.code(), "forbidden");
    assert_eq!(bob.call("room.join", json!({"room": room})).await.unwrap_err().code(), "forbidden");
    owner.call("room.update", json!({"room": room, "name": "lake"})).await.unwrap();
    assert_eq!(ann.expect_event("room.updated").await["data"]["name"], "lake");
    owner.call("room.delete", json!({"room": room})).await.unwrap();
    ann.expect_event("room.deleted").await;
    assert_eq!(ann.call("room.join", json!({"room": room})).await.unwrap_err().code(), "not_found");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn first_direct_message_reaches_receiver_on_another_node() {
    let (_cluster, [first, second]) = nodes().await;
    let (ann, bob) = (first.sign_up("ann").await, second.sign_up("bob").await);
    let mut there = second.connect().await;
    there.call("connect", json!({"token": bob.token, "listen": "all"})).await.unwrap();
    let mut here = first.log_in(&ann).await;
    let direct = here.call("direct.open", json!({"account": "bob"})).await.unwrap();
    let room = direct["room"]["uid"].clone();
    for n in 0..20 {
        here.call("message.post", json!({"room": room, "body": format!("hello {n}")})).await.unwrap();
    }
    for n in 0..20 {
        assert_eq!(there.expect_message().await, format!("hello {n}"));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn typing_and_read_markers_reach_other_nodes() {
    let (_cluster, [first, second]) = nodes().await;
    let (mut ann, mut bob) = (first.join_as("ann").await, second.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    ann.call("typing", json!({"room": "lobby"})).await.unwrap();
    assert_eq!(bob.expect_event("typing").await["data"]["by"]["name"], "ann");
    let posted = bob.post("lobby", "read this").await.unwrap();
    ann.call("message.read", json!({"room": "lobby", "seq": posted["seq"]})).await.unwrap();
    assert_eq!(bob.expect_event("read").await["data"]["seq"], posted["seq"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn messages_of_other_nodes_arrive_from_database_during_nats_outage() {
    let (mut cluster, [first, second]) = nodes().await;
    let (mut ann, mut bob) = (first.join_as("ann").await, second.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    cluster.nats.stop().await;
    for n in 0..10 {
        ann.post("lobby", &format!("away {n}")).await.unwrap();
        bob.post("lobby", &format!("too {n}")).await.unwrap();
    }
    cluster.nats.start_again().await;
    ann.post("lobby", "back").await.unwrap();
    let (by_ann, by_bob) = (hear(&mut ann, 21).await, hear(&mut bob, 21).await);
    assert_eq!(by_ann, by_bob);
    assert_eq!(by_ann.last().unwrap().1, "back");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn stopping_node_sends_its_clients_to_other_nodes() {
    let (_cluster, [mut first, second]) = nodes().await;
    let ann = first.sign_up("ann").await;
    let mut there = first.log_in(&ann).await;
    there.join("lobby").await;
    let posted = there.post("lobby", "before").await.unwrap();
    assert!(first.stop().await.success());
    assert_eq!(there.expect_close().await, 1012);
    let mut bob = second.join_as("bob").await;
    bob.join("lobby").await;
    bob.post("lobby", "meanwhile").await.unwrap();
    let mut here = second.log_in(&ann).await;
    here.call("room.join", json!({"room": "lobby", "since": posted["seq"]})).await.unwrap();
    assert_eq!(here.expect_message().await, "meanwhile");
    let status = second.setup().command(&["cluster", "status", "--json"]).output().await.unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let names: Vec<_> = status.as_array().unwrap().iter().map(|node| (&node["name"], &node["state"])).collect();
    assert_eq!(names, [(&json!("node-1"), &json!("alive"))], "{status}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn failed_log_ins_are_counted_across_nodes() {
    let (_cluster, [first, second]) = nodes().await;
    first.sign_up("ann").await;
    let mut refused = None;
    // Ten a minute: half of them here and half of them there.
    for n in 0..12 {
        let node = if n % 2 == 0 { &first } else { &second };
        let (status, answer) = node.post("/api/auth/login", None, &json!({"username": "ann", "password": "no"})).await;
        if status == 429 {
            refused = Some((n, answer));
            break;
        }
        assert_eq!(status, 401, "{answer}");
    }
    let (tries, answer) = refused.expect("the next one is refused");
    assert_eq!(tries, 10, "{answer}");
    let right = json!({"username": "ann", "password": "ann's password"});
    assert_eq!(first.post("/api/auth/login", None, &right).await.0, 429);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn guests_are_listed_on_every_node_until_they_or_their_node_leave() {
    let (_cluster, [first, mut second]) = nodes().await;
    let mut ann = first.join_as("ann").await;
    ann.join("lobby").await;
    let (mut gus, mut pat) = (second.guest("gus").await, second.guest("pat").await);
    for guest in [&mut gus, &mut pat] {
        guest.join("lobby").await;
    }
    for name in ["gus", "pat"] {
        assert_eq!(ann.expect_event("guest.joined").await["data"]["guest"]["name"], name);
    }
    let members = ann.call("room.members", json!({"room": "lobby"})).await.unwrap();
    let mut guests: Vec<_> = members["guests"].as_array().unwrap().iter().map(|guest| &guest["name"]).collect();
    guests.sort_by_key(|name| name.as_str());
    assert_eq!(guests, ["gus", "pat"], "{members}");
    gus.close().await;
    assert_eq!(ann.expect_event("guest.left").await["data"]["guest"]["name"], "gus");
    second.kill().await;
    assert_eq!(ann.expect_event("guest.left").await["data"]["guest"]["name"], "pat");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn rooms_clients_see_people_of_other_nodes_and_nicks_are_unique() {
    let (_cluster, [first, second]) = nodes().await;
    let connect = async |node: &Server| Client::open(&format!("ws://{}/ws/rooms", node.address())).await;
    let ask = async |client: &mut Client, kind: &str, payload: Value| {
        client.send_text(json!({"type": kind, "payload": payload}).to_string()).await;
        client.expect_answer(kind).await
    };
    let (mut ann, mut bob, mut late) = (connect(&first).await, connect(&second).await, connect(&first).await);
    let made = ask(&mut ann, "create", json!({"name": "pond", "visibility": "public", "pass": ""})).await;
    let code = made["payload"]["roomId"].clone();
    ask(&mut ann, "join", json!({"name": "ann", "roomId": code, "pass": ""})).await;
    ask(&mut bob, "join", json!({"name": "bob", "roomId": code, "pass": ""})).await;
    assert_eq!(ann.expect_type("joined").await["payload"]["user"], "bob");
    let taken = ask(&mut late, "join", json!({"name": "Bob", "roomId": code, "pass": ""})).await;
    assert_eq!((&taken["code"], &taken["message"]), (&json!(1), &json!("Name is taken")));
    ask(&mut bob, "chat", json!({"roomId": code, "msg": "hello there"})).await;
    assert_eq!(ann.expect_type("chat").await["payload"]["msg"], "hello there");
    ask(&mut bob, "leave", json!({"roomId": code})).await;
    assert_eq!(ann.expect_type("left").await["payload"]["user"], "bob");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn nodes_starting_together_share_database_and_keys() {
    let cluster = Cluster::start().await;
    let (first, second, third) =
        tokio::join!(cluster.start_node("first"), cluster.start_node("second"), cluster.start_node("third"));
    let ann = first.sign_up("ann").await;
    for node in [&first, &second, &third] {
        node.log_in(&ann).await.join("lobby").await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn check_reports_whether_nats_answers() {
    let mut cluster = Cluster::start().await;
    let node = cluster.node("node", Setup::new()).prepare().await;
    let check = async || {
        let output = node.command(&["check"]).output().await.unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (content, said) = check().await;
    assert!(content && said.contains("nats-server"), "{said}");
    cluster.nats.stop().await;
    let (content, said) = check().await;
    assert!(!content && said.contains("[cluster] nats: "), "{said}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn rooms_joined_during_nats_outage_are_subscribed_afterwards() {
    let mut cluster = Cluster::start().await;
    let limits = "NATTERJACK__LIMITS__COMMANDS_PER_SECOND";
    let setup = || Setup::new().replace("command_burst = 200", "command_burst = 1000000").variable(limits, "1000000");
    let first = cluster.node("first", setup()).start().await;
    let second = cluster.node("second", setup()).start().await;
    let mut owner = first.join_as("owner").await;
    cluster.nats.stop().await;
    let room = owner.call("room.create", json!({"name": "pond"})).await.unwrap()["room"]["uid"].clone();
    let (mut ann, mut bob) = (first.join_as("ann").await, second.join_as("bob").await);
    for client in [&mut ann, &mut bob] {
        client.call("room.join", json!({"room": room})).await.unwrap();
    }
    cluster.nats.start_again().await;
    // Typing events are not stored, so they arrive only through NATS.
    let mut heard = None;
    while heard.is_none() {
        ann.call("typing", json!({"room": room})).await.unwrap();
        heard = bob.settle().await.into_iter().find(|frame| frame["event"] == "typing");
    }
    assert_eq!(heard.unwrap()["data"]["by"]["name"], "ann");
}
