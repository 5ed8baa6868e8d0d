//! Basic behaviour of the REST API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, Setup};

#[tokio::test]
async fn health_and_readiness_are_reported() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz", None).await.0, 200);
    assert_eq!(server.get("/readyz", None).await.0, 200);
}

#[tokio::test]
async fn room_is_created_and_read_over_rest() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let room = json!({"name": "pond", "visibility": "public", "topic": "frogs"});
    let (status, made) = server.post("/api/rooms", Some(&ann.token), &room).await;
    assert_eq!(status, 201, "{made}");
    let uid = made["room"]["uid"].as_str().unwrap();
    let mut client = server.log_in(&ann).await;
    client.join("pond").await;
    client.post("pond", "ribbit").await.unwrap();

    let (status, rooms) = server.get("/api/rooms?query=pon", Some(&ann.token)).await;
    assert_eq!((status, &rooms["rooms"][0]["uid"]), (200, &json!(uid)));
    let (status, page) = server.get(&format!("/api/rooms/{uid}/messages"), Some(&ann.token)).await;
    assert_eq!((status, &page["messages"][0]["body"]), (200, &json!("ribbit")));

    let bob = server.sign_up("bob").await;
    assert_eq!(server.get(&format!("/api/rooms/{uid}/messages"), Some(&bob.token)).await.0, 403);
    assert_eq!(server.post("/api/rooms", Some(&bob.token), &room).await.0, 400);
    assert_eq!(server.get("/api/users?name=ANN", Some(&bob.token)).await.1["uid"], json!(ann.id));
}

#[tokio::test]
async fn not_found_and_too_large_are_json_errors() {
    let server = Server::start().await;
    let (status, answer) = server.get("/api/nothing", None).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("not_found")));
    assert_eq!(server.get("/api/auth/login", None).await.0, 405);
    let large = json!({"username": "ann", "password": "x".repeat(100_000)});
    assert_eq!(server.post("/api/auth/signup", None, &large).await.0, 413);
}

#[tokio::test]
async fn only_pages_of_listed_origins_may_connect() {
    let server = Setup::new().variable("CORS_ORIGIN", "https://chat.example").start().await;
    let url = format!("ws://{}/ws/native", server.address());
    let own = format!("http://{}", server.address());
    for (origin, refused) in [("https://chat.example", None), (own.as_str(), None), ("https://evil.example", Some(403))]
    {
        let opened = crate::harness::Client::open_with(&url, &[("origin", origin)]).await;
        assert_eq!(opened.err(), refused, "{origin}");
    }
}

#[tokio::test]
async fn invalid_json_body_gets_a_json_error() {
    let server = Setup::bare().start().await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let url = server.url("/api/auth/login");
    for (kind, body, told) in [
        ("application/json", b"{".to_vec(), "body"),
        ("application/json", b"".to_vec(), "body"),
        ("application/json", br#"{"username":"ann","password":"x"} {}"#.to_vec(), "trailing"),
        ("application/json", b"{\"username\":\"\xff\",\"password\":\"x\"}".to_vec(), "UTF-8"),
        ("application/json", br#"{"username":"\ud800","password":"x"}"#.to_vec(), "username"),
        ("application/json", br#"{"username":"ann"}"#.to_vec(), "password"),
        ("application/json", br#" ["ann", null, "x"]"#.to_vec(), "object"),
        ("application/json", br#"{"password":"x"}"#.to_vec(), "username"),
        ("application/json", deep(10_000).into_bytes(), "body"),
        ("application/json", format!(r#"{{"password":"x","more":{}}}"#, deep(10_000)).into_bytes(), "username"),
        ("text/plain", br#"{"username":"ann","password":"x"}"#.to_vec(), "application/json"),
        ("application/x-www-form-urlencoded", b"username=ann&password=x".to_vec(), "application/json"),
    ] {
        let request = reqwest::Client::new().post(&url).header("content-type", kind).body(body.clone());
        let response = request.send().await.unwrap();
        let status = if kind == "application/json" { 400 } else { 415 };
        assert_eq!((response.status().as_u16(), kind_of(&response)), (status, "application/json".to_owned()));
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        let said = answer["error"]["message"].as_str().unwrap();
        assert_eq!(answer["error"]["code"], "bad_request", "{answer}");
        assert!(said.contains(told), "{}: {said}", String::from_utf8_lossy(&body[..body.len().min(80)]));
    }
    let large = reqwest::Client::new().post(&url).body("[".repeat(65_537)).send().await.unwrap();
    assert_eq!((large.status().as_u16(), kind_of(&large)), (413, "application/json".to_owned()));
    let answer: Value = serde_json::from_str(&large.text().await.unwrap()).unwrap();
    assert_eq!(answer["error"]["code"], "too_large", "{answer}");
}

fn kind_of(response: &reqwest::Response) -> String {
    response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn deeply_nested_frame_is_refused_and_keeps_the_connection() {
    let server = Setup::bare().start().await;
    let mut ann = server.join_as("ann").await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for frame in [
        deep.clone(),
        format!(r#"{{"id":1,"op":"room.list","args":{deep}}}"#),
        format!(r#"{{"id":1,"op":"room.list","args":{{"query":{deep}}}}}"#),
        format!(r#"{{"id":{deep},"op":"room.list"}}"#),
        format!(r#"{{"id":1,"op":"nothing.known","args":{{"more":{deep}}}}}"#),
    ] {
        ann.send_text(frame.clone()).await;
        let answer = ann.next_frame().await;
        assert_eq!(answer["error"]["code"], "bad_request", "{}: {answer}", &frame[..40]);
    }
    ann.join("lobby").await;
}

#[tokio::test]
async fn wrong_method_gets_405_with_allow_header() {
    let server = Setup::bare().start().await;
    let client = reqwest::Client::new();
    for (method, path, allowed) in [
        (Method::GET, "/api/auth/login", "POST"),
        (Method::PUT, "/api/me", "GET,HEAD,PATCH,DELETE"),
        (Method::DELETE, "/healthz", "GET,HEAD"),
    ] {
        let response = client.request(method, server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        let listed = response.headers()["allow"].to_str().unwrap().to_owned();
        let sorted = |list: &str| {
            let mut methods: Vec<String> = list.split(',').map(|method| method.trim().to_owned()).collect();
            methods.sort();
            methods
        };
        assert_eq!(sorted(&listed), sorted(allowed), "{path}");
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(answer["error"]["code"], "bad_request", "{answer}");
    }
    let head = client.head(server.url("/healthz")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let server = Setup::bare().start().await;
    for path in ["/healthz", "/api/me", "/nowhere"] {
        let response = reqwest::get(server.url(path)).await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    }
}

#[tokio::test]
async fn cors_allows_listed_origins_only() {
    let server = Setup::bare().variable("CORS_ORIGIN", "https://chat.example,https://other.example").start().await;
    let client = reqwest::Client::new();
    for (origin, allowed) in [("https://chat.example", true), ("https://evil.example", false), ("null", false)] {
        let preflight = client
            .request(Method::OPTIONS, server.url("/api/me"))
            .header("origin", origin)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "authorization,content-type");
        let call = client.get(server.url("/api/me")).header("origin", origin);
        for response in [preflight.send().await.unwrap(), call.send().await.unwrap()] {
            let named = response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            assert_eq!(named, allowed.then_some(origin), "{response:?}");
            assert!(response.headers()["vary"].to_str().unwrap().contains("origin"), "{response:?}");
        }
        let preflight = client
            .request(Method::OPTIONS, server.url("/api/me"))
            .header("origin", origin)
            .header("access-control-request-method", "PATCH");
        let headers = preflight.send().await.unwrap().headers().clone();
        let methods = headers["access-control-allow-methods"].to_str().unwrap();
        assert!(["GET", "POST", "PATCH", "DELETE"].iter().all(|method| methods.contains(method)), "{methods}");
    }
}
