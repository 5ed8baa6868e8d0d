//! Administration of a running server's plugins, over REST and from the command line.

use serde_json::{Value, json};

use crate::harness::{Plugin, Server, Setup};

async fn administrator(server: &Server, name: &str) -> String {
    server.administrator(name).await.token
}

async fn tool(server: &Server, token: &str, args: &[&str]) -> (bool, String) {
    server.plugin_tool(token, args).await
}

fn plugin<'a>(answer: &'a Value, id: &str) -> &'a Value {
    let plugins = answer["plugins"].as_array().unwrap_or_else(|| panic!("a list of plugins: {answer}"));
    plugins.iter().find(|plugin| plugin["id"] == id).unwrap_or_else(|| panic!("{id} in {answer}"))
}

fn config_of(server: &Server) -> String {
    std::fs::read_to_string(server.path().join("config.toml")).unwrap()
}

#[tokio::test]
async fn plugin_list_shows_commands_and_grants() {
    let server = Server::start().await;
    let token = administrator(&server, "ann").await;
    let (_, answer) = server.get("/api/admin/plugins", Some(&token)).await;
    let groups = plugin(&answer, "groups");
    assert!(groups["commands"].as_array().unwrap().contains(&json!("room.create")), "{groups}");
    assert!(groups["grants"]["asked"].as_array().unwrap().contains(&json!("rooms-admin")), "{groups}");
    assert!(groups["grants"]["given"].as_array().unwrap().contains(&json!("rooms-admin")), "{groups}");
}

#[tokio::test]
async fn plugin_list_shows_running_and_failed_plugins() {
    let setup =
        Setup::new().replace(r#"grants = ["accounts", "rooms", "rooms-admin"]"#, r#"grants = ["accounts", "rooms"]"#);
    let server = setup.start().await;
    let token = administrator(&server, "ann").await;
    let (status, answer) = server.get("/api/admin/plugins", Some(&token)).await;
    assert_eq!(status, 200, "{answer}");

    let filter = plugin(&answer, "word-filter");
    assert_eq!((&filter["state"], &filter["order"], &filter["error"]), (&json!("running"), &json!(10), &Value::Null));
    assert!(filter["hooks"].as_array().unwrap().contains(&json!("message-filter")), "{filter}");
    assert_eq!(filter["sha256"].as_str().unwrap().len(), 64);
    assert!(filter["version"].is_string() && filter["summary"].is_string(), "{filter}");

    let groups = plugin(&answer, "groups");
    assert_eq!((&groups["state"], &groups["grants"]["given"]), (&json!("failed"), &json!(["accounts", "rooms"])));
    assert!(groups["error"].as_str().unwrap().contains("rooms-admin"), "{groups}");

    let (done, said) = tool(&server, &token, &["list"]).await;
    assert!(done, "{said}");
    for told in ["word-filter", "running", "failed", r#"grants = ["accounts", "rooms", "rooms-admin"]"#] {
        assert!(said.contains(told), "{told} in:\n{said}");
    }
}

#[tokio::test]
async fn plugin_routes_refuse_non_administrators() {
    let server = Server::start().await;
    let bob = server.sign_up("bob").await;
    let before = config_of(&server);
    for path in ["", "/word-filter/logs"] {
        let path = format!("/api/admin/plugins{path}");
        assert_eq!(server.get(&path, None).await.0, 401, "{path}");
        let (status, answer) = server.get(&path, Some(&bob.token)).await;
        assert_eq!((status, &answer["error"]["code"]), (403, &json!("forbidden")), "{path}");
    }
    for path in ["/reload", "/word-filter/enable", "/word-filter/disable"] {
        let path = format!("/api/admin/plugins{path}");
        assert_eq!(server.post(&path, None, &json!({})).await.0, 401, "{path}");
        assert_eq!(server.post(&path, Some(&bob.token), &json!({})).await.0, 403, "{path}");
    }
    assert_eq!(config_of(&server), before);
    let (done, said) = tool(&server, &bob.token, &["disable", "word-filter"]).await;
    assert!(!done && said.contains("administrators"), "{said}");

    // A former administrator is refused at once.
    let token = administrator(&server, "ann").await;
    assert_eq!(server.get("/api/admin/plugins", Some(&token)).await.0, 200);
    assert!(server.setup().command(&["user", "admin", "ann", "--off"]).output().await.unwrap().status.success());
    assert_eq!(server.get("/api/admin/plugins", Some(&token)).await.0, 403);
}

#[tokio::test]
async fn plugin_is_disabled_and_enabled_in_config_toml_while_people_chat() {
    let mut server = Server::start().await;
    let token = administrator(&server, "ann").await;
    let mut bob = server.join_as("bob").await;
    bob.join("lobby").await;
    let before = config_of(&server);

    let (status, answer) = server.post("/api/admin/plugins/word-filter/disable", Some(&token), &json!({})).await;
    assert_eq!((status, &answer["state"]), (200, &json!("disabled")), "{answer}");
    bob.post("lobby", "darn").await.unwrap();
    assert_eq!(bob.expect_message().await, "darn");
    let off = config_of(&server);
    let without: Vec<&str> = off.lines().filter(|line| *line != "enabled = false").collect();
    assert_eq!(without, before.lines().collect::<Vec<_>>(), "everything else stays, comments too");
    assert_eq!(off.lines().count(), before.lines().count() + 1);

    // The next start follows the file.
    server.stop().await;
    server.start_again().await;
    let mut bob = server.join_as("bill").await;
    bob.join("lobby").await;
    bob.post("lobby", "darn").await.unwrap();
    assert_eq!(bob.expect_message().await, "darn");

    let (done, said) = tool(&server, &token, &["enable", "word-filter"]).await;
    assert!(done && said.contains("running"), "{said}");
    bob.post("lobby", "darn").await.unwrap();
    assert_eq!(bob.expect_message().await, "****");

    let (status, answer) = server.post("/api/admin/plugins/nobody/enable", Some(&token), &json!({})).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn enabling_plugin_without_configuration_file_is_refused() {
    let mut server = Server::start().await;
    let token = administrator(&server, "ann").await;
    server.stop().await;
    std::fs::remove_file(server.path().join("config.toml")).unwrap();
    server.start_again().await;
    let (status, answer) = server.post("/api/admin/plugins/word-filter/disable", Some(&token), &json!({})).await;
    assert_eq!(status, 400);
    assert!(answer["error"]["message"].as_str().unwrap().contains("config.toml"), "{answer}");
    assert_eq!(server.post("/api/admin/plugins/reload", Some(&token), &json!({})).await.0, 200);
}

#[tokio::test]
async fn reload_reads_folder_and_settings_or_reports_faults() {
    let server = Setup::bare().start().await;
    let token = administrator(&server, "ann").await;
    server.setup().install(Plugin::NoAds, Plugin::NoAds.file_name());
    let (status, answer) = server.post("/api/admin/plugins/reload", Some(&token), &json!({})).await;
    assert_eq!((status, &plugin(&answer, "no-ads")["state"]), (200, &json!("running")));

    server.write_config(|text| format!("{text}\n[plugin.no-ads]\ngrants = [\"root\"]\n"));
    let (status, answer) = server.post("/api/admin/plugins/reload", Some(&token), &json!({})).await;
    assert_eq!(status, 400);
    assert!(answer["error"]["message"].as_str().unwrap().contains("plugin.no-ads.grants"), "{answer}");
    let (done, said) = tool(&server, &token, &["disable", "no-ads"]).await;
    assert!(!done && said.contains("plugin.no-ads.grants"), "{said}");
}

#[tokio::test]
async fn plugin_logs_show_its_history() {
    let server = Server::start().await;
    let token = administrator(&server, "ann").await;
    server.setup().install_bytes(Plugin::WordFilter.file_name(), b"\0asm no more");
    assert_eq!(server.post("/api/admin/plugins/reload", Some(&token), &json!({})).await.0, 200);

    let (done, said) = tool(&server, &token, &["logs", "word-filter"]).await;
    assert!(done, "{said}");
    assert!(said.contains("plugin loaded") && said.contains("ERROR") && said.contains("not replaced"), "{said}");
    assert!(!said.contains("groups"), "{said}");

    let (_, answer) = server.get("/api/admin/plugins/word-filter/logs?lines=1", Some(&token)).await;
    let lines = answer["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 1);
    let after = format!("/api/admin/plugins/word-filter/logs?after={}", lines[0]["seq"]);
    assert_eq!(server.get(&after, Some(&token)).await.1, json!({"lines": []}));
    assert_eq!(server.get("/api/admin/plugins/nobody/logs", Some(&token)).await.0, 404);
}

#[tokio::test]
async fn plugin_tools_explain_how_to_reach_a_server() {
    let setup = Setup::bare();
    let nobody = setup.command(&["plugin", "list"]).env_remove("NATTERJACK_TOKEN").output().await.unwrap();
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("natterjack user token"), "{nobody:?}");
    let args = ["plugin", "list", "--token", "x", "--url", "http://127.0.0.1:1"];
    let nowhere = setup.command(&args).output().await.unwrap();
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("127.0.0.1:1"), "{nowhere:?}");
}
