//! A text as it reads, whatever was done to disguise it.

use std::ops::Range;

use natterjack_text::{decompose, is_invisible, is_mark};

use crate::looks;
use crate::settings::Evasions;
use crate::words::fold;

/// What is between words.
pub(crate) const GAP: u8 = b' ';
/// Single letters belong together if they are no further apart than this.
const SPACING: u32 = 3;

/// A text as it reads: lower case, letters for their look-alikes, one letter for each run of the same, and letters that
/// stand apart moved together.
#[derive(Debug, Default)]
pub(crate) struct Skeleton {
    pub(crate) text: Vec<u8>,
    pub(crate) runs: Vec<Run>,
}

/// One letter of a skeleton, or a gap, and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Where it is in the skeleton's text.
    pub(crate) at: u32,
    /// Where it is in the original.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// How often the letter stands there in a row; 0 for a gap.
    pub(crate) count: u32,
    /// What is between it and the letter before it, where letters that stand apart were moved together.
    pub(crate) apart: Option<Between>,
}

/// What is between letters that stand apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    Signs,
    /// White space, perhaps with signs.
    Space,
}

impl Run {
    pub(crate) fn original(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// How characters are read, worked out once: most of what people write is ASCII.
#[derive(Debug)]
pub(crate) struct Alphabet {
    rules: Evasions,
    ascii: [u8; 128],
}

impl Alphabet {
    pub(crate) fn new(rules: Evasions) -> Self {
        let letter = |character: char| {
            let look = looks::ascii(character).filter(|_| rules.lookalikes);
            match look.or(Some(character.to_ascii_lowercase()).filter(char::is_ascii_alphanumeric)) {
                Some('l') if rules.l_is_i => b'i',
                Some(letter) => letter as u8,
                None => GAP,
            }
        };
        Self { rules, ascii: std::array::from_fn(|code| letter(code as u8 as char)) }
    }

    /// What one character of a text in ASCII reads as before the next one, or a gap.
    pub(crate) fn ascii_letter(&self, character: u8, next: Option<u8>) -> u8 {
        match character {
            b'!' if !next.is_some_and(|next| next.is_ascii_alphanumeric()) => GAP,
            _ => self.ascii.get(usize::from(character)).copied().unwrap_or(GAP),
        }
    }
}

/// More marks than this on one letter are no accents.
const MAX_ACCENTS: usize = 2;

/// How far a text is read, and into what.
struct Reader<'a> {
    skeleton: &'a mut Skeleton,
    alphabet: &'a Alphabet,
    /// The skeleton's last letter, in this word.
    last: Option<char>,
    /// Letters so far of the word that is being read.
    word: u32,
    /// Whether the word before was one letter.
    single: bool,
    /// Characters between that word and this one.
    gap: u32,
    /// Whether there is white space among them.
    spaced: bool,
    /// What is between the letters that were moved together last, if the word before was one of them.
    cluster: Option<Between>,
}

impl Skeleton {
    /// Reads a text. What was read before is gone; the memory stays.
    pub(crate) fn read(&mut self, text: &str, alphabet: &Alphabet) {
        self.text.clear();
        self.runs.clear();
        let mut reader = Reader {
            skeleton: self,
            alphabet,
            last: None,
            word: 0,
            single: false,
            gap: 0,
            spaced: false,
            cluster: None,
        };
        // Marks up to here are no accents of the letter before them.
        let mut ornaments_end = 0;
        let mut markup_end = 0;
        for (at, character) in text.char_indices() {
            let rest = &text[at + character.len_utf8()..];
            if character.is_ascii() {
                if at < markup_end || (reader.word > 0 && reader.is_markup(character)) {
                    // Shown, `d**a**rn` is one word.
                    if at >= markup_end {
                        markup_end = at + markup_length(&text[at..]);
                    }
                    if at < markup_end {
                        continue;
                    }
                }
                // At the end of a word it is no letter.
                if character == '!' && !rest.starts_with(char::is_alphanumeric) {
                    reader.between(character);
                } else {
                    reader.ascii(character, at as u32);
                }
                continue;
            }
            if is_mark(character) && at >= ornaments_end {
                let marks = 1 + rest.chars().take_while(|c| is_mark(*c)).count();
                if marks > MAX_ACCENTS && looks::is_accent(character) {
                    ornaments_end = at + text[at..].chars().take(marks).map(char::len_utf8).sum::<usize>();
                }
            }
            if at >= ornaments_end {
                reader.character(character, at as u32);
            }
        }
        reader.end_word();
    }

    /// The run at an offset of the skeleton's text, or the first one after it.
    pub(crate) fn run_at(&self, offset: usize) -> usize {
        self.runs.partition_point(|run| (run.at as usize) < offset)
    }
}

/// How many bytes of markup a text begins with, if a letter follows; else none.
fn markup_length(text: &str) -> usize {
    let length = text.bytes().take_while(|byte| looks::is_markup(char::from(*byte))).count();
    if length <= 4 && text[length..].starts_with(char::is_alphanumeric) { length } else { 0 }
}

impl Reader<'_> {
    fn is_markup(&self, sign: char) -> bool {
        looks::is_markup(sign) && self.alphabet.ascii_letter(sign as u8, None) == GAP
    }

    fn ascii(&mut self, character: char, at: u32) {
        match self.alphabet.ascii_letter(character as u8, Some(b'a')) {
            GAP => self.between(character),
            letter => self.letter(letter.into(), at..at + 1),
        }
    }

    fn character(&mut self, character: char, at: u32) {
        if is_invisible(character) || looks::is_ornament(character) {
            return;
        }
        let range = at..at + character.len_utf8() as u32;
        let rules = self.alphabet.rules;
        let look = |c: char| looks::homoglyph(c).filter(|_| rules.lookalikes);
        // A sign that is a picture of a letter, or a letter that has another one's look with all its accents.
        if let Some(letter) = fold(character).next().and_then(look).or_else(|| look(character)) {
            return self.letter(letter, range);
        }
        for part in decompose(character) {
            if part.is_ascii() {
                // What a character is by compatibility: a full-width letter, `…`.
                match self.alphabet.ascii_letter(part as u8, Some(b'a')) {
                    GAP => self.between(part),
                    letter => self.letter(letter.into(), range.clone()),
                }
            } else if looks::is_accent(part) {
                // Part of its letter, or a difference that counts.
                if !rules.accents {
                    self.letter(part, range.clone());
                }
            } else if part.is_alphanumeric() || is_mark(part) {
                for letter in fold(part) {
                    let letter = if rules.accents { looks::plain(letter) } else { letter };
                    let letter = look(letter).unwrap_or(letter);
                    self.letter(if rules.l_is_i && letter == 'l' { 'i' } else { letter }, range.clone());
                }
            } else {
                self.between(part);
            }
        }
    }

    fn letter(&mut self, letter: char, from: Range<u32>) {
        if self.alphabet.rules.repeats && self.last == Some(letter) {
            return self.lengthen(1, from.end);
        }
        let Skeleton { text, runs } = &mut *self.skeleton;
        if self.word == 0 && !runs.is_empty() {
            let at = text.len() as u32;
            runs.push(Run { at, start: from.start, end: from.start, count: 0, apart: None });
            text.push(GAP);
        }
        runs.push(Run { at: text.len() as u32, start: from.start, end: from.end, count: 1, apart: None });
        match u8::try_from(letter) {
            Ok(byte) if byte.is_ascii() => text.push(byte),
            _ => text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        self.last = Some(letter);
        self.word += 1;
    }

    fn lengthen(&mut self, by: u32, end: u32) {
        if let Some(run) = self.skeleton.runs.last_mut() {
            run.count += by;
            run.end = end;
        }
    }

    fn between(&mut self, sign: char) {
        self.end_word();
        self.gap += 1;
        self.spaced |= sign.is_whitespace();
    }

    fn end_word(&mut self) {
        if self.word == 0 {
            return;
        }
        let single = self.word == 1;
        let between = if self.spaced { Between::Space } else { Between::Signs };
        // "T.H.E. L.L.C." are two words: what is between letters of one word is everywhere the same.
        let fits = self.cluster.is_none_or(|other| other == between);
        if single && self.single && fits && self.gap <= SPACING && self.alphabet.rules.spacing {
            self.close_gap(between);
            self.cluster = Some(between);
        } else {
            self.cluster = None;
        }
        self.single = single;
        (self.word, self.gap, self.spaced, self.last) = (0, 0, false, None);
    }

    /// Moves the last letter to the one before it, over the gap between them.
    fn close_gap(&mut self, between: Between) {
        let Skeleton { text, runs } = &mut *self.skeleton;
        let Some(mut run) = runs.pop() else { return };
        let gap = runs.pop().map_or(run.at, |gap| gap.at);
        text.remove(gap as usize);
        run.at = gap;
        run.apart = Some(between);
        let repeated = runs.last().is_some_and(|before| text[before.at as usize..gap as usize] == text[gap as usize..]);
        if self.alphabet.rules.repeats && repeated {
            text.truncate(gap as usize);
            self.lengthen(run.count, run.end);
        } else {
            runs.push(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let mut skeleton = Skeleton::default();
        let rules = Evasions { spacing: true, lookalikes: true, repeats: true, accents: true, l_is_i: false };
        skeleton.read(text, &Alphabet::new(rules));
        for run in skeleton.runs.iter().filter(|run| run.count > 0) {
            assert!(!text[run.original()].is_empty(), "each letter comes from somewhere");
        }
        String::from_utf8(skeleton.text).expect("letters are whole")
    }

    #[test]
    fn a_plain_text_stays_as_it_is_but_for_case_and_doubles() {
        assert_eq!(read("Good morning, Bob!"), "god morning bob");
        assert_eq!(read("ЧЁРТ straße"), "чept straße");
    }

    #[test]
    fn letters_that_stand_apart_move_together() {
        assert_eq!(read("I d a r n it"), "idarn it");
        assert_eq!(read("d.a.r.n d - a - r - n"), "darn darn");
        assert_eq!(read("T.H.E. L.L.C."), "the lc");
        assert_eq!(read("a a a b"), "ab");
        assert_eq!(read("d     a"), "d a");
        assert_eq!(read("д а р н"), "дaph");
    }

    #[test]
    fn what_is_not_seen_is_not_there() {
        assert_eq!(read("d\u{200B}a\u{AD}r\u{301}n\u{2800}\u{202E}"), "darn");
        assert_eq!(read("d**a**rn d_a_rn **darn** da~~rn"), "darn darn darn darn");
        assert_eq!(read("كـــلب كَلب"), "كلب كلب");
        assert_eq!(read(""), "");
        assert_eq!(read(" . "), "");
    }
}
