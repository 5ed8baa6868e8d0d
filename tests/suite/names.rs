//! Equality of names, refused names, names from before the comparison rules, and control characters in rendered text.

use serde_json::{Value, json};

use crate::harness::{Plugin, Server, Setup, database};

const BEFORE: &str = include_str!("names/migration_9.sql");
const PASSWORD: &str = "a long password";

async fn log_in(server: &Server, name: &str) -> (u16, Value) {
    server.post("/api/auth/login", None, &json!({"username": name, "password": PASSWORD})).await
}

async fn sign_up(server: &Server, name: &str) -> (u16, Value) {
    server.post("/api/auth/signup", None, &json!({"username": name, "password": PASSWORD})).await
}

/// The code of the error that signing up with this name gives.
async fn refusal(server: &Server, name: &str) -> String {
    let (_, answer) = sign_up(server, name).await;
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned()
}

async fn guest(server: &Server, name: &str) -> Result<Value, String> {
    let answer = server.connect().await.call("connect", json!({"guest": name})).await;
    answer.map_err(|failure| failure.code().to_owned())
}

/// The account that a log-in by this name gives.
async fn account_of(server: &Server, name: &str) -> String {
    let (status, answer) = log_in(server, name).await;
    assert_eq!(status, 200, "{name}: {answer}");
    answer["user"]["username"].as_str().unwrap().to_owned()
}

async fn conflicts(setup: &Setup) -> String {
    let output = setup.command(&["user", "conflicts"]).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A set-up without throttles for sign-ups and log-ins.
fn unthrottled() -> Setup {
    Setup::new().variable("NATTERJACK__LIMITS__ATTEMPTS_BURST", "1000000")
}

/// A server on a database of migration 9.
async fn on_old_database() -> Server {
    let setup = unthrottled().prepare().await;
    database::create_at(&setup.database_url(), 9, BEFORE).await;
    Server::on(setup).await
}

#[tokio::test]
async fn spellings_of_a_name_are_one_account() {
    let server = unthrottled().start().await;
    for (name, other) in [
        ("Γιώργος", "ΓΙΏΡΓΟΣ"),
        ("Straße", "STRASSE"),
        ("ann  lee", "Ann\u{A0}Lee"),
        ("می\u{200C}خواهم", "میخواهم"),
        ("👩\u{200D}💻", "👩\u{200D}💻"),
        ("❤\u{FE0F}", "❤"),
    ] {
        let (status, answer) = sign_up(&server, name).await;
        assert_eq!(status, 201, "{name}: {answer}");
        assert_eq!(refusal(&server, other).await, "conflict", "{other}");
        assert_eq!(guest(&server, other).await.unwrap_err(), "conflict", "{other}");
        let shown = answer["user"]["username"].as_str().unwrap();
        assert_eq!(account_of(&server, other).await, shown);
    }
    assert_eq!(account_of(&server, "ANN LEE").await, "ann lee");
}

#[tokio::test]
async fn names_with_invisible_characters_are_refused() {
    let server = unthrottled().start().await;
    let mut ann = server.join_as("ann").await;
    for bad in [
        "x\u{2800}",
        "x\u{FFF9}y",
        "x\u{1D173}y",
        "x\u{E000}",
        "x\u{378}",
        "x\u{10FFFF}",
        "\u{3164}",
        "x\u{AD}y",
        "x\u{61C}y",
        "x\u{200C}y",
        "x\u{FE0F}",
        "x\0y",
        "x\ny",
        "x\u{2028}y",
        "x\u{301}\u{301}\u{301}\u{301}\u{301}",
        "\u{301}x",
    ] {
        let (status, answer) = sign_up(&server, bad).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid")), "{bad:?}: {answer}");
        assert_eq!(guest(&server, bad).await.unwrap_err(), "invalid", "{bad:?}");
        let made = ann.call("room.create", json!({"name": bad, "visibility": "public"})).await;
        assert_eq!(made.unwrap_err().code(), "invalid", "{bad:?}");
    }
}

#[tokio::test]
async fn mixed_script_lookalike_of_a_name_is_refused() {
    let server = unthrottled().start().await;
    for name in ["paypal", "user1", "Bob", "анна"] {
        assert_eq!(sign_up(&server, name).await.0, 201, "{name}");
    }
    for imitation in ["pаypаl", "PАYPАL", "Вob", "pаypа1", "аннa"] {
        assert_eq!(refusal(&server, imitation).await, "conflict", "{imitation}");
        assert_eq!(guest(&server, imitation).await.unwrap_err(), "conflict", "{imitation}");
    }
    // These do not imitate, or there is no name to imitate.
    for name in ["userl", "Ann 日本", "ᴅᴀʀᴋ"] {
        assert_eq!(sign_up(&server, name).await.0, 201, "{name}");
    }
    let mut ann = server.join_as("ann").await;
    ann.call("room.create", json!({"name": "frogs", "visibility": "public"})).await.unwrap();
    let failure = ann.call("room.create", json!({"name": "frоgs", "visibility": "public"})).await.unwrap_err();
    assert_eq!(failure.code(), "conflict");
}

#[tokio::test]
async fn word_of_mixed_scripts_is_refused_and_the_plain_name_stays_available() {
    let server = unthrottled().start().await;
    let mut ann = server.join_as("ann").await;
    for (mixed, plain) in [("ꓐob4", "Bob4"), ("Ⲁnton2", "Anton2"), ("pаypаl", "paypal"), ("Ꭺmy", "Amy")] {
        assert_eq!(refusal(&server, mixed).await, "invalid", "{mixed}");
        assert_eq!(guest(&server, mixed).await.unwrap_err(), "invalid", "{mixed}");
        let made = ann.call("room.create", json!({"name": mixed, "visibility": "public"})).await;
        assert_eq!(made.unwrap_err().code(), "invalid", "{mixed}");
        assert_eq!(sign_up(&server, plain).await.0, 201, "{plain}");
        assert_eq!(refusal(&server, mixed).await, "conflict", "{mixed}");
    }
    let (_, answer) = sign_up(&server, "ꓐen").await;
    assert!(answer["error"]["message"].as_str().unwrap().starts_with("username: "), "{answer}");
    for honest in ["DJ Вася", "Annさん", "Анна (Anna)"] {
        assert_eq!(sign_up(&server, honest).await.0, 201, "{honest}");
    }
}

#[tokio::test]
async fn name_with_latin_look_alikes_that_imitates_another_is_refused() {
    let server = unthrottled().start().await;
    for (name, imitation) in [("george", "ɡeorɡe"), ("Anna", "ɑnnɑ"), ("Amy", "ᴀᴍʏ"), ("bob", "🅱ob")] {
        assert_eq!(sign_up(&server, name).await.0, 201, "{name}");
        assert_eq!(refusal(&server, imitation).await, "conflict", "{imitation}");
        assert_eq!(guest(&server, imitation).await.unwrap_err(), "conflict", "{imitation}");
    }
    // Nobody can keep a plain name from others by taking one that looks like it.
    for name in ["ɡina", "gina"] {
        assert_eq!(sign_up(&server, name).await.0, 201, "{name}");
    }
}

#[tokio::test]
async fn names_of_plugins_and_of_the_server_are_reserved() {
    let mut server = unthrottled().start().await;
    let token = sign_up(&server, "ann").await.1["token"].as_str().unwrap().to_owned();
    for name in ["slash", "SLASH", "ｓlash", "ѕlаѕh", "word-filter", "Word-Filter", "server", "Ｓerver"] {
        assert_eq!(refusal(&server, name).await, "conflict", "{name}");
        assert_eq!(guest(&server, name).await.unwrap_err(), "conflict", "{name}");
        let (_, answer) = server.send("PATCH", "/api/me", Some(&token), &json!({"username": name})).await;
        assert_eq!(answer["error"]["code"], "conflict", "{name}: {answer}");
    }
    for name in ["slashes", "word filter"] {
        assert_eq!(sign_up(&server, name).await.0, 201, "{name}");
    }

    // An account that has the name already keeps it.
    assert_eq!(sign_up(&server, "bot").await.0, 201);
    server.setup().install(Plugin::Bot, "bot.wasm");
    server.expect_output("plugin loaded").await;
    let (status, answer) = log_in(&server, "bot").await;
    assert_eq!(status, 200, "{answer}");
    let token = answer["token"].as_str().unwrap();
    let (status, answer) =
        server.send("PATCH", "/api/me", Some(token), &json!({"username": "Bot", "email": "b@example.org"})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(guest(&server, "bоt").await.unwrap_err(), "conflict");
}

#[tokio::test]
async fn address_with_hidden_characters_is_refused() {
    let server = unthrottled().start().await;
    let token = sign_up(&server, "ann").await.1["token"].as_str().unwrap().to_owned();
    for bad in
        ["a\u{200B}nn", "a\u{202E}nn", "a\u{7}nn", "a\0nn", "a\u{AD}nn", "a\u{2066}nn", "a\u{FEFF}nn", "a\u{E000}nn"]
    {
        let email = format!("{bad}@example.org");
        let new = json!({"username": "bob", "password": PASSWORD, "email": email});
        let change = json!({"email": email});
        for (status, answer) in [
            server.post("/api/auth/signup", None, &new).await,
            server.send("PATCH", "/api/me", Some(&token), &change).await,
        ] {
            assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid")), "{bad:?}: {answer}");
            assert!(answer["error"]["message"].as_str().unwrap().starts_with("email: "), "{bad:?}: {answer}");
        }
    }
    let (status, answer) = server.send("PATCH", "/api/me", Some(&token), &json!({"email": "zoë@bücher.example"})).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn spellings_of_one_room_name_are_one_room() {
    let server = unthrottled().start().await;
    let mut ann = server.join_as("ann").await;
    ann.call("room.create", json!({"name": "Große  Frösche", "visibility": "public"})).await.unwrap();
    let failure = ann.call("room.create", json!({"name": "GROSSE FRÖSCHE", "visibility": "public"})).await.unwrap_err();
    assert_eq!(failure.code(), "conflict");
    let mut bob = server.join_as("bob").await;
    assert_eq!(bob.join("grosse fro\u{308}sche").await["room"]["name"], "Große Frösche");
    let found = bob.call("room.list", json!({"query": "GROSSE"})).await.unwrap();
    assert_eq!(found["rooms"][0]["name"], "Große Frösche", "{found}");
}

#[tokio::test]
async fn colliding_accounts_log_in_by_exact_spelling() {
    let server = on_old_database().await;
    for name in ["οδος", "ΟΔΟΣ", "Γιώργος", "ann  lee", "Straße", "bob", "paypal"] {
        assert_eq!(account_of(&server, name).await, name);
    }
    for (other, name) in [
        ("ΓΙΏΡΓΟΣ", "Γιώργος"),
        ("Ann Lee", "ann  lee"),
        ("ANN  LEE", "ann  lee"),
        // A handle of bob's.
        ("STRASSE", "bob"),
        ("odos@example.org", "οδος"),
        ("PAYPAL", "paypal"),
    ] {
        assert_eq!(account_of(&server, other).await, name, "{other}");
    }
    // Ambiguous.
    for neither in ["Οδος", "οδοσ", "strasse", "STRAẞE"] {
        assert_eq!(log_in(&server, neither).await.0, 401, "{neither}");
        assert_eq!(refusal(&server, neither).await, "conflict", "{neither}");
    }
    assert_eq!(refusal(&server, "pаypаl").await, "conflict");

    let said = conflicts(server.setup()).await;
    let expected =
        "accounts οδος (0190b3c0-0000-7000-8000-000000000001), ΟΔΟΣ (0190b3c0-0000-7000-8000-000000000002)\n";
    assert!(said.contains(expected) && said.contains("accounts Straße") && said.contains("rooms    Straße"), "{said}");
    assert!(!said.contains("lee"), "{said}");
}

#[tokio::test]
async fn colliding_account_can_change_its_address_and_name() {
    let server = on_old_database().await;
    let token = log_in(&server, "ΟΔΟΣ").await.1["token"].as_str().unwrap().to_owned();
    let change = async |change: Value| server.send("PATCH", "/api/me", Some(&token), &change).await;
    assert_eq!(change(json!({"email": "new@example.org"})).await.0, 200);
    assert_eq!(account_of(&server, "ΟΔΟΣ").await, "ΟΔΟΣ");
    assert_eq!(change(json!({"username": "Οδος"})).await.1["error"]["code"], "conflict");
    assert_eq!(change(json!({"username": "dromos"})).await.0, 200);
    // Now there is only one.
    assert_eq!(account_of(&server, "ΟΔΟΣ").await, "οδος");
    assert!(!conflicts(server.setup()).await.contains("οδος"));
}

#[tokio::test]
async fn colliding_rooms_are_found_by_exact_spelling() {
    let server = on_old_database().await;
    let mut ann = server.join_as("ann").await;
    for name in ["Straße", "STRASSE"] {
        assert_eq!(ann.join(name).await["room"]["name"], name);
    }
    assert_eq!(ann.join("ΤΈΛΟΣ").await["room"]["name"], "Τέλος");
    let failure = ann.call("room.join", json!({"room": "strasse"})).await.unwrap_err();
    assert_eq!(failure.code(), "not_found");
    let failure = ann.call("room.create", json!({"name": "straße", "visibility": "public"})).await.unwrap_err();
    assert_eq!(failure.code(), "conflict");
}

#[tokio::test]
async fn missing_name_keys_are_completed_at_the_next_start() {
    let mut server = on_old_database().await;
    server.stop().await;
    let url = server.setup().database_url();
    // As if it had been killed after some batches.
    database::execute(&url, "UPDATE names SET key = NULL, shape = NULL, slot = 0 WHERE owner_id IN (2, 3)").await;
    server.start_again().await;
    assert_eq!(account_of(&server, "ΓΙΏΡΓΟΣ").await, "Γιώργος");
    assert_eq!(account_of(&server, "ΟΔΟΣ").await, "ΟΔΟΣ");
    let missing = "SELECT CAST(COUNT(*) AS TEXT) FROM names WHERE key IS NULL OR shape IS NULL";
    assert_eq!(database::text(&url, missing).await, "0");
}

#[tokio::test]
async fn names_written_by_an_old_node_are_found_and_unique() {
    let server = unthrottled().start().await;
    let url = server.setup().database_url();
    // The statements of such a node, which does not know `names`.
    let added = "INSERT INTO users (uid, username, username_key, password_hash, created_at, updated_at) VALUES \
        ('0190b3c0-0000-7000-8000-000000000001', 'Τέλος', 'τέλος', \
         '$2b$04$abcdefghijklmnopqrstuunJ0u00SLiuoTA7qEltWZhxMUdJFZu5q', 1, 1)";
    database::execute(&url, added).await;
    assert_eq!(refusal(&server, "ΤΈΛΟΣ").await, "conflict");
    assert_eq!(account_of(&server, "ΤΈΛΟΣ").await, "Τέλος");
    database::execute(&url, "UPDATE users SET username = 'Αρχής', username_key = 'αρχής' WHERE username = 'Τέλος'")
        .await;
    assert_eq!(account_of(&server, "ΑΡΧΉΣ").await, "Αρχής");
    assert_eq!(sign_up(&server, "ΤΈΛΟΣ").await.0, 201);
    let room = "INSERT INTO rooms (uid, code, name, name_key, kind, visibility, created_at) VALUES \
        ('0190b3c0-0000-7000-8000-000000000011', 'AAAA1', 'Straße', 'straße', 'room', 'public', 1)";
    database::execute(&url, room).await;
    let mut ann = server.join_as("ann").await;
    assert_eq!(ann.join("STRASSE").await["room"]["name"], "Straße");
}

#[tokio::test]
async fn user_text_cannot_break_out_of_server_text() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    let bob = server.sign_up("bob").await;
    ann.call("room.create", json!({"name": "den", "visibility": "public"})).await.unwrap();
    ann.post("den", "hello").await.unwrap();
    for bad in ["a\u{202E}b", "a\u{2066}b", "a\nb", "a\u{85}b", "a\u{2028}b", "a\0b", "a\u{1B}[2J", "a\u{FFFE}"] {
        let topic = ann.call("room.update", json!({"room": "den", "topic": bad})).await;
        assert_eq!(topic.unwrap_err().code(), "invalid", "{bad:?}");
        let ban = ann.call("member.ban", json!({"room": "den", "account": bob.id, "reason": bad})).await;
        assert_eq!(ban.unwrap_err().code(), "invalid", "{bad:?}");
    }
    for bad in ["\0", "\u{1B}[2J", "a\u{202E}b", "\u{2069}", "\u{FFFF}", "\u{200B}", "\u{2800}\u{3164}"] {
        assert_eq!(ann.post("den", bad).await.unwrap_err().code(), "invalid", "{bad:?}");
    }
    for emoji in ["\u{202E}", "\u{200B}", "\u{2800}"] {
        let reacted = ann.call("message.react", json!({"room": "den", "seq": 2, "emoji": emoji, "on": true})).await;
        assert_eq!(reacted.unwrap_err().code(), "invalid", "{emoji:?}");
    }
    ann.call("room.update", json!({"room": "den", "topic": "שלום 👩\u{200D}💻 می\u{200C}خواهم"})).await.unwrap();
    ann.post("den", "one\n\ttwo \u{2067}שלום\u{2069}").await.unwrap();
}

#[tokio::test]
async fn nul_in_a_lookup_has_the_same_answer_on_every_database() {
    let server = unthrottled().start().await;
    let mut ann = server.join_as("ann").await;
    for (op, args, code) in [
        ("room.join", json!({"room": "lob\0by"}), "not_found"),
        ("direct.open", json!({"account": "an\0n"}), "not_found"),
        ("room.list", json!({"query": "lob\0by"}), "invalid"),
        ("room.list", json!({"cursor": "lob\0by"}), "invalid"),
        ("search", json!({"query": "lob\0by"}), "invalid"),
    ] {
        assert_eq!(ann.call(op, args).await.unwrap_err().code(), code, "{op}");
    }
    assert_eq!(log_in(&server, "an\0n").await.0, 401);
    assert_eq!(refusal(&server, "an\0n").await, "invalid");
}
