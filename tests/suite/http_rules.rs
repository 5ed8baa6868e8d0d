//! HTTP conformance: malformed and oversized requests are refused, and range requests, conditional requests and compression work.

use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Account, PATIENCE, Server, Setup};

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

/// Sends raw bytes; returns status, headers and body. The request itself has to end the connection, unless the server does.
async fn raw(server: &Server, request: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let head_end = |answer: &[u8]| answer.windows(4).position(|four| four == b"\r\n\r\n");
    timeout(PATIENCE, async {
        loop {
            let whole = head_end(&answer).is_some_and(|end| {
                let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                answer.len() >= end + 4 + length.unwrap_or(0)
            });
            if whole || socket.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                return;
            }
        }
    })
    .await
    .expect("an answer in time");
    let end = head_end(&answer).unwrap_or_else(|| panic!("{request:?}: {:?}", String::from_utf8_lossy(&answer)));
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), String::from_utf8_lossy(&answer[end + 4..]).into_owned())
}

fn message(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    body["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn missing_double_or_malformed_host_is_refused() {
    let server = Setup::bare().start().await;
    for (hosts, version, told) in [
        ("", "1.1", Some("missing")),
        ("Host: a.example\r\nHost: a.example\r\n", "1.1", Some("more than once")),
        ("Host: a.example\r\nHost: b.example\r\n", "1.0", Some("more than once")),
        ("Host: \r\n", "1.1", Some("malformed")),
        ("Host: a b\r\n", "1.1", Some("malformed")),
        ("Host: ann@a.example\r\n", "1.1", Some("malformed")),
        ("Host: a.example/x\r\n", "1.1", Some("malformed")),
        ("Host: a.example:port\r\n", "1.1", Some("malformed")),
        ("Host: [::1\r\n", "1.1", Some("malformed")),
        ("", "1.0", None),
        ("Host: [::1]:5000\r\n", "1.1", None),
        ("Host: a_b.example.:80\r\n", "1.1", None),
    ] {
        let request = format!("GET /healthz HTTP/{version}\r\n{hosts}\r\n");
        let (status, _, body) = raw(&server, &request).await;
        match told {
            None => assert_eq!((status, body.as_str()), (200, "ok"), "{request}"),
            Some(told) => {
                assert_eq!(status, 400, "{request}");
                assert!(message(&body).contains(told), "{request}: {body}");
            }
        }
        // Sockets are no exception.
        let request = format!("GET /ws/native HTTP/1.1\r\n{hosts}{WEBSOCKET}{KEY}{VERSION}\r\n");
        let wanted = if hosts.is_empty() || told.is_some() { 400 } else { 101 };
        assert_eq!(raw(&server, &request).await.0, wanted, "{request}");
    }
}

#[tokio::test]
async fn broken_chunks_are_refused_without_effect() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let session = format!("Authorization: Bearer {}\r\n", ann.token);
    for (chunks, right) in [
        ("5\r\nhello", false),
        ("zz\r\nhello\r\n0\r\n\r\n", false),
        ("-5\r\nhello\r\n0\r\n\r\n", false),
        ("5\r\nhelloX\r\n0\r\n\r\n", false),
        ("fffffffffffffffff\r\nhello\r\n0\r\n\r\n", false),
        ("0\r\n\r\n", true),
    ] {
        for path in ["/api/auth/login", "/api/auth/logout", "/api/media", "/nothing"] {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\n{}Transfer-Encoding: chunked\r\n\r\n{chunks}",
                if path == "/api/auth/logout" && right { "" } else { &session }
            );
            let mut socket = TcpStream::connect(server.address()).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
            let mut answer = String::new();
            timeout(PATIENCE, socket.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
            if right {
                continue;
            }
            // A client that disconnected gets no answer, but the request had no effect.
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
            assert!(!answer.is_empty() || chunks == "5\r\nhello", "{request:?}");
        }
    }
    assert_eq!(server.get("/api/me", Some(&ann.token)).await.0, 200, "still logged in");
}

#[tokio::test]
async fn oversized_content_length_is_refused_before_the_body() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let bearer = format!("Authorization: Bearer {}\r\n", ann.token);
    for (method, path, bytes) in [
        ("POST", "/api/auth/login", 65_537),
        ("POST", "/api/auth/logout", 1_u64 << 40),
        ("DELETE", "/api/me", 70_000),
        ("GET", "/api/me", 70_000),
        ("POST", "/nothing", 70_000),
        ("POST", "/api/media", 10_485_761),
        ("POST", "/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA", 65_537),
    ] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}{expect}Content-Length: {bytes}\r\n\r\n"
            );
            let (status, head, _) = raw(&server, &request).await;
            assert_eq!(status, 413, "{request}");
            assert!(head.contains("connection: close"), "{head}");
        }
    }
    // A client that sends its body anyway can still read the answer.
    for _ in 0..5 {
        let large = reqwest::Client::new().post(server.url("/api/auth/login")).body("[".repeat(3_000_000));
        assert_eq!(large.send().await.unwrap().status(), 413);
    }
    // Without Content-Length the limit applies while reading.
    let chunk = "[".repeat(70_000);
    let request = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n",
        chunk.len()
    );
    assert_eq!(raw(&server, &request).await.0, 413);
}

#[tokio::test]
async fn compressed_bodies_and_other_media_types_are_refused() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let http = reqwest::Client::new();
    for path in ["/api/auth/login", "/api/media", "/socket.io/?EIO=4&transport=polling"] {
        for coding in ["gzip", "br", "identity, gzip", "x"] {
            let request = http.post(server.url(path)).bearer_auth(&ann.token).body("{}");
            let answer = request.header(header::CONTENT_ENCODING, coding).send().await.unwrap();
            assert_eq!(answer.status(), 415, "{path} {coding}");
            assert_eq!(answer.headers()[header::ACCEPT_ENCODING], "identity");
        }
    }
    let login = json!({"username": "ann", "password": ann.password}).to_string();
    for (kind, status) in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/vnd.chat+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/json", 415),
        ("", 415),
    ] {
        let request = http.post(server.url("/api/auth/login")).header(header::CONTENT_ENCODING, "identity");
        let answer = request.header(header::CONTENT_TYPE, kind).body(login.clone()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{kind}");
    }
    let request =
        "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(raw(&server, request).await.0, 501);
}

#[tokio::test]
async fn invalid_websocket_handshake_is_refused() {
    let server = Setup::bare().start().await;
    for path in ["/", "/ws", "/ws/native", "/socket.io/?EIO=4&transport=websocket"] {
        let ask = async |headers: &str| {
            raw(&server, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{WEBSOCKET}{headers}\r\n")).await
        };
        for version in ["8", "0", "14", "013", "x"] {
            let (status, head, _) = ask(&format!("{KEY}Sec-WebSocket-Version: {version}\r\n")).await;
            assert_eq!(status, 426, "{path} {version}");
            assert!(head.contains("sec-websocket-version: 13"), "{head}");
            assert!(head.contains("upgrade: websocket"), "{head}");
        }
        for headers in [
            KEY.to_owned(),
            format!("{KEY}{VERSION}Sec-WebSocket-Version: 8\r\n"),
            VERSION.to_owned(),
            format!("{VERSION}{KEY}{KEY}"),
            format!("{VERSION}{KEY}Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\n"),
            format!("{VERSION}Sec-WebSocket-Key: short\r\n"),
            format!("{VERSION}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n"),
            format!("{VERSION}Sec-WebSocket-Key: ????????????????????==\r\n"),
            format!("{VERSION}Sec-WebSocket-Key:\r\n"),
        ] {
            assert_eq!(ask(&headers).await.0, 400, "{path} {headers}");
        }
        for key in ["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC=="] {
            let (status, head, _) = ask(&format!("{VERSION}Sec-WebSocket-Key: {key}\r\n")).await;
            assert_eq!(status, if path.starts_with("/ws/go") { 401 } else { 101 }, "{path}: {head}");
        }
    }
}

async fn upload(server: &Server, ann: &Account, bytes: &[u8]) -> String {
    let (status, file) = server.upload("/api/media?name=a.bin", Some(&ann.token), bytes.to_vec()).await;
    assert_eq!(status, 201, "{file}");
    server.url(file["url"].as_str().unwrap())
}

#[tokio::test]
async fn range_request_returns_part_of_a_file() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    // Three parts of it are stored.
    let bytes: Vec<u8> = (0..600_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let url = upload(&server, &ann, &bytes).await;
    let http = reqwest::Client::new();
    let whole = http.get(&url).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), &whole.headers()[header::ACCEPT_RANGES]), (200, &"bytes".parse().unwrap()));
    let tag = whole.headers()[header::ETAG].to_str().unwrap().to_owned();
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=1000-", 1000, 600_000),
        ("bytes=-7", 599_993, 600_000),
        ("bytes=100-599998", 100, 599_999),
        ("bytes=524288-99999999", 524_288, 600_000),
    ] {
        let part = http.get(&url).header(header::RANGE, range).header(header::IF_RANGE, &tag).send().await.unwrap();
        assert_eq!(part.status(), 206, "{range}");
        assert_eq!(part.headers()[header::CONTENT_RANGE], format!("bytes {from}-{}/600000", to - 1), "{range}");
        assert_eq!(part.headers()[header::CONTENT_LENGTH], (to - from).to_string(), "{range}");
        assert!(part.bytes().await.unwrap() == bytes[from..to], "{range}");
    }
    let beyond = http.get(&url).header(header::RANGE, "bytes=600000-").send().await.unwrap();
    assert_eq!(
        (beyond.status().as_u16(), &beyond.headers()[header::CONTENT_RANGE]),
        (416, &"bytes */600000".parse().unwrap())
    );
    // An outdated or unsupported range returns the whole file, and so does HEAD.
    for (method, range, known) in [
        (Method::GET, "bytes=0-0", "\"other\""),
        (Method::GET, "bytes=0-0,5-5", tag.as_str()),
        (Method::GET, "chapters=1-2", &tag),
        (Method::HEAD, "bytes=0-0", &tag),
    ] {
        let request = http.request(method.clone(), &url).header(header::RANGE, range).header(header::IF_RANGE, known);
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[header::CONTENT_LENGTH]),
            (200, &"600000".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn not_modified_response_has_no_body_or_length() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let file = upload(&server, &ann, b"some text").await;
    let http = reqwest::Client::new();
    for url in [server.url("/"), server.url("/web/client/index.js"), file] {
        let tag = http.get(&url).send().await.unwrap().headers()[header::ETAG].to_str().unwrap().to_owned();
        for known in ["*".to_owned(), tag.clone(), format!("\"other\", {tag}"), tag.trim_start_matches("W/").to_owned()]
        {
            for method in ["GET", "HEAD"] {
                let path = url.trim_start_matches(&server.url(""));
                let (status, head, body) = raw(
                    &server,
                    &format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIf-None-Match: {known}\r\n\r\n"),
                )
                .await;
                assert_eq!((status, body.as_str()), (304, ""), "{method} {url} {known}");
                assert!(!head.contains("content-length"), "{head}");
                assert!(head.contains("etag: "), "{head}");
            }
        }
        let other = http.get(&url).header(header::IF_NONE_MATCH, "\"other\"").send().await.unwrap();
        assert_eq!(other.status(), 200);
    }
}

#[tokio::test]
async fn options_of_unknown_path_is_not_found() {
    let server = Setup::bare().start().await;
    let http = reqwest::Client::new();
    for (path, status) in [("/nothing", 404), ("/api/nothing", 404), ("/ws/nothing", 404), ("/api/me", 200)] {
        for preflight in [false, true] {
            let mut request = http.request(Method::OPTIONS, server.url(path));
            if preflight {
                request = request.header("origin", server.url("")).header("access-control-request-method", "GET");
            }
            assert_eq!(request.send().await.unwrap().status(), status, "{path}");
        }
    }
}

#[tokio::test]
async fn pages_and_lists_are_compressed_and_tokens_are_not() {
    let server = Setup::bare().replace("attempts_burst = 30", "attempts_burst = 1000").start().await;
    let ann = server.sign_up("ann").await;
    let mut of_ann = server.log_in(&ann).await;
    of_ann.join("lobby").await;
    for n in 0..20 {
        of_ann.post("lobby", &format!("{n}: what is said once more is said in fewer bytes")).await.unwrap();
    }
    let file = upload(&server, &ann, "text ".repeat(1000).as_bytes()).await;
    let http = reqwest::Client::new();
    let packed = async |request: reqwest::RequestBuilder| {
        let request = request.bearer_auth(&ann.token).header(header::ACCEPT_ENCODING, "gzip, br");
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        let coding = answer.headers().get(header::CONTENT_ENCODING).map(|coding| coding.to_str().unwrap().to_owned());
        let varies = answer.headers().get_all(header::VARY).iter().any(|vary| vary == "accept-encoding");
        assert_eq!(coding.is_some(), varies, "{answer:?}");
        (coding.as_deref() == Some("gzip"), answer.bytes().await.unwrap().len())
    };
    for path in ["/", "/web/chat/room.js", "/api/openapi.json", "/api/rooms/lobby/messages", "/metrics"] {
        let (is_packed, bytes) = packed(http.get(server.url(path))).await;
        let plain = http.get(server.url(path)).bearer_auth(&ann.token).send().await.unwrap();
        assert!(plain.headers().get(header::CONTENT_ENCODING).is_none(), "{path}");
        let plain = plain.bytes().await.unwrap().len();
        assert!(is_packed && bytes < plain / 2 + 512, "{path}: {bytes} of {plain}");
    }
    // Regardless of its length: an attacker may control text beside the token.
    let name = "n".repeat(60);
    let body = json!({"username": name, "password": "p", "email": format!("{}@example.org", "e".repeat(60))});
    assert!(!packed(http.post(server.url("/api/auth/signup")).json(&body)).await.0);
    assert!(
        !packed(http.post(server.url("/api/auth/login")).json(&json!({"username": name, "password": "p"}))).await.0
    );
    assert!(!packed(http.get(&file)).await.0);
    assert!(!packed(http.get(server.url("/healthz"))).await.0);
}
