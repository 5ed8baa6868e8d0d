//! Conditional requests and range requests (RFC 9110, 13 and 14).

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// Whether the client has this version already.
pub(in crate::transport) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    // Our tags contain no comma.
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|known| known == "*" || opaque(known) == opaque(tag))
}

/// A tag without its weakness prefix, which makes no difference here.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The part of a file that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// The range lies beyond the end of the file.
    Beyond,
}

/// Reads `Range` and `If-Range`. Only a single range of bytes is supported; anything else asks for the whole file.
pub(super) fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let mut ranges = headers.get_all(header::RANGE).into_iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    let same = headers.get(header::IF_RANGE).is_none_or(|known| known == tag);
    match range.to_str().ok().filter(|_| same).and_then(|range| part(range, size)) {
        None => Wanted::Whole,
        Some(part) if part.is_empty() => Wanted::Beyond,
        Some(part) => Wanted::Part(part),
    }
}

/// The range of `bytes=…`: empty if it is beyond the file, `None` if it is malformed or not supported.
fn part(range: &str, size: u64) -> Option<Range<u64>> {
    let (unit, range) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |digits: &str| {
        let digits = digits.trim();
        let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // Numbers that overflow mean the end of the file.
        all.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    match range.split_once('-')? {
        (first, "") => Some(number(first)?.min(size)..size),
        (first, last) if first.trim().is_empty() => Some(size - number(last)?.min(size)..size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| first.min(size)..last.saturating_add(1).min(size))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn tag_matches_weak_strong_listed_and_star() {
        let known = |value| is_known(&headers(&[(header::IF_NONE_MATCH, value)]), "W/\"abc\"");
        for value in ["W/\"abc\"", "\"abc\"", "\"x\", \"abc\"", "*", " * "] {
            assert!(known(value), "{value}");
        }
        for value in ["\"x\"", "abc", "", "\"*\""] {
            assert!(!known(value), "{value}");
        }
    }

    #[test]
    fn single_byte_range_gives_part_and_anything_else_the_whole() {
        let of = |range| wanted(&headers(&[(header::RANGE, range)]), "\"abc\"", 1000);
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("bytes=990-", 990..1000),
            ("bytes=-5", 995..1000),
            ("bytes=-5000", 0..1000),
            ("Bytes=0-99999999999999999999999", 0..1000),
        ] {
            assert_eq!(of(range), Wanted::Part(part), "{range}");
        }
        for beyond in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of(beyond), Wanted::Beyond, "{beyond}");
        }
        for not_understood in
            ["bytes=0-1,3-4", "bytes=2-1", "bytes=", "bytes=-", "lines=0-1", "bytes=+1-2", "bytes=a-b"]
        {
            assert_eq!(of(not_understood), Wanted::Whole, "{not_understood}");
        }
    }

    #[test]
    fn if_range_of_another_version_gives_the_whole() {
        let of = |known| wanted(&headers(&[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, known)]), "\"abc\"", 10);
        assert_eq!(of("\"abc\""), Wanted::Part(0..1));
        for other in ["\"x\"", "W/\"abc\"", "Sat, 28 Nov 2026 00:00:00 GMT"] {
            assert_eq!(of(other), Wanted::Whole, "{other}");
        }
    }
}
