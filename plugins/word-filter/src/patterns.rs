//! Regular expressions.

use std::ops::Range;

use regex::{Error, Regex, RegexBuilder};

#[derive(Debug)]
pub(crate) struct Patterns(Vec<Regex>);

impl Patterns {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, String> {
        patterns
            .iter()
            .enumerate()
            .map(|(at, pattern)| build(at, pattern))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn find(&self, body: &str, hits: &mut Vec<Range<usize>>) {
        for pattern in &self.0 {
            hits.extend(
                pattern
                    .find_iter(body)
                    .map(|hit| hit.range())
                    .filter(|hit| !hit.is_empty()),
            );
        }
    }
}

fn build(at: usize, pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(true)
        .build()
        .map_err(|error| {
            format!(
                "`patterns[{at}]`, `{pattern}`, is no regular expression: {}",
                brief(&error)
            )
        })?;
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
