//! Words that somebody wrote so that they would not be found.

use std::ops::Range;

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, Input, MatchError};

use natterjack_text::{decompose, is_invisible, is_mark};

use crate::bounds::{ends_word, is_address, is_bound, token};
use crate::looks::{homoglyph, is_everyday};
use crate::settings::Evasions;
use crate::skeleton::{Alphabet, Between, GAP, Run, Skeleton};
use crate::words::{fold, spellings};

/// Letters that are words, and may stand before one whose letters are apart: "I d a r n it".
const ONE_LETTER_WORDS: &str = "aiouyeàéяиаоуксв";

/// Words by how they read, and memory to read messages in.
#[derive(Debug)]
pub(crate) struct Disguised {
    automaton: NFA,
    shapes: Vec<WordShape>,
    alphabet: Alphabet,
    message: Skeleton,
    /// The words by their letters alone, for a first glance.
    letters: NFA,
    /// Whether the words are all here: those with signs in them are not.
    complete: bool,
}

/// What a message has to have in each run of letters for the word to be meant.
#[derive(Debug)]
struct WordShape(Vec<Letters>);

#[derive(Debug)]
struct Letters {
    /// The word's own letters here, in lower case. They differ where `l` is read as `i`.
    own: Vec<char>,
    /// How many there are; 0 in a gap between words.
    count: u32,
}

impl Disguised {
    pub(crate) fn new(words: &[String], rules: Evasions) -> Result<Self, String> {
        let (mut texts, mut shapes) = (Vec::new(), Vec::new());
        let alphabet = Alphabet::new(rules);
        let l_is_i = Alphabet::new(Evasions { l_is_i: true, ..rules });
        // Words with signs in them are found as they are; a sign that is no letter does not show in a skeleton.
        let reads_as_letters = |word: &&str| {
            let letter = |c: char| c.is_alphanumeric() || c.is_whitespace() || is_mark(c) || is_invisible(c);
            word.chars().all(letter) && word.chars().any(char::is_alphabetic)
        };
        let words: Vec<&str> = words.iter().map(|word| word.trim()).collect();
        // Others are not in a text in ASCII, which alone is looked at so.
        let complete = words.iter().filter(|word| word.is_ascii()).all(reads_as_letters);
        let spelled: Vec<String> = words.into_iter().filter(reads_as_letters).flat_map(spellings).collect();
        for word in spelled.iter().map(String::as_str) {
            // Whoever writes `1` may mean `i` or `l`.
            let has_l = rules.lookalikes && word.to_lowercase().contains('l');
            for alphabet in [Some(&alphabet), Some(&l_is_i).filter(|_| has_l)].into_iter().flatten() {
                let mut skeleton = Skeleton::default();
                skeleton.read(word, alphabet);
                shapes.push(WordShape::new(word, &skeleton, rules.accents));
                texts.push(skeleton.text);
            }
        }
        let build = |texts: Vec<Vec<u8>>| NFA::new(texts).map_err(|error| format!("`words` cannot be built: {error}"));
        let letters = build(texts.iter().map(|text| letters_of(text)).collect())?;
        Ok(Self { automaton: build(texts)?, shapes, alphabet, message: Skeleton::default(), letters, complete })
    }

    /// Whether no word at all is in a message, disguised or not: known at a glance of nearly all messages, and not otherwise.
    pub(crate) fn sees_nothing_in(&self, body: &str) -> bool {
        self.complete && body.is_ascii() && !self.holds_letters(body.as_bytes()).unwrap_or(true)
    }

    /// Whether the letters of a word come one after the other, whatever is between them and however often each is there.
    fn holds_letters(&self, body: &[u8]) -> Result<bool, MatchError> {
        let mut state = self.letters.start_state(Anchored::No)?;
        let mut last = GAP;
        for (at, &byte) in body.iter().enumerate() {
            let letter = self.alphabet.ascii_letter(byte, body.get(at + 1).copied());
            if letter == GAP || letter == last {
                continue;
            }
            last = letter;
            state = self.letters.next_state(Anchored::No, state, letter);
            if self.letters.is_match(state) {
                return Ok(true);
            }
        }
        Ok(self.letters.is_match(state))
    }

    pub(crate) fn find(&mut self, body: &str, hits: &mut Vec<Range<usize>>) {
        if self.shapes.is_empty() {
            return;
        }
        self.message.read(body, &self.alphabet);
        let message = &self.message;
        let found = self.automaton.try_find_overlapping_iter(Input::new(&message.text));
        hits.extend(found.into_iter().flatten().filter_map(|hit| {
            let (first, end) = (message.run_at(hit.start()), message.run_at(hit.end()));
            let runs = &message.runs[first..end];
            let range = runs.first()?.start as usize..runs.last()?.end as usize;
            let whole = begins(body, &message.runs, first) && finishes(body, &message.runs, end);
            (whole && self.shapes[hit.pattern().as_usize()].fits(body, runs) && !is_in_address(body, &range))
                .then_some(range)
        }));
    }
}

/// Whether a word may begin with this run.
fn begins(body: &str, runs: &[Run], first: usize) -> bool {
    let run = &runs[first];
    let Some(before) = first.checked_sub(1).map(|before| &runs[before]).filter(|before| before.count > 0) else {
        return true;
    };
    match run.apart {
        // Of letters that stand apart, all are one word; but for one before them that is a word of its own.
        Some(Between::Space) => {
            let alone = first < 2 || runs[first - 2].count == 0;
            alone
                && before.count == 1
                && body[before.original()].chars().flat_map(fold).all(|c| ONE_LETTER_WORDS.contains(c))
        }
        Some(Between::Signs) => false,
        // Letters by what they look like alone are no reason to see a word begin.
        None => before.end <= run.start && are_letters(body, run.start as usize) && is_bound(body, run.start as usize),
    }
}

/// Whether a word may end before this run.
fn finishes(body: &str, runs: &[Run], end: usize) -> bool {
    let Some(next) = runs.get(end).filter(|next| next.count > 0) else { return true };
    let at = runs[end - 1].end as usize;
    next.apart.is_none() && at <= next.start as usize && are_letters(body, at) && ends_word(body, at)
}

/// Whether there are letters on both sides in the original.
fn are_letters(body: &str, at: usize) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || is_mark(c);
    body[..at].chars().next_back().is_some_and(is_letter) && body[at..].chars().next().is_some_and(is_letter)
}

/// What is in a URL, an e-mail address or a path is there for a reason of its own.
fn is_in_address(body: &str, word: &Range<usize>) -> bool {
    is_address(token(body, word.start)) || is_address(token(body, word.end))
}

/// A skeleton's letters: without gaps, and each once where it is repeated.
fn letters_of(skeleton: &[u8]) -> Vec<u8> {
    let mut letters: Vec<u8> = skeleton.iter().copied().filter(|letter| *letter != GAP).collect();
    letters.dedup();
    letters
}

impl Letters {
    /// Whether what is written may be one of these. A plain letter stands for itself, or for one of another script;
    /// only others are disguises.
    fn admit(&self, written: char) -> bool {
        !written.is_ascii_alphabetic()
            || self.own.contains(&written)
            || self.own.iter().any(|&own| homoglyph(own).is_some())
    }
}

impl WordShape {
    fn new(word: &str, skeleton: &Skeleton, accents: bool) -> Self {
        // A bare letter stands for an accented one only if its accent is a letter of its own.
        let parts = |c: char| std::iter::once(c).chain(decompose(c).filter(move |_| !accents));
        let letters = skeleton.runs.iter().map(|run| match run.count {
            0 => Letters { own: Vec::new(), count: 0 },
            count => Letters { own: word[run.original()].chars().flat_map(fold).flat_map(parts).collect(), count },
        });
        Self(letters.collect())
    }

    fn is_latin(&self) -> bool {
        self.0.iter().flat_map(|letters| &letters.own).any(char::is_ascii_alphabetic)
    }

    /// Whether this part of a message is the word in disguise, rather than another word that reads like it.
    fn fits(&self, body: &str, runs: &[Run]) -> bool {
        let (mut doubled, mut drawn_out) = (0, false);
        let (mut alphabetic, mut digits) = (0, 0);
        let (mut foreign, mut letters_written) = (0, 0);
        for (letters, run) in self.0.iter().zip(runs) {
            if run.count < letters.count {
                return false;
            }
            if run.count > letters.count && letters.count > 0 {
                drawn_out |= run.count > 2;
                doubled += 1;
            }
            let (mut numeric, mut plain) = (0, 0);
            for written in body[run.original()].chars().flat_map(fold) {
                let picture = !written.is_alphanumeric() && !written.is_ascii() && homoglyph(written).is_some();
                plain += u32::from(written.is_alphabetic() || picture);
                foreign += u32::from(is_everyday(written));
                letters_written += u32::from(written.is_alphabetic() || picture);
                numeric += u32::from(written.is_numeric());
                if letters.count > 0 && !letters.admit(written) {
                    return false;
                }
            }
            // However often a letter is repeated, it is one letter of the word.
            alphabetic += plain.min(letters.count);
            digits += numeric.min(letters.count);
        }
        // "good" is not "god": one doubled letter makes another word, three of a kind and two doubles do not.
        let repeats_fit = doubled == 0 || drawn_out || doubled > 1;
        // "455" is a number, and "A55" a road.
        let reads_as_word = alphabetic > 0 && digits <= alphabetic;
        // "сам" is Russian, whatever it looks like.
        let own_script = foreign < letters_written || !self.is_latin();
        // "a s" are two words.
        let apart = runs.iter().skip(1).any(|run| run.apart.is_some());
        let length: u32 = self.0.iter().map(|letters| letters.count).sum();
        repeats_fit && reads_as_word && own_script && (!apart || length > 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Words;

    #[test]
    fn what_is_found_is_never_missed_at_a_glance() {
        let rules = Evasions { spacing: true, lookalikes: true, repeats: true, accents: true, l_is_i: false };
        let words = ["darn", "drat it", "nil"].map(str::to_owned);
        let (plain, mut disguised) = (Words::new(&words).unwrap(), Disguised::new(&words, rules).unwrap());
        let (mut seed, mut found, mut nothing) = (1_u64, 0, 0);
        for _ in 0..100_000 {
            let mut character = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b"ddaarrnnttiillDARN41! .-_x"[(seed >> 33) as usize % 26])
            };
            let body: String = (0..9).map(|_| character()).collect();
            let mut hits = Vec::new();
            plain.find(&body, &mut hits);
            disguised.find(&body, &mut hits);
            let nothing_seen = disguised.sees_nothing_in(&body);
            assert!(hits.is_empty() || !nothing_seen, "{body:?}: {hits:?}");
            found += u32::from(!hits.is_empty());
            nothing += u32::from(nothing_seen);
        }
        assert!(found > 100 && nothing > 10_000, "{found} found, {nothing} with nothing in them");
        assert!(!disguised.sees_nothing_in("пруд"), "for what is not in ASCII a glance is not enough");
    }
}
