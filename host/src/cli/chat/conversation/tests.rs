use super::*;

/// A conversation whose server is simulated by the test.
struct Scene {
    conversation: Conversation,
    sent: Vec<Value>,
    printed: Vec<String>,
    other: Vec<Action>,
}

impl Scene {
    /// Connected as a guest in the lobby, whose last entry is 5.
    fn in_lobby() -> Self {
        let mut scene = Self::new(Identity::Guest("ann".to_owned()));
        scene.open();
        scene.ok(json!({"account": {"name": "ann"}, "ping_ms": 30000}));
        scene.ok(json!({"room": {"uid": "L", "name": "lobby"}, "recovered": false, "last_seq": 5}));
        scene.ok(json!({"messages": []}));
        scene.printed.clear();
        scene
    }

    fn new(identity: Identity) -> Self {
        let conversation = Conversation::new(identity, "lobby".to_owned(), None);
        Self { conversation, sent: Vec::new(), printed: Vec::new(), other: Vec::new() }
    }

    fn take(&mut self, out: Vec<Action>) {
        for what in out {
            match what {
                Action::Send(frame) => self.sent.push(frame),
                Action::Print(line) => self.printed.push(line),
                other => self.other.push(other),
            }
        }
    }

    fn open(&mut self) {
        let out = self.conversation.opened();
        self.take(out);
    }

    /// Loses the connection, and connects again.
    fn reconnect(&mut self) {
        self.conversation.lost();
        self.open();
        self.ok(json!({"account": {"name": "ann"}}));
    }

    fn typed(&mut self, line: &str) {
        let out = self.conversation.typed(line);
        self.take(out);
    }

    fn receive(&mut self, frame: Value) {
        let out = self.conversation.received(&frame.to_string());
        self.take(out);
    }

    /// Answers the last request with success.
    fn ok(&mut self, ok: Value) {
        let id = self.last()["id"].clone();
        self.receive(json!({"id": id, "ok": ok}));
    }

    fn error(&mut self, error: Value) {
        let id = self.last()["id"].clone();
        self.receive(json!({"id": id, "error": error}));
    }

    fn last(&self) -> &Value {
        self.sent.last().expect("something was sent")
    }

    fn posted(&mut self, seq: u64, from: &str, body: &str) {
        self.posted_with(seq, from, body, json!(null));
    }

    fn posted_with(&mut self, seq: u64, from: &str, body: &str, key: Value) {
        self.receive(event(seq, "message.posted", json!({"from": {"name": from}, "body": body, "key": key})));
    }
}

fn event(seq: u64, name: &str, data: Value) -> Value {
    json!({"event": name, "room": "L", "seq": seq, "data": data})
}

mod opening {
    use super::*;

    #[test]
    fn guest_connects_with_name_and_account_with_token() {
        let mut guest = Scene::new(Identity::Guest("ann".to_owned()));
        guest.open();
        assert_eq!(guest.last(), &json!({"id": 1, "op": "connect", "args": {"guest": "ann"}}));
        let mut account = Scene::new(Identity::Token("abc".to_owned()));
        account.open();
        assert_eq!(account.last()["args"], json!({"token": "abc"}));
    }

    #[test]
    fn joining_shows_latest_messages() {
        let mut scene = Scene::new(Identity::Guest("ann".to_owned()));
        scene.open();
        scene.ok(json!({"account": {"name": "ann"}}));
        assert_eq!(scene.last(), &json!({"id": 2, "op": "room.join", "args": {"room": "lobby"}}));
        scene.ok(json!({"room": {"uid": "L", "name": "lobby"}, "recovered": false, "last_seq": 2}));
        assert_eq!(scene.last()["op"], "room.history");
        assert_eq!(scene.last()["args"], json!({"room": "L", "limit": 20}));
        scene.ok(json!({"messages": [{"seq": 2, "from": {"name": "bob"}, "body": "hi"}]}));
        assert_eq!(scene.printed, ["* connected as ann", "* you are in lobby", "bob: hi"]);
    }

    #[test]
    fn events_during_history_are_shown_once_and_after_it() {
        let mut scene = Scene::new(Identity::Guest("ann".to_owned()));
        scene.open();
        scene.ok(json!({"account": {"name": "ann"}}));
        scene.ok(json!({"room": {"uid": "L", "name": "lobby"}, "recovered": false, "last_seq": 1}));
        scene.posted(2, "bob", "two");
        scene.posted(4, "bob", "four");
        let message = |seq: u64, body: &str| json!({"seq": seq, "from": {"name": "bob"}, "body": body});
        scene.ok(json!({"messages": [message(1, "one"), message(2, "two"), message(3, "three")]}));
        scene.posted(5, "bob", "five");
        assert_eq!(scene.printed[2..], ["bob: one", "bob: two", "bob: three", "bob: four", "bob: five"]);
    }

    #[test]
    fn refused_identity_or_room_ends_the_client_with_the_reason() {
        let mut scene = Scene::new(Identity::Guest("ann".to_owned()));
        scene.open();
        scene.error(json!({"code": "conflict", "message": "the name is taken"}));
        assert_eq!(scene.other, [Action::GiveUp("cannot connect: conflict: the name is taken".to_owned())]);

        let mut scene = Scene::new(Identity::Guest("ann".to_owned()));
        scene.open();
        scene.ok(json!({}));
        scene.error(json!({"code": "forbidden", "message": "this room has a password"}));
        let why = "cannot join lobby: forbidden: this room has a password (a room's password is given with --password)";
        assert_eq!(scene.other, [Action::GiveUp(why.to_owned())]);
    }
}

mod talking {
    use super::*;

    #[test]
    fn lines_are_posted_one_at_a_time_in_their_order() {
        let mut scene = Scene::in_lobby();
        scene.typed("one");
        scene.typed("two");
        let first = scene.last().clone();
        assert_eq!(
            (&first["op"], &first["args"]["room"], &first["args"]["body"]),
            (&json!("message.post"), &json!("L"), &json!("one"))
        );
        scene.ok(json!({"seq": 6}));
        assert_eq!(scene.last()["args"]["body"], "two");
        assert_ne!(scene.last()["args"]["key"], first["args"]["key"]);
        scene.ok(json!({"seq": 7}));
        assert_eq!(scene.conversation.unanswered(), 0);
    }

    #[test]
    fn own_message_is_shown_when_its_event_arrives() {
        let mut scene = Scene::in_lobby();
        scene.typed("hello");
        scene.ok(json!({"seq": 6}));
        assert!(scene.conversation.expects_events());
        scene.posted(6, "ann", "hello");
        assert!(!scene.conversation.expects_events());
        assert_eq!(scene.printed, ["ann: hello"]);
    }

    #[test]
    fn refused_line_is_reported_and_the_next_one_sent() {
        let mut scene = Scene::in_lobby();
        scene.typed("casino");
        scene.typed("sorry");
        scene.error(json!({"code": "rejected", "message": "no ads here"}));
        assert_eq!(scene.printed, ["! rejected: no ads here"]);
        assert_eq!(scene.last()["args"]["body"], "sorry");
        assert_eq!(scene.conversation.refused(), 1);
    }

    #[test]
    fn rate_limited_line_is_retried_before_later_lines() {
        let mut scene = Scene::in_lobby();
        scene.typed("one");
        scene.typed("two");
        let first = scene.last()["args"].clone();
        scene.error(json!({"code": "rate_limited", "message": "slowly", "retry_after_ms": 50}));
        assert_eq!(scene.other, [Action::WakeIn(Duration::from_millis(50))]);
        assert_eq!(scene.last()["args"], first);
        let out = scene.conversation.woken();
        scene.take(out);
        assert_eq!(scene.last()["args"], first);
        assert_eq!(scene.sent.iter().filter(|frame| frame["args"]["body"] == "two").count(), 0);
    }

    #[test]
    fn unknown_slash_commands_are_sent_to_the_server() {
        let mut scene = Scene::in_lobby();
        scene.typed("/kick bob");
        assert_eq!(scene.last()["args"]["body"], "/kick bob");
        scene.ok(json!({"result": {"kicked": "bob"}}));
        assert_eq!(scene.printed, ["= kicked: bob"]);
        assert!(!scene.conversation.expects_events());
    }

    #[test]
    fn help_lists_local_and_server_commands() {
        let mut scene = Scene::in_lobby();
        scene.typed("/help");
        assert_eq!(scene.last()["op"], "commands");
        scene.ok(json!({"commands": [{"name": "dice.roll", "summary": "Rolls", "params": [], "slash": "dice"}]}));
        assert!(scene.printed.iter().any(|line| line.starts_with("/quit")));
        assert!(scene.printed.iter().any(|line| line.starts_with("/dice") && line.ends_with("Rolls")));
    }

    #[test]
    fn control_characters_of_others_are_removed() {
        let mut scene = Scene::in_lobby();
        scene.posted(6, "b\x1b[31mob", "hi\x07\nann: I owe bob 5");
        assert_eq!(scene.printed, ["b[31mob: hi\n  | ann: I owe bob 5"]);
    }

    #[test]
    fn guest_who_joins_another_room_leaves_the_first() {
        let mut scene = Scene::in_lobby();
        scene.typed("/join den s3cret");
        assert_eq!(scene.last()["args"], json!({"room": "den", "password": "s3cret"}));
        scene.typed("hi all");
        scene.ok(json!({"room": {"uid": "D", "name": "den"}, "recovered": false, "last_seq": 0}));
        let leave = json!({"op": "room.leave", "args": {"room": "L"}});
        assert!(scene.sent.contains(&leave));
        scene.ok(json!({"messages": []}));
        assert_eq!((&scene.last()["args"]["room"], &scene.last()["args"]["body"]), (&json!("D"), &json!("hi all")));
        scene.posted(6, "bob", "still in the lobby");
        assert_eq!(scene.printed, ["* you are in den"]);
    }

    #[test]
    fn refused_join_keeps_the_current_room() {
        let mut scene = Scene::in_lobby();
        scene.typed("/join den");
        scene.posted(6, "bob", "are you leaving?");
        scene.error(json!({"code": "forbidden", "message": "wrong password"}));
        scene.typed("no");
        assert_eq!(scene.last()["args"]["room"], "L");
        assert_eq!(scene.printed, ["! cannot join den: forbidden: wrong password", "bob: are you leaving?"]);
    }
}

mod coming_back {
    use super::*;

    #[test]
    fn reconnect_joins_since_the_last_entry_seen() {
        let mut scene = Scene::in_lobby();
        scene.posted(6, "bob", "six");
        scene.reconnect();
        assert_eq!(scene.last()["op"], "room.join");
        assert_eq!(scene.last()["args"], json!({"room": "L", "since": 6}));
    }

    #[test]
    fn missed_entries_are_shown_once() {
        let mut scene = Scene::in_lobby();
        scene.posted(6, "bob", "six");
        scene.reconnect();
        scene.ok(json!({"room": {"uid": "L"}, "recovered": true, "last_seq": 8}));
        for seq in [6, 7, 8, 8, 9] {
            scene.posted(seq, "bob", &format!("entry {seq}"));
        }
        assert_eq!(scene.printed, ["bob: six", "bob: entry 7", "bob: entry 8", "bob: entry 9"]);
    }

    #[test]
    fn unacknowledged_post_is_resent_with_its_key_after_missed_entries() {
        let mut scene = Scene::in_lobby();
        scene.typed("hello");
        let post = scene.last()["args"].clone();
        scene.reconnect();
        scene.ok(json!({"room": {"uid": "L"}, "recovered": true, "last_seq": 6}));
        assert_eq!(scene.last()["op"], "room.join", "the post may be among the missed entries");
        scene.posted(6, "bob", "not yours");
        assert_eq!(scene.last()["args"], post);
        scene.ok(json!({"seq": 7, "duplicate": false}));
        assert_eq!(scene.conversation.unanswered(), 0);
    }

    #[test]
    fn post_among_missed_entries_is_not_resent() {
        let mut scene = Scene::in_lobby();
        scene.typed("hello");
        let key = scene.last()["args"]["key"].clone();
        scene.reconnect();
        scene.ok(json!({"room": {"uid": "L"}, "recovered": true, "last_seq": 6}));
        scene.posted_with(6, "ann", "hello", key);
        assert_eq!(scene.last()["op"], "room.join");
        assert_eq!(scene.conversation.unanswered(), 0);
        assert_eq!(scene.printed, ["ann: hello"]);
    }

    #[test]
    fn history_is_read_page_by_page_after_a_long_absence() {
        let mut scene = Scene::in_lobby();
        scene.reconnect();
        scene.ok(json!({"room": {"uid": "L"}, "recovered": false, "last_seq": 300}));
        assert_eq!(scene.last()["args"], json!({"room": "L", "after": 5, "limit": 100}));
        let page: Vec<Value> =
            (6..106).map(|seq| json!({"seq": seq, "from": {"name": "bob"}, "body": seq.to_string()})).collect();
        scene.ok(json!({"messages": page}));
        assert_eq!(scene.last()["args"]["after"], 105);
        scene.posted(301, "bob", "live");
        scene.ok(json!({"messages": [{"seq": 300, "from": {"name": "bob"}, "body": "300"}]}));
        assert_eq!(scene.printed[1], "bob: 6");
        assert_eq!(scene.printed[100..], ["bob: 105", "bob: 300", "bob: live"]);
    }

    #[test]
    fn lines_typed_while_offline_are_sent_after_reconnect() {
        let mut scene = Scene::in_lobby();
        scene.conversation.lost();
        scene.typed("are you there?");
        assert_eq!(scene.conversation.unanswered(), 1);
        scene.reconnect();
        scene.ok(json!({"room": {"uid": "L"}, "recovered": true, "last_seq": 5}));
        assert_eq!(scene.last()["args"]["body"], "are you there?");
    }

    #[test]
    fn name_held_by_old_connection_is_retried() {
        let mut scene = Scene::in_lobby();
        scene.conversation.lost();
        scene.open();
        scene.error(json!({"code": "conflict", "message": "the name is taken"}));
        assert_eq!(scene.other, [Action::Reconnect("conflict: the name is taken".to_owned())]);
    }

    #[test]
    fn room_deleted_while_offline_ends_the_client() {
        let mut scene = Scene::in_lobby();
        scene.reconnect();
        scene.error(json!({"code": "not_found", "message": "room not found"}));
        assert_eq!(scene.other, [Action::GiveUp("cannot join lobby: not_found: room not found".to_owned())]);
    }
}
