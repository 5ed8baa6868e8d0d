//! Comparing text regardless of case, compatibility form and invisible characters.

use alloc::borrow::Cow;
use alloc::string::String;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use crate::class::is_default_ignorable;

/// Folds a text for comparison: full case folding (`Straße` and `STRASSE` are equal), NFKC (`ﬁ` and `fi` are equal), and
/// without default-ignorable characters such as joiners and variation selectors. Folding twice changes nothing. Spaces
/// stay as they are, except that all compatibility forms of a space become U+0020.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Compatibility caseless matching (Unicode, D146): folding can undo a normal form, and a normal form can bring
    // letters that have a case, so both are applied twice. Ignorable characters go first: they block composition.
    let visible: String = text.chars().filter(|c| !is_default_ignorable(*c)).collect();
    let nfd = DecomposingNormalizerBorrowed::new_nfd();
    let nfkd = DecomposingNormalizerBorrowed::new_nfkd();
    let once = casefold(&nfd.normalize(&visible));
    let twice = casefold(&nfkd.normalize(&once));
    // Compatibility forms can be ignorable themselves (U+3164 is U+1160, a filler).
    let decomposed: String = nfkd.normalize(&twice).chars().filter(|c| !is_default_ignorable(*c)).collect();
    nfc(&decomposed).into_owned()
}

fn casefold(text: &str) -> String {
    CaseMapper::new().fold_string(text).into_owned()
}

/// The canonical composition of a text.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// The compatibility composition of a text.
pub fn nfkc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    ComposingNormalizerBorrowed::new_nfkc().normalize(text)
}

/// The compatibility decomposition of a character.
pub fn decompose(c: char) -> impl Iterator<Item = char> {
    DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(core::iter::once(c))
}

/// Trims a text and turns each run of white space inside it into one U+0020. A text that is so already is borrowed.
pub fn collapse_spaces(text: &str) -> Cow<'_, str> {
    let mut previous_is_space = true;
    let collapsed = text.chars().all(|c| {
        let plain = !c.is_whitespace() || (c == ' ' && !previous_is_space);
        previous_is_space = c.is_whitespace();
        plain
    });
    if collapsed && (text.is_empty() || !previous_is_space) {
        return text.into();
    }
    let mut words = text.split_whitespace();
    let mut out = String::with_capacity(text.len());
    out.extend(words.next());
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
    out.into()
}
