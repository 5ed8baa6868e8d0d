use super::*;
use crate::harness::SocketIo;

/// Emits an event with an acknowledgement, and records both.
async fn call(talk: &mut Transcript, client: &mut SocketIo, event: &str, data: Value) {
    talk.write("john", '→', &json!([event, data]).to_string());
    let answer = client.call(event, &data).await;
    talk.write("john", '←', &format!("acknowledged: {answer}"));
}

async fn hear(talk: &mut Transcript, client: &mut SocketIo, event: &str) {
    let data = client.expect(event).await;
    talk.write("john", '←', &json!([event, data]).to_string());
}

#[tokio::test]
async fn transcript_of_echo_sessions() {
    let server = server().await;
    let (john, jane) = (server.sign_up("johndoe").await, server.sign_up("janedoe").await);
    let mut talk = Transcript::new();

    talk.note("A bad token, and none");
    let refused = SocketIo::connect(server.address(), &json!({"token": "nonsense"})).await;
    talk.write("john", '←', &format!("CONNECT_ERROR: {}", refused.err().unwrap()));
    let mut client = SocketIo::connect(server.address(), &json!({})).await.unwrap();
    let session = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";
    call(&mut talk, &mut client, "join-session", json!(session)).await;
    hear(&mut talk, &mut client, "error").await;

    talk.note("The events of the page");
    call(&mut talk, &mut client, "connection", json!(john.token)).await;
    call(&mut talk, &mut client, "join-session", json!(session)).await;
    call(&mut talk, &mut client, "message", json!({"sessionId": session, "content": "Hello, server!"})).await;
    hear(&mut talk, &mut client, "message").await;

    talk.note("What cannot be");
    let theirs = "0190b7a5-3a3f-7c3c-8d5e-ba9876543210";
    let mut other = SocketIo::connect(server.address(), &json!({"token": jane.token})).await.unwrap();
    other.call("join-session", &json!(theirs)).await;
    for (event, data) in [
        ("join-session", json!(theirs)),
        ("join-session", json!("no uuid")),
        ("join-session", json!(5)),
        ("join-session", json!(null)),
        ("message", json!({"sessionId": theirs, "content": "hi"})),
        ("message", json!({"sessionId": session})),
        ("message", json!({"sessionId": session, "content": ""})),
        ("message", json!({"sessionId": session, "content": "a\u{0}b"})),
        ("message", json!({"sessionId": session, "content": 5})),
        ("message", json!({"sessionId": session, "content": "x".repeat(4001)})),
        ("message", json!([session, "Hello, server!"])),
        ("message", json!("Hello, server!")),
        ("connection", json!(jane.token)),
        ("connection", json!("nonsense")),
        ("connection", json!({})),
        ("dance", json!({})),
    ] {
        call(&mut talk, &mut client, event, data).await;
        hear(&mut talk, &mut client, "error").await;
    }
    let text = talk.end(|_| Value::Null).await;
    assert_snapshot!(text);
}
