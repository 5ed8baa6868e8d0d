//! What plugins the nodes of a cluster run: the same on all of them, wherever they were changed.

use crate::harness::Cluster;

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn a_node_starts_and_serves_whether_nats_is_there_or_not() {
    let mut cluster = Cluster::start().await;
    let first = cluster.start_node("first").await;
    let ann = first.sign_up("ann").await;
    cluster.nats.stop().await;
    let second = cluster.start_node("second").await;
    let mut there = second.log_in(&ann).await;
    there.join("lobby").await;
    cluster.nats.start_again().await;
    there.post("lobby", "both of us are back").await.unwrap();
}
