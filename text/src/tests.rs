#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn spellings_of_one_word_fold_to_the_same() {
    for (one, other) in [
        ("Γιώργος", "ΓΙΏΡΓΟΣ"),
        ("Straße", "STRASSE"),
        ("straße", "STRAẞE"),
        ("οδος", "ΟΔΟΣ"),
        ("οδοσ", "οδος"),
        ("ﬁne", "FINE"),
        ("Ａｎｎ", "ann"),
        ("Zoe\u{308}", "ZOË"),
        ("ŉ", "ʼN"),
        ("ΐ", "\u{3B9}\u{308}\u{301}"),
        ("Ĳ", "ij"),
        ("ﾊﾝｶｸ", "ハンカク"),
        ("ᎠᎡ", "ꭰꭱ"),
        ("می\u{200C}خواهم", "میخواهم"),
        ("❤\u{FE0F}", "❤"),
        ("a\u{3164}b", "ab"),
        ("½", "1⁄2"),
        ("ǰ", "J\u{30C}"),
    ] {
        assert_eq!(fold(one), fold(other), "{one:?} {other:?}");
    }
    for (one, other) in [("ann", "anna"), ("ı", "i"), ("é", "e"), ("а", "a")] {
        assert_ne!(fold(one), fold(other), "{one:?} {other:?}");
    }
}

#[test]
fn folding_twice_changes_nothing_for_any_character() {
    // The ranges left out are unassigned or for private use.
    for c in ('\0'..'\u{3FFFF}').chain('\u{E0000}'..'\u{E0FFF}') {
        for text in [alloc::format!("{c}"), alloc::format!("a{c}\u{345}\u{301}i")] {
            let once = fold(&text);
            assert_eq!(fold(&once), once, "{text:?}");
        }
    }
}

#[test]
fn every_format_character_is_invisible_except_visible_ones() {
    use icu_properties::props::{GeneralCategory, PrependedConcatenationMark};
    let shown = icu_properties::CodePointSetData::new::<PrependedConcatenationMark>();
    for c in ('\0'..=char::MAX).filter(|c| class::category(*c) == GeneralCategory::Format && !shown.contains(*c)) {
        assert!(is_invisible(c), "U+{:04X}", u32::from(c));
    }
    assert!(!('\0'..'\u{AD}').any(is_invisible));
}

#[test]
fn names_with_invisible_characters_are_refused() {
    for bad in [
        '\0',
        '\n',
        '\t',
        '\u{7F}',
        '\u{85}',
        '\u{AD}',
        '\u{34F}',
        '\u{61C}',
        '\u{115F}',
        '\u{17B4}',
        '\u{180E}',
        '\u{200B}',
        '\u{200C}',
        '\u{200D}',
        '\u{200E}',
        '\u{2028}',
        '\u{202E}',
        '\u{2060}',
        '\u{2066}',
        '\u{2800}',
        '\u{3164}',
        '\u{E000}',
        '\u{FDD0}',
        '\u{FE00}',
        '\u{FE0F}',
        '\u{FEFF}',
        '\u{FFA0}',
        '\u{FFF9}',
        '\u{FFFC}',
        '\u{FFFF}',
        '\u{13441}',
        '\u{1BCA0}',
        '\u{1D159}',
        '\u{1D173}',
        '\u{E0001}',
        '\u{E0061}',
        '\u{E0100}',
        '\u{F0000}',
        '\u{10FFFF}',
        '\u{378}',
        '\u{0FFE}',
    ] {
        let name = alloc::format!("a{bad}nn");
        assert_eq!(check_name(&name), Err(Fault::Character(bad)), "U+{:04X}", u32::from(bad));
    }
}

#[test]
fn joiners_and_selectors_are_accepted_where_they_have_a_meaning() {
    for good in [
        "می\u{200C}خواهم",
        "کتاب\u{200C}ها",
        "کار\u{200C}ها",
        "ه\u{200D}",
        "क्\u{200D}ष",
        "ක්\u{200D}ර",
        "র\u{200D}্যাব",
        "ന്\u{200D}",
        "👩\u{200D}💻",
        "👩🏽\u{200D}💻",
        "❤\u{FE0F}",
        "❤\u{FE0F}\u{200D}🔥",
        "🏳\u{FE0F}\u{200D}🌈",
        "1\u{FE0F}\u{20E3}",
        "👨\u{200D}👩\u{200D}👧\u{200D}👦",
        "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
        "葛\u{E0100}城",
        "🇨🇭",
        "Zoë",
        "Nguyễn Văn Ân",
        "שָׁלוֹם",
        "น้ำ",
        "བསྒྲུབས",
        "日本 太郎",
        "O'Neil-Smith 2",
        "Ж́",
    ] {
        assert_eq!(check_name(&nfc(good)), Ok(()), "{good:?}");
    }
    for bad in [
        "a\u{200C}b",
        "a\u{200D}b",
        "ب\u{200C}a",
        "a\u{FE0F}",
        "1\u{FE0F}",
        "❤\u{FE0F}\u{FE0F}",
        "👩\u{200D}",
        "\u{200D}💻",
        "👩\u{200D}a",
        "می\u{200C}\u{200C}خ",
        "🏴\u{E0067}",
        "🏴\u{E0067}\u{E0062}\u{E007F}",
        "a\u{E0100}",
        "葛\u{FE0F}",
    ] {
        assert!(matches!(check_name(bad), Err(Fault::Character(_))), "{bad:?}");
    }
}

#[test]
fn piles_of_combining_marks_are_refused() {
    let pile = |marks: usize| alloc::format!("x{}", "\u{302}\u{323}".repeat(marks / 2));
    assert_eq!(check_name(&pile(4)), Ok(()));
    assert_eq!(check_name(&pile(6)), Err(Fault::Marks(4)));
    assert_eq!(check_name("x\u{488}\u{489}\u{302}\u{302}\u{302}"), Err(Fault::Marks(4)));
    assert_eq!(check_line(&pile(6)), Err(Fault::Marks(4)));
    assert_eq!(check_body(&pile(20)), Ok(()));
    assert_eq!(check_body(&pile(22)), Err(Fault::Marks(20)));
    assert_eq!(check_name("\u{301}a"), Err(Fault::LooseMark('\u{301}')));
    assert_eq!(check_name("a \u{301}b"), Err(Fault::LooseMark('\u{301}')));
}

#[test]
fn line_with_controls_breaks_or_directions_is_refused() {
    for bad in [
        '\0', '\n', '\r', '\t', '\u{1B}', '\u{7F}', '\u{85}', '\u{9B}', '\u{200F}', '\u{2028}', '\u{2029}', '\u{202E}',
        '\u{2066}', '\u{FFFE}',
    ] {
        assert_eq!(check_line(&alloc::format!("a{bad}b")), Err(Fault::Character(bad)));
    }
    for good in ["", "שלום עולם", "می\u{200C}خواهم", "ภาษา\u{200B}ไทย", "👩\u{200D}💻 ❤\u{FE0F}", "\u{E000}"]
    {
        assert_eq!(check_line(good), Ok(()), "{good:?}");
    }
}

#[test]
fn body_may_have_lines_and_balanced_directions() {
    for good in [
        "a\tb\nc\r\nd",
        "\u{2067}שלום\u{2069} x",
        "\u{202B}א\u{202C}",
        "\u{200F}א",
        "\u{2066}\u{202A}x\u{202C}\u{2069}",
    ] {
        assert_eq!(check_body(good), Ok(()), "{good:?}");
    }
    for (bad, fault) in [
        ("a\0b", Fault::Character('\0')),
        ("é\0b", Fault::Character('\0')),
        ("\u{1B}[2J", Fault::Character('\u{1B}')),
        ("é\u{9B}2J", Fault::Character('\u{9B}')),
        ("x\u{FFFF}", Fault::Character('\u{FFFF}')),
        ("a\u{202E}b", Fault::Direction('\u{202E}')),
        ("a\u{202E}b\n\u{202C}", Fault::Direction('\u{202E}')),
        ("\u{2066}\u{202A}x\u{2069}\u{202C}", Fault::Direction('\u{2069}')),
        ("\u{2069}", Fault::Direction('\u{2069}')),
    ] {
        assert_eq!(check_body(bad), Err(fault), "{bad:?}");
    }
    assert!(check_body(&"\u{2066}".repeat(40)).is_err());
}

#[test]
fn spaces_are_collapsed_and_unchanged_text_is_borrowed() {
    for (text, collapsed) in [
        ("  a  b ", "a b"),
        ("a\u{3000}b", "a b"),
        ("a\u{A0}\u{2003}b", "a b"),
        ("a b", "a b"),
        ("", ""),
        (" ", ""),
        ("a\nb", "a b"),
    ] {
        assert_eq!(collapse_spaces(text), collapsed);
    }
    assert!(matches!(collapse_spaces("a b c"), alloc::borrow::Cow::Borrowed(_)));
}

#[test]
fn text_of_invisible_characters_has_no_visible_character() {
    for blank in ["", " \n", "\u{200B}", "\u{2800}\u{3164}", "\u{E0001}", "\u{FEFF}\u{200D}"] {
        assert!(!has_visible(blank), "{blank:?}");
    }
    assert!(has_visible("\u{200B}."));
}
