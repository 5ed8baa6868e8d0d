//! Uploaded files and attachments.

use serde_json::json;

use crate::harness::{Server, Setup};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

#[tokio::test]
async fn picture_is_attached_and_served_inline() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let (status, file) = server.upload("/api/media?name=pond.png", Some(&ann.token), PNG.to_vec()).await;
    assert_eq!(status, 201, "{file}");
    assert_eq!(
        (&file["name"], &file["type"], &file["size"]),
        (&json!("pond.png"), &json!("image/png"), &json!(PNG.len()))
    );
    let (mut of_ann, mut bob) = (server.log_in(&ann).await, server.join_as("bob").await);
    of_ann.join("lobby").await;
    bob.join("lobby").await;
    of_ann.call("message.post", json!({"room": "lobby", "body": "", "attachments": [file["id"]]})).await.unwrap();
    let event = bob.expect_event("message.posted").await;
    assert_eq!(event["data"]["attachments"], json!([file]));
    let page = bob.call("room.history", json!({"room": "lobby"})).await.unwrap();
    assert_eq!(page["messages"][0]["attachments"], json!([file]));

    let response = server.fetch(file["url"].as_str().unwrap()).await;
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((header("content-type"), header("x-content-type-options")), ("image/png".into(), "nosniff".into()));
    assert!(header("content-disposition").starts_with("inline"));
    assert_eq!(response.bytes().await.unwrap(), PNG);
}

#[tokio::test]
async fn non_picture_is_served_as_download() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let page = b"<!DOCTYPE html><script>alert(1)</script>".to_vec();
    let (_, file) = server.upload("/api/media?name=pond.png", Some(&ann.token), page).await;
    let response = server.fetch(file["url"].as_str().unwrap()).await;
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-disposition").starts_with("attachment"));
    assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox");
}

#[tokio::test]
async fn large_file_round_trips_and_too_large_one_is_refused() {
    let server = Setup::new().replace("max_bytes = 10485760", "max_bytes = 1000000").start().await;
    let ann = server.sign_up("ann").await;
    let bytes: Vec<u8> = (0..900_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (status, file) = server.upload("/api/media", Some(&ann.token), bytes.clone()).await;
    assert_eq!((status, &file["name"]), (201, &json!("file")));
    assert_eq!(server.fetch(file["url"].as_str().unwrap()).await.bytes().await.unwrap(), bytes);
    let (status, refused) = server.upload("/api/media", Some(&ann.token), vec![7; 1_000_001]).await;
    assert_eq!((status, &refused["error"]["code"]), (413, &json!("too_large")));
    assert_eq!(server.upload("/api/media", Some(&ann.token), vec![]).await.0, 400);
    assert_eq!(server.upload("/api/media", None, PNG.to_vec()).await.0, 401);
    assert_eq!(server.get("/media/0198c0de-0000-7000-8000-000000000000", None).await.0, 404);
    assert_eq!(server.get("/media/nothing", None).await.0, 404);
}

#[tokio::test]
async fn only_own_files_can_be_attached() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let (_, file) = server.upload("/api/media?name=pond.png", Some(&ann.token), PNG.to_vec()).await;
    let mut bob = server.join_as("bob").await;
    bob.join("lobby").await;
    let post = json!({"room": "lobby", "body": "look", "attachments": [file["id"]]});
    assert_eq!(bob.call("message.post", post.clone()).await.unwrap_err().code(), "invalid");
    let mut guest = server.guest("gus").await;
    guest.join("lobby").await;
    assert_eq!(guest.call("message.post", post).await.unwrap_err().code(), "forbidden");
}

#[tokio::test]
async fn deleted_messages_and_unused_files_are_removed() {
    let mut server = Setup::new()
        .replace("unused_ttl = \"24h\"", "unused_ttl = \"1s\"")
        .replace("interval = \"10m\"", "interval = \"200ms\"")
        .start()
        .await;
    let ann = server.sign_up("ann").await;
    let mut of_ann = server.log_in(&ann).await;
    of_ann.join("lobby").await;
    let (_, carried) = server.upload("/api/media?name=a.png", Some(&ann.token), PNG.to_vec()).await;
    let post = json!({"room": "lobby", "body": "look", "attachments": [carried["id"]]});
    let seq = of_ann.call("message.post", post).await.unwrap()["seq"].clone();
    let (_, unused) = server.upload("/api/media?name=b.png", Some(&ann.token), PNG.to_vec()).await;
    server.expect_output("removed unused files").await;
    assert_eq!(server.fetch(unused["url"].as_str().unwrap()).await.status(), 404);
    assert_eq!(server.fetch(carried["url"].as_str().unwrap()).await.status(), 200);
    of_ann.call("message.delete", json!({"room": "lobby", "seq": seq})).await.unwrap();
    assert_eq!(server.fetch(carried["url"].as_str().unwrap()).await.status(), 404);
}

#[tokio::test]
async fn file_of_a_deleted_room_is_not_served() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let mut of_ann = server.log_in(&ann).await;
    for room in ["pond", "shore"] {
        of_ann.call("room.create", json!({"name": room})).await.unwrap();
        of_ann.join(room).await;
    }
    let (_, once) = server.upload("/api/media?name=a.png", Some(&ann.token), PNG.to_vec()).await;
    let (_, twice) = server.upload("/api/media?name=b.png", Some(&ann.token), PNG.to_vec()).await;
    let posts = [("pond", &once), ("pond", &twice), ("shore", &twice)];
    for (room, file) in posts {
        let post = json!({"room": room, "body": "look", "attachments": [file["id"]]});
        of_ann.call("message.post", post).await.unwrap();
    }
    of_ann.call("room.delete", json!({"room": "pond"})).await.unwrap();
    assert_eq!(server.fetch(once["url"].as_str().unwrap()).await.status(), 404);
    assert_eq!(server.fetch(twice["url"].as_str().unwrap()).await.status(), 200);
    let again = json!({"room": "shore", "body": "look", "attachments": [once["id"]]});
    assert_eq!(of_ann.call("message.post", again).await.unwrap_err().code(), "invalid");
}

#[tokio::test]
async fn concurrent_uploads_stay_within_the_accounts_quota() {
    let server = Setup::new().replace("account_bytes = 1073741824", "account_bytes = 1000000").start().await;
    let ann = server.sign_up("ann").await;
    let uploads = (0..6).map(|_| server.upload("/api/media", Some(&ann.token), vec![7; 400_000]));
    let statuses: Vec<u16> =
        futures_util::future::join_all(uploads).await.into_iter().map(|(status, _)| status).collect();
    let stored = statuses.iter().filter(|status| **status == 201).count();
    assert!(stored <= 2 && statuses.iter().all(|status| [201, 413].contains(status)), "{statuses:?}");
    // What was refused takes nothing of it.
    let (status, answer) = server.upload("/api/media", Some(&ann.token), vec![7; 150_000]).await;
    assert_eq!(status, 201, "{answer}");
}

#[tokio::test]
async fn account_keeps_no_more_files_than_its_quota() {
    let server = Setup::new().replace("account_files = 10000", "account_files = 2").start().await;
    let ann = server.sign_up("ann").await;
    for status in [201, 201, 413] {
        let (got, answer) = server.upload("/api/media", Some(&ann.token), PNG.to_vec()).await;
        assert_eq!(got, status, "{answer}");
    }
}
