//! Invalid files in the plugins folder and plugins that fail to start: each is refused with advice, and other plugins keep running.

use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::harness::{HOSTILE_GRANTS, Plugin, Server, Setup};

/// A component with a core module that uses function subtyping, which this build of wasmtime does not support.
fn subtyping() -> Vec<u8> {
    let module = b"\0asm\x01\0\0\0\x01\x0e\x01\x4e\x02\x50\0\x60\0\0\x50\x01\0\x60\0\0\x03\x03\x02\x01\0\x04\x04\x01\x70\0\x02\x08\x01\x01\x09\x07\x01\0\x41\0\x0b\x01\0\x0a\x0c\x02\x02\0\x0b\x07\0\x41\0\x11\0\0\x0b";
    let length = u8::try_from(module.len()).unwrap();
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    component.extend([1, length]);
    component.extend(module);
    // (core instance (instantiate 0))
    component.extend([2, 4, 1, 0, 0, 0]);
    component.extend(&component_exporting("natterjack:plugin/commands@0.1.0")[8..]);
    component
}

/// Waits for the process in which the server loads an unknown file.
async fn first_load_of(server: &Server) -> Pid {
    let children = format!("/proc/{}/task", server.id());
    loop {
        for task in std::fs::read_dir(&children).unwrap().flatten() {
            let file: PathBuf = task.path().join("children");
            let child = std::fs::read_to_string(file).unwrap_or_default();
            if let Some(child) = child.split_whitespace().next() {
                return Pid::from_raw(child.parse().unwrap());
            }
        }
        tokio::task::yield_now().await;
    }
}

/// A component that exports an empty instance by this name.
fn component_exporting(name: &str) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0\x05\x03\x01\x01\0".to_vec();
    let length = u8::try_from(name.len()).unwrap();
    bytes.extend([0x0b, length + 6, 1, 0, length]);
    bytes.extend(name.as_bytes());
    bytes.extend([5, 0, 0]);
    bytes
}

fn built(plugin: Plugin) -> Vec<u8> {
    std::fs::read(plugin.path()).unwrap()
}

/// Pads the file to this size with a custom section.
fn padded(mut component: Vec<u8>, bytes: usize) -> Vec<u8> {
    let padding = bytes - component.len() - 6;
    component.push(0);
    // Its size, as LEB128 in five bytes; then its name, which is empty.
    let size = u32::try_from(padding + 1).unwrap();
    component.extend((0..5).map(|n| ((size >> (7 * n)) & 0x7f) as u8 | if n < 4 { 0x80 } else { 0 }));
    component.resize(component.len() + padding + 1, 0);
    component
}

/// Whether a process is running.
fn runs(process: Pid) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

fn with_settings(settings: &str) -> Setup {
    let table = format!(
        "[plugin.hostile]\n{HOSTILE_GRANTS}\nsettings = {settings}\nlimits = {{ call_ms = 300, memory_mib = 160 }}\n"
    );
    let setup = Setup::new().replace("[log]", &format!("{table}\n[log]"));
    setup.install(Plugin::Hostile, Plugin::Hostile.file_name());
    setup
}

#[tokio::test]
async fn invalid_files_are_refused_with_advice_and_others_run() {
    let mistakes = [
        ("text", b"#!/bin/sh\n".to_vec(), "put the plugin's built `.wasm` there"),
        ("core", b"\0asm\x01\0\0\0".to_vec(), "build it for the target `wasm32-wasip2`"),
        ("program", component_exporting("wasi:cli/run@0.2.6"), "it exports nothing that the server calls"),
        ("newer", component_exporting("natterjack:plugin/commands@9.0.0"), "build it with the SDK of that version"),
        ("cut-off", built(Plugin::Groups)[..50_000].to_vec(), "it cannot be compiled"),
        ("twin", built(Plugin::Hostile), "belongs to the plugin hostile already; rename it, or remove one of the two"),
    ];
    let tables = ["hostile", "twin"].map(|id| format!("[plugin.{id}]\n{HOSTILE_GRANTS}\n"));
    let setup = Setup::new().configure(&tables.concat());
    setup.install(Plugin::Hostile, Plugin::Hostile.file_name());
    for (name, bytes, _) in &mistakes {
        setup.install_bytes(&format!("{name}.wasm"), bytes);
    }
    let server = setup.start().await;
    for (name, _, wanted) in mistakes {
        let line = server.last_output(&format!("plugin={name} ")).unwrap();
        assert!(line.contains("plugin not loaded") && line.contains(wanted), "{wanted} in: {line}");
    }
    server.join_as("ann").await.call("room.create", json!({"name": "pond"})).await.unwrap();
}

#[tokio::test]
async fn plugin_that_fails_to_start_is_reported_and_others_run() {
    for (settings, wanted) in [
        (r#"{ init = "fail" }"#, "its `init` failed: told to fail"),
        (r#"{ init = "loop" }"#, "it used up its 300ms"),
        (r#"{ describe = "panic" }"#, "told to panic"),
        (r#"{ specs = "loop" }"#, "it used up its 300ms"),
        (r#"{ specs = "exit" }"#, "it called `exit`"),
        (r#"{ colour = "red" }"#, "`colour`: is unknown here"),
    ] {
        let server = with_settings(settings).start().await;
        let line = server.last_output("plugin=hostile").unwrap();
        assert!(line.contains("plugin not loaded") && line.contains(wanted), "{wanted} in: {line}");
        server.join_as("ann").await.join("lobby").await;
    }
}

#[tokio::test]
async fn hostile_start_is_aborted_and_others_run() {
    let deeds: [(&str, &[&str]); 7] = [
        ("loop", &["it used up its"]),
        ("recurse", &["it recursed too deep", "as from recursing too deep"]),
        ("hoard", &["it asked for more memory than its 160 MiB"]),
        ("trap", &["it trapped: wasm"]),
        ("panic", &["told to panic"]),
        ("huge", &["it trapped: ", "it asked for more memory than its 160 MiB", "it used up its"]),
        ("sleep", &["it was still waiting"]),
    ];
    let mut setup = Setup::new();
    for export in ["init", "describe", "specs", "wants"] {
        for (deed, _) in deeds {
            let id = format!("{export}-{deed}");
            setup = setup.configure(&format!(
                "[plugin.{id}]\n{HOSTILE_GRANTS}\nsettings.{export} = \"{deed}\"\nlimits = {{ call_ms = 200, memory_mib = 160 }}\n"
            ));
            setup.install(Plugin::Hostile, &format!("{id}.wasm"));
        }
    }
    let server = setup.start().await;
    for export in ["init", "describe", "specs", "wants"] {
        for (deed, reasons) in deeds {
            let id = format!("{export}-{deed}");
            // There it has no answer to give that could be huge.
            if deed == "huge" && ["init", "wants"].contains(&export) {
                continue;
            }
            let line = server.last_output(&format!("plugin={id} ")).unwrap();
            assert!(line.contains("plugin not loaded"), "{line}");
            assert!(reasons.iter().any(|reason| line.contains(reason)), "{reasons:?} in: {line}");
        }
    }
    server.join_as("ann").await.call("room.create", json!({"name": "pond"})).await.unwrap();
}

#[tokio::test]
async fn file_of_20_mb_is_loaded() {
    let setup = Setup::new();
    setup.remove(Plugin::WordFilter);
    setup.install_bytes(Plugin::NoAds.file_name(), &padded(built(Plugin::NoAds), 20 << 20));
    let server = setup.start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    assert_eq!(ann.post("lobby", "casino").await.unwrap_err().code(), "rejected");
}

#[tokio::test]
async fn partially_written_file_is_loaded_once_complete() {
    let mut server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    // As `cp` does it: into the very file that is loaded.
    let whole = built(Plugin::NoAds);
    let path = server.path().join("plugins").join(Plugin::WordFilter.file_name());
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    server.expect_output("plugin not replaced, previous version keeps running").await;
    ann.post("lobby", "darn").await.unwrap();
    assert_eq!(ann.expect_message().await, "****");

    std::fs::write(&path, &whole).unwrap();
    server.expect_output("plugin replaced").await;
    assert_eq!(ann.post("lobby", "casino").await.unwrap_err().code(), "rejected");
}

#[tokio::test]
async fn compiled_plugins_are_reused_at_the_next_start() {
    let mut server = Setup::new().cold().start().await;
    let all = Plugin::SHIPPED.len();
    let began = server.last_output("compiling plugins before accepting connections").unwrap();
    assert!(began.contains(&format!("files={all}")), "{began}");
    assert_eq!(server.count_output(" compiled plugin "), all);
    assert!(server.last_output(" compiled plugin ").unwrap().contains(&format!("done={all} files={all}")));
    server.stop().await;
    let kept = server.path().join("data/compiled-plugins/seals");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), Plugin::SHIPPED.len());
    server.start_again().await;
    assert_eq!(server.count_output("compiling plugin") + server.count_output(" compiled plugin "), 0);
    server.join_as("ann").await.call("room.create", json!({"name": "pond"})).await.unwrap();
}

#[tokio::test]
async fn compiled_plugins_are_not_stored_if_disabled() {
    let server = Setup::new().cold().replace("cache = true", "cache = false").start().await;
    server.join_as("ann").await.call("room.create", json!({"name": "pond"})).await.unwrap();
    assert!(!server.path().join("data/compiled-plugins").exists());
}

#[tokio::test]
async fn component_with_disabled_proposal_is_refused() {
    let setup = Setup::new().prepare().await;
    let file = setup.path().join("subtyping.wasm");
    std::fs::write(&file, subtyping()).unwrap();
    let inspected = setup.command(&["plugin", "inspect", file.to_str().unwrap()]).output().await.unwrap();
    let said = String::from_utf8_lossy(&inspected.stderr).into_owned();
    assert!(
        inspected.status.code() == Some(1) && said.contains("WebAssembly features that this server disables: gc"),
        "{said}"
    );

    setup.install_bytes("subtyping.wasm", &subtyping());
    let server = Server::on(setup).await;
    let line = server.last_output("plugin=subtyping ").unwrap();
    assert!(
        line.contains("plugin not loaded") && line.contains("WebAssembly features that this server disables: gc"),
        "{line}"
    );
    server.join_as("ann").await.join("lobby").await;
}

#[tokio::test]
async fn file_crashing_its_first_load_is_quarantined_until_retried() {
    let mut server = Setup::bare().start().await;
    let token = server.administrator("root").await.token;
    server.setup().install_bytes("word-filter.wasm", &padded(built(Plugin::WordFilter), 4 << 20));
    // As if what was compiled of it had ended the process.
    kill(first_load_of(&server).await, Signal::SIGABRT).unwrap();
    let line = server.expect_output("plugin file quarantined").await;
    assert!(line.contains("plugin=word-filter") && line.contains("SIGABRT"), "{line}");
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    assert_eq!(ann.post("lobby", "hi").await.unwrap_err().code(), "unavailable");

    server.kill().await;
    server.start_again().await;
    let (_, listed) = server.get("/api/admin/plugins", Some(&token)).await;
    assert_eq!(listed["plugins"][0]["state"], "quarantined", "{listed}");
    assert_eq!(listed["quarantinedFiles"][0]["plugin"], "word-filter", "{listed}");
    let mut ann = server.join_as("bob").await;
    ann.join("lobby").await;
    assert_eq!(ann.post("lobby", "hi").await.unwrap_err().code(), "unavailable");

    let (done, said) = server.plugin_tool(&token, &["list"]).await;
    assert!(done && said.contains("quarantined file"), "{said}");
    let (done, said) = server.plugin_tool(&token, &["retry", "word-filter"]).await;
    assert!(done, "{said}");
    ann.post("lobby", "darn").await.unwrap();
    assert_eq!(ann.expect_message().await, "****");
}

#[tokio::test]
async fn server_killed_during_a_first_load_quarantines_nothing() {
    let mut server = Setup::bare().start().await;
    server.setup().install_bytes("word-filter.wasm", &padded(built(Plugin::WordFilter), 4 << 20));
    let child = first_load_of(&server).await;
    server.kill().await;
    // It does not outlive the server.
    while runs(child) {
        tokio::task::yield_now().await;
    }
    server.start_again().await;
    let line = server.last_output("plugin=word-filter ").unwrap();
    assert!(line.contains("plugin loaded"), "{line}");
}
