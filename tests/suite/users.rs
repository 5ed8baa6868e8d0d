//! `natterjack user` manages accounts beside a running server.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::harness::{Server, Setup};

/// Runs it with this on standard input: whether it succeeded, and all that it said.
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
async fn an_account_can_be_added_while_no_server_runs() {
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
async fn a_wrong_account_is_refused_with_the_reason() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    for (args, input, told) in [
        (&["add", "Ann", "--password-stdin"][..], "a long password\n", "taken"),
        (&["add", "bob", "--password-stdin"], "short\n", "8 characters"),
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
async fn a_disabled_account_is_out_until_it_is_enabled_again() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    assert!(user(server.setup(), &["disable", "ann"], "").await.0);
    assert_eq!(status_of_log_in(&server, "ann", &ann.password).await, 403);
    // Had the server seen the token before, it would believe in it for some seconds.
    assert_eq!(server.get("/api/me", Some(&ann.token)).await.0, 401);
    assert!(!user(server.setup(), &["token", "ann"], "").await.0);
    let (_, list) = user(server.setup(), &["list"], "").await;
    assert!(list.contains("DISABLED"), "{list}");

    assert!(user(server.setup(), &["enable", "ann"], "").await.0);
    assert_eq!(status_of_log_in(&server, "ann", &ann.password).await, 200);
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_began() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let (done, said) = user(server.setup(), &["password", "ann", "--password-stdin"], "another password\n").await;
    assert!(done, "{said}");
    assert_eq!(status_of_log_in(&server, "ann", &ann.password).await, 401);
    assert_eq!(status_of_log_in(&server, "ann", "another password").await, 200);
    let refresh = json!({"refreshToken": ann.refresh_token});
    assert_eq!(server.post("/api/auth/refresh", None, &refresh).await.0, 401);
}
