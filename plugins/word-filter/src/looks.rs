//! Tables of characters that look like letters.

use natterjack_text::drawn_letter;

/// The letter that a digit or sign stands for. `1` stands for `l` as well, with which words are read a second time.
pub(crate) fn ascii(sign: char) -> Option<char> {
    Some(match sign {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        '9' => 'g',
        _ => return None,
    })
}

/// The letter from a to z that a letter of another script (in lower case) or a pictured letter looks like. Compatibility
/// forms, such as full-width letters, are resolved before.
pub(crate) fn homoglyph(letter: char) -> Option<char> {
    Some(match letter {
        'а' | 'α' | 'ɑ' => 'a',
        'в' | 'ь' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        '€' | 'е' | 'ё' | 'ҽ' | 'ε' => 'e',
        'ғ' | 'ƒ' => 'f',
        'ɡ' | 'ԍ' => 'g',
        'н' | 'һ' | 'ħ' | 'ℎ' => 'h',
        'і' | 'ї' | 'ι' | 'ı' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' | 'ł' => 'l',
        'м' => 'm',
        'η' => 'n',
        'о' | 'ο' | 'ø' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'т' | 'τ' | 'ŧ' => 't',
        'υ' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        'ζ' => 'z',
        '⒜'..='⒵' => char::from(b'a' + ((u32::from(letter) - u32::from('⒜')) % 26) as u8),
        _ => return drawn_letter(letter),
    })
}

/// Whether a letter is everyday Cyrillic or Greek: a word of these alone is one of that language, whatever it looks
/// like. Others, such as `ѕ` and `ԁ`, hardly ever occur in ordinary text.
pub(crate) fn is_everyday(letter: char) -> bool {
    matches!(letter, 'α'..='ω' | 'а'..='я' | 'ё' | 'ђ' | 'ѓ' | 'є' | 'і' | 'ї' | 'ј'..='џ' | 'ґ')
}

/// Base letters of U+00E0 to U+00FF and U+0100 to U+017F, without diacritics; `?` where there is none.
const LATIN_1: &[u8; 32] = b"aaaaaa?ceeeeiiiidnooooo?ouuuuy?y";
const LATIN_A: &[u8; 128] = b"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii??jjkkkllllllllllnnnnnnnnnoooooo??\
    rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// A letter without its accent.
pub(crate) fn plain(letter: char) -> char {
    let known = match letter {
        'à'..='ÿ' => LATIN_1[(u32::from(letter) - 0xE0) as usize],
        'Ā'..='ſ' => LATIN_A[(u32::from(letter) - 0x100) as usize],
        _ => b'?',
    };
    if known == b'?' { letter } else { known.into() }
}

/// Whether it is a combining accent.
pub(crate) fn is_accent(mark: char) -> bool {
    matches!(mark, '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE20}'..='\u{FE2F}')
}

/// Whether it never changes a word: combining strokes, the vowel signs of Arabic and Hebrew, and the Arabic tatweel, which
/// elongates letters.
pub(crate) fn is_ornament(c: char) -> bool {
    matches!(c, '\u{334}'..='\u{338}' | '\u{20D2}'..='\u{20E4}' | '\u{489}' | '\u{488}' | '\u{640}'
        | '\u{64B}'..='\u{65F}' | '\u{670}' | '\u{591}'..='\u{5BD}' | '\u{5BF}' | '\u{5C1}'..='\u{5C5}' | '\u{5C7}')
}

/// Whether it is a Markdown sign of emphasis, code or spoilers, which clients do not show.
pub(crate) fn is_markup(sign: char) -> bool {
    matches!(sign, '*' | '_' | '~' | '`' | '|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_mapped_to_letters() {
        let look = |c: char| ascii(c).or_else(|| homoglyph(c)).unwrap_or(c);
        let read = |text: &str| text.chars().map(look).collect::<String>();
        assert_eq!(read("d4rn ԁаrn 🅓🅐🅡🅝 🇩🇦🇷🇳"), "darn darn darn darn");
    }

    #[test]
    fn accents_are_removed() {
        let read = |text: &str| text.chars().map(plain).collect::<String>();
        assert_eq!(read("dårñ łąśžÿ æþ÷"), "darn laszy æþ÷");
    }
}
