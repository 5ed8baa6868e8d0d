//! Throttles for log-ins, sign-ups, passwords and commands, by account and by address, on all transports.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Account, Client, PATIENCE, Server, Setup};

/// A server that trusts `X-Forwarded-For`, with these limits.
async fn behind_proxy(limits: &[(&str, &str)]) -> Server {
    let setup = Setup::new().variable("NATTERJACK__SERVER__TRUSTED_PROXIES", "127.0.0.1");
    let set = |setup: Setup, (key, value): &(&str, &str)| setup.variable(&format!("NATTERJACK__LIMITS__{key}"), value);
    limits.iter().fold(setup, set).start().await
}

async fn post(server: &Server, path: &str, from: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(server.url(path)).header("x-forwarded-for", from).json(body);
    let answer = request.timeout(PATIENCE).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn log_in(server: &Server, from: &str, who: &str, password: &str) -> u16 {
    post(server, "/api/auth/login", from, &json!({"username": who, "password": password})).await.0
}

async fn sign_up(server: &Server, from: &str, name: &str) -> u16 {
    post(server, "/api/auth/signup", from, &json!({"username": name, "password": "long enough"})).await.0
}

fn count(codes: &[u16], wanted: u16) -> usize {
    codes.iter().filter(|code| **code == wanted).count()
}

#[tokio::test]
async fn concurrent_log_ins_stay_within_the_limit() {
    let server = behind_proxy(&[("ATTEMPTS_BURST", "1000"), ("FAILED_LOGINS_PER_MINUTE", "2")]).await;
    let ann = server.sign_up("ann").await;
    let guesses = join_all((0..180).map(|_| log_in(&server, "192.0.2.1", "ann", "wrong"))).await;
    assert_eq!((count(&guesses, 401), count(&guesses, 429)), (2, 178));
    // Elsewhere she gets in.
    assert_eq!(log_in(&server, "192.0.2.2", "ann", &ann.password).await, 200);
}

#[tokio::test]
async fn name_id_and_address_of_an_account_share_one_limit() {
    let server = behind_proxy(&[("FAILED_LOGINS_PER_MINUTE", "4")]).await;
    server.sign_up("ann").await;
    let mut codes = Vec::new();
    for who in ["ann", " ANN ", "ann@example.org", "Ann@EXAMPLE.org", "ann", "ann@example.org"] {
        codes.push(log_in(&server, "192.0.2.1", who, "wrong").await);
    }
    assert_eq!(codes, [401, 401, 401, 401, 429, 429]);
}

#[tokio::test]
async fn sixty_accounts_of_one_address_log_in_at_once() {
    let server = behind_proxy(&[]).await;
    let names: Vec<String> = (0..60).map(|n| format!("colleague{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        assert_eq!(sign_up(&server, &format!("198.51.100.{}", n / 20), name).await, 201);
    }
    let codes = join_all(names.iter().map(|name| log_in(&server, "192.0.2.1", name, "long enough"))).await;
    assert_eq!(count(&codes, 200), 60, "{codes:?}");
}

#[tokio::test]
async fn failed_log_ins_of_others_do_not_lock_out_an_account() {
    let server =
        behind_proxy(&[("FAILED_LOGINS_PER_MINUTE", "2"), ("FAILED_LOGINS_PER_ACCOUNT_PER_MINUTE", "3")]).await;
    let ann = server.sign_up("ann").await;
    let right = json!({"username": "ann", "password": ann.password});
    for from in ["192.0.2.1", "192.0.2.1", "192.0.2.1"] {
        log_in(&server, from, "ann", "wrong").await;
    }
    let (status, answer) = post(&server, "/api/auth/login", "198.51.100.1", &right).await;
    assert_eq!(status, 200, "one address keeps out only itself: {answer}");
    let device = answer["deviceToken"].as_str().unwrap().to_owned();
    for from in ["192.0.2.2", "192.0.2.3"] {
        log_in(&server, from, "ann", "wrong").await;
    }
    assert_eq!(post(&server, "/api/auth/login", "198.51.100.1", &right).await.0, 429, "many addresses do");
    let with = |password: &str, device: &str| json!({"username": "ann", "password": password, "deviceToken": device});
    assert_eq!(post(&server, "/api/auth/login", "198.51.100.1", &with(&ann.password, &device)).await.0, 200);
    // The token is for this account and no password, and has a limit of its own.
    let bob = server.sign_up("bob").await;
    let log_in_of_bob = json!({"username": "bob", "password": bob.password});
    let of_bob = post(&server, "/api/auth/login", "198.51.100.1", &log_in_of_bob);
    let of_bob = of_bob.await.1["deviceToken"].as_str().unwrap().to_owned();
    for bad in [of_bob.as_str(), "nonsense", "", &device[1..]] {
        assert_eq!(post(&server, "/api/auth/login", "198.51.100.1", &with(&ann.password, bad)).await.0, 429, "{bad}");
    }
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(post(&server, "/api/auth/login", "198.51.100.9", &with("wrong", &device)).await.0);
    }
    assert_eq!(codes, [401, 401, 429]);
}

#[tokio::test]
async fn overlong_names_are_refused_without_hashing() {
    let server = behind_proxy(&[("ATTEMPTS_BURST", "1000")]).await;
    let ann = server.sign_up("ann").await;
    for text in ["\u{FDFA}".repeat(15_000), "a".repeat(50_000), "a\u{300}".repeat(10_000)] {
        assert_eq!(log_in(&server, "192.0.2.1", &text, "wrong").await, 401);
        let name: String = text[..text.len() / 3].bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = reqwest::Client::new().get(server.url(&format!("/api/users?name={name}")));
        let found = found.bearer_auth(&ann.token).send().await.unwrap().status().as_u16();
        assert!([404, 414, 431].contains(&found), "{found}");
    }
}

#[tokio::test]
async fn concurrent_room_password_attempts_stay_within_the_limit() {
    let server = Setup::new().variable("NATTERJACK__LIMITS__WRONG_ROOM_PASSWORDS_PER_MINUTE", "2").start().await;
    let mut ann = server.join_as("ann").await;
    ann.call("room.create", json!({"name": "cellar", "visibility": "private", "password": "open sesame"}))
        .await
        .unwrap();
    let bob = server.sign_up("bob").await;
    let guess = async |n: usize| {
        let mut client = server.log_in(&bob).await;
        let joined = client.call("room.join", json!({"room": "cellar", "password": format!("guess {n}")})).await;
        joined.unwrap_err().code().to_owned()
    };
    let codes = join_all((0..24).map(guess)).await;
    let limited = codes.iter().filter(|code| *code == "rate_limited").count();
    assert_eq!(limited, 24 - 2, "{codes:?}");
}

#[tokio::test]
async fn command_limit_is_shared_by_connections_and_rest() {
    let server = Setup::new()
        .variable("NATTERJACK__LIMITS__COMMAND_BURST", "10")
        .variable("NATTERJACK__LIMITS__COMMANDS_PER_SECOND", "1")
        .start()
        .await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut one, mut two) = (server.log_in(&ann).await, server.log_in(&ann).await);
    let ask = async |ann: &Account| {
        let answer = reqwest::Client::new().get(server.url("/api/me")).bearer_auth(&ann.token).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("retry-after"))
    };
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(ask(&ann).await);
    }
    assert!(answers[..5].iter().all(|answer| *answer == (200, false)), "{answers:?}");
    assert!(answers.contains(&(429, true)), "{answers:?}");
    for client in [&mut one, &mut two] {
        let mut refused = false;
        // Fewer than a connection may send at once.
        for _ in 0..5 {
            refused |= client.call("room.list", json!({})).await.is_err_and(|failure| failure.code() == "rate_limited");
        }
        assert!(refused);
    }
    assert_eq!(ask(&bob).await.0, 200);
}

#[tokio::test]
async fn anonymous_clients_of_one_address_share_a_limit_unless_exempt() {
    let limits = [
        ("ADDRESS_COMMAND_BURST", "10"),
        ("ADDRESS_COMMANDS_PER_SECOND", "1"),
        ("ATTEMPTS_BURST", "2"),
        ("ATTEMPTS_PER_MINUTE", "1"),
        ("EXEMPT", "203.0.113.0/24"),
    ];
    let server = behind_proxy(&limits).await;
    let ask = async |from: &str| {
        let request = reqwest::Client::new().get(server.url("/api/server")).header("x-forwarded-for", from);
        request.send().await.unwrap().status().as_u16()
    };
    for (from, limited) in [("192.0.2.1", true), ("192.0.2.2", true), ("203.0.113.7", false)] {
        let codes = join_all((0..30).map(|_| ask(from))).await;
        assert_eq!(codes.contains(&429), limited, "{from}: {codes:?}");
        let mut codes = Vec::new();
        for n in 0..4 {
            codes.push(sign_up(&server, from, &format!("{}{n}", from.replace('.', "-"))).await);
        }
        assert_eq!(codes.contains(&429), limited, "{from}: {codes:?}");
    }
}

#[tokio::test]
async fn client_behind_trusted_proxy_cannot_forge_its_address() {
    let server = behind_proxy(&[("ATTEMPTS_BURST", "2"), ("ATTEMPTS_PER_MINUTE", "1")]).await;
    let forwarded =
        ["198.51.100.3:4711", "[2001:db8::1]:443", "\"198.51.100.4\"", "unknown", "unix:", "_hidden", "198.51.100.5, "];
    for (n, hop) in forwarded.iter().enumerate() {
        let mut codes = Vec::new();
        for attempt in 0..3 {
            let from = format!("192.0.2.{}, {hop}", 10 * n + attempt);
            codes.push(sign_up(&server, &from, &format!("ann{n}x{attempt}")).await);
        }
        assert_eq!(codes[2], 429, "{hop}: {codes:?}");
    }
}

#[tokio::test]
async fn untrusted_proxy_is_logged_once_with_the_key_to_set() {
    let mut server = Setup::bare().start().await;
    for _ in 0..3 {
        post(&server, "/api/auth/login", "192.0.2.1", &json!({"username": "ann", "password": "x"})).await;
        let url = format!("ws://{}/ws/native", server.address());
        Client::open_with(&url, &[("forwarded", "for=192.0.2.1")]).await.ok().unwrap();
    }
    server.expect_output("server.trusted_proxies").await;
    assert_eq!(server.count_output("server.trusted_proxies"), 1);
}
