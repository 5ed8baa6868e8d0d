//! The dialect `direct`: messages and pictures between two accounts, unread messages, presence.

mod external;
mod pictures;

use serde_json::{Value, json};

use crate::harness::{Account, Client, Server, Setup};

/// An unauthenticated connection at the dialect's own path.
async fn open(server: &Server) -> Client {
    Client::open(&format!("ws://{}/ws/direct", server.address())).await
}

/// An authenticated connection.
async fn connect(server: &Server, account: &Account) -> Client {
    let mut client = open(server).await;
    say(&mut client, json!({"event": "authenticate", "token": account.token})).await;
    assert_eq!(client.expect_event("userStatus").await, status(&account.id, true));
    client
}

async fn say(client: &mut Client, frame: Value) {
    client.send_text(frame.to_string()).await;
}

/// Sends a message, and waits for its event.
async fn tell(client: &mut Client, receiver: &str, message: &str) -> Value {
    say(client, json!({"event": "message", "receiverId": receiver, "message": message})).await;
    loop {
        let mut event = client.expect_event("message").await;
        if event["data"]["message"] == message {
            return event["data"].take();
        }
    }
}

fn status(id: &str, online: bool) -> Value {
    json!({"event": "userStatus", "data": {"userId": id, "isOnline": online}})
}

async fn chats(client: &mut Client, receiver: &str) -> Vec<Value> {
    say(client, json!({"event": "fetchChats", "receiverId": receiver})).await;
    page(client.expect_event("fetchChats").await)
}

fn page(mut event: Value) -> Vec<Value> {
    match event["data"].take() {
        Value::Array(messages) => messages,
        other => panic!("no page: {other}"),
    }
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn message_reaches_all_connections_of_both_accounts_only() {
    let server = Server::start().await;
    let (ann, bob, cyd) = (server.sign_up("ann").await, server.sign_up("bob").await, server.sign_up("cyd").await);
    let mut hearing = Vec::new();
    for account in [&ann, &ann, &bob, &bob] {
        hearing.push(connect(&server, account).await);
    }
    let mut of_cyd = connect(&server, &cyd).await;
    let frame = json!({"event": "message", "receiverId": bob.id, "message": "Hello!", "images": []});
    say(&mut hearing[0], frame).await;
    let first = hearing[0].expect_event("message").await;
    let data = &first["data"];
    assert_eq!(
        (&data["senderId"], &data["receiverId"], &data["message"], &data["images"], &data["isRead"]),
        (&json!(ann.id), &json!(bob.id), &json!("Hello!"), &json!([]), &json!(false))
    );
    for id in ["id", "roomId"] {
        assert!(uuid::Uuid::parse_str(data[id].as_str().unwrap()).is_ok(), "{id} in {data}");
    }
    assert!(data["createdAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(data["updatedAt"], data["createdAt"]);
    for client in &mut hearing[1..] {
        assert_eq!(client.expect_event("message").await, first);
    }
    // Apart from presence, the answer to her request is her first frame: she did not receive the message.
    say(&mut of_cyd, json!({"event": "fetchChats", "receiverId": ann.id})).await;
    assert_eq!(of_cyd.expect_event("noRoomFound").await, json!({"event": "noRoomFound"}));
    assert!(of_cyd.heard().iter().all(|frame| frame["event"] == "userStatus"));
}

#[tokio::test]
async fn first_frame_selects_dialect_and_upgrade_token_authenticates() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = Client::open(&format!("ws://{}/", server.address())).await;
    say(&mut client, json!({"event": "authenticate", "token": ann.token})).await;
    assert_eq!(client.next_frame().await, status(&ann.id, true));
    let url = format!("ws://{}/ws/direct", server.address());
    let bearer = format!("Bearer {}", ann.token);
    let mut client = Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(client.next_frame().await, status(&ann.id, true));
    assert_eq!(Client::open_with(&url, &[("authorization", "Bearer nonsense")]).await.err(), Some(401));
}

#[tokio::test]
async fn commands_need_a_token_and_an_invalid_one_closes_the_connection() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = open(&server).await;
    for frame in [
        json!({"event": "message", "receiverId": bob.id, "message": "hi"}),
        json!({"event": "fetchChats", "receiverId": bob.id}),
        json!({"event": "unReadMessages", "receiverId": bob.id}),
    ] {
        say(&mut client, frame).await;
        let answer = client.next_frame().await;
        assert_eq!((&answer["event"], &answer["code"]), (&json!("error"), &json!("unauthenticated")), "{answer}");
    }
    say(&mut client, json!({"event": "authenticate", "token": ann.token})).await;
    assert_eq!(client.next_frame().await, status(&ann.id, true), "the connection went on");
    say(&mut client, json!({"event": "authenticate", "token": ann.token})).await;
    assert_eq!(client.next_frame().await, status(&ann.id, true), "and may say it again");
    say(&mut client, json!({"event": "authenticate", "token": bob.token})).await;
    assert_eq!(client.next_frame().await["code"], "conflict");

    for token in ["nonsense", ""] {
        let mut client = open(&server).await;
        say(&mut client, json!({"event": "authenticate", "token": token})).await;
        let (frames, code) = client.read_to_close().await;
        assert_eq!((&frames[0]["event"], &frames[0]["code"]), (&json!("error"), &json!("unauthenticated")));
        assert_eq!((frames.len(), code), (1, 4401));
    }
}

#[tokio::test]
async fn silent_connection_is_closed_after_timeout() {
    let server = Setup::new().replace("connect_timeout = \"10s\"", "connect_timeout = \"100ms\"").start().await;
    assert_eq!(open(&server).await.expect_close().await, 4401);
}

#[tokio::test]
async fn log_out_closes_direct_connections() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    assert_eq!(server.post("/api/auth/logout", Some(&ann.token), &json!({})).await.0, 200);
    assert_eq!(client.expect_close().await, 4505);
    let mut client = open(&server).await;
    say(&mut client, json!({"event": "authenticate", "token": ann.token})).await;
    assert_eq!(client.read_to_close().await.1, 4401);
}

#[tokio::test]
async fn invalid_frames_get_one_error_and_keep_the_connection() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let bob = server.sign_up("bob").await.id;
    let mut client = connect(&server, &ann).await;
    let nobody = "0198c0de-0000-7000-8000-000000000000";
    let long = "x".repeat(4001);
    for (frame, code, told) in [
        ("{".to_owned(), "bad_request", "JSON"),
        ("[]".to_owned(), "bad_request", "object"),
        (r#"{"type":"message"}"#.to_owned(), "bad_request", "event: is missing"),
        (json!({"event": "dance"}).to_string(), "bad_request", "event: there is no `dance`"),
        (json!({"event": "authenticate"}).to_string(), "bad_request", "token: is missing"),
        (json!({"event": "message", "message": "hi"}).to_string(), "bad_request", "receiverId: is missing"),
        (json!({"event": "message", "receiverId": 7, "message": "hi"}).to_string(), "bad_request", "receiverId:"),
        (json!({"event": "message", "receiverId": bob}).to_string(), "bad_request", "message: is missing"),
        (json!({"event": "message", "receiverId": bob, "message": 7}).to_string(), "bad_request", "message:"),
        (json!({"event": "message", "receiverId": bob, "message": " "}).to_string(), "invalid", "message:"),
        (json!({"event": "message", "receiverId": bob, "message": "\u{1}"}).to_string(), "invalid", "message:"),
        (json!({"event": "message", "receiverId": bob, "message": long}).to_string(), "too_large", "message"),
        (json!({"event": "message", "receiverId": "bob", "message": "hi"}).to_string(), "invalid", "receiverId:"),
        (json!({"event": "message", "receiverId": ann.id, "message": "hi"}).to_string(), "invalid", "receiverId:"),
        (json!({"event": "message", "receiverId": nobody, "message": "hi"}).to_string(), "not_found", "receiverId:"),
        (json!({"event": "fetchChats"}).to_string(), "bad_request", "receiverId: is missing"),
        (json!({"event": "fetchChats", "receiverId": bob, "limit": -1}).to_string(), "bad_request", "limit:"),
        (json!({"event": "fetchChats", "receiverId": bob, "before": 7}).to_string(), "bad_request", "before:"),
    ] {
        client.send_text(frame.clone()).await;
        let answer = client.expect_event("error").await;
        let message = answer["message"].as_str().unwrap();
        assert!(answer["code"] == code && message.contains(told), "{frame}: {answer}");
    }
    for frame in ["fetchChats", "unReadMessages"] {
        for stranger in [nobody, "bob", &*ann.id, &*bob] {
            say(&mut client, json!({"event": frame, "receiverId": stranger})).await;
        }
    }
    for _ in 0..4 {
        assert_eq!(client.expect_event("noRoomFound").await, json!({"event": "noRoomFound"}));
        assert_eq!(client.expect_event("noUnreadMessages").await, json!({"event": "noUnreadMessages", "data": []}));
    }
    tell(&mut client, &bob, "hi").await;
    for (more, code) in [
        (json!({"limit": 1000}), "invalid"),
        (json!({"limit": 201}), "invalid"),
        (json!({"before": nobody}), "invalid"),
    ] {
        let mut frame = json!({"event": "fetchChats", "receiverId": bob});
        frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        say(&mut client, frame).await;
        assert_eq!(client.expect_event("error").await["code"], code, "{more}");
    }
    assert_eq!(client.heard().len(), 0, "one answer each");
}

#[tokio::test]
async fn slashes_are_plain_text() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = connect(&server, &ann).await;
    for text in ["/help", "//server/share"] {
        assert_eq!(tell(&mut client, &bob.id, text).await["message"], text);
    }
}

#[tokio::test]
async fn concurrent_first_messages_create_one_room() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut clients = Vec::new();
    for n in 0..16 {
        let (me, other) = if n % 2 == 0 { (&ann, &bob) } else { (&bob, &ann) };
        clients.push((connect(&server, me).await, other.id.clone()));
    }
    let count = clients.len();
    for (n, (client, other)) in clients.iter_mut().enumerate() {
        let message = format!("number {n}");
        say(client, json!({"event": "message", "receiverId": other, "message": message})).await;
    }
    let mut rooms = std::collections::HashSet::new();
    for (client, _) in &mut clients {
        for _ in 0..count {
            rooms.insert(client.expect_event("message").await["data"]["roomId"].to_string());
        }
    }
    assert_eq!(rooms.len(), 1);
    let (client, other) = &mut clients[0];
    let other = other.clone();
    assert_eq!(chats(client, &other).await.len(), count);
}

#[tokio::test]
async fn history_is_paged_from_the_end_in_its_current_state() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut of_ann = connect(&server, &ann).await;
    let mut told = Vec::new();
    for n in 1..=5 {
        told.push(tell(&mut of_ann, &bob.id, &format!("number {n}")).await);
    }
    assert_eq!(texts(&chats(&mut of_ann, &bob.id).await), ["number 1", "number 2", "number 3", "number 4", "number 5"]);
    let before = json!({"event": "fetchChats", "receiverId": bob.id, "before": told[3]["id"], "limit": 2});
    say(&mut of_ann, before).await;
    let page = page(of_ann.expect_event("fetchChats").await);
    assert_eq!(texts(&page), ["number 2", "number 3"]);
    assert_eq!(page[0], told[1], "the same message as when it was new");

    let mut native = server.log_in(&ann).await;
    let room = told[0]["roomId"].as_str().unwrap();
    let history = native.call("room.history", json!({"room": room})).await.unwrap();
    let seqs: Vec<&Value> = history["messages"].as_array().unwrap().iter().map(|message| &message["seq"]).collect();
    native.call("message.edit", json!({"room": room, "seq": seqs[0], "body": "number one"})).await.unwrap();
    native.call("message.delete", json!({"room": room, "seq": seqs[1]})).await.unwrap();
    let now = chats(&mut of_ann, &bob.id).await;
    assert_eq!(texts(&now), ["number one", "number 3", "number 4", "number 5"]);
    assert_eq!((&now[0]["id"], &now[0]["createdAt"]), (&told[0]["id"], &told[0]["createdAt"]));
    assert!(now[0]["updatedAt"].as_str() > now[0]["createdAt"].as_str());
    assert_eq!(of_ann.heard().len(), 0, "edits and deletions have no words here");
}

#[tokio::test]
async fn oversized_page_is_shortened_and_continued_before_it() {
    let server = Setup::new()
        .replace("frame_bytes = 65536", "frame_bytes = 8192")
        .replace("outbox_bytes = 4194304", "outbox_bytes = 16384")
        .start()
        .await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = connect(&server, &ann).await;
    for n in 0..10 {
        tell(&mut client, &bob.id, &format!("{n}{}", "x".repeat(1500))).await;
    }
    let latest = chats(&mut client, &bob.id).await;
    assert!((1..10).contains(&latest.len()), "{}", latest.len());
    assert!(latest.last().unwrap()["message"].as_str().unwrap().starts_with('9'));
    say(&mut client, json!({"event": "fetchChats", "receiverId": bob.id, "before": latest[0]["id"]})).await;
    let earlier = page(client.expect_event("fetchChats").await);
    let first = |message: &Value| message["message"].as_str().unwrap()[..1].parse::<usize>().unwrap();
    assert_eq!(first(earlier.last().unwrap()) + 1, first(&latest[0]));
}

#[tokio::test]
async fn messages_are_unread_until_their_receiver_fetches_them() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut of_ann, mut of_bob) = (connect(&server, &ann).await, connect(&server, &bob).await);
    tell(&mut of_bob, &ann.id, "before").await;
    let hello = tell(&mut of_ann, &bob.id, "Hello").await;
    tell(&mut of_ann, &bob.id, "are you there?").await;
    let ask = json!({"event": "unReadMessages", "receiverId": ann.id});
    for _ in 0..2 {
        say(&mut of_bob, ask.clone()).await;
        let unread = of_bob.expect_event("unReadMessages").await;
        assert_eq!(unread["data"]["count"], 2, "asking changes nothing");
        let messages = unread["data"]["messages"].as_array().unwrap();
        assert_eq!((texts(messages), &messages[0]), (vec!["Hello", "are you there?"], &hello));
    }
    // Fetching by their author does not mark them as read.
    assert!(chats(&mut of_ann, &bob.id).await[1..].iter().all(|message| message["isRead"] == false));
    // Once her next command is answered, what she fetched is read.
    say(&mut of_ann, json!({"event": "unReadMessages", "receiverId": bob.id})).await;
    of_ann.expect_event("noUnreadMessages").await;
    say(&mut of_bob, json!({"event": "fetchChats", "receiverId": ann.id})).await;
    say(&mut of_bob, ask.clone()).await;
    say(&mut of_bob, json!({"event": "fetchChats", "receiverId": ann.id})).await;
    let read =
        |messages: &[Value]| messages.iter().map(|message| message["isRead"].as_bool().unwrap()).collect::<Vec<_>>();
    assert_eq!(read(&page(of_bob.expect_event("fetchChats").await)), [true, false, false], "as it was until then");
    assert_eq!(of_bob.expect_event("noUnreadMessages").await, json!({"event": "noUnreadMessages", "data": []}));
    assert_eq!(read(&page(of_bob.expect_event("fetchChats").await)), [true, true, true]);
    assert_eq!(read(&chats(&mut of_ann, &bob.id).await), [true, true, true], "the sender sees it too");
}

#[tokio::test]
async fn presence_of_all_dialects_reaches_authenticated_clients() {
    let server = Server::start().await;
    let (ann, bob, cyd) = (server.sign_up("ann").await, server.sign_up("bob").await, server.sign_up("cyd").await);
    let mut stranger = open(&server).await;
    let mut of_ann = connect(&server, &ann).await;
    let of_bob = connect(&server, &bob).await;
    assert_eq!(of_ann.next_frame().await, status(&bob.id, true));
    // A second connection of the same account changes nothing for the others, nor does its end.
    drop(connect(&server, &bob).await);
    let of_cyd = server.log_in(&cyd).await;
    assert_eq!(of_ann.next_frame().await, status(&cyd.id, true));
    drop(of_bob);
    assert_eq!(of_ann.next_frame().await, status(&bob.id, false));
    drop(of_cyd);
    assert_eq!(of_ann.next_frame().await, status(&cyd.id, false));
    // An unauthenticated connection receives no presence.
    say(&mut stranger, json!({"event": "authenticate", "token": cyd.token})).await;
    assert_eq!(stranger.next_frame().await, status(&cyd.id, true));
}

#[tokio::test]
async fn rapid_presence_changes_end_in_the_right_state_without_repeats() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut of_ann = connect(&server, &ann).await;
    for _ in 0..20 {
        drop(connect(&server, &bob).await);
    }
    let _stays = server.log_in(&bob).await;
    let last = server.join_as("cyd").await;
    let mut online = false;
    loop {
        let frame = of_ann.expect_event("userStatus").await;
        if frame["data"]["userId"] != bob.id {
            break;
        }
        assert_eq!(frame["data"]["isOnline"], !online, "each change once");
        online = !online;
    }
    drop(last);
    assert!(online, "who came before the last one is told before");
}

#[tokio::test]
async fn one_conversation_works_in_three_dialects() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut direct = connect(&server, &ann).await;
    let bearer = format!("Bearer {}", bob.token);
    let url = format!("ws://{}/ws/go", server.address());
    let mut go = Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap();
    go.expect_type("connected").await;
    let mut native = server.log_in(&bob).await;
    let opened = native.call("direct.open", json!({"account": ann.id})).await.unwrap();
    let room = opened["room"]["uid"].as_str().unwrap().to_owned();
    native.join(&room).await;

    assert_eq!(tell(&mut direct, &bob.id, "from direct").await["roomId"], room);
    assert_eq!(native.expect_message().await, "from direct");
    let heard = go.expect_type("message").await;
    assert_eq!(heard["message"], "from direct");
    go.send_text(json!({"receiver_id": heard["sender_id"], "message": "from go"}).to_string()).await;
    assert_eq!(direct.expect_event("message").await["data"]["message"], "from go");
    native.post(&room, "from darn native").await.unwrap();
    let heard = direct.expect_event("message").await;
    assert_eq!(heard["data"]["message"], "from **** native", "filters are the same for all");
    assert_eq!((&heard["data"]["senderId"], &heard["data"]["receiverId"]), (&json!(bob.id), &json!(ann.id)));
    assert_eq!(texts(&chats(&mut direct, &bob.id).await), ["from direct", "from go", "from **** native"]);

    // Messages of rooms reach members only, and have the room's id as receiver.
    native.join("lobby").await;
    native.post("lobby", "to the others").await.unwrap();
    let mut of_ann = server.log_in(&ann).await;
    let lobby = of_ann.join("lobby").await["room"]["uid"].clone();
    native.post("lobby", "to all").await.unwrap();
    let heard = direct.expect_event("message").await["data"].clone();
    assert_eq!(
        (&heard["message"], &heard["receiverId"], &heard["roomId"], &heard["senderId"]),
        (&json!("to all"), &lobby, &lobby, &json!(bob.id))
    );
}

#[tokio::test]
async fn flooding_is_refused() {
    let server = Setup::new()
        .replace("command_burst = 200 ", "command_burst = 2 ")
        .replace("commands_per_second = 20 ", "commands_per_second = 1 ")
        .replace("refusals_before_close = 1000", "refusals_before_close = 3")
        .start()
        .await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    for _ in 0..10 {
        say(&mut client, json!({"event": "fetchChats", "receiverId": ann.id})).await;
    }
    let (frames, code) = client.read_to_close().await;
    assert!(frames.iter().any(|frame| frame["event"] == "error" && frame["code"] == "rate_limited"), "{frames:?}");
    assert_eq!(code, 4429);
}
