//! Names of accounts, rooms and guests: validation, and comparison of names that are equal or look alike.

mod shape;

use std::sync::LazyLock;

use natterjack_text as text;
use unicode_normalization::UnicodeNormalization;

pub use self::shape::{may_imitate, shape};
use crate::error::{Error, Result};

/// The most characters of a user's or a room's name.
pub const MAX_CHARS: usize = 64;
const MAX_BYTES: usize = 255;
/// The longest text that is normalised at all, in bytes: normalising can grow a text elevenfold. Four times what a stored
/// name may have, since a decomposed spelling is longer than the composed one.
const MAX_UNNORMALISED_BYTES: usize = 1024;
/// The longest key: a compatibility character such as U+FDFA is up to eighteen others.
const MAX_KEY_BYTES: usize = 1_000;
/// Prefix of the names of plugins' accounts, reserved for them.
pub const BOT_PREFIX: &str = "plugin:";
/// The issuer in tokens of this server.
pub const OUR_ISSUER: &str = "natterjack";
/// The name of all deleted accounts, reserved for them.
pub const DELETED: &str = "deleted account";

static BOT_SHAPE: LazyLock<String> = LazyLock::new(|| shape(BOT_PREFIX));
static DELETED_SHAPE: LazyLock<String> = LazyLock::new(|| shape(DELETED));

/// The comparison key of a name, the same for all its spellings: full case folding, NFKC, one space for each run of white
/// space, no invisible characters.
pub fn key(name: &str) -> String {
    text::collapse_spaces(&text::fold(name)).into_owned()
}

/// NFKC in lower case: the `name_key`, `username_key`, `handle_key` and `email_key` of the first versions, which older
/// nodes of a cluster go by. Names are compared by [`key`]; this one still orders rooms and compares e-mail addresses.
pub fn legacy_key(name: &str) -> String {
    name.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Whether a text is too long to be a spelling of any name or e-mail address. To be checked before normalising.
pub fn is_too_long(text: &str) -> bool {
    text.len() > MAX_UNNORMALISED_BYTES
}

/// Whether these are spellings of one name.
pub fn same(one: &str, other: &str) -> bool {
    !is_too_long(one) && !is_too_long(other) && key(one) == key(other)
}

/// The spelling of a name for a lookup: trimmed and composed. None if it is too long for any name, or contains U+0000, which
/// not every database supports.
pub fn spelling(name: &str) -> Option<String> {
    let name = name.trim();
    (!is_too_long(name) && !name.contains('\0')).then(|| text::nfc(name).into_owned())
}

/// Validates a name and returns it as it is stored: trimmed, composed, with single spaces.
pub fn clean(field: &'static str, name: &str) -> Result<String> {
    let name = clean_handle(field, name)?;
    // A client may name a room or an account either way, so a name must never look like an id.
    if uuid::Uuid::try_parse(&name).is_ok() {
        return Err(Error::invalid(field, "must not be a UUID"));
    }
    Ok(name)
}

/// Validates an account's handle, as [`clean`] does a name, except that it may look like a UUID.
pub fn clean_handle(field: &'static str, name: &str) -> Result<String> {
    let too_long = || Error::invalid(field, format!("at most {MAX_CHARS} characters and {MAX_BYTES} bytes"));
    crate::text::check_query(field, name)?;
    // Checked before any work whose cost grows with the length.
    let name = spelling(name).ok_or_else(too_long)?;
    if let Some(bad) = name.chars().find(|c| c.is_whitespace() && text::check_line(c.encode_utf8(&mut [0; 4])).is_err())
    {
        return Err(Error::invalid(field, text::Fault::Character(bad).to_string()));
    }
    let name = text::collapse_spaces(&name).into_owned();
    if name.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    if name.chars().count() > MAX_CHARS || name.len() > MAX_BYTES || key(&name).len() > MAX_KEY_BYTES {
        return Err(too_long());
    }
    text::check_name(&name).map_err(|fault| Error::invalid(field, fault.to_string()))?;
    let shape = shape(&name);
    if shape.starts_with(BOT_SHAPE.as_str()) {
        return Err(Error::invalid(field, format!("must not begin with {BOT_PREFIX}")));
    }
    if shape == *DELETED_SHAPE {
        return Err(Error::invalid(
            field,
            format!("must not be `{DELETED}`: that is the name of all deleted accounts"),
        ));
    }
    Ok(name)
}

/// Checks that no word of a name mixes letters of scripts that are not written together. Call it after the check whether
/// the name imitates another one, whose error is more specific.
pub fn check_scripts(field: &'static str, name: &str) -> Result<()> {
    match shape::mixes_letters(name) {
        true => Err(Error::invalid(field, "must not mix letters of different scripts in a word")),
        false => Ok(()),
    }
}

/// Whether a text with this character may look like another text.
pub fn is_misleading(c: char) -> bool {
    c.is_control() || text::is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_share_a_key() {
        for (one, other) in [
            ("Ann", "ANN"),
            ("ﬁne", "FINE"),
            ("Ａｎｎ", "ann"),
            ("Γιώργος", "ΓΙΏΡΓΟΣ"),
            ("Straße", "STRASSE"),
            ("ann  b", "Ann\u{A0}B"),
            ("می\u{200C}خواهم", "میخواهم"),
        ] {
            assert_eq!(key(one), key(other));
        }
        assert_ne!(key("ann"), key("anna"));
        assert_ne!(key("ann b"), key("annb"));
    }

    #[test]
    fn misleading_names_are_refused() {
        for bad in [
            "",
            "   ",
            "\u{200B}",
            "a\u{200B}nn",
            "a\nb",
            "a\tb",
            "a\u{2028}b",
            "x\u{202E}y",
            "a\u{2800}",
            "a\u{FFF9}",
            "a\u{1D173}",
            "a\u{E000}",
            "a\u{378}",
            "z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}",
            "018f0000-0000-7000-8000-000000000000",
            "Plugin:x",
            "рlugin:x",
            "plugin：x",
            "plugln:x",
            "Deleted Account",
            "deleted  account",
            "dеleted account",
        ] {
            assert!(clean("name", bad).is_err(), "{bad:?}");
        }
        assert!(clean("name", &"x".repeat(MAX_CHARS + 1)).is_err());
        assert!(clean("name", &"\u{FDFA}".repeat(MAX_CHARS)).is_err());
        assert!(clean("name", &"\u{FDFA}".repeat(1 << 20)).is_err());
    }

    #[test]
    fn clean_trims_composes_and_collapses_spaces() {
        assert_eq!(clean("name", "  Zoe\u{0308} ").as_deref(), Ok("Zoë"));
        assert_eq!(clean("name", "ann \u{3000} b").as_deref(), Ok("ann b"));
        for name in ["می\u{200C}خواهم", "👩\u{200D}💻", "❤\u{FE0F}", "日本 太郎", "O'Neil"] {
            assert_eq!(clean("name", name).as_deref(), Ok(name));
        }
    }
}
