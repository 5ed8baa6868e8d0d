//! Programs that the tests need: those of operators, to test the server and the files in `deploy/`, and NATS for clusters.

use std::process::Command;

use anyhow::Result;

use crate::{command, debian};

/// Programs and their Debian packages.
const TOOLS: [(&str, &str); 5] = [
    ("slowhttptest", "slowhttptest"),
    ("nginx", "nginx-light"),
    ("caddy", "caddy"),
    ("systemd-analyze", "systemd"),
    ("nats-server", "nats-server"),
];

/// Installs the missing ones.
pub fn install() -> Result<()> {
    let there = |program: &str| {
        command::succeeds(Command::new("sh").args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")]))
    };
    let missing: Vec<&str> = TOOLS.iter().filter(|(program, _)| !there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let otherwise = format!(
        "the tests of operations and clusters need {}: install the contents of these Debian packages",
        missing.join(", ")
    );
    debian::install(&missing, &otherwise)
}
