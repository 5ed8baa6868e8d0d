//! Edits, deletions, reactions, replies, read markers, search and retention of messages.

use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup, database};

/// Two members of the lobby, and the number of a message of the first.
async fn ann_and_bob_with_a_message(server: &Server) -> (Client, Client, u64) {
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    let posted = ann.post("lobby", "helo").await.unwrap();
    bob.expect_message().await;
    (ann, bob, posted["seq"].as_u64().unwrap())
}

async fn one_message(client: &mut Client, seq: u64) -> Value {
    let page = json!({"room": "lobby", "after": seq - 1, "limit": 1});
    client.call("room.history", page).await.unwrap()["messages"][0].clone()
}

#[tokio::test]
async fn edit_is_a_log_entry_and_changes_the_message() {
    let server = Server::start().await;
    let (mut ann, mut bob, seq) = ann_and_bob_with_a_message(&server).await;
    let done = ann.call("message.edit", json!({"room": "lobby", "seq": seq, "body": "hello"})).await.unwrap();
    let edited = bob.expect_event("message.edited").await;
    assert_eq!(edited["seq"], done["seq"]);
    assert_eq!((&edited["data"]["message"], &edited["data"]["body"]), (&json!(seq), &json!("hello")));
    assert_eq!(edited["data"]["by"]["name"], "ann");
    let message = one_message(&mut bob, seq).await;
    assert_eq!(message["body"], "hello");
    assert!(message["edited_at"].is_string());
}

#[tokio::test]
async fn answer_to_a_change_precedes_its_event() {
    let server = Server::start().await;
    let (mut ann, _bob, seq) = ann_and_bob_with_a_message(&server).await;
    ann.settle().await;
    let id = ann.send("message.edit", json!({"room": "lobby", "seq": seq, "body": "hello"})).await;
    assert_eq!(ann.next_frame().await["id"], id);
    assert_eq!(ann.next_frame().await["event"], "message.edited");
}

#[tokio::test]
async fn authors_edit_and_moderators_delete_messages() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    ann.join("pond").await;
    bob.join("pond").await;
    let of_ann = ann.post("pond", "mine").await.unwrap()["seq"].clone();
    let of_bob = bob.post("pond", "his").await.unwrap()["seq"].clone();

    let not_yours = bob.call("message.edit", json!({"room": "pond", "seq": of_ann, "body": "yours"})).await;
    assert_eq!(not_yours.unwrap_err().code(), "forbidden");
    assert_eq!(
        bob.call("message.delete", json!({"room": "pond", "seq": of_ann})).await.unwrap_err().code(),
        "forbidden"
    );
    let not_even_the_owner = ann.call("message.edit", json!({"room": "pond", "seq": of_bob, "body": "x"})).await;
    assert_eq!(not_even_the_owner.unwrap_err().code(), "forbidden");
    ann.call("message.delete", json!({"room": "pond", "seq": of_bob})).await.unwrap();
    assert_eq!(bob.expect_event("message.deleted").await["data"]["by"]["name"], "ann");
}

#[tokio::test]
async fn deleted_message_keeps_its_number_and_loses_its_text() {
    let server = Server::start().await;
    let (mut ann, mut bob, seq) = ann_and_bob_with_a_message(&server).await;
    ann.call("message.edit", json!({"room": "lobby", "seq": seq, "body": "a secret"})).await.unwrap();
    bob.call("message.react", json!({"room": "lobby", "seq": seq, "emoji": "👍", "on": true})).await.unwrap();
    ann.call("message.delete", json!({"room": "lobby", "seq": seq})).await.unwrap();
    bob.expect_event("message.deleted").await;

    let message = one_message(&mut bob, seq).await;
    assert_eq!((&message["body"], &message["reactions"]), (&json!(""), &Value::Null));
    assert!(message["deleted_at"].is_string());
    let again = ann.call("message.delete", json!({"room": "lobby", "seq": seq})).await;
    assert_eq!(again.unwrap_err().code(), "not_found");
    let too_late = ann.call("message.edit", json!({"room": "lobby", "seq": seq, "body": "x"})).await;
    assert_eq!(too_late.unwrap_err().code(), "not_found");
    assert_eq!(ann.call("search", json!({"query": "secret"})).await.unwrap()["messages"], json!([]));

    // The log does not send it to clients that recover, either.
    let mut late = server.join_as("cyd").await;
    let joined = late.call("room.join", json!({"room": "lobby", "since": seq - 1})).await.unwrap();
    assert_eq!(joined["recovered"], true);
    let tombstone = late.expect_event("message.posted").await;
    assert_eq!((&tombstone["data"]["body"], &tombstone["data"]["deleted"]), (&json!(""), &json!(true)));
    assert_eq!(late.expect_event("message.edited").await["data"]["body"], "");
}

#[tokio::test]
async fn edits_pass_through_filters() {
    let server = Server::start().await;
    let (mut ann, mut bob, seq) = ann_and_bob_with_a_message(&server).await;
    ann.call("message.edit", json!({"room": "lobby", "seq": seq, "body": "oh darn"})).await.unwrap();
    assert_eq!(bob.expect_event("message.edited").await["data"]["body"], "oh ****");
}

#[tokio::test]
async fn reaction_counts_once_per_account_and_can_be_removed() {
    let server = Server::start().await;
    let (mut ann, mut bob, seq) = ann_and_bob_with_a_message(&server).await;
    let thumb = |on: bool| json!({"room": "lobby", "seq": seq, "emoji": "👍", "on": on});
    let first = bob.call("message.react", thumb(true)).await.unwrap();
    assert!(first["seq"].is_u64());
    assert_eq!(bob.call("message.react", thumb(true)).await.unwrap(), json!({}), "it was so already");
    ann.call("message.react", thumb(true)).await.unwrap();
    let reacted = ann.expect_event("message.reacted").await;
    assert_eq!(
        (&reacted["data"]["message"], &reacted["data"]["emoji"], &reacted["data"]["on"]),
        (&json!(seq), &json!("👍"), &json!(true))
    );
    let reactions = one_message(&mut ann, seq).await["reactions"].clone();
    assert_eq!((&reactions[0]["emoji"], &reactions[0]["count"]), (&json!("👍"), &json!(2)));

    bob.call("message.react", thumb(false)).await.unwrap();
    assert_eq!(one_message(&mut ann, seq).await["reactions"][0]["count"], 1);
    let word = json!({"room": "lobby", "seq": seq, "emoji": "lol", "on": true});
    assert_eq!(bob.call("message.react", word).await.unwrap_err().code(), "invalid");
}

#[tokio::test]
async fn muted_member_cannot_edit_or_react() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    bob.join("pond").await;
    let seq = bob.post("pond", "hm").await.unwrap()["seq"].clone();
    ann.call("member.mute", json!({"room": "pond", "account": "bob", "for_s": 600})).await.unwrap();
    let edit = json!({"room": "pond", "seq": seq, "body": "x"});
    assert_eq!(bob.call("message.edit", edit).await.unwrap_err().code(), "forbidden");
    let react = json!({"room": "pond", "seq": seq, "emoji": "🐸", "on": true});
    assert_eq!(bob.call("message.react", react).await.unwrap_err().code(), "forbidden");
}

#[tokio::test]
async fn reply_must_name_an_existing_message() {
    let server = Server::start().await;
    let (mut ann, mut bob, seq) = ann_and_bob_with_a_message(&server).await;
    bob.call("message.post", json!({"room": "lobby", "body": "yes", "reply_to": seq})).await.unwrap();
    ann.expect_message().await;
    assert_eq!(ann.expect_event("message.posted").await["data"]["reply_to"], seq);
    let to_nothing = json!({"room": "lobby", "body": "what?", "reply_to": 4711});
    let refused = bob.call("message.post", to_nothing).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), ("invalid", "reply_to: there is no message 4711 in this room"));
}

#[tokio::test]
async fn unread_counts_messages_of_others_after_read_marker() {
    let server = Server::start().await;
    let (mut ann, mut bob, _) = ann_and_bob_with_a_message(&server).await;
    let last = ann.post("lobby", "two").await.unwrap()["seq"].clone();
    bob.post("lobby", "my own").await.unwrap();
    let unread = |answer: Value| answer["rooms"][0]["unread"].clone();
    assert_eq!(unread(bob.call("unread", json!({})).await.unwrap()), 2);

    bob.call("message.read", json!({"room": "lobby", "seq": last})).await.unwrap();
    let read = ann.expect_event("read").await;
    assert_eq!((&read["data"]["account"]["name"], &read["data"]["seq"]), (&json!("bob"), &last));
    assert_eq!(unread(bob.call("unread", json!({})).await.unwrap()), 0);
    // A marker never goes back, nor beyond the log's end.
    bob.call("message.read", json!({"room": "lobby", "seq": 1})).await.unwrap();
    assert_eq!(unread(bob.call("unread", json!({})).await.unwrap()), 0);
    let far = bob.call("message.read", json!({"room": "lobby", "seq": 1_000_000})).await.unwrap();
    ann.post("lobby", "three").await.unwrap();
    assert!(far["seq"].as_u64().unwrap() < 100);
    assert_eq!(unread(bob.call("unread", json!({})).await.unwrap()), 1);
}

#[tokio::test]
async fn search_finds_words_only_in_own_rooms() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "pond", "visibility": "private"})).await.unwrap();
    ann.post("pond", "The Heron eats frogs").await.unwrap();
    ann.join("lobby").await;
    ann.post("lobby", "a heron? no \"frogs\" here OR there").await.unwrap();
    bob.join("lobby").await;

    let bodies = |found: Value| -> Vec<String> {
        let messages = found["messages"].as_array().unwrap().iter();
        messages.map(|message| message["body"].as_str().unwrap().to_owned()).collect()
    };
    let all = ann.call("search", json!({"query": "frogs HERON"})).await.unwrap();
    assert_eq!(bodies(all), ["a heron? no \"frogs\" here OR there", "The Heron eats frogs"], "the newest first");
    let of_bob = bob.call("search", json!({"query": "frogs"})).await.unwrap();
    assert_eq!(bodies(of_bob).len(), 1);
    let in_pond = ann.call("search", json!({"query": "frogs", "room": "pond"})).await.unwrap();
    assert_eq!(bodies(in_pond), ["The Heron eats frogs"]);
    assert_eq!(bob.call("search", json!({"query": "frogs", "room": "pond"})).await.unwrap_err().code(), "forbidden");

    let first = ann.call("search", json!({"query": "heron", "limit": 1})).await.unwrap();
    let rest = ann.call("search", json!({"query": "heron", "limit": 1, "cursor": first["next"]})).await.unwrap();
    assert_eq!(bodies(rest), ["The Heron eats frogs"]);
    for nothing in ["", "  ", "\"*(", "NEAR("] {
        let answer = ann.call("search", json!({"query": nothing})).await;
        match answer {
            Ok(found) => assert_eq!(bodies(found), Vec::<String>::new(), "{nothing}"),
            Err(error) => assert_eq!(error.code(), "invalid", "{nothing}"),
        }
    }
}

#[tokio::test]
async fn retention_deletes_old_messages_and_keeps_numbering() {
    let mut server = Setup::new()
        .replace("max_messages = 0 ", "max_messages = 3 ")
        .replace("interval = \"10m\"", "interval = \"100ms\"")
        .start()
        .await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let mut last = 0;
    for n in 1..=9 {
        last = ann.post("lobby", &format!("number {n}")).await.unwrap()["seq"].as_u64().unwrap();
    }
    // Until all that is too much has gone; each sweep says what it took.
    loop {
        let said = server.count_output("removed old entries");
        if ann.history("lobby").await.len() == 3 {
            break;
        }
        server.expect_more_output("removed old entries", said).await;
    }
    assert_eq!(ann.history("lobby").await, ["number 7", "number 8", "number 9"]);
    assert_eq!(ann.post("lobby", "number 10").await.unwrap()["seq"], last + 1);
    // Deleted entries cannot be replayed, so the client has to read history instead.
    let joined = ann.call("room.join", json!({"room": "lobby", "since": 1})).await.unwrap();
    assert_eq!(joined["recovered"], false);
    assert_eq!(ann.call("search", json!({"query": "number 1"})).await.unwrap()["messages"], json!([]));
}

#[tokio::test]
async fn database_views_show_users_messages_and_groups() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    ann.post("pond", "to all").await.unwrap();
    let room = bob.call("direct.open", json!({"account": "ann"})).await.unwrap()["room"]["uid"].clone();
    bob.post(room.as_str().unwrap(), "to ann").await.unwrap();
    let url = server.setup().database_url();
    let query = "SELECT s.username || ' ' || COALESCE(r.username, '-') || ' ' || COALESCE(g.name, '-') || ': ' || m.message \
        FROM messages m JOIN users s ON s.id = m.sender_id LEFT JOIN users r ON r.id = m.receiver_id \
        LEFT JOIN \"groups\" g ON g.id = m.group_id \
        WHERE m.id IS NOT NULL AND m.timestamp IS NOT NULL ORDER BY m.id";
    assert_eq!(database::texts(&url, query).await, ["ann - pond: to all", "bob ann -: to ann"]);
    let users = "SELECT username FROM users WHERE password_hash <> '' AND created_at IS NOT NULL ORDER BY id";
    assert_eq!(database::texts(&url, users).await, ["ann", "bob"]);
}

#[tokio::test]
async fn messages_older_than_retention_are_deleted() {
    let mut server = Setup::new()
        .replace("max_age = \"0s\"", "max_age = \"1s\"")
        .replace("interval = \"10m\"", "interval = \"100ms\"")
        .start()
        .await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    ann.post("lobby", "of yesterday").await.unwrap();
    loop {
        let said = server.count_output("removed old entries");
        if ann.history("lobby").await.is_empty() {
            break;
        }
        server.expect_more_output("removed old entries", said).await;
    }
    ann.post("lobby", "of today").await.unwrap();
}
