//! `cargo xtask check`.

use anyhow::{Result, bail};
use xtask::command::{cargo, run as run_command, succeeds};

use crate::wasm_target::{self, TARGET};
use crate::workspace::Workspace;

/// Run the static checks: format, lints, documentation, dependencies.
///
/// Runs every check, even if others fail; warnings count as errors. Installs cargo-deny if it is missing.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(workspace: &Workspace, _: &Args) -> Result<()> {
    let checks: [(&str, Check); 6] = [
        ("format", format),
        ("lints", lints),
        ("lints of the plugins, for WebAssembly", plugin_lints),
        ("documentation", documentation),
        ("dependencies", dependencies),
        ("advisories", advisories),
    ];
    let mut failed = Vec::new();
    let mut unchecked = Vec::new();
    for (name, check) in checks {
        eprintln!("\n== {name}");
        match check(workspace) {
            Ok(Outcome::Passed) => {}
            Ok(Outcome::NotChecked(why)) => unchecked.push(format!("{name} ({why})")),
            Err(error) => {
                eprintln!("{error:#}");
                failed.push(name);
            }
        }
    }
    eprintln!();
    for what in &unchecked {
        println!("NOT CHECKED: {what}");
    }
    if !failed.is_empty() {
        bail!("{} of {} checks failed: {}", failed.len(), checks.len(), failed.join(", "));
    }
    println!("{} of {} checks passed, none failed", checks.len() - unchecked.len(), checks.len());
    Ok(())
}

type Check = fn(&Workspace) -> Result<Outcome>;

enum Outcome {
    Passed,
    NotChecked(String),
}

fn format(_: &Workspace) -> Result<Outcome> {
    run_command(&mut cargo(&["fmt", "--all", "--", "--check"])).map(|()| Outcome::Passed)
}

fn lints(_: &Workspace) -> Result<Outcome> {
    let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny=warnings"]);
    run_command(&mut clippy).map(|()| Outcome::Passed)
}

/// Lints code that is compiled only for WebAssembly, which [`lints`] does not see.
fn plugin_lints(workspace: &Workspace) -> Result<Outcome> {
    wasm_target::ensure()?;
    let mut clippy = cargo(&["clippy", "--locked", "--target", TARGET]);
    for plugin in &workspace.plugins {
        clippy.args(["--package", &plugin.package]);
    }
    run_command(clippy.args(["--", "--deny=warnings"])).map(|()| Outcome::Passed)
}

fn documentation(_: &Workspace) -> Result<Outcome> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    run_command(doc.env("RUSTDOCFLAGS", "--deny=warnings")).map(|()| Outcome::Passed)
}

fn dependencies(_: &Workspace) -> Result<Outcome> {
    ensure_cargo_deny()?;
    run_command(&mut cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"])).map(|()| Outcome::Passed)
}

fn advisories(workspace: &Workspace) -> Result<Outcome> {
    ensure_cargo_deny()?;
    // Fetched separately, so that a missing network is not reported as a vulnerability.
    if let Err(error) = run_command(&mut cargo(&["deny", "fetch", "db"])) {
        eprintln!("{error:#}");
        return Ok(Outcome::NotChecked(unchecked_advisories(workspace)));
    }
    let mut deny = cargo(&["deny", "--locked", "check", "--disable-fetch", "advisories"]);
    run_command(&mut deny).map(|()| Outcome::Passed)
}

/// What to look up by hand if the database of advisories cannot be fetched: the most exposed crates, and the advisories that
/// `deny.toml` ignores.
fn unchecked_advisories(workspace: &Workspace) -> String {
    let read = |file: &str| std::fs::read_to_string(workspace.root.join(file)).unwrap_or_default();
    let ignored: Vec<String> = ids(&read("deny.toml")).map(|id| format!("{id} (ignored in deny.toml)")).collect();
    let lock = read("Cargo.lock");
    let versions: Vec<String> = EXPOSED_CRATES.iter().flat_map(|name| versions(&lock, name)).collect();
    let crates = lock.lines().filter(|line| *line == "[[package]]").count();
    format!(
        "the database of advisories cannot be fetched: none of those on the {crates} crates of Cargo.lock was checked; look up \
         at https://rustsec.org at least {}{}",
        versions.join(", "),
        ignored.iter().map(|id| format!(", and whether {id} still holds")).collect::<String>()
    )
}

/// Crates that process an attacker's bytes first.
const EXPOSED_CRATES: [&str; 9] =
    ["wasmtime", "wasmtime-wasi", "hyper", "tungstenite", "socketioxide", "rustls", "jsonwebtoken", "rsa", "sqlx"];

/// The advisories that a text names.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('"').skip(1).step_by(2);
    quoted.filter(|word| word.starts_with("RUSTSEC-"))
}

/// A crate's versions in a lock file.
fn versions(lock: &str, name: &str) -> Vec<String> {
    let (name, lines) = (format!("name = \"{name}\""), lock.lines().zip(lock.lines().skip(1)));
    let version = |line: &str| line.strip_prefix("version = ").map(|version| version.trim_matches('"').to_owned());
    let found = lines.filter(|(line, _)| *line == name).filter_map(|(_, next)| version(next));
    found.map(|version| format!("{} {version}", name.trim_start_matches("name = ").trim_matches('"'))).collect()
}

fn ensure_cargo_deny() -> Result<()> {
    if succeeds(&mut cargo(&["deny", "--version"])) {
        return Ok(());
    }
    eprintln!("cargo-deny is not installed; installing it (about a minute)");
    // It runs only for a second, and builds much faster without optimisation.
    let mut install = cargo(&["install", "cargo-deny", "--version=^0.20", "--locked", "--debug"]);
    run_command(install.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("CARGO_TARGET_DIR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_advisories_and_locked_versions_are_found() {
        let text =
            "[advisories]\n# RUSTSEC-1 is a comment\nignore = [{ id = \"RUSTSEC-2023-0071\", reason = \"none\" }]";
        assert_eq!(ids(text).collect::<Vec<_>>(), ["RUSTSEC-2023-0071"]);
        let lock =
            "[[package]]\nname = \"rsa\"\nversion = \"0.9.10\"\n[[package]]\nname = \"rsa-x\"\nversion = \"1.0.0\"\n";
        assert_eq!(versions(lock, "rsa"), ["rsa 0.9.10"]);
        assert!(versions(lock, "hyper").is_empty());
    }

    #[test]
    fn exposed_crates_are_in_the_lock_file() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
        for name in EXPOSED_CRATES {
            assert!(!versions(&lock, name).is_empty(), "{name}");
        }
    }
}
