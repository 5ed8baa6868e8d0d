//! What is answered over HTTP.

use serde_json::json;

use crate::harness::{Server, Setup};

#[tokio::test]
async fn the_server_says_that_it_is_well_and_ready() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz", None).await.0, 200);
    assert_eq!(server.get("/readyz", None).await.0, 200);
}

#[tokio::test]
async fn a_room_is_made_and_read_over_rest() {
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
async fn what_is_not_there_or_too_large_says_so_as_json() {
    let server = Server::start().await;
    let (status, answer) = server.get("/api/nothing", None).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("not_found")));
    assert_eq!(server.get("/api/auth/login", None).await.0, 405);
    let large = json!({"username": "ann", "password": "x".repeat(100_000)});
    assert_eq!(server.post("/api/auth/signup", None, &large).await.0, 413);
}

#[tokio::test]
async fn only_listed_web_pages_may_connect() {
    let server = Setup::new().variable("CORS_ORIGIN", "https://chat.example").start().await;
    let url = format!("ws://{}/ws/native", server.address());
    let own = format!("http://{}", server.address());
    for (origin, refused) in [("https://chat.example", None), (own.as_str(), None), ("https://evil.example", Some(403))]
    {
        let opened = crate::harness::Client::open_with(&url, &[("origin", origin)]).await;
        assert_eq!(opened.err(), refused, "{origin}");
    }
}
