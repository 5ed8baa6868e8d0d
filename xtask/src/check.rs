//! `cargo xtask check`.

use anyhow::{Result, bail};
use xtask::command::{cargo, run as run_command, succeeds};

use crate::wasm_target::{self, TARGET};
use crate::workspace::Workspace;

/// Check what needs no running: format, lints, documentation, dependencies.
///
/// Every check is made, whatever the others say; warnings count as errors. cargo-deny is installed if it is missing.
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
    NotChecked(&'static str),
}

fn format(_: &Workspace) -> Result<Outcome> {
    run_command(&mut cargo(&["fmt", "--all", "--", "--check"])).map(|()| Outcome::Passed)
}

fn lints(_: &Workspace) -> Result<Outcome> {
    let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny=warnings"]);
    run_command(&mut clippy).map(|()| Outcome::Passed)
}

/// What is compiled only for WebAssembly is not seen by the check above.
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

fn advisories(_: &Workspace) -> Result<Outcome> {
    ensure_cargo_deny()?;
    // Fetched apart, so that having no network is not taken for a vulnerability.
    if let Err(error) = run_command(&mut cargo(&["deny", "fetch", "db"])) {
        eprintln!("{error:#}");
        return Ok(Outcome::NotChecked("the database of advisories cannot be fetched"));
    }
    let mut deny = cargo(&["deny", "--locked", "check", "--disable-fetch", "advisories"]);
    run_command(&mut deny).map(|()| Outcome::Passed)
}

fn ensure_cargo_deny() -> Result<()> {
    if succeeds(&mut cargo(&["deny", "--version"])) {
        return Ok(());
    }
    eprintln!("cargo-deny is not installed; installing it (about a minute)");
    // It runs for a second: without optimisation it is built in a fraction of the time.
    let mut install = cargo(&["install", "cargo-deny", "--version=^0.20", "--locked", "--debug"]);
    run_command(install.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("CARGO_TARGET_DIR"))
}
