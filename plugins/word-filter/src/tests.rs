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

/// What becomes of a message.
fn post(filter: &mut WordFilter, body: &str) -> Verdict {
    MockHost::new().room("lobby").by("bob").at("lobby").post(filter, body)
}

/// What others read of a message.
fn shown(filter: &mut WordFilter, body: &str) -> String {
    match post(filter, body) {
        Verdict::Allow => body.to_owned(),
        Verdict::Rewrite(text) => text,
        Verdict::Reject { code, .. } => panic!("rejected: {code}"),
    }
}

#[test]
fn a_word_is_masked_character_by_character() {
    let mut filter = filter(json!({ "words": ["darn"] }));
    assert_eq!(shown(&mut filter, "darn, that darn cat"), "****, that **** cat");
}

#[test]
fn a_clean_message_passes_untouched() {
    let mut filter = filter(json!({ "words": ["darn"], "patterns": ["spam+"] }));
    assert_eq!(post(&mut filter, "good morning, grüß Gott"), Verdict::Allow);
}

#[test]
fn case_makes_no_difference_in_any_script() {
    let mut filter = filter(json!({ "words": ["Darn", "чёрт", "ΟΔΌΣ", "straße"] }));
    for (body, masked) in
        [("DARN dArN", "**** ****"), ("Вот ЧЁРТ!", "Вот ****!"), ("οδός", "****"), ("STRASSE Straße", "******* ******")]
    {
        assert_eq!(shown(&mut filter, body), masked);
    }
}

#[test]
fn only_whole_words_count() {
    let mut filter = filter(json!({ "words": ["ass", "été", "c++"] }));
    assert_eq!(
        post(&mut filter, "a classic assembly, répétés, C++11 ass1"),
        Verdict::Rewrite("a classic assembly, répétés, ***11 ass1".to_owned())
    );
    assert_eq!(shown(&mut filter, "_ass_ (ass) l'été"), "_***_ (***) l'***");
}

#[test]
fn a_shorter_word_counts_where_a_longer_one_fails() {
    let mut filter = filter(json!({ "words": ["darn", "darn it"] }));
    assert_eq!(shown(&mut filter, "darn items"), "**** items");
    assert_eq!(shown(&mut filter, "darn it!"), "*******!");
}

#[test]
fn a_pattern_is_masked_wherever_it_matches() {
    let mut filter = filter(json!({ "patterns": [r"\bspam+\b", r"\d{4}"], "mask": "█" }));
    assert_eq!(shown(&mut filter, "SPAMMM at 12345"), "██████ at ████5");
}

#[test]
fn overlapping_hits_are_masked_once() {
    let mut filter = filter(json!({ "words": ["darn cat"], "patterns": ["cat fish", "arn"] }));
    assert_eq!(shown(&mut filter, "a darn cat fish!"), "a *************!");
}

#[test]
fn rejecting_keeps_the_message_out_and_says_why() {
    let mut filter = filter(json!({ "words": ["darn"], "action": "reject", "reason": "Language!" }));
    assert_eq!(post(&mut filter, "Darn!"), Verdict::reject("blocked_word", "Language!"));
    assert_eq!(post(&mut filter, "Dear me!"), Verdict::Allow);
}

#[test]
fn without_settings_everything_passes() {
    assert_eq!(post(&mut filter(json!({})), "darn"), Verdict::Allow);
}

#[test]
fn a_misspelt_key_is_named() {
    let error = init_error(json!({ "wrods": ["darn"] }));
    assert!(error.starts_with("`wrods`: is unknown here; known are `words`"), "{error}");
}

#[test]
fn a_value_that_does_not_fit_is_named() {
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
