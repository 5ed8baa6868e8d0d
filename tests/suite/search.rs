//! Search: which query finds which text, on both databases, also after messages change.

use serde_json::{Value, json};

use crate::harness::{Client, Server, database};

async fn found(client: &mut Client, query: &str) -> Vec<String> {
    let answer =
        client.call("search", json!({"query": query})).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let bodies =
        answer["messages"].as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap().to_owned());
    bodies.collect()
}

/// Texts, with queries that find each of them and queries that do not.
const TABLE: [(&str, &[&str], &[&str]); 14] = [
    (
        "The Heron eats frogs",
        &["heron", "FROGS the", "her*", "\"heron eats\""],
        &["her", "\"heron frogs\"", "heron cat"],
    ),
    ("Hauptstraße 5", &["hauptstrasse", "HAUPTSTRASSE", "hauptstraße", "hauptstra*"], &["hauptstras"]),
    ("Γιώργος", &["ΓΙΏΡΓΟΣ", "γιωργος", "γιώ*"], &["γιώ"]),
    ("Cafe\u{301} olé", &["café", "cafe", "CAFÉ ole"], &["caf"]),
    ("我们今天去东京都旅行。", &["东京", "东京都", "旅行", "京", "\"去东京\""], &["东都", "北京"]),
    ("明日は大阪タワーに行きました", &["大阪", "タワー", "大阪タワー", "行きました"], &["阪大"]),
    ("วันนี้แมวกินปลา", &["แมว", "ปลา"], &["หมา"]),
    ("학교에서 만나요", &["학교", "\u{1112}\u{1161}\u{11A8}\u{1100}\u{116D}"], &["교학"]),
    (
        "see https://www.example.org/docs/my_file-name.tar.gz?x=1",
        &["example", "www.example.org/docs", "my_file-name.tar.gz", "\"file name\"", "my_fi*", "tar.gz"],
        &["example.com", "name.file"],
    ),
    ("class HttpServer2 extends Base", &["httpserver2", "HttpServer", "server", "httpser*"], &["serv"]),
    ("done 👍 ❤️ 👩‍💻", &["👍", "❤", "👩‍💻", "\"done 👍\""], &["👎", "👩"]),
    ("it's the end: 3.14 (it’s)", &["it's", "3.14", "\"the end\""], &["4.13"]),
    ("quote \" and 'these' \\ too", &["'these'", "too \\", "and these"], &["quote these too much"]),
    ("10:30 NEAR OR heure*", &["10:30", "near or", "NEAR(OR)"], &["11:30"]),
];

#[tokio::test]
async fn search_matches_words_prefixes_and_parts_only() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    for (text, ..) in TABLE {
        ann.post("lobby", text).await.unwrap();
    }
    for (text, finds, not) in TABLE {
        for query in finds {
            assert_eq!(found(&mut ann, query).await, [text], "{query}");
        }
        for query in not {
            assert_eq!(found(&mut ann, query).await, Vec::<String>::new(), "{query}");
        }
    }
}

#[tokio::test]
async fn operators_restrict_search_to_authors_rooms_and_times() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.call("room.create", json!({"name": "The Pond", "visibility": "public"})).await.unwrap();
    for client in [&mut ann, &mut bob] {
        client.join("lobby").await;
        client.join("The Pond").await;
    }
    ann.post("lobby", "heron of ann").await.unwrap();
    bob.post("lobby", "heron of bob").await.unwrap();
    ann.post("The Pond", "heron in the pond").await.unwrap();
    for (query, bodies) in [
        ("heron from:ann", &["heron in the pond", "heron of ann"][..]),
        ("heron FROM:@Bob", &["heron of bob"]),
        ("from:bob", &["heron of bob"]),
        ("from:nobody heron", &[]),
        ("heron in:\"the pond\"", &["heron in the pond"]),
        ("from:ann in:#lobby", &["heron of ann"]),
        ("heron before:2001-01-01", &[]),
        ("heron after:2001-01-01 from:bob", &["heron of bob"]),
        ("heron after:2200-01-01", &[]),
        ("heron before:2200-01-01T00:00:00Z from:bob from:ann in:lobby", &["heron of bob", "heron of ann"]),
    ] {
        assert_eq!(found(&mut ann, query).await, bodies, "{query}");
    }
    for bad in ["in:nowhere heron", "heron before:soon", "heron after:2026-99-99", "h*", "in:lobby"] {
        let error = ann.call("search", json!({"query": bad})).await.unwrap_err();
        assert_eq!(error.code(), "invalid", "{bad}");
    }
}

#[tokio::test]
async fn search_reflects_edits_and_deletions() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.call("room.create", json!({"name": "pond", "visibility": "public"})).await.unwrap();
    let seq = ann.post("pond", "a heron").await.unwrap()["seq"].clone();
    ann.call("message.edit", json!({"room": "pond", "seq": seq, "body": "a stork"})).await.unwrap();
    assert_eq!(found(&mut ann, "heron").await, Vec::<String>::new());
    assert_eq!(found(&mut ann, "stork").await, ["a stork"]);
    ann.call("message.delete", json!({"room": "pond", "seq": seq})).await.unwrap();
    assert_eq!(found(&mut ann, "stork").await, Vec::<String>::new());
    ann.post("pond", "an egret").await.unwrap();
    ann.call("room.delete", json!({"room": "pond"})).await.unwrap();
    assert_eq!(found(&mut ann, "egret").await, Vec::<String>::new());
    let count = if server.setup().database_url().starts_with("sqlite:") {
        "SELECT CAST(COUNT(*) AS TEXT) FROM search_index_docsize"
    } else {
        "SELECT COUNT(*)::TEXT FROM search_index"
    };
    assert_eq!(database::text(&server.setup().database_url(), count).await, "0", "nothing is left in the index");
}

#[tokio::test]
async fn search_pages_cover_all_rooms_newest_first() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    for room in ["pond", "lake", "river"] {
        ann.call("room.create", json!({"name": room, "visibility": "private"})).await.unwrap();
    }
    let mut expected = Vec::new();
    for n in 0..4 {
        for room in ["pond", "lake", "river"] {
            let body = format!("heron {n} in the {room}");
            ann.post(room, &body).await.unwrap();
            expected.insert(0, body);
        }
    }
    let (mut bodies, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = ann.call("search", json!({"query": "heron", "limit": 5, "cursor": cursor})).await.unwrap();
        bodies.extend(page["messages"].as_array().unwrap().iter().map(|m| m["body"].as_str().unwrap().to_owned()));
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn unindexed_messages_are_indexed_in_the_background() {
    let mut server = Server::start().await;
    let account = server.sign_up("ann").await;
    let mut ann = server.log_in(&account).await;
    ann.join("lobby").await;
    for n in 0..40 {
        ann.post("lobby", &format!("heron {n}")).await.unwrap();
    }
    server.stop().await;
    let url = server.setup().database_url();
    // As a database of the version before is after its migration.
    let clear = if url.starts_with("sqlite:") {
        "INSERT INTO search_index (search_index) VALUES ('delete-all')"
    } else {
        "DELETE FROM search_index"
    };
    database::execute(&url, clear).await;
    database::execute(&url, "DELETE FROM search_terms").await;
    database::execute(&url, "UPDATE search_progress SET version = 0, next_id = 0").await;
    server.start_again().await;
    server.expect_output("indexed messages for search").await;
    let mut ann = server.log_in(&account).await;
    for n in [0, 1, 39] {
        assert_eq!(found(&mut ann, &format!("\"heron {n}\"")).await, [format!("heron {n}")]);
    }
}
