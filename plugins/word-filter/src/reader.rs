//! Reads a text letter by letter.

use std::ops::Range;

use natterjack_text::{combines, decompose, is_invisible, is_mark};

use crate::alphabet::{Alphabet, Script, Simple, is_inner_jamo};
use crate::looks;
use crate::skeleton::{Between, GAP, Run, Skeleton};
use crate::words::fold;

/// The longest gap, in characters, over which single letters belong together.
const MAX_SPACING_CHARS: u32 = 3;
/// The most marks on one letter that count as accents.
const MAX_ACCENTS: usize = 2;

/// State of reading a text into a skeleton.
pub(crate) struct Reader<'a> {
    skeleton: &'a mut Skeleton,
    alphabet: &'a mut Alphabet,
    /// The skeleton's last letter, in this word; none if marks belong to it.
    last: Option<char>,
    /// The last letter, if it was merged with the same letter before it.
    repeated: Option<Repeated>,
    /// Letters of the current word so far.
    word: u32,
    /// The scripts of the first and the last letter of the current word.
    first: Script,
    latest: Script,
    /// The previous word.
    before: Option<Word>,
    /// The gap between the previous word and the current one.
    gap: Gap,
    /// The gaps among the spaced letters that were joined last.
    cluster: Cluster,
}

/// A letter that was merged with the same letter before it, and where that one ends.
struct Repeated {
    letter: char,
    from: Range<u32>,
    end_before: u32,
}

#[derive(Clone, Copy)]
struct Word {
    /// Whether the word is one letter.
    single: bool,
    /// The script of its last letter.
    latest: Script,
}

/// The gap between two words.
#[derive(Default)]
struct Gap {
    length: u32,
    spaced: bool,
    has_dots: bool,
    has_others: bool,
    /// Whether the gap contains a separator of lists.
    parts: bool,
    /// Whether the gap contains a sign that separates words if there is white space too.
    parts_if_spaced: bool,
}

impl Gap {
    fn add(&mut self, sign: char) {
        match sign {
            '.' => self.has_dots = true,
            _ if sign.is_whitespace() => self.spaced = true,
            _ => self.has_others = true,
        }
        self.parts |= matches!(sign, ',' | ';' | '&' | '、' | '。' | '،' | '؛' | '।');
        self.parts_if_spaced |= "+=/\\|<>:?!()[]{}\"".contains(sign);
        self.length += 1;
    }

    /// Whether the gap consists of dots, with or without white space.
    fn is_dots(&self) -> bool {
        self.has_dots && !self.has_others
    }

    /// Whether letters on both sides may belong to one word.
    fn joins(&self) -> bool {
        self.length <= MAX_SPACING_CHARS && !self.parts && !(self.spaced && self.parts_if_spaced)
    }

    fn between(&self) -> Between {
        if self.spaced { Between::Space } else { Between::Signs }
    }
}

/// Dots with and without space after them among spaced letters that were joined: "B.A. S.S." are two abbreviations.
#[derive(Clone, Copy, Default)]
struct Cluster {
    abbreviates: bool,
    has_initials: bool,
}

impl Cluster {
    /// The cluster with one more gap; None if the gap does not fit.
    fn with(self, gap: &Gap) -> Option<Self> {
        let abbreviates = self.abbreviates || (gap.is_dots() && !gap.spaced);
        let has_initials = self.has_initials || (gap.is_dots() && gap.spaced);
        (!(abbreviates && has_initials)).then_some(Self { abbreviates, has_initials })
    }
}

/// Bytes of markup at the start of a text, if a letter follows; else none.
fn markup_length(text: &str) -> usize {
    let length = text.bytes().take_while(|byte| looks::is_markup(char::from(*byte))).count();
    if length <= 4 && text[length..].starts_with(char::is_alphanumeric) { length } else { 0 }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(skeleton: &'a mut Skeleton, alphabet: &'a mut Alphabet) -> Self {
        Self {
            skeleton,
            alphabet,
            last: None,
            repeated: None,
            word: 0,
            first: Script::Other,
            latest: Script::Other,
            before: None,
            gap: Gap::default(),
            cluster: Cluster::default(),
        }
    }

    pub(crate) fn read(mut self, text: &str) {
        // Marks up to here are no accents of the letter before them.
        let mut ornaments_end = 0;
        let mut markup_end = 0;
        for (at, character) in text.char_indices() {
            let rest = &text[at + character.len_utf8()..];
            if character.is_ascii() {
                if at < markup_end || (self.word > 0 && self.is_markup(character)) {
                    // Rendered, `d**a**rn` is one word.
                    if at >= markup_end {
                        markup_end = at + markup_length(&text[at..]);
                    }
                    if at < markup_end {
                        continue;
                    }
                }
                // At the end of a word it is no letter.
                if character == '!' && !rest.starts_with(char::is_alphanumeric) {
                    self.between(character);
                } else {
                    self.ascii(character, at as u32);
                }
                continue;
            }
            if let Some(Simple { letter, script }) = self.alphabet.simple(character) {
                self.letter_of(script, letter, at as u32..(at + character.len_utf8()) as u32);
                continue;
            }
            if is_mark(character) && at >= ornaments_end {
                let marks = 1 + rest.chars().take_while(|c| is_mark(*c)).count();
                if marks > MAX_ACCENTS && looks::is_accent(character) {
                    ornaments_end = at + text[at..].chars().take(marks).map(char::len_utf8).sum::<usize>();
                }
            }
            if at >= ornaments_end {
                self.character(character, at as u32);
            }
        }
        self.end_word();
    }

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
        if let Some(letter) = self.alphabet.picture(character) {
            return self.letter(letter, range);
        }
        for part in decompose(character) {
            if part.is_ascii() {
                // The character's compatibility form: a full-width letter, `…`.
                match self.alphabet.ascii_letter(part as u8, Some(b'a')) {
                    GAP => self.between(part),
                    letter => self.letter(letter.into(), range.clone()),
                }
            } else if looks::is_accent(part) {
                // Part of its letter, or a difference that counts.
                if !rules.accents {
                    self.extend(part, range.clone());
                }
            } else if combines(part) || is_inner_jamo(part) {
                self.extend(part, range.clone());
            } else if part.is_alphanumeric() {
                for letter in fold(part) {
                    let letter = self.alphabet.plain(letter);
                    self.letter_of(Script::of(character), letter, range.clone());
                }
            } else {
                self.between(part);
            }
        }
    }

    fn letter_of(&mut self, script: Script, letter: char, from: Range<u32>) {
        self.letter(letter, from);
        self.latest = script;
        if self.word == 1 {
            self.first = script;
        }
    }

    fn letter(&mut self, letter: char, from: Range<u32>) {
        if self.alphabet.rules.repeats && self.last == Some(letter) {
            let end_before = self.skeleton.runs.last().map_or(from.start, |run| run.end);
            self.lengthen(1, from.end);
            self.repeated = Some(Repeated { letter, from, end_before });
            return;
        }
        self.push(letter, from);
        self.last = Some(letter);
    }

    fn push(&mut self, letter: char, from: Range<u32>) {
        let Skeleton { text, runs } = &mut *self.skeleton;
        if self.word == 0 && !runs.is_empty() {
            let at = text.len() as u32;
            runs.push(Run { at, start: from.start, end: from.start, count: 0, apart: None });
            text.push(GAP);
        }
        runs.push(Run { at: text.len() as u32, start: from.start, end: from.end, count: 1, apart: None });
        text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        self.repeated = None;
        self.word += 1;
        (self.first, self.latest) = (if self.word == 1 { Script::Other } else { self.first }, Script::Other);
    }

    /// Adds a mark, or the rest of a syllable, to the previous letter.
    fn extend(&mut self, part: char, from: Range<u32>) {
        if self.word == 0 {
            return self.letter(part, from);
        }
        if let Some(Repeated { letter, from, end_before }) = self.repeated.take() {
            // With a mark it is not the same letter.
            if let Some(run) = self.skeleton.runs.last_mut() {
                run.count -= 1;
                run.end = end_before;
            }
            let latest = self.latest;
            self.push(letter, from);
            self.latest = latest;
        }
        let Skeleton { text, runs } = &mut *self.skeleton;
        let Some(run) = runs.last_mut() else { return };
        run.end = from.end;
        text.extend_from_slice(part.encode_utf8(&mut [0; 4]).as_bytes());
        self.last = None;
        self.merge_last();
    }

    /// Merges the last letter with the previous one of its word, if they are the same.
    fn merge_last(&mut self) {
        let Skeleton { text, runs } = &mut *self.skeleton;
        if !self.alphabet.rules.repeats || self.word < 2 {
            return;
        }
        let [.., before, last] = &mut runs[..] else { return };
        if text[before.at as usize..last.at as usize] == text[last.at as usize..] {
            text.truncate(last.at as usize);
            before.count += last.count;
            before.end = last.end;
            runs.pop();
            self.word -= 1;
        }
    }

    fn lengthen(&mut self, by: u32, end: u32) {
        if let Some(run) = self.skeleton.runs.last_mut() {
            run.count += by;
            run.end = end;
        }
    }

    fn between(&mut self, sign: char) {
        self.end_word();
        self.gap.add(sign);
    }

    fn end_word(&mut self) {
        if self.word == 0 {
            return;
        }
        let word = Word { single: self.word == 1, latest: self.latest };
        let between = self.gap.between();
        let joined = self.before.filter(|_| self.alphabet.rules.spacing && self.gap.joins()).and_then(|before| {
            let joins = before.latest.join(self.first, between) || (before.single && word.single);
            self.cluster.with(&self.gap).filter(|_| joins)
        });
        if joined.is_some() {
            self.close_gap(between);
        }
        self.cluster = joined.unwrap_or_default();
        self.before = Some(word);
        (self.word, self.gap, self.last, self.repeated) = (0, Gap::default(), None, None);
    }

    /// Joins the last word with the previous one, over the gap between them.
    fn close_gap(&mut self, between: Between) {
        let Skeleton { text, runs } = &mut *self.skeleton;
        let Some(gap) = runs.iter().rposition(|run| run.count == 0) else { return };
        text.remove(runs[gap].at as usize);
        runs.remove(gap);
        for run in &mut runs[gap..] {
            run.at -= 1;
        }
        if let Some(first) = runs.get_mut(gap) {
            first.apart = Some(between);
        }
        self.merge_apart(gap);
    }

    /// Merges a single spaced letter with the previous one, if they are the same.
    fn merge_apart(&mut self, last: usize) {
        let Skeleton { text, runs } = &mut *self.skeleton;
        let Some([before, after]) = runs.get(last.saturating_sub(1)..=last) else { return };
        let same = text[before.at as usize..after.at as usize] == text[after.at as usize..];
        if last + 1 == runs.len() && same && self.alphabet.rules.repeats {
            text.truncate(after.at as usize);
            let (count, end) = (after.count, after.end);
            runs.pop();
            self.lengthen(count, end);
        }
    }
}
