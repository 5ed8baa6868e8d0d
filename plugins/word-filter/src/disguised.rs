//! Finds disguised words.

use std::ops::Range;

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, Input, MatchError};

use natterjack_text::{combines, decompose, is_invisible, is_mark};

use crate::alphabet::{Alphabet, Script};
use crate::bounds::{begins_word, ends_word, is_address, token};
use crate::looks::{homoglyph, is_everyday};
use crate::settings::Evasions;
use crate::skeleton::{Between, GAP, Run, Skeleton};
use crate::words::{fold, spellings};

/// One-letter words, which may precede a word with spaced letters: "I d a r n it".
const ONE_LETTER_WORDS: &str = "aiouyeàéяиаоуксв";
/// The most runs of a token that is read by itself.
const MAX_TOKEN_RUNS: usize = 100;
/// The most signs between two parts of a token.
const MAX_SEAM_SIGNS: usize = 3;

/// The words' skeletons, and reusable memory for the skeletons of messages.
#[derive(Debug)]
pub(crate) struct Disguised {
    automaton: NFA,
    shapes: Vec<WordShape>,
    alphabet: Alphabet,
    message: Skeleton,
    /// A token of the message that is read by itself.
    token: Skeleton,
    /// The words by their letters alone, for the fast check.
    letters: NFA,
    /// Whether all words are included: words with signs are not.
    complete: bool,
}

/// The letters that a message must have in each run to match the word.
#[derive(Debug)]
struct WordShape {
    letters: Vec<Letters>,
    /// How many letters there are.
    length: usize,
    /// Whether two spaced letters are enough for the word. In most scripts they are not: "a s" are two words.
    is_dense: bool,
}

#[derive(Debug)]
struct Letters {
    /// The word's own letters in this run, in lower case. There are several where `l` is read as `i`.
    own: Vec<char>,
    /// Number of letters; 0 in a gap between words.
    count: u32,
}

impl Disguised {
    pub(crate) fn new(words: &[String], rules: Evasions) -> Result<Self, String> {
        let (mut texts, mut shapes) = (Vec::new(), Vec::new());
        let mut alphabet = Alphabet::new(rules);
        let mut l_is_i = Alphabet::new(Evasions { l_is_i: true, ..rules });
        // Words with signs are found undisguised only: a sign that reads as no letter is not in a skeleton.
        let reads_as_letters = |word: &&str| {
            let letter = |c: char| c.is_alphanumeric() || c.is_whitespace() || is_mark(c) || is_invisible(c);
            word.chars().all(letter) && word.chars().any(char::is_alphabetic)
        };
        let words: Vec<&str> = words.iter().map(|word| word.trim()).collect();
        // The fast check is for ASCII text only, which cannot contain other words.
        let complete = words.iter().filter(|word| word.is_ascii()).all(reads_as_letters);
        let spelled: Vec<String> = words.into_iter().filter(reads_as_letters).flat_map(spellings).collect();
        for word in spelled.iter().map(String::as_str) {
            // A `1` may stand for `i` or `l`.
            let has_l = rules.lookalikes && word.to_lowercase().contains('l');
            for alphabet in [Some(&mut alphabet), Some(&mut l_is_i).filter(|_| has_l)].into_iter().flatten() {
                let mut skeleton = Skeleton::default();
                skeleton.read(word, alphabet);
                shapes.push(WordShape::new(word, &skeleton, rules.accents));
                texts.push(skeleton.text);
            }
        }
        let build = |texts: Vec<Vec<u8>>| NFA::new(texts).map_err(|error| format!("`words` cannot be built: {error}"));
        let letters = build(texts.iter().map(|text| letters_of(text)).collect())?;
        Ok(Self {
            automaton: build(texts)?,
            shapes,
            alphabet,
            message: Skeleton::default(),
            token: Skeleton::default(),
            letters,
            complete,
        })
    }

    /// Whether a fast check shows that a message contains no word, disguised or not. True for nearly all messages.
    pub(crate) fn sees_nothing_in(&self, body: &str) -> bool {
        self.complete && body.is_ascii() && !self.holds_letters(body.as_bytes()).unwrap_or(true)
    }

    /// Whether the letters of a word occur in order, ignoring anything between them and repetitions.
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
        self.message.read(body, &mut self.alphabet);
        self.find_in(&self.message, body, hits, false);
        let mut token = std::mem::take(&mut self.token);
        for part in tokens(body, &self.message.runs) {
            token.join(&self.message, part, self.alphabet.repeats());
            self.find_in(&token, body, hits, true);
        }
        self.token = token;
    }

    /// Finds whole words in a skeleton, or, if the skeleton is a token, a word that is all of it.
    fn find_in(&self, skeleton: &Skeleton, body: &str, hits: &mut Vec<Range<usize>>, is_token: bool) {
        let found = self.automaton.try_find_overlapping_iter(Input::new(&skeleton.text));
        hits.extend(found.into_iter().flatten().filter_map(|hit| {
            let range = skeleton.run_at(hit.start())?..skeleton.run_at(hit.end())?;
            let runs = &skeleton.runs[range.clone()];
            let original = runs.first()?.start as usize..runs.last()?.end as usize;
            let whole = match is_token {
                true => range == (0..skeleton.runs.len()),
                false => is_whole(body, &skeleton.runs, &range),
            };
            let apart = is_token || runs.iter().skip(1).any(|run| run.apart.is_some());
            (whole && self.shapes[hit.pattern().as_usize()].fits(body, runs, apart) && !is_in_address(body, &original))
                .then_some(original)
        }));
    }
}

/// Whether these runs are a whole word: nothing that belongs to it is before or after them.
fn is_whole(body: &str, runs: &[Run], range: &Range<usize>) -> bool {
    let word = runs[range.start].start as usize..runs[range.end - 1].end as usize;
    let before = range.start.checked_sub(1).map(|before| &runs[before]).filter(|before| before.count > 0);
    let next = runs.get(range.end).filter(|next| next.count > 0);
    let inside: Vec<Between> = runs[range.clone()].iter().skip(1).filter_map(|run| run.apart).collect();
    let uniform = inside.first().copied().filter(|first| inside.iter().all(|between| between == first));

    // Spaced letters are a word of their own if all are spaced in the same way and their neighbours otherwise; else all are one word.
    let differs =
        |run: Option<&Run>| uniform.is_some() && run.is_some_and(|run| run.apart.is_some() && run.apart != uniform);
    let begins = match (before, runs[range.start].apart) {
        (None, _) => true,
        (Some(before), Some(between)) => {
            join_loosely(body, before, &runs[range.start], between)
                || differs(Some(&runs[range.start]))
                || differs(Some(before))
                || (between == Between::Space && is_one_letter_word(body, runs, range.start - 1))
        }
        // A letter that is one by its look alone is no reason for a word to begin here.
        (Some(before), None) => {
            before.end as usize <= word.start && are_letters(body, word.start) && begins_word(body, &word)
        }
    };
    let ends = match next {
        None => true,
        Some(next) => match next.apart {
            Some(between) => {
                join_loosely(body, &runs[range.end - 1], next, between)
                    || differs(Some(next))
                    || differs(runs.get(range.end + 1))
            }
            None => word.end <= next.start as usize && are_letters(body, word.end) && ends_word(body, &word),
        },
    };
    begins && ends && !(inside.contains(&Between::Space) && is_passage(body, runs, range, before, next))
}

/// Whether these are letters of a script without spaces in running text: letters adjoin them on both sides.
fn is_passage(body: &str, runs: &[Run], range: &Range<usize>, before: Option<&Run>, next: Option<&Run>) -> bool {
    let unspaced = runs[range.clone()].iter().any(|run| script_of(body, run) == Script::Unspaced);
    unspaced && before.is_some() && runs[range.start].apart.is_none() && next.is_some_and(|next| next.apart.is_none())
}

/// Whether two letters belong together over a gap, whatever is around them: then they can be separated there, too.
fn join_loosely(body: &str, before: &Run, run: &Run, between: Between) -> bool {
    script_of(body, before).join(script_of(body, run), between)
}

fn script_of(body: &str, run: &Run) -> Script {
    body[run.original()].chars().next().map_or(Script::Other, Script::of)
}

/// Whether the letter at this position is spaced, is a one-letter word, and is the first of the spaced letters.
fn is_one_letter_word(body: &str, runs: &[Run], at: usize) -> bool {
    let alone = at < 1 || runs[at - 1].count == 0;
    alone
        && runs[at].count == 1
        && body[runs[at].original()].chars().flat_map(fold).all(|c| ONE_LETTER_WORDS.contains(c))
}

/// Runs of letters with nothing between them but signs that readers skip: `d-a_rn`.
fn tokens<'a>(body: &'a str, runs: &'a [Run]) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < runs.len() {
            let start = at;
            let mut seams = Seams::default();
            while at < runs.len() {
                if runs[at].count == 0 && !seams.add(&body[runs[at - 1].end as usize..runs[at + 1].start as usize]) {
                    break;
                }
                seams.letter(&runs[at], runs.get(at + 1));
                at += 1;
            }
            let end = at;
            at += 1;
            if seams.join() && end - start <= MAX_TOKEN_RUNS {
                return Some(start..end);
            }
        }
        None
    })
}

/// The separators between the letters of a token.
#[derive(Default)]
struct Seams {
    hyphens: usize,
    dots: usize,
    /// Letters since the last separator.
    piece: usize,
    has_single: bool,
}

impl Seams {
    /// Adds a separator, unless it ends the word.
    fn add(&mut self, signs: &str) -> bool {
        let reads_over =
            |c: char| matches!(c, '-' | '_' | '*' | '~' | '`' | '|' | '^' | '·' | '•' | '‐'..='―' | '・' | '−');
        match signs {
            "." => self.dots += 1,
            _ if signs.chars().all(reads_over) && signs.chars().count() <= MAX_SEAM_SIGNS => self.hyphens += 1,
            _ => return false,
        }
        true
    }

    fn letter(&mut self, run: &Run, next: Option<&Run>) {
        if run.count == 0 {
            self.piece = 0;
            return;
        }
        self.piece += 1;
        self.has_single |= self.piece == 1 && next.is_none_or(|next| next.count == 0);
    }

    /// Whether the separators may be ignored: a dot also ends a sentence.
    fn join(&self) -> bool {
        match self.dots {
            0 => self.hyphens > 0,
            dots => self.has_single && dots + self.hyphens > 1,
        }
    }
}

/// Whether there are letters on both sides in the original.
fn are_letters(body: &str, at: usize) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || is_mark(c);
    body[..at].chars().next_back().is_some_and(is_letter) && body[at..].chars().next().is_some_and(is_letter)
}

/// Whether the word is in a URL, an e-mail address or a path, which are not searched for disguises.
fn is_in_address(body: &str, word: &Range<usize>) -> bool {
    is_address(token(body, word.start)) || is_address(token(body, word.end))
}

/// A skeleton's letters, without gaps and repetitions.
fn letters_of(skeleton: &[u8]) -> Vec<u8> {
    let mut letters: Vec<u8> = skeleton.iter().copied().filter(|letter| *letter != GAP).collect();
    letters.dedup();
    letters
}

impl Letters {
    /// Whether the written character may stand for one of these letters. A plain letter only stands for itself or for a letter
    /// of another script; other characters are disguises.
    fn admit(&self, written: char) -> bool {
        !written.is_ascii_alphabetic()
            || self.own.contains(&written)
            || self.own.iter().any(|&own| homoglyph(own).is_some())
    }
}

impl WordShape {
    fn new(word: &str, skeleton: &Skeleton, accents: bool) -> Self {
        // A letter without its accent stands for the accented one only if the accent is a character of its own.
        let parts = |c: char| std::iter::once(c).chain(decompose(c).filter(move |_| !accents));
        let letters = skeleton.runs.iter().map(|run| match run.count {
            0 => Letters { own: Vec::new(), count: 0 },
            count => Letters { own: word[run.original()].chars().flat_map(fold).flat_map(parts).collect(), count },
        });
        let written = || word.chars().filter(|c| !combines(*c) && !is_invisible(*c) && !c.is_whitespace());
        Self {
            letters: letters.collect(),
            length: written().count(),
            is_dense: written().all(|c| Script::of(c) != Script::Other),
        }
    }

    fn is_latin(&self) -> bool {
        self.letters.iter().flat_map(|letters| &letters.own).any(char::is_ascii_alphabetic)
    }

    /// Whether this part of a message is the word in disguise, rather than another word that reads like it.
    fn fits(&self, body: &str, runs: &[Run], apart: bool) -> bool {
        let (mut doubled, mut drawn_out) = (0, false);
        let (mut alphabetic, mut digits) = (0, 0);
        let (mut foreign, mut letters_written) = (0, 0);
        for (letters, run) in self.letters.iter().zip(runs) {
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
            // A repeated letter counts as one letter of the word.
            alphabetic += plain.min(letters.count);
            digits += numeric.min(letters.count);
        }
        // "good" is not "god": a single doubled letter makes another word, but a tripled letter or two doubled ones do not.
        let repeats_fit = doubled == 0 || drawn_out || doubled > 1;
        // "455" is a number, and "A55" a road.
        let reads_as_word = alphabetic > 0 && digits <= alphabetic;
        // "сам" is Russian, whatever it looks like.
        let own_script = foreign < letters_written || !self.is_latin();
        let long_enough = self.length > if self.is_dense { 1 } else { 2 };
        repeats_fit && reads_as_word && own_script && (!apart || long_enough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Words;

    #[test]
    fn fast_check_never_misses_a_word_that_is_found() {
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
