//! Ten thousand frames as nobody should send them, in each dialect: each gets one answer, and the connection lives.
//!
//! The same frames each time: a test that fails now and then helps nobody. `NATTERJACK_NONSENSE_SEED` makes other ones.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, PATIENCE, Server, Setup, SocketIo, nonsense};

const FRAMES: usize = 10_000;
/// How many are sent before the answers are read.
const BATCH: usize = 200;

/// How a dialect is spoken to.
struct Spoken {
    name: &'static str,
    /// Frames as they should be.
    valid: Vec<Value>,
    /// Whether a frame answers one of ours; else it tells of what happened.
    is_answer: fn(&Value) -> bool,
    /// How many answers a frame gets: at least, and at most.
    answers: fn(&str) -> (usize, usize),
    /// A frame that is answered after those before it, and its answer.
    mark: Box<dyn Fn(usize) -> (Value, Value)>,
}

/// Floods are another matter.
async fn patient_server() -> Server {
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
fn frames(spoken: &Spoken, count: usize) -> Vec<String> {
    let seed: u64 = std::env::var("NATTERJACK_NONSENSE_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let strategy = nonsense::frame(spoken.valid.clone());
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Sends them and counts what is answered, up to the answer to the mark after them.
async fn answers(
    client: &mut Client,
    spoken: &Spoken,
    frames: &[String],
    mark: usize,
    least: usize,
) -> Result<usize, String> {
    for frame in frames {
        client.send_text(frame).await;
    }
    let (frame, wanted) = (spoken.mark)(mark);
    client.send_text(frame.to_string()).await;
    let (mut answers, mut marked) = (0, false);
    while !marked || answers < least {
        match timeout(PATIENCE, client.try_frame()).await {
            Ok(Some(frame)) if frame == wanted => marked = true,
            Ok(Some(frame)) => answers += usize::from((spoken.is_answer)(&frame)),
            Ok(None) => return Err(format!("the connection ended after {answers} answers")),
            Err(_) => return Err(format!("only {answers} answers came")),
        }
    }
    Ok(answers)
}

/// Which of these frames it was: one at a time, on a connection of its own.
async fn blame(mut client: Client, spoken: &Spoken, frames: &[String]) -> String {
    for (number, frame) in frames.iter().enumerate() {
        let (least, most) = (spoken.answers)(frame);
        match answers(&mut client, spoken, std::slice::from_ref(frame), number, least).await {
            Ok(count) if (least..=most).contains(&count) => {}
            other => return format!("{}: {other:?} after {frame}", spoken.name),
        }
    }
    format!("{}: none of these frames by itself:\n{}", spoken.name, frames.join("\n"))
}

/// `open` makes a connection that has said who it is.
async fn each_frame_gets_its_answer<F: Future<Output = Client>>(spoken: &Spoken, open: impl Fn() -> F) {
    let mut client = open().await;
    let all = frames(spoken, FRAMES);
    for (number, batch) in all.chunks(BATCH).enumerate() {
        let (least, most) =
            batch.iter().map(|frame| (spoken.answers)(frame)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        match answers(&mut client, spoken, batch, number, least).await {
            Ok(count) if (least..=most).contains(&count) => {}
            other => panic!("{other:?} instead of {least} to {most}; {}", blame(open().await, spoken, batch).await),
        }
    }
    // Nothing came late, and it is still understood.
    assert_eq!(answers(&mut client, spoken, &[], FRAMES, 0).await, Ok(0), "{}", spoken.name);
    client.send_raw(Message::binary(b"\0\x01".to_vec())).await;
    assert_eq!(answers(&mut client, spoken, &[], FRAMES + 1, 1).await, Ok(1), "{}: binary", spoken.name);
    client.send_text("x".repeat(70_000)).await;
    assert_eq!(client.expect_close().await, 1009, "{}", spoken.name);
}

#[tokio::test]
async fn nonsense_in_native_gets_one_error_each() {
    let server = patient_server().await;
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
    let spoken = Spoken {
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
    each_frame_gets_its_answer(&spoken, async || server.log_in(&ann).await).await;
}

#[tokio::test]
async fn nonsense_in_direct_gets_one_error_each() {
    let server = patient_server().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let key = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";
    let picture = "https://pictures.example/frog.png";
    // A bad token ends the connection; that is looked at elsewhere.
    let valid = vec![
        json!({"event": "message", "receiverId": bob.id, "message": "Hello!"}),
        json!({"event": "message", "receiverId": bob.id, "message": "", "images": [picture, "data:image/png;base64,AA=="]}),
        json!({"event": "fetchChats", "receiverId": bob.id}),
        json!({"event": "fetchChats", "receiverId": bob.id, "before": key, "limit": 5}),
        json!({"event": "unReadMessages", "receiverId": bob.id}),
    ];
    let spoken = Spoken {
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
    each_frame_gets_its_answer(&spoken, async || {
        let mut client = Client::open(&url).await;
        client.send_text(json!({"event": "authenticate", "token": ann.token}).to_string()).await;
        client.expect_event("userStatus").await;
        client
    })
    .await;
}

/// In packets of Socket.IO as they should be: others end the connection, which is told elsewhere.
#[tokio::test]
async fn nonsense_in_echo_sessions_gets_one_error_each() {
    let server = patient_server().await;
    let ann = server.sign_up("ann").await;
    let session = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";
    let valid = vec![
        json!(["connection", ann.token]),
        json!(["join-session", session]),
        json!(["message", {"sessionId": session, "content": "Hello, server!"}]),
    ];
    let spoken = Spoken {
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
    let mut frames = frames(&spoken, 4 * FRAMES);
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
async fn nonsense_in_go_gets_one_error_each() {
    let server = patient_server().await;
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
    let spoken = Spoken {
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
    each_frame_gets_its_answer(&spoken, async || {
        let mut client = Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap();
        client.expect_type("connected").await;
        client
    })
    .await;
}

#[tokio::test]
async fn nonsense_in_rooms_gets_one_error_each() {
    let server = patient_server().await;
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
    let spoken = Spoken {
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
    each_frame_gets_its_answer(&spoken, async || Client::open(&url).await).await;
}

#[tokio::test]
async fn nonsense_in_groups_gets_one_error_each() {
    let server = patient_server().await;
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
    let spoken = Spoken {
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
    each_frame_gets_its_answer(&spoken, async || Client::open(&url).await).await;
}

#[tokio::test]
async fn a_first_frame_that_is_nonsense_gets_one_error_or_is_taken_for_a_dialect() {
    let server = patient_server().await;
    let valid = vec![json!({"id": 1, "op": "commands"}), json!({"type": "query", "payload": {"query": "rooms"}})];
    let spoken = Spoken {
        name: "undecided",
        valid,
        is_answer: |_| true,
        answers: |_| (1, 1),
        mark: Box::new(|_| Default::default()),
    };
    let url = format!("ws://{}/ws", server.address());
    for frame in frames(&spoken, 200) {
        let mut client = Client::open(&url).await;
        client.send_text(&frame).await;
        let answer = client.next_frame().await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        if message.contains("it decides what is spoken here") {
            assert_eq!(client.expect_close().await, 4500, "{frame}: {answer}");
        }
    }
}
