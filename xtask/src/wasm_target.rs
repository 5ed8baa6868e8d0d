//! Installs the Rust target of plugins, which is not part of a default installation.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use xtask::command::{run, succeeds};

pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Installs the target by rustup if it is missing.
pub(crate) fn ensure() -> Result<()> {
    if is_installed() {
        return Ok(());
    }
    eprintln!("Rust's target {TARGET}, for which plugins are built, is not installed; asking rustup for it.");
    if !succeeds(Command::new("rustup").arg("--version")) {
        bail!(
            "Rust's target {TARGET} is missing, and so is rustup. Install the target as this Rust was installed: with rustup \
             (https://rustup.rs) by `rustup target add {TARGET}`, elsewhere as the package with the standard library for it."
        );
    }
    if let Err(error) = run(Command::new("rustup").args(["target", "add", TARGET])) {
        bail!(
            "{error:#}. Plugins cannot be built without it: see that `rustup target add {TARGET}` works, then try again."
        );
    }
    Ok(())
}

fn is_installed() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    asked.is_ok_and(|answer| {
        answer.status.success() && Path::new(String::from_utf8_lossy(&answer.stdout).trim()).is_dir()
    })
}
