//! Words that somebody wrote so that they would not be found.

use std::ops::Range;

use aho_corasick::Input;
use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;

use crate::looks::homoglyph;
use crate::settings::Evasions;
use crate::skeleton::{Alphabet, Run, Skeleton, fold};
use crate::words::is_whole;

/// Words by how they read, and memory to read messages in.
#[derive(Debug)]
pub(crate) struct Disguised {
    automaton: NFA,
    shapes: Vec<WordShape>,
    alphabet: Alphabet,
    message: Skeleton,
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
        let words = words.iter().map(|word| word.trim()).filter(|word| {
            word.chars().all(|c| c.is_alphanumeric() || c.is_whitespace()) && word.chars().any(char::is_alphabetic)
        });
        for word in words {
            // Whoever writes `1` may mean `i` or `l`.
            let has_l = rules.lookalikes && word.to_lowercase().contains('l');
            for alphabet in [Some(&alphabet), Some(&l_is_i).filter(|_| has_l)].into_iter().flatten() {
                let mut skeleton = Skeleton::default();
                skeleton.read(word, alphabet);
                shapes.push(WordShape::new(word, &skeleton));
                texts.push(skeleton.text);
            }
        }
        let automaton = NFA::new(texts).map_err(|error| format!("`words` cannot be built: {error}"))?;
        Ok(Self { automaton, shapes, alphabet, message: Skeleton::default() })
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
