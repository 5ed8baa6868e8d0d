//! The word-filter plugin.

use crate::harness::{Server, Setup};

#[tokio::test]
async fn listed_word_is_masked_in_events_and_history() {
    let server = Server::start().await;
    let (mut ann, mut bob) = (server.join_as("ann").await, server.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    ann.post("lobby", "oh DARN it").await.unwrap();
    assert_eq!(bob.expect_message().await, "oh **** it");
    assert_eq!(bob.history("lobby").await, ["oh **** it"]);
}

#[tokio::test]
async fn listed_word_is_rejected_if_configured() {
    let server = Setup::new().replace(r#"action = "mask""#, r#"action = "reject""#).start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    let failure = ann.post("lobby", "oh darn it").await.unwrap_err();
    assert_eq!(failure.code(), "rejected");
    assert!(failure.0["reason"].is_string(), "{failure:?}");
    ann.post("lobby", "oh dear").await.unwrap();
    assert_eq!(ann.history("lobby").await, ["oh dear"]);
}
