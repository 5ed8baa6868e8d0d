//! The first start, failing starts, and the reconnect delay at a stop.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Server, Setup, database};

#[tokio::test]
async fn first_start_creates_and_reports_its_files() {
    let mut server = Server::start().await;
    let key = server.path().join("data/jwt.key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    if database::postgres().is_none() {
        for file in ["natterjack.db", "natterjack.db-wal"] {
            let mode = server.path().join("data").join(file).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file} holds password hashes");
        }
    }
    for told in ["jwt.key", "groups", "room.create", "message-filter", "room-guard", "chat 127.0.0.1"] {
        server.expect_output(told).await;
    }
    let made = std::fs::read(&key).unwrap();
    let ann = server.sign_up("ann").await;
    server.stop().await;
    server.start_again().await;
    assert_eq!(std::fs::read(&key).unwrap(), made);
    server.log_in(&ann).await;
}

#[tokio::test]
async fn newer_database_is_refused() {
    let mut server = Server::start().await;
    server.stop().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', TRUE, '', 0)";
    database::execute(&server.setup().database_url(), newer).await;

    let output = server.setup().command(&["serve"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("newer") && said.contains("9999"), "{said}");
}

#[tokio::test]
async fn taken_port_is_reported_with_advice() {
    let server = Server::start().await;
    let port = server.address().rsplit(':').next().unwrap();
    let output = Setup::bare().variable("PORT", port).command(&["serve"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(port) && said.contains("PORT="), "{said}");
    assert_eq!(said.matches("Address already in use").count(), 1, "{said}");
}

#[tokio::test]
async fn stopping_server_sends_reconnect_delay() {
    let mut server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    let mut silent = server.connect().await;
    let (status, codes) =
        tokio::join!(server.stop(), async { (ann.expect_close().await, silent.expect_close().await) });
    assert_eq!(codes, (1012, 1012));
    assert!(status.success());
}
