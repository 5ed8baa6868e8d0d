//! The dialect `go`: a token opens the connection, accounts and groups are integers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Account, Client, Server, Setup};

/// An authenticated connection, and the server's first frame.
async fn connect(server: &Server, account: &Account, query: &str) -> (Client, Value) {
    let bearer = format!("Bearer {}", account.token);
    let url = format!("ws://{}/ws{query}", server.address());
    let mut client = Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap();
    let connected = client.next_frame().await;
    (client, connected)
}

async fn number(server: &Server, account: &Account) -> i64 {
    server.get("/api/me", Some(&account.token)).await.1["number"].as_i64().unwrap()
}

async fn group(server: &Server, account: &Account, name: &str) -> i64 {
    let (status, made) = server.post("/api/groups", Some(&account.token), &json!({"name": name})).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_i64().unwrap()
}

#[tokio::test]
async fn private_message_reaches_both_accounts_only() {
    let server = Server::start().await;
    let (ann, bob, cyd) = (server.sign_up("ann").await, server.sign_up("bob").await, server.sign_up("cyd").await);
    let (mut of_ann, connected) = connect(&server, &ann, "").await;
    let (a, b) = (number(&server, &ann).await, number(&server, &bob).await);
    assert_eq!((&connected["type"], &connected["user_id"]), (&json!("connected"), &json!(a)));
    assert!(connected["connection_id"].is_string());
    let (mut of_bob, _) = connect(&server, &bob, "").await;
    let (mut of_cyd, _) = connect(&server, &cyd, "").await;

    of_ann.send_text(json!({"receiver_id": b, "message": "psst"}).to_string()).await;
    let heard = of_bob.expect_type("message").await;
    assert_eq!(
        (&heard["sender_id"], &heard["receiver_id"], &heard["group_id"], &heard["message"]),
        (&json!(a), &json!(b), &Value::Null, &json!("psst"))
    );
    assert!(heard["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(of_ann.expect_type("message").await, heard, "the sender too");
    // The next frame of another client is the answer to its own request: it did not receive the message.
    of_cyd.send_text(json!({"type": "history", "receiver_id": a}).to_string()).await;
    assert_eq!(of_cyd.next_frame().await, json!({"type": "history", "receiver_id": a, "messages": []}));
}

#[tokio::test]
async fn group_messages_reach_members_of_other_dialects() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let pond = group(&server, &ann, "pond").await;
    let (mut of_ann, _) = connect(&server, &ann, "").await;
    let (mut of_bob, _) = connect(&server, &bob, "").await;
    of_bob.send_text(json!({"group_id": pond, "message": "not yet"}).to_string()).await;
    assert_eq!(of_bob.expect_type("error").await["code"], "forbidden");
    of_bob.send_text(json!({"type": "join_group", "group_id": pond}).to_string()).await;
    assert_eq!(of_bob.expect_type("join_group").await["name"], "pond");

    of_bob.send_text(json!({"group_id": pond, "message": "ribbit"}).to_string()).await;
    let heard = of_ann.expect_type("message").await;
    assert_eq!(
        (&heard["group_id"], &heard["receiver_id"], &heard["message"]),
        (&json!(pond), &Value::Null, &json!("ribbit"))
    );
    let mut native = server.join_as("cyd").await;
    native.join("pond").await;
    native.post("pond", "oh darn").await.unwrap();
    assert_eq!(of_bob.expect_type("message").await["message"], "ribbit");
    let filtered = of_bob.expect_type("message").await;
    assert_eq!((&filtered["message"], &filtered["group_id"]), (&json!("oh ****"), &json!(pond)));
}

#[tokio::test]
async fn history_is_available_by_frame_by_rest_and_on_connect() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (a, b) = (number(&server, &ann).await, number(&server, &bob).await);
    let (mut of_ann, _) = connect(&server, &ann, "").await;
    let mut ids = Vec::new();
    for n in 1..=3 {
        of_ann.send_text(json!({"receiver_id": b, "message": format!("number {n}")}).to_string()).await;
        ids.push(of_ann.expect_type("message").await["id"].as_i64().unwrap());
    }
    let texts = |messages: &Value| -> Vec<String> {
        messages.as_array().unwrap().iter().map(|m| m["message"].as_str().unwrap().to_owned()).collect()
    };
    of_ann.send_text(json!({"type": "history", "receiver_id": b, "before": ids[2], "limit": 1}).to_string()).await;
    assert_eq!(texts(&of_ann.expect_type("history").await["messages"]), ["number 2"]);

    let (status, page) = server.get(&format!("/api/messages?receiver_id={a}&limit=2"), Some(&bob.token)).await;
    assert_eq!((status, texts(&page)), (200, vec!["number 2".to_owned(), "number 3".to_owned()]));
    assert_eq!(page[1]["id"], ids[2]);

    let (mut of_bob, _) = connect(&server, &bob, "?history=50").await;
    let recent = of_bob.expect_type("history").await;
    assert_eq!((&recent["receiver_id"], texts(&recent["messages"]).len()), (&json!(a), 3));
    of_ann.send_text(json!({"receiver_id": b, "message": "number 4"}).to_string()).await;
    assert_eq!(of_bob.expect_type("message").await["message"], "number 4");
}

#[tokio::test]
async fn invalid_frames_get_one_error_and_keep_the_connection() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let (mut client, _) = connect(&server, &ann, "").await;
    for (frame, code) in [
        ("{", "bad_request"),
        ("[]", "bad_request"),
        (r#"{"message": "to whom?"}"#, "bad_request"),
        (r#"{"receiver_id": 1, "group_id": 1, "message": "to both?"}"#, "bad_request"),
        (r#"{"receiver_id": "one", "message": "hi"}"#, "bad_request"),
        (r#"{"receiver_id": 4711, "message": "hi"}"#, "not_found"),
        (r#"{"group_id": 4711, "message": "hi"}"#, "not_found"),
        (r#"{"type": "join_group", "group_id": 4711}"#, "not_found"),
        (r#"{"type": "dance"}"#, "bad_request"),
        (r#"{"type": "history", "group_id": 1, "limit": 201}"#, "invalid"),
    ] {
        client.send_text(frame).await;
        let answer = client.next_frame().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{frame}: {answer}");
    }
    let url = format!("ws://{}/ws/go", server.address());
    assert_eq!(Client::open_with(&url, &[]).await.err(), Some(401));
    assert_eq!(Client::open_with(&url, &[("authorization", "Bearer nonsense")]).await.err(), Some(401));
}

#[tokio::test]
async fn groups_are_created_listed_and_joined_over_rest() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let pond = group(&server, &ann, "pond").await;
    let (_, groups) = server.get("/api/groups", Some(&bob.token)).await;
    let listed = groups.as_array().unwrap().iter().find(|group| group["id"] == pond).unwrap();
    assert_eq!(listed["name"], "pond");
    assert!(listed["created_at"].is_string());
    let path = format!("/api/groups/{pond}/join");
    assert_eq!(server.post(&path, Some(&bob.token), &json!({})).await.0, 200);
    let (status, messages) = server.get(&format!("/api/messages?group_id={pond}"), Some(&bob.token)).await;
    assert_eq!((status, messages), (200, json!([])));
    assert_eq!(server.post("/api/groups/4711/join", Some(&bob.token), &json!({})).await.0, 404);
    let (status, taken) = server.post("/api/groups", Some(&bob.token), &json!({"name": "Pond"})).await;
    assert_eq!((status, &taken["error"]["code"]), (400, &json!("conflict")));
}

#[tokio::test]
async fn group_list_is_paged_by_link_header() {
    let server = Setup::new().variable("NATTERJACK__LIMITS__COMMAND_BURST", "100000").start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    for n in 0..120 {
        // Together they may make as many.
        group(&server, [&ann, &bob][n % 2], &format!("pond & {n:03}")).await;
    }
    let http = reqwest::Client::new();
    for (begin, wanted) in [("/api/groups", 121), ("/api/groups?query=pond%20%26", 120)] {
        let (mut next, mut seen, mut pages) = (Some(begin.to_owned()), BTreeSet::new(), 0);
        while let Some(address) = next {
            let page = http.get(server.url(&address)).bearer_auth(&ann.token).send().await.unwrap();
            let link = page.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            let groups: Vec<Value> = page.json().await.unwrap();
            assert!(!groups.is_empty() && groups.len() <= 100, "{}", groups.len());
            assert!(groups.iter().all(|group| seen.insert(group["id"].to_string())), "{groups:?}");
            next = link.map(|link| {
                let address = link.strip_suffix(r#">; rel="next""#).and_then(|link| link.strip_prefix('<'));
                address.unwrap_or_else(|| panic!("{link}")).to_owned()
            });
            pages += 1;
        }
        assert_eq!((seen.len(), pages), (wanted, 2), "{begin}");
    }
}

#[tokio::test]
async fn message_page_links_to_earlier_messages() {
    let server = Setup::new().start().await;
    let ann = server.sign_up("ann").await;
    let pond = group(&server, &ann, "pond").await;
    let mut native = server.log_in(&ann).await;
    for n in 0..5 {
        native.post("pond", &n.to_string()).await.unwrap();
    }
    let (mut next, mut said) = (Some(format!("/api/messages?group_id={pond}&limit=2")), Vec::new());
    while let Some(address) = next {
        let page = reqwest::Client::new().get(server.url(&address)).bearer_auth(&ann.token).send().await.unwrap();
        next = page.headers().get("link").map(|link| {
            let link = link.to_str().unwrap();
            link.strip_suffix(r#">; rel="prev""#).and_then(|link| link.strip_prefix('<')).unwrap().to_owned()
        });
        let messages: Vec<Value> = page.json().await.unwrap();
        said.splice(0..0, messages.iter().map(|message| message["message"].as_str().unwrap().to_owned()));
    }
    assert_eq!(said, ["0", "1", "2", "3", "4"]);
}
