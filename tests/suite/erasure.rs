//! Deleted accounts: their names are removed everywhere, and with `erase` also their messages and files.

use serde_json::json;

use crate::harness::{Account, Server, Setup, database};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

async fn start() -> Server {
    Setup::new().replace("recheck_interval = \"5s\"", "recheck_interval = \"200ms\"").start().await
}

async fn delete(server: &Server, account: &Account, erase: bool) {
    let body = json!({"password": account.password, "erase": erase});
    let (status, answer) = server.send("DELETE", "/api/me", Some(&account.token), &body).await;
    assert_eq!(status, 200, "{answer}");
}

/// The contents of every text column that may contain a name.
async fn all_texts(server: &Server) -> String {
    let mut texts = Vec::new();
    for sql in [
        "SELECT COALESCE(data, '') || COALESCE(author_name, '') || COALESCE(attachments, '') FROM entries",
        "SELECT name || target || detail FROM audit",
        "SELECT username || username_key || COALESCE(email, '') || COALESCE(handle, '') FROM users",
        "SELECT name FROM media",
        "SELECT name FROM rooms",
        "SELECT key FROM user_names",
        "SELECT COALESCE(name, '') || COALESCE(email, '') || COALESCE(handle, '') FROM account_erasures",
    ] {
        texts.extend(database::texts(&server.setup().database_url(), sql).await);
    }
    texts.join("\n")
}

#[tokio::test]
async fn deleted_account_is_named_nowhere() {
    let mut server = start().await;
    let (root, bob) = (server.administrator("root").await, server.sign_up("bob").await);
    let zoe = server.sign_up("zoe").await;
    let mut of_bob = server.log_in(&bob).await;
    let mut of_zoe = server.log_in(&zoe).await;
    of_bob.call("room.create", json!({"name": "pond"})).await.unwrap();
    of_bob.join("pond").await;
    of_bob.call("member.invite", json!({"room": "pond", "account": "zoe"})).await.unwrap();
    of_zoe.join("pond").await;
    of_bob.call("member.role", json!({"room": "pond", "account": "zoe", "role": "moderator"})).await.unwrap();
    let (_, file) = server.upload("/api/media?name=zoe.png", Some(&zoe.token), PNG.to_vec()).await;
    let post = json!({"room": "pond", "body": "look", "attachments": [file["id"]]});
    of_zoe.call("message.post", post).await.unwrap();
    server.post("/api/sessions", Some(&zoe.token), &json!({"name": "zoe's plans"})).await;
    let path = format!("/api/admin/accounts/{}/logout", zoe.id);
    assert_eq!(server.post(&path, Some(&root.token), &json!({})).await.0, 200);
    let output = server.setup().command(&["user", "admin", "ZOE"]).output().await.unwrap();
    assert!(output.status.success());
    assert!(all_texts(&server).await.to_lowercase().contains("zoe"));
    // Before it was renamed, an administrator acted on it, and so did the command line, which knew no id.
    for sql in [
        "INSERT INTO audit (at, name, action, target) SELECT 1, 'root', 'account.logout', 'Zorro (' || uid || ')' FROM users \
         WHERE username = 'zoe'",
        "INSERT INTO audit (at, name, action, target) VALUES (1, 'shell', 'account.admin', 'zorro')",
    ] {
        database::execute(&server.setup().database_url(), sql).await;
    }

    let output = server.setup().command(&["user", "delete", "zoe"]).output().await.unwrap();
    assert!(output.status.success());
    server.expect_output("erased data of deleted account").await;
    let left = all_texts(&server).await.to_lowercase();
    assert!(!left.contains("zoe") && !left.contains("zorro"), "{left}");
    // Its messages stay, under its id, and its file stays, without its name.
    let (_, page) = server.get("/api/rooms/pond/messages", Some(&bob.token)).await;
    let message = &page["messages"][0];
    assert_eq!((&message["body"], &message["from"]["id"]), (&json!("look"), &json!(zoe.id)), "{page}");
    assert_eq!(message["attachments"][0]["name"], "file");
    assert_eq!(server.fetch(file["url"].as_str().unwrap()).await.status(), 200);
    let (_, audit) = server.get("/api/admin/audit", Some(&root.token)).await;
    assert!(audit.to_string().contains(&zoe.id), "{audit}");
    let mut late = server.join_as("cyd").await;
    late.call("room.join", json!({"room": "pond", "since": 0})).await.unwrap();
    let added = loop {
        let event = late.expect_event("member.added").await;
        if event["data"]["account"]["id"] == json!(zoe.id) {
            break event;
        }
    };
    assert_eq!(added["data"]["account"]["name"], "deleted account");
}

#[tokio::test]
async fn erasing_deletes_messages_and_files_of_that_account_only() {
    let mut server = start().await;
    let (zoe, bob) = (server.sign_up("zoe").await, server.sign_up("bob").await);
    let (mut of_zoe, mut of_bob) = (server.log_in(&zoe).await, server.log_in(&bob).await);
    of_zoe.join("lobby").await;
    of_bob.join("lobby").await;
    let upload =
        async |name: &str| server.upload(&format!("/api/media?name={name}"), Some(&zoe.token), PNG.to_vec()).await.1;
    let (carried, unused) = (upload("a.png").await, upload("b.png").await);
    let post = json!({"room": "lobby", "body": "look", "attachments": [carried["id"]]});
    of_zoe.call("message.post", post).await.unwrap();
    of_bob.post("lobby", "hello").await.unwrap();
    for n in 0..120 {
        of_zoe.post("lobby", &format!("mine {n}")).await.unwrap();
    }
    delete(&server, &zoe, true).await;
    server.expect_output("erased data of deleted account").await;
    assert_eq!(
        of_bob.history("lobby").await.into_iter().filter(|body| !body.is_empty()).collect::<Vec<_>>(),
        ["hello"]
    );
    for file in [&carried, &unused] {
        assert_eq!(server.fetch(file["url"].as_str().unwrap()).await.status(), 404);
    }
    // Connected members receive the deletions.
    of_bob.expect_event("message.deleted").await;
    let bodies = database::texts(&server.setup().database_url(), "SELECT COALESCE(body, '') FROM entries").await;
    assert!(!bodies.iter().any(|body| body.contains("mine")), "{bodies:?}");
}

#[tokio::test]
async fn uploaded_picture_is_served_without_its_metadata() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut picture = b"\xff\xd8\xff\xe1\x00\x14Exif\0\0MM\0*GPS 52N \xff\xda\x00\x02scan".to_vec();
    picture.extend_from_slice(b"\xff\xd9ftyp GPS");
    let (status, file) = server.upload("/api/media?name=a.jpg", Some(&ann.token), picture).await;
    assert_eq!((status, &file["type"]), (201, &json!("image/jpeg")), "{file}");
    let served = server.fetch(file["url"].as_str().unwrap()).await.bytes().await.unwrap();
    assert_eq!(served, &b"\xff\xd8\xff\xda\x00\x02scan\xff\xd9"[..]);
    assert_eq!(file["size"], served.len());
}

#[tokio::test]
async fn plugins_posts_for_a_deleted_account_lose_its_name_and_its_timers_are_deleted() {
    let mut server = start().await;
    let (bob, zoe) = (server.sign_up("bob").await, server.sign_up("zoe").await);
    let (mut of_bob, mut of_zoe) = (server.log_in(&bob).await, server.log_in(&zoe).await);
    for client in [&mut of_bob, &mut of_zoe] {
        client.join("lobby").await;
        client.post("lobby", "/me waves").await.unwrap();
        client.post("lobby", "/roll 2d6").await.unwrap();
        client.call("reminder.set", json!({"room": "lobby", "in_s": 3600, "text": "tea"})).await.unwrap();
    }
    delete(&server, &zoe, false).await;
    server.expect_output("erased data of deleted account").await;
    let url = server.setup().database_url();
    for sql in
        ["SELECT COALESCE(body, '') || COALESCE(caller_name, '') FROM entries", "SELECT name || payload FROM timers"]
    {
        let left = database::texts(&url, sql).await.join("\n");
        assert!(!left.contains("zoe") && !left.contains(&zoe.id), "{left}");
    }
    let bodies = of_bob.history("lobby").await;
    assert!(bodies.contains(&"* bob waves".into()) && bodies.contains(&"* deleted account waves".into()), "{bodies:?}");
    let found = of_bob.call("search", json!({"query": "deleted waves"})).await.unwrap();
    assert_eq!(found["messages"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(of_bob.call("search", json!({"query": "zoe"})).await.unwrap()["messages"], json!([]));
    assert_eq!(database::texts(&url, "SELECT name FROM timers").await.len(), 1);
}

#[tokio::test]
async fn plugins_posts_for_an_erased_account_are_deleted_with_its_messages() {
    let mut server = start().await;
    let (bob, zoe) = (server.sign_up("bob").await, server.sign_up("zoe").await);
    let (mut of_bob, mut of_zoe) = (server.log_in(&bob).await, server.log_in(&zoe).await);
    for client in [&mut of_bob, &mut of_zoe] {
        client.join("lobby").await;
        client.post("lobby", "/me waves").await.unwrap();
        client.post("lobby", "mine").await.unwrap();
    }
    delete(&server, &zoe, true).await;
    server.expect_output("erased data of deleted account").await;
    let bodies: Vec<String> = of_bob.history("lobby").await.into_iter().filter(|body| !body.is_empty()).collect();
    assert_eq!(bodies, ["* bob waves", "mine"]);
    let names = database::texts(&server.setup().database_url(), "SELECT COALESCE(caller_name, '') FROM entries").await;
    assert!(!names.iter().any(|name| name.contains("zoe")), "{names:?}");
}
