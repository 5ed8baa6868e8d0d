//! `natterjack user`, with and without a running server.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::harness::{Server, Setup, database};

/// Runs it with this standard input; returns whether it succeeded, and its output.
async fn user(setup: &Setup, args: &[&str], input: &str) -> (bool, String) {
    let mut command = setup.command(&[&["user"], args].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let output = child.wait_with_output().await.unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

async fn status_of_log_in(server: &Server, name: &str, password: &str) -> u16 {
    let body = json!({"username": name, "password": password});
    server.post("/api/auth/login", None, &body).await.0
}

#[tokio::test]
async fn account_is_added_without_a_running_server() {
    let mut server = Setup::bare().start().await;
    server.stop().await;
    let (done, said) = user(server.setup(), &["add", "ann", "--admin", "--password-stdin"], "a long password\n").await;
    assert!(done, "{said}");
    server.start_again().await;
    assert_eq!(status_of_log_in(&server, "ann", "a long password").await, 200);
    let (_, token) = user(server.setup(), &["token", "ann"], "").await;
    assert_eq!(server.get("/api/admin/plugins", Some(token.trim())).await.0, 200);
}

#[tokio::test]
async fn missing_database_is_reported() {
    let setup = Setup::bare().on_database("sqlite:data/chat.db");
    let (done, said) = user(&setup, &["list"], "").await;
    assert!(!done && said.contains("no database data/chat.db") && said.contains("--config"), "{said}");
    assert!(!setup.path().join("data").exists(), "nothing was made");
    let (done, said) = user(&setup, &["add", "ann", "--password-stdin"], "a long password\n").await;
    assert!(done && said.contains("it is created now") && said.contains("ann was added"), "{said}");
}

#[tokio::test]
async fn invalid_account_is_refused_with_the_reason() {
    let server = Setup::bare().start().await;
    server.sign_up("ann").await;
    for (args, input, told) in [
        (&["add", "Ann", "--password-stdin"][..], "a long password\n", "taken"),
        (&["add", "bob", "--password-stdin"], "\n", "empty"),
        (&["add", "bob", "--hash", "plain text"], "", "$argon2id$"),
        (&["add", "deleted account", "--password-stdin"], "a long password\n", "username"),
        (&["add", "bob"], "", "--password-stdin"),
        (&["token", "cyd"], "", "user list"),
    ] {
        let (done, said) = user(server.setup(), args, input).await;
        assert!(!done && said.contains(told), "{args:?}: {said}");
    }
    let (_, list) = user(server.setup(), &["list"], "").await;
    assert!(list.contains("ann@example.org") && !list.contains("bob"), "{list}");
}

#[tokio::test]
async fn disabled_account_is_logged_out_until_enabled() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let mut client = server.log_in(&ann).await;
    assert!(user(server.setup(), &["disable", "ann"], "").await.0);
    assert_eq!(status_of_log_in(&server, "ann", &ann.password).await, 403);
    // The server has cached the token's state, and checks it again within seconds.
    assert_eq!(client.expect_close().await, 4504);
    assert_eq!(server.get("/api/me", Some(&ann.token)).await.0, 401);
    assert!(!user(server.setup(), &["token", "ann"], "").await.0);
    let (_, list) = user(server.setup(), &["list"], "").await;
    assert!(list.contains("DISABLED"), "{list}");

    assert!(user(server.setup(), &["enable", "ann"], "").await.0);
    assert_eq!(status_of_log_in(&server, "ann", &ann.password).await, 200);
}

#[tokio::test]
async fn account_deleted_at_run_time_leaves_its_rooms() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let (mut anns, mut bobs) = (server.log_in(&ann).await, server.join_as("bob").await);
    anns.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    bobs.join("pond").await;
    let (done, said) = user(server.setup(), &["delete", "ann"], "").await;
    assert!(done, "{said}");
    assert_eq!(anns.expect_close().await, 4505);
    let left = bobs.expect_event("member.removed").await;
    assert_eq!(left["data"]["account"]["id"], json!(ann.id), "{left}");
    let role = bobs.expect_event("member.role").await;
    assert_eq!((&role["data"]["account"]["name"], &role["data"]["role"]), (&json!("bob"), &json!("owner")), "{role}");
    let (_, list) = user(server.setup(), &["list"], "").await;
    assert!(list.contains("bob") && !list.contains("ann") && !list.contains("deleted"), "{list}");
    assert!(!user(server.setup(), &["delete", "ann"], "").await.0);
}

#[tokio::test]
async fn account_deleted_offline_leaves_its_rooms_at_the_next_start() {
    let mut server = Setup::bare().start().await;
    let mut anns = server.join_as("ann").await;
    anns.join("lobby").await;
    server.stop().await;
    assert!(user(server.setup(), &["delete", "ann"], "").await.0);
    server.start_again().await;
    let mut bobs = server.join_as("bob").await;
    // Either it has left by now, or bob receives its leave.
    bobs.join("lobby").await;
    if bobs.call("room.get", json!({"room": "lobby"})).await.unwrap()["room"]["members"] == 2 {
        bobs.expect_event("member.removed").await;
    }
    let members = bobs.call("room.members", json!({"room": "lobby"})).await.unwrap();
    assert_eq!(members["members"].as_array().unwrap().len(), 1, "{members}");
}

#[tokio::test]
async fn imported_hash_is_accepted_and_rehashed_at_log_in() {
    let server = Setup::bare().start().await;
    let hash = bcrypt::hash("her old password", 4).unwrap().replace("$2b$", "$2a$");
    let (done, said) = user(server.setup(), &["add", "ann", "--hash", &hash], "").await;
    assert!(done, "{said}");
    let stored = async || {
        let sql = "SELECT password_hash FROM users WHERE username = 'ann'";
        database::text(&server.setup().database_url(), sql).await
    };
    assert_eq!(stored().await, hash);
    assert_eq!(status_of_log_in(&server, "ann", "not her password").await, 401);
    assert_eq!(stored().await, hash);
    assert_eq!(status_of_log_in(&server, "ann", "her old password").await, 200);
    let anew = stored().await;
    assert!(anew.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{anew}");
    assert_eq!(status_of_log_in(&server, "ann", "her old password").await, 200);
    assert_eq!(stored().await, anew);
}

#[tokio::test]
async fn damaged_hash_is_refused_like_a_wrong_password() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    database::execute(&server.setup().database_url(), "UPDATE users SET password_hash = 'damaged'").await;
    assert_eq!(status_of_log_in(&server, "ann", &ann.password).await, 401);
}

#[tokio::test]
async fn new_password_ends_all_logins() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let mut client = server.log_in(&ann).await;
    let (done, said) = user(server.setup(), &["password", "ann", "--password-stdin"], "another password\n").await;
    assert!(done, "{said}");
    assert_eq!(client.expect_close().await, 4505);
    assert_eq!(status_of_log_in(&server, "ann", &ann.password).await, 401);
    assert_eq!(status_of_log_in(&server, "ann", "another password").await, 200);
    let refresh = json!({"refreshToken": ann.refresh_token});
    assert_eq!(server.post("/api/auth/refresh", None, &refresh).await.0, 401);
}
