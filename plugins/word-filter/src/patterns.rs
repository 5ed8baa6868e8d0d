//! Regular expressions.

use std::ops::Range;

use regex::{Error, Regex, RegexBuilder};

/// Bytes that one pattern may take. The instance's memory is shared by all of them, and running out of it in
/// the middle of a message is worse than an error at the start.
const COMPILED: usize = 1 << 20;
/// Bytes that matching one pattern may remember between messages, for speed.
const WORKING: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Patterns(Vec<Regex>);

impl Patterns {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, String> {
        patterns.iter().enumerate().map(|(at, pattern)| build(at, pattern)).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn find(&self, body: &str, hits: &mut Vec<Range<usize>>) {
        for pattern in &self.0 {
            hits.extend(pattern.find_iter(body).map(|hit| hit.range()).filter(|hit| !hit.is_empty()));
        }
    }
}

fn build(at: usize, pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(COMPILED)
        .dfa_size_limit(WORKING)
        .build()
        .map_err(|error| format!("`patterns[{at}]`, `{pattern}`, cannot be used: {}", brief(&error)))?;
    if regex.is_match("") {
        return Err(format!(
            "`patterns[{at}]`, `{pattern}`, matches no characters at all, so it would match everything"
        ));
    }
    Ok(regex)
}

/// A syntax error is drawn over several lines, of which the last one says what is wrong.
fn brief(error: &Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
