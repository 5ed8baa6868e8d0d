//! Checks in the sources that every statement over a table that grows with the log is part of an operation whose cost is
//! measured, or has a reason here why it is not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::costs::OPERATIONS;

const TABLES: [&str; 7] =
    ["entries", "reactions", "attachments", "search_index", "search_terms", "search_pending", "search_progress"];

/// File and item of each statement, and the operations that measure it (or `not: ` and a reason).
const STATEMENTS: &[(&str, &str, &[&str])] = &[
    ("apply.rs", "log", &["edit_message", "react", "add_member"]),
    ("apply/messages.rs", "delete_message", &["delete_message"]),
    ("apply/messages.rs", "edit_message", &["edit_message"]),
    ("apply/messages.rs", "prune", &["prune"]),
    ("apply/messages.rs", "react", &["react"]),
    ("entries.rs", "add_reactions", &["messages at the end"]),
    ("entries.rs", "entries", &["entries at the beginning", "entries at the end"]),
    ("entries.rs", "has_message", &["has_message"]),
    ("entries.rs", "message", &["message"]),
    ("entries.rs", "page", &["messages at the beginning", "messages at the end", "messages without those deleted"]),
    ("entries.rs", "lower_in_the_middle", &["seq_from_number"]),
    ("entries.rs", "seq_from_number", &["seq_from_number"]),
    ("erasures.rs", "erase_batch", &["not: goes through the log once, a bounded range of ids at a time"]),
    ("erasures.rs", "erase_files", &["not: a bounded number of an account's files at a time"]),
    ("media.rs", "drop_unused_media", &["drop_unused_media"]),
    ("media.rs", "media", &["not: by the messages that carry one file"]),
    ("media.rs", "drop_upload", &["not: a file that no message carries"]),
    ("posts.rs", "ATTACH_POSTGRES", &["not: by the keys of the files of one message"]),
    ("posts.rs", "ATTACH_SQLITE", &["not: by the keys of the files of one message"]),
    ("posts.rs", "EXISTING_POSTGRES", &["post again"]),
    ("posts.rs", "EXISTING_SQLITE", &["post again"]),
    ("posts.rs", "INSERT_POSTGRES", &["post"]),
    ("posts.rs", "INSERT_SQLITE", &["post"]),
    ("retention.rs", "overdue", &["overdue"]),
    ("retention.rs", "seq_beyond", &["seq_beyond"]),
    ("room_deletions.rs", "delete_room", &["not: a room with no more than 500 entries"]),
    (
        "room_deletions.rs",
        "delete_some_of_rooms",
        &["not: a bounded number of entries or words, by the index of the room"],
    ),
    ("rooms.rs", "room_activity", &["room_activity"]),
    ("search.rs", "FIRST_SINCE", &["search after", "search before"]),
    ("search.rs", "HITS_POSTGRES", &["search common here"]),
    ("search.rs", "HITS_SQLITE", &["search common here"]),
    ("search.rs", "older_in_the_middle", &["search after", "search before"]),
    ("search.rs", "ROOMS", &["search common here"]),
    (
        "search/engines.rs",
        "POSTGRES",
        &["search common here", "search common long ago", "search for nothing that is there"],
    ),
    (
        "search/engines.rs",
        "SQLITE",
        &["search common here", "search for what is rare", "search for nothing that is there"],
    ),
    ("search/removed.rs", "DROP_POSTGRES", &["not: by the keys of a bounded number of words"]),
    ("search/removed.rs", "DROP_SQLITE", &["not: by the keys of a bounded number of words"]),
    ("search/removed.rs", "unused", &["not: the last entry of a room"]),
    ("search/terms.rs", "PREFIX_POSTGRES", &["search prefix"]),
    ("search/terms.rs", "PREFIX_SQLITE", &["search prefix"]),
    ("search/terms.rs", "KNOWN_POSTGRES", &["search common elsewhere"]),
    ("search/terms.rs", "KNOWN_SQLITE", &["search common elsewhere"]),
    ("search_index.rs", "FILL_POSTGRES", &["index_older"]),
    ("search_index.rs", "INDEX_POSTGRES", &["post", "index_pending"]),
    ("search_index.rs", "INDEX_SQLITE", &["post", "index_pending"]),
    ("search_index.rs", "PENDING_POSTGRES", &["index_pending"]),
    ("search_index.rs", "PENDING_SQLITE", &["index_pending"]),
    ("search_index.rs", "PROGRESS_POSTGRES", &["index_older"]),
    ("search_index.rs", "PROGRESS_SQLITE", &["index_older"]),
    ("search_index.rs", "TERMS_POSTGRES", &["post"]),
    ("search_index.rs", "TERMS_SQLITE", &["post"]),
    ("search_index.rs", "UNINDEXED", &["index_older"]),
    ("search_index.rs", "index_pending", &["index_pending"]),
    ("search_index.rs", "reindex", &["not: by the ids of a bounded number of messages"]),
    ("search_index.rs", "restart_index", &["not: once for each version of the tokeniser"]),
    ("search_index.rs", "set_progress", &["index_older"]),
    ("sessions.rs", "sessions", &["sessions"]),
    ("unread.rs", "latest", &["unread_in"]),
    ("unread.rs", "unread", &["unread"]),
    ("unread.rs", "unread_in", &["unread_in"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") && !path.ends_with("log_tests") {
                sources(&path, found);
            }
        } else if !path.ends_with("tests.rs") && !path.ends_with("log_tests.rs") {
            found.push(path);
        }
    }
}

/// The name of the function, constant or macro that begins in this line.
fn item(line: &str) -> Option<&str> {
    let (_, after) = ["fn ", "const ", "macro_rules! "].iter().find_map(|word| {
        let (before, after) = line.split_once(word)?;
        (before.is_empty() || before.ends_with([' ', ')'])).then_some((before, after))
    })?;
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
    (end > 0 && !line.trim_start().starts_with("//")).then_some(&after[..end])
}

fn names_log(code: &str) -> bool {
    let words: Vec<&str> =
        code.split(|c: char| c.is_whitespace() || "\\\"(),;".contains(c)).filter(|w| !w.is_empty()).collect();
    let reads = ["FROM", "INTO", "UPDATE", "JOIN", "TRUNCATE"];
    // Deleting from these tables cascades to rows of the log.
    let cascades = |three: &[&str]| three[..2] == ["DELETE", "FROM"] && ["rooms", "users", "media"].contains(&three[2]);
    words.windows(2).any(|pair| reads.contains(&pair[0]) && TABLES.contains(&pair[1])) || words.windows(3).any(cascades)
}

#[test]
fn every_statement_over_the_log_is_measured() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/database");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let mut found = BTreeSet::new();
    for path in paths {
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut items: Vec<(&str, String)> = Vec::new();
        for line in text.lines() {
            if let Some(name) = item(line) {
                items.push((name, String::new()));
            }
            if let Some((_, code)) = items.last_mut().filter(|_| !line.trim_start().starts_with("//")) {
                code.push_str(line);
                code.push('\n');
            }
        }
        found.extend(
            items.into_iter().filter(|(_, code)| names_log(code)).map(|(name, _)| (file.clone(), name.to_owned())),
        );
    }
    let listed: BTreeSet<(String, String)> =
        STATEMENTS.iter().map(|(file, item, _)| ((*file).to_owned(), (*item).to_owned())).collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "measure these in `costs.rs` and list them here, or say why not: {missing:?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "these are gone: {gone:?}");
    for (file, item, operations) in STATEMENTS {
        let known = |operation: &&str| OPERATIONS.contains(operation) || operation.starts_with("not: ");
        assert!(!operations.is_empty() && operations.iter().all(known), "{file} {item}: {operations:?}");
    }
}
