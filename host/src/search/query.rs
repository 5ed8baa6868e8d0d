//! Parses search queries: words, `"phrases"`, prefixes (`natter*`), `from:`, `in:`, `before:` and `after:`.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::tokens::{Chunk, Run, chunks};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The most characters of a query.
pub const MAX_CHARS: usize = 200;
/// The shortest prefix: a shorter one would match most messages.
const MIN_PREFIX_CHARS: usize = 2;

/// A parsed query. A message has to match all of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub terms: Vec<Term>,
    /// Names of authors; one of them has to be the message's.
    pub from: Vec<String>,
    /// Names, codes or ids of rooms.
    pub rooms: Vec<String>,
    /// Posted before this moment.
    pub before: Option<Timestamp>,
    /// Posted at this moment or later.
    pub after: Option<Timestamp>,
}

/// Alternative phrases, one of which has to be in the message.
pub type Term = Vec<Phrase>;

/// Tokens that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    pub tokens: Run,
    /// Whether the last token is a prefix.
    pub prefix: bool,
}

impl Query {
    /// Parses a query as typed. Anything that is not a known operator is taken as words.
    pub fn parse(text: &str) -> Result<Self> {
        if text.chars().count() > MAX_CHARS {
            return Err(invalid(format!("must have {MAX_CHARS} characters at the most")));
        }
        let mut query = Self::default();
        for piece in pieces(text) {
            query.add(piece)?;
        }
        if query.terms.is_empty() && query.from.is_empty() {
            return Err(invalid(
                "contains no word to search for; a word, a number or an emoji is needed, or `from:`".into(),
            ));
        }
        Ok(query)
    }

    fn add(&mut self, piece: Piece<'_>) -> Result<()> {
        match piece {
            Piece::Words(words) => {
                for chunk in words.split_whitespace() {
                    self.add_chunk(chunk)?;
                }
            }
            Piece::Phrase(words) => {
                let words = chunks(words);
                let last = words.len().saturating_sub(1);
                let tokens: Run = words.iter().enumerate().flat_map(|(at, chunk)| chunk.exact(at < last)).collect();
                if !tokens.is_empty() {
                    let single = words.last().is_some_and(Chunk::ends_in_single);
                    self.add_phrases(vec![Phrase { tokens, prefix: false }], single);
                }
            }
            Piece::Operator(Operator::From, value) => self.from.push(value.trim_start_matches('@').to_owned()),
            Piece::Operator(Operator::In, value) => self.rooms.push(value.trim_start_matches('#').to_owned()),
            Piece::Operator(Operator::Before, value) => {
                let moment = moment("before", value)?;
                self.before = Some(self.before.map_or(moment, |other| other.min(moment)));
            }
            Piece::Operator(Operator::After, value) => {
                let moment = moment("after", value)?;
                self.after = Some(self.after.map_or(moment, |other| other.max(moment)));
            }
        }
        Ok(())
    }

    fn add_chunk(&mut self, text: &str) -> Result<()> {
        let starred = text.len() > 1 && text.ends_with('*');
        for chunk in chunks(text) {
            let exact = chunk.exact(false);
            let prefix = starred && chunk.ends_in_plain();
            if prefix && exact.last().is_some_and(|token| token.chars().count() < MIN_PREFIX_CHARS) {
                return Err(invalid(format!("`{text}` needs {MIN_PREFIX_CHARS} letters before the `*`")));
            }
            let parts = chunk.parts(false).filter(|parts| *parts != exact);
            let phrases = [Some(exact), parts].into_iter().flatten().map(|tokens| Phrase { tokens, prefix }).collect();
            self.add_phrases(phrases, chunk.ends_in_single());
        }
        Ok(())
    }

    /// Adds a term. A single character of a script without spaces at its end becomes a term of its own: in the message it may
    /// begin a pair, which is a different token.
    fn add_phrases(&mut self, mut phrases: Term, single: bool) {
        if single && phrases.iter().all(|phrase| phrase.tokens.len() > 1) {
            let last = phrases.iter_mut().filter_map(|phrase| phrase.tokens.pop()).next_back();
            self.terms.extend(last.map(|last| vec![Phrase { tokens: vec![last], prefix: false }]));
        }
        self.terms.push(phrases);
    }
}

enum Piece<'a> {
    Words(&'a str),
    Phrase(&'a str),
    Operator(Operator, &'a str),
}

#[derive(Clone, Copy)]
enum Operator {
    From,
    In,
    Before,
    After,
}

const OPERATORS: [(&str, Operator); 4] =
    [("from:", Operator::From), ("in:", Operator::In), ("before:", Operator::Before), ("after:", Operator::After)];

/// Splits a query at white space outside quotes. An unclosed quotation extends to the end.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let operator = OPERATORS.iter().find_map(|(name, operator)| {
            let (start, value) = rest.split_at_checked(name.len())?;
            let given = value.starts_with(|c: char| !c.is_whitespace());
            (start.eq_ignore_ascii_case(name) && given).then_some((*operator, value))
        });
        let (value, quoted, after) = match operator.map_or(rest, |(_, value)| value) {
            value if value.starts_with(is_quote) => {
                let inside = value.strip_prefix(is_quote).unwrap_or(value);
                let end = inside.find(is_quote).unwrap_or(inside.len());
                (&inside[..end], true, inside[end..].strip_prefix(is_quote).unwrap_or_default())
            }
            value => {
                let end = value.find(|c: char| c.is_whitespace()).unwrap_or(value.len());
                // `word"a phrase"`
                let end = value.find('"').filter(|_| operator.is_none()).map_or(end, |quote| quote.min(end));
                (&value[..end], false, &value[end..])
            }
        };
        pieces.push(match (operator, quoted) {
            (Some((operator, _)), _) => Piece::Operator(operator, value),
            (None, true) => Piece::Phrase(value),
            (None, false) => Piece::Words(value),
        });
        rest = after.trim_start();
    }
    pieces
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '«' | '»')
}

/// Parses a day (as its start in UTC) or a time.
fn moment(operator: &str, value: &str) -> Result<Timestamp> {
    let day = value.parse::<Date>().and_then(|day| day.to_zoned(TimeZone::UTC)).map(|begin| begin.timestamp());
    let moment = value.parse::<jiff::Timestamp>().or(day);
    moment.map(|moment| Timestamp(moment.as_millisecond())).map_err(|_| {
        invalid(format!("`{operator}:` should be a day such as 2026-11-28, or a time such as 2026-11-28T09:00:00Z"))
    })
}

fn invalid(why: String) -> Error {
    Error::invalid("query", why)
}
