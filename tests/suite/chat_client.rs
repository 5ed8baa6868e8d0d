//! Runs the terminal client `natterjack chat` against a server.

use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Server};

struct Chat {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Chat {
    fn start(server: &Server, args: &[&str]) -> Self {
        let args = [&["chat", server.address()], args].concat();
        let mut child = server.setup().command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn expect(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match timeout(PATIENCE, self.lines.next_line()).await {
                Ok(Ok(Some(line))) if line.contains(text) => return line,
                Ok(Ok(Some(line))) => seen.push(line),
                other => panic!("waited for `{text}`, got {other:?} after {seen:#?}"),
            }
        }
    }

    async fn finish(mut self) {
        drop(self.child.stdin.take());
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn two_terminal_clients_chat() {
    let server = Server::start().await;
    let mut bob = Chat::start(&server, &["--name", "bob"]);
    bob.say("/who").await;
    bob.expect("bob").await;
    let mut ann = Chat::start(&server, &["--name", "ann", "--room", "lobby"]);
    ann.say("hello from ann").await;
    bob.expect("ann: hello from ann").await;
    bob.say("darn, hello").await;
    ann.expect("bob: ****, hello").await;
    ann.finish().await;
    bob.finish().await;
}

#[tokio::test]
async fn later_client_sees_history() {
    let server = Server::start().await;
    let mut ann = Chat::start(&server, &["--name", "ann"]);
    ann.say("an old story").await;
    ann.expect("ann: an old story").await;
    ann.finish().await;
    let mut bob = Chat::start(&server, &["--name", "bob"]);
    bob.expect("ann: an old story").await;
    bob.finish().await;
}

#[tokio::test]
async fn slash_command_runs_and_room_password_admits() {
    let server = Server::start().await;
    let account = server.sign_up("ann").await;
    let mut ann = Chat::start(&server, &["--token", &account.token]);
    ann.say("/create cellar private").await;
    ann.say("/help").await;
    ann.expect("/kick").await;
    ann.finish().await;
    let mut owner = server.log_in(&account).await;
    let found = owner.call("room.get", json!({"room": "cellar"})).await.unwrap();
    assert_eq!(found["room"]["visibility"], "private");
}

#[tokio::test]
async fn client_reconnects_after_restart_without_loss() {
    let mut server = Server::start().await;
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    let mut ann = Chat::start(&server, &["--name", "ann"]);
    ann.say("before").await;
    ann.expect("ann: before").await;
    server.kill().await;
    ann.say("meanwhile").await;
    server.start_again_on(&port).await;
    ann.expect("ann: meanwhile").await;
    let mut bob = server.join_as("bob").await;
    bob.join("lobby").await;
    assert_eq!(bob.history("lobby").await, ["before", "meanwhile"]);
    ann.finish().await;
}
