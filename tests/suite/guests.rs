//! People without an account.

use serde_json::json;

use crate::harness::{Server, Setup};

#[tokio::test]
async fn a_guest_talks_in_a_public_room_under_a_name_of_its_own() {
    let server = Server::start().await;
    let (mut ann, mut guest) = (server.join_as("ann").await, server.guest("gus").await);
    ann.join("lobby").await;
    guest.join("lobby").await;
    assert_eq!(ann.expect_event("guest.joined").await["data"]["guest"]["name"], "gus");
    guest.post("lobby", "hello").await.unwrap();
    let heard = ann.expect_event("message.posted").await;
    assert_eq!(heard["data"]["from"], json!({"name": "gus", "guest": true}));
    drop(guest);
    assert_eq!(ann.expect_event("guest.left").await["data"]["guest"]["name"], "gus");
}

#[tokio::test]
async fn a_guest_cannot_use_the_name_of_an_account() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    let failure = server.connect().await.call("connect", json!({"guest": "Ann"})).await.unwrap_err();
    assert_eq!(failure.code(), "conflict");
}

#[tokio::test]
async fn guests_can_be_kept_out() {
    let server = Setup::new().replace("guests = true", "guests = false").start().await;
    let failure = server.connect().await.call("connect", json!({"guest": "gus"})).await.unwrap_err();
    assert_eq!(failure.code(), "unauthenticated");
}
