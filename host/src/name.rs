//! Names of accounts and rooms: what may be one, and when two are the same.

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// The most characters of a user's or a room's name.
pub const MAX_CHARS: usize = 64;
const MAX_BYTES: usize = 255;
/// The longest text that is normalised at all, in bytes: normalising can grow a text elevenfold. Four times what a stored
/// name may have, since a decomposed spelling is longer than the composed one.
pub const MAX_UNNORMALISED_BYTES: usize = 1024;
/// What the names of plugins' own accounts begin with, and no person's does.
pub const BOT_PREFIX: &str = "plugin:";
/// What our own tokens say of who issued them.
pub const OUR_ISSUER: &str = "natterjack";
/// What all deleted accounts are called, and nobody else.
pub const DELETED: &str = "deleted account";

/// What two spellings of one name have in common: NFKC, without case.
pub fn fold(name: &str) -> String {
    name.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Whether a text is too long to be a spelling of any name or e-mail address. To be asked before anything is normalised.
pub fn is_too_long(text: &str) -> bool {
    text.len() > MAX_UNNORMALISED_BYTES
}

/// Whether these are spellings of one name.
pub fn same(one: &str, other: &str) -> bool {
    !is_too_long(one) && !is_too_long(other) && fold(one.trim()) == fold(other.trim())
}

/// A name as it is stored: trimmed and composed; or what is wrong with it.
pub fn clean(field: &'static str, name: &str) -> Result<String> {
    let name = clean_handle(field, name)?;
    // A client may name a room or an account either way, so a name must never look like an id.
    if uuid::Uuid::try_parse(&name).is_ok() {
        return Err(Error::invalid(field, "must not be a UUID"));
    }
    Ok(name)
}

/// The same for what a client calls an account besides its name, which may look like anything.
pub fn clean_handle(field: &'static str, name: &str) -> Result<String> {
    let too_long = || Error::invalid(field, format!("at most {MAX_CHARS} characters and {MAX_BYTES} bytes"));
    let name = name.trim();
    if is_too_long(name) {
        return Err(too_long());
    }
    let name: String = name.nfc().collect();
    if name.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    if name.chars().count() > MAX_CHARS || name.len() > MAX_BYTES {
        return Err(too_long());
    }
    if let Some(bad) = name.chars().find(|c| misleads(*c)) {
        return Err(Error::invalid(field, format!("must not hold the character U+{:04X}", u32::from(bad))));
    }
    if fold(&name).starts_with(BOT_PREFIX) {
        return Err(Error::invalid(field, format!("must not begin with {BOT_PREFIX}")));
    }
    if fold(&name) == DELETED {
        return Err(Error::invalid(field, format!("must not be `{DELETED}`: that is what they are all called")));
    }
    Ok(name)
}

/// Whether a text that holds it may look like another one.
pub fn misleads(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Characters that take no room, turn the text around or separate lines: a name with them passes for another.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_fold_to_the_same() {
        assert_eq!(fold("Ann"), fold("ANN"));
        assert_eq!(fold("ﬁne"), fold("FINE"));
        assert_eq!(fold("Ａｎｎ"), fold("ann"));
        assert_ne!(fold("ann"), fold("anna"));
    }

    #[test]
    fn names_that_mislead_are_refused() {
        for bad in [
            "",
            "   ",
            "a\u{200B}nn",
            "a\nb",
            "x\u{202E}y",
            "018f0000-0000-7000-8000-000000000000",
            "Plugin:x",
            "Deleted Account",
        ] {
            assert!(clean("name", bad).is_err(), "{bad:?}");
        }
        assert!(clean("name", &"x".repeat(MAX_CHARS + 1)).is_err());
    }

    #[test]
    fn a_name_is_trimmed_and_composed() {
        assert_eq!(clean("name", "  Zoe\u{0308} ").as_deref(), Ok("Zoë"));
    }
}
