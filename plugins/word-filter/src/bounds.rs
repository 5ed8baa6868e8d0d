//! Where words begin and end in the original text.

use std::ops::Range;

use natterjack_text::is_mark;
use unicode_segmentation::UnicodeSegmentation as _;

/// Characters before and after a place that are looked at; a longer one is no address that anybody writes.
const MAX_TOKEN_SIDE: usize = 200;
/// What Korean appends to a noun.
const PARTICLES: [&str; 38] = [
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "에",
    "의",
    "도",
    "만",
    "야",
    "아",
    "로",
    "으로",
    "와",
    "과",
    "랑",
    "이랑",
    "들",
    "들이",
    "들은",
    "들아",
    "님",
    "한테",
    "에게",
    "에서",
    "처럼",
    "보다",
    "까지",
    "부터",
    "이다",
    "이야",
    "이냐",
    "네",
    "입니다",
    "이에요",
    "예요",
    "같은",
];

/// Whether a word of its own is at this place of a text.
pub(crate) fn is_whole(body: &str, word: &Range<usize>) -> bool {
    is_bound(body, word.start) && ends_word(body, word.end)
}

/// Whether a word may end here.
pub(crate) fn ends_word(body: &str, at: usize) -> bool {
    is_bound(body, at) || {
        let rest = &body[at..];
        let hangul = rest.find(|c| !is_hangul(c)).unwrap_or(rest.len());
        body[..at].ends_with(is_hangul) && PARTICLES.contains(&&rest[..hangul])
    }
}

/// Whether words are apart here. Beside a sign they are, except in an address, where what a dot joins is one word. Between
/// letters UAX #29 decides: a text in Chinese or Thai has a boundary between any two, since only readers know the words.
pub(crate) fn is_bound(body: &str, at: usize) -> bool {
    let (Some(left), Some(right)) = (body[..at].chars().next_back(), body[at..].chars().next()) else { return true };
    let is_letter = |c: char| c.is_alphanumeric() || is_mark(c);
    match (is_letter(left), is_letter(right)) {
        (true, true) if left.is_ascii() && right.is_ascii() => false,
        (true, true) => parts_letters(body, at),
        // `ass.example.org` is no word and a name.
        (true, false) if right == '.' || right == '@' => !is_address(token(body, at)),
        (false, true) if left == '.' => !is_address(token(body, at)),
        _ => true,
    }
}

/// UAX #29 between two letters: it depends on them alone, and not on the marks on the first one.
fn parts_letters(body: &str, at: usize) -> bool {
    let base = body[..at].char_indices().rev().take(8).find(|(_, c)| !is_mark(*c)).map_or(0, |(start, _)| start);
    let end = at + body[at..].chars().next().map_or(0, char::len_utf8);
    body[base..end].split_word_bound_indices().any(|(start, _)| base + start == at)
}

/// What is around a place without white space in it, as far as it matters.
pub(crate) fn token(body: &str, at: usize) -> &str {
    let before = body[..at].char_indices().rev().take(MAX_TOKEN_SIDE).take_while(|(_, c)| !c.is_whitespace());
    let start = before.last().map_or(at, |(start, _)| start);
    let after = body[at..].char_indices().take(MAX_TOKEN_SIDE).take_while(|(_, c)| !c.is_whitespace());
    let end = after.last().map_or(at, |(end, c)| at + end + c.len_utf8());
    &body[start..end]
}

/// Whether it is a URL, an e-mail address, a host of three labels or more, or a path.
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
    // Letters with dots between them are none.
    labels().count() > 2 && labels().all(is_label) && labels().any(|label| label.chars().nth(2).is_some())
}

fn is_hangul(c: char) -> bool {
    matches!(c, '가'..='힣')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_words_with_signs_between() {
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
