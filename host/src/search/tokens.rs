//! The tokeniser. A text is split into words by UAX #29, and those further at punctuation. Scripts that are written
//! without spaces are indexed as overlapping pairs of characters, so that any part of a run is found. Emoji are words.
//! Identifiers are indexed whole and in parts (`HttpServer` as `httpserver`, and as `http server`); words with diacritics
//! also without them.

use icu_properties::props::{EmojiModifier, ExtendedPictographic, GeneralCategory, RegionalIndicator, Script};
use icu_properties::{CodePointMapData, CodePointSetData};
use natterjack_text::{fold, nfkc};
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// Version of the tokeniser's output: increase it when the tokens of a text change. Messages indexed by an older version are
/// indexed again.
pub const VERSION: i64 = 1;
/// Longer words are cut, in messages as in queries.
const MAX_TOKEN_CHARS: usize = 64;
/// The most tokens of one message. PostgreSQL stores positions up to 16,383.
const MAX_TOKENS: usize = 16_000;
/// An identifier with more parts than this is indexed only as a whole.
const MAX_PARTS: usize = 32;

/// Tokens that follow each other. Phrases are found within one run.
pub type Run = Vec<String>;

/// The tokens to index for a message: its words in their order, then each variant (without diacritics, in parts) in a run
/// of its own.
pub fn index_runs(body: &str) -> Vec<Run> {
    let chunks = chunks(body);
    let mut left = MAX_TOKENS;
    let mut text: Run = Vec::new();
    for chunk in &chunks {
        text.extend(chunk.exact(true));
    }
    text.truncate(left);
    left -= text.len();
    let mut runs = vec![text];
    for run in chunks.iter().flat_map(Chunk::variants) {
        // One position lies between two runs.
        let Some(still) = left.checked_sub(run.len() + 1) else { break };
        left = still;
        runs.push(run);
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// The token for the name of an author without an account.
pub fn name_token(name: &str) -> String {
    fold(name).chars().filter(|c| c.is_alphanumeric()).take(MAX_TOKEN_CHARS).collect()
}

/// A piece of text without white space.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    words: Vec<Word>,
}

#[derive(Debug)]
enum Word {
    /// A word of a script with spaces, not folded.
    Plain(String),
    /// A run of a script without spaces, folded.
    Dense(Vec<char>),
    /// Folded.
    Emoji(String),
}

/// Splits a text at white space; pieces without a word are left out.
pub(super) fn chunks(text: &str) -> Vec<Chunk> {
    let text = nfkc(text);
    let mut chunks = Vec::new();
    for piece in text.split_whitespace() {
        let mut chunk = Chunk::default();
        let mut joined = false;
        for grapheme in piece.graphemes(true) {
            joined = chunk.add(grapheme, joined);
        }
        chunk.finish();
        if !chunk.words.is_empty() {
            chunks.push(chunk);
        }
    }
    chunks
}

impl Chunk {
    /// Adds a grapheme. `joined` tells whether the one before was part of a word; the result tells the same of this one.
    fn add(&mut self, grapheme: &str, joined: bool) -> bool {
        let Some(first) = grapheme.chars().find(|c| !is_ignored(*c)) else { return joined };
        if is_emoji(grapheme) {
            self.words.push(Word::Emoji(fold(grapheme)));
            return false;
        }
        if !first.is_alphanumeric() {
            return false;
        }
        let shown = grapheme.chars().filter(|c| !is_ignored(*c));
        match (self.words.last_mut().filter(|_| joined), is_dense(first)) {
            (Some(Word::Dense(run)), true) => run.extend(shown),
            (Some(Word::Plain(word)), false) => word.extend(shown),
            (_, true) => self.words.push(Word::Dense(shown.collect())),
            (_, false) => self.words.push(Word::Plain(shown.collect())),
        }
        true
    }

    /// Folds the collected words, and drops those that fold to nothing.
    fn finish(&mut self) {
        for word in &mut self.words {
            if let Word::Dense(run) = word {
                *run = fold(&run.iter().collect::<String>()).chars().collect();
            }
        }
        self.words.retain(|word| match word {
            Word::Plain(word) => !fold(word).is_empty(),
            Word::Dense(run) => !run.is_empty(),
            Word::Emoji(emoji) => !emoji.is_empty(),
        });
    }

    /// The words, folded. With `indexed` in the form for the index, with the last character of each dense run as a token of its
    /// own, so that phrases that go on behind the run are found. In a query the last run has no such token.
    pub(super) fn exact(&self, indexed: bool) -> Run {
        self.tokens(indexed, |word, run| run.push(cut(&fold(word))))
    }

    /// The words split where the case changes and between letters and digits; none if that changes nothing.
    pub(super) fn parts(&self, indexed: bool) -> Option<Run> {
        let plain = |word: &Word| matches!(word, Word::Plain(word) if parts(word).len() > 1);
        let split = |word: &str, run: &mut Run| run.extend(parts(word).into_iter().map(|part| cut(&fold(part))));
        self.words.iter().any(plain).then(|| self.tokens(indexed, split))
    }

    fn variants(&self) -> Vec<Run> {
        let exact = self.exact(true);
        let mut runs = vec![exact.iter().map(|token| without_marks(token)).collect::<Run>()];
        if let Some(parts) = self.parts(true) {
            runs.push(parts.iter().map(|token| without_marks(token)).collect());
            runs.push(parts);
        }
        // Single characters are searched for as tokens of their own: too many pairs can begin with one.
        runs.extend(self.words.iter().filter_map(|word| match word {
            Word::Dense(run) if run.len() > 1 => Some(run[..run.len() - 1].iter().map(|c| String::from(*c)).collect()),
            _ => None,
        }));
        let mut distinct: Vec<Run> = Vec::new();
        for run in runs {
            if run != exact && !distinct.contains(&run) {
                distinct.push(run);
            }
        }
        distinct
    }

    /// Whether it ends in a single character of a script without spaces.
    pub(super) fn ends_in_single(&self) -> bool {
        matches!(self.words.last(), Some(Word::Dense(run)) if run.len() == 1)
    }

    /// Whether its last word can be continued: `natter*`, not `👍*` or `東京*`, which are parts already.
    pub(super) fn ends_in_plain(&self) -> bool {
        matches!(self.words.last(), Some(Word::Plain(_)))
    }

    fn tokens(&self, indexed: bool, plain: impl Fn(&str, &mut Run)) -> Run {
        let mut run = Vec::new();
        for (at, word) in self.words.iter().enumerate() {
            match word {
                Word::Plain(word) => plain(word, &mut run),
                Word::Emoji(emoji) => run.push(cut(emoji)),
                Word::Dense(chars) => {
                    run.extend(chars.windows(2).map(String::from_iter));
                    let last = indexed || at + 1 < self.words.len() || chars.len() == 1;
                    run.extend(chars.last().filter(|_| last).map(|c| String::from(*c)));
                }
            }
        }
        run.retain(|token| !token.is_empty());
        run
    }
}

fn cut(token: &str) -> String {
    token.chars().take(MAX_TOKEN_CHARS).collect()
}

/// Whether a character only controls how its neighbours are shown, and is not part of a word.
fn is_ignored(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
        || matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{034F}')
}

fn is_emoji(grapheme: &str) -> bool {
    grapheme.chars().any(|c| {
        !c.is_ascii()
            && (CodePointSetData::new::<ExtendedPictographic>().contains(c)
                || CodePointSetData::new::<RegionalIndicator>().contains(c)
                || CodePointSetData::new::<EmojiModifier>().contains(c))
    })
}

/// Whether words of the character's script are not separated by spaces. Korean counts too: it has spaces, but attaches particles
/// to its words.
fn is_dense(c: char) -> bool {
    // U+0E00, Thai, is the first of them.
    let script = |c| CodePointMapData::<Script>::new().get(c);
    c >= '\u{E00}'
        && (matches!(
            script(c),
            Script::Han
                | Script::Hiragana
                | Script::Katakana
                | Script::Hangul
                | Script::Bopomofo
                | Script::Yi
                | Script::Thai
                | Script::Lao
                | Script::Khmer
                | Script::Myanmar
                | Script::TaiLe
                | Script::NewTaiLue
                | Script::TaiTham
                | Script::TaiViet
                | Script::Javanese
                | Script::Balinese
        ) || matches!(c, '\u{30FC}' | '\u{3005}'..='\u{3007}'))
}

/// A word's parts: `HttpServer2` is `Http`, `Server`, `2`, and `HTTPServer` is `HTTP`, `Server`. A word whose parts would be
/// too small or too many, such as a hash, is one part.
fn parts(word: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    let is_mark = unicode_normalization::char::is_combining_mark;
    let mut starts = vec![0];
    for i in 1..chars.len() {
        let (before, (at, c)) = (chars[i - 1].1, chars[i]);
        let next_is_lower = chars.get(i + 1).is_some_and(|(_, next)| next.is_lowercase());
        let rises = c.is_uppercase() && (!before.is_uppercase() || next_is_lower) && before.is_alphabetic();
        let changes = c.is_numeric() != before.is_numeric() && !is_mark(c) && !is_mark(before);
        if rises || changes {
            starts.push(at);
        }
    }
    if starts.len() > MAX_PARTS || starts.len() * 2 > chars.len() {
        return vec![word];
    }
    let ends = starts.iter().skip(1).copied().chain([word.len()]);
    starts.iter().zip(ends).map(|(start, end)| &word[*start..end]).collect()
}

/// The token without accents, vowel points and skin tones.
fn without_marks(token: &str) -> String {
    if token.is_ascii() {
        return token.to_owned();
    }
    let bare = token.nfd().filter(|c| !is_accent(*c)).map(|c| match c {
        'ø' => 'o',
        'ł' => 'l',
        'đ' => 'd',
        'ħ' => 'h',
        'ŧ' => 't',
        'ı' => 'i',
        other => other,
    });
    bare.nfc().collect()
}

/// Whether a mark is often left out in writing: those of Latin, Greek and Cyrillic letters, the points of Hebrew and
/// Arabic, and the skin tones of emoji. Those of other scripts are vowels, without which it is another word.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}' | '\u{05C2}' | '\u{05C4}' | '\u{05C5}' | '\u{05C7}'
        | '\u{0610}'..='\u{061A}' | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{1F3FB}'..='\u{1F3FF}')
}
