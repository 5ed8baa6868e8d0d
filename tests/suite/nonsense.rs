//! Sends ten thousand malformed frames in each dialect: each gets one answer, and the connection stays open.
//!
//! The frames are the same each time; `NATTERJACK_NONSENSE_SEED` sets another seed.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, PATIENCE, Server, Setup, SocketIo, nonsense};

const FRAMES: usize = 10_000;
/// How many are sent before the answers are read.
const BATCH: usize = 200;

/// How a dialect is tested.
struct Protocol {
    name: &'static str,
    /// Valid frames.
    valid: Vec<Value>,
    /// Whether a received frame is an answer; else it is an event.
    is_answer: fn(&Value) -> bool,
    /// The minimum and maximum number of answers to a frame.
    answers: fn(&str) -> (usize, usize),
    /// A marker frame, which is answered after the frames before it, and a test for its answer.
    mark: Box<dyn Fn(usize) -> (Value, Value)>,
}

/// A server without rate limits.
async fn unlimited_server() -> Server {
    let mut setup = Setup::new();
    for (from, to) in [
        ("command_burst = 200", "command_burst = 1000000"),
        ("commands_per_second = 20", "commands_per_second = 1000000"),
        ("attempts_burst = 30", "attempts_burst = 1000000"),
        ("attempts_per_minute = 10", "attempts_per_minute = 1000000"),
        // No test pulls the plug.
        (r#"synchronous = "full""#, r#"synchronous = "normal""#),
        ("outbox_frames = 1024", "outbox_frames = 65536"),
        ("outbox_bytes = 4194304", "outbox_bytes = 268435456"),
    ] {
        setup = setup.replace(from, to);
    }
    setup.start().await
}

/// The frames of one run.
fn frames(protocol: &Protocol, count: usize) -> Vec<String> {
    let seed: u64 = std::env::var("NATTERJACK_NONSENSE_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let strategy = nonsense::frame(protocol.valid.clone());
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Sends frames and counts the answers, up to the answer to the marker.
async fn answers(
    client: &mut Client,
    protocol: &Protocol,
    frames: &[String],
    mark: usize,
    least: usize,
) -> Result<usize, String> {
    for frame in frames {
        client.send_text(frame).await;
    }
    let (frame, wanted) = (protocol.mark)(mark);
    client.send_text(frame.to_string()).await;
    let (mut answers, mut marked) = (0, false);
    while !marked || answers < least {
        match timeout(PATIENCE, client.try_frame()).await {
            Ok(Some(frame)) if frame == wanted => marked = true,
            Ok(Some(frame)) => answers += usize::from((protocol.is_answer)(&frame)),
            Ok(None) => return Err(format!("the connection ended after {answers} answers")),
            Err(_) => return Err(format!("only {answers} answers came")),
        }
    }
    Ok(answers)
}

/// Finds the offending frame by sending one at a time, on a new connection.
async fn blame(mut client: Client, protocol: &Protocol, frames: &[String]) -> String {
    for (number, frame) in frames.iter().enumerate() {
        let (least, most) = (protocol.answers)(frame);
        match answers(&mut client, protocol, std::slice::from_ref(frame), number, least).await {
            Ok(count) if (least..=most).contains(&count) => {}
            other => return format!("{}: {other:?} after {frame}", protocol.name),
        }
    }
    format!("{}: none of these frames by itself:\n{}", protocol.name, frames.join("\n"))
}

/// `open` makes an authenticated connection.
async fn each_frame_gets_its_answer<F: Future<Output = Client>>(protocol: &Protocol, open: impl Fn() -> F) {
    let mut client = open().await;
    let all = frames(protocol, FRAMES);
    for (number, batch) in all.chunks(BATCH).enumerate() {
        let (least, most) =
            batch.iter().map(|frame| (protocol.answers)(frame)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        match answers(&mut client, protocol, batch, number, least).await {
            Ok(count) if (least..=most).contains(&count) => {}
            other => panic!("{other:?} instead of {least} to {most}; {}", blame(open().await, protocol, batch).await),
        }
    }
    // Nothing came late, and it is still understood.
    assert_eq!(answers(&mut client, protocol, &[], FRAMES, 0).await, Ok(0), "{}", protocol.name);
    client.send_raw(Message::binary(b"\0\x01".to_vec())).await;
    assert_eq!(answers(&mut client, protocol, &[], FRAMES + 1, 1).await, Ok(1), "{}: binary", protocol.name);
    client.send_text("x".repeat(70_000)).await;
    assert_eq!(client.expect_close().await, 1009, "{}", protocol.name);
}

#[tokio::test]
async fn malformed_native_frames_get_one_error_each() {
    let server = unlimited_server().await;
    let ann = server.sign_up("ann").await;
    let account = ann.id.clone();
    let call = |op: &str, args: Value| json!({"id": 1, "op": op, "args": args});
    let key = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";
    let valid = vec![
        call("connect", json!({"token": "eyJ.e30.x"})),
        call("connect", json!({"guest": "gus"})),
        call("room.list", json!({"query": "lob", "cursor": "lobby"})),
        call("room.get", json!({"room": "lobby"})),
        call("room.join", json!({"room": "lobby", "since": 0, "password": "x"})),
        call("room.leave", json!({"room": "lobby"})),
        call("room.members", json!({"room": "lobby", "cursor": account})),
        call("room.history", json!({"room": "lobby", "before": 5, "limit": 5})),
        call("room.history", json!({"room": "lobby", "after": 1, "limit": 5})),
        call("message.post", json!({"room": "lobby", "body": "hi", "key": key, "reply_to": 1, "attachments": [key]})),
        call("message.post", json!({"room": "lobby", "body": "hi"})),
        call("message.edit", json!({"room": "lobby", "seq": 2, "body": "ho"})),
        call("message.delete", json!({"room": "lobby", "seq": 2})),
        call("message.react", json!({"room": "lobby", "seq": 2, "emoji": "🐸", "on": true})),
        call("message.read", json!({"room": "lobby", "seq": 2})),
        call("direct.open", json!({"account": "ann"})),
        call("account.find", json!({"name": "ann"})),
        call("typing", json!({"room": "lobby"})),
        call("presence.watch", json!({"accounts": [account]})),
        call("unread", json!({})),
        call("search", json!({"query": "hi", "room": "lobby", "cursor": "1", "limit": 5})),
        call("commands", json!({})),
        call(
            "room.create",
            json!({"name": "pond", "visibility": "private", "password": "x", "topic": "t", "member_limit": 5}),
        ),
        call("room.update", json!({"room": "pond", "topic": "frogs"})),
        call("member.mute", json!({"room": "pond", "account": "ann", "for_s": 1})),
        call("member.role", json!({"room": "pond", "account": "ann", "role": "member"})),
    ];
    let protocol = Protocol {
        name: "native",
        valid,
        is_answer: |frame| frame["event"].is_null(),
        // A frame without an id is answered only if it fails.
        answers: |frame| match serde_json::from_str::<Value>(frame) {
            Ok(Value::Object(fields)) if fields.get("id").is_none_or(Value::is_null) => (0, 1),
            _ => (1, 1),
        },
        mark: Box::new(|n| {
            let id = format!("mark {n}");
            (
                json!({"id": id, "op": "presence.watch", "args": {"accounts": []}}),
                json!({"id": id, "ok": {"accounts": []}}),
            )
        }),
    };
    each_frame_gets_its_answer(&protocol, async || server.log_in(&ann).await).await;
}

#[tokio::test]
async fn malformed_direct_frames_get_one_error_each() {
    let server = unlimited_server().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let key = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";
    let picture = "https://pictures.example/frog.png";
    // An invalid token closes the connection, which another test covers.
    let valid = vec![
        json!({"event": "message", "receiverId": bob.id, "message": "Hello!"}),
        json!({"event": "message", "receiverId": bob.id, "message": "", "images": [picture, "data:image/png;base64,AA=="]}),
        json!({"event": "fetchChats", "receiverId": bob.id}),
        json!({"event": "fetchChats", "receiverId": bob.id, "before": key, "limit": 5}),
        json!({"event": "unReadMessages", "receiverId": bob.id}),
    ];
    let protocol = Protocol {
        name: "direct",
        valid,
        is_answer: |frame| frame["event"] != "userStatus",
        answers: |_| (1, 1),
        mark: Box::new(|n| {
            let known = "`authenticate`, `message`, `fetchChats` and `unReadMessages`";
            let why = format!("event: there is no `mark {n}`; there are {known}");
            (json!({"event": format!("mark {n}")}), json!({"event": "error", "code": "bad_request", "message": why}))
        }),
    };
    let url = format!("ws://{}/ws/direct", server.address());
    each_frame_gets_its_answer(&protocol, async || {
        let mut client = Client::open(&url).await;
        client.send_text(json!({"event": "authenticate", "token": ann.token}).to_string()).await;
        client.expect_event("userStatus").await;
        client
    })
    .await;
}

/// In valid Socket.IO packets: invalid ones end the connection, which another test covers.
#[tokio::test]
async fn malformed_echo_sessions_frames_get_one_error_each() {
    let server = unlimited_server().await;
    let ann = server.sign_up("ann").await;
    let session = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";
    let valid = vec![
        json!(["connection", ann.token]),
        json!(["join-session", session]),
        json!(["message", {"sessionId": session, "content": "Hello, server!"}]),
    ];
    let protocol = Protocol {
        name: "echo-sessions",
        valid,
        is_answer: |_| true,
        answers: |_| (1, 1),
        mark: Box::new(|_| Default::default()),
    };
    // What is JSON, and no name with escapes: socketioxide takes neither for an event.
    let is_packet = |frame: &String| {
        let name = frame.strip_prefix("[\"").and_then(|rest| rest.split_once('"'));
        let plain = name.is_some_and(|(name, _)| !name.contains('\\') && name != "connect");
        plain && serde_json::from_str::<Vec<Value>>(frame).is_ok()
    };
    let mut frames = frames(&protocol, 4 * FRAMES);
    frames.retain(is_packet);
    assert!(frames.len() >= FRAMES, "{}", frames.len());
    frames.truncate(FRAMES);
    let mut client = SocketIo::connect(server.address(), &json!({"token": ann.token})).await.unwrap();
    // One by one: a connection that ended would take the answers to those before with it.
    for (number, frame) in frames.iter().enumerate() {
        client.send(format!("42{number}{frame}")).await;
        assert_eq!(client.next_ack().await, Some(number), "{frame}");
    }
    // Nothing came late.
    client.send(format!(r#"42{}["dance"]"#, frames.len())).await;
    assert_eq!(client.next_ack().await, Some(frames.len()));
}

#[tokio::test]
async fn malformed_go_frames_get_one_error_each() {
    let server = unlimited_server().await;
    let ann = server.sign_up("ann").await;
    server.sign_up("bob").await;
    let group = async |name| server.post("/api/groups", Some(&ann.token), &json!({"name": name})).await.1["id"].clone();
    let (group, here) = (group("pond").await, group("here").await);
    assert!(group.is_i64() && here.is_i64(), "{group} {here}");
    let valid = vec![
        json!({"receiver_id": 2, "message": "hi"}),
        json!({"type": "message", "group_id": group, "message": "hi"}),
        json!({"type": "join_group", "group_id": group}),
        json!({"type": "history", "receiver_id": 2, "before": 5, "limit": 5}),
        json!({"type": "history", "group_id": group, "limit": 5}),
    ];
    let protocol = Protocol {
        name: "go",
        valid,
        is_answer: |_| true,
        answers: |_| (1, 1),
        mark: Box::new(move |_| {
            let joined = json!({"type": "join_group", "group_id": here, "name": "here"});
            (json!({"type": "join_group", "group_id": here}), joined)
        }),
    };
    let url = format!("ws://{}/ws/go", server.address());
    let bearer = format!("Bearer {}", ann.token);
    each_frame_gets_its_answer(&protocol, async || {
        let mut client = Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap();
        client.expect_type("connected").await;
        client
    })
    .await;
}

#[tokio::test]
async fn malformed_rooms_frames_get_one_error_each() {
    let server = unlimited_server().await;
    let (_, group) = {
        let ann = server.sign_up("ann").await;
        server.post("/api/rooms", Some(&ann.token), &json!({"name": "pond", "visibility": "public"})).await
    };
    let code =
        group["room"]["code"].as_str().or(group["code"].as_str()).unwrap_or_else(|| panic!("{group}")).to_owned();
    let frame = |kind: &str, payload: Value| json!({"type": kind, "payload": payload});
    let valid = vec![
        frame("create", json!({"name": "galaxy", "visibility": "public", "pass": ""})),
        frame("create", json!({"name": "cellar", "visibility": "private", "pass": "anyPassword"})),
        frame("query", json!({"query": "rooms"})),
        frame("join", json!({"name": "alok", "roomId": code, "pass": ""})),
        frame("chat", json!({"roomId": code, "msg": "Hello"})),
        frame("leave", json!({"roomId": code})),
    ];
    let protocol = Protocol {
        name: "rooms",
        valid,
        is_answer: |_| true,
        answers: |_| (1, 1),
        mark: Box::new(|n| {
            let kind = format!("mark {n}");
            let why = format!("type: there is no `{kind}`; there are `create`, `query`, `join`, `chat` and `leave`");
            (json!({"type": kind}), json!({"code": 1, "message": why, "type": kind, "payload": {}}))
        }),
    };
    let url = format!("ws://{}/ws/rooms", server.address());
    each_frame_gets_its_answer(&protocol, async || Client::open(&url).await).await;
}

#[tokio::test]
async fn malformed_groups_frames_get_one_error_each() {
    let server = unlimited_server().await;
    server.sign_up("dora").await;
    let valid = vec![
        json!({"type": "first-connect", "name": "ann"}),
        json!({"type": "first-connect", "name": "ann", "group": "pond"}),
        json!({"type": "message", "name": "ann", "group": "lobby", "Text": "Hello, World!"}),
        json!({"type": "message", "name": "dora", "group": "lobby", "Text": "Hello, World!"}),
        json!({"type": "make_group", "group_name": "pond", "name": "ann"}),
        json!({"type": "log_in", "name": "dora", "pwrd": "dora's password"}),
        json!({"type": "sign-up", "name": "NewUser", "pwrd": "password", "id": "unique-id", "groups": ["lobby"]}),
        json!({"type": "get_groups"}),
    ];
    let protocol = Protocol {
        name: "groups",
        valid,
        is_answer: |_| true,
        answers: |_| (1, 1),
        mark: Box::new(|n| {
            let known = "`first-connect`, `message`, `make_group`, `log_in`, `sign-up` and `get_groups`";
            let err = format!("type: there is no `mark {n}`; there are {known}");
            (json!({"type": format!("mark {n}")}), json!({"type": "err", "err": err}))
        }),
    };
    let url = format!("ws://{}/ws/groups", server.address());
    each_frame_gets_its_answer(&protocol, async || Client::open(&url).await).await;
}

#[tokio::test]
async fn malformed_first_frame_gets_one_error_or_selects_a_dialect() {
    let server = unlimited_server().await;
    let valid = vec![json!({"id": 1, "op": "commands"}), json!({"type": "query", "payload": {"query": "rooms"}})];
    let protocol = Protocol {
        name: "undecided",
        valid,
        is_answer: |_| true,
        answers: |_| (1, 1),
        mark: Box::new(|_| Default::default()),
    };
    let url = format!("ws://{}/ws", server.address());
    for frame in frames(&protocol, 200) {
        let mut client = Client::open(&url).await;
        client.send_text(&frame).await;
        let answer = client.next_frame().await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        if message.contains("which select the dialect") {
            assert_eq!(client.expect_close().await, 4500, "{frame}: {answer}");
        }
    }
}
