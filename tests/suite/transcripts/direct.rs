use super::*;
use crate::harness::Account;

/// Authenticates a client, and waits for its own presence.
async fn authenticate(talk: &mut Transcript, name: &'static str, account: &Account, server: &Server) {
    talk.meet(name, Client::open(&format!("ws://{}/", server.address())).await);
    talk.says(name, json!({"event": "authenticate", "token": account.token})).await;
    let frame = talk.client(name).expect_event("userStatus").await;
    talk.write(name, '←', &frame.to_string());
}

#[tokio::test]
async fn transcript_of_direct() {
    let server = server().await;
    let (ann, bob) = (server.sign_up("ann").await, server.sign_up("bob").await);
    let mut talk = Transcript::new();
    // Presence arrives at arbitrary times; the tests of the dialect cover it.
    talk.skips = |frame| frame["event"] == "userStatus";

    talk.note("Authenticate");
    authenticate(&mut talk, "ann", &ann, &server).await;
    authenticate(&mut talk, "bob", &bob, &server).await;

    talk.note("Before there is a room");
    talk.asks("bob", json!({"event": "fetchChats", "receiverId": ann.id})).await;
    talk.asks("bob", json!({"event": "unReadMessages", "receiverId": ann.id})).await;

    talk.note("A message");
    talk.says("ann", json!({"event": "message", "receiverId": bob.id, "message": "Hello!", "images": []})).await;
    let hello = talk.hear(&["ann", "bob"]).await["data"]["id"].clone();
    talk.asks("bob", json!({"event": "unReadMessages", "receiverId": ann.id})).await;
    talk.asks("bob", json!({"event": "fetchChats", "receiverId": ann.id})).await;
    talk.asks("bob", json!({"event": "unReadMessages", "receiverId": ann.id})).await;
    talk.asks("ann", json!({"event": "fetchChats", "receiverId": bob.id})).await;
    let picture = "https://pictures.example/frog.png";
    talk.says("bob", json!({"event": "message", "receiverId": ann.id, "message": "", "images": [picture]})).await;
    talk.hear(&["bob", "ann"]).await;
    talk.says("bob", json!({"event": "message", "receiverId": ann.id, "message": "oh darn"})).await;
    talk.hear(&["bob", "ann"]).await;
    talk.asks("ann", json!({"event": "fetchChats", "receiverId": bob.id, "limit": 1})).await;
    talk.asks("ann", json!({"event": "fetchChats", "receiverId": bob.id, "before": hello})).await;

    talk.note("What cannot be");
    let nobody = "00000000-0000-0000-0000-000000000000";
    for wrong in [
        json!({"event": "message", "receiverId": nobody, "message": "hi"}),
        json!({"event": "message", "receiverId": "nobody", "message": "hi"}),
        json!({"event": "message", "receiverId": ann.id, "message": "hi"}),
        json!({"event": "message", "receiverId": bob.id}),
        json!({"event": "message", "receiverId": bob.id, "message": ""}),
        json!({"event": "message", "receiverId": bob.id, "message": "a\u{0}b"}),
        json!({"event": "message", "receiverId": bob.id, "message": "x".repeat(4001)}),
        json!({"event": "message", "receiverId": bob.id, "message": 5}),
        json!({"event": "message", "receiverId": bob.id, "message": "", "images": ["ftp://pictures.example"]}),
        json!({"event": "message", "receiverId": bob.id, "message": "", "images": "one"}),
        json!({"event": "message", "message": "hi"}),
        json!({"event": "fetchChats", "receiverId": nobody}),
        json!({"event": "fetchChats", "receiverId": bob.id, "limit": 0}),
        json!({"event": "fetchChats", "receiverId": bob.id, "before": "x"}),
        json!({"event": "fetchChats"}),
        json!({"event": "unReadMessages", "receiverId": []}),
        json!({"event": "unReadMessages", "receiverId": nobody}),
        json!({"event": "authenticate"}),
        json!({"event": "dance"}),
        json!({"event": null}),
        json!({}),
        json!([]),
    ] {
        talk.asks("ann", wrong).await;
    }
    talk.asks("ann", "{").await;
    talk.meet("stranger", Client::open(&format!("ws://{}/ws/direct", server.address())).await);
    talk.asks("stranger", json!({"event": "fetchChats", "receiverId": ann.id})).await;
    talk.meet("liar", Client::open(&format!("ws://{}/", server.address())).await);
    talk.asks("liar", json!({"event": "authenticate", "token": "nonsense"})).await;
    talk.closed("liar").await;
    let text = talk.end(|_| json!({"event": "dance"})).await;
    assert_snapshot!(text);
}
