//! The dialect `echo-sessions`: an account and the server, over Socket.IO.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::harness::{Account, PATIENCE, Plugin, Server, Setup, SocketIo};

async fn connect(server: &Server, account: &Account) -> SocketIo {
    SocketIo::connect(server.address(), &json!({"token": account.token})).await.unwrap()
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

async fn say(client: &mut SocketIo, session: &str, content: &str) {
    client.emit("message", &json!({"sessionId": session, "content": content})).await;
}

async fn messages(server: &Server, account: &Account, session: &str) -> Vec<(String, String)> {
    let (status, answer) = server.get(&format!("/api/sessions/{session}/messages"), Some(&account.token)).await;
    assert_eq!(status, 200, "{answer}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer.as_array().unwrap().iter().map(|message| (text(&message["sender"]), text(&message["content"]))).collect()
}

#[tokio::test]
async fn session_message_is_stored_and_echoed() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    let session = new_id();
    say(&mut client, &session, "Hello, server! 🐸 //x").await;
    let echo = client.expect("message").await;
    assert_eq!((&echo["sessionId"], &echo["content"]), (&json!(session), &json!("Hello, server! 🐸 //x")), "{echo}");
    let path = format!("/api/sessions/{session}/messages");
    let (_, stored) = server.get(&path, Some(&ann.token)).await;
    assert_eq!(stored.as_array().unwrap().len(), 2, "{stored}");
    let (said, answered) = (&stored[0], &stored[1]);
    assert_eq!((&said["sender"], &answered["sender"]), (&json!("user"), &json!("server")));
    assert_eq!((&said["content"], &answered["content"]), (&echo["content"], &echo["content"]));
    assert_eq!((&answered["id"], &answered["timestamp"]), (&echo["messageId"], &echo["timestamp"]));
    assert_eq!(answered["sessionId"], json!(session));
    assert_ne!(said["id"], answered["id"]);
}

#[tokio::test]
async fn slashes_are_plain_text() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    let session = new_id();
    for text in ["/help", "//help", "///"] {
        say(&mut client, &session, text).await;
        assert_eq!(client.expect_message().await, text);
    }
}

#[tokio::test]
async fn answer_reaches_only_the_accounts_sockets_in_the_session() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let (mut one, mut two, mut elsewhere) =
        (connect(&server, &ann).await, connect(&server, &ann).await, connect(&server, &ann).await);
    let session = new_id();
    let joined = one.call("join-session", &json!(session)).await;
    assert_eq!(joined["sessionId"], json!(session));
    two.call("join-session", &json!(session)).await;
    elsewhere.call("join-session", &json!(new_id())).await;
    say(&mut one, &session, "hi").await;
    assert_eq!((one.expect_message().await, two.expect_message().await), ("hi".to_owned(), "hi".to_owned()));
    // Frames in flight arrive before the answer.
    elsewhere.call("join-session", &json!(session)).await;
    assert_eq!((one.heard("message"), elsewhere.heard("message")), (0, 0));
}

#[tokio::test]
async fn concurrent_bursts_are_echoed_completely_and_in_order() {
    const EACH: usize = 500;
    let server = Setup::new().replace("command_burst = 200", "command_burst = 1000").start().await;
    let mut clients = Vec::new();
    for name in ["ann", "bob", "cyd", "dan"] {
        let account = server.sign_up(name).await;
        // The low half is what sends a session's messages one way or another inside: all of these go the same one.
        let session = Uuid::from_u64_pair(rand::random(), 0).to_string();
        clients.push((connect(&server, &account).await, account, session));
    }
    for (client, _, session) in &mut clients {
        for n in 0..EACH {
            say(client, session, &n.to_string()).await;
        }
    }
    let all: Vec<String> = (0..EACH).map(|n| n.to_string()).collect();
    for (client, account, session) in &mut clients {
        let mut heard = Vec::new();
        while heard.len() < EACH {
            heard.push(client.expect_message().await);
        }
        assert_eq!(heard, all);
        assert_eq!(client.heard("error"), 0);
        let stored = messages(&server, account, session).await;
        for sender in ["user", "server"] {
            let by: Vec<_> =
                stored.iter().filter(|(who, _)| who == sender).map(|(_, content)| content.clone()).collect();
            assert_eq!(by, all, "{sender}");
        }
    }
}

#[tokio::test]
async fn echo_plugin_is_replaced_while_clients_are_connected() {
    // It says hello until it is answered otherwise.
    let setup = Setup::new().variable("NATTERJACK__LIMITS__COMMAND_BURST", "100000");
    let server = setup.start().await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    let session = new_id();
    say(&mut client, &session, "hello").await;
    assert_eq!(client.expect_message().await, "hello");
    server.write_config(|text| {
        let (before, after) = text.split_once("[plugin.echo]").unwrap();
        let (_, after) = after.split_once(r#"grants = ["messages"]"#).unwrap();
        format!(
            "{before}[plugin.echo]\ngrants = [\"storage\", \"rooms\", \"messages\", \"push\", \"timers\", \"http\"]\n\
             settings = {{ answers = {{ hello = \"I am a bot\" }} }}{after}"
        )
    });
    server.setup().install(Plugin::Bot, Plugin::Echo.file_name());
    // Until it is noticed, echo goes on.
    loop {
        say(&mut client, &session, "hello").await;
        match client.expect_message().await.as_str() {
            "hello" => {}
            answer => break assert_eq!(answer, "I am a bot"),
        }
    }
}

#[tokio::test]
async fn token_is_accepted_in_handshake_header_or_event() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let bearer = format!("Bearer {}", ann.token);
    let mut by_header =
        SocketIo::connect_with(server.address(), &json!({}), &[("authorization", &bearer)]).await.unwrap();
    assert!(by_header.call("join-session", &json!(new_id())).await["sessionId"].is_string());

    let mut by_event = SocketIo::connect(server.address(), &json!({})).await.unwrap();
    say(&mut by_event, &new_id(), "too early").await;
    assert_eq!(by_event.expect("error").await["code"], 401);
    assert_eq!(by_event.call("connection", &json!("no token")).await["code"], 401);
    assert_eq!(by_event.call("connection", &json!(ann.token)).await["userId"], json!(ann.id));
    assert!(by_event.call("join-session", &json!(new_id())).await["sessionId"].is_string());
    // Authentication persists.
    let bob = server.sign_up("bob").await;
    assert_eq!(by_event.call("connection", &json!(ann.token)).await["userId"], json!(ann.id));
    assert_eq!(by_event.call("connection", &json!(bob.token)).await["code"], 403);

    for auth in [json!({"token": "no token"}), json!({"token": 5})] {
        assert!(SocketIo::connect(server.address(), &auth).await.is_err(), "{auth}");
    }
}

#[tokio::test]
async fn missing_token_is_reported_and_disconnects_after_timeout() {
    let server = Setup::new().replace(r#"connect_timeout = "10s""#, r#"connect_timeout = "200ms""#).start().await;
    let mut client = SocketIo::connect(server.address(), &json!({})).await.unwrap();
    assert_eq!(client.expect("error").await["code"], 401);
    client.expect_disconnect().await;
}

#[tokio::test]
async fn sessions_of_others_and_rooms_are_not_found() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut anns, mut bobs) = (connect(&server, &ann).await, connect(&server, &bob).await);
    let session = new_id();
    say(&mut anns, &session, "mine").await;
    anns.expect("message").await;
    let mut native = server.log_in(&bob).await;
    let mut of_ann = server.log_in(&ann).await;
    let made = of_ann.call("room.create", json!({"name": "ann's own", "visibility": "public"})).await.unwrap();
    let direct = native.call("direct.open", json!({"account": "ann"})).await.unwrap();
    let [pond, direct] = [made, direct].map(|room| room["room"]["uid"].clone());
    for taken in [json!(session), pond, direct] {
        assert_eq!(bobs.call("join-session", &taken).await["code"], 404, "{taken}");
        say(&mut bobs, taken.as_str().unwrap(), "let me in").await;
        assert_eq!(bobs.expect("error").await["code"], 404, "{taken}");
        let path = format!("/api/sessions/{}/messages", taken.as_str().unwrap());
        assert_eq!(server.get(&path, Some(&bob.token)).await.0, 404);
    }
    assert_eq!(messages(&server, &ann, &session).await.len(), 2);
    assert_eq!(native.call("room.join", json!({"room": session})).await.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn session_opened_concurrently_has_one_owner() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut one, mut two) = (connect(&server, &ann).await, connect(&server, &ann).await);
    let mut other = connect(&server, &bob).await;
    for _ in 0..20 {
        let session = json!(new_id());
        let (first, second, third) = tokio::join!(
            one.call("join-session", &session),
            two.call("join-session", &session),
            other.call("join-session", &session),
        );
        assert_eq!(first, second);
        let belongs = |answer: &Value| answer["sessionId"] == session;
        assert!(belongs(&first) != belongs(&third), "{first} {third}");
    }
}

#[tokio::test]
async fn invalid_input_names_the_field_and_keeps_the_connection() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    let session = new_id();
    for (event, data, field) in [
        ("message", json!({"content": "x"}), "sessionId"),
        ("message", json!({"sessionId": session}), "content"),
        ("message", json!({"sessionId": session, "content": ""}), "content"),
        ("message", json!({"sessionId": session, "content": "x".repeat(4001)}), "content"),
        ("message", json!({"sessionId": session, "content": "\u{0}"}), "content"),
        ("message", json!({"sessionId": "1", "content": "x"}), "sessionId"),
        ("message", json!("hi"), "message"),
        ("join-session", json!(null), "sessionId"),
        ("connection", json!({}), "token"),
        ("leave", json!({}), "`leave`"),
    ] {
        client.emit(event, &data).await;
        let error = client.expect("error").await;
        assert_eq!(error["code"], 400, "{event} {data}: {error}");
        assert!(error["message"].as_str().unwrap().contains(field), "{event} {data}: {error}");
        assert_eq!(client.call(event, &data).await, error, "who waits for an acknowledgement gets the same");
        client.expect("error").await;
    }
    client.send(r#"451-["message",{"_placeholder":true,"num":0}]"#.to_owned()).await;
    client.send_raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(client.expect("error").await["code"], 400);
    say(&mut client, &session, "still here").await;
    assert_eq!(client.expect_message().await, "still here");
    client.send(format!("42{}", json!(["message", "x".repeat(70_000)]))).await;
    client.expect_disconnect().await;
}

#[tokio::test]
async fn flooding_client_is_throttled_then_disconnected() {
    let server = Setup::new()
        .replace("command_burst = 200", "command_burst = 3")
        .replace("commands_per_second = 20", "commands_per_second = 1")
        .replace("refusals_before_close = 1000", "refusals_before_close = 5")
        .start()
        .await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    let session = new_id();
    for n in 0..4 {
        say(&mut client, &session, &n.to_string()).await;
    }
    assert_eq!(client.expect("error").await["code"], 429);
    for n in 0..2 {
        assert_eq!(client.expect_message().await, n.to_string());
    }
    assert_eq!(client.call("join-session", &json!(session)).await["code"], 429);
    for n in 0..20 {
        say(&mut client, &session, &n.to_string()).await;
    }
    client.expect_disconnect().await;
    assert!(client.heard("error") >= 1);
}

#[tokio::test]
async fn log_out_disconnects_sockets() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = connect(&server, &ann).await;
    client.call("join-session", &json!(new_id())).await;
    let online = async || server.get("/api/users?name=ann", Some(&bob.token)).await.1["online"].clone();
    assert_eq!(online().await, true);
    assert_eq!(server.post("/api/auth/logout", Some(&ann.token), &json!({})).await.0, 200);
    assert_eq!(client.expect("error").await["code"], 401);
    client.expect_disconnect().await;
}

#[tokio::test]
async fn disconnected_client_is_offline_and_its_last_message_stored() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut native = server.log_in(&bob).await;
    native.call("presence.watch", json!({"accounts": [ann.id]})).await.unwrap();
    let mut client = connect(&server, &ann).await;
    assert_eq!(native.expect_event("presence").await["data"]["online"], true);
    let session = new_id();
    say(&mut client, &session, "bye").await;
    client.send("41".to_owned()).await;
    assert_eq!(native.expect_event("presence").await["data"]["online"], false);
    // Its answer is the sign that it was stored.
    let mut again = connect(&server, &ann).await;
    say(&mut again, &session, "back").await;
    while again.expect_message().await != "back" {}
    assert_eq!(messages(&server, &ann, &session).await[0], ("user".to_owned(), "bye".to_owned()));
}

#[tokio::test]
async fn stopping_server_closes_transport_and_keeps_messages() {
    let mut server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    let session = new_id();
    say(&mut client, &session, "hi").await;
    client.expect("message").await;
    assert!(server.stop().await.success());
    // A disconnection by the server would keep clients from coming back by themselves.
    client.expect_end().await;
    server.start_again().await;
    let mut client = connect(&server, &ann).await;
    say(&mut client, &session, "again").await;
    assert_eq!(client.expect_message().await, "again");
    assert_eq!(messages(&server, &ann, &session).await.len(), 4);
}

#[tokio::test]
async fn sessions_are_not_rooms_in_other_dialects() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = connect(&server, &ann).await;
    let session = new_id();
    say(&mut client, &session, "secret words").await;
    client.expect("message").await;
    let mut native = server.log_in(&ann).await;
    let (_, listed) = server.get("/api/rooms", Some(&ann.token)).await;
    assert!(!listed.to_string().contains(&session), "{listed}");
    let (_, groups) = server.get("/api/groups", Some(&ann.token)).await;
    assert!(!groups.to_string().contains("New session"), "{groups}");
    // To its owner it shows natively, and cannot be left, changed or handed on.
    let unread = native.call("unread", json!({})).await.unwrap();
    let own = unread["rooms"].as_array().unwrap().iter().find(|room| room["room"]["uid"] == json!(session)).unwrap();
    assert_eq!(own["room"]["kind"], "session", "{own}");
    let found = native.call("search", json!({"query": "secret"})).await.unwrap();
    assert!(found.to_string().contains("secret words"), "{found}");
    native.join(&session).await;
    assert_eq!(native.call("room.leave", json!({"room": session})).await.unwrap_err().code(), "forbidden");
    assert!(native.call("room.delete", json!({"room": session})).await.is_err());
    assert!(native.call("member.invite", json!({"room": session, "account": ann.id})).await.is_err());
    // What its owner says natively is answered too.
    native.post(&session, "natively").await.unwrap();
    assert_eq!(client.expect_message().await, "natively");
}

#[tokio::test]
async fn polling_works_like_websocket() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let url = server.url("/socket.io/?EIO=4&transport=polling");
    let text = async |request: reqwest::RequestBuilder| request.send().await.unwrap().text().await.unwrap();
    let opened = text(http.get(&url)).await;
    let opened: Value = serde_json::from_str(opened.strip_prefix('0').unwrap()).unwrap();
    assert_eq!((&opened["upgrades"], &opened["maxPayload"]), (&json!(["websocket"]), &json!(65536)));
    let url = format!("{url}&sid={}", opened["sid"].as_str().unwrap());
    let session = new_id();
    assert_eq!(text(http.post(&url).body(format!("40{}", json!({"token": ann.token})))).await, "ok");
    let mut packets = Vec::new();
    let connected = |packets: &[String]| packets.iter().any(|packet| packet.starts_with("40{"));
    while !connected(&packets) {
        packets.extend(text(http.get(&url)).await.split('\u{1e}').map(str::to_owned));
    }
    let said = |n: u32| format!("42{}", json!(["message", {"sessionId": session, "content": n.to_string()}]));
    let body: Vec<String> = (0..20).map(said).collect();
    assert_eq!(text(http.post(&url).body(body.join("\u{1e}"))).await, "ok");
    let heard = |packets: &[String]| -> Vec<String> {
        let events = packets.iter().filter_map(|packet| serde_json::from_str(packet.strip_prefix("42")?).ok());
        events.map(|(_, data): (String, Value)| data["content"].as_str().unwrap().to_owned()).collect()
    };
    while heard(&packets).len() < 20 {
        packets.extend(text(http.get(&url)).await.split('\u{1e}').map(str::to_owned));
    }
    assert_eq!(heard(&packets), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    let too_much = http.post(&url).body("4".repeat(70_000)).send().await.unwrap();
    assert_eq!(too_much.status().as_u16(), 413);
}

#[tokio::test]
async fn uid_of_a_deleted_room_cannot_become_a_session() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut of_ann, mut of_bob) = (server.log_in(&ann).await, server.log_in(&bob).await);
    let made = of_ann.call("room.create", json!({"name": "pond"})).await.unwrap();
    let room = made["room"]["uid"].as_str().unwrap().to_owned();
    of_bob.join("pond").await;
    of_bob.post("pond", "before").await.unwrap();
    let mut client = connect(&server, &bob).await;
    client.call("join-session", &json!(room)).await;
    of_ann.call("room.delete", json!({"room": "pond"})).await.unwrap();

    for account in [&bob, &ann] {
        let mut client = connect(&server, account).await;
        for event in ["message", "message", "join-session"] {
            let data = match event {
                "message" => json!({"sessionId": room, "content": "after"}),
                _ => json!(room),
            };
            let answer = client.call(event, &data).await;
            assert_eq!(answer["code"], 404, "{event}: {answer}");
        }
        let path = format!("/api/sessions/{room}/messages");
        assert_eq!(server.get(&path, Some(&account.token)).await.0, 404);
        assert_eq!(server.get("/api/sessions", Some(&account.token)).await, (200, json!([])));
    }
    for (op, args) in [
        ("room.history", json!({"room": room})),
        ("message.delete", json!({"room": room, "seq": 2})),
        ("message.post", json!({"room": room, "body": "after"})),
        ("room.join", json!({"room": room, "since": 1})),
    ] {
        assert_eq!(of_bob.call(op, args).await.unwrap_err().code(), "not_found", "{op}");
    }
}
