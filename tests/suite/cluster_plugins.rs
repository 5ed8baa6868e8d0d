//! All nodes of a cluster run the same plugins, wherever they were changed.

use serde_json::{Value, json};
use xtask::postgres::Postgres;

use crate::harness::{Client, Cluster, PATIENCE, Plugin, Server, Setup};

const FILTER: &str = "/api/admin/plugins/word-filter";

fn file(plugin: Plugin) -> Vec<u8> {
    std::fs::read(plugin.path()).unwrap()
}

async fn somebody(server: &Server, name: &str) -> Client {
    let mut client = server.join_as(name).await;
    client.join("lobby").await;
    client
}

/// The stored text of a post, or the code of its refusal.
async fn said(client: &mut Client, body: &str) -> String {
    match client.post("lobby", body).await {
        Ok(answer) => stored(client, &answer["seq"]).await,
        Err(failure) => failure.code().to_owned(),
    }
}

async fn stored(client: &mut Client, seq: &Value) -> String {
    let page = client.call("room.history", json!({"room": "lobby", "limit": 200})).await.unwrap();
    let messages = page["messages"].as_array().unwrap();
    let message = messages.iter().find(|message| message["seq"] == *seq).expect("what was acknowledged is there");
    message["body"].as_str().unwrap().to_owned()
}

async fn status(server: &Server, token: &str, id: &str) -> Value {
    let (_, answer) = server.get("/api/admin/plugins", Some(token)).await;
    let plugins = answer["plugins"].as_array().unwrap_or_else(|| panic!("a list of plugins: {answer}"));
    plugins.iter().find(|plugin| plugin["id"] == id).cloned().unwrap_or_default()
}

/// Polls until a plugin's status is as wanted: the status may follow the log line with a delay.
async fn expect_status(server: &Server, token: &str, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let asked = async {
        while !wanted(&last) {
            last = status(server, token, id).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, asked).await.is_ok();
    assert!(waited, "{last}");
    last
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn upload_and_rollback_apply_on_all_nodes() {
    let cluster = Cluster::start().await;
    let (mut first, mut second) = (cluster.start_node("first").await, cluster.start_node("second").await);
    let token = first.administrator("root").await.token;
    let (mut ann, mut bob) = (somebody(&first, "ann").await, somebody(&second, "bob").await);
    assert_eq!(said(&mut ann, "darn").await, "****");
    assert_eq!(said(&mut bob, "darn").await, "****");

    let mark = second.mark();
    let (code, plugin) = first.put(FILTER, Some(&token), file(Plugin::NoAds)).await;
    assert_eq!((code, &plugin["state"]), (200, &json!("running")), "{plugin}");
    assert_eq!(said(&mut ann, "darn").await, "darn", "in force with the answer");
    second.expect_after(mark, "that it has the new version", |line| line.contains("plugin replaced")).await;
    assert_eq!(said(&mut bob, "darn").await, "darn");
    let there = expect_status(&second, &token, "word-filter", |there| there["sha256"] == plugin["sha256"]).await;
    assert_eq!(there["versions"], plugin["versions"]);
    let own = std::fs::read(first.path().join("plugins/word-filter.wasm")).unwrap();
    assert_eq!(own, file(Plugin::WordFilter), "the operator's folder stays as it is");

    // Also on a node that never ran the former version.
    let mut third = cluster.start_node("third").await;
    let mut cid = somebody(&third, "cid").await;
    assert_eq!(said(&mut cid, "darn").await, "darn", "who starts later has it too");
    let marks = (first.mark(), second.mark());
    let (code, plugin) = third.post(&format!("{FILTER}/rollback"), Some(&token), &json!({})).await;
    assert_eq!(code, 200, "{plugin}");
    assert_eq!(said(&mut cid, "darn").await, "****");
    first.expect_after(marks.0, "that it went back", |line| line.contains("plugin replaced")).await;
    second.expect_after(marks.1, "that it went back", |line| line.contains("plugin replaced")).await;
    assert_eq!(said(&mut ann, "darn").await, "****");
    assert_eq!(said(&mut bob, "darn").await, "****");

    // The shared state survives restarts of all nodes.
    let marks = (first.mark(), second.mark());
    let to = plugin["versions"][1]["sha256"].as_str().unwrap().to_owned();
    let (code, plugin) = second.post(&format!("{FILTER}/rollback?to={to}"), Some(&token), &json!({})).await;
    assert_eq!(code, 200, "{plugin}");
    first.expect_after(marks.0, "that it went back", |line| line.contains("plugin replaced")).await;
    third.stop().await;
    third.start_again().await;
    let mut dan = somebody(&third, "dan").await;
    assert_eq!(said(&mut dan, "darn").await, "darn");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn settings_and_enabled_flag_apply_on_all_nodes() {
    let cluster = Cluster::start().await;
    let (mut first, mut second) = (cluster.start_node("first").await, cluster.start_node("second").await);
    let token = first.administrator("root").await.token;
    let (mut ann, mut bob) = (somebody(&first, "ann").await, somebody(&second, "bob").await);
    let settings = format!("{FILTER}/settings");
    let config = std::fs::read_to_string(first.path().join("config.toml")).unwrap();

    let (code, answer) = first.send("PUT", &settings, Some(&token), &json!({"action": "shout"})).await;
    assert_eq!((code, &answer["error"]["code"]), (400, &json!("invalid")), "{answer}");
    let mark = second.mark();
    let new = json!({"words": ["heck"], "action": "mask"});
    assert_eq!(first.send("PUT", &settings, Some(&token), &new).await.0, 200);
    assert_eq!(said(&mut ann, "darn heck").await, "darn ****");
    second.expect_after(mark, "that it has the settings", |line| line.contains("plugin replaced")).await;
    assert_eq!(said(&mut bob, "darn heck").await, "darn ****");
    assert_eq!(second.get(&settings, Some(&token)).await.1["settings"], new);

    let mark = first.mark();
    assert_eq!(second.post(&format!("{FILTER}/disable"), Some(&token), &json!({})).await.0, 200);
    first.expect_after(mark, "that it is off", |line| line.contains("plugin unloaded")).await;
    assert_eq!(said(&mut ann, "heck").await, "heck");
    expect_status(&first, &token, "word-filter", |here| here["state"] == "disabled").await;

    // Replaced while it is off, and on again with the settings that it had.
    assert_eq!(first.put(FILTER, Some(&token), file(Plugin::WordFilter)).await.0, 200);
    let mark = second.mark();
    assert_eq!(first.post(&format!("{FILTER}/enable"), Some(&token), &json!({})).await.0, 200);
    second.expect_after(mark, "that it is on", |line| line.contains("plugin loaded")).await;
    assert_eq!(said(&mut bob, "darn heck").await, "darn ****");
    assert_eq!(std::fs::read_to_string(first.path().join("config.toml")).unwrap(), config);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn removed_plugin_is_gone_on_all_nodes_until_restored() {
    let cluster = Cluster::start().await;
    let (mut first, mut second) = (cluster.start_node("first").await, cluster.start_node("second").await);
    let token = first.administrator("root").await.token;
    let mark = second.mark();
    assert_eq!(first.delete(FILTER, Some(&token)).await.0, 200);
    second.expect_after(mark, "that it is gone", |line| line.contains("plugin unloaded")).await;
    assert_eq!(second.delete(FILTER, Some(&token)).await.0, 404);

    second.stop().await;
    second.start_again().await;
    let mut bob = somebody(&second, "bob").await;
    assert_eq!(said(&mut bob, "darn").await, "darn");
    assert_eq!(status(&second, &token, "word-filter").await, Value::Null);

    let mark = first.mark();
    let (code, answer) = second.put(FILTER, Some(&token), file(Plugin::WordFilter)).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(said(&mut bob, "darn").await, "****");
    first.expect_after(mark, "that it is back", |line| line.contains("plugin loaded")).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn node_that_cannot_load_a_version_keeps_the_previous_one() {
    let cluster = Cluster::start().await;
    let first = cluster.start_node("first").await;
    let token = first.administrator("root").await.token;
    let sha256 = status(&first, &token, "word-filter").await["sha256"].as_str().unwrap().to_owned();
    let pinned = Setup::new().replace("[plugin.word-filter]", &format!("[plugin.word-filter]\nsha256 = \"{sha256}\""));
    let mut second = cluster.node("second", pinned).start().await;

    let mark = second.mark();
    assert_eq!(first.put(FILTER, Some(&token), file(Plugin::NoAds)).await.0, 200);
    second.expect_after(mark, "that it refuses", |line| line.contains("previous version keeps running")).await;
    let mut bob = somebody(&second, "bob").await;
    assert_eq!(said(&mut bob, "darn").await, "****");
    let there = expect_status(&second, &token, "word-filter", |there| there["error"].is_string()).await;
    assert_eq!((&there["state"], &there["sha256"]), (&json!("running"), &json!(sha256)));
    assert!(there["error"].as_str().unwrap().contains("pinned"), "{there}");
    expect_cluster(&first, "converging").await;

    let mark = second.mark();
    assert_eq!(first.post(&format!("{FILTER}/rollback"), Some(&token), &json!({})).await.0, 200);
    second.expect_after(mark, "that it agrees", |line| line.contains("plugin replaced")).await;
    expect_cluster(&first, "they run the same plugins").await;
}

/// Polls `natterjack cluster status`: nodes write their status to the database at intervals.
async fn expect_cluster(node: &Server, wanted: &str) {
    let mut said = String::new();
    let asked = async {
        while !said.contains(wanted) {
            let output = node.setup().command(&["cluster", "status"]).output().await.unwrap();
            said = String::from_utf8(output.stdout).unwrap();
        }
    };
    let waited = tokio::time::timeout(PATIENCE, asked).await.is_ok();
    assert!(waited, "it never said `{wanted}`, but\n{said}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn concurrent_changes_converge() {
    let cluster = Cluster::start().await;
    let (first, second) = (cluster.start_node("first").await, cluster.start_node("second").await);
    let token = first.administrator("root").await.token;
    let off = format!("{FILTER}/disable");
    for _ in 0..3 {
        let no_body = json!({});
        let (one, other, switched) = tokio::join!(
            first.put(FILTER, Some(&token), file(Plugin::NoAds)),
            second.put(FILTER, Some(&token), file(Plugin::WordFilter)),
            second.post(&off, Some(&token), &no_body),
        );
        assert_eq!((one.0, other.0, switched.0), (200, 200, 200), "{one:?} {other:?} {switched:?}");
        let enabled = first.post(&format!("{FILTER}/enable"), Some(&token), &json!({})).await;
        assert_eq!(enabled.0, 200, "{enabled:?}");
        // Both nodes apply the last change of each.
        let here = expect_status(&first, &token, "word-filter", |here| here["state"] == "running").await;
        expect_status(&second, &token, "word-filter", |there| there["sha256"] == here["sha256"]).await;
    }
    expect_cluster(&first, "they run the same plugins").await;
}

/// A node that distributes its plugins to the others.
fn giver(cluster: &Cluster, setup: Setup) -> Setup {
    cluster.node("giver", setup).variable("NATTERJACK__CLUSTER__DISTRIBUTE", "true")
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn distributing_node_shares_its_folder_and_grants() {
    let cluster = Cluster::start().await;
    let mut taker = cluster.node("taker", Setup::bare()).start().await;
    let setup = Setup::bare();
    setup.install(Plugin::WordFilter, "word-filter.wasm");
    let mut giver = giver(&cluster, setup).start().await;
    taker.expect_output("plugin loaded").await;
    let mut bob = somebody(&taker, "bob").await;
    assert_eq!(said(&mut bob, "darn").await, "****", "what lay there at the start");

    // Not granted by the administrator, and so not distributed.
    giver.setup().install(Plugin::Bot, "bot.wasm");
    giver.expect_output("not distributed to cluster").await;
    let mark = taker.mark();
    giver.write_config(|text| {
        let grants = r#"grants = ["storage", "rooms", "messages", "push", "timers", "http"]"#;
        format!("{text}\n[plugin.bot]\n{grants}\nsettings = {{ commands = true }}\n")
    });
    let bot = |line: &str| line.contains("plugin loaded") && line.contains("bot");
    taker.expect_after(mark, "that it has the bot", bot).await;
    bob.call("bot.say", json!({"room": "lobby", "text": "here I am"})).await.unwrap();

    // The newest of the administrator's and the configuration's settings wins.
    let token = taker.administrator("root").await.token;
    assert_eq!(taker.post("/api/admin/plugins/bot/disable", Some(&token), &json!({})).await.0, 200);
    giver.expect_output("plugin unloaded").await;
    let mark = taker.mark();
    giver.write_config(|text| text.replace("[plugin.bot]", "[plugin.bot]\norder = 7"));
    taker.expect_after(mark, "that it has the bot again", bot).await;
    expect_status(&taker, &token, "bot", |bot| bot["order"] == 7).await;

    let mark = taker.mark();
    giver.setup().install(Plugin::NoAds, "word-filter.wasm");
    taker.expect_after(mark, "that it was replaced", |line| line.contains("plugin replaced")).await;
    assert_eq!(said(&mut bob, "a casino").await, "rejected");
    let mark = taker.mark();
    giver.setup().remove(Plugin::WordFilter);
    taker.expect_after(mark, "that it is gone", |line| line.contains("plugin unloaded")).await;
    assert_eq!(said(&mut bob, "a casino").await, "a casino");

    // Plugins that it distributed and no longer has are removed, also at its start.
    assert_eq!(status(&taker, &token, "bot").await["grants"]["given"].as_array().unwrap().len(), 6);
    giver.stop().await;
    giver.write_config(|text| text.split("\n[plugin.bot]").next().unwrap().to_owned());
    giver.start_again().await;
    expect_status(&taker, &token, "bot", |bot| bot["grants"]["given"] == json!([])).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn newer_upload_replaces_file_of_distributing_node() {
    let cluster = Cluster::start().await;
    let mut giver = giver(&cluster, Setup::new()).start().await;
    let token = giver.administrator("root").await.token;
    assert_eq!(giver.put(FILTER, Some(&token), file(Plugin::NoAds)).await.0, 200);
    giver.stop().await;
    giver.start_again().await;
    let mut ann = somebody(&giver, "ann").await;
    assert_eq!(said(&mut ann, "a casino").await, "rejected");
    // A file that was put there later is newer.
    giver.stop().await;
    giver.setup().install(Plugin::WordFilter, "word-filter.wasm");
    giver.start_again().await;
    let mut ann = somebody(&giver, "bob").await;
    assert_eq!(said(&mut ann, "darn").await, "****");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn new_version_reaches_all_nodes_without_nats() {
    let mut cluster = Cluster::start().await;
    let first = cluster.start_node("first").await;
    let token = first.administrator("root").await.token;
    cluster.nats.stop().await;
    let mut second = cluster.start_node("second").await;
    let mark = second.mark();
    assert_eq!(first.put(FILTER, Some(&token), file(Plugin::NoAds)).await.0, 200);
    second.expect_after(mark, "that it was replaced", |line| line.contains("plugin replaced")).await;
    cluster.nats.start_again().await;
    let mark = second.mark();
    assert_eq!(first.post(&format!("{FILTER}/rollback"), Some(&token), &json!({})).await.0, 200);
    second.expect_after(mark, "that it went back", |line| line.contains("plugin replaced")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn plugins_keep_running_during_postgresql_outage_and_converge_afterwards() {
    let postgres = Postgres::start().unwrap();
    let cluster = Cluster::on(&postgres.url()).await;
    let (first, mut second) = (cluster.start_node("first").await, cluster.start_node("second").await);
    let token = first.administrator("root").await.token;
    let mark = second.mark();
    assert_eq!(first.put(FILTER, Some(&token), file(Plugin::NoAds)).await.0, 200);
    second.expect_after(mark, "that it was replaced", |line| line.contains("plugin replaced")).await;
    let mut bob = somebody(&second, "bob").await;
    assert_eq!(said(&mut bob, "a casino").await, "rejected");
    let before = status(&second, &token, "word-filter").await;

    postgres.crash().unwrap();
    second.expect_output("cannot read cluster plugins").await;
    postgres.start_again().unwrap();
    second.expect_output("cluster plugins readable again").await;
    let after = status(&second, &token, "word-filter").await;
    assert_eq!((&after["state"], &after["loadedAt"]), (&json!("running"), &before["loadedAt"]));
    let mark = second.mark();
    assert_eq!(first.post(&format!("{FILTER}/rollback"), Some(&token), &json!({})).await.0, 200);
    second.expect_after(mark, "that it went back", |line| line.contains("plugin replaced")).await;
    assert_eq!(said(&mut bob, "darn").await, "****");
}

/// Posts texts that only one of the two versions changes, until `enough`; returns the outcomes.
async fn talk(mut client: Client, mut enough: tokio::sync::watch::Receiver<bool>) -> Vec<String> {
    let mut outcomes = Vec::new();
    let mut seqs = Vec::new();
    while !*enough.borrow_and_update() {
        match client.post("lobby", "darn casino").await {
            Ok(answer) => seqs.push(answer["seq"].as_u64().unwrap()),
            Err(failure) => outcomes.push(failure.code().to_owned()),
        }
    }
    for seq in seqs {
        let page = json!({"room": "lobby", "limit": 1, "before": seq + 1});
        let page = client.call("room.history", page).await.unwrap();
        let message = &page["messages"][0];
        assert_eq!(message["seq"], seq, "what was acknowledged is there");
        outcomes.push(message["body"].as_str().unwrap().to_owned());
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn filter_replaced_on_three_nodes_applies_exactly_one_version_per_post() {
    let cluster = Cluster::start().await;
    let unlimited = || Setup::new().replace("commands_per_second = 20", "commands_per_second = 100000");
    let mut nodes = Vec::new();
    for name in ["first", "second", "third"] {
        nodes.push(cluster.node(name, unlimited()).start().await);
    }
    let token = nodes[0].administrator("root").await.token;
    let (enough, told) = tokio::sync::watch::channel(false);
    let mut talking = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        talking.push(tokio::spawn(talk(somebody(node, &format!("p{n}")).await, told.clone())));
    }
    for _ in 0..2 {
        for (path, bytes) in [(FILTER.to_owned(), file(Plugin::NoAds)), (FILTER.to_owned(), file(Plugin::WordFilter))] {
            let marks: Vec<usize> = nodes.iter().map(Server::mark).collect();
            assert_eq!(nodes[1].put(&path, Some(&token), bytes).await.0, 200);
            for (node, mark) in nodes.iter_mut().zip(marks) {
                node.expect_after(mark, "that it was replaced", |line| line.contains("plugin replaced")).await;
            }
        }
    }
    enough.send(true).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for task in talking {
        let outcomes = task.await.unwrap();
        assert!(outcomes.len() > 1);
        seen.extend(outcomes);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["**** casino", "rejected"]);
}
