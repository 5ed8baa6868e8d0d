//! Words that somebody wrote so that they would not be found.

use super::*;

fn darn() -> WordFilter {
    filter(json!({ "words": ["darn", "ass", "hell", "god", "чёрт", "darn it"] }))
}

#[test]
fn letters_apart_are_seen_through() {
    let mut filter = darn();
    for (body, masked) in [
        ("oh d a r n you", "oh ******* you"),
        ("d a r n it", "**********"),
        ("d.a.r.n!", "*******!"),
        ("D - A - R - N", "*************"),
        ("what an a s s", "what an *****"),
        ("ч ё р т", "*******"),
    ] {
        assert_eq!(shown(&mut filter, body), masked);
    }
}

#[test]
fn look_alikes_are_seen_through() {
    let mut filter = darn();
    for (body, masked) in [
        ("d4rn d@rn D4RN!", "**** **** ****!"),
        ("a$$ @ss 4ss", "*** *** ***"),
        ("go to he11 or he||", "go to **** or ****"),
        ("dаrn ԁаrn", "**** ****"),
        ("ｄａｒｎ 𝓭𝓪𝓻𝓷 ⓓⓐⓡⓝ", "**** **** ****"),
        ("чepт", "****"),
        ("d\u{200B}arn", "*****"),
        ("d 4 r n", "*******"),
    ] {
        assert_eq!(shown(&mut filter, body), masked);
    }
}

#[test]
fn drawn_out_letters_are_seen_through() {
    let mut filter = darn();
    for (body, masked) in [
        ("daaaarn", "*******"),
        ("ddarrn", "******"),
        ("asssss", "******"),
        ("gooood", "******"),
        ("d4444rn", "*******"),
        ("dddd aaaa rrrr nnnn", "*******************"),
        ("darn-it", "*******"),
    ] {
        assert_eq!(shown(&mut filter, body), masked);
    }
}

#[test]
fn honest_words_are_left_alone() {
    let mut filter = darn();
    for body in [
        "good as gold, a class of its own, a s class",
        "the A55 at 4:55, 455 and 1.455",
        "hello, heil, shell, he'll",
        "darning darner adarn",
        "goad, gooder",
        "de arn d arn",
    ] {
        assert_eq!(shown(&mut filter, body), body);
    }
}

#[test]
fn accents_are_seen_through_if_asked_for() {
    assert_eq!(shown(&mut filter(json!({ "words": ["ano"] })), "un año, an\u{303}o"), "un año, an\u{303}o");
    let mut filter = filter(json!({ "words": ["darn", "été"], "evasions": ["accents"] }));
    assert_eq!(shown(&mut filter, "dárn da\u{301}rn ete été"), "**** ***** ete ***");
    assert_eq!(shown(&mut filter, "d4rn d a r n daaarn"), "d4rn d a r n daaarn");
}

#[test]
fn without_evasions_words_are_taken_as_they_are() {
    let mut filter = filter(json!({ "words": ["darn"], "evasions": [] }));
    assert_eq!(shown(&mut filter, "d4rn d a r n daaarn darn"), "d4rn d a r n daaarn ****");
}

#[test]
fn words_with_signs_and_numbers_are_found_as_they_are() {
    let mut filter = filter(json!({ "words": ["c++", "1488", "b00m"] }));
    assert_eq!(shown(&mut filter, "c++ 1488 b00m boom"), "*** **** **** boom");
}

#[test]
fn no_text_upsets_it() {
    let mut filter = filter(
        json!({ "words": ["darn", "a b", "é", "ß", "𝓭"], "evasions": ["spacing", "lookalikes", "repeats", "accents"] }),
    );
    for body in
        ["", " ", "a", "a b", "\u{301}", "é e\u{301} ß ẞ", "🇩🇦🇷🇳 👩‍👩‍👧 ŉ ǰ ﬁ", "İ ı", "\u{200B}d\u{200B}", "d  a\n\nr...n"]
    {
        let _ = post(&mut filter, body);
    }
    for length in 0..40 {
        let body: String = "d4  ŕńaa🅰ſß. ".chars().cycle().skip(length).take(length).collect();
        let _ = post(&mut filter, &body);
    }
}
