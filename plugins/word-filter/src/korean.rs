//! Korean words in running text: affixes are written together with a word, without a separator.

use natterjack_text::nfc;

/// A word of at least this many syllables is hardly ever a part of another one.
const MIN_UNMISTAKABLE_SYLLABLES: usize = 3;
/// The most Hangul characters before or after a word that are split into affixes.
const MAX_AFFIXES: usize = 12;
/// Suffixes of words: particles, endings of the copula, and forms of address.
const SUFFIXES: &[&str] = &[
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
    "님",
    "한테",
    "에게",
    "에서",
    "처럼",
    "보다",
    "까지",
    "부터",
    "마다",
    "조차",
    "마저",
    "밖에",
    "이나",
    "이든",
    "이고",
    "이며",
    "이면",
    "이다",
    "이야",
    "이냐",
    "이네",
    "이지",
    "이니",
    "이라",
    "이라고",
    "이라니",
    "이란",
    "이래",
    "인데",
    "인가",
    "인",
    "임",
    "입니다",
    "입니까",
    "이에요",
    "이었",
    "이죠",
    "네",
    "예요",
    "같은",
    "같은데",
    "같네",
    "같다",
    "같아",
    "같이",
    "같냐",
    "하네",
    "하다",
    "하는",
    "하고",
    "스럽다",
    "스러운",
    "놈",
    "년",
    "새끼",
    "자식",
    "것",
    "거",
    "녀석",
    "들아",
    "아아",
    "님아",
    "진짜",
    "존나",
    "뭐",
    "뭐야",
    "뭔",
    "왜",
    "좀",
    "그만",
    "너",
    "니",
    "나",
    "다들",
    "또",
    "정말",
];
/// Suffixes after a syllable that ends in a vowel.
const SUFFIXES_AFTER_VOWEL: &[&str] =
    &["다", "냐", "지", "고", "며", "면", "라", "라고", "라니", "란", "래", "나", "든", "니", "죠", "였", "였다"];
/// Prefixes of words: exclamations, pronouns, and intensifiers.
const PREFIXES: &[&str] = &[
    "야", "아", "어", "오", "에", "이", "저", "그", "요", "개", "왕", "쌩", "존나", "졸라", "진짜", "정말", "미친",
    "너", "니", "네", "넌", "난", "나", "참", "또", "왜", "더", "확", "걍", "그냥", "완전", "하", "헐", "와", "우",
    "이런", "저런", "그런", "에이", "아이", "아오", "어휴", "뭐", "뭔", "다", "맨날", "제발",
];

/// Whether a Hangul word may follow this text.
pub(crate) fn may_follow(before: &str, word: &str) -> bool {
    let length: usize = before.chars().rev().take_while(|c| is_hangul(*c)).map(char::len_utf8).sum();
    word.starts_with(is_hangul) && (is_unmistakable(word) || is_made_of(&before[before.len() - length..], None))
}

/// Whether a Hangul word may be followed by this text.
pub(crate) fn may_go_on(word: &str, after: &str) -> bool {
    let length: usize = after.chars().take_while(|c| is_hangul(*c)).map(char::len_utf8).sum();
    let last = nfc(word).chars().next_back();
    last.is_some_and(is_hangul) && (is_unmistakable(word) || is_made_of(&after[..length], last))
}

pub(crate) fn is_hangul(c: char) -> bool {
    matches!(c, '가'..='힣') || is_jamo(c)
}

/// Whether a character is a single letter of Hangul: these express laughing and weeping, and make up syllables.
fn is_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}')
}

fn is_unmistakable(word: &str) -> bool {
    nfc(word).chars().filter(|c| matches!(c, '가'..='힣')).count() >= MIN_UNMISTAKABLE_SYLLABLES
}

/// Whether a text consists of suffixes after a word that ends with `last`, or, without `last`, of prefixes.
fn is_made_of(text: &str, last: Option<char>) -> bool {
    if text.chars().count() > MAX_AFFIXES * 3 {
        return false;
    }
    let text = nfc(text);
    if text.chars().count() > MAX_AFFIXES {
        return false;
    }
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for (at, c) in text.char_indices() {
        if !reached[at] {
            continue;
        }
        let rest = &text[at..];
        if is_jamo(c) {
            reached[at + c.len_utf8()] = true;
        }
        let previous = text[..at].chars().next_back().or(last);
        let common = if last.is_some() { SUFFIXES } else { PREFIXES };
        let others = if last.is_some() && previous.is_some_and(ends_in_vowel) { SUFFIXES_AFTER_VOWEL } else { &[] };
        for affix in common.iter().chain(others).filter(|affix| rest.starts_with(**affix)) {
            reached[at + affix.len()] = true;
        }
    }
    reached[text.len()]
}

fn ends_in_vowel(c: char) -> bool {
    matches!(c, '가'..='힣') && (u32::from(c) - u32::from('가')).is_multiple_of(28)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(before: &str, word: &str, after: &str) -> bool {
        may_follow(before, word) && may_go_on(word, after)
    }

    #[test]
    fn word_is_found_between_its_affixes() {
        for (before, word, after) in [
            ("야", "씨발", "놈아"),
            ("아", "씨발", "진짜"),
            ("개", "씨발", "새끼들아"),
            ("ㅋㅋ", "씨발", "ㅋㅋㅋ"),
            ("", "바보", "다"),
            ("", "바보", "처럼"),
            ("야이", "바보", "야"),
            ("우리동네", "개새끼", "봤다"),
            // Decomposed.
            (
                "\u{110B}\u{1163}",
                "\u{110A}\u{1175}\u{1107}\u{1161}\u{11AF}",
                "\u{1102}\u{1169}\u{11B7}\u{110B}\u{1161}",
            ),
        ] {
            assert!(stands(before, word, after), "{before}{word}{after}");
        }
        for (before, word, after) in
            [("", "시발", "점"), ("", "시발", "역"), ("", "새끼", "손가락"), ("해", "보지", ""), ("", "씨발", "라먹는")]
        {
            assert!(!stands(before, word, after), "{before}{word}{after}");
        }
    }
}
