//! Tests for disguised words.

use super::*;

fn darn() -> WordFilter {
    filter(json!({ "words": ["darn", "ass", "hell", "god", "чёрт", "darn it"] }))
}

#[test]
fn spaced_letters_are_detected() {
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
fn look_alikes_are_detected() {
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
fn repeated_letters_are_detected() {
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
fn similar_ordinary_words_are_allowed() {
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
fn accents_are_detected_if_configured() {
    assert_eq!(shown(&mut filter(json!({ "words": ["ano"] })), "un año, an\u{303}o"), "un año, an\u{303}o");
    let mut filter = filter(json!({ "words": ["darn", "été"], "evasions": ["accents"] }));
    assert_eq!(shown(&mut filter, "dárn da\u{301}rn ete été"), "**** ***** ete ***");
    assert_eq!(shown(&mut filter, "d4rn d a r n daaarn"), "d4rn d a r n daaarn");
}

#[test]
fn without_evasions_only_plain_words_are_found() {
    let mut filter = filter(json!({ "words": ["darn"], "evasions": [] }));
    assert_eq!(shown(&mut filter, "d4rn d a r n daaarn darn"), "d4rn d a r n daaarn ****");
}

#[test]
fn words_with_signs_and_numbers_are_found_undisguised() {
    let mut filter = filter(json!({ "words": ["c++", "1488", "b00m"] }));
    assert_eq!(shown(&mut filter, "c++ 1488 b00m boom"), "*** **** **** boom");
}

#[test]
fn unusual_text_causes_no_panic() {
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

#[test]
fn text_that_only_resembles_a_word_is_allowed() {
    let words = ["ass", "hell", "darn", "cam", "anal", "été", "god", "jas"];
    let mut filter = filter(json!({ "words": words }));
    for body in [
        // Initials and abbreviations.
        "T.H.E. L.L.C.",
        "T.H.E.L.L.C.",
        "B.A. S.S. Enterprise",
        "J. A. Smith, S. S. Jones",
        "a b a s s e t",
        "plan b a r n",
        "d a r n s",
        "h e l l o",
        // Paths, hosts, addresses.
        "a/s/s/e/t",
        "see /a/s/s and ./d/a/r/n or ~/h/e/l/l",
        "team@ss.example.org",
        "mail d.a.r.n@example.org or d4rn@example.org",
        "https://example.org/d/a/r/n?d4rn",
        "ass.example.org ann@ass.example.org",
        // Signs that look like letters, following other signs.
        "gr@ss gl@$$ pa$$word cl@ss b@ss",
        "Scunthorpe, class, assassin, analysis, hellebore, Bass, Massachusetts",
        // Letters that are distinct in their language.
        "Er aß Brot, und sie aßen Aß",
        "сам по себе, СÁМ",
        "aśś a\u{301}ss ass\u{301}",
        "répétés l'étéoo",
        // Lists, and companies' initials.
        "Vitamin A, S, S",
        "A; S; S",
        "A&S&S Ltd.",
        "A & S & S",
        "D&A&R&N",
        "D & A, R & N",
        "(A) (S) (S)",
        "A.S. S.",
        // Rendered, these are one word, which is another.
        "cl*ass* **cl**ass ***gr***ass cl~~ass~~ gr||ass|| `cl`ass",
        "gl*ass panels of cl*ass",
        "gr\u{200B}ass gr\u{AD}ass cl\u{2060}ass ass\u{200B}et gr\u{FEFF}4ss",
        // Two words that are apart.
        "he'll she'll d'arn",
        "as-set a-sset",
        "home.as.s in.the.as.sembly",
        "my as_set and snake_as_setter",
    ] {
        assert_eq!(shown(&mut filter, body), body);
    }
}

#[test]
fn disguises_that_people_can_read_are_detected() {
    let mut filter =
        filter(json!({ "words": ["darn", "ass", "été", "дурак", "笨蛋", "ควาย", "바보", "バカ", "كلب", "straße"] }));
    for (body, masked) in [
        ("d**a**rn d~~a~~rn `d`arn **d**arn", "******** ******** `***** ********"),
        ("🇩🇦🇷🇳 🇩 🇦 🇷 🇳", "**** *******"),
        ("d\u{336}a\u{336}r\u{336}n\u{336}", "*******\u{336}"),
        ("d\u{301}\u{302}\u{303}arn", "*******"),
        ("d-a.r/n", "*******"),
        ("D. A. R. N. it", "**********. it"),
        ("I d a r n it", "I ******* it"),
        ("аѕѕ dаrn", "*** ****"),
        ("ｄ ａ ｒ ｎ", "*******"),
        ("⒟⒜⒭⒩", "****"),
        ("l'été, _ass_, ass's", "l'***, _***_, ***'s"),
        ("oh darn.you", "oh ****.you"),
        ("你是笨蛋吗", "你是**吗"),
        ("あのバカが", "あの**が"),
        ("ไอ้ควายเอ๊ย", "ไอ้****เอ๊ย"),
        ("너는 바보야 바보는", "너는 **야 **는"),
        ("كـــلب كَلْب", "****** *****"),
        ("STRASSE Straße", "******* ******"),
        ("e\u{301}te\u{301}", "*****"),
    ] {
        assert_eq!(shown(&mut filter, body), masked, "{body}");
    }
    let mut filter = super::filter(
        json!({ "words": ["傻逼", "씨발", "хуй", "darn", "ass", "バカ", "ξύδι", "बकवास", "كلب", "หมาน", "נבל", "笨蛋"] }),
    );
    for (body, masked) in [
        ("傻 逼", "***"),
        ("傻-逼", "***"),
        ("你是傻-逼吗", "你是***吗"),
        ("你是傻 逼", "你是***"),
        ("傻 逼，滚", "***，滚"),
        ("笨_蛋 笨　蛋 笨·蛋", "*** *** ***"),
        ("バ・カ バ カ", "*** ***"),
        ("씨-발", "***"),
        ("씨 발", "***"),
        ("야 씨.발놈아", "야 ***놈아"),
        ("х у й", "*****"),
        ("х.у.й", "*****"),
        ("Х-У-Й!", "*****!"),
        ("х_у_й", "*****"),
        ("хуййй", "*****"),
        ("х у и\u{306}", "******"),
        ("ξ ύ δ ι", "*******"),
        ("ब क वा स", "********"),
        ("ك.ل.ب", "*****"),
        ("ห ม า น", "*******"),
        ("נ ב ל", "*****"),
        ("야씨발놈아", "야**놈아"),
        ("아씨발진짜 ㅋㅋ씨발ㅋㅋ", "아**진짜 ㅋㅋ**ㅋㅋ"),
        ("개씨발새끼들아!", "개**새끼들아!"),
        // Decomposed.
        (
            "\u{110B}\u{1163}\u{110A}\u{1175}\u{1107}\u{1161}\u{11AF}\u{1102}\u{1169}\u{11B7}\u{110B}\u{1161}",
            "\u{110B}\u{1163}*****\u{1102}\u{1169}\u{11B7}\u{110B}\u{1161}",
        ),
        ("d-a_rn d_a-rn da-rn", "****** ****** *****"),
        ("d. a-r n", "********"),
        ("x d-a-r-n y", "x ******* y"),
        ("d.a.r.n d - a - r - n d.a.r.n", "******* ************* *******"),
        ("d - a.r n!", "*********!"),
        ("d*a*r*n d**a**rn", "******* ********"),
        ("*ass* (**ass**) _ass_ ~~ass~~", "***** (*******) _***_ ~~***~~"),
    ] {
        assert_eq!(shown(&mut filter, body), masked, "{body}");
    }
    for invisible in [
        '\u{AD}',
        '\u{34F}',
        '\u{61C}',
        '\u{115F}',
        '\u{17B4}',
        '\u{180E}',
        '\u{200B}',
        '\u{200D}',
        '\u{202A}',
        '\u{202E}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{2800}',
        '\u{3164}',
        '\u{FE0F}',
        '\u{FEFF}',
        '\u{FFA0}',
        '\u{FFF9}',
        '\u{1D173}',
        '\u{E0041}',
        '\u{E0100}',
    ] {
        let body = format!("d{invisible}a{invisible}r{invisible}n");
        assert_eq!(shown(&mut filter, &body), "*******", "U+{:04X}", u32::from(invisible));
    }
}

#[test]
fn words_of_other_scripts_are_not_built_from_adjacent_words() {
    let mut filter = filter(json!({ "words": ["傻逼", "씨발", "시발", "새끼", "보지", "хуй", "笨蛋"] }));
    for body in [
        "他很傻 逼我走",
        "他很傻，逼我走",
        "傻、逼",
        "今天很笨。蛋糕好吃",
        "김영희 씨 발표",
        "김 씨 발 아파",
        "시발점 시발역 새끼손가락",
        "해보지 않은 가보지",
        "수박씨발라먹는",
        "х у й н я",
        "кухуй хуйвам",
    ] {
        assert_eq!(shown(&mut filter, body), body);
    }
}

#[test]
fn long_message_without_spaces_is_read_in_time() {
    let mut filter = filter(json!({ "words": ["笨", "darn"] }));
    let body = "笨d.".repeat(2_000);
    assert_eq!(shown(&mut filter, &body).chars().filter(|c| *c == '*').count(), 2_000);
}
