use super::*;

fn frame(kind: &str, payload: Value) -> Value {
    json!({"type": kind, "payload": payload})
}

fn join(code: &Value, name: &str, pass: &str) -> Value {
    frame("join", json!({"name": name, "roomId": code, "pass": pass}))
}

#[tokio::test]
async fn transcript_of_rooms() {
    let server = server().await;
    server.sign_up("dora").await;
    let url = format!("ws://{}/", server.address());
    let mut talk = Transcript::new();
    let lobby = server.guest("gus").await.call("room.get", json!({"room": "lobby"})).await.unwrap();
    let lobby = lobby["room"]["code"].as_str().unwrap().to_owned();
    talk.call(&lobby, "lobby");
    for name in ["ann", "bob", "cyd"] {
        talk.meet(name, Client::open(&url).await);
    }

    talk.note("The examples of the page");
    let made = {
        talk.client("ann")
            .send_text(frame("create", json!({"name": "galaxy", "visibility": "public", "pass": ""})).to_string())
            .await;
        talk.client("ann").next_frame().await
    };
    let galaxy = made["payload"]["roomId"].clone();
    talk.call(galaxy.as_str().unwrap(), "galaxy");
    talk.write("ann", '→', &frame("create", json!({"name": "galaxy", "visibility": "public", "pass": ""})).to_string());
    talk.write("ann", '←', &made.to_string());
    talk.asks("bob", frame("query", json!({"query": "rooms"}))).await;
    talk.asks("ann", join(&galaxy, "alok", "")).await;
    talk.asks("bob", join(&galaxy, "ravi", "")).await;
    talk.hear(&["ann"]).await;
    talk.asks("bob", frame("chat", json!({"roomId": galaxy, "msg": "Hello"}))).await;
    talk.hear(&["ann"]).await;
    talk.asks("cyd", frame("query", json!({"query": "rooms"}))).await;
    talk.asks("bob", frame("leave", json!({"roomId": galaxy}))).await;
    talk.hear(&["ann"]).await;

    talk.note("A private room");
    let create = frame("create", json!({"name": "cellar", "visibility": "private", "pass": "anyPassword"}));
    talk.client("ann").send_text(create.to_string()).await;
    let made = talk.client("ann").next_frame().await;
    let cellar = made["payload"]["roomId"].clone();
    talk.call(cellar.as_str().unwrap(), "cellar");
    talk.write("ann", '→', &create.to_string());
    talk.write("ann", '←', &made.to_string());
    talk.asks("bob", join(&cellar, "ravi", "")).await;
    talk.asks("bob", join(&cellar, "ravi", "wrong")).await;
    talk.asks("bob", join(&cellar, "ravi", "anyPassword")).await;
    talk.asks("cyd", frame("query", json!({"query": "rooms"}))).await;

    talk.note("What cannot be");
    for wrong in [
        create,
        frame("create", json!({"name": "x", "visibility": "private", "pass": ""})),
        frame("create", json!({"name": "", "visibility": "public", "pass": ""})),
        frame("create", json!({"name": "x", "visibility": "secret", "pass": ""})),
        frame("query", json!({"query": "people"})),
        join(&cellar, "ravi", "anyPassword"),
        join(&galaxy, "ALOK", ""),
        join(&galaxy, "dora", ""),
        join(&galaxy, "", ""),
        join(&json!("no room"), "ravi", ""),
        frame("chat", json!({"roomId": galaxy, "msg": "from outside"})),
        frame("chat", json!({"roomId": cellar, "msg": " "})),
        frame("chat", json!({"roomId": cellar, "msg": "a\u{0}b"})),
        frame("chat", json!({"roomId": cellar, "msg": 5})),
        frame("chat", json!({"roomId": cellar})),
        frame("leave", json!({"roomId": galaxy})),
        frame("leave", json!({"roomId": []})),
        frame("fly", json!({})),
        json!({"type": "chat"}),
        json!({"type": "chat", "payload": null}),
        json!({"type": 5, "payload": {}}),
        json!({"payload": {}}),
        json!([]),
    ] {
        talk.asks("bob", wrong).await;
    }
    talk.asks("bob", "{").await;
    talk.asks("bob", "").await;
    let text = talk.end(|_| frame("leave", json!({"roomId": "NOONE"}))).await;
    assert_snapshot!(text);
}

#[tokio::test]
async fn transcript_of_rooms_without_guests() {
    let server = Setup::bare().variable("NATTERJACK__AUTH__GUESTS", "false").start().await;
    let mut talk = Transcript::new();
    talk.meet("ann", Client::open(&format!("ws://{}/", server.address())).await);
    talk.asks("ann", frame("query", json!({"query": "rooms"}))).await;
    let text = talk.end(|_| frame("create", json!({"name": "x", "visibility": "public", "pass": ""}))).await;
    assert_snapshot!(text);
}
