//! Quotas on what one account, one address and all guests together may create.

use serde_json::json;

use crate::harness::{Client, Setup, SocketIo};

async fn make(client: &mut Client, name: &str) -> Result<(), (String, String)> {
    let made = client.call("room.create", json!({"name": name})).await;
    made.map(|_| ()).map_err(|failure| (failure.code().to_owned(), failure.message().to_owned()))
}

#[tokio::test]
async fn room_quota_of_an_account_holds_over_all_connections_and_transports() {
    let server = Setup::new().replace("rooms_per_account = 100", "rooms_per_account = 3").start().await;
    let ann = server.sign_up("ann").await;
    let mut clients = [server.log_in(&ann).await, server.log_in(&ann).await, server.log_in(&ann).await];
    let mut requests = Vec::new();
    for (n, client) in clients.iter_mut().enumerate() {
        for k in 0..3 {
            requests.push((n, client.send("room.create", json!({"name": format!("room {n} {k}")})).await));
        }
    }
    let mut made = 0;
    for (n, id) in requests {
        match clients[n].answer(id).await {
            Ok(_) => made += 1,
            Err(failure) => {
                assert_eq!(failure.code(), "conflict");
                assert!(failure.message().contains("which is its limit"), "{}", failure.message());
            }
        }
    }
    assert_eq!(made, 3);
    let (status, answer) = server.post("/api/groups", Some(&ann.token), &json!({"name": "by REST"})).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("conflict")), "{answer}");
    // One that is given away still counts; one that is gone does not.
    let rooms = clients[0].call("room.list", json!({"query": "room"})).await.unwrap();
    let room = rooms["rooms"][0]["uid"].clone();
    clients[0].call("room.delete", json!({"room": room})).await.unwrap();
    make(&mut clients[0], "again").await.unwrap();
    // Somebody else has a quota of their own.
    make(&mut server.join_as("bob").await, "bob's").await.unwrap();
}

#[tokio::test]
async fn guest_room_quota_holds_per_address() {
    let server = Setup::new().replace("guest_rooms_per_address = 20", "guest_rooms_per_address = 2").start().await;
    let (mut gus, mut eve) = (server.guest("gus").await, server.guest("eve").await);
    make(&mut gus, "one").await.unwrap();
    make(&mut eve, "two").await.unwrap();
    for guest in [&mut gus, &mut eve] {
        let (code, told) = make(guest, "three").await.unwrap_err();
        assert!(code == "conflict" && told.contains("guests from your address"), "{code}: {told}");
    }
    let mut groups = Client::open(&format!("ws://{}/ws/groups", server.address())).await;
    groups.send_text(json!({"type": "make_group", "group_name": "three", "name": "fay"}).to_string()).await;
    assert_eq!(groups.next_frame().await["type"], "err");
    make(&mut server.join_as("ann").await, "three").await.unwrap();
}

#[tokio::test]
async fn sessions_and_direct_conversations_have_quotas() {
    let server = Setup::new()
        .replace("sessions_per_account = 1000", "sessions_per_account = 2")
        .replace("direct_rooms_per_account = 1000", "direct_rooms_per_account = 1")
        .start()
        .await;
    let (ann, bob, _cyd) = (server.sign_up("ann").await, server.sign_up("bob").await, server.sign_up("cyd").await);
    let mut client = SocketIo::connect(server.address(), &json!({"token": ann.token})).await.unwrap();
    for _ in 0..2 {
        client.call("join-session", &json!(uuid::Uuid::new_v4())).await;
    }
    let refused = client.call("join-session", &json!(uuid::Uuid::new_v4())).await;
    assert!(refused["code"] == 400 && refused["message"].as_str().unwrap().contains("sessions"), "{refused}");
    assert_eq!(server.post("/api/sessions", Some(&ann.token), &json!({})).await.0, 400);

    let mut of_ann = server.log_in(&ann).await;
    of_ann.call("direct.open", json!({"account": "bob"})).await.unwrap();
    // The one that is there is no new one.
    of_ann.call("direct.open", json!({"account": "bob"})).await.unwrap();
    assert_eq!(of_ann.call("direct.open", json!({"account": "cyd"})).await.unwrap_err().code(), "conflict");
    // Being written to uses nothing up.
    let mut of_bob = server.log_in(&bob).await;
    of_bob.call("direct.open", json!({"account": "ann"})).await.unwrap();
    of_bob.call("direct.open", json!({"account": "cyd"})).await.unwrap();
}

#[tokio::test]
async fn unpaged_lists_show_preset_and_busy_rooms_before_guest_rooms() {
    let server = Setup::new().start().await;
    let mut gus = server.guest("gus").await;
    make(&mut gus, "aaa").await.unwrap();
    let mut ann = server.join_as("ann").await;
    make(&mut ann, "mmm").await.unwrap();
    make(&mut ann, "zzz").await.unwrap();
    let mut bob = server.join_as("bob").await;
    bob.join("zzz").await;
    let mut groups = Client::open(&format!("ws://{}/ws/groups", server.address())).await;
    groups.send_text(json!({"type": "get_groups"}).to_string()).await;
    assert_eq!(groups.next_frame().await["groups"], json!(["lobby", "zzz", "mmm", "aaa"]));
}

#[tokio::test]
async fn hourly_creation_quota_of_an_address_holds_over_all_accounts() {
    let mut server = Setup::new()
        .replace("creations_per_address_per_hour = 1000", "creations_per_address_per_hour = 3")
        .start()
        .await;
    let mut ann = server.join_as("ann").await;
    make(&mut ann, "one").await.unwrap();
    let bob = server.sign_up("bob").await;
    assert_eq!(server.post("/api/sessions", Some(&bob.token), &json!({})).await.0, 201);
    ann.call("direct.open", json!({"account": "bob"})).await.unwrap();
    let mut of_bob = server.log_in(&bob).await;
    assert_eq!(make(&mut of_bob, "two").await.unwrap_err().0, "rate_limited");
    assert_eq!(server.post("/api/sessions", Some(&bob.token), &json!({})).await.0, 429);
    // What is there already is no new one.
    of_bob.call("direct.open", json!({"account": "ann"})).await.unwrap();
    let mark = server.mark();
    server.write_config(|text| text.replace("exempt = []", "exempt = [\"127.0.0.0/8\"]"));
    server.expect_after(mark, "the new key", |line| line.contains("limits.exempt")).await;
    make(&mut of_bob, "two").await.unwrap();
}
