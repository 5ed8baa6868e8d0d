//! Direct rooms, presence and typing events.

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn two_accounts_share_one_direct_room() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut of_ann, mut of_bob) = (server.log_in(&ann).await, server.log_in(&bob).await);
    let opening: Vec<_> = (0..20)
        .map(|n| {
            let (me, other) = if n % 2 == 0 { (ann.clone(), bob.id.clone()) } else { (bob.clone(), ann.id.clone()) };
            let server = &server;
            async move {
                let mut client = server.log_in(&me).await;
                client.call("direct.open", json!({"account": other})).await.unwrap()["room"]["uid"].clone()
            }
        })
        .collect();
    let rooms = futures_util::future::join_all(opening).await;
    assert!(rooms.iter().all(|room| *room == rooms[0]), "{rooms:?}");

    let room = rooms[0].as_str().unwrap();
    of_ann.join(room).await;
    of_bob.join(room).await;
    of_ann.post(room, "psst").await.unwrap();
    assert_eq!(of_bob.expect_message().await, "psst");
    let unread = of_bob.call("unread", json!({})).await.unwrap();
    assert_eq!((&unread["rooms"][0]["unread"], &unread["rooms"][0]["with"]["name"]), (&json!(1), &json!("ann")));
}

#[tokio::test]
async fn direct_room_is_closed_to_others() {
    let server = Server::start().await;
    let (mut ann, mut cyd) = (server.join_as("ann").await, server.join_as("cyd").await);
    server.sign_up("bob").await;
    let opened = ann.call("direct.open", json!({"account": "bob"})).await.unwrap();
    let room = opened["room"]["uid"].as_str().unwrap();
    assert_eq!(cyd.call("room.join", json!({"room": room})).await.unwrap_err().code(), "not_found");
    assert_eq!(cyd.call("room.get", json!({"room": room})).await.unwrap_err().code(), "not_found");
    assert_eq!(ann.call("room.leave", json!({"room": room})).await.unwrap_err().code(), "forbidden");
    assert_eq!(ann.call("direct.open", json!({"account": "ann"})).await.unwrap_err().code(), "invalid");
    assert_eq!(ann.call("direct.open", json!({"account": "nobody"})).await.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn dropped_connection_makes_account_offline() {
    let server = Server::start().await;
    let (ann, mut bob) = (server.sign_up("ann").await, server.join_as("bob").await);
    // It is never read from again, so the server's close is not answered.
    let _silent = server.log_in(&ann).await;
    let watched = bob.call("presence.watch", json!({"accounts": [ann.id]})).await.unwrap();
    assert_eq!(watched["accounts"][0]["online"], true);
    assert_eq!(server.post("/api/auth/logout", Some(&ann.token), &json!({})).await.0, 200);
    assert_eq!(bob.expect_event("presence").await["data"]["online"], false);
}

#[tokio::test]
async fn account_is_online_until_its_last_connection_closes() {
    let server = Server::start().await;
    let bob = server.sign_up("bob").await;
    let mut ann = server.join_as("ann").await;
    let watched = ann.call("presence.watch", json!({"accounts": [bob.id]})).await.unwrap();
    assert_eq!(watched["accounts"][0], json!({"id": bob.id, "online": false}));

    let phone = server.log_in(&bob).await;
    let came = ann.expect_event("presence").await;
    assert_eq!(came["data"], json!({"account": bob.id, "online": true}));
    let laptop = server.log_in(&bob).await;
    drop(phone);
    drop(laptop);
    // The next word of it is that bob is gone: the second connection and the end of one of two are no news.
    assert_eq!(ann.expect_event("presence").await["data"]["online"], false);

    ann.call("presence.watch", json!({"accounts": []})).await.unwrap();
    let _again = server.log_in(&bob).await;
    assert!(ann.settle().await.iter().all(|frame| frame["event"] != "presence"));
}

#[tokio::test]
async fn typing_is_sent_to_others_only() {
    let server = Server::start().await;
    let (mut ann, mut bob, mut guest) =
        (server.join_as("ann").await, server.join_as("bob").await, server.guest("gus").await);
    for client in [&mut ann, &mut bob, &mut guest] {
        client.join("lobby").await;
    }
    ann.call("typing", json!({"room": "lobby"})).await.unwrap();
    assert_eq!(bob.expect_event("typing").await["data"]["by"]["name"], "ann");
    guest.call("typing", json!({"room": "lobby"})).await.unwrap();
    let typing = bob.expect_event("typing").await;
    assert_eq!((&typing["data"]["by"]["name"], &typing["data"]["by"]["guest"]), (&json!("gus"), &json!(true)));
    assert_eq!(ann.expect_event("typing").await["data"]["by"]["name"], "gus");
    assert!(ann.settle().await.iter().all(|frame| frame["event"] != "typing"));
}
