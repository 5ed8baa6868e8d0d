//! The audit log records each action of administrators with its target, time and outcome.

use serde_json::{Value, json};

use crate::harness::{Account, Plugin, Server, Setup};

async fn lines(server: &Server, root: &Account, query: &str) -> Vec<Value> {
    let (status, mut answer) = server.get(&format!("/api/admin/audit{query}"), Some(&root.token)).await;
    assert_eq!(status, 200, "{answer}");
    serde_json::from_value(answer["lines"].take()).unwrap()
}

/// Action, target and outcome of each line, latest first.
fn summary(lines: &[Value]) -> Vec<(&str, &str, &str)> {
    lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            (text("action"), text("on"), text("outcome"))
        })
        .collect()
}

#[tokio::test]
async fn plugin_changes_and_refusals_are_audited() {
    let server = Server::start().await;
    let root = server.administrator("root").await;
    let token = Some(root.token.as_str());
    let path = |rest: &str| format!("/api/admin/plugins/word-filter{rest}");
    server.put(&path(""), token, b"no plugin".to_vec()).await;
    server.put(&path(""), token, std::fs::read(Plugin::NoAds.path()).unwrap()).await;
    server.post(&path("/rollback"), token, &json!({})).await;
    server.send("PUT", &path("/settings"), token, &json!({"words": ["s3cret"], "action": "mask"})).await;
    server.post(&path("/disable"), token, &json!({})).await;
    server.post(&path("/enable"), token, &json!({})).await;
    server.delete(&path(""), token).await;
    server.post("/api/admin/plugins/reload", token, &json!({})).await;
    // Reading is not recorded.
    server.get("/api/admin/plugins", token).await;

    let log = lines(&server, &root, "").await;
    let on = "word-filter";
    assert_eq!(
        summary(&log),
        [
            ("plugin.reload", "", "done"),
            ("plugin.remove", on, "done"),
            ("plugin.enable", on, "done"),
            ("plugin.disable", on, "done"),
            ("plugin.settings", on, "done"),
            ("plugin.rollback", on, "done"),
            ("plugin.upload", on, "done"),
            ("plugin.upload", on, "refused"),
            ("account.admin", &*format!("root ({})", root.id), "done"),
        ]
    );
    assert_eq!(log[0]["by"], json!({"account": root.id, "name": "root"}));
    assert!(log[0]["at"].is_string());
    assert_eq!(log[4]["detail"], "changed: words");
    assert!(!format!("{log:?}").contains("s3cret"), "settings may hold secrets");
    assert!(log[7]["detail"].as_str().unwrap().contains("no WebAssembly file"), "{}", log[7]);
}

#[tokio::test]
async fn account_room_and_connection_actions_are_audited_by_name() {
    let server = Server::start().await;
    let root = server.administrator("root").await;
    let token = Some(root.token.as_str());
    let ann = server.sign_up("ann").await;
    let mut client = server.log_in(&ann).await;
    client.call("room.create", json!({"name": "pond"})).await.unwrap();
    let find = async |what: &str| {
        let (_, answer) = server.get(&format!("/api/admin/{what}"), token).await;
        answer[what.split('?').next().unwrap()][0]["id"].as_str().unwrap().to_owned()
    };
    let (room, connection) = (find("rooms?query=pond").await, find("connections?query=ann").await);
    server.delete(&format!("/api/admin/rooms/{room}"), token).await;
    server.delete(&format!("/api/admin/connections/{connection}"), token).await;
    for action in ["logout", "disable", "enable"] {
        server.post(&format!("/api/admin/accounts/{}/{action}", ann.id), token, &json!({})).await;
    }
    server.post("/api/admin/accounts/018f0000-0000-7000-8000-000000000000/disable", token, &json!({})).await;

    let log = lines(&server, &root, "").await;
    let account = format!("ann ({})", ann.id);
    assert_eq!(
        summary(&log)[..6],
        [
            ("account.disable", "018f0000-0000-7000-8000-000000000000", "refused"),
            ("account.enable", &*account, "done"),
            ("account.disable", &*account, "done"),
            ("account.logout", &*account, "done"),
            ("connection.close", &*format!("ann 127.0.0.1 ({connection})"), "done"),
            ("room.delete", &*format!("pond ({room})"), "done"),
        ]
    );
    assert_eq!(summary(&lines(&server, &root, "?query=POND").await).len(), 1);
    let cursor = log[1]["id"].as_i64().unwrap();
    assert_eq!(lines(&server, &root, &format!("?cursor={cursor}")).await, log[2..]);
}

#[tokio::test]
async fn command_line_actions_are_audited() {
    let server = Setup::bare().start().await;
    let root = server.administrator("root").await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    for (args, succeeds) in [
        (&["disable", "ann"][..], true),
        (&["enable", "ann"], true),
        (&["token", "ann"], true),
        (&["delete", "nobody"], false),
        (&["delete", "bob"], true),
        (&["list"], true),
    ] {
        let output = server.setup().command(&[&["user"], args].concat()).output().await.unwrap();
        assert_eq!(output.status.success(), succeeds, "{args:?}: {output:?}");
    }
    let log = lines(&server, &root, "").await;
    let (ann, root) = (format!("ann ({})", ann.id), format!("root ({})", root.id));
    assert_eq!(
        summary(&log)[1..],
        [
            ("account.delete", "nobody", "refused"),
            ("account.token", &*ann, "done"),
            ("account.enable", &ann, "done"),
            ("account.disable", &ann, "done"),
            ("account.admin", &root, "done"),
        ]
    );
    // The name of a deleted account is removed asynchronously.
    let (action, on, outcome) = summary(&log)[0];
    assert!((action, outcome) == ("account.delete", "done") && on.contains(&bob.id), "{}", log[0]);
    assert!(log[0]["by"]["account"].is_null() && log[0]["by"]["name"].is_string(), "{}", log[0]);
    assert!(log[1]["detail"].as_str().unwrap().contains("there is no account nobody"), "{}", log[1]);
}

#[tokio::test]
async fn old_audit_lines_are_deleted() {
    let mut server = Setup::bare()
        .replace("audit_max_age = \"365d\"", "audit_max_age = \"1ms\"")
        .replace("interval = \"10m\"", "interval = \"100ms\"")
        .start()
        .await;
    let root = server.administrator("root").await;
    server.expect_output("removed old audit log lines").await;
    assert_eq!(lines(&server, &root, "?query=account.admin").await, Vec::<Value>::new());
}
