//! Maps characters to the letters that they read as.

use natterjack_text::{combines, decompose, is_invisible};

use crate::korean::is_hangul;
use crate::looks;
use crate::settings::Evasions;
use crate::skeleton::{Between, GAP};
use crate::words::fold;

/// Slots of the cache for characters outside of ASCII.
const CACHE_SLOTS: usize = 1024;

/// How characters are read, computed once for ASCII, which most text is.
#[derive(Debug)]
pub(crate) struct Alphabet {
    pub(crate) rules: Evasions,
    ascii: [u8; 128],
    /// Cache of characters outside of ASCII: nearly all of those in a message are the same few.
    known: Vec<(char, Option<Simple>)>,
}

/// A character that reads as one letter, whatever follows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Simple {
    pub(crate) letter: char,
    pub(crate) script: Script,
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
        Self { rules, ascii: std::array::from_fn(|code| letter(code as u8 as char)), known: Vec::new() }
    }

    /// The letter that a character outside of ASCII reads as, if it is one letter.
    pub(crate) fn simple(&mut self, character: char) -> Option<Simple> {
        if self.known.is_empty() {
            self.known = vec![('\0', None); CACHE_SLOTS];
        }
        let at = character as usize % CACHE_SLOTS;
        if self.known[at].0 != character {
            self.known[at] = (character, self.read_simple(character));
        }
        self.known[at].1
    }

    fn read_simple(&self, character: char) -> Option<Simple> {
        if is_invisible(character) || looks::is_ornament(character) || combines(character) {
            return None;
        }
        if let Some(letter) = self.picture(character) {
            return Some(Simple { letter, script: Script::Other });
        }
        let mut parts = decompose(character);
        let (part, None) = (parts.next()?, parts.next()) else { return None };
        if part.is_ascii() || combines(part) || is_inner_jamo(part) || !part.is_alphanumeric() {
            return None;
        }
        let mut letters = fold(part);
        let (letter, None) = (letters.next()?, letters.next()) else { return None };
        Some(Simple { letter: self.plain(letter), script: Script::of(character) })
    }

    /// The letter that a character depicts, or that it looks like with all its accents.
    pub(crate) fn picture(&self, character: char) -> Option<char> {
        let look = |c: char| looks::homoglyph(c).filter(|_| self.rules.lookalikes);
        fold(character).next().and_then(look).or_else(|| look(character))
    }

    /// A letter in lower case, as it is read.
    pub(crate) fn plain(&self, letter: char) -> char {
        let letter = if self.rules.accents { looks::plain(letter) } else { letter };
        let letter = looks::homoglyph(letter).filter(|_| self.rules.lookalikes).unwrap_or(letter);
        if self.rules.l_is_i && letter == 'l' { 'i' } else { letter }
    }

    /// Whether a letter that is repeated counts as one.
    pub(crate) fn repeats(&self) -> bool {
        self.rules.repeats
    }

    /// The letter that a character of an ASCII text reads as before the next one, or a gap.
    pub(crate) fn ascii_letter(&self, character: u8, next: Option<u8>) -> u8 {
        match character {
            b'!' if !next.is_some_and(|next| next.is_ascii_alphanumeric()) => GAP,
            _ => self.ascii.get(usize::from(character)).copied().unwrap_or(GAP),
        }
    }
}

/// The class of a letter, as far as word boundaries depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// Chinese and Japanese letters, which are written without spaces: space between them does not separate words.
    Unspaced,
    Hangul,
    Other,
}

impl Script {
    pub(crate) fn of(c: char) -> Self {
        match c {
            '\u{2E80}'..='\u{2FDF}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3041}'..='\u{3096}'
            | '\u{309D}'..='\u{309F}'
            | '\u{30A1}'..='\u{30FA}'
            | '\u{30FC}'..='\u{30FF}'
            | '\u{31F0}'..='\u{31FF}'
            | '\u{3400}'..='\u{4DBF}'
            | '\u{4E00}'..='\u{9FFF}'
            | '\u{F900}'..='\u{FAFF}'
            | '\u{FF66}'..='\u{FF9D}'
            | '\u{20000}'..='\u{3FFFF}' => Self::Unspaced,
            _ if is_hangul(c) => Self::Hangul,
            _ => Self::Other,
        }
    }

    /// Whether letters of these classes belong together over a gap, whatever is around them.
    pub(crate) fn join(self, other: Self, between: Between) -> bool {
        match (self, other) {
            (Self::Unspaced, Self::Unspaced) => true,
            // Single syllables are words too.
            (Self::Hangul, Self::Hangul) => between == Between::Signs,
            _ => false,
        }
    }
}

/// The vowel or the last consonant of a syllable of Hangul.
pub(crate) fn is_inner_jamo(c: char) -> bool {
    matches!(c, '\u{1160}'..='\u{11FF}' | '\u{D7B0}'..='\u{D7FF}')
}
