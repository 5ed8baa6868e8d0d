//! Classes of characters.

use icu_properties::props::{
    BidiControl, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, ExtendedPictographic, GeneralCategory,
    JoiningType, Script, UnifiedIdeograph, VariationSelector,
};
use icu_properties::{CodePointMapData, CodePointSetData};

const ZWNJ: char = '\u{200C}';
const ZWJ: char = '\u{200D}';
const TEXT_STYLE: char = '\u{FE0E}';
const EMOJI_STYLE: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';
const BLACK_FLAG: char = '\u{1F3F4}';
const CANCEL_TAG: char = '\u{E007F}';
/// Letters and digits of the region in a flag such as that of Scotland.
const FLAG_TAG_COUNT: core::ops::RangeInclusive<usize> = 3..=6;

pub(crate) fn is_default_ignorable(c: char) -> bool {
    // The first one is U+00AD.
    c >= '\u{AD}' && CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Whether a character that is neither white space nor a control character is invisible: it is default-ignorable, is a
/// format character, or has a blank glyph.
pub fn is_invisible(c: char) -> bool {
    is_default_ignorable(c)
        || matches!(c,
            // Format characters that are not default-ignorable: interlinear annotation, hieroglyphic layout.
            '\u{FFF9}'..='\u{FFFB}' | '\u{13430}'..='\u{1343F}'
            // Blank glyphs: Braille blank, musical null notehead, hieroglyphic blanks, Khitan filler.
            | '\u{2800}' | '\u{1D159}' | '\u{13441}' | '\u{13442}' | '\u{16FE4}')
}

/// Whether a text has a visible character.
pub fn has_visible(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !is_invisible(c))
}

/// Marks, embeddings, overrides and isolates that change the direction of the text around them.
pub fn is_bidi_control(c: char) -> bool {
    c >= '\u{61C}' && CodePointSetData::new::<BidiControl>().contains(c)
}

/// Whether a character is a combining mark without width.
pub fn is_mark(c: char) -> bool {
    c >= '\u{300}' && matches!(category(c), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
}

/// Whether it is any combining mark, spacing ones such as the vowel signs of Devanagari included.
pub fn combines(c: char) -> bool {
    is_mark(c) || (c >= '\u{300}' && category(c) == GeneralCategory::SpacingMark)
}

pub(crate) fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// Whether a joiner, a variation selector or a tag has a meaning between what is before and after it: `before` is the
/// text up to it, `after` the text after it. False for every other character.
pub fn is_joiner_allowed(c: char, before: &str, after: &str) -> bool {
    match c {
        ZWNJ => follows_virama(before) || joins_letters(before, after),
        ZWJ => {
            follows_virama(before)
                || precedes_virama(before, after)
                || joins_letters(before, after)
                || joins_emoji(before, after)
        }
        TEXT_STYLE | EMOJI_STYLE => before.chars().next_back().is_some_and(|base| match base {
            // `1️⃣`: elsewhere a digit looks the same with and without it.
            '0'..='9' | '#' | '*' => after.starts_with(KEYCAP),
            _ => CodePointSetData::new::<Emoji>().contains(base),
        }),
        '\u{E0020}'..='\u{E007F}' => is_in_flag(c, before, after),
        _ => CodePointSetData::new::<VariationSelector>().contains(c) && selects_variation(c, before),
    }
}

/// RFC 5892, appendix A: a joiner after a virama chooses a form of the conjunct.
fn follows_virama(before: &str) -> bool {
    before.chars().next_back().is_some_and(is_virama)
}

/// `র‍্যা`: between a consonant and its virama a joiner chooses the form of what follows.
fn precedes_virama(before: &str, after: &str) -> bool {
    before.chars().next_back().is_some_and(char::is_alphabetic) && after.chars().next().is_some_and(is_virama)
}

fn is_virama(c: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c) == CanonicalCombiningClass::Virama
}

/// Whether there are letters of a script such as Arabic, whose letters join, on both sides; marks on them count as part
/// of them. A letter that is shown in its joined form alone (`ه‍`) has one on one side.
fn joins_letters(before: &str, after: &str) -> bool {
    let joining = CodePointMapData::<JoiningType>::new();
    let letter = |c: &char| joining.get(*c) != JoiningType::Transparent;
    let joins = |c: char| {
        matches!(joining.get(c), JoiningType::DualJoining | JoiningType::LeftJoining | JoiningType::RightJoining)
    };
    let next = after.chars().find(letter);
    before.chars().rev().find(letter).is_some_and(joins)
        && next.is_none_or(|c| joins(c) || !c.is_alphabetic())
        && !before.ends_with([ZWNJ, ZWJ])
}

/// `👩‍💻`: pictures on both sides, the first one with its style and skin tone.
fn joins_emoji(before: &str, after: &str) -> bool {
    let pictographic = CodePointSetData::new::<ExtendedPictographic>();
    let modifies = |c: &char| *c == EMOJI_STYLE || matches!(c, '\u{1F3FB}'..='\u{1F3FF}');
    let base = before.chars().rev().find(|c| !modifies(c));
    base.is_some_and(|c| pictographic.contains(c)) && after.chars().next().is_some_and(|c| pictographic.contains(c))
}

/// `🏴󠁧󠁢󠁳󠁣󠁴󠁿`: a black flag, three to six tags, and the one that ends them.
fn is_in_flag(c: char, before: &str, after: &str) -> bool {
    let tag = |c: char| matches!(c, '\u{E0030}'..='\u{E0039}' | '\u{E0061}'..='\u{E007A}');
    let earlier = before.chars().rev().take_while(|c| tag(*c)).count();
    let flag = before.chars().rev().nth(earlier) == Some(BLACK_FLAG);
    let later = after.chars().take_while(|c| tag(*c)).count();
    flag && match c {
        CANCEL_TAG => FLAG_TAG_COUNT.contains(&earlier),
        _ => tag(c) && FLAG_TAG_COUNT.contains(&(earlier + 1 + later)) && after.chars().nth(later) == Some(CANCEL_TAG),
    }
}

/// A variant of an ideograph, or of a letter in a script that has standardised ones.
fn selects_variation(c: char, before: &str) -> bool {
    let Some(base) = before.chars().next_back() else { return false };
    let script = CodePointMapData::<Script>::new().get(base);
    let ideograph = CodePointSetData::new::<UnifiedIdeograph>().contains(base);
    match c {
        '\u{E0100}'..='\u{E01EF}' => ideograph,
        '\u{180B}'..='\u{180F}' => script == Script::Mongolian && base.is_alphabetic(),
        '\u{FE00}'..='\u{FE02}' => ideograph || [Script::Myanmar, Script::PhagsPa].contains(&script),
        _ => false,
    }
}
