use super::*;

fn join(name: &str, group: &str) -> Value {
    json!({"type": "first-connect", "name": name, "group": group})
}

fn message(name: &str, group: &str, text: impl Into<Value>) -> Value {
    json!({"type": "message", "name": name, "group": group, "Text": text.into()})
}

#[tokio::test]
async fn transcript_of_groups() {
    let server = server().await;
    let url = format!("ws://{}/", server.address());
    let mut talk = Transcript::new();
    for name in ["ann", "bob", "new"] {
        talk.meet(name, Client::open(&url).await);
    }

    talk.note("The examples of the page");
    talk.asks("ann", json!({"type": "first-connect", "name": "UserName"})).await;
    talk.asks("ann", json!({"type": "make_group", "group_name": "GroupName"})).await;
    talk.asks("bob", join("Other", "GroupName")).await;
    talk.hear(&["ann"]).await;
    talk.says("ann", message("UserName", "GroupName", "Hello, World!")).await;
    talk.hear(&["ann", "bob"]).await;
    talk.asks("bob", json!({"type": "make_group", "group_name": "NewGroupName"})).await;
    talk.asks("new", json!({"type": "sign-up", "name": "NewUser", "pwrd": "password", "id": "unique-id"})).await;
    talk.meet("again", Client::open(&url).await);
    talk.asks("again", json!({"type": "log_in", "name": "NewUser", "pwrd": "password"})).await;
    talk.asks("again", join("NewUser", "GroupName")).await;
    talk.hear(&["ann", "bob"]).await;
    talk.asks("again", json!({"type": "get_groups"})).await;
    talk.says("bob", message("Other", "GroupName", "oh darn")).await;
    // All connections of an account receive the messages of its groups.
    talk.hear(&["bob", "ann", "again", "new"]).await;

    talk.note("What cannot be");
    talk.meet("late", Client::open(&url).await);
    for wrong in [
        join("username", "GroupName"),
        join("NewUser", "lobby"),
        join("late", "nowhere"),
        join("", "lobby"),
        join("a\u{0}b", "lobby"),
        message("late", "lobby", "who is this?"),
        json!({"type": "make_group", "group_name": "pond"}),
        json!({"type": "log_in", "name": "NewUser", "pwrd": "wrong"}),
        json!({"type": "log_in", "name": "nobody", "pwrd": "wrong"}),
        json!({"type": "sign-up", "name": "Another", "pwrd": "password", "id": "unique-id"}),
        json!({"type": "sign-up", "name": "NewUser", "pwrd": "password", "id": "another-id"}),
        json!({"type": "sign-up", "name": "unique-id", "pwrd": "password", "id": "another-id"}),
        json!({"type": "sign-up", "name": "", "pwrd": "password"}),
        json!({"type": "sign-up", "name": "x", "pwrd": ""}),
        json!({"type": "sign-up", "name": "x", "pwrd": "y", "id": []}),
        json!({"type": "sign-up", "name": "x", "pwrd": "y", "groups": ["nowhere"]}),
        json!({"type": "first-connect", "group": "lobby"}),
        json!({"type": "first-connect", "name": 5}),
        json!({"type": "fly"}),
        json!({"type": null}),
        json!({}),
        json!([]),
    ] {
        talk.asks("late", wrong).await;
    }
    talk.asks("late", "{").await;
    for wrong in [
        message("somebody else", "GroupName", "hi"),
        message("UserName", "NewGroupName", "not in it"),
        message("UserName", "nowhere", "hi"),
        message("UserName", "GroupName", ""),
        message("UserName", "GroupName", "a\u{0}b"),
        message("UserName", "GroupName", "x".repeat(4001)),
        message("UserName", "GroupName", 5),
        join("another name", "lobby"),
        json!({"type": "make_group", "group_name": "groupname"}),
        json!({"type": "make_group", "group_name": ""}),
        json!({"type": "make_group"}),
    ] {
        talk.asks("ann", wrong).await;
    }

    talk.note("Leaving");
    talk.part("bob").await;
    talk.hear(&["ann", "again", "new"]).await;
    let text = talk.end(|_| json!({"type": "fly"})).await;
    assert_snapshot!(text);
}

#[tokio::test]
async fn transcript_of_groups_with_unknown_users_reported() {
    let setup = Setup::bare().replace("reveal_unknown_users = false", "reveal_unknown_users = true");
    let server = setup.start().await;
    let mut talk = Transcript::new();
    talk.meet("ann", Client::open(&format!("ws://{}/ws/groups", server.address())).await);
    talk.asks("ann", json!({"type": "log_in", "name": "nobody", "pwrd": "wrong"})).await;
    let text = talk.end(|_| json!({"type": "get_groups"})).await;
    assert_snapshot!(text);
}
