//! Letters that look like those of the Latin alphabet without being equal to them in any normal form.

/// The letter from a to z that a character shows: a small capital, a picture of a letter (`🅰`, `🇦`), or a Coptic letter of
/// the same form. These are neither compatibility forms nor, most of them, in the confusables of UTS #39.
pub fn drawn_letter(c: char) -> Option<char> {
    Some(match c {
        'ᴀ' | 'Ⲁ' | 'ⲁ' => 'a',
        'ʙ' | 'Ⲃ' | 'ⲃ' => 'b',
        'ᴄ' | 'Ⲥ' | 'ⲥ' => 'c',
        'ᴅ' => 'd',
        'ᴇ' | 'Ⲉ' | 'ⲉ' => 'e',
        'ꜰ' => 'f',
        'ɢ' => 'g',
        'ʜ' | 'Ⲏ' | 'ⲏ' => 'h',
        'ɪ' | 'Ⲓ' | 'ⲓ' => 'i',
        'ᴊ' => 'j',
        'ᴋ' | 'Ⲕ' | 'ⲕ' => 'k',
        'ʟ' => 'l',
        'ᴍ' | 'Ⲙ' | 'ⲙ' => 'm',
        'ɴ' | 'Ⲛ' | 'ⲛ' => 'n',
        'ᴏ' | 'Ⲟ' | 'ⲟ' => 'o',
        'ᴘ' | 'Ⲣ' | 'ⲣ' => 'p',
        'ꞯ' => 'q',
        'ʀ' => 'r',
        'ꜱ' => 's',
        'ᴛ' | 'Ⲧ' | 'ⲧ' => 't',
        'ᴜ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'Ⲭ' | 'ⲭ' => 'x',
        'ʏ' | 'Ⲩ' | 'ⲩ' => 'y',
        'ᴢ' | 'Ⲍ' | 'ⲍ' => 'z',
        '🅐'..='🅩' => nth('🅐', c),
        '🅰'..='🆉' => nth('🅰', c),
        '🇦'..='🇿' => nth('🇦', c),
        _ => return None,
    })
}

fn nth(first: char, letter: char) -> char {
    char::from(b'a' + ((u32::from(letter) - u32::from(first)) % 26) as u8)
}
