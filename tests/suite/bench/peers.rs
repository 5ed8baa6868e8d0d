//! Checks that the peer servers of `cargo xtask bench --peers` deliver every message, since only then are they comparable.

use std::process::Stdio;
use std::sync::LazyLock;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use xtask::command;

use crate::harness::{PATIENCE, Setup, natterjack};

static BUILT: LazyLock<()> = LazyLock::new(|| {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // The whole workspace, with the features of the tests, so that little has to be built.
    let mut build = command::cargo(&["build", "--locked", "--workspace", "--bin=limit", "--bin=axum"]);
    let build = build.current_dir(root).status();
    assert!(build.unwrap().success(), "the peers do not build; the reason is above");
});

async fn fans_out(peer: &str, scenarios: &[&str]) {
    let setup = Setup::bare().prepare().await;
    LazyLock::force(&BUILT);
    let mut server = Command::new(natterjack().with_file_name(peer))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{peer}: {error}"));
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let said = timeout(PATIENCE, lines.next_line()).await.expect("it says where it listens").unwrap().unwrap();
    let address = said.strip_prefix("listening ").unwrap_or_else(|| panic!("{said}"));
    let pid = server.id().unwrap().to_string();
    for scenario in scenarios {
        let mut args = vec!["bench"];
        args.extend(scenario.split_whitespace());
        args.extend(["--speech", "plain", "--url", address, "--time", "1s", "--warm-up", "100ms", "--json"]);
        let output = setup.command(&[&args[..], &["--pid", &pid]].concat()).output().await.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // It fails if anything was lost, doubled or out of order.
        assert!(output.status.success(), "{peer}, {scenario}: {said}");
        let figures: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{peer}, {scenario}: {said}"));
        if !scenario.starts_with("idle") {
            assert!(figures["deliveries"].as_u64() > Some(0), "{peer}, {scenario}: {figures}");
        }
    }
}

#[tokio::test]
async fn epoll_peer_delivers_every_message() {
    let scenarios = [
        "fanout --clients 8 --in-flight 4",
        "fanout --clients 8 --rate 200",
        "rooms --rooms 3 --members 2",
        "idle --clients 3",
    ];
    fans_out("limit", &scenarios).await;
}

#[tokio::test]
async fn axum_peer_delivers_every_message() {
    fans_out("axum", &["fanout --clients 8 --in-flight 4", "fanout --clients 8 --rate 200", "idle --clients 3"]).await;
}
