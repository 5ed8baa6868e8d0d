//! Administration of rooms, connections, figures, the log and the configuration of a running server.

use serde_json::{Value, json};
use tokio::time::{Duration, interval, timeout};

use crate::harness::{PATIENCE, Server, Setup};

async fn list(server: &Server, token: &str, what: &str) -> Vec<Value> {
    let (status, mut answer) = server.get(&format!("/api/admin/{what}"), Some(token)).await;
    assert_eq!(status, 200, "{answer}");
    let name = what.split('?').next().unwrap();
    serde_json::from_value(answer[name].take()).unwrap()
}

#[tokio::test]
async fn rooms_are_listed_with_members_and_last_activity() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    let mut ann = server.join_as("ann").await;
    ann.call("room.create", json!({"name": "secret garden", "visibility": "private"})).await.unwrap();
    ann.join("lobby").await;
    let mut guest = server.guest("zoe").await;
    guest.join("lobby").await;
    ann.post("lobby", "hello").await.unwrap();

    let rooms = list(&server, &token, "rooms").await;
    assert_eq!(rooms.iter().map(|room| &room["name"]).collect::<Vec<_>>(), ["lobby", "secret garden"]);
    let lobby = &rooms[0];
    assert_eq!((&lobby["members"], &lobby["listeners"]), (&json!(1), &json!(2)), "{lobby}");
    assert!(
        lobby["activeAt"].as_str() > lobby["createdAt"].as_str() && lobby["entries"].as_u64() >= Some(2),
        "{lobby}"
    );
    assert_eq!(rooms[1]["visibility"], "private");

    let found = list(&server, &token, "rooms?query=GARD").await;
    assert_eq!((found.len(), &found[0]["name"]), (1, &json!("secret garden")));
    let after = list(&server, &token, &format!("rooms?cursor={}", lobby["number"])).await;
    assert_eq!((after.len(), &after[0]["name"]), (1, &json!("secret garden")));
}

#[tokio::test]
async fn direct_rooms_and_sessions_are_hidden_from_administrators() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    server.sign_up("bob").await;
    let mut ann = server.join_as("ann").await;
    let direct = ann.call("direct.open", json!({"account": "bob"})).await.unwrap();
    assert_eq!(list(&server, &token, "rooms").await.len(), 1, "the lobby");
    let id = direct["room"]["uid"].as_str().or_else(|| direct["uid"].as_str()).unwrap_or_else(|| panic!("{direct}"));
    let (status, answer) = server.delete(&format!("/api/admin/rooms/{id}"), Some(&token)).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn deleted_room_evicts_its_members() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    let mut ann = server.join_as("ann").await;
    ann.call("room.create", json!({"name": "pond"})).await.unwrap();
    ann.join("pond").await;
    let pond = list(&server, &token, "rooms?query=pond").await.remove(0);
    let path = format!("/api/admin/rooms/{}", pond["id"].as_str().unwrap());
    assert_eq!(server.delete(&path, Some(&token)).await.0, 200);
    assert_eq!(ann.expect_event("room.deleted").await["room"], pond["id"]);
    assert_eq!(ann.post("pond", "hello?").await.unwrap_err().code(), "not_found");
    assert_eq!(server.delete(&path, Some(&token)).await.0, 404);
    assert_eq!(list(&server, &token, "rooms").await.len(), 1);
}

#[tokio::test]
async fn connection_is_listed_and_closed() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let mut guest = server.guest("zoe").await;
    let _silent = server.connect().await;

    let all = list(&server, &token, "connections").await;
    assert_eq!(all.len(), 3, "{all:?}");
    let one = &all[0];
    assert_eq!((&one["name"], &one["dialect"], &one["rooms"]), (&json!("ann"), &json!("native"), &json!(1)), "{one}");
    assert_eq!((&one["address"], &one["queue"]), (&json!("127.0.0.1"), &json!({"frames": 0, "bytes": 0})));
    assert!(one["account"].is_string() && one["connectedAt"].is_string(), "{one}");
    assert_eq!((&all[1]["name"], &all[1]["account"]), (&json!("zoe"), &Value::Null));
    assert_eq!((&all[2]["name"], &all[2]["dialect"]), (&Value::Null, &Value::Null));
    assert_eq!(list(&server, &token, "connections?query=ZO").await, [all[1].clone()]);
    let after = list(&server, &token, &format!("connections?cursor={}", all[1]["id"].as_str().unwrap())).await;
    assert_eq!(after, [all[2].clone()]);

    let path = format!("/api/admin/connections/{}", all[1]["id"].as_str().unwrap());
    assert_eq!(server.delete(&path, Some(&token)).await.0, 200);
    assert_eq!(guest.expect_close().await, 4506);
    ann.post("lobby", "still here").await.unwrap();
    let nobody = "/api/admin/connections/018f0000-0000-7000-8000-000000000000";
    assert_eq!(server.delete(nobody, Some(&token)).await.0, 404);
}

#[tokio::test]
async fn figures_show_recent_activity() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let wanted = |sample: &Value| sample["messagesPerSecond"].as_f64() > Some(0.0);
    // Until a sample was taken that has the message in it.
    let sample = timeout(PATIENCE, async {
        ann.post("lobby", "hello").await.unwrap();
        let mut tick = interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            let (status, figures) = server.get("/api/admin/figures", Some(&token)).await;
            assert_eq!((status, &figures["connections"]), (200, &json!(1)), "{figures}");
            if let Some(sample) = figures["samples"].as_array().unwrap().iter().find(|sample| wanted(sample)) {
                return sample.clone();
            }
        }
    })
    .await
    .expect("a sample with the message");
    assert_eq!(sample["connections"], 1, "{sample}");
    assert!(sample["deliveryP99Ms"].as_f64() > Some(0.0), "{sample}");
    assert!(sample["plugins"]["word-filter"]["p99Ms"].as_f64() > Some(0.0), "{sample}");
}

#[tokio::test]
async fn server_log_is_readable_over_rest() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    let (status, answer) = server.get("/api/admin/log", Some(&token)).await;
    let lines = answer["lines"].as_array().unwrap();
    assert_eq!(status, 200);
    assert!(lines.iter().any(|line| line["text"].as_str().unwrap().contains("accepting connections")), "{answer}");
    assert!(lines.iter().any(|line| line["plugin"] == "word-filter"), "{answer}");
    let last = &lines[lines.len() - 1]["seq"];
    let (_, one) = server.get("/api/admin/log?lines=1", Some(&token)).await;
    assert_eq!(one["lines"].as_array().unwrap().len(), 1);
    assert_eq!(server.post("/api/admin/plugins/reload", Some(&token), &json!({})).await.0, 200);
    let (_, newer) = server.get(&format!("/api/admin/log?after={last}"), Some(&token)).await;
    assert!(newer["lines"][0]["text"].as_str().unwrap().contains("administrator"), "{newer}");
}

#[tokio::test]
async fn configuration_in_force_is_shown_without_secrets() {
    let secret = "q8Zr0vYw3uTn6sKj1pLm5xCb9dFg2hAe";
    let server = Setup::new().variable("JWT_SECRET", secret).start().await;
    let token = server.administrator("root").await.token;
    assert_eq!(server.post("/api/admin/plugins/word-filter/disable", Some(&token), &json!({})).await.0, 200);
    let (status, answer) = server.get("/api/admin/config", Some(&token)).await;
    let toml = answer["toml"].as_str().unwrap();
    assert_eq!(status, 200);
    assert!(toml.contains("jwt_secret = \"<hidden>\"") && !toml.contains(secret), "{toml}");
    let filter = toml.split("[plugin.word-filter]").nth(1).unwrap();
    assert!(filter.starts_with("\nenabled = false"), "as it is now: {filter}");
}

#[tokio::test]
async fn admin_flag_is_granted_and_revoked() {
    let server = Setup::bare().start().await;
    let root = server.administrator("root").await;
    let ann = server.sign_up("ann").await;
    let path = |id: &str| format!("/api/admin/accounts/{id}/admin");
    let set = async |token: &str, id: &str, flag: bool| {
        server.send("PUT", &path(id), Some(token), &json!({"admin": flag})).await
    };
    assert_eq!(set(&ann.token, &ann.id, true).await.0, 403);
    let (status, account) = set(&root.token, &ann.id, true).await;
    assert_eq!((status, &account["admin"]), (200, &json!(true)));
    assert_eq!(server.get("/api/admin/accounts", Some(&ann.token)).await.0, 200);
    let (status, answer) = set(&root.token, &root.id, false).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("conflict")), "nobody locks themselves out");
    assert_eq!(set(&ann.token, &root.id, false).await.0, 200);
    assert_eq!(server.get("/api/admin/accounts", Some(&root.token)).await.0, 403);
}

#[tokio::test]
async fn server_routes_refuse_non_administrators() {
    let server = Setup::bare().start().await;
    let bob = server.sign_up("bob").await;
    for what in ["rooms", "connections", "figures", "log", "config", "audit"] {
        let path = format!("/api/admin/{what}");
        assert_eq!(server.get(&path, None).await.0, 401, "{what}");
        assert_eq!(server.get(&path, Some(&bob.token)).await.0, 403, "{what}");
    }
    for what in ["rooms", "connections"] {
        let path = format!("/api/admin/{what}/018f0000-0000-7000-8000-000000000000");
        assert_eq!(server.delete(&path, None).await.0, 401, "{what}");
        assert_eq!(server.delete(&path, Some(&bob.token)).await.0, 403, "{what}");
    }
}
