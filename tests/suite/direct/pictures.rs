//! Pictures in messages of `direct`: links, uploaded files and `data:` URLs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::{chats, connect, say};
use crate::harness::{Server, Setup};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

fn data_url() -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(PNG))
}

#[tokio::test]
async fn pictures_are_sent_unchanged_live_in_history_and_to_native_clients() {
    let server = Server::start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (mut of_ann, mut of_bob) = (connect(&server, &ann).await, connect(&server, &bob).await);
    let (_, file) = server.upload("/api/media?name=pond.png", Some(&ann.token), PNG.to_vec()).await;
    let images = json!(["https://example.org/Pond.png?size=2", file["url"], data_url()]);
    say(&mut of_ann, json!({"event": "message", "receiverId": bob.id, "message": "", "images": images})).await;
    let event = of_bob.expect_event("message").await;
    assert_eq!((&event["data"]["images"], &event["data"]["message"]), (&images, &json!("")));
    assert_eq!(chats(&mut of_bob, &ann.id).await, [event["data"].clone()]);

    let mut native = server.log_in(&bob).await;
    let room = event["data"]["roomId"].clone();
    let history = native.call("room.history", json!({"room": room})).await.unwrap();
    let attachments = &history["messages"][0]["attachments"];
    assert_eq!(*attachments, json!([{"url": images[0]}, file, {"url": images[2]}]));
    // A file that a message carries stays, and what native clients attach is a picture here.
    native.call("room.join", json!({"room": room})).await.unwrap();
    let (_, other) = server.upload("/api/media", Some(&bob.token), PNG.to_vec()).await;
    native.call("message.post", json!({"room": room, "body": "mine", "attachments": [other["id"]]})).await.unwrap();
    of_ann.expect_event("message").await;
    assert_eq!(of_ann.expect_event("message").await["data"]["images"], json!([other["url"]]));
}

#[tokio::test]
async fn invalid_picture_is_refused_with_its_index() {
    let server = Setup::new().replace("frame_bytes = 65536", "frame_bytes = 1048576").start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = connect(&server, &ann).await;
    let (_, page) = server.upload("/api/media", Some(&ann.token), b"<!DOCTYPE html>".to_vec()).await;
    let (_, somebodys) = server.upload("/api/media", Some(&bob.token), PNG.to_vec()).await;
    let good = "https://example.org/pond.png";
    let html = BASE64_STANDARD.encode("<script>alert(1)</script>");
    let large = format!("data:image/png;base64,{}", BASE64_STANDARD.encode([PNG, &[0; 300_000]].concat()));
    for (images, code, told) in [
        (json!([good, "ftp://example.org/pond.png"]), "invalid", "images[1]"),
        (json!(["javascript:alert(1)"]), "invalid", "images[0]"),
        (json!(["pond .png"]), "invalid", "images[0]"),
        (json!([""]), "invalid", "images[0]"),
        (json!([good, good, "/media/0198c0de-0000-7000-8000-000000000000"]), "invalid", "images[2]"),
        (json!(["/media/../etc/passwd"]), "invalid", "images[0]"),
        (json!([page["url"]]), "invalid", "images[0]"),
        (json!([somebodys["url"]]), "invalid", "images[0]"),
        (json!([format!("data:image/png;base64,{html}")]), "invalid", "images[0]"),
        (json!(["data:image/svg+xml;base64,PHN2Zy8+"]), "invalid", "images[0]"),
        (json!([good, large]), "too_large", "images[1]"),
        (json!([format!("https://example.org/{}", "x".repeat(3000))]), "too_large", "images[0]"),
        (json!(vec![good; 11]), "too_large", "images"),
        (json!([good, 7]), "bad_request", "images[1]"),
        (json!(good), "bad_request", "images"),
    ] {
        say(&mut client, json!({"event": "message", "receiverId": bob.id, "message": "look", "images": images})).await;
        let answer = client.expect_event("error").await;
        let message = answer["message"].as_str().unwrap();
        assert!(answer["code"] == code && message.contains(told), "{images}: {answer}");
    }
    say(&mut client, json!({"event": "fetchChats", "receiverId": bob.id})).await;
    assert_eq!(client.next_frame().await, json!({"event": "noRoomFound"}), "nothing came of it");
}

#[tokio::test]
async fn filters_see_picture_links() {
    let settings = r#"{ words = ["darn"], action = "mask" }"#;
    let strict = r#"{ words = ["darn"], action = "mask", links = { deny = ["elsewhere.example"] } }"#;
    let server = Setup::new().replace(settings, strict).start().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut client = connect(&server, &ann).await;
    let post = |image: &str| json!({"event": "message", "receiverId": bob.id, "message": "", "images": [image]});
    say(&mut client, post("https://elsewhere.example/pond.png")).await;
    assert_eq!(client.expect_event("error").await["code"], "rejected");
    say(&mut client, post("https://example.org/pond.png")).await;
    client.expect_event("message").await;
}
