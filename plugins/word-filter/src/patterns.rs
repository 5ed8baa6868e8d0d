//! Matches regular expressions.

use std::ops::Range;

use regex::{Error, Regex, RegexBuilder};

/// Bytes of one compiled pattern. All patterns share the instance's memory, and an error at the start is better than
/// running out of memory on a message.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Bytes of one pattern's cache, which is kept between messages.
const MAX_CACHE_BYTES: usize = 256 << 10;

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
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_CACHE_BYTES)
        .build()
        .map_err(|error| format!("`patterns[{at}]`, `{pattern}`, cannot be used: {}", brief(&error)))?;
    if regex.is_match("") {
        return Err(format!(
            "`patterns[{at}]`, `{pattern}`, matches no characters at all, so it would match everything"
        ));
    }
    Ok(regex)
}

/// The last line of a syntax error, which has the reason; the lines before are a drawing.
fn brief(error: &Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
