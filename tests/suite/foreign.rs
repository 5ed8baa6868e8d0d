//! Third-party clients, scripted in `tests/foreign`: the WebSocket and Socket.IO clients of npm and of Python, and a browser. Checks
//! that they work with every dialect as documented.

mod browser;

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{INSTALLED, PATIENCE, Server, root};

/// The dialects by the names of their stories; Python's modules have an underscore for the dash.
const STORIES: [&str; 6] = ["native", "groups", "echo-sessions", "direct", "go", "rooms"];

fn node(args: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(args).env("NODE_PATH", INSTALLED.join("node_modules")).current_dir(root().join("tests/foreign"));
    command
}

/// A program of the virtual environment.
pub(crate) fn python_program(name: &str) -> PathBuf {
    INSTALLED.join("python/bin").join(name)
}

pub(crate) fn python(args: &[&str]) -> Command {
    let mut command = Command::new(python_program("python"));
    // Nothing is left beside the scripts.
    command.args(args).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(root().join("tests/foreign/python"));
    command
}

/// Runs a command to its end; fails with its output.
async fn run(mut command: Command) {
    let output = timeout(10 * PATIENCE, command.kill_on_drop(true).output()).await;
    let output = output.expect("the client comes to an end").unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn npm_clients_work_with_every_dialect() {
    let server = Server::start().await;
    let address = server.url("");
    run(node(&[&["node.mjs", &address], &STORIES[..]].concat())).await;
}

#[tokio::test]
async fn python_clients_work_with_every_dialect() {
    let server = Server::start().await;
    let address = server.url("");
    let stories = STORIES.map(|story| story.replace('-', "_"));
    let mut told = python(&["tell.py", &address]);
    told.args(&stories);
    run(told).await;
}

#[tokio::test]
async fn socket_io_clients_reconnect_after_server_restart() {
    let clients: [fn(&[&str]) -> Command; 2] =
        [|args| node(&[&["reconnect.mjs"], args].concat()), |args| python(&[&["reconnect.py"], args].concat())];
    for client in clients {
        for transport in ["polling", "websocket"] {
            let mut server = Server::start().await;
            let port = server.address().rsplit(':').next().unwrap().to_owned();
            let mut client = client(&[&server.url(""), transport]);
            let mut client = client.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
            let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
            let said = timeout(PATIENCE, lines.next_line()).await.expect("the client connects").unwrap();
            assert_eq!(said.as_deref(), Some("connected"), "{transport}");
            assert!(server.stop().await.success());
            server.start_again_on(&port).await;
            let ended = timeout(PATIENCE, client.wait()).await.expect("the client comes back").unwrap();
            assert!(ended.success(), "{transport}: its error is above");
        }
    }
}
