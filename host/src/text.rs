//! Checks of text that other people read.

use natterjack_text::{self as text, Fault};

use crate::error::{Error, Result};

/// Checks text of one line, such as a topic or a reason: no control characters, no line breaks, nothing that changes the
/// direction of the text around it.
pub fn check_line(field: &'static str, line: &str) -> Result<()> {
    text::check_line(line).map_err(|fault| refused(field, fault))
}

/// Checks text of several lines, such as a message: it must have a visible character, and must not change the direction of the
/// text around it.
pub fn check_body(field: &'static str, body: &str) -> Result<()> {
    if !text::has_visible(body) {
        return Err(Error::invalid(field, "must not be empty"));
    }
    text::check_body(body).map_err(|fault| refused(field, fault))
}

/// Checks a search text. PostgreSQL does not allow U+0000 in texts, so it is refused with every database.
pub fn check_query(field: &'static str, query: &str) -> Result<()> {
    match query.contains('\0') {
        true => Err(refused(field, Fault::Character('\0'))),
        false => Ok(()),
    }
}

/// Removes characters that [`check_line`] refuses, for names that are accepted as they are, such as file names.
pub fn without_refused(line: &str) -> String {
    line.chars().filter(|c| text::check_line(c.encode_utf8(&mut [0; 4])).is_ok()).collect()
}

/// The most characters of a client's word that an error repeats.
const MAX_SHOWN_CHARS: usize = 64;

/// A word that a client chose, as an error repeats it: of bounded length, and with nothing in it that changes the text around it.
pub fn shown(word: &str) -> String {
    word.escape_debug().take(MAX_SHOWN_CHARS).collect()
}

fn refused(field: &'static str, fault: Fault) -> Error {
    Error::invalid(field, fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_without_visible_characters_is_empty() {
        for blank in ["", " \n\t", "\u{200B}", "\u{2800} \u{3164}", "\u{E0041}"] {
            assert!(check_body("body", blank).is_err(), "{blank:?}");
        }
        assert_eq!(check_body("body", "\u{200B}."), Ok(()));
    }

    #[test]
    fn word_in_an_error_is_bounded_and_escaped() {
        assert_eq!(shown("wave"), "wave");
        assert_eq!(shown("a\n\u{202E}b"), r"a\n\u{202e}b");
        assert_eq!(shown(&"x".repeat(100_000)), "x".repeat(64));
    }

    #[test]
    fn characters_refused_in_lines_are_removed() {
        assert_eq!(without_refused("a\u{202E}gpj\n.\u{200F}exe\0"), "agpj.exe");
        assert_eq!(without_refused("Bücher 👩\u{200D}💻.txt"), "Bücher 👩\u{200D}💻.txt");
    }
}
