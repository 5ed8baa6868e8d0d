//! Installs Debian packages.

use std::process::Command;

use anyhow::{Result, bail};

use crate::command;

/// Installs packages as root on Debian. Elsewhere fails with `otherwise`, which says what to do by hand.
pub fn install(packages: &[&str], otherwise: &str) -> Result<()> {
    if !is_root() || !command::succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{otherwise}");
    }
    command::run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    // Keeps apt-get from asking questions.
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    command::run(install.args(packages))
}

pub fn is_root() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
