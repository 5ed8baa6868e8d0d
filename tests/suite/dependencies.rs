//! The house has walls: which module may know which, read from the sources' own `use` lines and paths.

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
fn modules() -> Vec<(String, PathBuf, String)> {
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
fn each_outside_crate_is_known_where_it_belongs_and_nowhere_else() {
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
        for (module, path, code) in modules() {
            if !at_home.contains(&module.as_str()) {
                assert!(!code.contains(needle), "{} speaks of {needle}", path.display());
            }
        }
    }
}

#[test]
fn no_module_looks_up_the_way_that_a_frame_comes_down() {
    // From the socket to the database: a module may know those further down, and none of those before it.
    let way = ["transport", "session", "router", "plugins", "rooms", "messages", "accounts", "database"];
    let allowed = [
        // The writer tells the rooms' caches what no longer holds.
        ("messages", "rooms"),
    ];
    for (module, path, code) in modules() {
        let Some(place) = way.iter().position(|step| *step == module) else { continue };
        for above in &way[..place] {
            let knows = code.contains(&format!("crate::{above}::")) || code.contains(&format!("crate::{above};"));
            assert!(!knows || allowed.contains(&(&*module, above)), "{} knows {above}", path.display());
        }
    }
}

#[test]
fn services_and_the_hub_know_neither_sockets_nor_sessions() {
    for (module, path, code) in modules() {
        if ["accounts", "rooms", "messages", "hub", "database", "protocol", "dialect"].contains(&module.as_str()) {
            for above in ["transport", "session", "router", "server", "plugins", "cluster"] {
                assert!(!code.contains(&format!("crate::{above}")), "{} knows {above}", path.display());
            }
        }
    }
}
