//! The retired words of `docs/glossary.md` stay out of the sources.

use std::path::{Path, PathBuf};

/// The words that the glossary lists as retired.
fn retired_words(glossary: &str) -> Vec<&str> {
    let (_, section) = glossary.split_once("## Retired words").expect("the glossary has a section `Retired words`");
    section.split('`').skip(1).step_by(2).collect()
}

/// The numbers of the lines in which `word` stands by itself: in any case, or as it is written if it is a name with capitals.
fn lines_with(word: &str, text: &str) -> Vec<usize> {
    let any_case = !word.contains(char::is_uppercase);
    let is_word = |line: &str| {
        let line = if any_case { line.to_lowercase() } else { line.to_owned() };
        line.match_indices(word).any(|(at, _)| {
            let part = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !part(line[..at].chars().next_back()) && !part(line[at + word.len()..].chars().next())
        })
    };
    // Names that nodes exchange stay as they are, since neighbouring versions run side by side.
    let is_wire_name = |line: &str| line.contains("serde(rename");
    let used = text.lines().enumerate().filter(|(_, line)| is_word(line) && !is_wire_name(line));
    used.map(|(number, _)| number + 1).collect()
}

fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" {
            texts(&path, found);
        } else if path.extension().is_some_and(|extension| ["rs", "md", "wit"].iter().any(|one| extension == *one))
            && name != "glossary.md"
        {
            found.push(path);
        }
    }
}

#[test]
fn retired_words_stay_out_of_host_sdk_and_docs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let glossary = std::fs::read_to_string(root.join("docs/glossary.md")).expect("the glossary");
    let words = retired_words(&glossary);
    assert!(words.len() > 5, "the glossary lists its retired words in backticks: {words:?}");
    let mut paths = Vec::new();
    for folder in ["host/src", "plugin-sdk", "docs"] {
        texts(&root.join(folder), &mut paths);
    }
    let mut found = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a text");
        for word in &words {
            found.extend(lines_with(word, &text).iter().map(|line| format!("{}:{line}: {word}", path.display())));
        }
    }
    assert!(found.is_empty(), "retired words are used, docs/glossary.md has their successors:\n{}", found.join("\n"));
}

#[test]
fn a_retired_word_is_found_as_a_whole_word() {
    assert_eq!(lines_with("whoever", "Whoever comes\nand `whoever`\nwhoevers"), [1, 2]);
    assert_eq!(lines_with("Lanes", "FastLanes\nlanes\nLanes_of\nthe Lanes"), [4]);
}
