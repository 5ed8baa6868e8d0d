use super::*;
use crate::harness::Account;

async fn connect(server: &Server, account: &Account, query: &str) -> Client {
    let bearer = format!("Bearer {}", account.token);
    let url = format!("ws://{}/ws{query}", server.address());
    Client::open_with(&url, &[("authorization", &bearer)]).await.unwrap()
}

#[tokio::test]
async fn transcript_of_go() {
    let server = server().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let (_, pond) = server.post("/api/groups", Some(&ann.token), &json!({"name": "pond"})).await;
    let pond = pond["id"].clone();
    let mut talk = Transcript::new();

    talk.note("Connecting");
    for (name, account) in [("ann", &ann), ("bob", &bob)] {
        talk.meet(name, connect(&server, account, "").await);
        talk.hear(&[name]).await;
    }

    talk.note("A private message, and a group's");
    talk.says("ann", json!({"receiver_id": 2, "message": "psst"})).await;
    talk.hear(&["ann", "bob"]).await;
    talk.asks("bob", json!({"type": "join_group", "group_id": pond})).await;
    talk.says("bob", json!({"group_id": pond, "message": "ribbit"})).await;
    talk.hear(&["ann", "bob"]).await;
    talk.says("ann", json!({"type": "message", "group_id": pond, "message": "oh darn"})).await;
    talk.hear(&["ann", "bob"]).await;

    talk.note("What was said");
    talk.asks("ann", json!({"type": "history", "receiver_id": 2})).await;
    talk.asks("ann", json!({"type": "history", "group_id": pond, "limit": 1})).await;
    talk.asks("ann", json!({"type": "history", "receiver_id": 1})).await;
    talk.meet("later", connect(&server, &bob, "?history=50").await);
    talk.hear(&["later", "later", "later"]).await;

    talk.note("What cannot be");
    for wrong in [
        json!({"message": "to whom?"}),
        json!({"receiver_id": 1, "group_id": 1, "message": "to both?"}),
        json!({"receiver_id": "one", "message": "hi"}),
        json!({"receiver_id": 1.5, "message": "hi"}),
        json!({"receiver_id": 1}),
        json!({"receiver_id": 1, "message": null}),
        json!({"receiver_id": 4711, "message": "hi"}),
        json!({"group_id": 4711, "message": "hi"}),
        json!({"group_id": pond, "message": ""}),
        json!({"group_id": pond, "message": "a\u{0}b"}),
        json!({"type": "join_group", "group_id": 4711}),
        json!({"type": "join_group"}),
        json!({"type": "history"}),
        json!({"type": "history", "group_id": 4711}),
        json!({"type": "history", "group_id": pond, "limit": 0}),
        json!({"type": "history", "group_id": pond, "limit": -1}),
        json!({"type": "history", "group_id": pond, "before": "x"}),
        json!({"type": "dance"}),
        json!({"type": []}),
        json!({}),
        json!([]),
    ] {
        talk.asks("bob", wrong).await;
    }
    talk.asks("bob", "{").await;
    talk.asks("bob", json!({"group_id": pond, "message": "x".repeat(4001)})).await;
    let text = talk.end(|_| json!({"type": "join_group", "group_id": 4711})).await;
    assert_snapshot!(text);
}
