//! The dialect `rooms`: rooms have five-character codes, people have a nick in each, nobody logs in.

use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup};

/// A connection that has joined nothing yet.
async fn connect(server: &Server) -> Client {
    Client::open(&format!("ws://{}/ws/rooms", server.address())).await
}

/// Sends a frame and gives the answer to it.
async fn ask(client: &mut Client, kind: &str, payload: Value) -> Value {
    client.send_text(json!({"type": kind, "payload": payload}).to_string()).await;
    client.expect_answer(kind).await
}

async fn create(client: &mut Client, name: &str) -> String {
    let made = ask(client, "create", json!({"name": name, "visibility": "public", "pass": ""})).await;
    made["payload"]["roomId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

#[tokio::test]
async fn documented_examples_from_create_to_leave() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (connect(&server).await, connect(&server).await);
    let made = ask(&mut ann, "create", json!({"name": "galaxy", "visibility": "public", "pass": ""})).await;
    let code = made["payload"]["roomId"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 5);
    assert_eq!(
        (&made["code"], &made["message"]),
        (&json!(0), &json!(format!("Room created successfully, Room id: {code}")))
    );

    let joined = ask(&mut ann, "join", json!({"name": "alok", "roomId": code, "pass": ""})).await;
    assert_eq!((&joined["code"], &joined["message"]), (&json!(0), &json!("Successfully joined the Room: galaxy")));
    let again = ask(&mut ann, "join", json!({"name": "alok", "roomId": code, "pass": ""})).await;
    assert_eq!((&again["code"], &again["message"]), (&json!(1), &json!("You are already in the Room: galaxy")));
    ask(&mut bob, "join", json!({"name": "ravi", "roomId": code, "pass": ""})).await;
    assert_eq!(ann.expect_type("joined").await["payload"], json!({"roomId": code, "user": "ravi"}));

    let sent = ask(&mut bob, "chat", json!({"roomId": code, "msg": "Hello"})).await;
    assert_eq!((&sent["code"], &sent["message"]), (&json!(0), &json!("Message sent")));
    let heard = ann.expect_type("chat").await["payload"].clone();
    assert_eq!(
        (&heard["user"], &heard["msg"], &heard["id"]),
        (&json!("ravi"), &json!("Hello"), &sent["payload"]["id"])
    );

    let left = ask(&mut ann, "leave", json!({"roomId": code})).await;
    assert_eq!((&left["code"], &left["message"]), (&json!(0), &json!("User 'alok' left the Room 'galaxy'")));
    assert_eq!(bob.expect_type("left").await["payload"]["user"], "alok");
    let outside = ask(&mut ann, "chat", json!({"roomId": code, "msg": "still here?"})).await;
    assert_eq!((&outside["code"], &outside["message"]), (&json!(1), &json!("You are not in the Room")));
}

#[tokio::test]
async fn room_list_is_bare_and_shows_people_but_no_passwords() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (connect(&server).await, connect(&server).await);
    let open = create(&mut ann, "open").await;
    let made = ask(&mut ann, "create", json!({"name": "cellar", "visibility": "private", "pass": "sesame"})).await;
    let cellar = made["payload"]["roomId"].clone();
    ask(&mut ann, "join", json!({"name": "alok", "roomId": open, "pass": ""})).await;
    ask(&mut ann, "join", json!({"name": "alok", "roomId": cellar, "pass": "sesame"})).await;
    // Rooms that only an invitation opens are nobody's business here.
    let mut native = server.join_as("cyd").await;
    native.call("room.create", json!({"name": "secret", "visibility": "private"})).await.unwrap();

    bob.send_text(r#"{"type": "query", "payload": {"query": "rooms"}}"#).await;
    let list = bob.next_frame().await;
    let list = list.as_array().unwrap();
    let room = |name: &str| list.iter().find(|room| room["name"] == name);
    assert_eq!(
        *room("open").unwrap(),
        json!({"id": open, "name": "open", "visibility": "public", "people": [{"name": "alok"}]})
    );
    assert_eq!(
        *room("cellar").unwrap(),
        json!({"id": cellar, "name": "cellar", "visibility": "private", "people": []})
    );
    assert!(room("secret").is_none());
}

#[tokio::test]
async fn refusals_have_code_1_and_the_documented_texts() {
    let server = Server::start().await;
    server.sign_up("dora").await;
    let (mut ann, mut bob) = (connect(&server).await, connect(&server).await);
    let made = ask(&mut ann, "create", json!({"name": "cellar", "visibility": "private", "pass": "sesame"})).await;
    let cellar = made["payload"]["roomId"].clone();
    ask(&mut ann, "join", json!({"name": "alok", "roomId": cellar, "pass": "sesame"})).await;
    for (kind, payload, message) in [
        ("join", json!({"name": "ravi", "roomId": "ZZZZ9", "pass": ""}), "Room does not exist"),
        ("join", json!({"name": "ravi", "roomId": cellar, "pass": "wrong"}), "Invalid Pass Key!"),
        ("join", json!({"name": "ravi", "roomId": cellar, "pass": ""}), "Invalid Pass Key!"),
        ("join", json!({"name": "Alok", "roomId": cellar, "pass": "sesame"}), "Name is taken"),
        ("join", json!({"name": "dora", "roomId": cellar, "pass": "sesame"}), "Name is taken"),
        ("chat", json!({"roomId": cellar, "msg": "hi"}), "You are not in the Room"),
        ("leave", json!({"roomId": cellar}), "You are not in the Room"),
        ("create", json!({"name": "cellar", "visibility": "public", "pass": ""}), "payload.name: is taken"),
        ("create", json!({"name": "x", "visibility": "private", "pass": ""}), "payload.pass: a private room needs one"),
    ] {
        let answer = ask(&mut bob, kind, payload.clone()).await;
        assert_eq!((&answer["code"], &answer["message"]), (&json!(1), &json!(message)), "{kind} {payload}");
    }
    for frame in
        ["{", "[]", r#"{"type": "fly", "payload": {}}"#, r#"{"type": "chat"}"#, r#"{"type": "chat", "payload": 5}"#]
    {
        bob.send_text(frame).await;
        assert_eq!(bob.next_frame().await["code"], 1, "{frame}");
    }
}

#[tokio::test]
async fn nick_is_per_room_and_close_leaves_all_rooms() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (connect(&server).await, connect(&server).await);
    let (one, two) = (create(&mut ann, "one").await, create(&mut ann, "two").await);
    for (room, nick) in [(&one, "first"), (&two, "second")] {
        ask(&mut bob, "join", json!({"name": "bob", "roomId": room, "pass": ""})).await;
        ask(&mut ann, "join", json!({"name": nick, "roomId": room, "pass": ""})).await;
        ask(&mut ann, "chat", json!({"roomId": room, "msg": "hi"})).await;
        assert_eq!(bob.expect_type("chat").await["payload"]["user"], nick);
    }
    drop(ann);
    let mut left = [bob.expect_type("left").await, bob.expect_type("left").await]
        .map(|frame| frame["payload"]["user"].to_string());
    left.sort();
    assert_eq!(left, ["\"first\"", "\"second\""]);
}

#[tokio::test]
async fn first_frame_selects_dialect_and_native_members_receive_messages() {
    let server = Server::start().await;
    let mut ann = Client::open(&format!("ws://{}/", server.address())).await;
    let code = create(&mut ann, "pond").await;
    ask(&mut ann, "join", json!({"name": "alok", "roomId": code, "pass": ""})).await;
    let mut bob = server.join_as("bob").await;
    bob.join("pond").await;
    assert_eq!(ann.expect_type("joined").await["payload"]["user"], "bob");
    ask(&mut ann, "chat", json!({"roomId": code, "msg": "oh darn"})).await;
    let heard = bob.expect_event("message.posted").await;
    assert_eq!(
        (&heard["data"]["body"], &heard["data"]["from"]),
        (&json!("oh ****"), &json!({"name": "alok", "guest": true}))
    );
    bob.post("pond", "hello").await.unwrap();
    assert_eq!(ann.expect_type("chat").await["payload"]["user"], "bob");
}

#[tokio::test]
async fn disabled_guests_are_reported_to_clients() {
    let server = Setup::new().replace("guests = true", "guests = false").start().await;
    let mut ann = connect(&server).await;
    let answer = ask(&mut ann, "query", json!({"query": "rooms"})).await;
    assert_eq!(
        (&answer["code"], &answer["message"]),
        (&json!(1), &json!("guests are not allowed on this server; connect with a token"))
    );
}
