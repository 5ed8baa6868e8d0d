//! Checks which modules may depend on which crates and modules, by the `use` lines and paths in the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source of the host: the top module it belongs to, its path, its text without comments.
fn modules_of_host() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let module = |path: &Path| {
        let first = path.strip_prefix(&root).expect("below the root").components().next().expect("a component");
        first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
    };
    let code = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("a source");
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    paths.into_iter().map(|path| (module(&path), path.clone(), code(&path))).collect()
}

#[test]
fn external_crates_are_used_only_in_their_modules() {
    for (needle, at_home) in [
        // Ids and times can be stored, so their types know how.
        ("sqlx::", &["database", "protocol", "clock", "error"][..]),
        ("wasmtime", &["plugins"]),
        ("tokio_tungstenite", &["transport", "cli"]),
        ("socketioxide", &["transport"]),
        ("rust_embed", &["transport", "cli"]),
        ("async_nats", &["cluster"]),
        ("jsonwebtoken::", &["accounts"]),
        ("argon2::", &["accounts"]),
        ("bcrypt::", &["accounts"]),
        ("ed25519_dalek::", &["accounts"]),
        ("notify::", &["follow"]),
        ("metrics_exporter_prometheus", &["metrics"]),
        ("reqwest::", &["cli"]),
        ("toml_edit", &["config", "cli"]),
        ("wit_component", &["plugins"]),
        ("rustls", &["plugins", "transport"]),
    ] {
        for (module, path, code) in modules_of_host() {
            if !at_home.contains(&module.as_str()) {
                assert!(!code.contains(needle), "{} speaks of {needle}", path.display());
            }
        }
    }
}

#[test]
fn modules_depend_only_on_lower_layers() {
    // Layers from the socket to the database: a module may depend on lower ones only.
    let way = ["transport", "session", "router", "plugins", "rooms", "messages", "accounts", "database"];
    let allowed = [
        // The writer invalidates the rooms' caches.
        ("messages", "rooms"),
    ];
    for (module, path, code) in modules_of_host() {
        let Some(place) = way.iter().position(|step| *step == module) else { continue };
        for above in &way[..place] {
            let knows = code.contains(&format!("crate::{above}::")) || code.contains(&format!("crate::{above};"));
            assert!(!knows || allowed.contains(&(&*module, above)), "{} knows {above}", path.display());
        }
    }
}

#[test]
fn services_and_hub_do_not_depend_on_sockets_or_sessions() {
    for (module, path, code) in modules_of_host() {
        if ["accounts", "rooms", "messages", "hub", "database", "protocol", "dialect"].contains(&module.as_str()) {
            for above in ["transport", "session", "router", "server", "plugins", "cluster"] {
                assert!(!code.contains(&format!("crate::{above}")), "{} knows {above}", path.display());
            }
        }
    }
}

/// What the modules below `parent` (such as `["hub"]`) import of each other, by their names; tests do not count.
fn imports_below(parent: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    let mut modules = Vec::new();
    for (_, path, code) in modules_of_host() {
        let below = path.strip_prefix(&root).expect("below the root").with_extension("");
        let names: Vec<String> = below.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let is_test = names.iter().any(|name| name.contains("test"));
        if names.len() > parent.len() && names.iter().zip(parent).all(|(name, parent)| name == parent) && !is_test {
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            modules.push((names[parent.len()].clone(), names.len() - parent.len(), code));
        }
    }
    let known: BTreeSet<String> = modules.iter().map(|(name, ..)| name.clone()).collect();
    let absolute = format!("crate::{}", parent.iter().map(|name| format!("{name}::")).collect::<String>());
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, depth, code) in modules {
        let relative = "super::".repeat(depth);
        let used = [&absolute, &relative].into_iter().flat_map(|path| names_after(path, &code));
        let used = used.filter(|used| *used != name && known.contains(used));
        imports.entry(name.clone()).or_default().extend(used.collect::<Vec<_>>());
    }
    imports
}

/// The names that follow a path in code, also those in braces after it.
fn names_after(path: &str, code: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| text.trim_start().chars().take_while(|c| is_part(*c)).collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices(path) {
        // `super::super::` holds `super::`.
        if code[..at].ends_with("super::") || code[..at].ends_with(is_part) {
            continue;
        }
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{').and_then(|group| group.split_once("};")) {
            Some((group, _)) => names.extend(group.split(',').map(word)),
            None => names.push(word(rest)),
        }
    }
    names
}

/// A way from a module back to itself, if there is one.
fn cycle(imports: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn search(
        at: &str,
        imports: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|name| name == at) {
            return Some([&way[start..], &[at.to_owned()]].concat());
        }
        if !done.insert(at.to_owned()) {
            return None;
        }
        way.push(at.to_owned());
        let found = imports.get(at).into_iter().flatten().find_map(|next| search(next, imports, way, done));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|name| search(name, imports, &mut Vec::new(), &mut done))
}

#[test]
fn modules_do_not_import_each_other_in_a_circle() {
    for parent in [&[][..], &["hub"], &["transport", "http"], &["messages"], &["accounts"], &["router"]] {
        let found = cycle(&imports_below(parent)).map(|way| way.join(" -> "));
        assert_eq!(found, None, "import cycle below crate::{}", parent.join("::"));
    }
}

#[test]
fn import_cycle_is_found() {
    let imports = |edges: &[(&str, &[&str])]| {
        let to_set = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        edges.iter().map(|(from, to)| ((*from).to_owned(), to_set(to))).collect()
    };
    assert_eq!(cycle(&imports(&[("a", &["b", "c"]), ("b", &["c"])])), None);
    let found = cycle(&imports(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]));
    assert_eq!(found.map(|way| way.join(" ")), Some("b c b".to_owned()));
    assert_eq!(
        names_after("crate::", "use crate::hub::{Hub, Link};\nuse crate::{config, error::Error};"),
        ["hub", "config", "error"]
    );
    assert_eq!(names_after("super::", "super::super::a; super::b; x::super::c"), ["super", "b", "c"]);
}

#[test]
fn commands_as_an_enum_are_dispatched_on_by_the_native_protocol_alone() {
    for (_, path, code) in modules_of_host() {
        let at_home =
            ["session/native.rs", "session/identity.rs", "protocol.rs"].iter().any(|home| path.ends_with(home))
                || ["dialect/native", "protocol"]
                    .iter()
                    .any(|folder| path.parent().is_some_and(|parent| parent.ends_with(folder)));
        let named = names_after("crate::protocol::", &code);
        assert!(at_home || !named.iter().any(|name| name == "Command" || name == "Reply"), "{}", path.display());
    }
}
