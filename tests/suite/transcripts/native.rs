use super::*;

#[tokio::test]
async fn transcript_of_native() {
    let server = server().await;
    let ann = server.sign_up("ann").await;
    let mut talk = Transcript::new();
    talk.meet("ann", server.connect().await);
    talk.meet("gus", server.connect().await);
    let mut id = 0;
    let mut call = |op: &str, args: Value| {
        id += 1;
        json!({"id": id, "op": op, "args": args})
    };

    talk.note("Coming in");
    talk.asks("ann", call("room.list", json!({}))).await;
    talk.asks("ann", call("connect", json!({}))).await;
    talk.asks("ann", call("connect", json!({"token": "nonsense"}))).await;
    talk.asks("ann", call("connect", json!({"token": ann.token}))).await;
    talk.asks("gus", call("connect", json!({"guest": "ann"}))).await;
    talk.asks("gus", call("connect", json!({"guest": "gus"}))).await;

    talk.note("Rooms");
    talk.says(
        "ann",
        call("room.create", json!({"name": "cellar", "visibility": "private", "password": "open sesame"})),
    )
    .await;
    let made = talk.client("ann").next_frame().await;
    talk.call(made["ok"]["room"]["code"].as_str().unwrap(), "code");
    talk.write("ann", '←', &made.to_string());
    talk.asks("ann", call("room.join", json!({"room": "cellar"}))).await;
    talk.asks("gus", call("room.join", json!({"room": "cellar"}))).await;
    talk.asks("gus", call("room.join", json!({"room": "cellar", "password": "wrong"}))).await;
    talk.asks("gus", call("room.join", json!({"room": "cellar", "password": "open sesame"}))).await;
    talk.hear(&["gus", "ann"]).await;
    talk.asks("ann", call("room.get", json!({"room": "cellar"}))).await;
    talk.asks("ann", call("room.members", json!({"room": "cellar"}))).await;
    talk.asks("ann", call("room.list", json!({"query": "cell"}))).await;
    talk.asks("ann", call("room.update", json!({"room": "cellar", "topic": "wine"}))).await;
    talk.hear(&["ann", "gus"]).await;

    talk.note("Messages");
    let key = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";
    let post = json!({"room": "cellar", "body": "is it dark in here?", "key": key});
    talk.asks("ann", call("message.post", post.clone())).await;
    let seq = talk.hear(&["ann", "gus"]).await["seq"].clone();
    talk.asks("ann", call("message.post", post)).await;
    talk.asks("gus", call("message.post", json!({"room": "cellar", "body": "darn, it is", "reply_to": seq}))).await;
    talk.hear(&["gus", "ann"]).await;
    for (op, args) in [
        ("message.react", json!({"room": "cellar", "seq": seq, "emoji": "🐸", "on": true})),
        ("message.edit", json!({"room": "cellar", "seq": seq, "body": "is it dark?"})),
        ("message.delete", json!({"room": "cellar", "seq": seq})),
    ] {
        talk.asks("ann", call(op, args)).await;
        talk.hear(&["ann", "gus"]).await;
    }
    talk.asks("gus", call("room.history", json!({"room": "cellar"}))).await;
    talk.asks("ann", call("unread", json!({}))).await;
    talk.asks("ann", call("message.read", json!({"room": "cellar", "seq": seq}))).await;
    talk.hear(&["ann", "gus"]).await;
    talk.asks("ann", call("search", json!({"query": "it"}))).await;
    talk.asks("gus", call("typing", json!({"room": "cellar"}))).await;
    talk.hear(&["ann"]).await;

    talk.note("People");
    talk.asks("gus", call("account.find", json!({"name": "ann"}))).await;
    talk.asks("ann", call("presence.watch", json!({"accounts": [ann.id]}))).await;

    talk.note("What cannot be");
    for (op, args) in [
        ("message.shout", json!({})),
        ("message.post", json!({"body": "x"})),
        ("message.post", json!({"room": "cellar", "body": 5})),
        ("message.post", json!({"room": "cellar", "body": " "})),
        ("message.post", json!({"room": "cellar", "body": "a\u{0}b"})),
        ("message.post", json!({"room": "cellar", "body": "x".repeat(4001)})),
        ("message.post", json!({"room": "lobby", "body": "not in it"})),
        ("message.post", json!({"room": "cellar", "body": "x", "reply_to": 99})),
        ("message.post", json!({"room": "cellar", "body": "/fly"})),
        ("message.edit", json!({"room": "cellar", "seq": seq, "body": "what?"})),
        ("message.delete", json!({"room": "cellar", "seq": 99})),
        ("message.react", json!({"room": "cellar", "seq": seq, "emoji": "not one", "on": true})),
        ("room.get", json!({"room": "nowhere"})),
        ("room.create", json!({"name": "Cellar", "visibility": "public"})),
        ("room.create", json!({"visibility": "public"})),
        ("room.history", json!({"room": "cellar", "limit": 0})),
        ("room.history", json!({"room": "cellar", "before": 1, "after": 1})),
        ("member.kick", json!({"room": "cellar", "account": "nobody"})),
        ("direct.open", json!({"account": "nobody"})),
        ("account.find", json!({"name": "nobody"})),
        ("search", json!({"query": "x", "cursor": "y"})),
        ("presence.watch", json!({"accounts": ["ann"]})),
    ] {
        talk.asks("ann", call(op, args)).await;
    }
    for frame in
        ["{", "", "[]", "7", "{}", r#"{"id":{},"op":"commands"}"#, r#"{"op":"room.get","args":{"room":"nowhere"}}"#]
    {
        talk.asks("ann", frame).await;
    }

    talk.note("Leaving");
    talk.asks("gus", call("room.leave", json!({"room": "cellar"}))).await;
    talk.hear(&["ann"]).await;
    talk.asks("ann", call("room.delete", json!({"room": "cellar"}))).await;
    talk.hear(&["ann"]).await;
    let text = talk.end(|_| json!({"id": "end", "op": "presence.watch", "args": {"accounts": []}})).await;
    assert_snapshot!(text);
}
