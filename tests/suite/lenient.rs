//! Tolerance for clients written from the dialects' documents, in any language: absent values, binary frames, tokens in various
//! places, and paths of their own.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Account, Client, Server, Setup, SocketIo};

async fn ask(client: &mut Client, frame: Value) -> Value {
    client.send_text(frame.to_string()).await;
    client.next_frame().await
}

async fn open(server: &Server, path: &str) -> Client {
    Client::open(&format!("ws://{}{path}", server.address())).await
}

async fn with_token(server: &Server, account: &Account, path: &str) -> Client {
    let bearer = format!("Bearer {}", account.token);
    let url = format!("ws://{}{path}", server.address());
    Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap()
}

async fn number(server: &Server, account: &Account) -> i64 {
    server.get("/api/me", Some(&account.token)).await.1["number"].as_i64().unwrap()
}

/// Values that languages write for absent fields; `None` omits the field.
fn absent_values() -> [Option<Value>; 4] {
    [None, Some(json!(null)), Some(json!("")), Some(json!(0))]
}

/// The frame with this value in a field, or in that field of its payload.
fn with(mut frame: Value, pointer: &str, field: &str, value: Option<Value>) -> Value {
    let within = frame.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(within.insert(field.to_owned(), value)),
        None => drop(within.remove(field)),
    }
    frame
}

#[tokio::test]
async fn empty_optional_fields_count_as_absent_in_every_dialect() {
    let setup = Setup::new().replace("command_burst = 200", "command_burst = 100000");
    let server = setup.start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let b = number(&server, &bob).await;
    let mut go = with_token(&server, &ann, "/ws/go").await;
    go.expect_type("connected").await;
    let mut direct = with_token(&server, &ann, "/ws/direct").await;
    direct.expect_event("userStatus").await;
    let mut rooms = open(&server, "/ws/rooms").await;
    let mut native = server.join_as("nan").await;
    native.join("lobby").await;
    for (n, nothing) in absent_values().into_iter().enumerate() {
        for (frame, fields) in [
            (json!({"receiver_id": b, "message": "hi"}), &["type", "group_id", "content"] as &[_]),
            (json!({"receiver_id": b, "content": "hi"}), &["type", "group_id", "message"]),
            (json!({"type": "history", "receiver_id": b}), &["group_id", "before", "limit"]),
        ] {
            for field in fields {
                let frame = with(frame.clone(), "", field, nothing.clone());
                let answer = ask(&mut go, frame.clone()).await;
                assert_ne!(answer["type"], "error", "{frame}: {answer}");
            }
        }
        // Joined here, so that later frames need not wait for them.
        direct.settle_direct().await;
        for (frame, fields) in [
            (json!({"event": "message", "receiverId": bob.id, "message": "hi"}), &["images", "data"] as &[_]),
            (json!({"event": "fetchChats", "receiverId": bob.id}), &["before", "limit", "data"]),
        ] {
            for field in fields {
                let frame = with(frame.clone(), "", field, nothing.clone());
                direct.send_text(frame.to_string()).await;
                // This dialect also receives presence.
                direct.expect_event(frame["event"].as_str().unwrap()).await;
            }
        }
        go.settle_go(b).await;
        let create = json!({"type": "create", "payload": {"name": format!("pond {n}"), "visibility": "public"}});
        let made = ask(&mut rooms, with(create, "/payload", "pass", nothing.clone())).await;
        assert_eq!(made["code"], 0, "{made}");
        let join = json!({"type": "join", "payload": {"name": "alok", "roomId": made["payload"]["roomId"]}});
        assert_eq!(ask(&mut rooms, with(join, "/payload", "pass", nothing.clone())).await["code"], 0);
        let mut groups = open(&server, "/ws/groups").await;
        let first = with(json!({"type": "first-connect", "name": format!("gus {n}")}), "", "group", nothing.clone());
        assert_eq!(ask(&mut groups, first).await["Group"], "lobby");
        let make = with(json!({"type": "make_group", "group_name": format!("moor {n}")}), "", "name", nothing.clone());
        assert_eq!(ask(&mut groups, make).await["type"], "acknowledge-connect");
        for field in ["id", "groups"] {
            let sign_up = json!({"type": "sign-up", "name": format!("{field} {n}"), "pwrd": "x"});
            let mut client = open(&server, "/ws/groups").await;
            let answer = ask(&mut client, with(sign_up, "", field, nothing.clone())).await;
            assert_eq!(answer["type"], "sign-up", "{answer}");
        }
        for (op, args, fields) in [
            ("room.list", json!({}), &["query", "cursor"] as &[_]),
            ("room.join", json!({"room": "lobby"}), &["password"]),
            ("room.members", json!({"room": "lobby"}), &["cursor"]),
            ("room.history", json!({"room": "lobby"}), &["before", "limit"]),
            ("message.post", json!({"room": "lobby", "body": "hi"}), &["key", "reply_to", "attachments"]),
            ("search", json!({"query": "hi"}), &["room", "cursor", "limit"]),
        ] {
            for field in fields {
                let args = with(args.clone(), "", field, nothing.clone());
                native.call(op, args.clone()).await.unwrap_or_else(|error| panic!("{op} {args}: {error:?}"));
            }
        }
        let nothing = nothing.unwrap_or_default();
        let name = format!("weir {n}");
        let created = json!({"name": name, "visibility": "", "member_limit": nothing, "password": "", "topic": ""});
        if !nothing.is_null() {
            native.call("room.create", created).await.unwrap();
        }
    }
    // Where 0 has a meaning of its own it keeps that.
    let joined = native.call("room.join", json!({"room": "lobby", "since": 0})).await.unwrap();
    assert_eq!(joined["recovered"], true);
    let joined = native.call("room.join", json!({"room": "lobby", "since": null})).await.unwrap();
    assert_eq!(joined["recovered"], false);
    native.send_text(r#"{"id":0,"op":"commands","args":null}"#).await;
    while native.next_frame().await["id"] != 0 {}
}

impl Client {
    async fn settle_direct(&mut self) {
        self.send_text(json!({"event": "dance"}).to_string()).await;
        self.expect_event("error").await;
        self.heard();
    }

    async fn settle_go(&mut self, peer: i64) {
        self.send_text(json!({"type": "dance", "receiver_id": peer}).to_string()).await;
        self.expect_type("error").await;
        self.heard();
    }
}

#[tokio::test]
async fn go_structures_without_omitempty_and_string_ids_are_accepted() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (a, b) = (number(&server, &ann).await, number(&server, &bob).await);
    let mut client = with_token(&server, &ann, "/").await;
    client.expect_type("connected").await;
    let zeros = json!({"type": "", "sender_id": 0, "receiver_id": b, "group_id": 0, "message": "hi", "content": "", "timestamp": ""});
    assert_eq!(ask(&mut client, zeros).await["message"], "hi");
    let texts = json!({"receiver_id": b.to_string(), "group_id": "0", "content": "hello"});
    let answer = ask(&mut client, texts).await;
    assert_eq!(
        (&answer["sender_id"], &answer["receiver_id"], &answer["message"]),
        (&json!(a), &json!(b), &json!("hello"))
    );
    let (status, page) = server.get(&format!("/api/messages?receiver_id={b}&group_id=0"), Some(&ann.token)).await;
    assert_eq!((status, page.as_array().unwrap().len()), (200, 2));
}

#[tokio::test]
async fn binary_frame_of_utf_8_counts_as_text_in_every_dialect() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let bytes = |frame: Value| Message::binary(frame.to_string().into_bytes());
    let mut native = server.connect().await;
    native.send_raw(bytes(json!({"id": 1, "op": "connect", "args": {"token": ann.token}}))).await;
    assert!(native.next_frame().await["ok"]["account"].is_object());
    // By the first frame, too.
    let mut groups = open(&server, "/").await;
    groups.send_raw(bytes(json!({"type": "first-connect", "name": "gus"}))).await;
    assert_eq!(groups.next_frame().await["type"], "acknowledge-connect");
    let mut rooms = open(&server, "/ws/rooms").await;
    rooms.send_raw(bytes(json!({"type": "query", "payload": {"query": "rooms"}}))).await;
    assert!(rooms.next_frame().await.is_array());
    let mut direct = open(&server, "/ws/direct").await;
    direct.send_raw(bytes(json!({"event": "authenticate", "token": ann.token}))).await;
    assert_eq!(direct.next_frame().await["event"], "userStatus");
    let mut go = with_token(&server, &ann, "/ws/go").await;
    go.expect_type("connected").await;
    go.send_raw(bytes(json!({"type": "history", "receiver_id": 1}))).await;
    assert!(go.next_frame().await["type"].is_string());

    // What is no UTF-8 is an error in the dialect's words, and the connection lives.
    let garbage = || Message::binary(vec![0xC3, 0x28, 0xFF]);
    for client in [&mut native, &mut groups, &mut rooms, &mut direct, &mut go] {
        client.send_raw(garbage()).await;
        let answer = client.next_frame().await;
        assert!(answer.to_string().contains("a binary frame should hold JSON in UTF-8"), "{answer}");
    }
    native.call("commands", json!({})).await.unwrap();
    let mut undecided = open(&server, "/ws").await;
    undecided.send_raw(garbage()).await;
    assert_eq!(undecided.expect_close().await, 4500);
}

#[tokio::test]
async fn binary_frames_count_towards_limits_like_text() {
    let server = Setup::new()
        .replace("command_burst = 200", "command_burst = 3")
        .replace("commands_per_second = 20", "commands_per_second = 1")
        .replace("refusals_before_close = 1000", "refusals_before_close = 5")
        .start()
        .await;
    for frame in [br#"{"type":"get_groups"}"#.to_vec(), vec![0xFF]] {
        let mut client = open(&server, "/ws/groups").await;
        for _ in 0..20 {
            client.send_raw(Message::binary(frame.clone())).await;
        }
        assert_eq!(client.expect_close().await, 4429);
    }
}

#[tokio::test]
async fn first_connect_without_name_generates_a_guest_name() {
    let server = Server::start().await;
    let mut names = Vec::new();
    for frame in [json!({"type": "first-connect"}), json!({"type": "first-connect", "name": "", "group": null})] {
        let mut client = open(&server, "/").await;
        let answer = ask(&mut client, frame).await;
        let name = answer["name"].as_str().unwrap().to_owned();
        assert_eq!(answer, json!({"type": "acknowledge-connect", "name": name, "Group": "lobby"}));
        let message = json!({"type": "message", "name": name, "group": "lobby", "Text": "hi"});
        assert_eq!(ask(&mut client, message.clone()).await, message);
        // Said again, it stays who it is.
        assert_eq!(ask(&mut client, json!({"type": "first-connect"})).await["name"], json!(name));
        names.push((name, client));
    }
    assert_ne!(names[0].0, names[1].0);
    let mut client = open(&server, "/ws/groups").await;
    for (frame, why) in [
        (json!({"type": "first-connect", "group": "lobby"}), "name: is missing"),
        (json!({"type": "first-connect", "name": 5}), "name: should be a text, not a number"),
        (json!({"type": "first-connect", "name": 5, "group": "lobby"}), "name: should be a text, not a number"),
        (json!({"type": "first-connect", "name": ["a"]}), "name: should be a text, not a list"),
        (json!({"type": "first-connect", "name": "a", "group": 7}), "group: should be a text, not a number"),
    ] {
        assert_eq!(ask(&mut client, frame.clone()).await, json!({"type": "reject-connect", "err": why}), "{frame}");
    }
}

#[tokio::test]
async fn query_without_payload_selects_rooms() {
    let server = Server::start().await;
    for frame in
        [json!({"type": "query"}), json!({"type": "chat", "payload": null}), json!({"type": "join", "payload": ""})]
    {
        let mut client = open(&server, "/").await;
        let answer = ask(&mut client, frame.clone()).await;
        assert_eq!((&answer["code"], &answer["type"]), (&json!(1), &frame["type"]), "{answer}");
        assert!(ask(&mut client, json!({"type": "query", "payload": {"query": "rooms"}})).await.is_array());
    }
}

#[tokio::test]
async fn websocket_is_accepted_at_any_unreserved_path() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    for path in ["/chat", "/socket", "/ws/", "/v1/realtime?room=5", "/websocket/connect/", "/wsx"] {
        let mut client = open(&server, path).await;
        let answer = ask(&mut client, json!({"type": "query", "payload": {"query": "rooms"}})).await;
        assert!(answer.is_array(), "{path}: {answer}");
        with_token(&server, &ann, path).await.expect_type("connected").await;
    }
    for path in ["/ws/nowhere", "/ws/go/more", "/api/nowhere", "/media/nowhere/else", "/web/nowhere", "/api"] {
        let refused = Client::open_with(&format!("ws://{}{path}", server.address()), &[]).await;
        assert_eq!(refused.err(), Some(404), "{path}");
    }
    // Without an upgrade there is nothing.
    assert_eq!(server.get("/chat", None).await.0, 404);
}

#[tokio::test]
async fn token_in_query_is_refused_by_default() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    for path in ["/", "/chat", "/ws", "/ws/go", "/ws/direct", "/ws/native", "/ws/rooms", "/ws/groups"] {
        for name in ["token", "access_token", "jwt"] {
            let url = format!("ws://{}{path}?{name}={}", server.address(), ann.token);
            assert_eq!(Client::open_with(&url, &[]).await.err(), Some(401), "{path} {name}");
        }
    }
    // A token sent properly counts despite the query, and placeholders in the query are ignored.
    with_token(&server, &ann, &format!("/ws/direct?token={}", ann.token)).await.expect_event("userStatus").await;
    open(&server, "/ws/rooms?token=").await;
    open(&server, "/ws/rooms?token=undefined&x=1").await;
    let error = SocketIo::connect_at(server.address(), &format!("&token={}", ann.token), &json!({})).await.err();
    assert!(error.unwrap().contains("a token in the address is not taken here"));
    let told = json!({"token": ann.token});
    SocketIo::connect_at(server.address(), &format!("&token={}", ann.token), &told).await.unwrap();
}

#[tokio::test]
async fn token_in_query_authenticates_where_allowed() {
    let server = Setup::new().replace("query_tokens = false", "query_tokens = true").start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let at = |path: &str| format!("{path}?token={}", ann.token);
    open(&server, &at("/ws/go")).await.expect_type("connected").await;
    open(&server, &at("/ws/direct")).await.expect_event("userStatus").await;
    let mut native = open(&server, &at("/ws/native")).await;
    native.call("unread", json!({})).await.unwrap();
    // Where the path says nothing the first frame does.
    let mut direct = open(&server, &at("/")).await;
    let message = json!({"event": "message", "receiverId": bob.id, "message": "hi"});
    direct.send_text(message.to_string()).await;
    assert_eq!(direct.next_frame().await["event"], "userStatus");
    assert_eq!(direct.expect_event("message").await["data"]["senderId"], json!(ann.id));
    let mut native = open(&server, &at("/chat")).await;
    native.call("unread", json!({})).await.unwrap();
    let mut socket =
        SocketIo::connect_at(server.address(), &format!("&token={}", ann.token), &json!({})).await.unwrap();
    let session = "0f8fad5b-d9cb-469f-a165-70867728950e";
    assert_eq!(socket.call("join-session", &json!(session)).await["sessionId"], json!(session));
    for path in ["/", "/ws/go", "/ws/direct"] {
        let url = format!("ws://{}{path}?token=nonsense", server.address());
        assert_eq!(Client::open_with(&url, &[]).await.err(), Some(401), "{path}");
    }
}

#[tokio::test]
async fn frames_of_other_dialects_on_go_name_their_path() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut client = with_token(&server, &ann, "/").await;
    client.expect_type("connected").await;
    for (frame, path) in [
        (json!({"event": "fetchChats", "receiverId": ann.id}), "/ws/direct"),
        (json!({"id": 1, "op": "unread"}), "/ws/native"),
        (json!({"type": "query", "payload": {"query": "rooms"}}), "/ws/rooms"),
        (json!({"type": "first-connect", "name": "gus"}), "/ws/groups"),
    ] {
        let answer = ask(&mut client, frame.clone()).await;
        assert_eq!(answer["type"], "error");
        assert!(answer["message"].as_str().unwrap().contains(path), "{frame}: {answer}");
    }
}

#[tokio::test]
async fn echo_sessions_accepts_tokens_in_every_form() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let bearer = format!("Bearer {}", ann.token);
    let session = "0f8fad5b-d9cb-469f-a165-70867728950e";
    for auth in [json!(ann.token), json!(bearer), json!({"token": bearer}), json!({"token": ann.token})] {
        let mut client = SocketIo::connect(server.address(), &auth).await.unwrap();
        let joined = client.call("join-session", &json!({"sessionId": session})).await;
        assert_eq!(joined["sessionId"], json!(session), "{auth}");
    }
    for nothing in [json!({}), json!({"token": null}), json!({"token": ""}), json!("")] {
        let mut client = SocketIo::connect(server.address(), &nothing).await.unwrap();
        for token in [json!({"token": ann.token}), json!({"token": bearer}), json!(bearer)] {
            assert_eq!(client.call("connection", &token).await["userId"], json!(ann.id), "{token}");
        }
    }
}

#[tokio::test]
async fn socket_io_2_client_is_refused_by_version() {
    let server = Server::start().await;
    let (status, body) = server.get("/socket.io/?EIO=3&transport=polling", None).await;
    assert_eq!((status, &body["message"]), (400, &json!("Unsupported protocol version")));
}

#[tokio::test]
async fn direct_accepts_fields_in_data_and_external_picture_links() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = open(&server, "/").await;
    let answer = ask(&mut client, json!({"event": "authenticate", "data": {"token": ann.token}})).await;
    assert_eq!(answer["event"], "userStatus");
    let images = json!(["/uploads/pond.png", "pond.png", "http://example.org/pond.png", "//cdn.example/p.png"]);
    let data = json!({"receiverId": bob.id, "message": "look", "images": images});
    let answer = ask(&mut client, json!({"event": "message", "data": data})).await;
    assert_eq!((&answer["data"]["message"], &answer["data"]["images"]), (&json!("look"), &images));
    let answer = ask(&mut client, json!({"event": "fetchChats", "data": {"receiverId": bob.id}})).await;
    assert_eq!(answer["data"][0]["images"], images);
    let answer = ask(&mut client, json!({"event": "message", "data": {"receiverId": 5}})).await;
    assert_eq!(answer["message"], "data.receiverId: should be a text, not a number");
    for image in
        ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "ftp://example.org/p.png", "file:///etc/passwd", "blob:x"]
    {
        let data = json!({"receiverId": bob.id, "message": "look", "images": [image]});
        let answer = ask(&mut client, json!({"event": "message", "data": data})).await;
        assert_eq!(answer["code"], "invalid", "{image}: {answer}");
    }
}
