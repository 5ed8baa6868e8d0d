//! Words that somebody wrote so that they would not be found.

use std::ops::Range;

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, Input, MatchError};

use crate::looks::homoglyph;
use crate::settings::Evasions;
use crate::skeleton::{Alphabet, GAP, Run, Skeleton, fold};
use crate::words::is_whole;

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
            word.chars().all(|c| c.is_alphanumeric() || c.is_whitespace()) && word.chars().any(char::is_alphabetic)
        };
        let words: Vec<&str> = words.iter().map(|word| word.trim()).collect();
        let complete = words.iter().all(reads_as_letters);
        for word in words.into_iter().filter(reads_as_letters) {
            // Whoever writes `1` may mean `i` or `l`.
            let has_l = rules.lookalikes && word.to_lowercase().contains('l');
            for alphabet in [Some(&alphabet), Some(&l_is_i).filter(|_| has_l)].into_iter().flatten() {
                let mut skeleton = Skeleton::default();
                skeleton.read(word, alphabet);
                shapes.push(WordShape::new(word, &skeleton));
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
            let runs = &message.runs[message.run_at(hit.start())..message.run_at(hit.end())];
            let range = runs.first()?.start as usize..runs.last()?.end as usize;
            (is_whole(body, &range) && self.shapes[hit.pattern().as_usize()].fits(body, runs)).then_some(range)
        }));
    }
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
    fn new(word: &str, skeleton: &Skeleton) -> Self {
        let letters = skeleton.runs.iter().map(|run| match run.count {
            0 => Letters { own: Vec::new(), count: 0 },
            count => Letters { own: word[run.original()].chars().flat_map(fold).collect(), count },
        });
        Self(letters.collect())
    }

    /// Whether this part of a message is the word in disguise, rather than another word that reads like it.
    fn fits(&self, body: &str, runs: &[Run]) -> bool {
        let (mut doubled, mut drawn_out) = (0, false);
        let (mut alphabetic, mut digits) = (0, 0);
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
                plain += u32::from(written.is_alphabetic());
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
        // "a s" are two words.
        let apart = runs.windows(2).any(|pair| pair[0].end < pair[1].start && pair[0].count > 0 && pair[1].count > 0);
        let length: u32 = self.0.iter().map(|letters| letters.count).sum();
        repeats_fit && reads_as_word && (!apart || length > 2)
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
