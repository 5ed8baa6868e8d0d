//! Tests for links, floods and exemptions.

use std::time::Duration;

use super::*;

/// A room `lobby` with a moderator mo and a member bob.
fn lobby() -> MockHost {
    let chat = MockHost::new().room("staff").member("bob", Role::Member);
    chat.room("lobby").member("mo", Role::Moderator).member("bob", Role::Member)
}

fn say(chat: &MockHost, filter: &mut WordFilter, who: &str, body: &str) -> Verdict {
    chat.by(who).at("lobby").post(filter, body)
}

fn is_flood(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Reject { code, .. } if code == "flood")
}

#[test]
fn denied_link_is_masked_or_rejected() {
    let links = json!({ "deny": ["casino.example"] });
    let mut masking = filter(json!({ "links": links }));
    assert_eq!(shown(&mut masking, "see (http://casino.example/x)!"), "see (***********************)!");
    let mut rejecting = filter(json!({ "links": links, "action": "reject", "reason": "No ads." }));
    assert_eq!(post(&mut rejecting, "casino.example"), Verdict::reject("blocked_link", "No ads."));
    assert_eq!(post(&mut rejecting, "example.org"), Verdict::Allow);
}

#[test]
fn attachments_follow_the_rules_for_links() {
    let mut filter = filter(json!({ "links": { "allow": ["example.org"] } }));
    let ctx = MockHost::new().room("lobby").by("bob").at("lobby").context();
    for (link, welcome) in [
        ("https://example.org/frog.png", true),
        ("/media/0190b3c0", true),
        ("data:image/png", true),
        ("https://casino.example/frog.png", false),
    ] {
        let draft = Draft { body: "look".to_owned(), attachments: vec![link.to_owned()], ..Draft::default() };
        assert_eq!(filter.on_message(&ctx, &draft) == Verdict::Allow, welcome, "{link}");
    }
}

#[test]
fn too_many_messages_are_a_flood_until_time_has_passed() {
    let chat = lobby();
    let mut filter: WordFilter = chat.init(json!({ "flood": { "messages": 3, "seconds": 10 } })).unwrap();
    for number in 0..3 {
        assert_eq!(say(&chat, &mut filter, "bob", &number.to_string()), Verdict::Allow);
    }
    assert!(is_flood(&say(&chat, &mut filter, "bob", "four")));
    assert_eq!(say(&chat, &mut filter, "mo", "others go on"), Verdict::Allow);
    assert_eq!(chat.by("bob").at("staff").post(&mut filter, "elsewhere too"), Verdict::Allow);
    chat.wait(Duration::from_secs(10));
    assert_eq!(say(&chat, &mut filter, "bob", "four"), Verdict::Allow);
}

#[test]
fn repeated_text_is_a_flood() {
    let chat = lobby();
    let mut filter: WordFilter = chat.init(json!({ "flood": { "repeats": 2, "repeat_seconds": 60 } })).unwrap();
    for (body, flood) in [
        ("Buy now", false),
        ("other", false),
        ("buy  NOW ", false),
        ("other", false),
        ("buy now", true),
        ("new", false),
    ] {
        assert_eq!(is_flood(&say(&chat, &mut filter, "bob", body)), flood, "{body}");
    }
    chat.wait(Duration::from_secs(60));
    assert_eq!(say(&chat, &mut filter, "bob", "buy now"), Verdict::Allow);
}

#[test]
fn edit_does_not_count_as_a_flood() {
    let chat = lobby();
    let mut filter: WordFilter = chat.init(json!({ "flood": { "messages": 1 } })).unwrap();
    let bob = chat.by("bob").at("lobby");
    assert_eq!(bob.post(&mut filter, "helo"), Verdict::Allow);
    let edit = Draft { body: "hello".to_owned(), edit_of: Some(1), ..Draft::default() };
    assert_eq!(filter.on_message(&bob.context(), &edit), Verdict::Allow);
}

#[test]
fn number_of_tracked_senders_is_bounded() {
    let chat = lobby();
    let mut filter: WordFilter = chat.init(json!({ "flood": { "messages": 1 } })).unwrap();
    let mut ctx = chat.by("bob").at("lobby").context();
    for number in 0..10_100 {
        let id = AccountId::from(number.to_string());
        ctx.actor = Actor::Account(AccountRef { id, name: "crowd".to_owned() });
        let draft = Draft { body: "hi".to_owned(), ..Draft::default() };
        assert_eq!(filter.on_message(&ctx, &draft), Verdict::Allow);
    }
}

#[test]
fn exempt_role_is_not_filtered() {
    let chat = lobby();
    let settings = json!({ "words": ["darn"], "flood": { "messages": 1 }, "exempt": "moderator" });
    let mut filter: WordFilter = chat.init(settings).unwrap();
    for _ in 0..3 {
        assert_eq!(say(&chat, &mut filter, "mo", "darn"), Verdict::Allow);
    }
    assert_eq!(say(&chat, &mut filter, "bob", "darn"), Verdict::Rewrite("****".to_owned()));
}

#[test]
fn exempt_room_is_not_filtered() {
    let chat = lobby();
    let mut filter: WordFilter = chat.init(json!({ "words": ["darn"], "exempt_rooms": ["STAFF"] })).unwrap();
    assert_eq!(chat.by("bob").at("staff").post(&mut filter, "darn"), Verdict::Allow);
    assert_ne!(say(&chat, &mut filter, "bob", "darn"), Verdict::Allow);
}

#[test]
fn invalid_rules_are_named_in_the_error() {
    for (settings, key) in [
        (json!({ "links": { "deny": ["https://casino.example/"] } }), "`links.deny[0]`"),
        (json!({ "links": { "alow": [] } }), "`links.alow`"),
        (json!({ "flood": { "seconds": 0 } }), "`flood.seconds`"),
        (json!({ "flood": { "messages": 1000 } }), "`flood.messages`"),
        (json!({ "evasions": ["telepathy"] }), "`evasions[0]`"),
        (json!({ "exempt": "admin" }), "`exempt`"),
    ] {
        let error = init_error(settings);
        assert!(error.starts_with(key), "{error}");
    }
}
