//! Which web pages may connect, by their origin and by the host name that they request.

use reqwest::header;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Server, Setup};

const SOCKETS: [&str; 3] = ["/", "/ws/native", "/socket.io/?EIO=4&transport=websocket"];

/// The status of an upgrade or a plain request with this `Origin` and this `Host`.
async fn status(server: &Server, path: &str, upgrade: bool, origin: &str, host: &str) -> (u16, String) {
    let headers = match upgrade {
        true => {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
        false => "Connection: close\r\n",
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{headers}\r\n");
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, async {
        // A refused upgrade leaves the connection as it was.
        while !(upgrade && answer.starts_with(b"HTTP/1.1 ") && answer.len() > 12)
            && socket.read_buf(&mut answer).await.unwrap() > 0
        {}
    })
    .await
    .expect("an answer in time");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[tokio::test]
async fn dns_rebinding_page_is_refused() {
    let mut server = Setup::new().start().await;
    for (origin, host) in [
        ("http://evil.example", "evil.example"),
        ("http://evil.example:5000", "evil.example:5000"),
        ("https://evil.example", "evil.example:443"),
        ("http://evil.example", "EVIL.example."),
        ("http://localhost.evil.example", "localhost.evil.example"),
        ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example"),
        ("http://0x7f000001", "0x7f000001"),
        ("null", "evil.example"),
        ("https://other.example", "evil.example"),
    ] {
        for path in SOCKETS {
            assert_eq!(status(&server, path, true, origin, host).await.0, 403, "{origin} {host} {path}");
        }
        for path in ["/api/me", "/api/server", "/socket.io/?EIO=4&transport=polling", "/nothing"] {
            let (status, answer) = status(&server, path, false, origin, host).await;
            assert_eq!(status, 403, "{origin} {host} {path}");
            assert!(answer.contains("server.public_url"), "{answer}");
            assert!(!answer.contains("access-control-allow-origin"), "{answer}");
        }
    }
    server.expect_output("set server.public_url").await;
    for (origin, host) in [
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        ("http://[::1]:5000", "[::1]:5000"),
        ("http://localhost:5000", "localhost:5000"),
        ("http://chat.localhost", "chat.localhost:80"),
        ("https://192.0.2.7", "192.0.2.7"),
    ] {
        for path in SOCKETS {
            assert_eq!(status(&server, path, true, origin, host).await.0, 101, "{origin} {host} {path}");
        }
        assert_eq!(status(&server, "/api/server", false, origin, host).await.0, 200, "{origin} {host}");
        // From a page of another origin than the one that is served there.
        assert_eq!(status(&server, "/ws/native", true, "http://evil.example", host).await.0, 403);
    }
}

#[tokio::test]
async fn page_of_the_public_url_is_accepted_behind_a_proxy() {
    let server = Setup::new().variable("NATTERJACK__SERVER__PUBLIC_URL", "https://chat.example").start().await;
    for host in ["chat.example", "chat.example:443", "127.0.0.1:5000", "natterjack:5000", "backend"] {
        for path in SOCKETS {
            assert_eq!(status(&server, path, true, "https://chat.example", host).await.0, 101, "{host} {path}");
        }
        assert_eq!(status(&server, "/api/server", false, "https://chat.example", host).await.0, 200, "{host}");
        for evil in ["https://chat.example.evil", "http://chat.example:8080", "https://evil.example", "null"] {
            assert_eq!(status(&server, "/ws/native", true, evil, host).await.0, 403, "{evil} {host}");
        }
    }
    assert_eq!(status(&server, "/ws/native", true, "http://backend", "backend").await.0, 403);
}

#[tokio::test]
async fn listed_origins_are_accepted_over_rest_and_sockets() {
    const ORIGINS: [&str; 6] = [
        "https://page.example",
        "null",
        "file://",
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnop",
        "app://-",
    ];
    for listed in ORIGINS.into_iter().chain(["*"]) {
        let server = Setup::new().variable("CORS_ORIGIN", listed).start().await;
        for origin in ORIGINS {
            let allowed = listed == "*" || listed == origin;
            for path in SOCKETS {
                let wanted = if allowed { 101 } else { 403 };
                assert_eq!(
                    status(&server, path, true, origin, "localhost").await.0,
                    wanted,
                    "{listed}: {origin} {path}"
                );
            }
            let answer = reqwest::Client::new().get(server.url("/api/server")).header(header::ORIGIN, origin);
            let answer = answer.send().await.unwrap();
            let named = answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|named| named.to_str().unwrap());
            assert_eq!(named, allowed.then_some(origin), "{listed}: {origin}");
        }
    }
}

/// Requests without `Origin`, as a page reads from the server that it was loaded from.
#[tokio::test]
async fn page_under_a_rebound_name_reads_only_what_is_public() {
    let server = Setup::new().start().await;
    let (_, document) = server.get("/api/openapi.json", None).await;
    let public = ["/api/server", "/healthz", "/readyz", "/metrics"];
    let http = reqwest::Client::new();
    for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some()) {
        let wanted = match path.as_str() {
            path if public.contains(&path) => 200,
            // The address is the secret.
            "/media/{id}" => 404,
            _ => 401,
        };
        assert_eq!(item["get"].get("security").is_some(), wanted == 401, "{path}");
        let path = path.replace("{id}", "0f8fad5b-d9cb-469f-a165-70867728950e").replace("{room}", "lobby");
        for fetched in [None, Some("same-origin"), Some("none"), Some("cross-site")] {
            let mut request = http.get(server.url(&path)).header(header::HOST, "evil.example:5000");
            if let Some(site) = fetched {
                request = request.header("sec-fetch-site", site).header("sec-fetch-mode", "cors");
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), wanted, "{path} {fetched:?}");
            assert!(answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none(), "{path} {fetched:?}");
        }
    }
}
