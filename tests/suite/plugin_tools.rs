//! What somebody who writes a plugin works with: new, build, watch, inspect, test, call.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::harness::{Client, PATIENCE, Plugin, Setup};

/// As long as compiling a small crate may take on a busy machine.
const BUILDING: u32 = 10;

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk")
}

/// What the new crate depends on was fetched for this workspace, and is built once for all runs.
fn prepared(command: &mut Command) -> &mut Command {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugin-tools");
    command.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true").kill_on_drop(true)
}

async fn plugin(setup: &Setup, args: &[&str]) -> Output {
    prepared(&mut setup.command(&[&["plugin"], args].concat())).output().await.unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].into_iter().map(|text| String::from_utf8_lossy(text)).collect()
}

async fn greeting(client: &mut Client) -> Option<String> {
    let reply = client.call("tester.greet", json!({})).await.ok()?;
    let reply = reply.get("result").unwrap_or(&reply);
    reply["text"].as_str().map(ToOwned::to_owned)
}

async fn until_greeted(client: &mut Client, wanted: &str) {
    let deadline = Instant::now() + PATIENCE * BUILDING;
    while greeting(client).await.as_deref() != Some(wanted) {
        assert!(Instant::now() < deadline, "nobody ever said `{wanted}`");
        sleep(PATIENCE / 300).await;
    }
}

#[tokio::test]
async fn a_new_plugin_passes_its_tests_and_goes_live_and_stays_so_as_it_changes() {
    let mut server = Setup::bare().replace("commands_per_second = 20", "commands_per_second = 100000").start().await;
    let setup = server.setup();
    let made = plugin(setup, &["new", "tester", "--sdk", sdk().to_str().unwrap()]).await;
    assert!(made.status.success(), "{}", said(&made));
    let again = plugin(setup, &["new", "tester", "--sdk", sdk().to_str().unwrap()]).await;
    assert!(!again.status.success() && said(&again).contains("is there already"), "{}", said(&again));

    let folder = server.path().join("tester");
    let tested = prepared(Command::new(env!("CARGO")).arg("test").current_dir(&folder)).output().await.unwrap();
    assert!(tested.status.success() && said(&tested).contains("3 passed"), "{}", said(&tested));

    let built = plugin(setup, &["build", "tester", "--install"]).await;
    assert!(built.status.success(), "{}", said(&built));
    let line = r#"grants = ["storage"]"#;
    assert!(said(&built).contains("[plugin.tester]") && said(&built).contains(line), "{}", said(&built));
    assert!(server.path().join("plugins/tester.wasm").exists());
    server.expect_output("not granted").await;
    server.write_config(|text| format!("{text}\n[plugin.tester]\n{line}\n"));

    let mut ann = server.join_as("ann").await;
    until_greeted(&mut ann, "Hello, ann!").await;

    let mut watch = server.setup().command(&["plugin", "watch", "tester"]);
    let _watching = prepared(&mut watch).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let lib = folder.join("src/lib.rs");
    let text = std::fs::read_to_string(&lib).unwrap();
    // What does not build leaves the plugin as it is.
    std::fs::write(&lib, text.replace("Hello", "Ahoy\"")).unwrap();
    sleep(PATIENCE / 30).await;
    std::fs::write(&lib, text.replace("Hello", "Ahoy")).unwrap();
    until_greeted(&mut ann, "Ahoy, ann!").await;
}

#[tokio::test]
async fn without_an_sdk_a_new_plugin_is_not_begun_but_told_how() {
    let setup = Setup::bare();
    let output = plugin(&setup, &["new", "tester"]).await;
    assert!(!output.status.success() && said(&output).contains("--sdk"), "{}", said(&output));
    assert!(!setup.path().join("tester").exists());
    let output = plugin(&setup, &["new", "no/plugin"]).await;
    assert!(!output.status.success() && said(&output).contains("word-filter"), "{}", said(&output));
}

#[tokio::test]
async fn an_inspection_names_hooks_and_missing_grants_and_commands() {
    let setup = Setup::bare();
    let groups = Plugin::Groups.path();
    let output = plugin(&setup, &["inspect", groups.to_str().unwrap()]).await;
    assert!(output.status.success(), "{}", said(&output));
    for told in ["commands", "[plugin.groups]", "\"rooms\", \"rooms-admin\"", "room.create", "/create", "sha256"] {
        assert!(said(&output).contains(told), "{told} in:\n{}", said(&output));
    }
    let output = plugin(&setup, &["inspect", "--wit", groups.to_str().unwrap()]).await;
    assert!(said(&output).contains("import natterjack:plugin/rooms-admin@"), "{}", said(&output));

    std::fs::write(setup.path().join("note.wasm"), "no component").unwrap();
    let output = plugin(&setup, &["inspect", "note.wasm"]).await;
    assert!(!output.status.success() && said(&output).contains("no WebAssembly"), "{}", said(&output));
}

#[tokio::test]
async fn a_plugin_is_tried_out_under_the_real_limits() {
    let setup = Setup::bare();
    for tried in [Plugin::Groups, Plugin::RoomPassword, Plugin::WordFilter, Plugin::NoAds] {
        let output = plugin(&setup, &["test", tried.path().to_str().unwrap()]).await;
        assert!(output.status.success() && said(&output).contains("no faults"), "{tried:?}: {}", said(&output));
    }
    let filter = Plugin::WordFilter.path();
    let output = plugin(&setup, &["test", filter.to_str().unwrap(), "--settings", r#"{"action": "shout"}"#]).await;
    assert!(!output.status.success() && said(&output).contains("shout"), "{}", said(&output));
}

#[tokio::test]
async fn a_call_shows_the_reply_and_what_it_would_change() {
    let setup = Setup::bare();
    let groups = Plugin::Groups.path();
    let call = |command: &'static str, args: &'static str| [command, args].map(ToOwned::to_owned);
    let run = async |[command, args]: [String; 2], more: &[&str]| {
        plugin(&setup, &[&["call", groups.to_str().unwrap(), &command, &args], more].concat()).await
    };
    let made = run(call("room.create", r#"{"name": "pond"}"#), &[]).await;
    let reply: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("JSON: {}", said(&made)));
    assert!(reply.to_string().contains("pond"), "{reply}");
    assert!(said(&made).contains("make the public room pond"), "{}", said(&made));

    let kick = call("member.kick", r#"{"account": "bob"}"#);
    let kicked = run(kick.clone(), &["--role", "owner"]).await;
    assert!(said(&kicked).contains("remove bob from lobby, kicked"), "{}", said(&kicked));
    let refused = run(kick, &["--role", "member"]).await;
    assert!(!refused.status.success() && said(&refused).contains("moderator"), "{}", said(&refused));
    let unknown = run(call("room.crate", "{}"), &[]).await;
    assert!(!unknown.status.success() && said(&unknown).contains("room.create"), "{}", said(&unknown));
}

#[tokio::test]
async fn help_is_there_for_every_tool() {
    let setup = Setup::bare();
    for tool in ["new", "build", "watch", "inspect", "test", "call", "list", "reload", "enable", "disable", "logs"] {
        let output = plugin(&setup, &[tool, "--help"]).await;
        assert!(output.status.success() && said(&output).lines().count() > 3, "{tool}: {}", said(&output));
    }
}
