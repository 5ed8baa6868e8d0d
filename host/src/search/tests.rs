//! Which queries find which messages, by tokens alone. `tests/suite/search.rs` tests the same on both databases.

use super::query::{Phrase, Query};
use super::tokens::index_runs;
use crate::error::Error;

/// Whether a correct engine finds the body by the query.
fn finds(query: &str, body: &str) -> bool {
    let runs = index_runs(body);
    let holds = |phrase: &Phrase| {
        runs.iter().any(|run| {
            run.windows(phrase.tokens.len()).any(|window| {
                let (last, first) = window.split_last().expect("phrases have tokens");
                let (wanted, before) = phrase.tokens.split_last().expect("phrases have tokens");
                first == before && if phrase.prefix { last.starts_with(wanted.as_str()) } else { last == wanted }
            })
        })
    };
    let query = Query::parse(query).expect("a query");
    query.terms.iter().all(|term| term.iter().any(holds))
}

#[test]
fn message_is_found_by_its_words_in_any_case_and_form() {
    for (body, found, not) in [
        (
            "The Heron eats frogs",
            &["heron", "FROGS the", "her*", "\"heron eats\""][..],
            &["her", "\"heron frogs\"", "heron cat"][..],
        ),
        ("Straße", &["strasse", "STRASSE", "straße", "stra*"], &["stras"]),
        ("Γιώργος", &["ΓΙΏΡΓΟΣ", "γιωργος"], &["γι"]),
        ("Cafe\u{301} olé", &["café", "cafe", "ole", "CAFÉ"], &["caf"]),
        ("cafe", &["cafe"], &["café"]),
        ("Łódź i ёлка", &["lodz", "елка", "łódź"], &["lod"]),
        ("Ｆｕｌｌ ﬁne", &["full", "fine"], &["fi"]),
        ("don’t", &["don't", "don’t", "don"], &["dont"]),
        ("می\u{200C}خواهم", &["میخواهم", "می\u{200C}خواهم"], &["می"]),
        ("שָׁלוֹם", &["שלום"], &["של"]),
    ] {
        check(body, found, not);
    }
}

#[test]
fn message_without_spaces_is_found_by_any_part_of_it() {
    for (body, found, not) in [
        (
            "我们今天去东京都旅行。",
            &["东京", "东京都", "旅行", "今", "行", "\"东京都旅\""][..],
            &["东都", "京东", "北京"][..],
        ),
        ("今日は東京タワーに行きました", &["東京", "タワー", "東京タワー", "行きました", "に"], &["京東", "ワタ"]),
        ("วันนี้แมวกินปลา", &["แมว", "ปลา", "กิน"], &["หมา", "แมวปลา"]),
        ("학교에서 만나요", &["학교", "학교에서", "\u{1112}\u{1161}\u{11A8}\u{1100}\u{116D}"], &["교학"]),
        ("ខ្ញុំស្រលាញ់ភាសាខ្មែរ", &["ភាសា", "ខ្មែរ"], &["សាភា"]),
        ("MacBookを買った", &["macbook", "買った", "macbookを", "book"], &["mac賣"]),
    ] {
        check(body, found, not);
    }
}

#[test]
fn urls_file_names_and_identifiers_are_found_whole_and_in_parts() {
    for (body, found, not) in [
        (
            "see https://www.example.org/docs/my_file-name.tar.gz?x=1",
            &[
                "example",
                "example.org",
                "www.example.org/docs",
                "my_file-name.tar.gz",
                "file name",
                "tar.gz",
                "my_fi*",
                "https",
            ][..],
            &["example.com", "name.file", "fil"][..],
        ),
        (
            "class HttpServer2 extends HTTPBase",
            &["httpserver2", "HttpServer2", "HttpServer", "server", "http", "base", "httpbase", "httpser*"],
            &["serve"],
        ),
        (
            "getUserById and snake_case_name",
            &["user", "getuserbyid", "get*", "case", "snake_case", "UserBy"],
            &["user_id"],
        ),
        ("utf8 and version 3.14.1", &["utf", "utf8", "utf-8", "3.14", "3.14.1"], &["4.1.3"]),
        ("dQw4w9WgXcQ da39a3ee5e6b4b0d", &["dqw4w9wgxcq", "da39a3ee5e6b4b0d", "da39*"], &["wg"]),
        ("ann@example.org #release C++", &["ann@example.org", "#release", "release", "c++", "c"], &["bob@example.org"]),
    ] {
        check(body, found, not);
    }
}

#[test]
fn emoji_are_words() {
    for (body, found, not) in [
        ("done 👍👍 ❤️", &["👍", "❤", "❤️", "done 👍", "\"done 👍\""][..], &["👎"][..]),
        ("👍🏽 ok", &["👍", "👍🏽"], &["👍🏻"]),
        ("👩‍💻 at work 🇩🇪", &["👩‍💻", "🇩🇪"], &["👩", "🇩🇰"]),
        ("fine👍", &["fine", "👍"], &[]),
    ] {
        check(body, found, not);
    }
}

fn check(body: &str, found: &[&str], not: &[&str]) {
    for query in found {
        assert!(finds(query, body), "{query:?} finds {body:?}; runs: {:?}", index_runs(body));
    }
    for query in not {
        assert!(!finds(query, body), "{query:?} does not find {body:?}");
    }
}

#[test]
fn operators_are_parsed_and_everything_else_is_words() {
    let query =
        Query::parse("frogs FROM:@ann in:\"the pond\" in:#lobby before:2026-01-05 after:2025-12-01T10:00:00Z").unwrap();
    assert_eq!(query.terms.len(), 1);
    assert_eq!(query.from, ["ann"]);
    assert_eq!(query.rooms, ["the pond", "lobby"]);
    assert_eq!(query.before.unwrap().to_string(), "2026-01-05T00:00:00.000Z");
    assert_eq!(query.after.unwrap().to_string(), "2025-12-01T10:00:00.000Z");
    assert!(Query::parse("from:ann").unwrap().terms.is_empty());
    for (words, terms) in [
        ("at 10:30 http://x.y", 3),
        ("from: in:", 2),
        ("\"an open quote", 1),
        ("a OR b AND c NOT d", 7),
        ("NEAR(x) -y", 2),
        ("\"\" x", 1),
        ("one\"two three\"four", 3),
        ("* x*y", 1),
    ] {
        let query = Query::parse(words).unwrap();
        assert_eq!((query.terms.len(), query.from.len()), (terms, 0), "{words}: {query:?}");
    }
}

#[test]
fn query_without_a_word_or_with_a_bad_value_says_what_is_wrong() {
    for (bad, says) in [
        ("", "word"),
        (" \"*( ", "word"),
        ("in:lobby", "word"),
        ("x before:yesterday", "before"),
        ("x after:2026-13-40", "after"),
        ("a*", "2 letters"),
        (&"x".repeat(201), "200"),
    ] {
        match Query::parse(bad) {
            Err(Error::Invalid { field, why }) if field == "query" => assert!(why.contains(says), "{bad}: {why}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
}

#[test]
fn long_message_has_a_bounded_number_of_tokens() {
    let count = |body: &str| index_runs(body).iter().map(Vec::len).sum::<usize>();
    assert!(count(&"\u{FDFA} ".repeat(30_000)) <= 16_000);
    assert!(count(&"aB1é".repeat(25_000)) <= 16_000);
    assert_eq!(index_runs(&"x".repeat(100_000))[0][0].len(), 64);
}
