//! Administrators upload, roll back, configure, rename and remove the plugins of a running server.

use serde_json::{Value, json};

use crate::harness::{Client, HOSTILE_GRANTS, Plugin, Server, Setup, database};

const FILTER: &str = "/api/admin/plugins/word-filter";

fn file(plugin: Plugin) -> Vec<u8> {
    std::fs::read(plugin.path()).unwrap()
}

fn installed(server: &Server, plugin: Plugin) -> Option<Vec<u8>> {
    std::fs::read(server.path().join("plugins").join(plugin.file_name())).ok()
}

fn config_of(server: &Server) -> String {
    std::fs::read_to_string(server.path().join("config.toml")).unwrap()
}

/// Posts `darn` and returns the stored text, which shows the version that runs: the shipped filter masks it, the other does not.
async fn said(client: &mut Client) -> String {
    client.post("lobby", "darn").await.unwrap();
    client.expect_message().await
}

async fn somebody(server: &Server, name: &str) -> Client {
    let mut client = server.join_as(name).await;
    client.join("lobby").await;
    client
}

async fn status(server: &Server, token: &str, id: &str) -> Value {
    let (_, answer) = server.get("/api/admin/plugins", Some(token)).await;
    let plugins = answer["plugins"].as_array().unwrap_or_else(|| panic!("a list of plugins: {answer}"));
    plugins.iter().find(|plugin| plugin["id"] == id).cloned().unwrap_or_default()
}

#[tokio::test]
async fn plugin_is_replaced_and_rolled_back_while_people_chat() {
    let mut server = Server::start().await;
    let token = server.administrator("root").await.token;
    let mut ann = somebody(&server, "ann").await;
    assert_eq!(said(&mut ann).await, "****");
    let before = status(&server, &token, "word-filter").await;

    let (code, plugin) = server.put(FILTER, Some(&token), file(Plugin::NoAds)).await;
    assert_eq!((code, &plugin["state"]), (200, &json!("running")), "{plugin}");
    assert_ne!(plugin["sha256"], before["sha256"]);
    assert_eq!(said(&mut ann).await, "darn");
    assert_eq!(installed(&server, Plugin::WordFilter), Some(file(Plugin::NoAds)));
    let versions = plugin["versions"].as_array().unwrap();
    assert_eq!(
        versions.iter().map(|version| &version["sha256"]).collect::<Vec<_>>(),
        [&plugin["sha256"], &before["sha256"]]
    );
    assert_eq!((&versions[0]["running"], &versions[1]["running"]), (&json!(true), &json!(false)));

    // Kept versions survive a restart.
    server.stop().await;
    server.start_again().await;
    let mut ann = somebody(&server, "bob").await;
    let (code, plugin) = server.post(&format!("{FILTER}/rollback"), Some(&token), &json!({})).await;
    assert_eq!((code, &plugin["sha256"]), (200, &before["sha256"]), "{plugin}");
    assert_eq!(said(&mut ann).await, "****");
    assert_eq!(installed(&server, Plugin::WordFilter), Some(file(Plugin::WordFilter)));

    // Another rollback undoes that, and a version can be chosen by its hash.
    assert_eq!(server.post(&format!("{FILTER}/rollback"), Some(&token), &json!({})).await.0, 200);
    assert_eq!(said(&mut ann).await, "darn");
    let to = before["sha256"].as_str().unwrap();
    assert_eq!(server.post(&format!("{FILTER}/rollback?to={to}"), Some(&token), &json!({})).await.0, 200);
    assert_eq!(said(&mut ann).await, "****");
    let (code, answer) = server.post(&format!("{FILTER}/rollback?to=abc"), Some(&token), &json!({})).await;
    assert_eq!((code, &answer["error"]["code"]), (404, &json!("not_found")), "{answer}");
}

#[tokio::test]
async fn single_server_does_not_query_cluster_tables() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    database::execute(&server.setup().database_url(), "DROP TABLE plugin_set").await;
    database::execute(&server.setup().database_url(), "DROP TABLE plugin_set_version").await;
    let mut ann = somebody(&server, "ann").await;
    assert_eq!(server.put(FILTER, Some(&token), file(Plugin::NoAds)).await.0, 200);
    assert_eq!(server.post("/api/admin/plugins/reload", Some(&token), &json!({})).await.0, 200);
    assert_eq!(said(&mut ann).await, "darn");
    assert_eq!(server.post(&format!("{FILTER}/rollback"), Some(&token), &json!({})).await.0, 200);
    assert_eq!(said(&mut ann).await, "****");
    assert_eq!(server.post(&format!("{FILTER}/disable"), Some(&token), &json!({})).await.0, 200);
    assert_eq!(said(&mut ann).await, "darn");
    assert_eq!(server.delete(FILTER, Some(&token)).await.0, 200);
}

#[tokio::test]
async fn failing_upload_is_refused_and_previous_version_keeps_running() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    let mut ann = somebody(&server, "ann").await;
    let before = status(&server, &token, "word-filter").await;
    for (bytes, reason) in [
        (b"#!/bin/sh".to_vec(), "no WebAssembly file"),
        (b"\0asm\x01\0\0\0".to_vec(), "core module"),
        (b"\0asm\x0d\0\x01\0".to_vec(), "exports nothing"),
        (b"\0asm\x0d\0\x01\0\xff\xff".to_vec(), "cannot be compiled"),
        (file(Plugin::Hostile), "is not granted"),
        (file(Plugin::Slash), "is not granted"),
    ] {
        let (code, answer) = server.put(FILTER, Some(&token), bytes).await;
        assert_eq!((code, &answer["error"]["code"]), (400, &json!("invalid")), "{reason}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(reason), "{reason}: {answer}");
    }
    let (code, answer) = server.put(FILTER, Some(&token), vec![0; (20 << 20) + 1]).await;
    assert_eq!((code, &answer["error"]["code"]), (413, &json!("too_large")), "{answer}");
    for id in ["Shout", "a--b", "-a", "x.wasm"] {
        let (code, answer) = server
            .put(&format!("/api/admin/plugins/{}", id.replace('.', "%2E")), Some(&token), file(Plugin::NoAds))
            .await;
        assert_eq!(code, 400, "{id}: {answer}");
    }
    // The shipped plugin already has its only command.
    let (code, answer) = server.put("/api/admin/plugins/another", Some(&token), file(Plugin::Echo)).await;
    assert_eq!(code, 400, "{answer}");
    assert_eq!(status(&server, &token, "another").await, Value::Null);

    assert_eq!(said(&mut ann).await, "****");
    assert_eq!(installed(&server, Plugin::WordFilter), Some(file(Plugin::WordFilter)));
    let after = status(&server, &token, "word-filter").await;
    assert_eq!((&after["sha256"], &after["error"]), (&before["sha256"], &Value::Null));
}

#[tokio::test]
async fn plugin_is_added_removed_and_restored() {
    let server = Setup::bare().start().await;
    let token = server.administrator("root").await.token;
    let path = "/api/admin/plugins/no-ads";
    let (code, plugin) = server.put(path, Some(&token), file(Plugin::NoAds)).await;
    assert_eq!((code, &plugin["id"], &plugin["state"]), (200, &json!("no-ads"), &json!("running")), "{plugin}");
    let mut ann = somebody(&server, "ann").await;
    assert_eq!(ann.post("lobby", "a casino").await.unwrap_err().code(), "rejected");

    assert_eq!(server.delete(path, Some(&token)).await.0, 200);
    assert_eq!(status(&server, &token, "no-ads").await, Value::Null);
    assert_eq!(installed(&server, Plugin::NoAds), None);
    ann.post("lobby", "a casino").await.unwrap();
    assert_eq!(server.delete(path, Some(&token)).await.0, 404);

    assert_eq!(server.post(&format!("{path}/rollback"), Some(&token), &json!({})).await.0, 200);
    assert_eq!(ann.post("lobby", "a casino").await.unwrap_err().code(), "rejected");
    assert_eq!(server.post("/api/admin/plugins/nobody/rollback", Some(&token), &json!({})).await.0, 404);
}

#[tokio::test]
async fn replacing_disabled_plugin_keeps_it_disabled() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    assert_eq!(server.post(&format!("{FILTER}/disable"), Some(&token), &json!({})).await.0, 200);
    let (code, plugin) = server.put(FILTER, Some(&token), file(Plugin::NoAds)).await;
    assert_eq!((code, &plugin["state"]), (200, &json!("disabled")), "{plugin}");
    let (_, plugin) = server.post(&format!("{FILTER}/enable"), Some(&token), &json!({})).await;
    assert_eq!((&plugin["state"], plugin["versions"].as_array().unwrap().len()), (&json!("running"), 2), "{plugin}");
}

#[tokio::test]
async fn settings_are_saved_after_plugin_started_with_them() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    let mut ann = somebody(&server, "ann").await;
    let path = format!("{FILTER}/settings");
    let (code, answer) = server.get(&path, Some(&token)).await;
    assert_eq!((code, &answer["settings"]), (200, &json!({"words": ["darn"], "action": "mask"})));

    let before = config_of(&server);
    let (code, answer) = server.send("PUT", &path, Some(&token), &json!({"action": "shout"})).await;
    assert_eq!((code, &answer["error"]["code"]), (400, &json!("invalid")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("shout"), "its own words: {answer}");
    assert_eq!(config_of(&server), before);
    assert_eq!(said(&mut ann).await, "****");

    let new = json!({"words": ["heck"], "action": "mask"});
    let (code, plugin) = server.send("PUT", &path, Some(&token), &new).await;
    assert_eq!((code, &plugin["state"]), (200, &json!("running")), "{plugin}");
    assert_eq!(said(&mut ann).await, "darn");
    ann.post("lobby", "heck").await.unwrap();
    assert_eq!(ann.expect_message().await, "****");
    assert_eq!(server.get(&path, Some(&token)).await.1["settings"], new);
    let (before, after) = (before.lines().count(), config_of(&server).lines().count());
    assert_eq!(before, after, "everything else stays as its author left it");

    let (code, answer) = server.send("PUT", &path, Some(&token), &json!({"words": null})).await;
    assert_eq!(code, 400, "{answer}");
    let (code, _) = server.send("PUT", "/api/admin/plugins/nobody/settings", Some(&token), &json!({})).await;
    assert_eq!(code, 404);
}

#[tokio::test]
async fn plugin_calls_and_faults_are_counted() {
    let server = Setup::new().configure(&format!("[plugin.hostile]\n{HOSTILE_GRANTS}\n"));
    server.install(Plugin::Hostile, Plugin::Hostile.file_name());
    let server = server.start().await;
    let token = server.administrator("root").await.token;
    let mut ann = somebody(&server, "ann").await;
    for _ in 0..3 {
        said(&mut ann).await;
    }
    let filter = status(&server, &token, "word-filter").await;
    let calls = &filter["calls"];
    assert_eq!((&calls["count"], &calls["faults"]), (&json!(3), &json!(0)), "{filter}");
    assert!(calls["p50Ms"].as_f64().unwrap() > 0.0 && calls["p99Ms"].as_f64() >= calls["p50Ms"].as_f64(), "{calls}");
    assert!(filter["loadedAt"].is_string() && filter["errorAt"].is_null(), "{filter}");

    server.setup().install_bytes(Plugin::WordFilter.file_name(), b"\0asm no more");
    assert_eq!(server.post("/api/admin/plugins/reload", Some(&token), &json!({})).await.0, 200);
    let filter = status(&server, &token, "word-filter").await;
    assert!(filter["error"].is_string() && filter["errorAt"].is_string(), "{filter}");
    assert_eq!(filter["state"], "running", "the version before goes on");
}

#[tokio::test]
async fn plugin_commands_of_the_cli_match_rest() {
    let server = Server::start().await;
    let token = server.administrator("root").await.token;
    let mut ann = somebody(&server, "ann").await;
    let no_ads = Plugin::NoAds.path();
    let no_ads = no_ads.to_str().unwrap();
    let (done, told) = server.plugin_tool(&token, &["upload", no_ads, "--id", "word-filter"]).await;
    assert!(done && told.contains("word-filter") && told.contains("running"), "{told}");
    assert_eq!(said(&mut ann).await, "darn");
    let (done, told) = server.plugin_tool(&token, &["rollback", "word-filter"]).await;
    assert!(done, "{told}");
    assert_eq!(said(&mut ann).await, "****");

    let set = ["settings", "word-filter", "--set", r#"words=["heck"]"#, "--set", "action=mask"];
    let (done, told) = server.plugin_tool(&token, &set).await;
    assert!(done, "{told}");
    assert_eq!(said(&mut ann).await, "darn");
    let (done, told) = server.plugin_tool(&token, &["settings", "word-filter"]).await;
    assert!(done && told.contains("heck"), "{told}");
    let (done, told) = server.plugin_tool(&token, &["settings", "word-filter", "--set", "action=shout"]).await;
    assert!(!done && told.contains("shout"), "{told}");
    let (done, told) = server.plugin_tool(&token, &["settings", "word-filter", "--unset", "wrods"]).await;
    assert!(!done && told.contains("wrods") && told.contains("words"), "{told}");

    let slash = Plugin::Slash.path();
    let (done, told) = server.plugin_tool(&token, &["upload", slash.to_str().unwrap(), "--id", "word-filter"]).await;
    assert!(!done && told.contains("is not granted"), "{told}");
    let (done, told) = server.plugin_tool(&token, &["remove", "word-filter"]).await;
    assert!(done, "{told}");
    assert_eq!(installed(&server, Plugin::WordFilter), None);
}

#[tokio::test]
async fn renamed_plugin_keeps_its_storage_timers_account_and_table() {
    let table = r#"
        [plugin.bot]
        grants = ["storage", "rooms", "messages", "push", "timers", "http"]
        settings = { commands = true }
    "#;
    let setup = Setup::new().configure(table);
    setup.install(Plugin::Bot, "bot.wasm");
    let server = setup.start().await;
    let token = server.administrator("root").await.token;
    let mut ann = somebody(&server, "ann").await;
    ann.call("bot.say", json!({"room": "lobby", "text": "one"})).await.unwrap();
    assert_eq!(ann.expect_message().await, "one");
    let before = ann.call("bot.said", json!({})).await.unwrap();

    let (done, told) = server.plugin_tool(&token, &["rename", "bot", "word-filter"]).await;
    assert!(!done && told.contains("there is a plugin by the name of word-filter already"), "{told}");
    let (done, told) = server.plugin_tool(&token, &["rename", "nobody", "other"]).await;
    assert!(!done, "{told}");
    let (done, told) = server.plugin_tool(&token, &["rename", "bot", "crier"]).await;
    assert!(done && told.contains("crier") && told.contains("running"), "{told}");

    assert_eq!(ann.call("bot.said", json!({})).await.unwrap(), before);
    ann.call("reminder.set", json!({"room": "lobby", "in_s": 2, "text": "tea"})).await.unwrap();
    let (done, told) = server.plugin_tool(&token, &["rename", "slash", "words"]).await;
    assert!(done, "{told}");
    while ann.expect_message().await != "@ann: tea" {}
    let config = config_of(&server);
    assert!(config.contains("[plugin.crier]") && !config.contains("[plugin.bot]"), "{config}");
    assert!(!server.path().join("plugins/bot.wasm").exists());
    let status = status(&server, &token, "crier").await;
    assert_eq!(status["versions"].as_array().unwrap().len(), 1, "{status}");
    ann.call("bot.say", json!({"room": "lobby", "text": "three"})).await.unwrap();
    assert_eq!(ann.expect_message().await, "three");
    let history = ann.call("room.history", json!({"room": "lobby"})).await.unwrap();
    assert!(!history.to_string().contains("plugin:bot"), "its account was renamed: {history}");
}

/// The states after each step of a rename: the process may end after any of them.
#[tokio::test]
async fn interrupted_rename_is_finished_at_the_next_start() {
    let table = r#"
        [plugin.bot]
        grants = ["storage", "rooms", "messages", "push", "timers", "http"]
        settings = { commands = true }
    "#;
    for steps in 0..4 {
        let setup = Setup::new().configure(table);
        setup.install(Plugin::Bot, "bot.wasm");
        let mut server = setup.start().await;
        let token = server.administrator("root").await.token;
        let before = {
            let mut ann = somebody(&server, "ann").await;
            ann.call("bot.say", json!({"room": "lobby", "text": "one"})).await.unwrap();
            ann.call("bot.said", json!({})).await.unwrap()
        };
        server.kill().await;
        let path = server.path().to_owned();
        std::fs::write(path.join("data/plugin-rename.json"), r#"{"from":"bot","to":"crier"}"#).unwrap();
        if steps > 0 {
            // The statements that the manual gives to operators of a cluster.
            let statements = include_str!("../../docs/operate.md").lines().map(str::trim);
            let statements: Vec<_> = statements.filter(|line| line.ends_with("WHERE plugin = 'OLD';")).collect();
            assert_eq!(statements.len(), 3);
            for statement in statements {
                let statement = statement.replace("OLD", "bot").replace("NEW", "crier");
                database::execute(&server.setup().database_url(), statement.leak()).await;
            }
        }
        if steps > 1 {
            std::fs::rename(path.join("plugins/bot.wasm"), path.join("plugins/crier.wasm")).unwrap();
        }
        if steps > 2 {
            let config = config_of(&server).replace("[plugin.bot]", "[plugin.crier]");
            std::fs::write(path.join("config.toml"), config).unwrap();
        }
        server.start_again().await;
        let config = config_of(&server);
        assert!(config.contains("[plugin.crier]") && !config.contains("[plugin.bot]"), "{steps}: {config}");
        assert!(!path.join("plugins/bot.wasm").exists() && path.join("plugins/crier.wasm").exists(), "{steps}");
        assert!(!path.join("data/plugin-rename.json").exists(), "{steps}");
        assert_eq!(status(&server, &token, "crier").await["state"], "running", "{steps}");
        let mut bob = somebody(&server, "bob").await;
        assert_eq!(bob.call("bot.said", json!({})).await.unwrap(), before, "{steps}");
        server.stop().await;
    }
}

#[tokio::test]
async fn plugin_changes_need_an_administrator() {
    let server = Server::start().await;
    let bob = server.sign_up("bob").await;
    let settings = format!("{FILTER}/settings");
    for (token, code) in [(None, 401), (Some(&*bob.token), 403)] {
        assert_eq!(server.put(FILTER, token, file(Plugin::NoAds)).await.0, code);
        assert_eq!(server.delete(FILTER, token).await.0, code);
        assert_eq!(server.post(&format!("{FILTER}/rollback"), token, &json!({})).await.0, code);
        assert_eq!(server.get(&settings, token).await.0, code);
        assert_eq!(server.send("PUT", &settings, token, &json!({})).await.0, code);
    }
    assert_eq!(installed(&server, Plugin::WordFilter), Some(file(Plugin::WordFilter)));
}
