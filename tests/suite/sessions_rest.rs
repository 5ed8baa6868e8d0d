//! Echo sessions over REST, and the environment variables of the older server.

use serde_json::{Value, json};

use crate::harness::{Server, Setup, SocketIo};

#[tokio::test]
async fn sessions_are_created_and_listed_with_their_last_message() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let token = Some(ann.token.as_str());
    assert_eq!(server.get("/api/sessions", token).await, (200, json!([])));
    let (status, made) = server.post("/api/sessions", token, &json!({"name": "Plans"})).await;
    assert_eq!((status, &made["name"], &made["userId"]), (201, &json!("Plans"), &json!(ann.id)), "{made}");
    assert_eq!(made["lastMessageAt"], made["createdAt"]);
    let (status, unnamed) = server.post("/api/sessions", token, &json!({})).await;
    assert_eq!((status, &unnamed["name"]), (201, &json!("New session")));
    assert_eq!(server.get("/api/sessions", token).await, (200, json!([unnamed, made])));
    assert_eq!(server.get("/api/sessions", Some(&bob.token)).await, (200, json!([])));

    let mut client = SocketIo::connect(server.address(), &json!({"token": ann.token})).await.unwrap();
    client.emit("message", &json!({"sessionId": made["id"], "content": "hi"})).await;
    let echo = client.expect("message").await;
    let (_, listed) = server.get("/api/sessions", token).await;
    assert_eq!((&listed[1]["id"], &listed[1]["lastMessageAt"]), (&made["id"], &echo["timestamp"]), "{listed}");
}

#[tokio::test]
async fn errors_have_the_documented_statuses() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let token = Some(ann.token.as_str());
    let nowhere = "/api/sessions/0f8fad5b-d9cb-469f-a165-70867728950e/messages";
    for (path, token, status) in [
        ("/api/sessions", None, 401),
        ("/api/sessions", Some("no token"), 401),
        (nowhere, None, 401),
        (nowhere, token, 404),
        ("/api/sessions/1/messages", token, 400),
        ("/api/sessions?limit=0", token, 400),
        ("/api/sessions?limit=1001", token, 400),
        ("/api/sessions?before=x", token, 400),
    ] {
        let (got, answer) = server.get(path, token).await;
        assert_eq!(got, status, "{path}: {answer}");
        assert!(answer["error"]["message"].is_string(), "{path}: {answer}");
    }
    for body in [json!({"name": 5}), json!({"name": ""}), json!({"name": "x".repeat(65)})] {
        let (status, answer) = server.post("/api/sessions", token, &body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("name"), "{answer}");
    }
}

/// The items of a list and of the pages that `Link` leads to.
async fn follow(server: &Server, token: &str, path: String) -> Vec<Vec<Value>> {
    let (mut pages, mut path) = (Vec::new(), Some(path));
    while let Some(here) = path {
        let response = reqwest::Client::new().get(server.url(&here)).bearer_auth(token).send().await.unwrap();
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        path = link.map(|link| link.split_once('>').unwrap().0.trim_start_matches('<').to_owned());
        pages.push(response.json().await.unwrap());
    }
    pages
}

#[tokio::test]
async fn long_lists_are_paged_by_link_header() {
    let server = Setup::new().replace("command_burst = 200", "command_burst = 1000").start().await;
    let ann = server.sign_up("ann").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let (_, made) = server.post("/api/sessions", Some(&ann.token), &json!({"name": n.to_string()})).await;
        ids.insert(0, made["id"].clone());
    }
    let pages = follow(&server, &ann.token, "/api/sessions?limit=2".into()).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat().iter().map(|session| session["id"].clone()).collect::<Vec<_>>(), ids);

    // More than the database is asked for at a time.
    let mut client = SocketIo::connect(server.address(), &json!({"token": ann.token})).await.unwrap();
    for n in 0..260 {
        client.emit("message", &json!({"sessionId": ids[0], "content": n.to_string()})).await;
    }
    for _ in 0..260 {
        client.expect("message").await;
    }
    let path = format!("/api/sessions/{}/messages", ids[0].as_str().unwrap());
    let whole = follow(&server, &ann.token, path.clone()).await;
    assert_eq!(whole.iter().map(Vec::len).collect::<Vec<_>>(), [520]);
    let pages = follow(&server, &ann.token, format!("{path}?limit=250")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [250, 250, 20]);
    // Each page is in its order, and the earlier ones come after.
    assert_eq!(pages.into_iter().rev().collect::<Vec<_>>().concat(), whole[0]);
}

#[tokio::test]
async fn documented_environment_variables_configure_the_server() {
    let server = Setup::new()
        .variable("JWT_SECRET", "your_jwt_secret_key_here_and_longer")
        .variable("DATABASE_URL", "sqlite://./database.db")
        .variable("CORS_ORIGIN", "http://localhost:3000")
        .start()
        .await;
    assert!(server.path().join("database.db").exists());
    let body = json!({"username": "johndoe", "email": "john@example.com", "password": "securepassword123"});
    assert_eq!(server.post("/api/auth/signup", None, &body).await.0, 201);
    let (status, login) = server
        .post("/api/auth/login", None, &json!({"email": "john@example.com", "password": "securepassword123"}))
        .await;
    assert_eq!(status, 200, "{login}");
    let auth = json!({"token": login["token"]});

    let page = [("origin", "http://localhost:3000")];
    let mut client = SocketIo::connect_with(server.address(), &auth, &page).await.unwrap();
    client.emit("message", &json!({"sessionId": uuid::Uuid::new_v4(), "content": "Hello, server!"})).await;
    assert_eq!(client.expect_message().await, "Hello, server!");
    let polling = server.url("/socket.io/?EIO=4&transport=polling");
    let answer = |origin: &str| reqwest::Client::new().get(&polling).header("origin", origin).send();
    let allowed = answer("http://localhost:3000").await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "http://localhost:3000");
    assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
    assert_eq!(answer("http://evil.example").await.unwrap().status().as_u16(), 403);
    let elsewhere = [("origin", "http://evil.example")];
    assert_eq!(SocketIo::open(server.address(), &elsewhere).await.err(), Some(403));
}
