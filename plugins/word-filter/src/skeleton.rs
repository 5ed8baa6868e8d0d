//! The skeleton of a text: a normal form without disguises.

use std::ops::Range;

use crate::alphabet::Alphabet;
use crate::reader::Reader;

/// The gap between words.
pub(crate) const GAP: u8 = b' ';
/// A text as it reads: lower case, look-alikes replaced by letters, repeated letters merged, and
/// spaced letters joined.
#[derive(Debug, Default)]
pub(crate) struct Skeleton {
    pub(crate) text: Vec<u8>,
    pub(crate) runs: Vec<Run>,
}

/// One letter of a skeleton, or a gap, and its position in the original.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Offset in the skeleton.
    pub(crate) at: u32,
    /// Offset in the original.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// How often the letter is repeated; 0 for a gap.
    pub(crate) count: u32,
    /// The separator between it and the previous letter, if spaced letters were joined here.
    pub(crate) apart: Option<Between>,
}

/// The separator between spaced letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    Signs,
    /// White space, with or without signs.
    Space,
}

impl Run {
    pub(crate) fn original(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Skeleton {
    /// Reads a text, replacing what was read before; keeps the memory.
    pub(crate) fn read(&mut self, text: &str, alphabet: &mut Alphabet) {
        self.text.clear();
        self.runs.clear();
        Reader::new(self, alphabet).read(text);
    }

    /// The run that begins at an offset of the skeleton's text, or the number of runs at its end; none within a letter.
    pub(crate) fn run_at(&self, offset: usize) -> Option<usize> {
        let index = self.runs.partition_point(|run| (run.at as usize) < offset);
        let begins = self.runs.get(index).map_or(self.text.len(), |run| run.at as usize);
        (begins == offset).then_some(index)
    }

    /// Makes this the letters of a part of another skeleton, without the gaps between them.
    pub(crate) fn join(&mut self, other: &Skeleton, part: Range<usize>, repeats: bool) {
        self.text.clear();
        self.runs.clear();
        for index in part {
            let run = other.runs[index];
            let end = other.runs.get(index + 1).map_or(other.text.len(), |next| next.at as usize);
            let letter = &other.text[run.at as usize..end];
            match self.runs.last_mut() {
                _ if run.count == 0 => {}
                Some(last) if repeats && self.text[last.at as usize..] == *letter => {
                    last.count += run.count;
                    last.end = run.end;
                }
                _ => {
                    self.runs.push(Run { at: self.text.len() as u32, ..run });
                    self.text.extend_from_slice(letter);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Evasions;

    fn read(text: &str) -> String {
        let mut skeleton = Skeleton::default();
        let rules = Evasions { spacing: true, lookalikes: true, repeats: true, accents: true, l_is_i: false };
        skeleton.read(text, &mut Alphabet::new(rules));
        for run in skeleton.runs.iter().filter(|run| run.count > 0) {
            assert!(!text[run.original()].is_empty(), "each letter comes from somewhere");
        }
        String::from_utf8(skeleton.text).expect("letters are whole")
    }

    #[test]
    fn plain_text_is_only_lower_cased_and_deduplicated() {
        assert_eq!(read("Good morning, Bob!"), "god morning bob");
        assert_eq!(read("ЧЁРТ straße"), "чept straße");
    }

    #[test]
    fn spaced_letters_are_joined() {
        assert_eq!(read("I d a r n it"), "idarn it");
        assert_eq!(read("d.a.r.n d - a - r - n"), "darndarn");
        assert_eq!(read("d, a & r; n"), "d a r n");
        assert_eq!(read("T.H.E. L.L.C."), "the lc");
        assert_eq!(read("a a a b"), "ab");
        assert_eq!(read("d     a"), "d a");
        assert_eq!(read("д а р н"), "дaph");
    }

    #[test]
    fn invisible_characters_are_removed() {
        assert_eq!(read("d\u{200B}a\u{AD}r\u{301}n\u{2800}\u{202E}"), "darn");
        assert_eq!(read("d**a**rn d_a_rn **darn** da~~rn"), "darn darn darn darn");
        assert_eq!(read("كـــلب كَلب"), "كلب كلب");
        assert_eq!(read(""), "");
        assert_eq!(read(" . "), "");
    }
}
