//! Finds the boundaries of words in the original text.

use std::ops::Range;

use natterjack_text::{is_invisible, is_mark};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::{korean, looks};

/// Characters before and after a position that are inspected; no real address is longer.
const MAX_TOKEN_SIDE: usize = 200;
/// The longest Markdown style mark is `***`.
const MAX_STYLE_SIGNS: usize = 3;

/// Whether the range is a whole word.
pub(crate) fn is_whole(body: &str, word: &Range<usize>) -> bool {
    begins_word(body, word) && ends_word(body, word)
}

/// Whether a word in this range may begin at its start.
pub(crate) fn begins_word(body: &str, word: &Range<usize>) -> bool {
    is_bound(body, word.start) || korean::may_follow(&body[..word.start], &body[word.clone()])
}

/// Whether a word in this range may end at its end.
pub(crate) fn ends_word(body: &str, word: &Range<usize>) -> bool {
    is_bound(body, word.end) || korean::may_go_on(&body[word.clone()], &body[word.end..])
}

/// Whether there is a word boundary here. Invisible characters make none. Beside a sign there is one, except in an address, where
/// words joined by dots are one word, and where Markdown styles a part of a word. Between letters UAX #29 decides: a text in
/// Chinese or Thai has a boundary between any two, since only readers know the words.
pub(crate) fn is_bound(body: &str, at: usize) -> bool {
    let (before, after) = (body[..at].trim_end_matches(is_invisible), body[at..].trim_start_matches(is_invisible));
    let (Some(left), Some(right)) = (before.chars().next_back(), after.chars().next()) else { return true };
    match (is_letter(left), is_letter(right)) {
        (true, true) if left.is_ascii() && right.is_ascii() => false,
        (true, true) => parts_letters(before, right),
        // `ass.example.org` is one name, not a word and a name.
        (true, false) if right == '.' || right == '@' => !is_address(token(body, at)),
        (false, true) if left == '.' => !is_address(token(body, at)),
        (true, false) if is_style(right) => !is_styled_inside(body, body.len() - after.len()),
        (false, true) if is_style(left) => !is_styled_inside(body, before.len()),
        _ => true,
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c)
}

/// Whether UAX #29 has a boundary between two letters: it depends on them alone, and not on the marks on the first one.
fn parts_letters(before: &str, right: char) -> bool {
    let base = before.char_indices().rev().take(8).find(|(_, c)| !is_mark(*c)).map_or(0, |(start, _)| start);
    let mut pair = before[base..].to_owned();
    let at = pair.len();
    pair.push(right);
    pair.split_word_bound_indices().any(|(start, _)| start == at)
}

/// Whether a sign styles a part of a word in Markdown, if it has a counterpart. `_` does not within a word.
fn is_style(sign: char) -> bool {
    looks::is_markup(sign) && sign != '_'
}

/// Whether the signs at this position are between letters, and the same signs are before or after them where a style
/// may begin or end: rendered, `cl*ass*` is `class`.
fn is_styled_inside(body: &str, at: usize) -> bool {
    let beside = [body[at..].chars().next(), body[..at].chars().next_back()];
    let Some(sign) = beside.into_iter().flatten().find(|c| is_style(*c)) else { return false };
    let before = body[..at].trim_end_matches(sign);
    let after = body[at..].trim_start_matches(sign);
    let length = body.len() - before.len() - after.len();
    let inside = before.chars().next_back().is_some_and(is_letter) && after.chars().next().is_some_and(is_letter);
    if !inside || length > MAX_STYLE_SIGNS {
        return false;
    }
    let marks = &body[before.len()..before.len() + length];
    // The same signs, in the same paragraph, within a bounded distance.
    let line_start = before.char_indices().rev().take(MAX_TOKEN_SIDE).take_while(|(_, c)| *c != '\n').last();
    let earlier = &before[line_start.map_or(before.len(), |(start, _)| start)..];
    let line_end = after.char_indices().take(MAX_TOKEN_SIDE).take_while(|(_, c)| *c != '\n').last();
    let later = &after[..line_end.map_or(0, |(end, c)| end + c.len_utf8())];
    let pairs = |text: &str, closes: bool| {
        text.match_indices(marks).any(|(start, _)| {
            let (left, right) = (&text[..start], &text[start + length..]);
            let touches = match closes {
                true => left.chars().next_back().is_some_and(|c| !c.is_whitespace()),
                false => right.chars().next().is_none_or(|c| !c.is_whitespace()),
            };
            touches && !left.ends_with(sign) && !right.starts_with(sign)
        })
    };
    pairs(later, true) || pairs(earlier, false)
}

/// The text around a position up to white space, bounded in length.
pub(crate) fn token(body: &str, at: usize) -> &str {
    let before = body[..at].char_indices().rev().take(MAX_TOKEN_SIDE).take_while(|(_, c)| !c.is_whitespace());
    let start = before.last().map_or(at, |(start, _)| start);
    let after = body[at..].char_indices().take(MAX_TOKEN_SIDE).take_while(|(_, c)| !c.is_whitespace());
    let end = after.last().map_or(at, |(end, c)| at + end + c.len_utf8());
    &body[start..end]
}

/// Whether a token is a URL, an e-mail address, a host of three labels or more, or a path.
pub(crate) fn is_address(token: &str) -> bool {
    let token = token.trim_matches(|c: char| !c.is_alphanumeric() && !"/\\~.".contains(c));
    if token.contains("://") || token.starts_with("www.") {
        return true;
    }
    if let Some((name, host)) = token.split_once('@') {
        return !name.is_empty() && host.trim_end_matches('.').contains('.');
    }
    let token = token.trim_end_matches(['.', '/', '\\']);
    if token.starts_with(['/', '~', '.', '\\']) {
        return token.chars().skip(1).any(char::is_alphanumeric) && token.contains(['/', '\\']);
    }
    let host = token.split(['/', '\\', ':']).next().unwrap_or_default();
    let labels = || host.split('.');
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    // Single letters with dots between them are not a host.
    labels().count() > 2 && labels().all(is_label) && labels().any(|label| label.chars().nth(2).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_distinguished_from_words_with_signs_between() {
        for address in [
            "https://example.org",
            "ann@example.org",
            "(team@ss.example.org),",
            "www.example",
            "ass.example.org",
            "/home/ann/a/s/s",
            "~/a/s/s",
            "./a",
            "C:\\a",
            "\\\\host\\a",
            "mailto:ann@example.org",
        ] {
            assert!(is_address(address) || address.starts_with("C:"), "{address}");
        }
        for word in
            ["d.a.r.n", "darn.", "darn.you", "d4rn", "@ann", "T.H.E.", "gr@ss", "...", "/", "he||", "3.14", "a/s/s"]
        {
            assert!(!is_address(word), "{word}");
        }
    }
}
