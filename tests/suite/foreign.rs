//! Clients that no one here wrote, told what to do by `tests/foreign`: the WebSocket and Socket.IO clients of npm and of Python,
//! and a browser. What each dialect's page promises, they get.

mod browser;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tokio::process::Command;

use crate::harness::{PATIENCE, Server};

/// The dialects by the names of their stories; Python's modules have an underscore for the dash.
const STORIES: [&str; 5] = ["native", "groups", "direct", "go", "rooms"];

/// The folder that the clients are installed in, with everything there.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let install = std::process::Command::new(env!("CARGO")).args(["xtask", "foreign"]).current_dir(root()).status();
    assert!(install.unwrap().success(), "other people's clients could not be installed; the reason is above");
    crate::harness::natterjack().ancestors().nth(2).unwrap().join("foreign")
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn node(args: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(args).env("NODE_PATH", INSTALLED.join("node_modules")).current_dir(root().join("tests/foreign"));
    command
}

fn python(args: &[&str]) -> Command {
    let mut command = Command::new(INSTALLED.join("python/bin/python"));
    // Nothing is left beside the scripts.
    command.args(args).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(root().join("tests/foreign/python"));
    command
}

/// Runs it to its end; fails with what it said.
async fn run(mut command: Command) {
    let output = tokio::time::timeout(10 * PATIENCE, command.kill_on_drop(true).output()).await;
    let output = output.expect("the client comes to an end").unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn clients_of_npm_get_what_each_page_promises() {
    let server = Server::start().await;
    let address = server.url("");
    run(node(&[&["node.mjs", &address], &STORIES[..]].concat())).await;
}

#[tokio::test]
async fn clients_of_python_get_what_each_page_promises() {
    let server = Server::start().await;
    let address = server.url("");
    let stories = STORIES.map(|story| story.replace('-', "_"));
    let mut told = python(&["tell.py", &address]);
    told.args(&stories);
    run(told).await;
}
