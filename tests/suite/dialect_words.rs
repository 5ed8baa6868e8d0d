//! Errors of every dialect and of REST use the client's field names: tries every field of every command missing, of a wrong type,
//! empty and too long. No error mentions internals.

use serde_json::{Map, Value, json};

use crate::harness::{Account, Client, Server, Setup, SocketIo};

/// Words of internal layers and libraries, which no error may contain.
const INTERNAL_WORDS: [&str; 30] = [
    "at line",
    "column",
    "missing field",
    "invalid type",
    "invalid value",
    "unknown field",
    "unknown variant",
    "expected",
    "untagged",
    "deserialize",
    "args",
    " op ",
    "room.create",
    "room.",
    "body:",
    "guest:",
    "username:",
    "password:",
    "i64",
    "u32",
    "u64",
    "struct",
    "sequence",
    "UUID parsing",
    "digit found",
    "serde",
    "plugin",
    "guard",
    "credential",
    "null, ",
];

/// A valid command, with the names of its required fields.
struct Command {
    frame: Value,
    /// Where the fields are in the frame; empty for the frame itself.
    within: &'static str,
    required: &'static [&'static str],
    /// Fields that are not strings.
    other: &'static [&'static str],
    /// Fields that identify the command.
    named_by: &'static [&'static str],
}

fn fields(command: &Command) -> Vec<String> {
    let all = if command.within.is_empty() { &command.frame } else { &command.frame[command.within] };
    let all = all.as_object().expect("an object").keys().cloned();
    all.filter(|field| !command.named_by.contains(&field.as_str())).collect()
}

/// The frame with another value in one field; `None` removes it.
fn with(command: &Command, field: &str, value: Option<Value>) -> Value {
    let mut frame = command.frame.clone();
    let within: &mut Map<String, Value> = match command.within {
        "" => frame.as_object_mut().expect("an object"),
        name => frame[name].as_object_mut().expect("an object"),
    };
    match value {
        Some(value) => drop(within.insert(field.to_owned(), value)),
        None => drop(within.remove(field)),
    }
    frame
}

/// Each invalid frame, with the field that its error has to name, and whether it must be an error.
fn wrong_frames(commands: &[Command]) -> Vec<(Value, String, bool)> {
    let mut frames = Vec::new();
    for command in commands {
        for field in fields(command) {
            let required = command.required.contains(&field.as_str());
            frames.push((with(command, &field, None), field.clone(), required));
            for nothing in [json!(null), json!(""), json!(0)] {
                frames.push((with(command, &field, Some(nothing)), field.clone(), required));
            }
            for wrong in [json!(true), json!(-1.5), json!({"a": 1}), json!(["\u{1}", 7])] {
                // A list may hold anything, and some fields are lists.
                frames.push((with(command, &field, Some(wrong)), field.clone(), true));
            }
            // Values that may be accepted, but whose errors must not use another layer's words.
            for odd in [
                json!(1e30),
                json!(-1e30),
                json!(18_446_744_073_709_551_615_u64),
                json!(9_007_199_254_740_993_i64),
                json!(-1),
                json!(false),
                json!([]),
                json!({}),
                json!([[1, [2]]]),
                json!([{"a": {"b": [null]}}]),
                json!({"a": {"b": {"c": []}}}),
                json!("   "),
                json!(" 5"),
                json!("5 "),
                json!("\n\t"),
                json!("\u{feff}"),
                json!("[object Object]"),
                json!("undefined"),
            ] {
                frames.push((with(command, &field, Some(odd)), field.clone(), false));
            }
            if !command.other.contains(&field.as_str()) {
                frames.push((with(command, &field, Some(json!("x".repeat(5000)))), field.clone(), false));
                frames.push((with(command, &field, Some(json!("\u{0}\u{202e}"))), field.clone(), false));
            }
        }
    }
    frames
}

fn check(frame: &Value, field: &str, must_fail: bool, error: Option<&str>) {
    let Some(error) = error else {
        assert!(!must_fail, "{frame} should be refused for its {field}");
        return;
    };
    for internal in INTERNAL_WORDS {
        assert!(!error.contains(internal), "{error:?} speaks of {internal:?}: {frame}");
    }
    // The part of a client's own words that an error repeats is bounded.
    assert!(error.chars().count() < 300, "{error:?}");
    if must_fail {
        assert!(error.contains(field), "{error:?} should name {field}: {frame}");
    }
}

async fn ask(client: &mut Client, frame: &Value) -> Value {
    client.send_text(frame.to_string()).await;
    client.next_frame().await
}

/// A server whose limits these frames do not reach.
async fn server() -> Server {
    let setup = Setup::new().replace("command_burst = 200", "command_burst = 100000");
    let setup = setup.replace("attempts_burst = 30", "attempts_burst = 100000");
    setup.replace("refusals_before_close = 1000", "refusals_before_close = 100000").start().await
}

#[tokio::test]
async fn errors_of_groups_name_the_clients_fields() {
    let server = server().await;
    let plain =
        |frame: Value, required| Command { frame, within: "", required, other: &["groups"], named_by: &["type"] };
    let commands = [
        plain(json!({"type": "first-connect", "name": "ann", "group": "lobby"}), &["name"]),
        plain(json!({"type": "message", "name": "ann", "group": "lobby", "Text": "hi"}), &["name", "group", "Text"]),
        plain(json!({"type": "make_group", "group_name": "pond"}), &["group_name"]),
        plain(json!({"type": "log_in", "name": "nobody", "pwrd": "x"}), &[]),
        plain(json!({"type": "sign-up", "name": "", "pwrd": "x", "id": "i", "groups": ["lobby"]}), &["name"]),
    ];
    for (frame, field, must_fail) in wrong_frames(&commands) {
        let mut client = Client::open(&format!("ws://{}/ws/groups", server.address())).await;
        ask(&mut client, &json!({"type": "first-connect", "name": "ann"})).await;
        let answer = ask(&mut client, &frame).await;
        // `first-connect` with a name alone is no error, nor is one without any.
        let excused = frame["type"] == "first-connect" && frame["group"].is_null();
        // Errors of a wrong password do not say which field is wrong.
        let told = answer["err"].as_str().filter(|error| !["wrong-password", "User Exists"].contains(error));
        let fails = must_fail && !excused && answer["err"] != "wrong-password";
        let fails = fails && (field != "id" || !frame["id"].is_number());
        // A sign-up without a name is refused for the name, whatever else is wrong with it.
        let field =
            if frame["type"] == "sign-up" && frame["name"] == "" && told.is_some_and(|it| it.starts_with("name")) {
                "name".into()
            } else {
                field
            };
        if frame["type"] == "first-connect" && answer["err"].is_string() {
            assert_eq!(answer["type"], "reject-connect", "{frame}: {answer}");
        }
        check(&frame, &field, fails, told);
        client.close().await;
    }
}

#[tokio::test]
async fn errors_of_rooms_name_the_clients_fields() {
    let server = server().await;
    let frame = |frame: Value, required| Command { frame, within: "payload", required, other: &[], named_by: &[] };
    let commands = [
        frame(
            json!({"type": "create", "payload": {"name": "galaxy", "visibility": "private", "pass": "x"}}),
            &["name", "visibility", "pass"],
        ),
        frame(json!({"type": "query", "payload": {"query": "rooms"}}), &["query"]),
        frame(json!({"type": "join", "payload": {"name": "alok", "roomId": "EOF29", "pass": ""}}), &[]),
        frame(json!({"type": "chat", "payload": {"roomId": "EOF29", "msg": "Hello"}}), &[]),
        frame(json!({"type": "leave", "payload": {"roomId": "ABC23"}}), &[]),
    ];
    let mut client = Client::open(&format!("ws://{}/ws/rooms", server.address())).await;
    for (frame, field, must_fail) in wrong_frames(&commands) {
        let answer = ask(&mut client, &frame).await;
        let told = answer["message"].as_str().filter(|_| answer["code"] == 1);
        check(&frame, &format!("payload.{field}"), must_fail, told);
    }
    for kind in ["create", "query", "join", "chat", "leave"] {
        for list in [json!([]), json!([1])] {
            let answer = ask(&mut client, &json!({"type": kind, "payload": list})).await;
            assert_eq!(answer["message"], "payload: should be an object, not a list", "{kind} {list}");
        }
    }
    for whole in [json!({"type": "chat"}), json!({"type": "chat", "payload": 7}), json!({"type": 7}), json!({})] {
        let answer = ask(&mut client, &whole).await;
        check(&whole, "", true, answer["message"].as_str());
    }
}

async fn go_client(server: &Server, account: &Account) -> Client {
    let bearer = format!("Bearer {}", account.token);
    let url = format!("ws://{}/ws/go", server.address());
    let mut client = Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap();
    client.expect_type("connected").await;
    client
}

#[tokio::test]
async fn errors_of_go_name_the_clients_fields() {
    let server = server().await;
    let ann = server.sign_up("ann").await;
    let mut client = go_client(&server, &ann).await;
    let ids = &["receiver_id", "group_id", "before", "limit"];
    let frame = |frame: Value, required| Command { frame, within: "", required, other: ids, named_by: &["type"] };
    let commands = [
        frame(json!({"receiver_id": 900, "message": "hi"}), &["message", "receiver_id"]),
        frame(json!({"type": "message", "group_id": 900, "message": "hi"}), &["message", "group_id"]),
        frame(json!({"type": "join_group", "group_id": 900}), &["group_id"]),
        frame(json!({"type": "history", "receiver_id": 900, "before": 7, "limit": 5}), &["receiver_id"]),
    ];
    for (frame, field, must_fail) in wrong_frames(&commands) {
        let answer = ask(&mut client, &frame).await;
        // Without the right receiver the error is about that.
        let told = answer["message"].as_str().filter(|_| answer["type"] == "error");
        check(&frame, &field, must_fail, told);
    }
    // The text is named as the client calls it.
    let bob = server.sign_up("bob").await;
    let (_, bob) = server.get("/api/me", Some(&bob.token)).await;
    let bob = bob["number"].as_i64().unwrap();
    for field in ["message", "content"] {
        let of = |text: Value| json!({"receiver_id": bob, field: text});
        for (text, wanted) in [
            (json!("x".repeat(5000)), format!("{field} is too large")),
            (json!("\u{0}"), format!("{field}: ")),
            (json!(""), format!("{field}: is missing")),
            (json!(["hi"]), format!("{field}: should be a text, not a list")),
        ] {
            let answer = ask(&mut client, &of(text.clone())).await;
            let told = answer["message"].as_str().unwrap_or_default();
            assert!(answer["type"] == "error" && told.starts_with(&wanted), "{field} {text}: {answer}");
        }
    }
}

#[tokio::test]
async fn errors_of_direct_name_the_clients_fields() {
    let server = server().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = Client::open(&format!("ws://{}/ws/direct", server.address())).await;
    ask(&mut client, &json!({"event": "authenticate", "token": ann.token})).await;
    let other = &["images", "limit", "before"];
    let frame = |frame: Value, required| Command { frame, within: "", required, other, named_by: &["event"] };
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let message = json!({"event": "message", "receiverId": bob.id, "message": "hi", "images": []});
    let commands = [
        frame(message, &["receiverId", "message"]),
        frame(json!({"event": "fetchChats", "receiverId": bob.id, "before": id, "limit": 5}), &["receiverId"]),
        frame(json!({"event": "unReadMessages", "receiverId": bob.id}), &["receiverId"]),
    ];
    for (frame, field, must_fail) in wrong_frames(&commands) {
        let answer = ask(&mut client, &frame).await;
        let told = answer["message"].as_str().filter(|_| answer["event"] == "error");
        // An empty object is how some languages write an empty list.
        check(&frame, &field, must_fail, told);
        // The same with the fields in `data`.
        let mut data = frame.clone();
        let event = data.as_object_mut().unwrap().remove("event");
        let nested = json!({"event": event, "data": data});
        let answer = ask(&mut client, &nested).await;
        let told = answer["message"].as_str().filter(|_| answer["event"] == "error");
        // An object without fields does not show that they belong there.
        let place = if nested["data"] == json!({}) { field.clone() } else { format!("data.{field}") };
        check(&nested, &place, must_fail, told);
        // Errors of the core name it there, too.
        let named = told.is_some_and(|told| told.starts_with(&field)) && nested["data"] != json!({});
        assert!(!named, "{told:?} should name {place}: {nested}");
    }
    for (frame, wanted) in [
        (json!({"event": "message", "receiverId": bob.id, "data": [1]}), "data: should be an object, not a list"),
        (json!({"event": "fetchChats", "data": "x"}), "data: should be an object, not a text"),
        (json!({"event": "message", "receiverId": bob.id, "data": {"message": "\u{0}"}}), "data.message: "),
        (
            json!({"event": "message", "data": {"receiverId": bob.id, "message": "x".repeat(5000)}}),
            "data.message is too large",
        ),
        (
            json!({"event": "message", "data": {"receiverId": bob.id, "images": ["/media/x", "ftp://x"]}}),
            "data.images[0]: ",
        ),
        (json!({"event": "message", "data": {"receiverId": id, "message": "hi"}}), "data.receiverId: "),
        (json!({"event": "message", "data": {"receiverId": "b", "message": "hi"}}), "data.receiverId: "),
    ] {
        let answer = ask(&mut client, &frame).await;
        let told = answer["message"].as_str().unwrap_or_else(|| panic!("{frame}: {answer}"));
        assert!(told.starts_with(wanted), "{told:?} should start with {wanted:?}: {frame}");
    }
    // There is no room with an unknown account, whatever a client takes for an id.
    for unknown in ["b", "not-a-uuid", "12", id, " ", "\u{0}"] {
        let answer = ask(&mut client, &json!({"event": "fetchChats", "receiverId": unknown})).await;
        assert_eq!(answer, json!({"event": "noRoomFound"}), "{unknown:?}");
        let answer = ask(&mut client, &json!({"event": "unReadMessages", "data": {"receiverId": unknown}})).await;
        assert_eq!(answer, json!({"event": "noUnreadMessages", "data": []}), "{unknown:?}");
    }
}

#[tokio::test]
async fn errors_of_echo_sessions_name_the_clients_fields() {
    let server = server().await;
    let ann = server.sign_up("ann").await;
    let mut client = SocketIo::connect(server.address(), &json!({"token": ann.token})).await.unwrap();
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let event = |name: &str, data: Value, required| Command {
        frame: json!({"name": name, "data": data}),
        within: "data",
        required,
        other: &[],
        named_by: &[],
    };
    let commands = [
        event("message", json!({"sessionId": id, "content": "hi"}), &["sessionId", "content"] as &[_]),
        event("join-session", json!({"sessionId": id}), &["sessionId"]),
        event("connection", json!({"token": ann.token}), &["token"]),
    ];
    for (frame, field, must_fail) in wrong_frames(&commands) {
        let name = frame["name"].as_str().unwrap();
        let answer = client.call(name, &frame["data"]).await;
        let told = answer["message"].as_str().filter(|_| answer["code"].is_number());
        check(&frame, &field, must_fail && answer["code"] != 401, told);
    }
    for auth in [json!(["token"]), json!({"token": {}}), json!({"token": 5})] {
        let error = SocketIo::connect(server.address(), &auth).await.err();
        check(&auth, "auth", true, error.as_deref());
    }
}

#[tokio::test]
async fn errors_of_rest_name_the_clients_fields() {
    let server = server().await;
    let ann = server.sign_up("ann").await;
    let token = Some(ann.token.as_str());
    let body =
        |frame: Value, required| Command { frame, within: "body", required, other: &["member_limit"], named_by: &[] };
    let post = |path: &str, body: Value| json!({"path": path, "body": body});
    let commands = [
        body(post("/api/auth/signup", json!({"username": "", "password": "x", "email": "a@b.c"})), &["username"]),
        body(post("/api/auth/refresh", json!({"refreshToken": "x"})), &[]),
        body(post("/api/groups", json!({"name": "pond"})), &["name"]),
        body(
            post(
                "/api/rooms",
                json!({"name": "moor", "visibility": "private", "password": "x", "topic": "t", "member_limit": 5}),
            ),
            &["name"],
        ),
        body(post("/api/sessions", json!({"name": "mine"})), &[]),
    ];
    // These field names are REST's own.
    for (frame, field, must_fail) in wrong_frames(&commands) {
        let (status, answer) = server.post(frame["path"].as_str().unwrap(), token, &frame["body"]).await;
        let told = answer["error"]["message"].as_str().filter(|_| status >= 400 && status != 429);
        let told = told.map(|told| told.replace("username:", "").replace("password:", ""));
        check(&frame, &field, must_fail && told.as_deref().is_some_and(|told| told.contains(&field)), told.as_deref());
        assert!(!must_fail || status >= 400 || frame["path"] == "/api/sessions", "{frame}: {answer}");
    }
    for (path, field) in [
        ("/api/messages?receiver_id=x", "receiver_id"),
        ("/api/messages?receiver_id=1&limit=-1", "limit"),
        ("/api/rooms/lobby/messages?limit=x", "limit"),
        ("/api/sessions?before=x", "before"),
        ("/api/users", "name"),
        ("/api/messages?receiver_id=1&receiver_id=2", "receiver_id"),
    ] {
        let (status, answer) = server.get(path, token).await;
        assert_eq!(status, 400, "{path}: {answer}");
        check(&json!(path), field, true, answer["error"]["message"].as_str());
    }
    // One of two spellings may be empty.
    for (body, wanted) in [
        (json!({"refreshToken": "x", "refresh_token": ""}), "refresh"),
        (json!({"refreshToken": null, "refresh_token": "x"}), "refresh"),
        (json!({"refreshToken": "x", "refresh_token": "x"}), "refresh"),
        (json!({"refreshToken": "x", "refresh_token": "y"}), "refreshToken: is given twice"),
        (json!({"refreshToken": "", "refresh_token": ""}), "refreshToken: is missing"),
        (json!({}), "refreshToken: is missing"),
    ] {
        let (_, answer) = server.post("/refresh", None, &body).await;
        let told = answer["error"]["message"].as_str().unwrap();
        let status = if wanted == "refresh" { "unauthenticated" } else { "bad_request" };
        assert_eq!(answer["error"]["code"], status, "{body}: {answer}");
        assert!(wanted == "refresh" || told == wanted, "{body}: {told}");
    }
    let (status, answer) = server.post("/api/groups/x/join", token, &json!({})).await;
    assert_eq!(status, 400, "{answer}");
    check(&json!("join"), "id", true, answer["error"]["message"].as_str());
}

#[tokio::test]
async fn missing_room_maker_is_reported_in_each_dialects_terms() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let (status, answer) = server.post("/api/groups", Some(&ann.token), &json!({"name": "pond"})).await;
    assert_eq!((status, &answer["error"]["message"]), (503, &json!("groups cannot be made on this server")));
    let mut groups = Client::open(&format!("ws://{}/ws/groups", server.address())).await;
    let answer = ask(&mut groups, &json!({"type": "make_group", "group_name": "pond", "name": "bob"})).await;
    assert_eq!(answer, json!({"type": "err", "err": "groups cannot be made on this server"}));
    let mut rooms = Client::open(&format!("ws://{}/ws/rooms", server.address())).await;
    let create = json!({"type": "create", "payload": {"name": "galaxy", "visibility": "public"}});
    assert_eq!(ask(&mut rooms, &create).await["message"], "rooms cannot be made on this server");
}
