//! A plugin that does its worst: whoever called it gets one clear error, everybody else goes on, and the log says why.

use serde_json::{Value, json};

use crate::harness::{Client, Failure, Plugin, Server, Setup};

/// Small budgets, so that running into them takes little time; memory enough to make 100 MB of.
const TABLE: &str = "[plugin.hostile]\nlimits = { filter_ms = 200, call_ms = 300, memory_mib = 160 }\n";

fn setup(table: &str) -> Setup {
    // Without the shipped guard: a guard that fails must not be saved by another.
    let setup = Setup::new()
        .replace("[log]", &format!("{table}\n[log]"))
        .replace("wrong_room_passwords_per_minute = 5", "wrong_room_passwords_per_minute = 100");
    setup.remove(Plugin::RoomPassword);
    setup.install(Plugin::Hostile, Plugin::Hostile.file_name());
    setup
}

const FAILED: &str = "the plugin failed: ";

/// A line about the fault after `mark`, with what it has to name. Others may come in late, of what was done before.
async fn expect_fault(server: &mut Server, mark: usize, export: &str, reasons: &[&str]) {
    let export = format!("export=\"{export}\"");
    let named = |line: &str| {
        let parts = [FAILED, "plugin=hostile", "version=\"6.6.6\"", &export];
        parts.iter().all(|part| line.contains(part)) && reasons.iter().any(|reason| line.contains(reason))
    };
    server.expect_after(mark, &format!("that {export} failed for one of {reasons:?}"), named).await;
}

fn assert_plugin_failed(answer: Result<Value, Failure>) {
    let failure = answer.unwrap_err();
    assert_eq!(failure.code(), "plugin_failed", "{failure:?}");
    assert!(failure.message().contains("hostile"), "{failure:?}");
}

/// Somebody else's evening: their room, a command of another plugin.
async fn assert_goes_on(bob: &mut Client, what: &str) {
    bob.post("lobby", what).await.unwrap();
    while bob.expect_message().await != what {}
    bob.call("room.create", json!({"name": what})).await.unwrap();
}

/// What is done, and what the log has to say of it.
const DEEDS: [(&str, &[&str]); 8] = [
    ("loop", &["it used up its"]),
    ("recurse", &["it recursed too deep", "as from recursing too deep"]),
    ("hoard", &["it asked for more memory than its 160 MiB"]),
    ("trap", &["it trapped: wasm"]),
    ("panic", &["told to panic"]),
    // It may not get as far as handing it over.
    ("huge", &["it trapped: ", "it asked for more memory than its 160 MiB", "it used up its"]),
    ("exit", &["it left by `exit`"]),
    ("sleep", &["it would wait", "it was still waiting"]),
];

#[tokio::test]
async fn a_command_that_does_its_worst_fails_for_its_caller_alone() {
    let mut server = setup(TABLE).start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    bob.join("lobby").await;
    for (deed, reasons) in DEEDS {
        let before = server.mark();
        let asked = ann.send("hostile.do", json!({"deed": deed})).await;
        assert_goes_on(&mut bob, deed).await;
        assert_plugin_failed(ann.answer(asked).await);
        expect_fault(&mut server, before, "commands", reasons).await;
    }
    // One person cannot have it locked away.
    ann.call("hostile.do", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_filter_that_does_its_worst_keeps_that_message_out_and_no_other() {
    let mut server = setup(TABLE).start().await;
    let account = server.sign_up("ann").await;
    let (mut ann, mut bob) = (server.log_in(&account).await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    for (deed, reasons) in DEEDS {
        let before = server.mark();
        assert_plugin_failed(ann.post("lobby", &format!("do {deed}")).await);
        expect_fault(&mut server, before, "message-filter", reasons).await;
        assert_goes_on(&mut bob, deed).await;
        // Such messages cost their sender dear; a new connection has its budget whole.
        ann = server.log_in(&account).await;
    }
    assert!(!bob.history("lobby").await.iter().any(|body| body.starts_with("do ")));
}

#[tokio::test]
async fn a_guard_that_does_its_worst_opens_no_door() {
    let mut server = setup(TABLE).start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "cellar", "visibility": "private", "password": "nothing"})).await.unwrap();
    for (deed, reasons) in DEEDS {
        let before = server.mark();
        assert_plugin_failed(bob.call("room.join", json!({"room": "cellar", "password": deed})).await);
        expect_fault(&mut server, before, "room-guard", reasons).await;
        let room = json!({"name": deed, "visibility": "private", "password": deed});
        assert_plugin_failed(ann.call("room.create", room).await);
        assert_eq!(ann.call("room.get", json!({"room": deed})).await.unwrap_err().code(), "not_found");
    }
    assert_eq!(bob.post("cellar", "in?").await.unwrap_err().code(), "forbidden");
    bob.call("room.join", json!({"room": "cellar", "password": "nothing"})).await.unwrap();
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_owned_up_to() {
    let mut server = setup("[plugin.hostile]\nlimits = { call_ms = 20000 }\n").start().await;
    let mut ann = server.join_as("ann").await;
    ann.call("hostile.do", json!({"deed": "flood-log"})).await.unwrap();
    server.expect_output("too many lines in one call").await;
    assert!(server.count_output("flood, line") <= 100);
}

#[tokio::test]
async fn a_hundred_thousand_imports_cost_a_plugin_its_own_time_only() {
    let server = setup("[plugin.hostile]\nlimits = { call_ms = 20000 }\n").start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    bob.join("lobby").await;
    let asked = ann.send("hostile.do", json!({"deed": "pester"})).await;
    assert_goes_on(&mut bob, "meanwhile").await;
    ann.answer(asked).await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_fails_three_people_is_quarantined_and_its_messages_are_rejected() {
    let mut server = setup(TABLE).start().await;
    quarantine(&mut server).await;
    let mut eve = server.join_as("eve").await;
    eve.join("lobby").await;
    let failure = eve.post("lobby", "hello").await.unwrap_err();
    assert_eq!(failure.code(), "unavailable");
    assert!(failure.message().contains("hostile"), "{failure:?}");
    assert_eq!(eve.call("hostile.do", json!({})).await.unwrap_err().code(), "unavailable");
    // Its guard is a closed door, and other plugins' commands are as they were.
    let room = json!({"name": "cellar", "visibility": "private", "password": "sesame"});
    assert_eq!(eve.call("room.create", room).await.unwrap_err().code(), "unavailable");
    eve.call("room.create", json!({"name": "pond"})).await.unwrap();
    let (_, figures) = server.get("/metrics", None).await;
    for line in [
        "natterjack_plugin_quarantined{plugin=\"hostile\"} 1",
        "natterjack_plugin_faults_total{plugin=\"hostile\",hook=\"message-filter\",reason=\"trap\"} 3",
    ] {
        assert!(figures.as_str().unwrap().contains(line), "{line} in:\n{figures}");
    }

    // A new file is a new plugin.
    let before = server.count_output("plugin replaced");
    server.setup().install(Plugin::NoAds, Plugin::Hostile.file_name());
    server.expect_more_output("plugin replaced", before).await;
    eve.post("lobby", "hello").await.unwrap();
}

#[tokio::test]
async fn a_quarantined_filter_lets_messages_pass_if_it_may() {
    let mut server = setup(&format!("{TABLE}on_fault = \"allow\"\n")).start().await;
    quarantine(&mut server).await;
    let mut eve = server.join_as("eve").await;
    eve.join("lobby").await;
    eve.post("lobby", "do trap, darn it").await.unwrap();
    // The filter after it still judges.
    assert_eq!(eve.expect_message().await, "do trap, **** it");
}

#[tokio::test]
async fn a_message_that_a_filter_fails_over_costs_its_sender_dear() {
    let server = setup(TABLE).start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let mut faults = 0;
    let refused = loop {
        let failure = ann.post("lobby", "do trap").await.unwrap_err();
        if failure.code() != "plugin_failed" {
            break failure;
        }
        faults += 1;
    };
    assert_eq!(refused.code(), "rate_limited");
    // Without that, the burst alone would be 200.
    assert!(faults < 100, "{faults} faults");
}

/// Has three people run into it.
async fn quarantine(server: &mut Server) {
    for name in ["ann", "bob", "cat"] {
        let mut client = server.join_as(name).await;
        client.join("lobby").await;
        assert_plugin_failed(client.post("lobby", "do trap").await);
    }
    let line = server.expect_output("quarantined for 30s").await;
    for part in ["plugin=hostile", "version=\"6.6.6\"", "export=\"message-filter\"", "trapped"] {
        assert!(line.contains(part), "{part} in: {line}");
    }
}
