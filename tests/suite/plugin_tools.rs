//! The plugin author's commands: new, build, watch, inspect, test, call.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{Client, PATIENCE, Plugin, Setup};

/// How many times `PATIENCE` compiling a small crate may take on a busy machine.
const BUILD_PATIENCE_FACTOR: u32 = 10;

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk")
}

/// Uses this workspace's fetched dependencies, and one target folder for all runs.
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

async fn greeting(client: &mut Client) -> String {
    let reply = client.call("tester.greet", json!({})).await.unwrap();
    let reply = reply.get("result").unwrap_or(&reply);
    reply["text"].as_str().unwrap().to_owned()
}

/// Reads until a line contains this text, with time for a build.
async fn expect_line(lines: &mut Lines<impl AsyncBufRead + Unpin>, text: &str) {
    let found = timeout(PATIENCE * BUILD_PATIENCE_FACTOR, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(text) {
                return true;
            }
        }
        false
    });
    assert_eq!(found.await, Ok(true), "`{text}` was never said");
}

#[tokio::test]
async fn new_plugin_passes_its_tests_and_is_reloaded_on_changes() {
    let mut server = Setup::bare().start().await;
    let setup = server.setup();
    let made = plugin(setup, &["new", "tester", "--sdk", sdk().to_str().unwrap()]).await;
    assert!(made.status.success(), "{}", said(&made));
    let again = plugin(setup, &["new", "tester", "--sdk", sdk().to_str().unwrap()]).await;
    assert!(!again.status.success() && said(&again).contains("already exists"), "{}", said(&again));

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
    server.expect_output("plugin loaded").await;
    let mut ann = server.join_as("ann").await;
    assert_eq!(greeting(&mut ann).await, "Hello, ann!");

    let mut watch = server.setup().command(&["plugin", "watch", "tester"]);
    let mut watching = prepared(&mut watch).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut installed = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut failed = BufReader::new(watching.stderr.take().unwrap()).lines();
    expect_line(&mut installed, "tester.wasm in").await;
    let lib = folder.join("src/lib.rs");
    let text = std::fs::read_to_string(&lib).unwrap();
    // What does not build leaves the plugin as it is.
    std::fs::write(&lib, text.replace("Hello", "Ahoy\"")).unwrap();
    expect_line(&mut failed, "not installed, the previous version stays").await;
    assert_eq!(greeting(&mut ann).await, "Hello, ann!");
    std::fs::write(&lib, text.replace("Hello", "Ahoy")).unwrap();
    expect_line(&mut installed, "tester.wasm in").await;
    server.expect_output("plugin replaced").await;
    assert_eq!(greeting(&mut ann).await, "Ahoy, ann!");
}

#[tokio::test]
async fn new_plugin_outside_a_checkout_builds_with_bundled_sdk_and_is_uploaded() {
    let server = Setup::bare().configure("[plugin.wanderer]\ngrants = [\"storage\"]\n").start().await;
    let author = Setup::bare();
    let made = plugin(&author, &["new", "wanderer"]).await;
    assert!(made.status.success(), "{}", said(&made));
    let folder = author.path().join("wanderer");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    assert!(manifest.contains(r#"path = "natterjack-plugin-sdk""#), "{manifest}");
    let tested = prepared(Command::new(env!("CARGO")).arg("test").current_dir(&folder)).output().await.unwrap();
    assert!(tested.status.success() && said(&tested).contains("3 passed"), "{}", said(&tested));

    let nowhere = plugin(&author, &["build", "wanderer", "--install"]).await;
    assert!(!nowhere.status.success() && said(&nowhere).contains("--server URL"), "{}", said(&nowhere));
    let url = format!("http://{}", server.address());
    let token = server.administrator("root").await.token;
    let upload = ["build", "wanderer", "--install", "--server", &url, "--token", &token];
    let installed = plugin(&author, &upload).await;
    assert!(installed.status.success() && said(&installed).contains("wanderer on http"), "{}", said(&installed));
    let mut ann = server.join_as("ann").await;
    let reply = ann.call("wanderer.greet", json!({})).await.unwrap();
    assert!(reply.to_string().contains("Hello, ann!"), "{reply}");
    // The server is remembered, the token is not.
    let again = plugin(&author, &["build", "wanderer", "--install"]).await;
    assert!(!again.status.success() && said(&again).contains("--token"), "{}", said(&again));
    let again = plugin(&author, &["build", "wanderer", "--install", "--token", &token]).await;
    assert!(again.status.success() && said(&again).contains(&url), "{}", said(&again));
}

#[tokio::test]
async fn failing_build_shows_cargos_messages() {
    let setup = Setup::bare();
    let made = plugin(&setup, &["new", "broken"]).await;
    assert!(made.status.success(), "{}", said(&made));
    std::fs::write(setup.path().join("broken/src/lib.rs"), "fn no_such() -> Typo {}\n").unwrap();
    let built = plugin(&setup, &["build", "broken"]).await;
    let (out, told) = (String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
    assert!(!built.status.success() && out.is_empty(), "{}", said(&built));
    for line in ["Compiling broken", "cannot find type `Typo`", "src/lib.rs:1", "the build failed"] {
        assert!(told.contains(line), "{line} in:\n{told}");
    }
}

#[tokio::test]
async fn contract_is_written_for_other_languages() {
    let setup = Setup::bare();
    let written = plugin(&setup, &["wit", "deps/natterjack-plugin"]).await;
    assert!(written.status.success(), "{}", said(&written));
    let types = std::fs::read_to_string(setup.path().join("deps/natterjack-plugin/types.wit")).unwrap();
    assert!(types.starts_with("package natterjack:plugin@") || types.contains("package natterjack:plugin@"), "{types}");
}

#[tokio::test]
async fn new_plugin_with_invalid_name_or_sdk_is_refused() {
    let setup = Setup::bare();
    let output = plugin(&setup, &["new", "tester", "--sdk", "."]).await;
    assert!(!output.status.success() && said(&output).contains("natterjack-plugin-sdk"), "{}", said(&output));
    assert!(!setup.path().join("tester").exists());
    let output = plugin(&setup, &["new", "no/plugin"]).await;
    assert!(!output.status.success() && said(&output).contains("word-filter"), "{}", said(&output));
}

#[tokio::test]
async fn inspect_shows_hooks_missing_grants_and_commands() {
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
async fn plugin_test_applies_the_real_limits() {
    let setup = Setup::bare();
    for (tried, told) in [
        (Plugin::Groups, "member.kick: answered"),
        (Plugin::RoomPassword, "room-guard: 5 joins"),
        (Plugin::WordFilter, "message-filter: 1100 messages"),
        (Plugin::NoAds, "message-filter: 1100 messages"),
        (Plugin::Slash, "timer: 1 timers, 0 failed"),
        // Of sessions alone it wants to hear.
        (Plugin::Echo, "observer: not called"),
        (Plugin::Hostile, "observer: 19 events delivered, 0 failed"),
        (Plugin::Hostile, "timer: 1 timers"),
    ] {
        let output = plugin(&setup, &["test", tried.path().to_str().unwrap()]).await;
        assert!(output.status.success() && said(&output).contains("no faults"), "{tried:?}: {}", said(&output));
        assert!(said(&output).contains(told), "{told} in:\n{}", said(&output));
    }
    let filter = Plugin::WordFilter.path();
    let output = plugin(&setup, &["test", filter.to_str().unwrap(), "--settings", r#"{"action": "shout"}"#]).await;
    assert!(!output.status.success() && said(&output).contains("shout"), "{}", said(&output));
}

#[tokio::test]
async fn call_shows_the_reply_and_its_changes() {
    let setup = Setup::bare();
    let groups = Plugin::Groups.path();
    let call = |command: &'static str, args: &'static str| [command, args].map(ToOwned::to_owned);
    let run = async |[command, args]: [String; 2], more: &[&str]| {
        plugin(&setup, &[&["call", groups.to_str().unwrap(), &command, &args], more].concat()).await
    };
    let made = run(call("room.create", r#"{"name": "pond"}"#), &[]).await;
    let reply: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("JSON: {}", said(&made)));
    assert!(reply.to_string().contains("pond"), "{reply}");
    assert!(said(&made).contains("create the public room pond"), "{}", said(&made));

    let kick = call("member.kick", r#"{"account": "bob"}"#);
    let kicked = run(kick.clone(), &["--role", "owner"]).await;
    assert!(said(&kicked).contains("remove bob from lobby, kicked"), "{}", said(&kicked));
    let made_up =
        run(call("room.create", r#"{"name": "den", "visibility": "private", "password": "sesame"}"#), &[]).await;
    assert!(
        !made_up.status.success() && said(&made_up).contains("this server does not check room passwords"),
        "{}",
        said(&made_up)
    );
    let wanted = said(&made_up);
    let (_, not_done) = wanted.split_once("not done, since the call failed:").unwrap_or_else(|| panic!("{wanted}"));
    assert!(not_done.contains("create the private room den"), "{not_done}");
    let refused = run(kick, &["--role", "member"]).await;
    assert!(!refused.status.success() && said(&refused).contains("moderator"), "{}", said(&refused));
    let unknown = run(call("room.crate", "{}"), &[]).await;
    assert!(!unknown.status.success() && said(&unknown).contains("room.create"), "{}", said(&unknown));
}

#[tokio::test]
async fn every_tool_has_help() {
    let setup = Setup::bare();
    for tool in [
        "new", "sdk", "wit", "build", "watch", "inspect", "test", "call", "list", "reload", "enable", "disable", "logs",
    ] {
        let output = plugin(&setup, &[tool, "--help"]).await;
        assert!(output.status.success() && said(&output).lines().count() > 3, "{tool}: {}", said(&output));
    }
}
