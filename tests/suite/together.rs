//! Clients of all dialects in one room: each receives the messages of the others in its own syntax and in one order.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Account, Client, Server, Setup, SocketIo};

/// Author and text.
type Message = (String, String);
/// Extracts the message of a frame, if it is one.
type Reading = Box<dyn Fn(&Value) -> Option<Message>>;

/// A client in the room, with its dialect.
struct Person {
    dialect: &'static str,
    line: Line,
    /// The dialect's frame for posting a text.
    say: Box<dyn Fn(&str) -> Value>,
    heard: Reading,
    /// Whether the client receives its own messages.
    echoes: bool,
}

enum Line {
    WebSocket(Client),
    /// Messages only.
    SocketIo(SocketIo),
}

impl Person {
    async fn says(&mut self, text: &str) {
        let frame = (self.say)(text);
        match &mut self.line {
            Line::WebSocket(client) => client.send_text(frame.to_string()).await,
            Line::SocketIo(client) => client.emit("message", &frame).await,
        }
    }

    async fn hears(&mut self) -> Message {
        loop {
            let frame = match &mut self.line {
                Line::WebSocket(client) => client.next_frame().await,
                Line::SocketIo(client) => client.expect("message").await,
            };
            if let Some(message) = (self.heard)(&frame) {
                return message;
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn native(server: &Server) -> Person {
    let mut client = server.join_as("nat").await;
    client.join("pond").await;
    Person {
        dialect: "native",
        line: Line::WebSocket(client),
        say: Box::new(|body| json!({"op": "message.post", "args": {"room": "pond", "body": body}})),
        heard: Box::new(|frame| {
            let data = &frame["data"];
            (frame["event"] == "message.posted").then(|| (text(&data["from"]["name"]), text(&data["body"])))
        }),
        echoes: true,
    }
}

async fn go(server: &Server, group: &Value) -> Person {
    let account = server.sign_up("gopher").await;
    let url = format!("ws://{}/ws/go", server.address());
    let mut client = Client::open_with(&url, &[("authorization", &format!("Bearer {}", account.token))]).await.unwrap();
    client.send_text(json!({"type": "join_group", "group_id": group}).to_string()).await;
    client.expect_type("join_group").await;
    let (group, here) = (group.clone(), group.clone());
    Person {
        dialect: "go",
        line: Line::WebSocket(client),
        say: Box::new(move |message| json!({"group_id": group, "message": message})),
        heard: Box::new(move |frame| {
            (frame["type"] == "message" && frame["group_id"] == here)
                .then(|| (text(&frame["sender_id"]), text(&frame["message"])))
        }),
        echoes: true,
    }
}

async fn rooms(server: &Server) -> Person {
    let mut client = Client::open(&format!("ws://{}/ws/rooms", server.address())).await;
    client.send_text(json!({"type": "query", "payload": {"query": "rooms"}}).to_string()).await;
    let list = client.next_frame().await;
    let pond = list.as_array().unwrap().iter().find(|room| room["name"] == "pond").unwrap()["id"].clone();
    client
        .send_text(json!({"type": "join", "payload": {"name": "roomer", "roomId": pond, "pass": ""}}).to_string())
        .await;
    assert_eq!(client.expect_answer("join").await["code"], 0);
    Person {
        dialect: "rooms",
        line: Line::WebSocket(client),
        say: Box::new(move |msg| json!({"type": "chat", "payload": {"roomId": pond, "msg": msg}})),
        heard: Box::new(|frame| {
            let payload = &frame["payload"];
            (frame["type"] == "chat" && frame["code"].is_null())
                .then(|| (text(&payload["user"]), text(&payload["msg"])))
        }),
        echoes: false,
    }
}

async fn groups(server: &Server) -> Person {
    let mut client = Client::open(&format!("ws://{}/ws/groups", server.address())).await;
    let join = json!({"type": "first-connect", "name": "grouper", "group": "pond"});
    client.send_text(join.to_string()).await;
    client.expect_type("acknowledge-connect").await;
    Person {
        dialect: "groups",
        line: Line::WebSocket(client),
        say: Box::new(|body| json!({"type": "message", "name": "grouper", "group": "pond", "Text": body})),
        heard: Box::new(|frame| (frame["type"] == "message").then(|| (text(&frame["name"]), text(&frame["Text"])))),
        echoes: true,
    }
}

/// A set-up without rate limits.
fn unthrottled() -> Setup {
    let setup = Setup::new().replace("command_burst = 200", "command_burst = 100000");
    setup.replace("outbox_frames = 1024", "outbox_frames = 65536")
}

/// A direct conversation, with several connections of ann and bob.
async fn conversation() -> (Server, Vec<Person>) {
    let server = unthrottled().start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = server.log_in(&ann).await;
    let room = client.call("direct.open", json!({"account": "bob"})).await.unwrap()["room"]["uid"].clone();
    client.join(room.as_str().unwrap()).await;
    let native = Person {
        dialect: "native",
        line: Line::WebSocket(client),
        say: Box::new(move |body| json!({"op": "message.post", "args": {"room": room, "body": body}})),
        heard: Box::new(|frame| {
            let data = &frame["data"];
            (frame["event"] == "message.posted").then(|| (text(&data["from"]["id"]), text(&data["body"])))
        }),
        echoes: true,
    };

    let url = format!("ws://{}/ws/go", server.address());
    let mut client = Client::open_with(&url, &[("authorization", &format!("Bearer {}", ann.token))]).await.unwrap();
    client.expect_type("connected").await;
    let go = Person {
        dialect: "go",
        line: Line::WebSocket(client),
        say: Box::new(|message| json!({"receiver_id": 2, "message": message})),
        heard: Box::new(|frame| {
            (frame["type"] == "message").then(|| (text(&frame["sender_id"]), text(&frame["message"])))
        }),
        echoes: true,
    };

    let mut client = Client::open(&format!("ws://{}/ws/direct", server.address())).await;
    client.send_text(json!({"event": "authenticate", "token": bob.token}).to_string()).await;
    client.expect_event("userStatus").await;
    let direct = Person {
        dialect: "direct",
        line: Line::WebSocket(client),
        say: Box::new(move |message| json!({"event": "message", "receiverId": ann.id, "message": message})),
        heard: Box::new(|frame| {
            let data = &frame["data"];
            (frame["event"] == "message").then(|| (text(&data["senderId"]), text(&data["message"])))
        }),
        echoes: true,
    };
    (server, vec![native, go, direct])
}

#[tokio::test]
async fn direct_conversation_reaches_every_dialect_that_has_them() {
    let (_server, mut people) = conversation().await;
    for speaker in 0..people.len() {
        let said = format!("I speak {}", people[speaker].dialect);
        people[speaker].says(&said).await;
        let mut authors = Vec::new();
        for person in &mut people {
            let (author, heard) = person.hears().await;
            assert_eq!(heard, said, "{}", person.dialect);
            authors.push(author);
        }
        // By uid, or by number: the same one.
        let number = if people[speaker].dialect == "direct" { "2" } else { "1" };
        assert_eq!((&authors[0], &*authors[1]), (&authors[2], number), "{said}");
    }
    burst(&mut people).await;
}

/// A member of the room by an account, as the native protocol makes one.
async fn member(server: &Server, name: &str) -> (Account, Value) {
    let account = server.sign_up(name).await;
    let joined = server.log_in(&account).await.join("pond").await;
    (account, joined["room"]["uid"].clone())
}

async fn direct(server: &Server) -> Person {
    let (account, pond) = member(server, "dirk").await;
    let mut client = Client::open(&format!("ws://{}/ws/direct", server.address())).await;
    client.send_text(json!({"event": "authenticate", "token": account.token}).to_string()).await;
    client.expect_event("userStatus").await;
    let here = pond.clone();
    Person {
        dialect: "direct",
        line: Line::WebSocket(client),
        say: Box::new(move |message| json!({"event": "message", "receiverId": pond, "message": message})),
        heard: Box::new(move |frame| {
            let data = &frame["data"];
            (frame["event"] == "message" && data["receiverId"] == here && data["roomId"] == here)
                .then(|| (text(&data["senderId"]), text(&data["message"])))
        }),
        echoes: true,
    }
}

async fn sessions(server: &Server) -> Person {
    let (account, pond) = member(server, "sessie").await;
    let mut client = SocketIo::connect(server.address(), &json!({"token": account.token})).await.unwrap();
    client.call("join-session", &pond).await;
    let here = pond.clone();
    Person {
        dialect: "echo-sessions",
        line: Line::SocketIo(client),
        say: Box::new(move |content| json!({"sessionId": pond, "content": content})),
        heard: Box::new(move |data| {
            (data["sessionId"] == here).then(|| (text(&data["sender"]), text(&data["content"])))
        }),
        echoes: true,
    }
}

/// A public room with one person of each dialect in it.
async fn pond() -> (Server, Vec<Person>) {
    let server = unthrottled().start().await;
    let owner = server.sign_up("owner").await;
    let (_, group) = server.post("/api/groups", Some(&owner.token), &json!({"name": "pond"})).await;
    let people = vec![
        native(&server).await,
        go(&server, &group["id"]).await,
        rooms(&server).await,
        groups(&server).await,
        direct(&server).await,
        sessions(&server).await,
    ];
    (server, people)
}

#[tokio::test]
async fn six_dialects_exchange_messages_in_one_room() {
    let (server, mut people) = pond().await;
    let asking = server.sign_up("asking").await;
    for speaker in 0..people.len() {
        let said = format!("I speak {}", people[speaker].dialect);
        people[speaker].says(&said).await;
        // Each knows people by name, by number or by uid; guests have only a name.
        let name = ["nat", "gopher", "roomer", "grouper", "dirk", "sessie"][speaker];
        let (_, found) = server.get(&format!("/api/users?name={name}"), Some(&asking.token)).await;
        let (number, uid) = (text(&found["number"]), text(&found["uid"]));
        for (place, person) in people.iter_mut().enumerate() {
            if place != speaker || person.echoes {
                let by = match person.dialect {
                    "go" => number.clone(),
                    "direct" => uid.clone(),
                    _ => name.to_owned(),
                };
                assert_eq!(person.hears().await, (by, said.clone()), "{}", person.dialect);
            }
        }
    }
}

#[tokio::test]
async fn bursts_reach_every_dialect_in_order_and_once() {
    let (_server, mut people) = pond().await;
    burst(&mut people).await;
}

/// Each client posts five hundred messages at once; all receive them in order and once.
async fn burst(people: &mut [Person]) {
    const BURST: usize = 500;
    for speaker in 0..people.len() {
        let dialect = people[speaker].dialect;
        for number in 0..BURST {
            people[speaker].says(&format!("{dialect} {number}")).await;
        }
        join_all(people.iter_mut().enumerate().map(async |(place, person)| {
            if place != speaker || person.echoes {
                for number in 0..BURST {
                    assert_eq!(person.hears().await.1, format!("{dialect} {number}"), "as {} has it", person.dialect);
                }
            }
        }))
        .await;
    }
    // No duplicates: the next post is the next message that everybody receives.
    people[0].says("the end").await;
    for person in people {
        assert_eq!(person.hears().await.1, "the end", "{}", person.dialect);
    }
}
