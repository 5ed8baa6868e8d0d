//! A text as it reads, whatever was done to disguise it.

use std::ops::Range;

use crate::looks;
use crate::settings::Evasions;

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
}

impl Skeleton {
    /// Reads a text. What was read before is gone; the memory stays.
    pub(crate) fn read(&mut self, text: &str, alphabet: &Alphabet) {
        self.text.clear();
        self.runs.clear();
        let mut reader = Reader { skeleton: self, alphabet, last: None, word: 0, single: false, gap: 0 };
        for (at, character) in text.char_indices() {
            // At the end of a word it is no letter.
            if character == '!' && !text[at + 1..].starts_with(char::is_alphanumeric) {
                reader.between();
            } else {
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

impl Reader<'_> {
    fn character(&mut self, character: char, at: u32) {
        if let Some(&letter) = self.alphabet.ascii.get(character as usize) {
            return match letter {
                GAP => self.between(),
                letter => self.letter(letter.into(), at..at + 1),
            };
        }
        let range = at..at + character.len_utf8() as u32;
        match character {
            unseen if looks::is_invisible(unseen) => {}
            // Part of its letter, or a difference that counts.
            accent if looks::is_accent(accent) => {
                if !self.alphabet.rules.accents {
                    self.letter(accent, range);
                }
            }
            letter if letter.is_alphanumeric() => {
                for letter in fold(letter) {
                    let letter = if self.alphabet.rules.accents { looks::plain(letter) } else { letter };
                    self.letter(self.look(letter).unwrap_or(letter), range.clone());
                }
            }
            sign => match self.look(sign) {
                Some(letter) => self.letter(letter, range),
                None => self.between(),
            },
        }
    }

    /// The letter that a character passes for.
    fn look(&self, character: char) -> Option<char> {
        looks::homoglyph(character).filter(|_| self.alphabet.rules.lookalikes)
    }

    fn letter(&mut self, letter: char, from: Range<u32>) {
        if self.alphabet.rules.repeats && self.last == Some(letter) {
            return self.lengthen(1, from.end);
        }
        let Skeleton { text, runs } = &mut *self.skeleton;
        if self.word == 0 && !runs.is_empty() {
            runs.push(Run { at: text.len() as u32, start: from.start, end: from.start, count: 0 });
            text.push(GAP);
        }
        runs.push(Run { at: text.len() as u32, start: from.start, end: from.end, count: 1 });
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

    fn between(&mut self) {
        self.end_word();
        self.gap += 1;
    }

    fn end_word(&mut self) {
        if self.word == 0 {
            return;
        }
        let single = self.word == 1;
        if single && self.single && self.gap <= SPACING && self.alphabet.rules.spacing {
            self.close_gap();
        }
        self.single = single;
        (self.word, self.gap, self.last) = (0, 0, None);
    }

    /// Moves the last letter to the one before it, over the gap between them.
    fn close_gap(&mut self) {
        let Skeleton { text, runs } = &mut *self.skeleton;
        let Some(mut run) = runs.pop() else { return };
        let gap = runs.pop().map_or(run.at, |gap| gap.at);
        text.remove(gap as usize);
        run.at = gap;
        let repeated = runs.last().is_some_and(|before| text[before.at as usize..gap as usize] == text[gap as usize..]);
        if self.alphabet.rules.repeats && repeated {
            text.truncate(gap as usize);
            self.lengthen(run.count, run.end);
        } else {
            runs.push(run);
        }
    }
}

/// The letters that a character is in lower case. By way of upper case, so that `ς` equals `σ` and `ß` equals `ss`.
pub(crate) fn fold(character: char) -> impl Iterator<Item = char> {
    character.to_uppercase().flat_map(char::to_lowercase)
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
        assert_eq!(read("ЧЁРТ straße"), "чept strase");
    }

    #[test]
    fn letters_that_stand_apart_move_together() {
        assert_eq!(read("I d a r n it"), "idarn it");
        assert_eq!(read("d.a.r.n d - a - r - n"), "darndarn");
        assert_eq!(read("a a a b"), "ab");
        assert_eq!(read("d     a"), "d a");
        assert_eq!(read("д а р н"), "дaph");
    }

    #[test]
    fn what_is_not_seen_is_not_there() {
        assert_eq!(read("d\u{200B}a\u{AD}r\u{301}n"), "darn");
        assert_eq!(read(""), "");
        assert_eq!(read(" . "), "");
    }
}
