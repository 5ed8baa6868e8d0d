//! Evictions from rooms (kicks, bans, deleted rooms) as clients of each dialect receive them.

use serde_json::{Value, json};

use crate::harness::{Account, Client, Server, SocketIo};

/// A server with a room that ann owns and bob has joined.
struct Stage {
    server: Server,
    ann: Client,
    bob: Account,
    uid: String,
    code: String,
    number: i64,
}

async fn stage() -> Stage {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    let made = ann.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    ann.join("pond").await;
    let bob = server.sign_up("bob").await;
    let mut native = server.log_in(&bob).await;
    native.join("pond").await;
    let (_, groups) = server.get("/api/groups", Some(&bob.token)).await;
    let pond = groups.as_array().unwrap().iter().find(|group| group["name"] == "pond").unwrap();
    let text = |field: &str| made["room"][field].as_str().unwrap().to_owned();
    Stage { uid: text("uid"), code: text("code"), number: pond["id"].as_i64().unwrap(), server, ann, bob }
}

impl Stage {
    async fn kick(&mut self) {
        let args = json!({"room": "pond", "account": "bob", "reason": "too loud"});
        self.ann.call("member.kick", args).await.unwrap();
    }

    async fn ban(&mut self) {
        self.ann.call("member.ban", json!({"room": "pond", "account": "bob"})).await.unwrap();
    }

    async fn delete(&mut self) {
        self.ann.call("room.delete", json!({"room": "pond"})).await.unwrap();
    }

    async fn with_token(&self, path: &str) -> Client {
        let bearer = format!("Bearer {}", self.bob.token);
        let url = format!("ws://{}{path}", self.server.address());
        Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap()
    }
}

async fn ask(client: &mut Client, frame: Value) -> Value {
    client.send_text(frame.to_string()).await;
    client.next_frame().await
}

async fn in_groups(stage: &Stage) -> Client {
    let mut client = Client::open(&format!("ws://{}/ws/groups", stage.server.address())).await;
    let answer = ask(&mut client, json!({"type": "log_in", "name": "bob", "pwrd": "bob's password"})).await;
    assert_eq!(answer["data"]["groups"], json!(["pond"]));
    client
}

#[tokio::test]
async fn groups_client_receives_kick_and_reason() {
    let mut stage = stage().await;
    let mut client = in_groups(&stage).await;
    stage.kick().await;
    let why = "you were removed from the group pond: too loud";
    let removed = json!({"type": "user-removed", "name": "bob", "Group": "pond", "err": why});
    assert_eq!(client.next_frame().await, removed);
    let message = json!({"type": "message", "name": "bob", "group": "pond", "Text": "hello?"});
    assert_eq!(ask(&mut client, message.clone()).await, json!({"type": "err", "err": why}));
    // After rejoining, everything works again.
    let join = json!({"type": "first-connect", "name": "bob", "group": "pond"});
    assert_eq!(ask(&mut client, join.clone()).await["type"], "acknowledge-connect");
    assert_eq!(ask(&mut client, message).await["type"], "message");
    stage.ban().await;
    assert_eq!(client.expect_type("user-removed").await["err"], "you were banned from the group pond");
    let rejected = json!({"type": "reject-connect", "err": "you are banned from this group"});
    assert_eq!(ask(&mut client, join).await, rejected);
}

#[tokio::test]
async fn groups_clients_receive_group_deletion() {
    let mut stage = stage().await;
    let mut client = in_groups(&stage).await;
    let mut guest = Client::open(&format!("ws://{}/ws/groups", stage.server.address())).await;
    ask(&mut guest, json!({"type": "first-connect", "name": "gus", "group": "pond"})).await;
    client.expect_type("user-added").await;
    stage.delete().await;
    for (client, name) in [(&mut client, "bob"), (&mut guest, "gus")] {
        let err = "the group pond was deleted";
        let removed = json!({"type": "user-removed", "name": name, "Group": "pond", "err": err});
        assert_eq!(client.next_frame().await, removed);
        let message = json!({"type": "message", "name": name, "group": "Pond", "Text": "hello?"});
        assert_eq!(ask(client, message).await, json!({"type": "err", "err": err}));
    }
}

#[tokio::test]
async fn rooms_client_receives_kick_and_room_deletion() {
    let mut stage = stage().await;
    let mut client = stage.with_token("/ws/rooms").await;
    let join = json!({"type": "join", "payload": {"name": "bob", "roomId": stage.code}});
    let chat = json!({"type": "chat", "payload": {"roomId": stage.code, "msg": "hello?"}});
    assert_eq!(ask(&mut client, join.clone()).await["code"], 0);
    stage.kick().await;
    let why = "You were removed from the Room pond: too loud";
    let left = json!({"type": "left", "payload": {"roomId": stage.code, "user": "bob", "message": why}});
    assert_eq!(client.next_frame().await, left);
    assert_eq!(ask(&mut client, chat.clone()).await["message"], why);
    assert_eq!(ask(&mut client, join.clone()).await["code"], 0);
    stage.delete().await;
    let why = "The Room pond was deleted";
    assert_eq!(client.expect_type("left").await["payload"]["message"], why);
    assert_eq!(ask(&mut client, chat).await["message"], why);
    assert_eq!(ask(&mut client, join).await["message"], "Room does not exist");
}

#[tokio::test]
async fn go_client_gets_an_error_for_its_next_command_after_eviction() {
    let mut stage = stage().await;
    let mut client = stage.with_token("/ws/go").await;
    client.expect_type("connected").await;
    let send = json!({"group_id": stage.number, "message": "hello?"});
    let history = json!({"type": "history", "group_id": stage.number});
    assert_eq!(ask(&mut client, history.clone()).await["messages"], json!([]));
    stage.kick().await;
    for frame in [&send, &history] {
        let why = "you were removed from the group pond: too loud";
        let error = json!({"type": "error", "code": "forbidden", "message": why});
        assert_eq!(ask(&mut client, frame.clone()).await, error);
    }
    let join = json!({"type": "join_group", "group_id": stage.number});
    assert_eq!(ask(&mut client, join.clone()).await["type"], "join_group");
    stage.delete().await;
    for frame in [&send, &history, &join] {
        let error = json!({"type": "error", "code": "not_found", "message": "the group pond was deleted"});
        assert_eq!(ask(&mut client, frame.clone()).await, error);
    }
}

#[tokio::test]
async fn direct_client_gets_an_error_for_its_next_command_after_eviction() {
    let mut stage = stage().await;
    let mut client = stage.with_token("/ws/direct").await;
    client.expect_event("userStatus").await;
    let send = json!({"event": "message", "receiverId": stage.uid, "message": "hello?"});
    let fetch = json!({"event": "fetchChats", "receiverId": stage.uid});
    assert_eq!(ask(&mut client, fetch.clone()).await["event"], "fetchChats");
    stage.kick().await;
    for frame in [&send, &fetch] {
        let why = "you were removed from the room pond: too loud";
        assert_eq!(
            ask(&mut client, frame.clone()).await,
            json!({"event": "error", "code": "forbidden", "message": why})
        );
    }
    let mut native = stage.server.log_in(&stage.bob).await;
    native.join("pond").await;
    stage.delete().await;
    for frame in [&send, &fetch] {
        let error = json!({"event": "error", "code": "not_found", "message": "the room pond was deleted"});
        assert_eq!(ask(&mut client, frame.clone()).await, error);
    }
}

#[tokio::test]
async fn echo_sessions_client_receives_error_event_on_eviction() {
    let mut stage = stage().await;
    let auth = json!({"token": stage.bob.token});
    let mut client = SocketIo::connect(stage.server.address(), &auth).await.unwrap();
    client.call("join-session", &json!(stage.uid)).await;
    stage.kick().await;
    let why = "you were removed from the room pond: too loud";
    assert_eq!(client.expect("error").await, json!({"code": 403, "message": why, "sessionId": stage.uid}));
    let message = json!({"sessionId": stage.uid, "content": "hello?"});
    assert_eq!(client.call("message", &message).await, json!({"code": 403, "message": why}));
    client.expect("error").await;
    let mut native = stage.server.log_in(&stage.bob).await;
    native.join("pond").await;
    client.call("join-session", &json!(stage.uid)).await;
    stage.delete().await;
    let why = "the room pond was deleted";
    assert_eq!(client.expect("error").await, json!({"code": 404, "message": why, "sessionId": stage.uid}));
    assert_eq!(client.call("message", &message).await, json!({"code": 404, "message": why}));
}
