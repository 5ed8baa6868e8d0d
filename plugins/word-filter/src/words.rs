//! Finds whole words, ignoring case.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::Input;
use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;

use crate::bounds::is_whole;

/// All words in one automaton, so that a message is searched once.
#[derive(Debug)]
pub(crate) struct Words(NFA);

impl Words {
    pub(crate) fn new(words: &[String]) -> Result<Self, String> {
        if let Some(at) = words.iter().position(|word| word.trim().is_empty()) {
            return Err(format!("`words[{at}]` is empty"));
        }
        let folded =
            words.iter().flat_map(|word| spellings(word.trim())).map(|word| Folded::new(&word).text.into_owned());
        // Naming one kind of automaton keeps the others out of the component. Words are lower-cased by folding
        // except in ASCII, where the automaton ignores case, so that ASCII messages need no folding.
        let automaton = NFA::builder().ascii_case_insensitive(true).build(folded);
        automaton.map(Self).map_err(|error| format!("`words` cannot be built: {error}"))
    }

    pub(crate) fn find(&self, body: &str, hits: &mut Vec<Range<usize>>) {
        let folded = Folded::new(body);
        // Overlapping, since "darn" may be a whole word where "darn it" is not. The search cannot fail: the automaton
        // is built for overlapping searches.
        let found = self.0.try_find_overlapping_iter(Input::new(folded.text.as_ref()));
        let found = found.into_iter().flatten().map(|hit| folded.original(hit.range()));
        hits.extend(found.filter(|hit| is_whole(body, hit)));
    }
}

/// The spellings of a word: `straße` is also `STRASSE` in capitals. The reverse does not hold: `aß` is not `ass`.
pub(crate) fn spellings(word: &str) -> impl Iterator<Item = String> {
    let capitals = word.contains(['ß', 'ẞ']).then(|| word.replace(['ß', 'ẞ'], "ss"));
    std::iter::once(word.to_owned()).chain(capitals)
}

/// Folds a character to lower case by way of upper case, so that `ς` equals `σ`. `ß`, which has no upper case of its own,
/// stays unchanged.
pub(crate) fn fold(character: char) -> impl Iterator<Item = char> {
    let mut upper = character.to_uppercase();
    let base = match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => character,
    };
    base.to_lowercase()
}

/// A folded text, with a mapping to the original.
struct Folded<'a> {
    text: Cow<'a, str>,
    /// For each byte of `text` the original character's position; empty if the bytes are the same.
    origins: Vec<Range<usize>>,
}

impl<'a> Folded<'a> {
    fn new(text: &'a str) -> Self {
        if text.is_ascii() {
            return Self { text: text.into(), origins: Vec::new() };
        }
        let mut folded = String::with_capacity(text.len());
        let mut origins = Vec::with_capacity(text.len());
        for (at, character) in text.char_indices() {
            folded.extend(fold(character));
            origins.resize(folded.len(), at..at + character.len_utf8());
        }
        Self { text: folded.into(), origins }
    }

    fn original(&self, range: Range<usize>) -> Range<usize> {
        match self.origins.is_empty() {
            true => range,
            false => self.origins[range.start].start..self.origins[range.end - 1].end,
        }
    }
}
