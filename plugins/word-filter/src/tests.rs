#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

mod disguises;
mod rules;

fn filter(settings: Value) -> WordFilter {
    MockHost::new().init(settings).unwrap()
}

fn init_error(settings: Value) -> String {
    MockHost::new().init::<WordFilter>(settings).unwrap_err()
}

/// The verdict on a message.
fn post(filter: &mut WordFilter, body: &str) -> Verdict {
    MockHost::new().room("lobby").by("bob").at("lobby").post(filter, body)
}

/// The text that is stored for a message.
fn shown(filter: &mut WordFilter, body: &str) -> String {
    match post(filter, body) {
        Verdict::Allow => body.to_owned(),
        Verdict::Rewrite(text) => text,
        Verdict::Reject { code, .. } => panic!("rejected: {code}"),
    }
}

#[test]
fn word_is_masked_character_by_character() {
    let mut filter = filter(json!({ "words": ["darn"] }));
    assert_eq!(shown(&mut filter, "darn, that darn cat"), "****, that **** cat");
}

#[test]
fn clean_message_is_allowed_unchanged() {
    let mut filter = filter(json!({ "words": ["darn"], "patterns": ["spam+"] }));
    assert_eq!(post(&mut filter, "good morning, grüß Gott"), Verdict::Allow);
}

#[test]
fn case_is_ignored_in_any_script() {
    let mut filter = filter(json!({ "words": ["Darn", "чёрт", "ΟΔΌΣ", "straße"] }));
    for (body, masked) in
        [("DARN dArN", "**** ****"), ("Вот ЧЁРТ!", "Вот ****!"), ("οδός", "****"), ("STRASSE Straße", "******* ******")]
    {
        assert_eq!(shown(&mut filter, body), masked);
    }
}

#[test]
fn only_whole_words_are_masked() {
    let mut filter = filter(json!({ "words": ["ass", "été", "c++"] }));
    assert_eq!(
        post(&mut filter, "a classic assembly, répétés, C++11 ass1"),
        Verdict::Rewrite("a classic assembly, répétés, ***11 ass1".to_owned())
    );
    assert_eq!(shown(&mut filter, "_ass_ (ass) l'été"), "_***_ (***) l'***");
}

#[test]
fn shorter_word_is_found_where_a_longer_one_does_not_match() {
    let mut filter = filter(json!({ "words": ["darn", "darn it"] }));
    assert_eq!(shown(&mut filter, "darn items"), "**** items");
    assert_eq!(shown(&mut filter, "darn it!"), "*******!");
}

#[test]
fn pattern_is_masked_wherever_it_matches() {
    let mut filter = filter(json!({ "patterns": [r"\bspam+\b", r"\d{4}"], "mask": "█" }));
    assert_eq!(shown(&mut filter, "SPAMMM at 12345"), "██████ at ████5");
}

#[test]
fn overlapping_hits_are_masked_once() {
    let mut filter = filter(json!({ "words": ["darn cat"], "patterns": ["cat fish", "arn"] }));
    assert_eq!(shown(&mut filter, "a darn cat fish!"), "a *************!");
}

#[test]
fn reject_action_rejects_with_the_reason() {
    let mut filter = filter(json!({ "words": ["darn"], "action": "reject", "reason": "Language!" }));
    assert_eq!(post(&mut filter, "Darn!"), Verdict::reject("blocked_word", "Language!"));
    assert_eq!(post(&mut filter, "Dear me!"), Verdict::Allow);
}

#[test]
fn without_settings_everything_passes() {
    assert_eq!(post(&mut filter(json!({})), "darn"), Verdict::Allow);
}

#[test]
fn misspelt_key_is_named_in_the_error() {
    let error = init_error(json!({ "wrods": ["darn"] }));
    assert!(error.starts_with("`wrods`: is unknown here; known are `words`"), "{error}");
}

#[test]
fn invalid_value_is_named_in_the_error() {
    for (settings, key) in [
        (json!({ "words": ["darn", 3] }), "`words[1]`"),
        (json!({ "words": ["darn", " "] }), "`words[1]`"),
        (json!({ "action": "shout" }), "`action`"),
        (json!({ "mask": "**" }), "`mask`"),
        (json!({ "patterns": ["fine", "("] }), "`patterns[1]`, `(`, cannot be used: unclosed group"),
        (json!({ "patterns": [r"\w{5000}"] }), r"`patterns[0]`, `\w{5000}`, cannot be used: Compiled"),
        (json!({ "patterns": ["a*"] }), "`patterns[0]`, `a*`, matches no characters"),
    ] {
        let error = init_error(settings);
        assert!(error.starts_with(key), "{error}");
    }
}
