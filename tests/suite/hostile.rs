//! A hostile plugin: its caller gets one clear error, everybody else is unaffected, and the log has the reason.

use serde_json::{Value, json};

use crate::harness::{Client, Failure, HOSTILE_GRANTS, Plugin, Server, Setup, database};

/// Small budgets, which are exceeded quickly, and enough memory for 100 MB.
const TABLE: &str = "[plugin.hostile]\nlimits = { filter_ms = 200, call_ms = 300, memory_mib = 160 }\n";

fn setup(table: &str) -> Setup {
    // Without the shipped guard: a guard that fails must not be saved by another.
    let setup = Setup::new()
        .replace("[log]", &format!("{table}{HOSTILE_GRANTS}\n[log]"))
        .replace("wrong_room_passwords_per_minute = 5", "wrong_room_passwords_per_minute = 100");
    setup.remove(Plugin::RoomPassword);
    setup.install(Plugin::Hostile, Plugin::Hostile.file_name());
    setup
}

const FAILED: &str = "plugin call failed: ";

/// Waits for a log line about the fault after `mark` that contains the reasons; late lines of earlier faults are skipped.
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

/// Checks that another user can post and call a command of another plugin.
async fn assert_goes_on(bob: &mut Client, what: &str) {
    bob.post("lobby", what).await.unwrap();
    while bob.expect_message().await != what {}
    bob.call("room.create", json!({"name": what})).await.unwrap();
}

/// Each deed, with what the log must contain.
const DEEDS: [(&str, &[&str]); 8] = [
    ("loop", &["it used up its"]),
    ("recurse", &["it recursed too deep", "as from recursing too deep"]),
    ("hoard", &["it asked for more memory than its 160 MiB"]),
    ("trap", &["it trapped: wasm"]),
    ("panic", &["told to panic"]),
    // It may not get as far as handing it over.
    ("huge", &["it trapped: ", "it asked for more memory than its 160 MiB", "it used up its"]),
    ("exit", &["it called `exit`"]),
    ("sleep", &["it would wait", "it was still waiting"]),
];

#[tokio::test]
async fn hostile_command_fails_for_its_caller_only() {
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
    // One person cannot cause a quarantine.
    ann.call("hostile.do", json!({})).await.unwrap();
}

#[tokio::test]
async fn hostile_filter_rejects_that_message_only() {
    // Slow filter calls count towards the sender's limit. All are caused by one person, since several would cause a quarantine.
    let setup = setup(TABLE).variable("NATTERJACK__LIMITS__COMMAND_BURST", "100000");
    let mut server = setup.start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    for (deed, reasons) in DEEDS {
        let before = server.mark();
        let posted = ann.send("message.post", json!({"room": "lobby", "body": format!("do {deed}")})).await;
        assert_goes_on(&mut bob, deed).await;
        assert_plugin_failed(ann.answer(posted).await);
        expect_fault(&mut server, before, "message-filter", reasons).await;
    }
    assert!(!bob.history("lobby").await.iter().any(|body| body.starts_with("do ")));
}

#[tokio::test]
async fn hostile_guard_admits_nobody() {
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
async fn flood_of_log_lines_is_truncated_and_reported() {
    let mut server = setup("[plugin.hostile]\nlimits = { call_ms = 20000 }\n").start().await;
    let mut ann = server.join_as("ann").await;
    ann.call("hostile.do", json!({"deed": "flood-log"})).await.unwrap();
    server.expect_output("too many log lines in one call").await;
    assert!(server.count_output("flood, line") <= 100);
}

#[tokio::test]
async fn hostile_observer_does_not_affect_chat() {
    let mut server = setup(TABLE).start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    for (deed, reasons) in DEEDS {
        let before = server.mark();
        ann.post("lobby", &format!("watch {deed}")).await.unwrap();
        assert_goes_on(&mut bob, deed).await;
        expect_fault(&mut server, before, "observer", reasons).await;
    }
    let said = DEEDS.iter().flat_map(|(deed, _)| [format!("watch {deed}"), (*deed).to_owned()]);
    assert_eq!(ann.history("lobby").await, said.collect::<Vec<_>>());
}

#[tokio::test]
async fn hostile_timer_does_not_block_others() {
    let mut server = setup(TABLE).start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    bob.join("lobby").await;
    let before = server.mark();
    for (deed, _) in DEEDS {
        ann.call("hostile.later", json!({"deed": deed})).await.unwrap();
    }
    for (deed, reasons) in DEEDS {
        expect_fault(&mut server, before, "timer", reasons).await;
        assert_goes_on(&mut bob, deed).await;
    }
}

#[tokio::test]
async fn excess_timers_are_refused_and_rolled_back() {
    let server = setup("[plugin.hostile]\nlimits = { call_ms = 20000 }\n").start().await;
    let mut ann = server.join_as("ann").await;
    let refused = ann.call("hostile.do", json!({"deed": "timers"})).await.unwrap_err();
    assert_eq!(refused.code(), "invalid");
    assert!(refused.message().contains("the number of changes in one call") && refused.message().contains("1000"));
    assert_eq!(ann.call("hostile.left", json!({})).await.unwrap()["timers"], 0);

    // Retrying does not help.
    for _ in 0..10 {
        ann.call("hostile.do", json!({"deed": "some-timers"})).await.unwrap();
    }
    let refused = ann.call("hostile.do", json!({"deed": "some-timers"})).await.unwrap_err();
    assert!(refused.message().contains("the number of this plugin's timers") && refused.message().contains("10000"));
}

/// Every function that a plugin can import.
const IMPORTS: [&str; 42] = [
    "log.write",
    "clock.now",
    "random.bytes",
    "directory.commands",
    "storage.get",
    "storage.put",
    "storage.delete",
    "storage.list",
    "accounts.get",
    "accounts.find",
    "rooms.get",
    "rooms.find",
    "rooms.get-member",
    "rooms.members",
    "rooms.muted-until",
    "rooms.guests",
    "rooms-admin.create-room",
    "rooms-admin.update-room",
    "rooms-admin.delete-room",
    "rooms-admin.invite",
    "rooms-admin.add-member",
    "rooms-admin.remove-member",
    "rooms-admin.set-role",
    "rooms-admin.ban",
    "rooms-admin.unban",
    "rooms-admin.mute",
    "rooms-admin.remove-guest",
    "rooms-admin.ban-guest",
    "rooms-admin.mute-guest",
    "rooms-admin.ban-origins",
    "rooms-admin.pardon-guests",
    "rooms-admin.allow-guests",
    "passwords.hash",
    "passwords.verify",
    "messages.history",
    "messages.post",
    "messages.delete",
    "push.send",
    "timers.set",
    "timers.cancel",
    "timers.list",
    "http.fetch",
];

#[test]
fn all_imports_of_the_contract_are_tested() {
    let contract = include_str!("../../plugin-sdk/wit/imports.wit");
    let mut interface = "";
    let mut found = Vec::new();
    for line in contract.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("interface ") {
            interface = name.trim_end_matches(" {");
        } else if let Some((name, _)) = line.split_once(": func(") {
            found.push(format!("{interface}.{}", name.trim_start_matches('%')));
        }
    }
    assert_eq!(found, IMPORTS);
}

#[tokio::test]
async fn flooding_an_import_is_bounded_by_the_plugins_own_budget() {
    let mut server = setup(TABLE).start().await;
    let (account, mut bob) = (server.sign_up("ann").await, server.join_as("bob").await);
    bob.join("lobby").await;
    let mut asked = Vec::new();
    for import in IMPORTS {
        let mut ann = server.log_in(&account).await;
        ann.join("lobby").await;
        let id = ann.send("hostile.pester", json!({"room": "lobby", "import": import})).await;
        asked.push((import, ann, id));
    }
    let before = server.count_output(FAILED);
    assert_goes_on(&mut bob, "meanwhile").await;
    for (import, mut ann, id) in asked {
        // Either it got through within its time, or it was stopped: both are one clear answer.
        let failure = ann.answer(id).await.unwrap_err();
        let through = failure.message().contains(&format!("called {import} 100000 times"));
        assert!(through || failure.code() == "plugin_failed", "{import}: {failure:?}");
    }
    server.expect_more_output(FAILED, before).await;
    let left = bob.call("hostile.left", json!({})).await.unwrap();
    assert_eq!(left, json!({"keys": 0, "timers": 0}));
    assert_eq!(bob.history("lobby").await, ["meanwhile"]);
    let rooms = bob.call("room.list", json!({})).await.unwrap();
    assert!(!rooms.to_string().contains("hostile"), "{rooms}");
}

#[tokio::test]
async fn hostile_slash_text_gets_one_answer() {
    let server = setup(TABLE).start().await;
    let account = server.sign_up("ann").await;
    let mut bob = server.join_as("bob").await;
    bob.join("lobby").await;
    let long = "x".repeat(3990);
    for text in [
        "/",
        "//",
        "/ do loop",
        "/do",
        "/do \"nothing",
        "/do \\",
        "/do nothing nothing",
        "/do {\"deed\":\"loop\"}",
        "/do \u{202e}nothing",
        "/do \u{0}",
        "/do ../../etc/passwd",
        "/do %00%s%n'; DROP TABLE users; --",
        "/DO nothing",
        "/d\u{f6}",
        "/\u{1f438}",
        "/hostile.do loop",
        "/kick \u{0}\r\n",
        "/topic \u{1b}[2J",
        "/remind 99999999999999999999d x",
        "/remind -1s x",
        "/roll 4294967296d4294967296",
        "/mute bob 1e999",
        "/me",
        &format!("/do {long}"),
        &format!("/{long}"),
        &format!("/remind 1d {long}"),
    ] {
        let mut ann = server.log_in(&account).await;
        ann.join("lobby").await;
        // An answer of either kind; and a clear one if it is no.
        if let Err(failure) = ann.post("lobby", text).await {
            assert!(!failure.message().is_empty(), "{text:?}: {failure:?}");
            let codes = ["bad_request", "invalid", "too_large", "not_found", "forbidden"];
            assert!(codes.contains(&failure.code()), "{text:?}: {failure:?}");
        }
        ann.settle().await;
    }
    assert_goes_on(&mut bob, "still here").await;
}

#[tokio::test]
async fn plugin_failing_three_users_is_quarantined_and_rejects_messages() {
    let mut server = setup(TABLE).start().await;
    quarantine(&mut server).await;
    let mut eve = server.join_as("eve").await;
    eve.join("lobby").await;
    let failure = eve.post("lobby", "hello").await.unwrap_err();
    assert_eq!(failure.code(), "unavailable");
    assert!(failure.message().contains("hostile"), "{failure:?}");
    assert_eq!(eve.call("hostile.do", json!({})).await.unwrap_err().code(), "unavailable");
    // Its guard admits nobody, and commands of other plugins still work.
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
async fn quarantined_filter_with_fail_open_lets_messages_pass() {
    let mut server = setup(&format!("{TABLE}on_fault = \"allow\"\n")).start().await;
    quarantine(&mut server).await;
    let mut eve = server.join_as("eve").await;
    eve.join("lobby").await;
    eve.post("lobby", "do trap, darn it").await.unwrap();
    // The next filter still runs.
    assert_eq!(eve.expect_message().await, "do trap, **** it");
}

#[tokio::test]
async fn filter_fault_counts_extra_towards_the_senders_limit() {
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

/// A server whose bot will be quarantined for its observer.
async fn bot() -> Server {
    let setup = Setup::new().configure(
        r#"
        [plugin.bot]
        grants = ["storage", "rooms", "messages", "push", "timers", "http"]
        settings = { commands = true, answers = { hello = "hi there" } }
        "#,
    );
    setup.install(Plugin::Bot, Plugin::Bot.file_name());
    setup.start().await
}

#[tokio::test]
async fn quarantined_observer_misses_events_and_its_timers_wait() {
    let mut server = bot().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    for name in ["bob", "cyd", "dan"] {
        let mut client = server.join_as(name).await;
        client.join("lobby").await;
        client.post("lobby", "trap").await.unwrap();
    }
    let line = server.expect_output("quarantined for 30s").await;
    assert!(line.contains("plugin=bot") && line.contains("export=\"observer\""), "{line}");
    ann.post("lobby", "hello").await.unwrap();
    // One of its timers comes due, and after that one of another plugin's, which is woken.
    database::execute(
        &server.setup().database_url(),
        "INSERT INTO timers (plugin, name, due_at, payload) SELECT 'bot', 'a', 1, \
         '{\"room\":\"' || uid || '\",\"text\":\"back again\",\"again\":0}' FROM rooms WHERE name = 'lobby'",
    )
    .await;
    ann.post("lobby", "/remind 1s tea").await.unwrap();
    server.expect_output("timers wait until quarantine is over").await;
    while ann.expect_message().await != "@ann: tea" {}
    assert_eq!(server.count_output("timer failed"), 0);

    // A new file is a new plugin, whose timers need not wait any more.
    let mut other = std::fs::read(Plugin::Bot.path()).unwrap();
    other.extend([0, 1, 0]);
    server.setup().install_bytes(Plugin::Bot.file_name(), &other);
    assert_eq!(ann.expect_message().await, "back again");
    assert_eq!(ann.history("lobby").await, ["trap", "trap", "trap", "hello", "@ann: tea", "back again"]);
    ann.post("lobby", "hello").await.unwrap();
    assert_eq!(ann.expect_message().await, "hello");
    assert_eq!(ann.expect_message().await, "hi there");
}

/// Has three people cause a fault.
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
