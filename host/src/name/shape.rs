//! Detects names that look alike or mix scripts.

use natterjack_text::{collapse_spaces, drawn_letter, fold, is_invisible, is_mark, nfkc};
use unicode_script::Script;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{GeneralSecurityProfile as _, MixedScript as _};

/// The shape of a name, the same for names that look alike: the skeleton of UTS #39, ignoring case. `l`, `1` and a capital `I`
/// are one letter, so `i` is too.
pub fn shape(name: &str) -> String {
    let skeleton = |text: &str| unicode_security::skeleton(text).collect::<String>();
    let drawn: String = nfkc(name).chars().map(|c| drawn_letter(c).unwrap_or(c)).collect();
    // Some letters look like others only in upper case, such as `В`; some only in lower case, such as `і`.
    let folded = fold(&skeleton(&drawn));
    collapse_spaces(&skeleton(&folded)).replace('i', "l")
}

/// Whether a name that looks like another one may be an imitation: it mixes scripts that are not written together, or
/// has characters that UTS #39 keeps out of identifiers, such as the phonetic `ɡ`. `userl`, which looks like `user1`, is not.
pub fn may_imitate(name: &str) -> bool {
    // Invisible characters, such as joiners, are in a name only where they have a meaning, and in no skeleton.
    let is_restricted = |c: char| !c.is_ascii() && !c.identifier_allowed() && !is_invisible(c);
    !name.is_ascii() && (!name.is_single_script() || name.chars().any(is_restricted))
}

/// Whether a word of a name mixes letters as no language does: Latin ones with others that look like Latin ones, or with
/// those of a script that UAX #31 does not recommend for identifiers, such as Coptic. Latin words may have Chinese,
/// Japanese or Korean in them (UTS #39, "highly restrictive").
pub(super) fn mixes_letters(name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || is_mark(c);
    !name.is_ascii() && nfkc(name).split(|c| !is_part(c)).any(is_mixed_word)
}

fn is_mixed_word(word: &str) -> bool {
    let (mut all, mut others) = (AugmentedScriptSet::default(), AugmentedScriptSet::default());
    let mut is_unusual = false;
    // Characters of all scripts, such as digits, count as Latin too.
    for scripts in word.chars().map(AugmentedScriptSet::from) {
        all.intersect_with(scripts);
        if !scripts.base.contains_script(Script::Latin) {
            others.intersect_with(scripts);
            is_unusual |= !scripts.base.iter().any(|script| script.is_recommended());
        }
    }
    let is_east_asian = others.hanb || others.jpan || others.kore;
    all.is_empty() && !is_east_asian && (is_unusual || shape(word).is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_share_a_shape() {
        for (one, other) in [
            ("paypal", "pаypаl"),
            ("PayPal", "pаypаl"),
            ("Bob", "Вob"),
            ("Ian", "іan"),
            ("IAN", "iаn"),
            ("Mia", "mіa"),
            ("0livia", "Оlivia"),
            ("user1", "userl"),
            ("ann b", "аnn  b"),
            ("Anton2", "Ⲁnton2"),
            ("Bob4", "ꓐob4"),
            ("george", "ɡeorɡe"),
            ("anna", "ɑnnɑ"),
            ("dark", "ᴅᴀʀᴋ"),
            ("bob", "🅱ob"),
        ] {
            assert_eq!(shape(one), shape(other), "{one} {other}");
        }
        assert_ne!(shape("ann"), shape("anna"));
    }

    #[test]
    fn name_of_one_script_and_everyday_letters_is_no_imitation() {
        for honest in
            ["ann", "user1", "userl", "Zoë", "O’Neil", "日本のユーザー", "한국漢字", "Ελλη 7", "анна", "می‌خواهم"]
        {
            assert!(!may_imitate(honest), "{honest}");
        }
        for doubtful in ["pаypаl", "Вob", "аnn", "αnn", "ɡeorge", "ɑnn", "ᴀnn", "Ⲁnton2", "ꓐob4", "🅱ob"]
        {
            assert!(may_imitate(doubtful), "{doubtful}");
        }
    }

    #[test]
    fn word_that_no_language_writes_mixes_letters() {
        for honest in [
            "ann",
            "Zoë",
            "Ann 日本",
            "Annさん",
            "T셔츠",
            "日本のユーザー",
            "한국漢字",
            "ㄅㄆ注音",
            "DJ Вася",
            "Анна (Anna)",
            "Ολγα Smith",
            "πthon",
            "анна2",
            "ᏣᎳᎩ John",
            "می‌خواهم",
            "กข3",
            "👩‍💻 ann",
        ] {
            assert!(!mixes_letters(honest), "{honest}");
        }
        for mixed in ["pаypаll", "Вob", "αnn", "ꓐob4", "Ⲁnton2", "x Ⲁnton", "𐌰nton", "Ꭺnton", "annα", "аα", "ᛒob"]
        {
            assert!(mixes_letters(mixed), "{mixed}");
        }
    }
}
