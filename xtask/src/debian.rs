//! Programs that come as Debian packages.

use std::process::Command;

use anyhow::{Result, bail};

use crate::command;

/// Installs packages, where that can be done; `otherwise` says what a person has to do where it cannot.
pub fn install(packages: &[&str], otherwise: &str) -> Result<()> {
    if !is_root() || !command::succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{otherwise}");
    }
    command::run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    // Nobody is there to answer questions.
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    command::run(install.args(packages))
}

pub fn is_root() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
