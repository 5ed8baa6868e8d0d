//! Whole words, in any case.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::Input;
use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;

use crate::bounds::is_whole;

/// All words in one automaton, so that a message is read once, however many there are.
#[derive(Debug)]
pub(crate) struct Words(NFA);

impl Words {
    pub(crate) fn new(words: &[String]) -> Result<Self, String> {
        if let Some(at) = words.iter().position(|word| word.trim().is_empty()) {
            return Err(format!("`words[{at}]` is empty"));
        }
        let folded =
            words.iter().flat_map(|word| spellings(word.trim())).map(|word| Folded::new(&word).text.into_owned());
        // One kind of automaton, named, keeps the others out of the component. A folded word is lower case
        // except in ASCII, where the automaton does it, to spare messages in ASCII the folding.
        let automaton = NFA::builder().ascii_case_insensitive(true).build(folded);
        automaton.map(Self).map_err(|error| format!("`words` cannot be built: {error}"))
    }

    pub(crate) fn find(&self, body: &str, hits: &mut Vec<Range<usize>>) {
        let folded = Folded::new(body);
        // Overlapping, since "darn it" may fail as a whole word where "darn" holds. An error would say that
        // the automaton was not built for this kind of search; it was.
        let found = self.0.try_find_overlapping_iter(Input::new(folded.text.as_ref()));
        let found = found.into_iter().flatten().map(|hit| folded.original(hit.range()));
        hits.extend(found.filter(|hit| is_whole(body, hit)));
    }
}

/// A word as it may be written: `straße` is `STRASSE` in capitals. The other way round it is another word: `aß` is not `ass`.
pub(crate) fn spellings(word: &str) -> impl Iterator<Item = String> {
    let capitals = word.contains(['ß', 'ẞ']).then(|| word.replace(['ß', 'ẞ'], "ss"));
    std::iter::once(word.to_owned()).chain(capitals)
}

/// The letters that a character is in lower case. By way of upper case, so that `ς` equals `σ`; `ß`, which has none of its
/// own, stays what it is.
pub(crate) fn fold(character: char) -> impl Iterator<Item = char> {
    let mut upper = character.to_uppercase();
    let base = match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => character,
    };
    base.to_lowercase()
}

/// A text with its cases made equal, and the way back to the original.
struct Folded<'a> {
    text: Cow<'a, str>,
    /// For each byte of `text` the character it comes from; empty if they are the same bytes.
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
